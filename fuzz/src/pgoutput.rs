//! What a PostgreSQL server sends in its stream: frames of the wire, `pgoutput` inside.

use crate::{same, scratch};

/// A message of `pgoutput` as the wire has it.
#[must_use]
pub fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len() + 29).unwrap_or(u32::MAX);
    [&b"d"[..], &length.to_be_bytes(), b"w", &[0; 24], message].concat()
}

/// Whatever entries come of it, the log keeps them as they are.
pub(crate) fn run(data: &[u8]) {
    let spill = scratch::directory();
    let (entries, _) = syncline_postgres::fuzzing::stream(data, spill.path());
    for entry in &entries {
        same::survives(entry);
    }
}
