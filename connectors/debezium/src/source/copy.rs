//! A table once more, from its topic.
//!
//! ```text
//!  first … last word on k ……………… place of the stream
//!          └ 1. found by its offset   │
//!            2. emitted as a row ─────┘ as it was at this boundary
//! ```
//!
//! Only the last word on each key before the place of the stream is said: what it says was so at the last boundary,
//! as the contract of a source asks, and a key that is gone by then does not come back. Where the last word has not
//! all columns, the words before it are put together.

use super::assembly::{Assembly, Table};
use super::brokers::Sent;
use super::capture::{Capture, check_stop, hand_over_when_full};
use super::merge::merge;
use super::settings::SourceSettings;
use super::words::{Finding, KeyDigest, Slice, Word, as_copied, digest};
use crate::{Event, Reader, Record, TableBuilder};
use std::collections::HashMap;
use std::ops::{ControlFlow, Range};
use syncline_core::{Boundary, ChangeBatch, Error, Kind, Position, Report, Result, TableName};

/// How often a copy tells how far it is.
const REPORT_ROWS: u64 = 10_000;

/// A partition of a topic that is copied, as far as it is in the log.
type Copied = (i32, Range<u64>);

impl Capture<'_> {
    /// Copies the tables that the note asks for.
    pub(crate) fn copy_tables(&mut self) -> Result<()> {
        for place in 0..self.tables.len() {
            let Some(table) = self.tables.get(place) else { continue };
            let name = table.name.clone();
            if !self.note.copies.contains(&name) {
                continue;
            }
            tracing::info!(table = %name, "copied again from its topic");
            let rows = self.copy_table(place)?;
            self.outlet.report(copied(name.clone(), rows, true));
            self.note.copies.remove(&name);
            self.keep_note()?;
            self.keep_schemas()?;
        }
        Ok(())
    }

    fn copy_table(&mut self, place: usize) -> Result<u64> {
        let Some(topic) = self.tables.get(place).map(|table| table.topic.clone()) else {
            return Ok(0);
        };
        // Behind all that was said so far, and before all that is said next.
        self.last += 1;
        let places = self.note.places.iter().filter(|it| it.topic == topic);
        let partitions = places.map(|place| {
            let there = self.brokers.range(&topic, place.partition)?;
            Ok((place.partition, there.start..place.next.min(there.end)))
        });
        let partitions = partitions.collect::<Result<Vec<Copied>>>()?;
        let mut rows = 0;
        let mut slice = Slice { part: 0, of: 1 };
        while slice.part < slice.of {
            match self.find_words(place, &partitions, slice)? {
                Some(words) => {
                    rows += self.emit_words(place, &partitions, &words)?;
                    slice.part += 1;
                }
                None => slice = slice.first_half(),
            }
        }
        Ok(rows)
    }

    /// The last word on each key; `None` where there are too many keys for one pass.
    fn find_words(
        &self,
        place: usize,
        partitions: &[Copied],
        slice: Slice,
    ) -> Result<Option<HashMap<KeyDigest, Word>>> {
        let Some(table) = self.tables.get(place) else { return Ok(None) };
        let topic = table.topic.as_str();
        let probe = fresh_builder(table, self.settings);
        let mut finding = Finding::new(slice, partitions.len(), probe);
        let mut is_over = false;
        for (number, range) in partitions {
            self.brokers.scan(topic, *number, range.clone(), |sent| {
                check_stop(self.outlet)?;
                if !self.assembly.passes_over(topic, *number, sent.offset) {
                    let found = finding.take(*number, &sent);
                    found.map_err(|it| self.assembly.unread(topic, *number, sent.offset, it))?;
                }
                is_over = finding.words.len() > self.settings.copy_keys_max;
                Ok(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            if is_over {
                return Ok(None);
            }
        }
        Ok(Some(finding.words))
    }

    /// Emits the last words on keys that are there.
    fn emit_words(
        &mut self,
        place: usize,
        partitions: &[Copied],
        words: &HashMap<KeyDigest, Word>,
    ) -> Result<u64> {
        let position = Position { epoch: self.note.epoch, commit: self.last, ordinal: 0 };
        let Self { brokers, assembly, tables, outlet, settings, .. } = self;
        let Some(table) = tables.get_mut(place) else { return Ok(0) };
        let topic = table.topic.clone();
        let mut copying = Copying {
            position,
            words,
            held: fresh_builder(table, settings),
            finished: Vec::new(),
            keys: Vec::new(),
            reader: Reader::new(),
            rows: 0,
        };
        for (number, range) in partitions {
            brokers.scan(&topic, *number, range.clone(), |sent| {
                check_stop(*outlet)?;
                if !assembly.passes_over(&topic, *number, sent.offset) {
                    let taken = copying.take(assembly, table, *number, &sent);
                    taken.map_err(|error| assembly.unread(&topic, *number, sent.offset, error))?;
                    hand_over_when_full(assembly, *outlet)?;
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        assembly.finish(table)?;
        let rows = copying.finish(assembly, table)?;
        self.hand_over()?;
        Ok(rows)
    }
}

fn fresh_builder(table: &Table, settings: &SourceSettings) -> TableBuilder {
    let format = settings.format.clone();
    match table.schema() {
        Some(schema) => TableBuilder::with_columns(schema.clone(), format),
        None => TableBuilder::new(table.name.clone(), format),
    }
}

fn copied(table: TableName, rows: u64, done: bool) -> Report {
    Report::Snapshot { table, rows, rows_estimated: rows, done }
}

/// The second pass over a topic.
struct Copying<'w> {
    position: Position,
    words: &'w HashMap<KeyDigest, Word>,
    /// Rows whose last word has not all columns, with the words before it; and their keys.
    held: TableBuilder,
    finished: Vec<ChangeBatch>,
    keys: Vec<KeyDigest>,
    reader: Reader,
    rows: u64,
}

impl Copying<'_> {
    fn take(
        &mut self,
        assembly: &mut Assembly<'_>,
        table: &mut Table,
        partition: i32,
        sent: &Sent,
    ) -> Result<()> {
        if sent.key.is_none() {
            return Ok(());
        }
        let key = digest(sent)?;
        let Some(word) = self.words.get(&key).filter(|it| !it.is_gone) else { return Ok(()) };
        if word.partition != partition || sent.offset < word.from || sent.offset > word.last {
            return Ok(());
        }
        let record = Record { key: sent.key.as_deref(), value: sent.value.as_deref() };
        let Event::Row(mut change) = self.reader.read(record)? else { return Ok(()) };
        as_copied(&mut change);
        assembly.at = assembly.at.max(change.source.at_us);
        if word.from == word.last {
            self.rows += 1;
            if self.rows.is_multiple_of(REPORT_ROWS) {
                assembly.outlet.report(copied(table.name.clone(), self.rows, false));
            }
            return assembly.copy(table, &change, self.position);
        }
        self.finished.extend(self.held.append_at(&change, self.position)?);
        self.keys.push(key);
        let held: usize = self.finished.iter().map(ChangeBatch::bytes).sum();
        let bytes_max = assembly.settings.copy_bytes_max;
        if held + self.held.bytes() > bytes_max { Err(too_many(bytes_max)) } else { Ok(()) }
    }

    /// Emits the rows that were put together.
    fn finish(mut self, assembly: &mut Assembly<'_>, table: &Table) -> Result<u64> {
        self.finished.extend(self.held.finish()?);
        if let Some(batch) = merge(&table.name, &self.finished, &self.keys)? {
            self.rows += batch.len() as u64;
            assembly.add(batch, Boundary { position: self.position, committed_at: assembly.at });
        }
        Ok(self.rows)
    }
}

fn too_many(bytes_max: usize) -> Error {
    Error::new(Kind::Config, "too many rows have to be put together from several records")
        .detail(format!("more than {bytes_max} bytes: their last records do not have all columns"))
        .hint("raise copy_bytes_max, or ask Debezium for an incremental snapshot of the table")
}
