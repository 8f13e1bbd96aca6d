//! What the source keeps between runs: which history its positions belong to, and how far its
//! snapshots are.
//!
//! ```text
//!  (none) ──▶ Creating ──slot made──▶ Ready{consistent point} ── for good
//!             durable before the slot           tables: Pending ▶ Running ▶ Done
//!             is made, so that a slot found
//!             in this stage is ours to drop
//! ```

use serde::{Deserialize, Serialize};
use syncline_core::{Error, Kind, Result, SystemName, TableName, TableSchema};

const VERSION: u32 = 1;

/// The note. Written whole with each change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    version: u32,
    /// What the server calls itself; another one is another history.
    pub(crate) system_identifier: String,
    /// A restored or promoted server goes on in another timeline.
    pub(crate) timeline: u32,
    pub(crate) slot: String,
    /// Epoch of all positions made with this slot.
    pub(crate) epoch: u32,
    pub(crate) stage: Stage,
    pub(crate) tables: Vec<TableNote>,
}

/// Set by the start of a run only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    /// A slot may have been made, but nothing rests on it yet.
    Creating,
    /// The slot is ours; the stream follows this place of the log.
    Ready {
        /// Where snapshot and stream meet.
        consistent_point: u64,
    },
}

/// One captured table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableNote {
    /// The relation; another one under the same name is another table.
    pub(crate) oid: u32,
    /// The columns as last sent.
    pub(crate) schema: TableSchema,
    pub(crate) snapshot: SnapshotStage,
    /// The partitions it has, none for an ordinary table. Set by the start of a run; `None` in a note
    /// of before this was kept.
    #[serde(default)]
    pub(crate) partitions: Option<Vec<u32>>,
}

/// How far the snapshot of a table is. Set by the snapshot only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SnapshotStage {
    /// Nothing read.
    Pending,
    /// Some chunks read.
    Running {
        /// Oldest transaction that the first snapshot could not see all of.
        xmin: u32,
        /// Rows emitted so far.
        rows: u64,
        /// The table, or the partitions that hold its rows.
        leaves: Vec<LeafNote>,
    },
    /// All read.
    Done,
}

/// A table that holds rows, cut into chunks of whole blocks. The last chunk has no end, so that the
/// chunks cover the table however it grows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeafNote {
    pub(crate) oid: u32,
    /// The file that holds it: a table that was rewritten has its rows in other places.
    pub(crate) file: u32,
    pub(crate) blocks_per_chunk: u32,
    pub(crate) chunks: u32,
    /// All chunks before this one are done.
    pub(crate) done_before: u32,
    /// Chunks after it that are done too.
    pub(crate) done_beyond: Vec<u32>,
}

impl LeafNote {
    pub(crate) fn is_done(&self, chunk: u32) -> bool {
        chunk < self.done_before || self.done_beyond.contains(&chunk)
    }

    pub(crate) fn set_done(&mut self, chunk: u32) {
        if !self.is_done(chunk) {
            self.done_beyond.push(chunk);
        }
        while let Some(next) = self.done_beyond.iter().position(|&done| done == self.done_before) {
            self.done_beyond.swap_remove(next);
            self.done_before += 1;
        }
    }
}

impl Note {
    /// The note of a slot that is about to be made.
    pub(crate) fn creating(system_identifier: &str, timeline: u32, slot: &str, epoch: u32) -> Self {
        Self {
            version: VERSION,
            system_identifier: system_identifier.to_owned(),
            timeline,
            slot: slot.to_owned(),
            epoch,
            stage: Stage::Creating,
            tables: Vec::new(),
        }
    }

    /// Reads a note.
    ///
    /// # Errors
    /// `Corrupt` when it is none of ours.
    pub(crate) fn from_bytes(system: &SystemName, bytes: &[u8]) -> Result<Self> {
        let corrupt = |detail: String| {
            Error::new(Kind::Corrupt, format!("the checkpoint of {system} can't be read"))
                .detail(detail)
        };
        let note: Self =
            serde_json::from_slice(bytes).map_err(|error| corrupt(error.to_string()))?;
        match note.version {
            VERSION => Ok(note),
            other => Err(corrupt(format!("version {other}, this program writes {VERSION}"))
                .hint("run the version of syncline that wrote it, or a newer one")),
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a note has text keys only")
    }

    pub(crate) fn table(&self, name: &TableName) -> Option<&TableNote> {
        self.tables.iter().find(|table| table.schema.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn chunks_done_in_any_order_are_done(order in Just((0..20_u32).collect::<Vec<_>>()).prop_shuffle(), done in 0..20_usize) {
            let mut leaf = LeafNote {
                oid: 1, file: 1, blocks_per_chunk: 8, chunks: 20, done_before: 0, done_beyond: Vec::new(),
            };
            for &chunk in &order[..done] { leaf.set_done(chunk); leaf.set_done(chunk); }
            for &chunk in &order { prop_assert_eq!(leaf.is_done(chunk), order[..done].contains(&chunk)); }
            prop_assert_eq!(leaf.done_before as usize + leaf.done_beyond.len(), done);
        }
    }

    #[test]
    fn a_note_comes_back_and_a_newer_one_is_refused() {
        let system = SystemName::new("sis");
        let mut note = Note::creating("42", 1, "syncline", 3);
        note.stage = Stage::Ready { consistent_point: 77 };
        assert_eq!(Note::from_bytes(&system, &note.to_bytes()).unwrap(), note);
        note.version = 2;
        let error = Note::from_bytes(&system, &note.to_bytes()).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt);
        assert!(Note::from_bytes(&system, b"{}").is_err());
    }
}
