//! The index from the files: many records at a time.
//!
//! Where a hash is known already, its record may be an older one of the same key, or another key's. To
//! tell, the older record's key is read again; records of a round are looked up together, in the order
//! in which they lie, so that files are read from front to back and not back and forth.
//!
//! ```text
//!  frames ─▶ waiting ─(COMMIT)─▶ round ─(full, or the end)─▶ index
//!                     (ABORT)─▶ forgotten
//! ```

use super::index::{Index, Place, SEGMENTS_MAX};
use super::read::{read_run, run_length};
use super::recent::Recent;
use super::record;
use super::rows::{ABORT, COMMIT, File, ROWS, RowStore};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::collections::{BTreeMap, HashSet};
use syncline_core::{Error, Kind, Result};
use syncline_segment::{Frame, HEAD_BYTES, Segment};

/// How many records are looked up together.
const ROUND_RECORDS: usize = 256 << 10;

/// How many bytes their keys may have.
const ROUND_BYTES: usize = 16 << 20;

/// The index in the making.
pub(super) struct Loading {
    index: Index,
    gone: HashSet<Place>,
    files: BTreeMap<u64, File>,
    note: Vec<u8>,
    recent: Recent,
    /// The first file of which there may be room in there.
    recent_from: u64,
    /// Records since the last commit.
    waiting: Round,
    /// Records that hold and are not in the index.
    round: Round,
    round_records: usize,
}

/// What came of it.
pub(super) struct Loaded {
    pub(super) index: Index,
    pub(super) gone: HashSet<Place>,
    pub(super) files: BTreeMap<u64, File>,
    pub(super) note: Vec<u8>,
    pub(super) recent: Recent,
    /// Whether records follow the last commit.
    pub(super) has_orphans: bool,
}

/// Records with their keys, one after the other.
#[derive(Debug, Default)]
struct Round {
    keys: Vec<u8>,
    records: Vec<Loose>,
}

#[derive(Debug, Clone, Copy)]
struct Loose {
    hash: u64,
    place: Place,
    /// Whether it says that its key is gone.
    is_gone: bool,
    /// Where its key ends.
    until: usize,
}

impl Round {
    fn push(&mut self, key: &[u8], hash: u64, place: Place, is_gone: bool) {
        self.keys.extend_from_slice(key);
        self.records.push(Loose { hash, place, is_gone, until: self.keys.len() });
    }

    fn key(&self, record: usize) -> &[u8] {
        let from = record.checked_sub(1).map_or(0, |before| self.records[before].until);
        &self.keys[from..self.records[record].until]
    }

    fn append(&mut self, other: &mut Self) {
        let from = self.keys.len();
        self.keys.append(&mut other.keys);
        let moved = |of: Loose| Loose { until: from + of.until, ..of };
        self.records.extend(other.records.drain(..).map(moved));
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.records.clear();
    }

    fn is_full(&self, records: usize) -> bool {
        self.records.len() >= records || self.keys.len() >= ROUND_BYTES
    }

    /// The last record of each key.
    fn last_of_keys(&self) -> HashTable<usize> {
        let mut last: HashTable<usize> = HashTable::with_capacity(self.records.len());
        for (record, of) in self.records.iter().enumerate() {
            let is_same = |other: &usize| {
                self.records[*other].hash == of.hash && self.key(*other) == self.key(record)
            };
            match last.entry(of.hash, is_same, |other| self.records[*other].hash) {
                Entry::Occupied(mut known) => *known.get_mut() = record,
                Entry::Vacant(free) => drop(free.insert(record)),
            }
        }
        last
    }
}

impl Loading {
    /// Keeps records of files from this number on in memory.
    pub(super) fn new(recent: Recent, recent_from: u64) -> Self {
        Self {
            index: Index::default(),
            gone: HashSet::new(),
            files: BTreeMap::new(),
            note: Vec::new(),
            recent,
            recent_from,
            waiting: Round::default(),
            round: Round::default(),
            round_records: ROUND_RECORDS,
        }
    }

    /// Adds a file, whose frames follow.
    pub(super) fn add(&mut self, file: File) {
        self.files.insert(file.number % SEGMENTS_MAX, file);
    }

