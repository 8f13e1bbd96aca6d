//! A target in memory: what a table is after all entries, by key.

use crate::cluster::{Database, runtime, system};
use crate::recorder::State;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use std::collections::BTreeMap;
use syncline_core::{Body, ChangeBatch, Op, TableName, TableSchema, key_text};

/// A value as text; `None` for NULL.
type Value = Option<String>;
/// Rows by key, values by column name.
pub(crate) type Rows = BTreeMap<String, BTreeMap<String, Value>>;

/// What to do with a partial image of a row that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It can't be.
    Refuse,
    /// It may be: a later snapshot did not have the row any more, and its delete follows.
    Skip,
}

/// The table after all entries.
pub(crate) fn fold(state: &State, table: &TableName, missing: Missing) -> Rows {
    let mut rows = Rows::new();
    for entry in &state.entries {
        match &entry.body {
            Body::Rows(batch) if batch.schema().name() == table => {
                apply(&mut rows, batch, missing);
            }
            Body::Truncate(tables) if tables.contains(table) => rows.clear(),
            _ => {}
        }
    }
    rows
}

/// The present values of one row.
pub(crate) fn values(batch: &ChangeBatch, row: usize) -> BTreeMap<String, Value> {
    let options = FormatOptions::default();
    let columns = batch.schema().columns().iter().enumerate();
    columns
        .filter(|&(at, _)| batch.presence().has(row, at))
        .map(|(at, column)| {
            let array = batch.columns().column(at);
            let text = (!array.is_null(row))
                .then(|| ArrayFormatter::try_new(array, &options).unwrap().value(row).to_string());
            (column.name.clone(), text)
        })
        .collect()
}

fn apply(rows: &mut Rows, batch: &ChangeBatch, missing: Missing) {
    let mut before: Option<String> = None;
    for row in 0..batch.len() {
        let key = key_text(batch, row);
        match batch.op(row) {
            Op::Before => before = Some(key),
            Op::Delete => drop(rows.remove(&key)),
            Op::Insert | Op::Snapshot => {
                assert_eq!(values(batch, row).len(), batch.schema().columns().len());
                rows.insert(key, values(batch, row));
            }
            Op::Update => {
                let known = rows.remove(&before.take().unwrap_or_else(|| key.clone()));
                let image = values(batch, row);
                let whole = image.len() == batch.schema().columns().len();
                match (known, whole) {
                    (None, false) => assert!(missing == Missing::Skip, "no row {key} to update"),
                    (known, _) => {
                        let mut merged = known.unwrap_or_default();
                        merged.extend(image);
                        rows.insert(key, merged);
                    }
                }
            }
        }
    }
}

/// The table as the source has it now, read by the snapshot's codec.
pub(crate) fn now(database: &Database<'_>, table: &TableName) -> Rows {
    let settings = database.settings();
    let inspected = runtime().block_on(syncline_postgres::inspect(&system(), &settings)).unwrap();
    let schema = inspected.into_iter().find(|found| found.schema.name() == table).unwrap().schema;
    let batch = sample(database, &schema);
    (0..batch.len()).map(|row| (key_text(&batch, row), values(&batch, row))).collect()
}

pub(crate) fn sample(database: &Database<'_>, schema: &TableSchema) -> ChangeBatch {
    let settings = database.settings();
    let system = system();
    let sample = syncline_postgres::sample(&system, &settings, schema, 10_000_000);
    runtime().block_on(sample).unwrap()
}
