//! Whether two batches, or entries, say the same.

use syncline_core::codec::{decode_entry, encode_entry};
use syncline_core::{Body, ChangeBatch, Entry};

/// Asserts that batches say the same.
#[track_caller]
pub(crate) fn batches(a: &ChangeBatch, b: &ChangeBatch) {
    assert_eq!(a.schema(), b.schema());
    assert_eq!(a.ops(), b.ops());
    assert_eq!(a.ordinals(), b.ordinals());
    assert!(a.row_transactions().eq(b.row_transactions()), "transactions");
    for row in 0..a.len() {
        assert_eq!(a.mask(row), b.mask(row), "presence of row {row}");
    }
    columns(a, b);
}

/// Asserts that their values are the same.
#[track_caller]
pub(crate) fn columns(a: &ChangeBatch, b: &ChangeBatch) {
    for (a, b) in a.columns().columns().iter().zip(b.columns().columns()) {
        assert_eq!(a.to_data(), b.to_data());
    }
}

/// Asserts that entries say the same.
#[track_caller]
pub(crate) fn entries(a: &Entry, b: &Entry) {
    assert_eq!(a.boundary, b.boundary);
    match (&a.body, &b.body) {
        (Body::Rows(a), Body::Rows(b)) => batches(a, b),
        (Body::Truncate(a), Body::Truncate(b)) => assert_eq!(a, b),
        (Body::Abandoned, Body::Abandoned) | (Body::Nothing, Body::Nothing) => {}
        (a, b) => panic!("{a:?} became {b:?}"),
    }
}

/// Asserts that an entry is written and read as the same.
#[track_caller]
pub(crate) fn survives(entry: &Entry) {
    let encoded = encode_entry(entry, 3).expect("what was read can be stored");
    let bytes = [encoded.head, encoded.body].concat();
    let schema = match &entry.body {
        Body::Rows(batch) => Some(batch.schema().clone()),
        _ => None,
    };
    let read = decode_entry(&bytes.into(), |number| schema.filter(|_| number == 3));
    entries(entry, &read.expect("what was written can be read"));
}