    /// Takes in the next frame of a file.
    ///
    /// # Errors
    /// `Corrupt` where it is none that was written, `Unavailable` where the disk refuses.
    pub(super) fn visit(&mut self, number: u64, segment: &Segment, frame: &Frame) -> Result<()> {
        match frame.kind {
            ROWS => self.wait(number, segment, frame)?,
            COMMIT => {
                self.round.append(&mut self.waiting);
                self.note = frame.payload.to_vec();
                if self.round.is_full(self.round_records) {
                    self.take_in()?;
                }
            }
            ABORT => self.waiting.clear(),
            _ => {}
        }
        Ok(())
    }

    /// What was loaded.
    ///
    /// # Errors
    /// See [`Loading::visit`].
    pub(super) fn finish(mut self) -> Result<Loaded> {
        self.take_in()?;
        let has_orphans = !self.waiting.records.is_empty();
        let Self { index, gone, files, note, recent, .. } = self;
        Ok(Loaded { index, gone, files, note, recent, has_orphans })
    }

    fn wait(&mut self, number: u64, segment: &Segment, frame: &Frame) -> Result<()> {
        let offset = |at: usize| frame.at + (HEAD_BYTES + at) as u64;
        let mut total = 0;
        for found in record::all(&frame.payload) {
            let (at, key, row) =
                found.map_err(|at| segment.damage(offset(at), "a frame ends within a record"))?;
            let length = record::length(key, row);
            let place = Place::new(number, offset(at), length);
            self.waiting.push(key, RowStore::hash(key), place, row.is_none());
            total += length as u64;
        }
        if let Some(file) = self.files.get_mut(&(number % SEGMENTS_MAX)) {
            file.total += total;
        }
        if number >= self.recent_from {
            self.recent.keep(Place::new(number, offset(0), 0), frame.payload.to_vec());
        }
        Ok(())
    }

    /// Puts the records of a round into the index.
    fn take_in(&mut self) -> Result<()> {
        let round = std::mem::take(&mut self.round);
        let last = round.last_of_keys();
        let mut older: Vec<(Place, usize)> = Vec::new();
        for &record in &last {
            let places = self.index.places(round.records[record].hash);
            older.extend(places.map(|place| (place, record)));
        }
        older.sort_unstable();
        let is_older = self.replace_older(&round, &older)?;
        for record in last.into_iter().filter(|record| !is_older[*record]) {
            let Loose { hash, place, is_gone, .. } = round.records[record];
            self.index.insert(hash, place);
            self.comes(place, is_gone);
        }
        self.round = round;
        self.round.clear();
        Ok(())
    }

    /// Puts records in the places of older ones of their keys, which may be among these; says of which
    /// records there was one.
    fn replace_older(&mut self, round: &Round, older: &[(Place, usize)]) -> Result<Vec<bool>> {
        let mut is_older = vec![false; round.records.len()];
        let (mut bytes, mut rest) = (Vec::new(), older);
        while let Some(&(first, _)) = rest.first() {
            let (run, behind) = rest.split_at(run_length(rest.iter().map(|it| it.0)));
            rest = behind;
            read_run(&self.files, first, run[run.len() - 1].0, &mut bytes)?;
            for &(place, record) in run {
                let at = (place.offset() - first.offset()) as usize;
                let known = bytes.get(at..at + place.length());
                let known = known.and_then(|bytes| record::read(bytes, false));
                let (key, ..) = known.ok_or_else(|| self.damaged(place))?;
                if key == round.key(record) {
                    let Loose { hash, place: new, is_gone, .. } = round.records[record];
                    self.index.replace(hash, place, new);
                    self.goes(place);
                    self.comes(new, is_gone);
                    is_older[record] = true;
                }
            }
        }
        Ok(is_older)
    }

    /// A record is the last of its key; one that says that it is gone is garbage from the beginning.
    fn comes(&mut self, place: Place, is_gone: bool) {
        if is_gone {
            self.gone.insert(place);
        } else if let Some(file) = self.files.get_mut(&place.segment()) {
            file.live += place.length() as u64;
        }
    }

