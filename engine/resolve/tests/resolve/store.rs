//! The store against a map, through commits, rollbacks, crashes and compaction.

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use syncline_core::{Cursor, Kind};
use syncline_resolve::store::{RowStore, StoreSettings};
use syncline_resolve::{RowBuffer, Rows, Scanned};
use syncline_segment::RealDisk;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// Small enough for many files.
const SMALL: StoreSettings = StoreSettings { segment_bytes: 2_000, garbage_share: 0.5 };

fn open(directory: &Path) -> RowStore {
    RowStore::open(Arc::new(RealDisk), directory, SMALL).unwrap()
}

fn key(number: u8) -> Vec<u8> {
    format!("key {number}").into_bytes()
}

fn row(number: u8, length: u16) -> Vec<u8> {
    vec![number; usize::from(length)]
}

/// All rows, as reading by key, and as a scan in pieces, has them.
fn assert_holds(store: &mut RowStore, map: &Map) {
    let keys: Vec<Vec<u8>> = (0..=u8::MAX).map(key).collect();
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let mut rows = RowBuffer::default();
    store.read(&keys, &mut rows).unwrap();
    for (slot, key) in keys.iter().enumerate() {
        assert_eq!(rows.get(slot), map.get(*key).map(Vec::as_slice));
    }
    assert_eq!(store.len(), map.len());
    let (mut scanned, mut found) = (Scanned::default(), Map::new());
    let mut from = Some(Cursor::default());
    while let Some(cursor) = from {
        from = store.scan(cursor, 300, &mut scanned).unwrap();
        for (key, row) in (0..scanned.len()).filter_map(|place| scanned.get(place)) {
            assert!(found.insert(key.to_vec(), row.to_vec()).is_none(), "it came twice");
        }
    }
    assert_eq!(&found, map);
}

#[derive(Debug, Clone)]
enum Step {
    Write(u8, u8, u16),
    Remove(u8),
    Commit(u8),
    Rollback,
    Reopen,
    Check,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        10 => (0_u8..20, any::<u8>(), 0_u16..400).prop_map(|(key, row, length)| {
            Step::Write(key, row, length)
        }),
        5 => (0_u8..20).prop_map(Step::Remove),
        3 => any::<u8>().prop_map(Step::Commit),
        1 => Just(Step::Rollback),
        1 => Just(Step::Reopen),
        1 => Just(Step::Check),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_store_holds_what_a_map_does(
        steps in steps(), recent_bytes in prop::sample::select(vec![0, 700, 3_000, 1 << 20]),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let open = |at: &Path| open(at).with_recent_bytes(recent_bytes);
        let mut store = open(directory.path());
        let (mut committed, mut map, mut note) = (Map::new(), Map::new(), Vec::new());
        for step in steps {
            match step {
                Step::Write(number, value, length) => {
                    store.write(&key(number), &row(value, length)).unwrap();
                    map.insert(key(number), row(value, length));
                }
                Step::Remove(number) => {
                    store.remove(&key(number)).unwrap();
                    map.remove(&key(number));
                }
                Step::Commit(said) => {
                    note = vec![said];
                    store.commit(&note).unwrap();
                    committed = map.clone();
                }
                Step::Rollback => {
                    store.rollback().unwrap();
                    map = committed.clone();
                }
                Step::Reopen => {
                    drop(store);
                    store = open(directory.path());
                    map = committed.clone();
                }
                Step::Check => assert_holds(&mut store, &map),
            }
            prop_assert_eq!(&store.note(), &note);
        }
        assert_holds(&mut store, &map);
        drop(store);
        assert_holds(&mut open(directory.path()), &committed);
    }
}

/// A machine that stops before a file that was moved is gone: both what was moved and where it was are there.
/// Keys that are gone stay so, and leave nothing behind in the end.
#[test]
fn keys_that_are_gone_stay_gone_through_crashes_and_leave_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let mut map = Map::new();
    for round in 0..60_u8 {
        for number in 10..20 {
            match (round + number) % 3 {
                0 if round > 40 => {}
                0 => {
                    store.write(&key(number), &row(round, 150)).unwrap();
                    map.insert(key(number), row(round, 150));
                }
                1 => {
                    store.remove(&key(number)).unwrap();
                    map.remove(&key(number));
                }
                _ => {}
            }
        }
        let before = files(directory.path());
        store.commit(&[round]).unwrap();
        let mut with_former = before;
        with_former.extend(files(directory.path()));
        let after_crash = tempfile::tempdir().unwrap();
        for (name, bytes) in with_former {
            std::fs::write(after_crash.path().join(name), bytes).unwrap();
        }
        assert_holds(&mut open(after_crash.path()), &map);
    }
    assert!(map.is_empty());
    for round in 0..20 {
        store.write(&key(200), &row(round, 150)).unwrap();
        store.commit(&[round]).unwrap();
    }
    let bytes = files(directory.path()).values().flatten().count();
    assert!(bytes < 10_000, "{bytes} bytes for one row");
    let of_keys = |number: u8| {
        let key = key(number);
        files(directory.path())
            .values()
            .any(|file| file.windows(key.len()).any(|window| window == key))
    };
    assert!(of_keys(200));
    assert!((10..20).all(|number| !of_keys(number)), "no trace is left of a key that is gone");
}

