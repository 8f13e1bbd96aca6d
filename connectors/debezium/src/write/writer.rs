//! Records of a batch.

use super::envelope::Envelope;
use super::row::{Rows, Side};
use super::source::{Block, push_end};
use crate::settings::{Absent, DecimalMode};
use std::sync::Arc;
use syncline_core::{ChangeBatch, Op, Result, TableSchema, Transaction};

/// The header of a delete whose row went to another key: that key, as a record has it.
pub const HEADER_NEW_KEY: &str = "__debezium.newkey";

/// The header of an insert whose row came from another key: that key, as a record has it.
pub const HEADER_OLD_KEY: &str = "__debezium.oldkey";

/// A record to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The key's bytes; `None` for a table without key.
    pub key: Option<Vec<u8>>,
    /// The value's bytes; `None` for a tombstone.
    pub value: Option<Vec<u8>>,
    /// Names and values: [`HEADER_NEW_KEY`] and [`HEADER_OLD_KEY`] where a key changed.
    pub headers: Vec<(&'static str, Vec<u8>)>,
}

/// Writes batches as Debezium would.
#[derive(Debug)]
pub struct Writer {
    prefix: String,
    placeholder: String,
    decimals: DecimalMode,
    absent: Absent,
    with_schema: bool,
    /// Of the last batch's schema.
    envelope: Option<Envelope>,
}

