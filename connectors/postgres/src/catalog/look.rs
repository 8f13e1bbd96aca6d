//! Small looks into a database, and how tables and rows are spelled in SQL.

use super::read::read_tables;
use crate::rows::{Change, Field, RowBatch};
use crate::settings::Settings;
use crate::values::{CopyField, fields, plain_fields};
use crate::wire::{Connection, CopyStep, Purpose, identifier};
use std::sync::Arc;
use syncline_core::{
    CatalogTable, ChangeBatch, Error, Kind, Op, Result, SystemName, TableName, TableSchema,
    Transaction,
};

/// All tables of users: name, columns, key, identity, references. Partitioned tables are one table,
/// without their partitions.
///
/// # Errors
/// `Unavailable` when the server is away, `Config` when it does not let us in.
pub async fn inspect(system: &SystemName, settings: &Settings) -> Result<Vec<CatalogTable>> {
    let system = system.clone();
    on_connection(settings, move |connection| {
        let relations = read_tables(connection, &system, None)?;
        Ok(relations.into_iter().map(|relation| relation.table).collect())
    })
    .await
}

/// Some rows of a table, as a snapshot would read them. Generated columns are left out, as they are
/// in the stream.
///
/// # Errors
/// As [`inspect`]; `Config` when the table or a column is not there.
pub async fn sample(
    system: &SystemName,
    settings: &Settings,
    table: &TableSchema,
    limit: usize,
) -> Result<ChangeBatch> {
    let from = qualified(table.name(), system)?;
    let schema = Arc::new(captured_columns(table));
    on_connection(settings, move |connection| {
        let columns = column_list(&schema);
        let sql = format!("COPY (SELECT {columns} FROM {from} LIMIT {limit}) TO STDOUT");
        connection.start_copy(&sql, &mut || Ok(()))?;
        let mut rows = RowBatch::new(schema);
        let transaction = Transaction { epoch: 0, commit: 0, committed_at: 0, ours: false };
        loop {
            match connection.copy_step()? {
                CopyStep::Line(line) => {
                    let ordinal = u32::try_from(rows.len()).unwrap_or(u32::MAX);
                    append_line(
                        &mut rows,
                        Change { op: Op::Snapshot, ordinal, transaction },
                        line,
                    )?;
                }
                CopyStep::Tick => {}
                CopyStep::Done => return rows.finish(),
            }
        }
    })
    .await
}

/// How many rows a table has, counted.
///
/// # Errors
/// As [`sample`].
pub async fn count(system: &SystemName, settings: &Settings, table: &TableSchema) -> Result<u64> {
    let from = qualified(table.name(), system)?;
    on_connection(settings, move |connection| {
        connection.query_one(&format!("SELECT count(*) FROM {from}"))?.parse(0)
    })
    .await
}

/// How far the server's log is now, as a [`syncline_core::Position`]'s commit: all that was committed
/// before this call is before it.
///
/// # Errors
/// As [`inspect`].
pub async fn current_commit(settings: &Settings) -> Result<u64> {
    on_connection(settings, |connection| {
        let here = "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
                    ELSE pg_current_wal_lsn() END";
        connection.query_one(&format!("SELECT pg_wal_lsn_diff({here}, '0/0')::bigint"))?.parse(0)
    })
    .await
}

/// Runs blocking work on a connection of its own, off the waiting threads.
pub(crate) async fn on_connection<T: Send + 'static>(
    settings: &Settings,
    work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
) -> Result<T> {
    let settings = settings.clone();
    let run = move || work(&mut Connection::open(&settings, Purpose::Query)?);
    tokio::task::spawn_blocking(run).await.map_err(|error| {
        Error::new(Kind::Internal, "a catalog query was cut off").caused_by(error)
    })?
}

/// The columns that snapshot and stream carry: all but the generated ones, which pgoutput does not
/// send.
pub(crate) fn captured_columns(table: &TableSchema) -> TableSchema {
    let kept: Vec<usize> =
        (0..table.columns().len()).filter(|&index| !table.columns()[index].generated).collect();
    let key = table.key().iter().filter_map(|key| kept.iter().position(|index| index == key));
    TableSchema::new(
        table.name().clone(),
        table.revision(),
        kept.iter().map(|&index| table.columns()[index].clone()).collect(),
        key.collect(),
    )
}

/// The columns' names, quoted, for a select list.
pub(crate) fn column_list(schema: &TableSchema) -> String {
    let names: Vec<String> =
        schema.columns().iter().map(|column| identifier(&column.name)).collect();
    names.join(", ")
}

/// Adds a line of a text copy.
pub(crate) fn append_line(rows: &mut RowBatch, change: Change, line: &[u8]) -> Result<()> {
    if rows.schema().columns().is_empty() {
        return rows.append(change, []).map(drop);
    }
    if let Some(plain) = plain_fields(line) {
        return rows.append(change, plain.map(Field::Text)).map(drop);
    }
    // Escaped values are kept here while the row is added.
    let values: Vec<CopyField<'_>> = fields(line).collect();
    let fields = values.iter().map(|value| match value {
        CopyField::Null => Field::Null,
        CopyField::Text(text) => Field::Text(text),
    });
    rows.append(change, fields).map(drop)
}

/// `"schema"."table"` of a table of this system.
///
/// # Errors
/// `Internal` for an entity or another system's table.
pub(crate) fn qualified(name: &TableName, system: &SystemName) -> Result<String> {
    match name {
        TableName::Table { system: of, schema, table } if of == system => {
            Ok(format!("{}.{}", identifier(schema), identifier(table)))
        }
        _ => Err(Error::new(Kind::Internal, format!("{name} is no table of {system}"))),
    }
}
