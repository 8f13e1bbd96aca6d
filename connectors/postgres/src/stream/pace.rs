//! When to read, when to pause, when to hand over. Pure: times come in as values.
//!
//! The server sends every row by itself. While it has many, a reader that wakes for each makes the
//! server slower; a pause lets rows gather, so that one read takes many. When the server has nothing more, there is
//! no pause: a lone change is read at once.

use std::time::{Duration, Instant};

/// A read that waited less than this found data there or on its way.
const AT_ONCE: Duration = Duration::from_micros(100);
/// So many such reads in a row mean that the server has a backlog.
const READS_OF_BACKLOG: u32 = 8;
/// Where rows gather at the server, a read of this many bytes makes room for more.
const READ_ON_BYTES: usize = 8 << 10;
/// Shortest time between two hand-overs, unless a batch is full.
const HAND_OVER_EVERY: Duration = Duration::from_millis(2);
/// The same while the server has a backlog: larger batches are cheaper all the way down.
const HAND_OVER_EVERY_IN_BACKLOG: Duration = Duration::from_millis(20);

/// Where rows gather while nobody reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gathering {
    /// On their way to us: in the socket, as far as they fit.
    OnTheWay,
    /// At the server, which puts them together: see [`Connection::gather_at_server`].
    ///
    /// [`Connection::gather_at_server`]: crate::wire::Connection::gather_at_server
    AtServer,
}

impl Gathering {
    /// The pause. A unix socket holds no more than what the server sends within it.
    fn pause(self) -> Duration {
        match self {
            Self::OnTheWay => Duration::from_micros(200),
            Self::AtServer => Duration::from_millis(5),
        }
    }

    /// When reading after a pause brings less than this, the backlog is gone: about 10 MB/s.
    fn backlog_bytes(self) -> usize {
        match self {
            Self::OnTheWay => 3 << 10,
            Self::AtServer => 48 << 10,
        }
    }
}

/// The rhythm of one stream.
#[derive(Debug)]
pub(super) struct Pace {
    gathering: Gathering,
    reads_at_once: u32,
    /// Bytes read since the pause, and whether more may be there already.
    since_pause: usize,
    reads_on: bool,
    handed_over: Instant,
}

impl Pace {
    pub(super) fn new(gathering: Gathering, now: Instant) -> Self {
        let handed_over = now.checked_sub(HAND_OVER_EVERY).unwrap_or(now);
        Self { gathering, reads_at_once: 0, since_pause: 0, reads_on: false, handed_over }
    }

    /// How long to pause before the next read.
    pub(super) fn pause(&self) -> Option<Duration> {
        (self.has_backlog() && !self.reads_on).then_some(self.gathering.pause())
    }

    fn has_backlog(&self) -> bool {
        self.reads_at_once >= READS_OF_BACKLOG
    }

    /// A read brought `bytes`, or nothing within the tick.
    pub(super) fn on_read(&mut self, waited: Duration, bytes: Option<usize>) {
        let read = bytes.unwrap_or(0);
        if !self.has_backlog() {
            let is_at_once = bytes.is_some() && waited < AT_ONCE;
            self.reads_at_once = if is_at_once { self.reads_at_once + 1 } else { 0 };
            return;
        }
        self.since_pause += read;
        self.reads_on = self.gathering == Gathering::AtServer && read >= READ_ON_BYTES;
        if self.reads_on {
            return;
        }
        if self.since_pause < self.gathering.backlog_bytes() {
            self.reads_at_once = 0;
        }
        self.since_pause = 0;
    }

    /// How long what is there may wait for more; zero when it is due.
    pub(super) fn linger(&self, now: Instant) -> Duration {
        let every = match self.has_backlog() {
            true => HAND_OVER_EVERY_IN_BACKLOG,
            false => HAND_OVER_EVERY,
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

    fn in_backlog(gathering: Gathering) -> Pace {
        let mut pace = Pace::new(gathering, Instant::now());
        for _ in 0..READS_OF_BACKLOG {
            assert_eq!(pace.pause(), None);
            read(&mut pace, 3, 900);
        }
        assert_eq!(pace.pause(), Some(gathering.pause()));
        pace
    }

    #[test]
    fn pauses_only_while_reads_come_full() {
        let mut pace = in_backlog(Gathering::OnTheWay);
        read(&mut pace, 1, 50_000);
        assert_eq!(pace.pause(), Some(Gathering::OnTheWay.pause()));
        read(&mut pace, 1, 400);
        assert_eq!(pace.pause(), None);
    }

    #[test]
    fn what_gathered_at_the_server_is_read_without_a_pause() {
        let mut pace = in_backlog(Gathering::AtServer);
        for _ in 0..20 {
            for _ in 0..6 {
                read(&mut pace, 1, 32_000);
                assert_eq!(pace.pause(), None, "more is there");
            }
            assert!(!pace.linger(pace.handed_over).is_zero(), "a backlog's batches are large");
            read(&mut pace, 1, 400);
            assert_eq!(pace.pause(), Some(Gathering::AtServer.pause()));
        }
        // Two rows a millisecond are no backlog.
        read(&mut pace, 1, 1700);
        assert_eq!(pace.pause(), None);
        assert_eq!(pace.linger(pace.handed_over), HAND_OVER_EVERY);
    }

    #[test]
    fn a_read_on_that_brings_nothing_ends_a_small_backlog() {
        let mut pace = in_backlog(Gathering::AtServer);
        read(&mut pace, 1, 9000);
        pace.on_read(Duration::from_millis(1), None);
        assert_eq!(pace.pause(), None);
        assert_eq!(pace.linger(pace.handed_over), HAND_OVER_EVERY);
    }

    #[test]
    fn never_pauses_while_changes_trickle() {
        let mut pace = Pace::new(Gathering::OnTheWay, Instant::now());
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
        let mut pace = Pace::new(Gathering::OnTheWay, began);
        assert_eq!(pace.linger(began), Duration::ZERO);
        pace.on_hand_over(began);
        assert_eq!(pace.linger(began), HAND_OVER_EVERY);
        assert_eq!(pace.linger(began + HAND_OVER_EVERY), Duration::ZERO);
    }
}
