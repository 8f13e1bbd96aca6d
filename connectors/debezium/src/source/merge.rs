//! Words on the same key put together: of each column the last that was said.

use super::words::KeyDigest;
use arrow_array::{ArrayRef, UInt32Array};
use std::collections::HashMap;
use syncline_core::{
    ChangeBatch, ColumnMask, Error, Kind, Op, Presence, Result, TableName, TransactionRun,
};

/// One row a key: `keys` are those of the batches' rows, in order. `None` where there is no row.
///
/// # Errors
/// `Config` where the columns changed between them.
pub(super) fn merge(
    table: &TableName,
    batches: &[ChangeBatch],
    keys: &[KeyDigest],
) -> Result<Option<ChangeBatch>> {
    let Some(last) = batches.last() else { return Ok(None) };
    let schema = last.schema().clone();
    if batches.iter().any(|batch| batch.schema().columns() != schema.columns()) {
        return Err(Error::new(
            Kind::Config,
            format!("rows of {table} can't be put together from several records"),
        )
        .detail("the table's columns changed between them")
        .hint("ask Debezium for an incremental snapshot of the table"));
    }
    let internal =
        |error| Error::new(Kind::Internal, format!("no batch of {table}")).caused_by(error);
    let whole = ChangeBatch::concat(batches).map_err(internal)?;
    let words = by_key(keys);
    let rows: Vec<u32> = words.iter().filter_map(|rows| rows.last().copied()).collect();
    let width = schema.columns().len();
    let mut masks = vec![ColumnMask::all(width); words.len()];
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(width);
    for (column, values) in whole.columns().columns().iter().enumerate() {
        let mut chosen = Vec::with_capacity(words.len());
        for (rows, mask) in words.iter().zip(&mut masks) {
            let said = rows.iter().rev().find(|&&row| whole.presence().has(row as usize, column));
            if said.is_none() {
                mask.clear(column);
            }
            chosen.push(said.or(rows.last()).copied());
        }
        let chosen = UInt32Array::from(chosen);
        columns.push(arrow_select::take::take(values, &chosen, None).map_err(internal)?);
    }
    let of_row: Vec<_> = whole.row_transactions().collect();
    let transactions = rows.iter().filter_map(|&row| of_row.get(row as usize));
    let runs = transactions.map(|it| TransactionRun { transaction: **it, rows: 1 }).collect();
    let merged = ChangeBatch::try_new(
        schema,
        columns,
        vec![Op::Snapshot as u8; rows.len()].into(),
        vec![0; rows.len()].into(),
        runs,
        Presence::from_rows(width, masks),
    );
    merged.map(Some).map_err(internal)
}

/// The rows of each key, in the order of the keys' first rows.
fn by_key(keys: &[KeyDigest]) -> Vec<Vec<u32>> {
    let mut places: HashMap<KeyDigest, usize> = HashMap::new();
    let mut words: Vec<Vec<u32>> = Vec::new();
    for (key, row) in keys.iter().zip(0..) {
        let place = *places.entry(*key).or_insert_with(|| {
            words.push(Vec::new());
            words.len() - 1
        });
        if let Some(rows) = words.get_mut(place) {
            rows.push(row);
        }
    }
    words
}