fn files(directory: &Path) -> BTreeMap<std::ffi::OsString, Vec<u8>> {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn what_is_taken_away_and_not_committed_is_there_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    for number in 0..40 {
        store.write(&key(number), &row(1, 100)).unwrap();
    }
    store.commit(b"one").unwrap();
    let map: Map = (0..40).map(|number| (key(number), row(1, 100))).collect();
    for number in 0..40 {
        store.remove(&key(number)).unwrap();
    }
    assert_holds(&mut store, &Map::new());
    store.rollback().unwrap();
    assert_holds(&mut store, &map);
    for number in 0..40 {
        store.remove(&key(number)).unwrap();
    }
    drop(store);
    assert_holds(&mut open(directory.path()), &map);
}

/// After a crash the store is as at a commit: the last one that was synced, or a later one.
#[test]
fn a_file_that_is_cut_off_anywhere_holds_a_commit() {
    let directory = tempfile::tempdir().unwrap();
    let settings = StoreSettings { segment_bytes: 1 << 20, ..SMALL };
    let reopen = || RowStore::open(Arc::new(RealDisk), directory.path(), settings).unwrap();
    let mut store = reopen();
    let (mut map, mut states) = (Map::new(), vec![Map::new()]);
    for commit in 0..4_u8 {
        for number in 0..3 {
            store.write(&key(number), &row(commit, 60)).unwrap();
            map.insert(key(number), row(commit, 60));
        }
        store.commit(&[commit]).unwrap();
        states.push(map.clone());
    }
    store.write(&key(1), &row(9, 60)).unwrap();
    drop(store);
    let path = directory.path().join("00000001.claims");
    let whole = std::fs::read(&path).unwrap();
    let mut seen = 0;
    let header = 96;
    for length in header..=whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let mut store = reopen();
        let at = store.note().first().map_or(0, |commit| usize::from(*commit) + 1);
        assert!(at >= seen, "a longer file holds no less");
        seen = at;
        assert_holds(&mut store, &states[at]);
        // What was cut off never holds, whatever is committed behind it.
        store.write(&key(7), &row(7, 7)).unwrap();
        store.commit(b"after").unwrap();
        drop(store);
        let mut after = states[at].clone();
        after.insert(key(7), row(7, 7));
        assert_holds(&mut reopen(), &after);
    }
    assert_eq!(seen, 4);
}

#[test]
fn rows_that_were_written_and_not_committed_do_not_hold_after_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    store.write(&key(1), &row(1, 100)).unwrap();
    store.commit(b"one").unwrap();
    // More than a frame and than a file, so that much of it is on the disk.
    for _ in 0..8 {
        for number in 0..200 {
            store.write(&key(number), &row(2, 400)).unwrap();
        }
    }
    drop(store);
    let mut store = open(directory.path());
    let map = Map::from([(key(1), row(1, 100))]);
    assert_holds(&mut store, &map);
    store.commit(b"two").unwrap();
    drop(store);
    assert_holds(&mut open(directory.path()), &map);
}

#[test]
fn garbage_goes() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let mut map = Map::new();
    for round in 0..200_u8 {
        for number in 0..10 {
            store.write(&key(number), &row(round, 100)).unwrap();
            map.insert(key(number), row(round, 100));
        }
        store.commit(&[round]).unwrap();
    }
    let (total, live) = store.bytes();
    assert!(total < 8 * live, "{total} bytes for {live}");
    assert_holds(&mut store, &map);
    let files = std::fs::read_dir(directory.path()).unwrap().count();
    assert!(files < 10, "{files} files");
    drop(store);
    assert_holds(&mut open(directory.path()), &map);
}

#[test]
fn a_byte_that_changed_is_damage_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    // All records are read from their files.
    let mut store = open(directory.path()).with_recent_bytes(0);
    store.write(&key(1), &row(1, 100)).unwrap();
    store.commit(b"one").unwrap();
    let path = directory.path().join("00000001.claims");
    let mut bytes = std::fs::read(&path).unwrap();
    let place = bytes.windows(50).position(|window| window == [1; 50]).unwrap();
    bytes[place] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let mut rows = RowBuffer::default();
    let error = store.read(&[&key(1)], &mut rows).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
}

/// The commit of a file's last records lay in the next file, which had nothing else that held: with it went
/// what said that they hold.
#[test]
fn what_is_moved_out_of_a_file_with_orphans_is_what_holds() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    for length in [348, 140, 156, 20, 20, 52, 284, 172, 84, 324] {
        store.write(&key(0), &row(0, length)).unwrap();
    }
    store.commit(b"one").unwrap();
    for (number, length) in
        [(0, 108), (0, 84), (0, 324), (0, 100), (5, 327), (15, 99), (8, 200), (17, 374)]
    {
        store.write(&key(number), &row(9, length)).unwrap();
    }
    // Puts what was written into a file that is full by that.
    let (mut scanned, committed) = (Scanned::default(), Map::from([(key(0), row(0, 324))]));
    store.scan(Cursor::default(), usize::MAX, &mut scanned).unwrap();
    drop(store);
    let mut store = open(directory.path());
    store.commit(b"two").unwrap();
    assert_holds(&mut store, &committed);
    drop(store);
    assert_holds(&mut open(directory.path()), &committed);
}
