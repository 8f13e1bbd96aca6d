//! Records becoming entries of the log.

use super::brokers::Sent;
use super::settings::SourceSettings;
use crate::{Event, Reader, Record, RowChange, TableBuilder};
use std::sync::Arc;
use syncline_core::{
    Body, Boundary, ChangeBatch, Entry, Error, Kind, Outlet, Position, Report, Result, SystemName,
    TableName, TableSchema,
};

/// Where a record was: for people.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    /// How many partitions the topic has.
    pub(crate) partitions: usize,
}

/// One table: its rows in the making.
pub(crate) struct Table {
    pub(crate) name: TableName,
    pub(crate) topic: String,
    reader: Reader,
    builder: TableBuilder,
    /// The columns as they were last reported.
    reported: Option<Arc<TableSchema>>,
    /// The boundary behind the last record that was taken.
    boundary: Option<Boundary>,
}

impl Table {
    /// A table that had these columns when it was read last.
    pub(crate) fn new(
        name: TableName,
        topic: &str,
        known: Option<&TableSchema>,
        settings: &SourceSettings,
    ) -> Self {
        let format = settings.format.clone();
        let builder = match known {
            Some(schema) => TableBuilder::with_columns(Arc::new(schema.clone()), format),
            None => TableBuilder::new(name.clone(), format),
        };
        Self {
            name,
            topic: topic.to_owned(),
            reader: Reader::new(),
            builder,
            reported: None,
            boundary: None,
        }
    }

    /// Its columns as they were last sent.
    pub(crate) fn schema(&self) -> Option<&Arc<TableSchema>> {
        self.builder.schema()
    }
}

/// What gathers entries until they are handed over.
pub(crate) struct Assembly<'a> {
    pub(crate) system: &'a SystemName,
    pub(crate) settings: &'a SourceSettings,
    pub(crate) outlet: &'a dyn Outlet,
    entries: Vec<Entry>,
    bytes: usize,
    /// The last boundary that was handed over.
    pub(crate) handed_over: Option<Position>,
    /// When the last transaction was committed, in µs since 1970 UTC.
    pub(crate) at: i64,
}

impl<'a> Assembly<'a> {
    pub(crate) fn new(
        system: &'a SystemName,
        settings: &'a SourceSettings,
        outlet: &'a dyn Outlet,
    ) -> Self {
        Self { system, settings, outlet, entries: Vec::new(), bytes: 0, handed_over: None, at: 0 }
    }

    /// Takes a record of a table, whose position is this one.
    ///
    /// # Errors
    /// What can't be read, with where it is.
    pub(crate) fn take(
        &mut self,
        table: &mut Table,
        origin: Origin<'_>,
        sent: &Sent,
        position: Position,
    ) -> Result<()> {
        let Origin { topic, partition, .. } = origin;
        if self.passes_over(topic, partition, sent.offset) {
            return Ok(());
        }
        let outcome = self.take_known(table, origin, sent, position);
        outcome.map_err(|error| self.unread(topic, partition, sent.offset, error))
    }

    fn take_known(
        &mut self,
        table: &mut Table,
        origin: Origin<'_>,
        sent: &Sent,
        position: Position,
    ) -> Result<()> {
        let record = Record { key: sent.key.as_deref(), value: sent.value.as_deref() };
        match table.reader.read(record)? {
            Event::Row(change) => {
                let full = table.builder.append_at(&change, position)?;
                self.keep(table, full);
                self.came(table, change.source.at_us, position);
                self.finish_when_full(table)
            }
            Event::Truncate(truncated) => {
                if origin.partitions > 1 {
                    return Err(unordered(&table.name, origin.partitions));
                }
                self.finish(table)?;
                self.came(table, truncated.source.at_us, position);
                let body = Body::Truncate(vec![table.name.clone()]);
                self.entries.push(Entry { body, boundary: table.boundary });
                Ok(())
            }
            // A tombstone follows a delete. The others are of no row, and their topics of no table.
            Event::Tombstone
            | Event::Heartbeat { .. }
            | Event::Transaction(_)
            | Event::SchemaChange
            | Event::Message(_) => Ok(()),
        }
    }

    /// Takes a row that is copied.
    pub(crate) fn copy(
        &mut self,
        table: &mut Table,
        change: &RowChange<'_>,
        position: Position,
    ) -> Result<()> {
        let full = table.builder.append_at(change, position)?;
        self.keep(table, full);
        table.boundary = Some(Boundary { position, committed_at: self.at });
        self.finish_when_full(table)
    }

