//! What every [`Checkpoints`] promises.

use crate::Checkpoints;

const NAMES: [&str; 4] = ["a", "a/b", "snapshot/sis/../x", ".hidden %2F ž"];

/// Runs everything a store of checkpoints promises while it is open.
///
/// # Panics
/// Where it does not keep a promise.
pub fn checkpoints(store: &dyn Checkpoints) {
    for name in NAMES {
        assert_eq!(store.load(name).expect("loads"), None, "{name} was never saved");
    }
    for (note, name) in NAMES.iter().enumerate() {
        store.save(name, &[note as u8; 3]).expect("saves");
    }
    for (note, name) in NAMES.iter().enumerate() {
        let loaded = store.load(name).expect("loads");
        assert_eq!(loaded, Some(vec![note as u8; 3]), "{name} has a note of its own");
    }
    store.save("a", b"").expect("saves an empty note");
    assert_eq!(store.load("a").expect("loads"), Some(vec![]), "an empty note is not none");
    let large = vec![7; 1 << 20];
    store.save("a", &large).expect("saves");
    assert_eq!(store.load("a").expect("loads"), Some(large), "a note is replaced whole");
}

/// Runs [`checkpoints`] on a durable store, then opens it again, and expects everything there.
///
/// # Panics
/// Where it does not keep a promise.
pub fn durable_checkpoints<S: Checkpoints>(open: impl Fn() -> S) {
    checkpoints(&open());
    let reopened = open();
    assert_eq!(reopened.load("a").expect("loads"), Some(vec![7; 1 << 20]), "notes are durable");
    assert_eq!(reopened.load("a/b").expect("loads"), Some(vec![1; 3]), "notes are durable");
}
