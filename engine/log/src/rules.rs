//! What every log holds its callers to, and how the end of a topic moves.

use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};
use syncline_core::codec::{BodyKind, EntryHead};
use syncline_core::{Error, Kind, LogId, Offset, ReaderName, Result, Tail, Topic};

/// Moves the end past an entry.
///
/// A transaction is open from its first entry without a boundary until one with a boundary, or
/// until it is given up.
pub(crate) fn advance(tail: &mut Tail, head: &EntryHead) {
    tail.next = Offset(tail.next.0 + 1);
    match head.boundary {
        Some(boundary) => {
            tail.boundary = Some(boundary);
            tail.open = false;
        }
        None => tail.open = head.kind != BodyKind::Abandoned,
    }
}

/// The id of a log that begins. Never 0, which is what progress without an id reads as.
pub(crate) fn new_id() -> LogId {
    LogId(rand::random_range(1..=u64::MAX))
}

/// Locks, whatever a panicking test did before: no invariant spans a panic here.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a read may begin here.
pub(crate) fn check_read(topic: &Topic, from: Offset, first: Offset, next: Offset) -> Result<()> {
    if from < first {
        return Err(Error::new(Kind::Corrupt, format!("{topic} was trimmed past offset {from}"))
            .detail(format!("it begins at {first}"))
            .hint("copy what it reads again: syncline backfill --all"));
    }
    if from > next {
        return Err(Error::new(Kind::Corrupt, format!("{topic} has no offset {from} yet"))
            .detail(format!("it ends at {next}; the reader has seen entries that are not here"))
            .hint("check that the log's directory is the one the reader was used with"));
    }
    Ok(())
}

/// Whether a reader may move here. `there` is the first offset that was not trimmed, and the end.
pub(crate) fn check_commit(
    reader: &ReaderName,
    topic: &Topic,
    current: Option<Offset>,
    next: Offset,
    there: RangeInclusive<Offset>,
) -> Result<()> {
    if current.is_none() && next < *there.start() {
        let begins = there.start();
        return Err(Error::new(Kind::Corrupt, format!("{topic} was trimmed past offset {next}"))
            .detail(format!("{reader} can't begin there, the log begins at {begins}")));
    }
    if let Some(current) = current.filter(|&current| next < current) {
        return Err(Error::new(Kind::Corrupt, format!("{reader} went back on {topic}"))
            .detail(format!("from {current} to {next}; what it needs may be trimmed"))
            .hint("copy what it reads again: syncline backfill --all"));
    }
    if next > *there.end() {
        let end = there.end();
        return Err(Error::new(Kind::Corrupt, format!("{reader} is past the end of {topic}"))
            .detail(format!("at {next}, but the log ends at {end}")));
    }
    Ok(())
}
