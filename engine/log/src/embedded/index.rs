//! What is known in memory of one segment: where entries lie and which schemas they use.

use super::format::{ENTRY, Header, SCHEMA};
use crate::rules::lock;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use syncline_core::codec::decode_schema;
use syncline_core::{Result, TableSchema};
use syncline_segment::{Frame, Segment};

/// A place is marked each so many bytes, so that finding an offset reads no more than that.
const MARK_EVERY_BYTES: u64 = 1 << 20;
/// Most places remembered where readers stopped.
const CURSORS_MAX: usize = 64;

/// One segment of a topic. Holds no open file: a log may keep thousands.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) header: Header,
    pub(super) path: PathBuf,
    /// Where the header's frame ends.
    start: u64,
    places: Mutex<Places>,
}

/// Where things are in a segment, as far as is known and durable.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Whether everything up to `until` was looked at.
    known: bool,
    /// How far frames are durable.
    until: u64,
    marks: BTreeMap<u64, u64>,
    cursors: BTreeMap<u64, u64>,
    schemas: HashMap<u32, Arc<TableSchema>>,
}

/// Where to read from, how far, and the schemas on the way.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) segment: Segment,
    pub(super) from: u64,
    pub(super) until: u64,
    pub(super) schemas: HashMap<u32, Arc<TableSchema>>,
}

impl Index {
    /// A segment with this header, and its places as far as they are known.
    pub(super) fn new(header: Header, path: PathBuf, start: u64, places: Places) -> Self {
        Self { header, path, start, places: Mutex::new(places) }
    }

    /// Bytes of the segment that are durable.
    pub(super) fn bytes(&self) -> u64 {
        lock(&self.places).until
    }

    /// The schemas that its entries use, as far as it was looked at.
    pub(super) fn schemas(&self) -> HashMap<u32, Arc<TableSchema>> {
        lock(&self.places).schemas.clone()
    }

    /// Takes in what became durable: entries at their places, new schemas, and the end.
    pub(super) fn grow(
        &self,
        entries: impl IntoIterator<Item = (u64, u64)>,
        schemas: impl IntoIterator<Item = (u32, Arc<TableSchema>)>,
        until: u64,
    ) {
        let mut places = lock(&self.places);
        entries.into_iter().for_each(|(offset, at)| places.mark(offset, at));
        places.schemas.extend(schemas);
        places.until = until;
    }

    /// Where to begin in order to find this offset. Looks through the whole segment the first
    /// time. Blocks.
    pub(super) fn plan(&self, offset: u64, read_bytes: usize) -> Result<Plan> {
        let segment = Segment::reopen(&self.path)?;
        let mut places = lock(&self.places);
        if !places.known {
            for frame in segment.frames(self.start, places.until, read_bytes) {
                places.see(&frame?)?;
            }
            places.known = true;
        }
        let cursor = places.cursors.remove(&offset);
        let mark = places.marks.range(..=offset).next_back().map(|(_, &at)| at);
        Ok(Plan {
            segment,
            from: cursor.or(mark).unwrap_or(self.start),
            until: places.until,
            schemas: places.schemas.clone(),
        })
    }

    /// Remembers where a reader stopped: the next read most likely begins there.
    pub(super) fn remember(&self, offset: u64, at: u64) {
        let mut places = lock(&self.places);
        if places.cursors.len() >= CURSORS_MAX {
            places.cursors.pop_first();
        }
        places.cursors.insert(offset, at);
    }
}

impl Places {
    /// Of a segment that is whole and was not looked through yet.
    pub(super) fn unknown(until: u64) -> Self {
        Self { until, ..Self::default() }
    }

    /// Of a segment that is told everything from its header on.
    pub(super) fn known(until: u64) -> Self {
        Self { known: true, until, ..Self::default() }
    }

    /// Takes in a frame that was read.
    pub(super) fn see(&mut self, frame: &Frame) -> Result<()> {
        match (frame.kind, u32::try_from(frame.number)) {
            (ENTRY, _) => self.mark(frame.number, frame.at),
            (SCHEMA, Ok(number)) => {
                self.schemas.insert(number, Arc::new(decode_schema(&frame.payload)?));
            }
            _ => {}
        }
        self.until = self.until.max(frame.end);
        Ok(())
    }

    fn mark(&mut self, offset: u64, at: u64) {
        let last = self.marks.last_key_value().map(|(_, &at)| at);
        if last.is_none_or(|last| at >= last + MARK_EVERY_BYTES) {
            self.marks.insert(offset, at);
        }
    }
}
