//! Rows in a journal against a map, on machines that take turns: through commits that fail or may have, crashes,
//! and copies that were left behind.

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IoSlice, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use syncline_core::{Cursor, Error, Journal, JournalPlace, Journaled, Kind, Result};
use syncline_resolve::store::{RowStore, StoreSettings};
use syncline_resolve::{JournaledRows, RowBuffer, Rows, Scanned};
use syncline_segment::{Disk, RealDisk};

/// Small enough for many files.
const SMALL: StoreSettings = StoreSettings { segment_bytes: 2_000, garbage_share: 0.5 };

/// How a commit of the journal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Well,
    /// It did not come about, and that is known.
    Refused,
    /// It is not known; whether it came about all the same.
    Unknown(bool),
}

/// A record: its key, none for a note, and its row.
type Kept = (u64, Option<Vec<u8>>, Option<Vec<u8>>);

/// The journal in memory: the specification of those that last.
#[derive(Debug, Default)]
struct Shared {
    records: Vec<Kept>,
    next: u64,
    owner: u64,
    owners: u64,
    fate: Option<Fate>,
    /// What says that a key is gone is told no more before this place.
    forgotten: u64,
}

impl Shared {
    /// Leaves out what a later record of the same key replaces, and old ones that say that a key is gone.
    fn compact(&mut self) {
        let mut last = BTreeMap::new();
        for (at, key, _) in &self.records {
            last.insert(key.clone(), *at);
        }
        self.records.retain(|(at, key, row)| last[key] == *at && (key.is_none() || row.is_some()));
        self.forgotten = self.next;
    }
}

/// A key and its row; the note of a commit has no key.
type Staged = (Option<Vec<u8>>, Option<Vec<u8>>);

#[derive(Debug, Clone, Default)]
struct MemoryJournal {
    shared: Arc<Mutex<Shared>>,
    id: u64,
    staged: Vec<Staged>,
    is_over: bool,
}

impl MemoryJournal {
    /// Another process's.
    fn another(&self) -> Self {
        Self { shared: self.shared.clone(), ..Self::default() }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }

    fn check(&self) -> Result<()> {
        if self.id != 0 && self.shared().owner != self.id {
            return Err(Error::new(Kind::Fenced, "another has it"));
        }
        match self.is_over {
            true => Err(Error::new(Kind::Unavailable, "take it over first")),
            false => Ok(()),
        }
    }
}

impl Journal for MemoryJournal {
    fn take_over(&mut self) -> Result<()> {
        self.is_over = false;
        self.check()?;
        let mut shared = self.shared();
        shared.owners += 1;
        shared.owner = shared.owners;
        let id = shared.owner;
        drop(shared);
        (self.id, self.staged) = (id, Vec::new());
        Ok(())
    }

    fn goes_on_from(&mut self, place: JournalPlace) -> Result<bool> {
        let shared = self.shared();
        Ok(place.next == 0 || (place.next >= shared.forgotten && place.next <= shared.next))
    }

