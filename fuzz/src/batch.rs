//! A batch with its schema: an Arrow message whose types the bytes choose themselves.

use crate::same;
use syncline_core::codec::{decode_standalone, encode_standalone};

/// The checksum covers what is behind it.
const CHECKED_FROM: usize = 8;

/// What is read is written and read as the same.
pub(crate) fn run(data: &[u8]) {
    let mut bytes = data.to_vec();
    if let Some((head, rest)) = bytes.split_at_mut_checked(CHECKED_FROM) {
        head.copy_from_slice(b"SLB1\0\0\0\0");
        head[4..].copy_from_slice(&crc32c::crc32c(rest).to_le_bytes());
    }
    let Ok(batch) = decode_standalone(&bytes) else { return };
    let written = encode_standalone(&batch).expect("what was read can be stored");
    same::batches(&batch, &decode_standalone(&written).expect("what was written can be read"));
}
