//! The durable middle: a log of entries by topic.
//!
//! ```text
//!  append ──▶ accepted ──▶ durable ──▶ readable
//!               │             └ `Appended::durable` resolves with the offset after the entries
//!               └ order is fixed
//! ```

use crate::{Boundary, Entry, Result};
use async_trait::async_trait;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A named sequence of entries. All names are spelled here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Topic(Arc<str>);

impl Topic {
    /// What a system committed: `changes.<system>`.
    #[must_use]
    pub fn changes(system: &crate::SystemName) -> Self {
        Self(format!("changes.{system}").into())
    }

    /// Golden changes of an entity: `entity.<name>`.
    #[must_use]
    pub fn entity(name: &str) -> Self {
        Self(format!("entity.{name}").into())
    }

    /// Whether it is what a system committed.
    #[must_use]
    pub fn is_changes(&self) -> bool {
        self.0.starts_with("changes.")
    }

    /// The name, safe as a directory name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who reads: each keeps its own progress and is waited for by trimming.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReaderName(Arc<str>);

impl ReaderName {
    /// What writes one topic to one system: `apply/<system>/<topic>`.
    #[must_use]
    pub fn apply(system: &crate::SystemName, topic: &Topic) -> Self {
        Self(format!("apply/{system}/{topic}").into())
    }

    /// What brings one topic's word into an entity: `resolve/<entity>/<topic>`.
    #[must_use]
    pub fn resolve(entity: &str, topic: &Topic) -> Self {
        Self(format!("resolve/{entity}/{topic}").into())
    }

    /// What passes over a topic that nobody reads: `unread/<topic>`.
    #[must_use]
    pub fn unread(topic: &Topic) -> Self {
        Self(format!("unread/{topic}").into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A place in a topic. Entries ascend, from 0 on; a log that several processes may reach can leave places out,
/// where something was written that does not count.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Offset(pub u64);

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which log it is: another one, or the same directory begun anew, has another id. What an offset
/// means it means only in its own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogId(pub u64);

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// An entry at its offset.
#[derive(Debug, Clone)]
pub struct Record {
    /// Where it is.
    pub offset: Offset,
    /// What it says; shared with other readers.
    pub entry: Arc<Entry>,
}

/// Accepted, not yet durable.
pub struct Appended {
    /// The offset after the last entry.
    pub next: Offset,
    /// Resolves with `next` once all entries up to it would survive a crash.
    pub durable: BoxFuture<'static, Result<Offset>>,
}

/// The durable end of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tail {
    /// The offset that the next entry gets.
    pub next: Offset,
    /// The last boundary, kept even when trimming took its entry; `None` in a topic that never had
    /// one.
    pub boundary: Option<Boundary>,
    /// Whether entries follow that boundary, and were not given up with
    /// [`Abandoned`](crate::Body::Abandoned): a transaction that is not whole.
    pub open: bool,
}

/// Keeps entries by topic until every reader has passed them.
///
/// Guarantees: one writer a topic; entries are read in the order they were appended, only once
/// durable, each exactly once from any offset; a topic exists from its first use; errors after
/// which durability is in doubt poison the log: every later call fails with `Corrupt`.
#[async_trait]
pub trait ChangeLog: Send + Sync {
    /// Which log this is; the same for as long as its entries are.
    fn id(&self) -> LogId;

    /// Whether another process may still append that had it open before. Then whoever begins to write a topic
    /// takes it by an entry of its own: once that is durable, the topic was as its tail said, and what the other
    /// appends behind it does not count.
    fn is_shared(&self) -> bool {
        false
    }

    /// Appends entries in order. Waits while more than the allowed bytes are not yet durable.
    ///
    /// # Errors
    /// `Unavailable`, here or from `durable`, while there is no room or nobody answers: nothing of these
    /// entries is in the log; or, where the outcome is [`Outcome::Unknown`](crate::Outcome), maybe the
    /// first of them, which its tail tells. As entries accepted behind lost ones would leave a gap, all that was accepted
    /// is lost with them, and appending fails until every failed `durable` was awaited or dropped;
    /// then the writer goes on from [`ChangeLog::tail`].
    async fn append(&self, topic: &Topic, entries: Vec<Entry>) -> Result<Appended>;

    /// Reads durable entries from an offset on: at least one, waiting for it, and no more than
    /// about `bytes_max` in memory. Cancel-safe.
    ///
    /// # Errors
    /// `Corrupt` where the offset was trimmed away or lies beyond the end.
    async fn read(&self, topic: &Topic, from: Offset, bytes_max: usize) -> Result<Vec<Record>>;

    /// The durable end, as far as this process knows.
    async fn tail(&self, topic: &Topic) -> Result<Tail>;

    /// The durable end with what another process appended until now, where one may.
    async fn tail_anew(&self, topic: &Topic) -> Result<Tail> {
        self.tail(topic).await
    }

    /// Where a reader is; `None` for one that was never seen on this topic.
    async fn progress(&self, reader: &ReaderName, topic: &Topic) -> Result<Option<Offset>>;

    /// Records that a reader is done with everything before `next`, which may not go back. The
    /// first call registers the reader. Durable when it returns.
    ///
    /// # Errors
    /// `Corrupt` when the reader would go back, or past the durable end, or would be registered at
    /// what was trimmed.
    async fn commit(&self, reader: &ReaderName, topic: &Topic, next: Offset) -> Result<()>;

    /// Forgets a reader on all topics, so that trimming no longer waits for it. It may be registered
    /// again, wherever the log still is. Durable when it returns.
    async fn forget(&self, reader: &ReaderName) -> Result<()>;

    /// Drops what every registered reader has passed and the retention settings allow; returns the
    /// first offset still there. Drops nothing while no reader is registered.
    async fn trim(&self, topic: &Topic) -> Result<Offset>;
}

/// Small durable notes by name, replaced whole: how far a snapshot is, what a slot was made on.
pub trait Checkpoints: Send + Sync {
    /// The note last saved under this name.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt` when it can't be read whole.
    fn load(&self, name: &str) -> Result<Option<Vec<u8>>>;

    /// Replaces the note; durable when it returns, and never half-written.
    ///
    /// # Errors
    /// `Unavailable` when it can't be written; the former note stands.
    fn save(&self, name: &str, note: &[u8]) -> Result<()>;
}
