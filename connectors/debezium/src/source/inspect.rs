//! What a topic says of its table: the columns as they were last sent, and a few rows.

use super::brokers::{Brokers, Sent};
use super::settings::SourceSettings;
use crate::settings::Images;
use crate::{Coordinates, Event, Reader, Record, RowChange, TableBuilder};
use std::ops::{ControlFlow, Range};
use syncline_core::{
    CatalogTable, ChangeBatch, Error, Identity, Kind, Op, Position, Result, SystemName, TableName,
    TableSchema,
};

/// How many records at the end of a partition are looked at first, to find the last row.
const FIRST_LOOK: u64 = 16;
/// Most records that are looked at.
const LOOK_MAX: u64 = 100_000;

/// The tables of a system, as the last record of each topic has them. Blocks.
///
/// # Errors
/// `Config` where a topic has no row yet, or one without its schema; `Unavailable` where brokers are away.
pub fn inspect(system: &SystemName, settings: &SourceSettings) -> Result<Vec<CatalogTable>> {
    let brokers = Brokers::new(system, settings)?;
    let tables = settings.tables(system);
    tables.into_iter().map(|(name, topic)| look(&brokers, settings, &name, topic)).collect()
}

/// The last rows of a table's topic, `limit` at the most, as a copy would have them. Blocks.
///
/// # Errors
/// The same.
pub fn sample(
    system: &SystemName,
    settings: &SourceSettings,
    table: &TableName,
    limit: usize,
) -> Result<ChangeBatch> {
    let brokers = Brokers::new(system, settings)?;
    let topic = settings.topic_of(table)?;
    let mut builder = TableBuilder::new(table.clone(), settings.format.clone());
    let mut rows = Vec::new();
    for partition in partitions(&brokers, topic)? {
        let kept = last_rows(&brokers, topic, partition, limit)?;
        rows.extend(kept.into_iter().rev().take(limit - rows.len().min(limit)));
    }
    let mut last = None;
    for sent in &rows {
        with_row(sent, |mut change| {
            change.op = Op::Snapshot;
            change.before = None;
            let full = builder.append_at(&change, Position::default())?;
            last = full.or(last.take());
            Ok(())
        })?;
    }
    let rows = builder.finish()?.or(last);
    rows.ok_or_else(|| no_row(table, topic))
}

fn look(
    brokers: &Brokers,
    settings: &SourceSettings,
    name: &TableName,
    topic: &str,
) -> Result<CatalogTable> {
    let mut latest: Option<(i64, TableSchema, Identity)> = None;
    for partition in partitions(brokers, topic)? {
        let Some(sent) = last_rows(brokers, topic, partition, 1)?.pop() else { continue };
        with_row(&sent, |change| {
            let mut builder = TableBuilder::new(name.clone(), settings.format.clone());
            builder.append_at(&change, Position::default())?;
            let at = change.source.at_us;
            if let Some(schema) = builder.schema()
                && latest.as_ref().is_none_or(|it| it.0 < at)
            {
                latest = Some((at, schema.as_ref().clone(), identity(schema, &change, settings)));
            }
            Ok(())
        })
        .map_err(|error| of_topic(topic, partition, sent.offset, error))?;
    }
    let Some((_, schema, identity)) = latest else { return Err(no_row(name, topic)) };
    Ok(CatalogTable {
        schema,
        identity,
        foreign_keys: Vec::new(),
        unique: Vec::new(),
        enums: Vec::new(),
        domains: Vec::new(),
        rows_estimated: 0,
    })
}

/// What images before have.
fn identity(schema: &TableSchema, change: &RowChange<'_>, settings: &SourceSettings) -> Identity {
    let is_postgres = matches!(change.source.coordinates, Coordinates::PostgreSql { .. });
    match settings.format.images {
        _ if schema.key().is_empty() => Identity::Full,
        Images::Whole => Identity::Full,
        Images::KeyOnly => Identity::Key,
        Images::ByConnector if is_postgres => Identity::Key,
        Images::ByConnector => Identity::Full,
    }
}

fn partitions(brokers: &Brokers, topic: &str) -> Result<Vec<i32>> {
    brokers.partitions(topic)?.ok_or_else(|| {
        Error::new(Kind::Config, format!("there is no topic {topic}"))
            .detail("Debezium makes it with the table's first row")
            .hint("correct its name, or wait until the table has a row")
    })
}

/// The last records of a partition that are of a row, in order, `limit` at the most.
fn last_rows(brokers: &Brokers, topic: &str, partition: i32, limit: usize) -> Result<Vec<Sent>> {
    let there: Range<u64> = brokers.range(topic, partition)?;
    let mut look = FIRST_LOOK.max(limit as u64 * 2);
    loop {
        let from = there.end.saturating_sub(look).max(there.start);
        let mut found = Vec::new();
        brokers.scan(topic, partition, from..there.end, |sent| {
            let read = with_row(&sent, |_| Ok(()));
            let is_row = read.map_err(|error| of_topic(topic, partition, sent.offset, error))?;
            if is_row {
                found.push(sent);
                if found.len() > limit {
                    found.remove(0);
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        if found.len() >= limit || from == there.start || look >= LOOK_MAX {
            return Ok(found);
        }
        look = look.saturating_mul(16);
    }
}

/// Shows the change of a record that has a row after it; says whether it has one.
fn with_row(sent: &Sent, visit: impl FnOnce(RowChange<'_>) -> Result<()>) -> Result<bool> {
    let mut reader = Reader::new();
    let record = Record { key: sent.key.as_deref(), value: sent.value.as_deref() };
    match reader.read(record)? {
        Event::Row(change) if change.after.is_some() => visit(change).map(|()| true),
        _ => Ok(false),
    }
}

fn of_topic(topic: &str, partition: i32, offset: u64, error: Error) -> Error {
    let message = format!("topic {topic}, partition {partition}, offset {offset}: {error}");
    let kind = if error.kind() == Kind::Rejected { Kind::Config } else { error.kind() };
    let mut located = Error::new(kind, message);
    if let Some(detail) = error.detail_text() {
        located = located.detail(detail);
    }
    match error.hint_text() {
        Some(hint) => located.hint(hint),
        None => located,
    }
}

fn no_row(table: &TableName, topic: &str) -> Error {
    Error::new(Kind::Config, format!("nothing says what columns {table} has"))
        .detail(format!("topic {topic} has no record of a row"))
        .hint("write a row, or ask Debezium for an incremental snapshot of the table")
}
