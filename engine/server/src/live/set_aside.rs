//! Rows that were set aside, wherever: before an entity by this machine, at a target by the target.

use crate::problem::Outcome;
use serde::{Deserialize, Serialize};
use syncline_core::{Checkpoints, Parked, ReaderName};
use syncline_runtime::parked_before_entity;

/// A row that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SetAside {
    /// The target system; none for a row that did not reach its entity.
    pub(crate) system: Option<String>,
    /// Who set it aside.
    pub(crate) reader: String,
    /// The mapping's file.
    pub(crate) mapping: String,
    /// The row's key, a JSON array of texts.
    pub(crate) key: String,
    /// `map` or `write`.
    pub(crate) stage: String,
    /// The table whose row it is.
    pub(crate) table: String,
    /// Why, in a sentence.
    pub(crate) reason: String,
    /// The expression or constraint that refused it.
    pub(crate) culprit: Option<String>,
    /// What mends it.
    pub(crate) hint: Option<String>,
    /// How often it was tried again.
    pub(crate) attempts: u32,
}

/// The rows that these readers set aside before they reached their entities.
pub(crate) fn before_entities(
    checkpoints: &dyn Checkpoints,
    readers: &[ReaderName],
) -> Outcome<Vec<SetAside>> {
    let mut rows = Vec::new();
    for reader in readers {
        let parked = parked_before_entity(checkpoints, reader)?;
        rows.extend(parked.into_iter().map(|row| SetAside::of(reader, row)));
    }
    Ok(rows)
}

impl SetAside {
    /// A row that a reader set aside before it reached a target of its own.
    pub(crate) fn of(reader: &ReaderName, row: Parked) -> Self {
        Self {
            system: None,
            reader: reader.to_string(),
            mapping: row.key.mapping,
            stage: row.key.stage.as_str().to_owned(),
            key: row.key.key,
            table: row.table,
            reason: row.reason,
            culprit: row.culprit,
            hint: row.hint,
            attempts: row.attempts,
        }
    }
}