    /// It no longer is.
    fn goes(&mut self, place: Place) {
        let was_gone = self.gone.remove(&place);
        if let Some(file) = self.files.get_mut(&place.segment()).filter(|_| !was_gone) {
            file.live = file.live.saturating_sub(place.length() as u64);
        }
    }

    fn damaged(&self, place: Place) -> Error {
        match self.files.get(&place.segment()) {
            Some(file) => file.segment.damage(place.offset(), "a record does not hold").into(),
            None => Error::new(Kind::Corrupt, "a file of claims is gone"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Rows as _;
    use crate::store::StoreSettings;
    use crate::store::read::READ_BYTES;
    use std::sync::Arc;
    use syncline_segment::RealDisk;

    /// Keys written again and again, into several files.
    fn written() -> (tempfile::TempDir, RowStore) {
        let directory = tempfile::tempdir().unwrap();
        let settings = StoreSettings { segment_bytes: 2_000, garbage_share: 1.0 };
        let mut store = RowStore::open(Arc::new(RealDisk), directory.path(), settings).unwrap();
        for commit in 0..20_u8 {
            for number in [commit % 7, commit % 5, commit % 5, 9] {
                store.write(&[b'k', number], &vec![commit; 40 + usize::from(number)]).unwrap();
            }
            // Some are taken away, some of these come back.
            if commit % 6 == 5 {
                store.remove(&[b'k', commit % 7]).unwrap();
            }
            store.commit(&[commit]).unwrap();
        }
        (directory, store)
    }

    fn of_files(store: &RowStore, round_records: usize) -> Loading {
        let mut loading = Loading::new(Recent::new(0), 0);
        loading.round_records = round_records;
        for file in store.files.values() {
            let (number, path, segment) = (file.number, file.path.clone(), file.segment.clone());
            loading.add(File::new(number, path, segment.clone()));
            for frame in segment.frames(32, segment.length().unwrap(), READ_BYTES) {
                loading.visit(number, &segment, &frame.unwrap()).unwrap();
            }
        }
        loading
    }

    #[test]
    fn rounds_of_any_size_come_to_the_same() {
        let (_directory, store) = written();
        assert!(store.files.len() > 2);
        for records in [1, 2, 5, 11, 1_000] {
            let loaded = of_files(&store, records).finish().unwrap();
            for number in 0..10 {
                let places = |index: &Index| {
                    index.places(RowStore::hash(&[b'k', number])).collect::<Vec<_>>()
                };
                assert_eq!(places(&loaded.index), places(&store.index), "{records} a round");
            }
            let bytes = |files: &BTreeMap<u64, File>| {
                files.values().map(|file| (file.total, file.live)).collect::<Vec<_>>()
            };
            assert_eq!(bytes(&loaded.files), bytes(&store.files), "{records} a round");
            assert_eq!(loaded.gone, store.gone, "{records} a round");
        }
    }

    #[test]
    fn keys_of_one_hash_are_told_apart() {
        let (_directory, store) = written();
        let place =
            |number: u8| store.index.places(RowStore::hash(&[b'k', number])).next().unwrap();
        let mut loading = of_files(&store, 1_000);
        (loading.index, loading.round) = (Index::default(), Round::default());
        for (key, at) in [(b"k1", place(1)), (b"k2", place(2))] {
            let key = [key[0], key[1] - b'0'];
            loading.round.push(&key, 7, at, false);
        }
        loading.take_in().unwrap();
        let sorted = |loading: &Loading| {
            let mut places: Vec<Place> = loading.index.places(7).collect();
            places.sort_unstable();
            places
        };
        let mut both = vec![place(1), place(2)];
        both.sort_unstable();
        assert_eq!(sorted(&loading), both);
        // The first of them again, elsewhere; the record there is another's, which is not looked at.
        loading.round.push(&[b'k', 1], 7, place(9), false);
        loading.take_in().unwrap();
        let mut moved = vec![place(9), place(2)];
        moved.sort_unstable();
        assert_eq!(sorted(&loading), moved);
    }
}
