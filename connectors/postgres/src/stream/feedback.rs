//! What the server is told, and when.

use crate::wire::{Lsn, StandbyStatus};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use syncline_core::Position;

/// Longest time between two status messages.
const EVERY: Duration = Duration::from_secs(1);

/// How far the server was told that we are.
#[derive(Debug)]
pub(super) struct Feedback {
    epoch: u32,
    flushed: Lsn,
    sent: Option<Instant>,
}

impl Feedback {
    /// Begins where the stream begins: that is durable already.
    pub(super) fn new(from: Position) -> Self {
        Self { epoch: from.epoch, flushed: Lsn(from.commit), sent: None }
    }

    /// Whether it is time to send, or something new may be told.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.sent.is_none_or(|sent| now.saturating_duration_since(sent) >= EVERY)
    }

    /// The status to send now. Only what was released is told, never back, and nothing of another
    /// epoch.
    pub(super) fn status(&mut self, released: Option<Position>, now: Instant) -> StandbyStatus {
        if let Some(released) = released.filter(|released| released.epoch == self.epoch) {
            self.flushed = self.flushed.max(Lsn(released.commit));
        }
        self.sent = Some(now);
        StandbyStatus { flushed: self.flushed, sent_at: clock() }
    }
}

/// Our clock; the server only shows it in `pg_stat_replication.reply_time`.
#[expect(clippy::disallowed_methods, reason = "the protocol asks for the sender's clock")]
fn clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: u32, commit: u64) -> Option<Position> {
        Some(Position { epoch, commit, ordinal: 0 })
    }

    #[test]
    fn tells_only_what_is_released_in_this_epoch_and_never_goes_back() {
        let now = Instant::now();
        let mut feedback = Feedback::new(Position { epoch: 2, commit: 100, ordinal: 0 });
        let mut told = |released| feedback.status(released, now).flushed.0;
        assert_eq!(told(None), 100);
        assert_eq!(told(at(1, 500)), 100);
        assert_eq!(told(at(2, 300)), 300);
        assert_eq!(told(at(2, 200)), 300);
    }

    #[test]
    fn is_due_at_first_and_then_every_second() {
        let now = Instant::now();
        let mut feedback = Feedback::new(Position::default());
        assert!(feedback.is_due(now));
        feedback.status(None, now);
        assert!(!feedback.is_due(now) && feedback.is_due(now + EVERY));
    }
}