    /// Reports columns that are new, and ends a batch that has enough rows.
    fn finish_when_full(&mut self, table: &mut Table) -> Result<()> {
        self.report(table);
        let is_full = table.builder.len() >= self.settings.batch_rows_max
            || table.builder.bytes() >= self.settings.batch_bytes_max;
        if is_full { self.finish(table) } else { Ok(()) }
    }

    /// Ends the batch of a table.
    pub(crate) fn finish(&mut self, table: &mut Table) -> Result<()> {
        let rest = table.builder.finish()?;
        self.keep(table, rest);
        Ok(())
    }

    /// Adds rows that are whole already.
    pub(crate) fn add(&mut self, batch: ChangeBatch, boundary: Boundary) {
        self.bytes += batch.bytes();
        self.entries.push(Entry { body: Body::Rows(batch), boundary: Some(boundary) });
    }

    /// Whether there is enough to hand over.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= self.settings.batch_bytes_max
    }

    /// What was gathered; empty again after it.
    pub(crate) fn take_entries(&mut self) -> Vec<Entry> {
        self.bytes = 0;
        let last = self.entries.iter().rev().find_map(|entry| entry.boundary);
        self.handed_over = last.map(|it| it.position).or(self.handed_over);
        std::mem::take(&mut self.entries)
    }

    /// Rows that end before the record at hand: their boundary is that of the record before it.
    fn keep(&mut self, table: &Table, batch: Option<ChangeBatch>) {
        if let Some((batch, boundary)) = batch.zip(table.boundary) {
            self.add(batch, boundary);
        }
    }

    fn came(&mut self, table: &mut Table, at: i64, position: Position) {
        self.at = at;
        table.boundary = Some(Boundary { position, committed_at: at });
    }

    fn report(&self, table: &mut Table) {
        let Some(schema) = table.builder.schema() else { return };
        let is_known = |known: &Arc<TableSchema>| {
            Arc::ptr_eq(known, schema) || known.revision() == schema.revision()
        };
        if !table.reported.as_ref().is_some_and(is_known) {
            self.outlet.report(Report::Schema(schema.clone()));
            table.reported = Some(schema.clone());
        }
    }

    /// Whether a person said to leave a record out; told each time.
    pub(crate) fn passes_over(&self, topic: &str, partition: i32, offset: u64) -> bool {
        let pass_over = &self.settings.pass_over;
        let is_named =
            !pass_over.is_empty() && pass_over.contains(&named(topic, partition, offset));
        if is_named {
            let place = named(topic, partition, offset);
            let notice = format!("the record {place} was passed over, as pass_over asks");
            tracing::warn!("{notice}");
            self.outlet.report(Report::Notice(notice));
        }
        is_named
    }

    /// An error of the format, with where the record is. A capture sets no row aside, so what a target would
    /// refuse is for a person to mend.
    pub(crate) fn unread(&self, topic: &str, partition: i32, offset: u64, error: Error) -> Error {
        if matches!(error.kind(), Kind::Closed | Kind::Internal) {
            return error;
        }
        let kind = if error.kind() == Kind::Rejected { Kind::Config } else { error.kind() };
        let message = format!("topic {topic}, partition {partition}, offset {offset}: {error}");
        let leave_out = format!(
            "leave this record out: pass_over = [\"{}\"] in [systems.{}]",
            named(topic, partition, offset),
            self.system
        );
        let hint = match error.hint_text() {
            Some(hint) => format!("{hint}; for what is in the topic already, {leave_out}"),
            None => leave_out,
        };
        let located = Error::new(kind, message).hint(hint);
        match error.detail_text() {
            Some(detail) => located.detail(detail),
            None => located,
        }
    }
}

fn named(topic: &str, partition: i32, offset: u64) -> String {
    format!("{topic}/{partition}/{offset}")
}

/// The other partitions may hold rows from before it and from after it.
fn unordered(table: &TableName, partitions: usize) -> Error {
    Error::new(Kind::Config, format!("{table} was emptied, and nothing says when"))
        .detail(format!("its topic has {partitions} partitions, which have no order among them"))
        .hint("give the topic one partition, or set skipped.operations=t at the connector")
}
