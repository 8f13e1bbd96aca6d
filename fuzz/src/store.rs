//! A file of claims, as the store opens it.

use crate::{repair, scratch};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use syncline_core::{Cursor, Kind, Result};
use syncline_resolve::store::{RowStore, StoreSettings};
use syncline_resolve::{RowBuffer, Rows, Scanned};
use syncline_segment::RealDisk;

/// Small, so that a file is sealed and the oldest rows written again.
const SETTINGS: StoreSettings = StoreSettings { segment_bytes: 4 << 10, garbage_share: 0.1 };

/// What a store has when it opened it has after it was written to and opened again, and by key as by scan.
pub(crate) fn run(data: &[u8]) {
    let directory = scratch::directory();
    let path = directory.path();
    fs::write(path.join("00000001.claims"), repair::file(data)).expect("there is room for it");
    // Rows rest as they are read: whose record is damaged is found out once it is.
    let Ok((mut store, rows)) = opened(path) else { return };
    if !by_key(&mut store, &rows) {
        return;
    }
    store.write(b"one more", b"row").expect("there is room for it");
    if store.commit(b"note").is_err() {
        return;
    }
    drop(store);
    let (store, mut again) = opened(path).expect("it opened before");
    assert_eq!(again.remove(&b"one more"[..]), Some(b"row".to_vec()));
    let mut rows = rows;
    rows.remove(&b"one more"[..]);
    assert!(again == rows && store.note() == b"note", "what was there stays");
}

type All = BTreeMap<Vec<u8>, Vec<u8>>;

fn opened(path: &Path) -> Result<(RowStore, All)> {
    let mut store = RowStore::open(Arc::new(RealDisk), path, SETTINGS)?;
    let mut rows = All::new();
    let (mut from, mut scanned) = (Some(Cursor::default()), Scanned::default());
    while let Some(cursor) = from {
        from = store.scan(cursor, 1 << 10, &mut scanned)?;
        assert!(from.is_none_or(|next| next != cursor), "a scan goes on");
        let found = (0..scanned.len()).filter_map(|at| scanned.get(at));
        rows.extend(found.map(|(key, row)| (key.to_vec(), row.to_vec())));
    }
    Ok((store, rows))
}

/// Whether rows are by key what they are by scan; not where a record is found to be damaged, which only then is looked for.
fn by_key(store: &mut RowStore, rows: &All) -> bool {
    let keys: Vec<&[u8]> = rows.keys().map(Vec::as_slice).collect();
    let mut read = RowBuffer::default();
    if let Err(error) = store.read(&keys, &mut read) {
        assert_eq!(error.kind(), Kind::Corrupt, "{error:?}");
        return false;
    }
    for (at, row) in rows.values().enumerate() {
        assert_eq!(read.get(at), Some(row.as_slice()));
    }
    true
}
