//! The contract of what asks a person before much of a table goes or changes.

use crate::{Offset, ReaderName, Result, TableName};
use async_trait::async_trait;

/// What would happen to many rows of a table at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MassKind {
    /// They would be deleted.
    Deletes,
    /// They would be changed.
    Changes,
}

impl MassKind {
    /// Its name in commands and stores.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deletes => "deletes",
            Self::Changes => "changes",
        }
    }
}

/// A change of much of a table, which nothing was written of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MassChange {
    /// Who would write it.
    pub reader: ReaderName,
    /// Where.
    pub table: TableName,
    /// What.
    pub kind: MassKind,
    /// How many rows so far; there may be more behind them.
    pub rows: u64,
    /// How many rows the table has.
    pub of: u64,
    /// The mapping that brings them.
    pub mapping: String,
    /// Some of their keys, as JSON arrays of texts.
    pub keys: Vec<String>,
    /// Everything before this offset is written.
    pub from: Offset,
    /// Where the topic ended when it was asked: an answer is good for all before.
    pub until: Offset,
}

/// Where mass changes wait for a person.
#[async_trait]
pub trait Gates: Send + Sync {
    /// Whether a person let this pass; where nobody was asked yet, asks. Asked again and again.
    ///
    /// # Errors
    /// `Unavailable` when nobody can be asked.
    async fn lets(&self, change: &MassChange) -> Result<bool>;
}
