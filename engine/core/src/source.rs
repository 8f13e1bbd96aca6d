//! The contract of what reads a system.

use crate::{Entry, Position, Result, TableName, TableSchema};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where a source begins.
#[derive(Debug, Clone, Default)]
pub struct Resume {
    /// The last boundary in the log; `None` when this system was never captured.
    pub position: Option<Position>,
    /// The source's own note, as it last emitted it with [`Captured::checkpoint`].
    pub checkpoint: Option<Vec<u8>>,
    /// Tables whose rows are to be emitted once more, as a snapshot, however far they are. The next
    /// checkpoint that the source emits has to hold this: afterwards it is not told again.
    pub copy_again: BTreeSet<TableName>,
    /// Whether a person gave up what may be missing since `position`: where the system no longer
    /// has its place, the source begins a new epoch and emits all tables.
    pub anew: bool,
}

/// What a source hands over at once.
#[derive(Debug, Default)]
pub struct Captured {
    /// Entries to append, in order.
    pub entries: Vec<Entry>,
    /// A note to keep once these entries, and all before them, are durable.
    pub checkpoint: Option<Vec<u8>>,
}

/// What a source tells of itself beside its entries, for status and metrics.
#[derive(Debug, Clone)]
pub enum Report {
    /// How far the snapshot of one table is. `rows_estimated` is the system's own estimate.
    Snapshot {
        /// The table.
        table: TableName,
        /// Rows read so far.
        rows: u64,
        /// Rows there are, about.
        rows_estimated: u64,
        /// Whether the table is done.
        done: bool,
    },
    /// The stream has begun: all snapshots are done.
    Streaming,
    /// What the system keeps for us, in bytes, and the most it will keep before it gives us up.
    Retained {
        /// Bytes of log the system holds back for this reader.
        bytes: u64,
        /// Its limit, where it has one.
        bytes_max: Option<u64>,
    },
    /// A table's columns as the stream now sends them.
    Schema(Arc<TableSchema>),
    /// Something an operator should know, in a sentence.
    Notice(String),
}

/// The run was told to stop: the log is closing or the process is shutting down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("told to stop")]
pub struct Stopped;

impl From<Stopped> for crate::Error {
    fn from(stopped: Stopped) -> Self {
        Self::new(crate::Kind::Closed, stopped.to_string())
    }
}

/// Where a source puts what it reads. Shared by the threads of one source.
pub trait Outlet: Send + Sync {
    /// Hands over entries; waits while the log is behind. May block its thread.
    ///
    /// # Errors
    /// [`Stopped`] when nobody takes them any more.
    fn emit(&self, captured: Captured) -> std::result::Result<(), Stopped>;

    /// The last boundary that is durable: the system may forget what is before it.
    fn released(&self) -> Option<Position>;

    /// Whether the source should return soon.
    fn stopping(&self) -> bool;

    /// Tells of progress.
    fn report(&self, report: Report);
}

/// Reads the changes of one system in commit order.
///
/// Guarantees: every change committed after `resume` is emitted, in order, transactions whole
/// between boundaries; nothing at or before `resume.position` is emitted again, save snapshot rows,
/// and what these say of a record was so at the last boundary before them, or later: whoever passed a
/// boundary may forget what was gone by then (`docs/design/tombstones.md`);
/// the system is never told to forget what is not [`Outlet::released`]. A position that can't be
/// resumed from (slot lost, timeline changed) is a `Config` or `Corrupt` error that names the gap
/// and what mends it, never a silent jump.
pub trait Source: Send {
    /// Reads until told to stop, on the caller's thread. Returns `Ok` only after stopping. Does not
    /// retry: the runtime calls it again with a fresh `resume`.
    ///
    /// # Errors
    /// `Unavailable` when the system is away; `Config` or `Corrupt` as above.
    fn run(&mut self, resume: Resume, outlet: &dyn Outlet) -> Result<()>;
}