impl Writer {
    /// A writer whose schemas' names begin with `prefix` (Debezium's `topic.prefix`).
    #[must_use]
    pub fn new(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
            placeholder: crate::Settings::default().placeholder,
            decimals: DecimalMode::Precise,
            absent: Absent::Placeholder,
            with_schema: true,
            envelope: None,
        }
    }

    /// Writes decimals as texts (`decimal.handling.mode=string`): the one way to write NaN, and one
    /// that Debezium's own sink can't always bind to a numeric column.
    #[must_use]
    pub fn decimals_as_text(mut self) -> Self {
        self.decimals = DecimalMode::String;
        self.envelope = None;
        self
    }

    /// What is done about a column that an image after says nothing of.
    #[must_use]
    pub fn absent(mut self, absent: Absent) -> Self {
        self.absent = absent;
        self
    }

    /// What stands for a value that was not sent (`unavailable.value.placeholder`).
    #[must_use]
    pub fn placeholder(mut self, placeholder: impl Into<String>) -> Self {
        self.placeholder = placeholder.into();
        self
    }

    /// Leaves schemas out (`schemas.enable=false`). Debezium's own sink needs them.
    #[must_use]
    pub fn without_schema(mut self) -> Self {
        self.with_schema = false;
        self
    }

    /// The records of a batch, in its order; a delete is followed by its tombstone. An update that
    /// changed the key is a delete, its tombstone and an insert, as Debezium does it. `written_at` is the
    /// envelopes' time, in ms since 1970 UTC.
    ///
    /// # Errors
    /// `Config` when a column has a type that Debezium's format has not, `Rejected` when a value or
    /// an absent column can't be told exactly.
    pub fn write(&mut self, batch: &ChangeBatch, written_at: i64) -> Result<Vec<Written>> {
        let envelope = match self.envelope.take() {
            Some(known) if known.schema == *batch.schema() => known,
            _ => self.envelope_of(batch.schema())?,
        };
        let placeholder = match self.absent {
            Absent::Placeholder => Some(self.placeholder.as_str()),
            Absent::Refused => None,
        };
        let rows = Rows { batch, envelope: &envelope, placeholder };
        let written = self.records(&rows, written_at);
        self.envelope = Some(envelope);
        written
    }

    /// The record that says that all rows of a table went. It has no key, so that its place among other records is
    /// that of their partition, and no position of ours.
    ///
    /// # Errors
    /// `Config` when a column has a type that Debezium's format has not.
    pub fn truncate(&mut self, schema: &Arc<TableSchema>, written_at: i64) -> Result<Written> {
        let envelope = self.envelope_of(schema)?;
        let transaction = Transaction {
            epoch: 0,
            commit: 0,
            committed_at: written_at.saturating_mul(1_000),
            ours: false,
        };
        let block = Block {
            prefix: &self.prefix,
            table: schema.name(),
            is_snapshot: false,
            transaction,
            ordinal: 0,
            ordinal_before: None,
        };
        let mut out = "{\"before\":null,\"after\":null,\"source\":".to_owned();
        block.push(&mut out);
        out.push_str("null}");
        push_end(&mut out, 't', written_at);
        let value = Some(self.with_schema(&envelope.value_schema, &out));
        Ok(Written { key: None, value, headers: Vec::new() })
    }

    fn envelope_of(&self, schema: &Arc<TableSchema>) -> Result<Envelope> {
        Envelope::new(schema.clone(), &self.prefix, self.decimals)
    }

    fn records(&self, rows: &Rows<'_>, written_at: i64) -> Result<Vec<Written>> {
        let mut records = Vec::with_capacity(rows.batch.len());
        let mut before = None;
        for (row, transaction) in rows.batch.row_transactions().enumerate() {
            let op = rows.batch.op(row);
            if op == Op::Before {
                before = Some(row);
                continue;
            }
            let change = Change { row, op, before: before.take(), transaction: *transaction };
            match self.moved(rows, &change)? {
                Some(keys) => records.extend(self.moved_row(rows, &change, keys, written_at)?),
                None => records.extend(self.record(rows, &change, written_at)?),
            }
        }
        Ok(records)
    }

    /// A change as it is, and the tombstone after a delete.
    fn record(
        &self,
        rows: &Rows<'_>,
        change: &Change,
        written_at: i64,
    ) -> Result<impl Iterator<Item = Written> + use<>> {
        let key = self.key(rows, change.row)?;
        let value = Some(self.value(rows, change, written_at)?);
        let tombstone = (change.op == Op::Delete && key.is_some()).then(|| Written {
            key: key.clone(),
            value: None,
            headers: Vec::new(),
        });
        let first = Written { key, value, headers: Vec::new() };
        Ok([Some(first), tombstone].into_iter().flatten())
    }

    /// The key before and the key after, where an update changed it.
    fn moved(&self, rows: &Rows<'_>, change: &Change) -> Result<Option<[Vec<u8>; 2]>> {
        let Some(before) = change.before else { return Ok(None) };
        let keys = (self.key(rows, before)?, self.key(rows, change.row)?);
        Ok(match keys {
            (Some(old), Some(new)) if old != new => Some([old, new]),
            _ => None,
        })
    }

    /// A row that went to another key: the old one is deleted and the new one is inserted, as consumers
    /// and compaction know rows by their key.
    fn moved_row(
        &self,
        rows: &Rows<'_>,
        change: &Change,
        [old, new]: [Vec<u8>; 2],
        written_at: i64,
    ) -> Result<impl Iterator<Item = Written> + use<>> {
        let row = change.before.unwrap_or(change.row);
        let gone = Change { row, op: Op::Delete, before: None, ..*change };
        let come = Change { op: Op::Insert, before: None, ..*change };
        let mut records = [
            self.record(rows, &gone, written_at)?.collect::<Vec<_>>(),
            self.record(rows, &come, written_at)?.collect(),
        ];
        let headers = [(HEADER_NEW_KEY, new), (HEADER_OLD_KEY, old)];
        for (records, header) in records.iter_mut().zip(headers) {
            if let Some(first) = records.first_mut() {
                first.headers.push(header);
            }
        }
        Ok(records.into_iter().flatten())
    }

    fn key(&self, rows: &Rows<'_>, row: usize) -> Result<Option<Vec<u8>>> {
        let mut payload = String::new();
        let has_key = rows.push_key(&mut payload, row)?;
        Ok(has_key.then(|| self.with_schema(&rows.envelope.key_schema, &payload)))
    }

    fn with_schema(&self, schema: &str, payload: &str) -> Vec<u8> {
        if !self.with_schema {
            return payload.as_bytes().to_vec();
        }
        format!("{{\"schema\":{schema},\"payload\":{payload}}}").into_bytes()
    }

    fn value(&self, rows: &Rows<'_>, change: &Change, written_at: i64) -> Result<Vec<u8>> {
        let mut out = String::with_capacity(512);
        out.push_str("{\"before\":");
        match (change.op, change.before) {
            (Op::Delete, _) => rows.push_image(&mut out, change.row, Side::Before)?,
            (_, Some(before)) => rows.push_image(&mut out, before, Side::Before)?,
            (_, None) => out.push_str("null"),
        }
        out.push_str(",\"after\":");
        match change.op {
            Op::Delete => out.push_str("null"),
            _ => rows.push_image(&mut out, change.row, Side::After)?,
        }
        out.push_str(",\"source\":");
        self.push_source(&mut out, rows, change);
        let op = match change.op {
            Op::Insert => 'c',
            Op::Snapshot => 'r',
            Op::Delete => 'd',
            Op::Update | Op::Before => 'u',
        };
        push_end(&mut out, op, written_at);
        Ok(self.with_schema(&rows.envelope.value_schema, &out))
    }

    fn push_source(&self, out: &mut String, rows: &Rows<'_>, change: &Change) {
        let ordinals = rows.batch.ordinals();
        let block = Block {
            prefix: &self.prefix,
            table: rows.batch.schema().name(),
            is_snapshot: change.op == Op::Snapshot,
            transaction: change.transaction,
            ordinal: ordinals[change.row],
            ordinal_before: change.before.map(|before| ordinals[before]),
        };
        block.push(out);
        match (change.op, change.before) {
            (Op::Delete, _) => rows.push_absent_names(out, change.row),
            (_, Some(before)) => rows.push_absent_names(out, before),
            (_, None) => out.push_str("null"),
        }
        out.push('}');
    }
}

/// One change of a batch.
#[derive(Clone, Copy)]
struct Change {
    row: usize,
    op: Op,
    /// The row with the image before it.
    before: Option<usize>,
    transaction: Transaction,
}
