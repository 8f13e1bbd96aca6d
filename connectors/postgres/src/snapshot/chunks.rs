//! How a table is cut into chunks, and which of them are still to read.

use crate::begin::Wanted;
use crate::note::{LeafNote, SnapshotStage, TableNote};
use crate::source::Capture;
use crate::wire::{Connection, Row, identifier};
use std::time::Duration;
use syncline_core::{Error, Kind, Report, Result};

/// Rows in a block of a table that was never analysed, about.
const ROWS_PER_BLOCK_GUESS: f64 = 60.0;
/// How often a wait for a lock asks whether it should stop.
const TICK: Duration = Duration::from_millis(200);
/// How long before the operator is told what is waited for.
const TICKS_BEFORE_NOTICE: u32 = 10;

/// A relation that holds rows: the table, or one of its partitions.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    /// Quoted name.
    pub(super) name: String,
    pub(super) note: LeafNote,
}

/// One read of one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) leaf: usize,
    pub(super) chunk: u32,
    pub(super) reading: Reading,
}

/// What is read of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// All rows.
    Whole,
    /// A chunk that is done: the rows that came since.
    Newer,
}

/// The leaves of a table, with the chunks of an earlier run where there was one.
pub(super) fn plan(
    connection: &mut Connection,
    capture: &Capture<'_>,
    wanted: &Wanted,
    known: &TableNote,
) -> Result<Vec<Leaf>> {
    let earlier: &[LeafNote] = match &known.snapshot {
        SnapshotStage::Running { leaves, .. } => leaves,
        SnapshotStage::Pending | SnapshotStage::Done => &[],
    };
    let oid = wanted.relation.oid;
    let tree = match wanted.relation.partitioned {
        true => format!("SELECT relid FROM pg_partition_tree({oid}) WHERE isleaf"),
        false => format!("SELECT {oid}::oid AS relid"),
    };
    let rows = connection.query(&format!(
        "SELECT c.oid, n.nspname, c.relname, c.relkind, \
         CASE c.relkind WHEN 'r' THEN pg_relation_size(c.oid) ELSE 0 END \
         / current_setting('block_size')::bigint, c.reltuples, c.relpages, \
         coalesce(pg_relation_filenode(c.oid), 0) \
         FROM ({tree}) t JOIN pg_class c ON c.oid = t.relid \
         JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY c.oid"
    ))?;
    let mut leaves = Vec::with_capacity(rows.len());
    for row in &rows {
        let name = format!("{}.{}", identifier(row.text(1)), identifier(row.text(2)));
        if row.text(3) != "r" {
            capture.outlet.report(Report::Notice(format!(
                "partition {name} is no ordinary table: its rows are neither copied nor captured"
            )));
            continue;
        }
        let cut = cut(row, capture.settings.snapshot_chunk_rows)?;
        let same = |leaf: &&LeafNote| (leaf.oid, leaf.file) == (cut.oid, cut.file);
        let note = earlier.iter().find(same).cloned().unwrap_or(cut);
        leaves.push(Leaf { name, note });
    }
    Ok(leaves)
}

/// Makes sure that this view has the rows of these relations, and keeps it so.
///
/// A relation that an `ALTER TABLE` rewrote since the view began looks empty in it. Locked, it can't be
/// rewritten until the copy ends; and if its file is the one that the view knows, it was not before.
///
/// # Errors
/// `Unavailable` when one was: a later view has its rows.
pub(super) fn hold(
    connection: &mut Connection,
    capture: &Capture<'_>,
    leaves: &[Leaf],
) -> Result<()> {
    connection.set_tick(Some(TICK))?;
    let mut ticks = 0;
    for leaf in leaves {
        // The lock waits for whoever alters the table now.
        let lock = format!("LOCK TABLE ONLY {} IN ACCESS SHARE MODE", leaf.name);
        connection.query_patiently(&lock, &mut || {
            ticks += 1;
            if ticks == TICKS_BEFORE_NOTICE {
                capture.say_waiting();
            }
            capture.check_stop()
        })?;
        let seen = connection.query(&format!(
            "SELECT relfilenode = pg_relation_filenode(oid) FROM pg_class WHERE oid = {}",
            leaf.note.oid
        ))?;
        if !seen.first().is_some_and(|row| row.is_true(0)) {
            return Err(Error::new(
                Kind::Unavailable,
                format!("{} was rewritten while its copy was due", leaf.name),
            )
            .detail("it is copied as it is now, once older transactions have ended"));
        }
    }
    connection.set_tick(None)
}

