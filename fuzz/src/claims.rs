//! A row of claims: what is kept of one key.

use syncline_resolve::fuzzing::{claims, hear};

/// A row that is read and written is the same from then on, also where it hears something more.
pub(crate) fn run(data: &[u8]) {
    let heard = hear(data, 1, b"[\"7\"]", b"ab");
    let Some(written) = claims(data) else { return };
    assert_eq!(claims(&written).as_ref(), Some(&written));
    if let Some(heard) = heard {
        let again = claims(&heard).expect("what hears a change is a row");
        assert_eq!(claims(&again), Some(again));
    }
}
