//! The store: writes, commits, and what undoes them.

use super::compact::Compaction;
use super::index::{Index, Place, RECORD_BYTES_MAX, SEGMENTS_MAX};
use super::read::LastRead;
use super::recent::Recent;
use super::{open, record};
use crate::rows::{RowBuffer, Rows, Scanned};
use fail::fail_point;
use std::collections::{BTreeMap, HashSet};
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use syncline_core::{Cursor, Error, Kind, Result};
use syncline_segment::{Disk, HEAD_BYTES, Segment, Writer};

/// Kinds of frames.
pub(super) const ROWS: u8 = 1;
pub(super) const COMMIT: u8 = 2;
pub(super) const ABORT: u8 = 3;

/// Records are written once there are so many bytes of them.
const FRAME_BYTES: usize = 512 << 10;

/// How a store is kept.
#[derive(Debug, Clone, Copy)]
pub struct StoreSettings {
    /// A segment is sealed when it has so many bytes; at most 1 GiB. Of the records that were written
    /// last, half as many stay in memory where nothing else is said
    /// ([`RowStore::with_recent_bytes`]).
    pub segment_bytes: u64,
    /// While more than this share of all records is garbage, the oldest are written again.
    pub garbage_share: f64,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, garbage_share: 0.5 }
    }
}

/// One file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) segment: Segment,
    /// Bytes of all records.
    pub(super) total: u64,
    /// Bytes of those that are the last of their keys.
    pub(super) live: u64,
}

impl File {
    /// With no records so far.
    pub(super) fn new(number: u64, path: PathBuf, segment: Segment) -> Self {
        Self { number, path, segment, total: 0, live: 0 }
    }
}

/// What a write changed: the key's hash, where it was, and whether it was gone then; where it is, unless it
/// is nowhere any more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Undo {
    hash: u64,
    old: Option<Place>,
    was_gone: bool,
    new: Option<Place>,
}

/// Rows by key in a directory.
#[derive(Debug)]
pub struct RowStore {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) directory: PathBuf,
    pub(super) settings: StoreSettings,
    pub(super) index: Index,
    /// The places of records that say that a key is gone, of those that the index has.
    pub(super) gone: HashSet<Place>,
    /// By number modulo the most there can be.
    pub(super) files: BTreeMap<u64, File>,
    /// The number of the file that is written to.
    pub(super) active: u64,
    pub(super) writer: Writer,
    /// Records that are to be the next frame.
    pub(super) staged: Vec<u8>,
    pub(super) undo: Vec<Undo>,
    /// Where the records since the last commit begin.
    pub(super) since: Cursor,
    /// Whether frames without a commit may follow the last commit.
    pub(super) has_orphans: bool,
    pub(super) note: Vec<u8>,
    pub(super) compaction: Option<Compaction>,
    pub(super) read: LastRead,
    pub(super) recent: Recent,
}

impl RowStore {
    /// Opens a store, or makes one. What was not committed is not there.
    ///
    /// # Errors
    /// `Corrupt` where a file is damaged, `Unavailable` where the disk refuses.
    pub fn open(disk: Arc<dyn Disk>, directory: &Path, settings: StoreSettings) -> Result<Self> {
        open::open(disk, directory, settings)
    }

    /// Keeps so many bytes of the records that were written last in memory.
    #[must_use]
    pub fn with_recent_bytes(mut self, bytes_max: usize) -> Self {
        self.recent.limit(bytes_max);
        self
    }

    /// How many keys have a row.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len() - self.gone.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that the index takes.
    #[must_use]
    pub fn index_bytes(&self) -> usize {
        self.index.bytes()
    }

