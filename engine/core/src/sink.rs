//! The contract of what writes to a system.

use crate::{
    ChangeBatch, LogId, Offset, Op, ParkKey, ParkMark, Parked, ReaderName, Result, TableSchema,
    Topic,
};
use async_trait::async_trait;
use std::sync::Arc;

/// How far a reader is, kept by the target itself beside the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The log that is read: an offset says nothing of another one.
    pub log: LogId,
    /// The topic that is read.
    pub topic: Topic,
    /// Everything before this offset is in the target.
    pub next: Offset,
    /// When the source committed the last of it, in µs since 1970 UTC.
    pub committed_at: i64,
}

/// A change to one target table.
#[derive(Debug, Clone)]
pub enum TargetChange {
    /// Rows in order. No [`crate::Op::Before`] among them; the key columns are always present.
    Rows(ChangeBatch),
    /// Every row that the mappings put there goes.
    Truncate(Arc<TableSchema>),
}

/// What a write did, counted in rows of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Rows inserted.
    pub inserted: u64,
    /// Rows updated.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
}

impl Written {
    /// Rows by their operation, for a target that can't be asked what it has.
    #[must_use]
    pub fn by_operation(batch: &ChangeBatch) -> Self {
        let mut written = Self::default();
        for &op in batch.ops() {
            match Op::from_u8(op) {
                Some(Op::Insert | Op::Snapshot) => written.inserted += 1,
                Some(Op::Update) => written.updated += 1,
                Some(Op::Delete) => written.deleted += 1,
                Some(Op::Before) | None => {}
            }
        }
        written
    }
}

impl std::ops::AddAssign for Written {
    fn add_assign(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.deleted += other.deleted;
    }
}

/// Writes batches to one system, and with them how far the reader is.
///
/// Guarantees: nothing is visible before [`Sink::commit`]; rows, parked rows and progress become
/// visible together or not at all; a [`Sink::write`] that fails with `Rejected` leaves the open
/// transaction as it was before the call, so that the caller can split and go on. A row image that
/// is whole is written whether or not the key exists; one that is not whole and whose key does not
/// exist is `Rejected`; a delete of a key that does not exist is nothing. Targets without
/// transactions make writes idempotent by key instead and say so in their documentation.
#[async_trait]
pub trait Sink: Send {
    /// Connects, takes the place of this reader (an older one is fenced), makes what it needs, and
    /// returns how far the reader is; `None` when it never committed. No crash of the target takes that back.
    /// Drops any open transaction.
    async fn open(&mut self, reader: &ReaderName) -> Result<Option<Progress>>;

    /// Writes changes to several tables, in whatever order their constraints ask for that gives
    /// the same end. Begins a transaction when none is open.
    async fn write(&mut self, changes: &[TargetChange]) -> Result<Written>;

    /// Sets rows aside, and takes back those that are settled, within the open transaction. A
    /// parked row replaces an older one of the same [`ParkKey`].
    async fn park(&mut self, parked: &[Parked], settled: &[ParkKey]) -> Result<()>;

    /// The rows set aside for this reader, oldest first.
    async fn parked(&mut self) -> Result<Vec<Parked>>;

    /// Of the same rows what a person may have changed since. Asked again and again, so a sink that
    /// keeps the rows elsewhere leaves the images there.
    async fn park_marks(&mut self) -> Result<Vec<ParkMark>> {
        let mark = |row: Parked| ParkMark { key: row.key, attempts: row.attempts };
        Ok(self.parked().await?.into_iter().map(mark).collect())
    }

    /// How many rows a table has, with those of the open transaction; none where that can't be told.
    async fn count(&mut self, table: &TableSchema) -> Result<Option<u64>> {
        let _ = table;
        Ok(None)
    }

    /// Commits the open transaction, begun here if need be, with the reader's progress. In the same
    /// log it never goes back; in another one it begins anew. All that was committed is visible; until
    /// [`Sink::sync`] a crash of the target may take back the last of it, always with its progress.
    ///
    /// # Errors
    /// `Fenced` when another has taken the reader's place. After `Unavailable` with
    /// [`crate::Outcome::Unknown`] the caller reopens and asks for the progress.
    async fn commit(&mut self, progress: &Progress) -> Result<()>;

    /// Returns once no crash of the target takes back what was committed. Called with no transaction open.
    ///
    /// # Errors
    /// Any error of [`Sink::commit`]: what was committed is then as before.
    async fn sync(&mut self) -> Result<()> {
        Ok(())
    }

    /// Gives up the open transaction.
    async fn rollback(&mut self) -> Result<()>;
}
