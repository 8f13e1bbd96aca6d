//! How far the server is where it has nothing for us. Pure: times come in as values.
//!
//! The server tells of places in its log with nothing for us before them: in keepalives, and by
//! transactions without a row of ours. They are boundaries too, and without them a slot would retain
//! the log of everyone else's changes; but each costs an entry, so they are said only now and then.

use std::time::{Duration, Instant};

/// What was said and what could be.
#[derive(Debug)]
pub(super) struct Idle {
    /// The last boundary that was handed over.
    boundary: u64,
    at: Instant,
    /// The place and time the server last told of, beyond that boundary.
    seen: Option<(u64, i64)>,
}

impl Idle {
    pub(super) fn new(boundary: u64, now: Instant) -> Self {
        Self { boundary, at: now, seen: None }
    }

    /// Hears of a place with nothing for us before it.
    pub(super) fn see(&mut self, place: u64, at: i64) {
        if place > self.boundary.max(self.seen.map_or(0, |(seen, _)| seen)) {
            self.seen = Some((place, at));
        }
    }

    /// A boundary was handed over.
    pub(super) fn pass(&mut self, place: u64, now: Instant) {
        (self.boundary, self.at) = (place, now);
        self.seen = self.seen.filter(|&(seen, _)| seen > place);
    }

    /// The place and time to say now, no more often than `every`.
    pub(super) fn due(&self, now: Instant, every: Duration) -> Option<(u64, i64)> {
        self.seen.filter(|_| now.saturating_duration_since(self.at) >= every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(10);

    #[test]
    fn says_the_furthest_place_and_only_now_and_then() {
        let began = Instant::now();
        let mut idle = Idle::new(100, began);
        idle.see(150, 1);
        idle.see(120, 2);
        assert_eq!(idle.due(began, EVERY), None);
        assert_eq!(idle.due(began + EVERY, EVERY), Some((150, 1)));
        assert_eq!(idle.due(began, Duration::ZERO), Some((150, 1)));
    }

    #[test]
    fn never_goes_back_behind_a_boundary() {
        let began = Instant::now();
        let mut idle = Idle::new(100, began);
        idle.see(90, 1);
        assert_eq!(idle.due(began + EVERY, EVERY), None);
        idle.see(150, 1);
        idle.pass(150, began);
        assert_eq!(idle.due(began + EVERY, EVERY), None);
        idle.see(170, 1);
        idle.pass(160, began);
        assert_eq!(idle.due(began + EVERY, EVERY), Some((170, 1)));
    }
}
