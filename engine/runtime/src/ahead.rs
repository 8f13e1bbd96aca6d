//! Clocks that are ahead of ours.
//!
//! A commit in our future was made by a clock that is wrong: with a wrong year it would hold against all that
//! others say until then. So it counts as made no later than a moment from now, the time at which it reached
//! us. Within its own system the order of commits decides, whatever the time.

use syncline_core::{Body, Entry};

/// Takes back commit times that are later than `latest`, in µs since 1970 UTC; gives the latest of them, as it
/// was.
pub(crate) fn take_back(entries: &mut [Entry], latest: i64) -> Option<i64> {
    let mut furthest = None;
    for entry in entries {
        if let Body::Rows(batch) = &mut entry.body {
            furthest = furthest.max(batch.commit_by(latest));
        }
        if let Some(boundary) = &mut entry.boundary {
            boundary.committed_at = boundary.committed_at.min(latest);
        }
    }
    furthest
}

/// A sentence for operators.
pub(crate) fn sentence(system: &str, micros: i64) -> String {
    let seconds = micros as f64 / 1e6;
    format!(
        "the clock of {system} is {seconds:.1} s ahead of ours: what it says counts as said now"
    )
}
