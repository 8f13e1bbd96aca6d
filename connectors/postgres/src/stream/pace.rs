//! When to read, when to pause, when to hand over. Pure: times come in as values.
//!
//! The server sends every row by itself. While it has many, a reader that wakes for each makes the
//! server slower; a pause of a fraction of a millisecond lets rows gather, so that one read takes a
//! few hundred. When the server has nothing more, there is no pause: a lone change is read at once.

use std::time::{Duration, Instant};

/// The pause. Longer ones starve a unix socket, which holds about 270 rows of 170 bytes.
const PAUSE: Duration = Duration::from_micros(200);
/// A read that waited less than this found data there or on its way.
const AT_ONCE: Duration = Duration::from_micros(100);
/// So many such reads in a row mean that the server has a backlog.
const READS_OF_BACKLOG: u32 = 8;
/// A read after a pause that brings less than this means that the backlog is gone.
const BACKLOG_BYTES: usize = 8 << 10;
/// Shortest time between two hand-overs, unless a batch is full.
const HAND_OVER_EVERY: Duration = Duration::from_millis(2);
/// The same while the server has a backlog: larger batches are cheaper all the way down.
const HAND_OVER_EVERY_IN_BACKLOG: Duration = Duration::from_millis(20);

/// The rhythm of one stream.
#[derive(Debug)]
pub(super) struct Pace {
    reads_at_once: u32,
    handed_over: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { reads_at_once: 0, handed_over: now.checked_sub(HAND_OVER_EVERY).unwrap_or(now) }
    }

    /// How long to pause before the next read.
    pub(super) fn pause(&self) -> Option<Duration> {
        (self.reads_at_once >= READS_OF_BACKLOG).then_some(PAUSE)
    }

    /// A read brought `bytes`, or nothing within the tick.
    pub(super) fn on_read(&mut self, waited: Duration, bytes: Option<usize>) {
        let paused = self.pause().is_some();
        self.reads_at_once = match bytes {
            Some(bytes) if paused && bytes >= BACKLOG_BYTES => self.reads_at_once,
            Some(_) if !paused && waited < AT_ONCE => self.reads_at_once + 1,
            _ => 0,
        };
    }

    /// How long what is there may wait for more; zero when it is due.
    pub(super) fn linger(&self, now: Instant) -> Duration {
        let every = match self.pause() {
            Some(_) => HAND_OVER_EVERY_IN_BACKLOG,
            None => HAND_OVER_EVERY,
        };
        (self.handed_over + every).saturating_duration_since(now)
    }

    /// What was there has been handed over.
    pub(super) fn on_hand_over(&mut self, now: Instant) {
        self.handed_over = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pace: &mut Pace, waited_micros: u64, bytes: usize) {
        pace.on_read(Duration::from_micros(waited_micros), Some(bytes));
    }

    #[test]
    fn pauses_only_while_reads_come_full() {
        let mut pace = Pace::new(Instant::now());
        for _ in 0..READS_OF_BACKLOG {
            assert_eq!(pace.pause(), None);
            read(&mut pace, 3, 900);
        }
        assert_eq!(pace.pause(), Some(PAUSE));
        read(&mut pace, 1, 50_000);
        assert_eq!(pace.pause(), Some(PAUSE));
        read(&mut pace, 1, 400);
        assert_eq!(pace.pause(), None);
    }

    #[test]
    fn never_pauses_while_changes_trickle() {
        let mut pace = Pace::new(Instant::now());
        for _ in 0..100 {
            read(&mut pace, 500, 900);
            assert_eq!(pace.pause(), None);
        }
        for _ in 0..READS_OF_BACKLOG - 1 {
            read(&mut pace, 3, 900);
        }
        pace.on_read(Duration::from_millis(2), None);
        read(&mut pace, 3, 900);
        assert_eq!(pace.pause(), None);
    }

    #[test]
    fn a_lone_change_is_due_at_once_and_the_next_one_waits_a_little() {
        let began = Instant::now();
        let mut pace = Pace::new(began);
        assert_eq!(pace.linger(began), Duration::ZERO);
        pace.on_hand_over(began);
        assert_eq!(pace.linger(began), HAND_OVER_EVERY);
        assert_eq!(pace.linger(began + HAND_OVER_EVERY), Duration::ZERO);
    }
}
