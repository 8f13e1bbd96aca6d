//! What there is to read: the table, and a few of its rows.

use crate::Settings;
use crate::values::{rows, schema};
use syncline_core::{CatalogTable, ChangeBatch, Identity, Result, TableSchema};

/// The one table that is made up.
#[must_use]
pub fn inspect(settings: &Settings) -> CatalogTable {
    CatalogTable {
        schema: TableSchema::clone(&schema(settings)),
        identity: Identity::Full,
        foreign_keys: Vec::new(),
        unique: Vec::new(),
        enums: Vec::new(),
        domains: Vec::new(),
        rows_estimated: settings.rows.unwrap_or(0),
    }
}

/// The first rows, `limit` at the most.
///
/// # Errors
/// `Internal` when they can't be put together.
pub fn sample(settings: &Settings, limit: usize) -> Result<ChangeBatch> {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    rows(settings, &schema(settings), 0..settings.rows.unwrap_or(u64::MAX).min(limit))
}