    /// Bytes of all records on the disk, and of those that hold.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        let files = self.files.values();
        files.fold((0, 0), |(total, live), file| (total + file.total, live + file.live))
    }

    pub(super) fn hash(key: &[u8]) -> u64 {
        let mut hasher = rapidhash::fast::RapidHasher::default();
        hasher.write(key);
        hasher.finish()
    }

    /// Where the next staged record will be in the active file.
    pub(super) fn staged_from(&self) -> u64 {
        self.writer.end() + HEAD_BYTES as u64
    }

    /// Stages a record of a key that is at `old` now; without a row it says that the key is gone.
    pub(super) fn stage(
        &mut self,
        hash: u64,
        old: Option<Place>,
        key: &[u8],
        row: Option<&[u8]>,
    ) -> Result<()> {
        let length = record::length(key, row);
        if length > RECORD_BYTES_MAX {
            return Err(Error::new(Kind::Config, format!("claims of {length} bytes on one key")));
        }
        if self.staged.len() >= FRAME_BYTES {
            self.write_staged()?;
        }
        let offset = self.staged_from() + self.staged.len() as u64;
        record::push(&mut self.staged, key, row);
        let new = Place::new(self.active, offset, length);
        match old {
            Some(old) => {
                self.index.replace(hash, old, new);
                self.account(old, -1);
            }
            None => self.index.insert(hash, new),
        }
        let was_gone = old.is_some_and(|old| self.gone.remove(&old));
        if row.is_none() {
            self.gone.insert(new);
        }
        self.account(new, 1);
        if let Some(file) = self.files.get_mut(&new.segment()) {
            file.total += length as u64;
        }
        self.undo.push(Undo { hash, old, was_gone, new: Some(new) });
        Ok(())
    }

    /// Takes a key that is gone out of the index.
    pub(super) fn forget(&mut self, hash: u64, place: Place) {
        self.index.remove(hash, place);
        let was_gone = self.gone.remove(&place);
        self.undo.push(Undo { hash, old: Some(place), was_gone, new: None });
    }

    /// What says that a key is gone holds nothing: it is garbage from the beginning.
    fn account(&mut self, place: Place, sign: i64) {
        if self.gone.contains(&place) {
            return;
        }
        if let Some(file) = self.files.get_mut(&place.segment()) {
            file.live = file.live.saturating_add_signed(sign * place.length() as i64);
        }
    }

    /// Writes what is staged as a frame; not yet durable.
    pub(super) fn write_staged(&mut self) -> Result<()> {
        if self.staged.is_empty() {
            return Ok(());
        }
        let from = Place::new(self.active, self.staged_from(), 0);
        self.has_orphans = true;
        self.writer.push(ROWS, 0, &[&self.staged]);
        self.writer.flush()?;
        fail_point!("claims.written");
        self.staged = self.recent.keep(from, std::mem::take(&mut self.staged));
        if self.writer.end() >= self.settings.segment_bytes {
            self.roll()?;
        }
        Ok(())
    }

    /// Seals the active file and begins the next.
    fn roll(&mut self) -> Result<()> {
        self.writer.sync()?;
        let number = self.active + 1;
        if self.files.len() as u64 + 1 >= SEGMENTS_MAX {
            return Err(Error::new(Kind::Unavailable, "too many files of claims"));
        }
        fail_point!("claims.sealed");
        let (writer, file) = open::create(&self.disk, &self.directory, number)?;
        self.files.insert(number % SEGMENTS_MAX, file);
        (self.writer, self.active) = (writer, number);
        Ok(())
    }

    /// Puts the index back to where it was at the last commit.
    pub(super) fn undo(&mut self) {
        for Undo { hash, old, was_gone, new } in std::mem::take(&mut self.undo).into_iter().rev() {
            if let Some(new) = new {
                self.account(new, -1);
                self.gone.remove(&new);
                self.index.remove(hash, new);
            }
            if let Some(old) = old {
                if was_gone {
                    self.gone.insert(old);
                }
                self.index.insert(hash, old);
                self.account(old, 1);
            }
        }
        self.staged.clear();
        self.read.clear();
        self.recent.cut(Place::new(self.active, self.writer.end(), 0));
        if let Some(compaction) = &mut self.compaction {
            compaction.rollback();
        }
    }

    fn is_it(&self, place: Place, key: &[u8]) -> Result<bool> {
        let mut bytes = Vec::new();
        self.read_record(place, &mut bytes)?;
        Ok(record::read(&bytes, false).is_some_and(|(other, ..)| other == key))
    }

    /// Where a key is.
    fn find(&self, hash: u64, key: &[u8]) -> Result<Option<Place>> {
        let read = self.read.get(hash).filter(|place| self.index.is_at(hash, *place));
        if read.is_some() {
            return Ok(read);
        }
        let places: Vec<Place> = self.index.places(hash).collect();
        for place in places {
            if self.is_it(place, key)? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }
}

impl Rows for RowStore {
    fn read(&mut self, keys: &[&[u8]], rows: &mut RowBuffer) -> Result<()> {
        self.read_all(keys, rows)
    }

    fn write(&mut self, key: &[u8], row: &[u8]) -> Result<()> {
        let hash = Self::hash(key);
        let old = self.find(hash, key)?;
        self.stage(hash, old, key, Some(row))
    }

    fn remove(&mut self, key: &[u8]) -> Result<()> {
        let hash = Self::hash(key);
        match self.find(hash, key)? {
            Some(old) if !self.gone.contains(&old) => self.stage(hash, Some(old), key, None),
            _ => Ok(()),
        }
    }

    fn commit(&mut self, note: &[u8]) -> Result<()> {
        if self.undo.is_empty() && note == self.note {
            return Ok(());
        }
        self.move_some()?;
        self.write_staged()?;
        self.writer.push(COMMIT, 0, &[note]);
        self.writer.flush()?;
        fail_point!("claims.ended");
        self.writer.sync()?;
        self.undo.clear();
        self.read.clear();
        self.has_orphans = false;
        self.note = note.to_vec();
        self.note_committed();
        self.moved()
    }

    fn rollback(&mut self) -> Result<()> {
        self.undo();
        if self.has_orphans {
            self.writer.push(ABORT, 0, &[]);
            self.writer.flush()?;
            self.has_orphans = false;
        }
        self.note_committed();
        Ok(())
    }

    fn note(&self) -> Vec<u8> {
        self.note.clone()
    }

    fn scan(
        &mut self,
        from: Cursor,
        bytes_max: usize,
        rows: &mut Scanned,
    ) -> Result<Option<Cursor>> {
        self.scan_from(from, bytes_max, rows)
    }
}
