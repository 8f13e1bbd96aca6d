//! The table of decisions: its columns, and its rows as a batch.

use arrow_array::builder::StringBuilder;
use arrow_array::{Array, ArrayRef, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, TimeUnit};
use std::sync::Arc;
use syncline_core::{
    ChangeBatch, Column, Error, Kind, Op, Presence, Result, SystemName, TableName, TableSchema,
    Transaction, TransactionRun,
};

/// The columns that are texts, in their order. The first is the key.
const TEXTS: [&str; 8] = ["id", "entity", "key", "subject", "evidence", "value", "by", "note"];
/// The column behind them.
const AT: &str = "at";

/// The system that the table is of. No system of a project has its name.
#[must_use]
pub fn system() -> SystemName {
    SystemName::new("decisions")
}

/// The table's name.
#[must_use]
pub fn table() -> TableName {
    TableName::table(&system(), "public", "decisions")
}

/// What was done with a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It was made.
    Decided,
    /// It was taken back.
    Undone,
}

/// A row of the table, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRow {
    /// What was done.
    pub deed: Deed,
    /// The event's place in the source's order, and when it was.
    pub transaction: Transaction,
    /// The decision's id.
    pub id: String,
    /// The entity that it is on.
    pub entity: String,
    /// The entity's key, as a JSON array of texts.
    pub key: String,
    /// The field or group, or `existence`.
    pub subject: String,
    /// The digest of the words that it rests on, in hex.
    pub evidence: String,
    /// The [`Answer`](super::Answer), as JSON.
    pub value: String,
    /// Who decided.
    pub by: String,
    /// Why, in the person's words.
    pub note: Option<String>,
    /// When it was decided, in µs since 1970 UTC.
    pub at: i64,
}

/// The table's columns under a name.
pub(super) fn schema(name: TableName) -> Arc<TableSchema> {
    let column = |name: &str, data_type: DataType, native_type: &str| Column {
        name: name.to_owned(),
        id: 0,
        data_type,
        native_type: native_type.to_owned(),
        nullable: name == "note",
        has_default: false,
        generated: false,
    };
    let mut columns: Vec<Column> =
        TEXTS.iter().map(|name| column(name, DataType::Utf8, "text")).collect();
    columns.push(column(AT, timestamp(), "timestamptz"));
    Arc::new(TableSchema::new(name, 1, columns, vec![0]))
}

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Rows as a batch of the table, in their order.
///
/// # Errors
/// `Internal` when Arrow refuses them.
pub fn rows(rows: &[DecisionRow]) -> Result<ChangeBatch> {
    let mut texts: Vec<StringBuilder> = TEXTS.iter().map(|_| StringBuilder::new()).collect();
    for row in rows {
        let values = [
            Some(&row.id),
            Some(&row.entity),
            Some(&row.key),
            Some(&row.subject),
            Some(&row.evidence),
            Some(&row.value),
            Some(&row.by),
            row.note.as_ref(),
        ];
        for (builder, value) in texts.iter_mut().zip(values) {
            builder.append_option(value);
        }
    }
    let mut columns: Vec<ArrayRef> =
        texts.iter_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef).collect();
    let at = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.at));
    columns.push(Arc::new(at.with_timezone("UTC")));
    let op = |row: &DecisionRow| match row.deed {
        Deed::Decided => Op::Insert as u8,
        Deed::Undone => Op::Delete as u8,
    };
    let run = |row: &DecisionRow| TransactionRun { transaction: row.transaction, rows: 1 };
    let presence = Presence::all(columns.len());
    ChangeBatch::try_new(
        schema(table()),
        columns,
        rows.iter().map(op).collect::<Vec<_>>().into(),
        vec![0; rows.len()].into(),
        rows.iter().map(run).collect(),
        presence,
    )
    .map_err(|error| {
        Error::new(Kind::Internal, "decisions could not be put together").caused_by(error)
    })
}

/// The texts of a batch of decisions.
pub(crate) struct Texts<'b> {
    batch: &'b ChangeBatch,
}

impl<'b> Texts<'b> {
    pub(crate) fn of(batch: &'b ChangeBatch) -> Self {
        Self { batch }
    }

    /// That of a column; empty where there is none.
    pub(crate) fn get(&self, column: &str, row: usize) -> &'b str {
        let place = self.batch.schema().index_of(column);
        let array = place.map(|place| self.batch.columns().column(place));
        let texts = array.and_then(|array| array.as_any().downcast_ref::<StringArray>());
        let there = texts.filter(|texts| row < texts.len() && !texts.is_null(row));
        there.map_or("", |texts| texts.value(row))
    }
}
