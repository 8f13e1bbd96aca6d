//! Reading one chunk.

use super::chunks::{Reading, Task, condition};
use super::copy::{Table, lock};
use crate::catalog::{append_line, column_list};
use crate::note::SnapshotStage;
use crate::rows::{Change, RowBatch};
use crate::wire::{Connection, CopyStep};
use fail::fail_point;
use std::sync::atomic::Ordering;
use std::time::Duration;
use syncline_core::{Body, Entry, Error, Kind, Op, Result};

/// How often a read that gets nothing asks whether it should stop.
const TICK: Duration = Duration::from_millis(200);

impl Table<'_> {
    /// Reads a chunk and emits it; the last batch carries the note that it is done.
    pub(super) fn read(&self, connection: &mut Connection, task: Task) -> Result<()> {
        connection.set_tick(Some(TICK))?;
        connection.start_copy(&self.sql(task)?, &mut || self.capture.check_stop())?;
        let settings = self.capture.settings;
        let mut rows = RowBatch::new(self.schema.clone());
        let mut ordinal = 0_u32;
        loop {
            match connection.copy_step()? {
                CopyStep::Line(line) => {
                    let change =
                        Change { op: Op::Snapshot, ordinal, transaction: self.transaction };
                    append_line(&mut rows, change, line)?;
                    ordinal = ordinal.saturating_add(1);
                }
                CopyStep::Tick => self.capture.check_stop()?,
                CopyStep::Done => break,
            }
            if rows.len() >= settings.batch_rows_max
                || rows.text_bytes() >= settings.batch_bytes_max
            {
                self.capture.check_stop()?;
                let entry = self.entry(&mut rows)?;
                self.capture.emit(vec![entry], None)?;
                fail_point!("snapshot.batch");
                self.report(false);
            }
        }
        self.end_chunk(task, &mut rows)
    }

    fn sql(&self, task: Task) -> Result<String> {
        let leaf = self.leaves.get(task.leaf);
        let leaf = leaf.ok_or_else(|| Error::new(Kind::Internal, "a chunk of no partition"))?;
        let mut condition = condition(&leaf.note, task, self.xmin);
        if let Some(filter) = &self.wanted.published.filter {
            condition += &format!(" AND ({filter})");
        }
        let columns = column_list(&self.schema);
        Ok(format!("COPY (SELECT {columns} FROM ONLY {} WHERE {condition}) TO STDOUT", leaf.name))
    }

    /// The rows so far, as an entry. Every place in a snapshot is a boundary: its rows are in no
    /// order anyone could rely on.
    fn entry(&self, rows: &mut RowBatch) -> Result<Entry> {
        self.rows.fetch_add(rows.len() as u64, Ordering::Relaxed);
        Ok(Entry { body: Body::Rows(rows.finish()?), boundary: Some(self.boundary) })
    }

    /// Order: the note is locked while it is emitted, so that notes are kept in the order in which
    /// their chunks ended.
    fn end_chunk(&self, task: Task, rows: &mut RowBatch) -> Result<()> {
        let entries = if rows.is_empty() { Vec::new() } else { vec![self.entry(rows)?] };
        let mut noted = lock(self.note)?;
        if let Some(table) = noted.note.tables.get_mut(self.place)
            && let SnapshotStage::Running { rows, leaves, .. } = &mut table.snapshot
            && let Some(leaf) = leaves.get_mut(task.leaf)
            && task.reading == Reading::Whole
        {
            *rows = self.rows.load(Ordering::Relaxed);
            leaf.set_done(task.chunk);
        }
        noted.emit(self.capture, entries)?;
        fail_point!("snapshot.chunk");
        drop(noted);
        self.report(false);
        Ok(())
    }
}
