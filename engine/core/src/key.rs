//! Keys of rows: comparable bytes for grouping and sorting, and text for people.

use crate::{ChangeBatch, Error, Kind, Result};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_row::{RowConverter, Rows, SortField};

/// The keys of a batch's rows as bytes that sort as the key columns do.
#[derive(Debug)]
pub struct KeyRows {
    rows: Rows,
}

impl KeyRows {
    /// Encodes the keys of all rows.
    ///
    /// # Errors
    /// `Internal` when a key column's type can't be compared.
    pub fn new(batch: &ChangeBatch) -> Result<Self> {
        let schema = batch.schema();
        let columns: Vec<_> =
            schema.key().iter().map(|&index| batch.columns().column(index).clone()).collect();
        let fields = columns.iter().map(|c| SortField::new(c.data_type().clone())).collect();
        let unordered = |error: arrow_schema::ArrowError| {
            Error::new(Kind::Internal, format!("the key of {} can't be compared", schema.name()))
                .caused_by(error)
        };
        let converter = RowConverter::new(fields).map_err(unordered)?;
        Ok(Self { rows: converter.convert_columns(&columns).map_err(unordered)? })
    }

    /// The key of one row.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn get(&self, row: usize) -> &[u8] {
        self.rows.row(row).data()
    }
}

/// The key of one row as a JSON array of texts, such as `["S1042"]`; null where a part is NULL.
///
/// # Panics
/// When there is no such row.
#[must_use]
pub fn key_text(batch: &ChangeBatch, row: usize) -> String {
    let options = FormatOptions::default();
    let parts: Vec<Option<String>> = batch
        .schema()
        .key()
        .iter()
        .map(|&index| {
            let column = batch.columns().column(index);
            if column.is_null(row) {
                return None;
            }
            let formatter = ArrayFormatter::try_new(column, &options).ok()?;
            formatter.value(row).try_to_string().ok()
        })
        .collect();
    serde_json::to_string(&parts).expect("texts are JSON")
}