/// Cuts a relation into chunks of about `chunk_rows`.
fn cut(row: &Row, chunk_rows: u64) -> Result<LeafNote> {
    let (blocks, tuples, pages) = (row.parse(4)?, row.parse(5)?, row.parse(6)?);
    let (blocks_per_chunk, chunks) = chunks_of(blocks, tuples, pages, chunk_rows);
    let (oid, file) = (row.parse(0)?, row.parse(7)?);
    Ok(LeafNote { oid, file, blocks_per_chunk, chunks, done_before: 0, done_beyond: Vec::new() })
}

/// Blocks of a chunk, and chunks. `tuples` and `pages` are the server's statistics, -1 and 0 where there are none.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate; the result is held within bounds"
)]
fn chunks_of(blocks: u64, tuples: f64, pages: f64, chunk_rows: u64) -> (u32, u32) {
    let rows_per_block =
        if tuples > 0.0 && pages > 0.0 { tuples / pages } else { ROWS_PER_BLOCK_GUESS };
    let blocks_per_chunk = (chunk_rows as f64 / rows_per_block).ceil().clamp(1.0, 1e9) as u32;
    let chunks = blocks.div_ceil(u64::from(blocks_per_chunk)).clamp(1, u64::from(u32::MAX)) as u32;
    (blocks_per_chunk, chunks)
}

/// What there is to do, in order of place. A table that was begun before has its done chunks scanned
/// for newer rows.
pub(super) fn tasks(leaves: &[Leaf]) -> Vec<Task> {
    let of_leaf = |(leaf, of): (usize, &Leaf)| {
        let note = of.note.clone();
        (0..note.chunks).map(move |chunk| {
            let reading = if note.is_done(chunk) { Reading::Newer } else { Reading::Whole };
            Task { leaf, chunk, reading }
        })
    };
    leaves.iter().enumerate().flat_map(of_leaf).collect()
}

/// The condition that a row lies in a chunk.
pub(super) fn condition(note: &LeafNote, task: Task, xmin: u32) -> String {
    let block = |chunk: u32| u64::from(chunk) * u64::from(note.blocks_per_chunk);
    let mut sql = format!("ctid >= '({},0)'", block(task.chunk));
    if task.chunk + 1 < note.chunks {
        sql += &format!(" AND ctid < '({},0)'", block(task.chunk + 1));
    }
    if task.reading == Reading::Newer {
        sql += &format!(" AND age(xmin) <= age('{xmin}'::xid)");
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(chunks: u32, done_before: u32) -> LeafNote {
        LeafNote {
            oid: 1,
            file: 1,
            blocks_per_chunk: 10,
            chunks,
            done_before,
            done_beyond: Vec::new(),
        }
    }

    #[test]
    fn chunks_follow_the_statistics_or_a_guess() {
        assert_eq!(chunks_of(1000, 50_000.0, 1000.0, 5000), (100, 10));
        assert_eq!(chunks_of(0, -1.0, 0.0, 100_000).1, 1);
        assert_eq!(chunks_of(5, 1e9, 1.0, 1), (1, 5));
    }

    #[test]
    fn the_last_chunk_has_no_end_and_done_ones_are_scanned_for_newer_rows() {
        let leaves = [Leaf { name: "t".into(), note: leaf(3, 1) }];
        let tasks = tasks(&leaves);
        let sql: Vec<_> = tasks.iter().map(|&task| condition(&leaves[0].note, task, 77)).collect();
        assert_eq!(
            sql,
            [
                "ctid >= '(0,0)' AND ctid < '(10,0)' AND age(xmin) <= age('77'::xid)",
                "ctid >= '(10,0)' AND ctid < '(20,0)'",
                "ctid >= '(20,0)'",
            ]
        );
    }
}