    fn read(
        &mut self,
        from: JournalPlace,
        visit: &mut dyn FnMut(JournalPlace, Journaled<'_>) -> Result<()>,
    ) -> Result<JournalPlace> {
        let shared = self.shared();
        for (at, key, row) in shared.records.iter().filter(|(at, ..)| *at >= from.next) {
            let place = JournalPlace { next: at + 1, written_at: 0 };
            match (key, row) {
                (Some(key), row) => visit(place, Journaled::Row(key, row.as_deref()))?,
                (None, Some(note)) => visit(place, Journaled::Note(note))?,
                (None, None) => {}
            }
        }
        Ok(JournalPlace { next: shared.next, written_at: 0 })
    }

    fn write(&mut self, what: Journaled<'_>) -> Result<()> {
        self.check()?;
        self.staged.push(match what {
            Journaled::Row(key, row) => (Some(key.to_vec()), row.map(<[u8]>::to_vec)),
            Journaled::Note(note) => (None, Some(note.to_vec())),
        });
        Ok(())
    }

    fn commit(&mut self) -> Result<JournalPlace> {
        self.check()?;
        let fate = self.shared().fate.take().unwrap_or(Fate::Well);
        let staged = std::mem::take(&mut self.staged);
        let mut shared = self.shared();
        if matches!(fate, Fate::Well | Fate::Unknown(true)) {
            for (key, row) in staged {
                let at = shared.next;
                shared.records.push((at, key, row));
                shared.next += 1;
            }
            // The mark of the commit has a place too.
            shared.next += 1;
        }
        let place = JournalPlace { next: shared.next, written_at: 0 };
        drop(shared);
        let failed = Error::new(Kind::Unavailable, "away");
        match fate {
            Fate::Well => Ok(place),
            Fate::Refused => Err(failed),
            Fate::Unknown(_) => {
                self.is_over = true;
                Err(failed.indeterminate())
            }
        }
    }

    fn rollback(&mut self) -> Result<()> {
        self.staged.clear();
        self.check()
    }
}

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

fn copy(directory: &Path) -> RowStore {
    RowStore::open(Arc::new(RealDisk), directory, SMALL).unwrap()
}

fn open(directory: &Path, journal: &MemoryJournal) -> JournaledRows {
    JournaledRows::open(copy(directory), Box::new(journal.another())).unwrap()
}

fn key(number: u8) -> Vec<u8> {
    format!("key {number}").into_bytes()
}

fn assert_holds(rows: &mut JournaledRows, map: &Map, note: &[u8]) {
    let keys: Vec<Vec<u8>> = (0..20).map(key).collect();
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let mut read = RowBuffer::default();
    rows.read(&keys, &mut read).unwrap();
    for (slot, key) in keys.iter().enumerate() {
        assert_eq!(read.get(slot), map.get(*key).map(Vec::as_slice), "{key:?}");
    }
    assert_eq!(rows.note(), note);
    let (mut scanned, mut found) = (Scanned::default(), Map::new());
    let mut from = Some(Cursor::default());
    while let Some(cursor) = from {
        from = rows.scan(cursor, 300, &mut scanned).unwrap();
        let got = (0..scanned.len()).filter_map(|place| scanned.get(place));
        found.extend(got.map(|(key, row)| (key.to_vec(), row.to_vec())));
    }
    assert_eq!(&found, map);
}

#[derive(Debug, Clone)]
enum Step {
    Write(u8, u8, u16),
    Remove(u8),
    Commit(u8, Fate),
    Rollback,
    /// The process ends, and another begins on a machine.
    Crash(usize),
    /// It ends between the journal's commit and the copy's.
    CrashWithin(u8, usize),
    Compact,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fate = prop_oneof![
        6 => Just(Fate::Well),
        1 => Just(Fate::Refused),
        1 => any::<bool>().prop_map(Fate::Unknown),
    ];
    let step = prop_oneof![
        10 => (0_u8..20, any::<u8>(), 0_u16..200).prop_map(|(key, row, length)| {
            Step::Write(key, row, length)
        }),
        4 => (0_u8..20).prop_map(Step::Remove),
        4 => (any::<u8>(), fate).prop_map(|(note, fate)| Step::Commit(note, fate)),
        1 => Just(Step::Rollback),
        1 => (0_usize..3).prop_map(Step::Crash),
        1 => (any::<u8>(), 0_usize..3).prop_map(|(note, machine)| Step::CrashWithin(note, machine)),
        1 => Just(Step::Compact),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn machines_that_take_turns_hold_what_a_map_does(steps in steps()) {
        let directory = tempfile::tempdir().unwrap();
        let machine = |number: usize| directory.path().join(number.to_string());
        let journal = MemoryJournal::default();
        let mut rows = open(&machine(0), &journal);
        let (mut committed, mut note) = (Map::new(), Vec::new());
        let mut pending = committed.clone();
        for step in steps {
            match step {
                Step::Write(number, row, length) => {
                    let row = vec![row; usize::from(length)];
                    rows.write(&key(number), &row).unwrap();
                    pending.insert(key(number), row);
                }
                Step::Remove(number) => {
                    rows.remove(&key(number)).unwrap();
                    pending.remove(&key(number));
                }
                Step::Commit(new, fate) => {
                    let is_new = pending != committed || note != [new];
                    journal.shared().fate = Some(fate);
                    let outcome = rows.commit(&[new]);
                    let came_about = match fate {
                        // Where nothing is new, the journal may not even be asked.
                        _ if outcome.is_ok() => true,
                        Fate::Unknown(came_about) => came_about,
                        _ => false,
                    };
                    prop_assert!(outcome.is_ok() || is_new || fate != Fate::Well);
                    if came_about {
                        (committed, note) = (pending.clone(), vec![new]);
                    }
                    journal.shared().fate = None;
                    if outcome.is_err() {
                        rows.rollback().unwrap();
                    }
                    pending = committed.clone();
                    assert_holds(&mut rows, &committed, &note);
                }
                Step::Rollback => {
                    rows.rollback().unwrap();
                    pending = committed.clone();
                    assert_holds(&mut rows, &committed, &note);
                }
                Step::Crash(on) => {
                    drop(rows);
                    rows = open(&machine(on), &journal);
                    pending = committed.clone();
                    assert_holds(&mut rows, &committed, &note);
                }
                Step::CrashWithin(new, on) => {
                    // What the journal has and the copy has not is as after a commit whose answer was lost.
                    journal.shared().fate = Some(Fate::Unknown(true));
                    if rows.commit(&[new]).is_err() || note == [new] {
                        (committed, note) = (pending.clone(), vec![new]);
                    }
                    journal.shared().fate = None;
                    drop(rows);
                    rows = open(&machine(on), &journal);
                    pending = committed.clone();
                    assert_holds(&mut rows, &committed, &note);
                }
                Step::Compact => journal.shared().compact(),
            }
        }
    }
}

/// A disk that has room for so many more writes.
#[derive(Debug)]
struct FillingDisk {
    room: AtomicUsize,
}

impl Disk for FillingDisk {
    fn write(&self, file: &mut File, pieces: &[IoSlice<'_>]) -> std::io::Result<usize> {
        let one_less = |room: usize| room.checked_sub(1);
        match self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less) {
            Ok(_) => file.write_vectored(pieces),
            Err(_) => Err(std::io::ErrorKind::StorageFull.into()),
        }
    }
}

#[test]
fn what_a_full_disk_did_not_take_is_read_from_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(FillingDisk { room: AtomicUsize::new(usize::MAX) });
    let journal = MemoryJournal::default();
    let copy = RowStore::open(disk.clone(), directory.path(), SMALL).unwrap();
    let mut rows = JournaledRows::open(copy, Box::new(journal.another())).unwrap();
    rows.write(b"key 1", b"one").unwrap();
    rows.commit(b"n1").unwrap();
    rows.write(b"key 2", b"two").unwrap();
    // The rows find room, so that the journal commits; that they hold does not.
    disk.room.store(1, Ordering::Relaxed);
    assert_eq!(rows.commit(b"n2").unwrap_err().kind(), Kind::Unavailable);
    assert!(rows.rollback().is_err(), "the disk is full still");
    disk.room.store(usize::MAX, Ordering::Relaxed);
    rows.rollback().unwrap();
    let map = [(b"key 1", "one"), (b"key 2", "two")];
    let map = map.map(|(key, row)| (key.to_vec(), row.as_bytes().to_vec())).into();
    assert_holds(&mut rows, &map, b"n2");
    drop(rows);
    assert_holds(&mut open(directory.path(), &journal), &map, b"n2");
}

#[test]
fn whoever_was_overtaken_commits_nothing_and_takes_nothing_back() {
    let directory = tempfile::tempdir().unwrap();
    let journal = MemoryJournal::default();
    let mut former = open(&directory.path().join("a"), &journal);
    former.write(b"key 1", b"one").unwrap();
    former.commit(b"n1").unwrap();
    former.write(b"key 2", b"late").unwrap();
    let mut later = open(&directory.path().join("b"), &journal);
    assert_eq!(former.commit(b"n2").unwrap_err().kind(), Kind::Fenced);
    assert_eq!(former.rollback().unwrap_err().kind(), Kind::Fenced);
    later.write(b"key 3", b"three").unwrap();
    later.commit(b"n3").unwrap();
    let map = [(b"key 1", "one"), (b"key 3", "three")];
    let map = map.map(|(key, row)| (key.to_vec(), row.as_bytes().to_vec())).into();
    assert_holds(&mut later, &map, b"n3");
}

#[test]
fn rows_that_were_only_on_a_disk_move_into_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let (here, there) = (directory.path().join("here"), directory.path().join("there"));
    let mut alone = copy(&here);
    alone.write(b"key 1", b"one").unwrap();
    alone.commit(b"note").unwrap();
    drop(alone);
    let journal = MemoryJournal::default();
    // A move that was cut off left a row, and no note.
    let mut before = journal.another();
    before.take_over().unwrap();
    before.write(Journaled::Row(b"key 9", Some(b"left"))).unwrap();
    before.commit().unwrap();
    let map = Map::from([(b"key 1".to_vec(), b"one".to_vec())]);
    assert_holds(&mut open(&here, &journal), &map, b"note");
    assert_holds(&mut open(&there, &journal), &map, b"note");
    // What another machine has of its own does not count beside it.
    let third = directory.path().join("third");
    let mut alone = copy(&third);
    alone.write(b"key 2", b"two").unwrap();
    alone.commit(b"other").unwrap();
    drop(alone);
    assert_holds(&mut open(&third, &journal), &map, b"note");
}
