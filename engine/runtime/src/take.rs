//! Whoever writes a topic takes it first: what an earlier process left of a transaction, or may be about to append,
//! is declared abandoned.

use syncline_core::{Body, Boundary, ChangeLog, Entry, Result, Tail, Topic};

/// Takes a topic; gives the last boundary in it.
///
/// Order: once this returns, no other process can append anything that counts in front of what we append; so
/// whoever asks a system how far it is asks afterwards.
///
/// # Errors
/// `Unavailable` where the log can't take an entry now, or another process appended since it was asked.
pub(crate) async fn take(log: &dyn ChangeLog, topic: &Topic) -> Result<Option<Boundary>> {
    let tail = log.tail(topic).await?;
    if let Some(entry) = abandonment(&tail, log.is_shared()) {
        log.append(topic, vec![entry]).await?.durable.await?;
    }
    Ok(tail.boundary)
}

/// What tells readers to forget a transaction that is not whole; `None` when all are, and no other process could
/// begin one.
fn abandonment(tail: &Tail, is_shared: bool) -> Option<Entry> {
    (tail.open || is_shared).then_some(Entry { body: Body::Abandoned, boundary: tail.boundary })
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_core::{Offset, Position};

    #[test]
    fn a_transaction_that_is_or_may_be_cut_off_is_abandoned() {
        let boundary = Some(Boundary { position: Position::default(), committed_at: 1 });
        let whole = Tail { next: Offset(3), boundary, open: false };
        assert!(abandonment(&whole, false).is_none());
        assert!(abandonment(&whole, true).is_some());
        let entry = abandonment(&Tail { open: true, ..whole }, false).unwrap();
        assert!(matches!(entry.body, Body::Abandoned));
        assert_eq!(entry.boundary, boundary);
    }
}
