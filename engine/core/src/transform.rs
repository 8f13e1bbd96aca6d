//! The contract of a mapping that is ready to run.

use crate::{ChangeBatch, Result, TableName, TableSchema};
use std::sync::Arc;

/// A row that a mapping could not turn into a target row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRow {
    /// The row's place in the input batch (the after image for an update).
    pub row: usize,
    /// The SQL text of the expression that failed, where it is known.
    pub expression: Option<String>,
    /// Why, in a sentence. May name types, never values.
    pub reason: String,
    /// What mends it, where there is something to say.
    pub hint: Option<String>,
}

/// What became of a batch.
#[derive(Debug, Clone)]
pub struct Transformed {
    /// Rows for the target: `Insert`, `Update`, `Delete` and `Snapshot` only, key always present,
    /// in source order, with the transactions and ordinals of their source rows.
    pub rows: ChangeBatch,
    /// For each row of `rows`, the place of its source row in the input.
    pub origins: Vec<u32>,
    /// Rows that failed; none of them is in `rows`.
    pub rejected: Vec<RejectedRow>,
}

/// One mapping, planned. Pure: never waits and never sees a clock; `now()` is the commit time of
/// the row's transaction.
///
/// Semantics: an `Update` that leaves the `WHERE`, or changes the target's key, is a `Delete` of the
/// old key and perhaps an insert of the new; a row that never passed the `WHERE` gives nothing where
/// its image before tells so, else a `Delete`; a target column whose inputs are all absent is absent; one that
/// needs both absent and present inputs can't be known and rejects the row, and so does one that needs an
/// absent input in an `Insert` or a `Snapshot`, where it is a value that could not be carried. A failing row never
/// takes others with it.
pub trait Transform: Send + Sync + std::fmt::Debug {
    /// The mapping's file as the project names it, such as `person/from_sis.sql`.
    fn name(&self) -> &str;

    /// What it reads.
    fn reads(&self) -> &TableName;

    /// The columns it writes, with the target's key; only mapped columns.
    fn writes(&self) -> &Arc<TableSchema>;

    /// Runs it over a batch of the table it reads.
    ///
    /// # Errors
    /// `Config` when the batch's schema no longer fits the mapping (column dropped or retyped); the
    /// message has the difference, and nothing was produced.
    fn transform(&self, batch: &ChangeBatch) -> Result<Transformed>;
}
