//! Batches for the tests, from a few words.

use arrow_array::ArrayRef;
use std::sync::Arc;
use syncline_core::{
    ChangeBatch, Column, ColumnMask, Op, Presence, Progress, ReaderName, Sink, SystemName,
    TableName, TableSchema, TargetChange, Topic, Transaction, TransactionRun,
};
use syncline_postgres::PostgresSink;

use crate::cluster::Database;

pub(crate) fn system() -> SystemName {
    SystemName::new("lms")
}

pub(crate) fn topic() -> Topic {
    Topic::changes(&SystemName::new("sis"))
}

pub(crate) fn reader() -> ReaderName {
    ReaderName::apply(&system(), &topic())
}

pub(crate) fn progress(next: u64) -> Progress {
    let (log, next) = (syncline_core::LogId(1), syncline_core::Offset(next));
    Progress { log, topic: topic(), next, committed_at: 0 }
}

/// A schema of `public.<table>` whose columns have the arrays' types.
pub(crate) fn schema(table: &str, columns: &[(&str, ArrayRef)], key: &[usize]) -> Arc<TableSchema> {
    let columns = columns
        .iter()
        .map(|(name, array)| Column {
            name: (*name).into(),
            id: 0,
            data_type: array.data_type().clone(),
            native_type: String::new(),
            nullable: true,
            has_default: false,
            generated: false,
        })
        .collect();
    Arc::new(TableSchema::new(
        TableName::table(&system(), "public", table),
        1,
        columns,
        key.to_vec(),
    ))
}

/// Rows keyed by their first column, all with the same operation.
pub(crate) fn rows(table: &str, op: Op, columns: &[(&str, ArrayRef)]) -> TargetChange {
    keyed(table, op, columns, &[0])
}

pub(crate) fn keyed(
    table: &str,
    op: Op,
    columns: &[(&str, ArrayRef)],
    key: &[usize],
) -> TargetChange {
    let ops = vec![op; columns[0].1.len()];
    TargetChange::Rows(batch(schema(table, columns, key), &ops, columns, None))
}

/// Rows that speak of these columns alone.
pub(crate) fn part(table: &str, columns: &[(&str, ArrayRef)], present: &[usize]) -> TargetChange {
    let ops = vec![Op::Update; columns[0].1.len()];
    TargetChange::Rows(batch(schema(table, columns, &[0]), &ops, columns, Some(present)))
}

pub(crate) fn batch(
    schema: Arc<TableSchema>,
    ops: &[Op],
    columns: &[(&str, ArrayRef)],
    present: Option<&[usize]>,
) -> ChangeBatch {
    let count = u32::try_from(ops.len()).unwrap();
    let mut mask = ColumnMask::none(columns.len());
    for column in present.unwrap_or(&(0..columns.len()).collect::<Vec<_>>()) {
        mask.set(*column);
    }
    let transaction = Transaction { epoch: 1, commit: 1, committed_at: 0, ours: false };
    ChangeBatch::try_new(
        schema,
        columns.iter().map(|(_, array)| array.clone()).collect(),
        ops.iter().map(|op| *op as u8).collect::<Vec<_>>().into(),
        (0..count).collect::<Vec<_>>().into(),
        vec![TransactionRun { transaction, rows: count }],
        Presence::from_rows(columns.len(), vec![mask; ops.len()]),
    )
    .unwrap()
}

pub(crate) fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(values.into_iter().map(Some).collect::<arrow_array::Int64Array>())
}

pub(crate) fn optional_ints(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(values.iter().copied().collect::<arrow_array::Int64Array>())
}

pub(crate) fn texts<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> ArrayRef {
    Arc::new(values.into_iter().map(Some).collect::<arrow_array::StringArray>())
}

/// A sink of this database, open.
pub(crate) async fn opened(database: &Database) -> PostgresSink {
    let mut sink = PostgresSink::new(system(), database.settings());
    sink.open(&reader()).await.unwrap();
    sink
}
