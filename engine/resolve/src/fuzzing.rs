//! What hands arbitrary bytes to the readers of claims: for fuzzing alone.

use crate::claims::{self, Outline, Speaker};
use crate::{Mark, Stamp};
use syncline_core::Position;

/// Reads a row of claims and writes it again; none where it is no row.
///
/// # Panics
/// Where the outline of a row reads what is no row.
#[must_use]
pub fn claims(row: &[u8]) -> Option<Vec<u8>> {
    let claims = claims::decode(row);
    let is_outlined = Outline::default().read(row);
    assert!(claims.is_some() || !is_outlined, "an outline of what is no row");
    claims.map(|claims| {
        let mut bytes = Vec::new();
        claims::encode(&claims, &mut bytes);
        bytes
    })
}

/// Has a row hear one more change, as it lies; none where it is not one that can.
#[must_use]
pub fn hear(row: &[u8], mapping: u16, record: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let mark = Mark {
        position: Position { epoch: 7, commit: 1 << 40, ordinal: 0 },
        stamp: Stamp { micros: 1, copied: false },
    };
    let mut outline = Outline::default();
    if !outline.read(row) {
        return None;
    }
    let values = [(0, Some(value), 1), (1, None, 0), (3, Some(&b"x"[..]), 2)];
    let mut touched = Vec::new();
    if !outline.hear(Speaker { mapping, record, mark }, values.into_iter(), &mut touched) {
        return None;
    }
    let mut heard = Vec::new();
    outline.write(&mut heard);
    Some(heard)
}
