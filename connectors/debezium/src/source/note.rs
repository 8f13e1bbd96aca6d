//! What the source keeps between runs: how far each partition is read, and the chunk that may be in the log
//! only in part.

use super::plan::Chunk;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use syncline_core::{Error, Kind, Result, SystemName, TableName, TableSchema};

const VERSION: u32 = 1;

/// The note. Written whole with each chunk, before its first entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    version: u32,
    /// What the brokers call themselves; others have other offsets.
    pub(crate) cluster: Option<String>,
    /// Epoch of all positions.
    pub(crate) epoch: u32,
    /// What is handed over next.
    pub(crate) chunk: Chunk,
    /// Where each partition is read on after the chunk. Those of tables that nobody reads any more stay.
    pub(crate) places: Vec<Place>,
    /// Tables to copy again, once the chunk is in the log.
    pub(crate) copies: BTreeSet<TableName>,
    /// The tables' columns before the chunk as they were last sent; or behind it, where all of it is in the log.
    pub(crate) schemas: Vec<TableSchema>,
}

/// A place in a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// The next offset to read.
    pub(crate) next: u64,
}

impl Note {
    /// The note of a history that begins.
    pub(crate) fn new(cluster: Option<String>, epoch: u32) -> Self {
        Self {
            version: VERSION,
            cluster,
            epoch,
            chunk: Chunk::default(),
            places: Vec::new(),
            copies: BTreeSet::new(),
            schemas: Vec::new(),
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

    /// The next offset of a partition, where it is known.
    pub(crate) fn next_of(&self, topic: &str, partition: i32) -> Option<u64> {
        let places = self.places.iter();
        let mut found = places.filter(|it| it.topic == topic && it.partition == partition);
        found.next().map(|it| it.next)
    }

    /// Notes where a partition is read on.
    pub(crate) fn set_next(&mut self, topic: &str, partition: i32, next: u64) {
        let found =
            self.places.iter_mut().find(|it| it.topic == topic && it.partition == partition);
        match found {
            Some(place) => place.next = next,
            None => self.places.push(Place { topic: topic.to_owned(), partition, next }),
        }
    }

    /// The columns that a table had last.
    pub(crate) fn schema(&self, table: &TableName) -> Option<&TableSchema> {
        self.schemas.iter().find(|schema| schema.name() == table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_comes_back_and_a_newer_one_is_refused() {
        let system = SystemName::new("sis");
        let table = TableName::table(&system, "public", "students");
        let mut note = Note::new(Some("c".into()), 3);
        note.set_next("t", 1, 7);
        note.set_next("t", 1, 8);
        note.schemas.push(TableSchema::new(table.clone(), 4, Vec::new(), Vec::new()));
        note.copies.insert(table.clone());
        assert_eq!(Note::from_bytes(&system, &note.to_bytes()).unwrap(), note);
        assert_eq!((note.next_of("t", 1), note.next_of("t", 0)), (Some(8), None));
        assert_eq!(note.schema(&table).map(TableSchema::revision), Some(4));
        note.version = 2;
        let error = Note::from_bytes(&system, &note.to_bytes()).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt);
        assert!(Note::from_bytes(&system, b"{}").is_err());
    }
}
