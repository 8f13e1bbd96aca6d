//! Which segments may go.

use super::settings::Settings;
use super::topic::View;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

/// What the decision needs to know of a segment.
#[derive(Debug, Clone, Copy)]
struct Extent {
    first: u64,
    bytes: u64,
    /// When the source committed the last of what lies before it, in µs.
    committed_at: i64,
}

/// Takes out of the view what every reader has passed and the settings allow; returns the files,
/// oldest first.
pub(super) fn drop_passed(view: &mut View, settings: &Settings) -> VecDeque<PathBuf> {
    let Some(floor) = view.readers.values().min() else { return VecDeque::new() };
    let extents: Vec<_> = view
        .segments
        .iter()
        .map(|segment| Extent {
            first: segment.header.first,
            bytes: segment.bytes(),
            committed_at: segment.header.committed_at(),
        })
        .collect();
    let latest = view.tail.boundary.map_or(i64::MIN, |boundary| boundary.committed_at);
    let count = droppable(&extents, floor.0, latest, settings);
    view.segments.drain(..count).map(|segment| segment.path.clone()).collect()
}

/// How many segments may go from the front. Never the last, which is written to.
fn droppable(segments: &[Extent], floor: u64, latest: i64, settings: &Settings) -> usize {
    let mut behind: u64 = segments.iter().map(|segment| segment.bytes).sum();
    segments
        .windows(2)
        .take_while(|pair| {
            let [this, next] = pair else { return false };
            behind -= this.bytes;
            next.first <= floor
                && behind >= settings.retain_bytes
                && is_older(next.committed_at, latest, settings.retain_for)
        })
        .count()
}

fn is_older(committed_at: i64, latest: i64, than: Duration) -> bool {
    let age = i128::from(latest) - i128::from(committed_at);
    than.is_zero() || u128::try_from(age).is_ok_and(|age| age >= than.as_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments() -> Vec<Extent> {
        (0..4)
            .map(|n| Extent { first: n * 10, bytes: 100, committed_at: n as i64 * 1_000_000 })
            .collect()
    }

    fn settings(retain_bytes: u64, seconds: u64) -> Settings {
        let retain_for = Duration::from_secs(seconds);
        Settings { retain_bytes, retain_for, ..Settings::default() }
    }

    #[test]
    fn only_whole_segments_that_all_have_passed_go_and_never_the_last() {
        for (floor, count) in [(0, 0), (9, 0), (10, 1), (29, 2), (30, 3), (99, 3)] {
            let dropped = droppable(&segments(), floor, i64::MAX, &settings(0, 0));
            assert_eq!(dropped, count, "floor {floor}");
        }
        assert_eq!(droppable(&[], 99, 0, &settings(0, 0)), 0);
    }

    #[test]
    fn enough_bytes_stay_behind() {
        for (bytes, count) in [(0, 3), (100, 3), (101, 2), (300, 1), (301, 0)] {
            let dropped = droppable(&segments(), 99, i64::MAX, &settings(bytes, 0));
            assert_eq!(dropped, count, "retain {bytes} bytes");
        }
    }

    #[test]
    fn what_was_committed_lately_stays() {
        for (seconds, count) in [(0, 3), (1, 3), (2, 2), (3, 1), (4, 0)] {
            let dropped = droppable(&segments(), 99, 4_000_000, &settings(0, seconds));
            assert_eq!(dropped, count, "retain {seconds} s");
        }
    }
}
