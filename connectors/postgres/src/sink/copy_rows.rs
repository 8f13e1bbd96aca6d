//! The rows of a `COPY`, in pieces. Pure.

use crate::values::encode::{Encoder, Unfit, put_copy_text};

/// A copy is sent in pieces of about this many bytes.
pub(super) const COPY_CHUNK_BYTES: usize = 256 << 10;

/// Appends rows of `COPY`'s binary format from `next` on; returns the row after them, which is
/// beyond `count` once the end was written.
pub(super) fn put_binary_rows(
    encoders: &[Encoder],
    count: usize,
    mut next: usize,
    out: &mut Vec<u8>,
) -> std::result::Result<usize, Unfit> {
    const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
    const END: [u8; 2] = (-1_i16).to_be_bytes();
    let fields = i16::try_from(encoders.len()).map_err(|_| Unfit("too many columns"))?;
    if next == 0 {
        out.extend_from_slice(SIGNATURE);
    }
    while next < count && out.len() < COPY_CHUNK_BYTES {
        out.extend_from_slice(&fields.to_be_bytes());
        for encoder in encoders {
            encoder.put(next, out)?;
        }
        next += 1;
    }
    if next == count {
        out.extend_from_slice(&END);
        next += 1;
    }
    Ok(next)
}

/// The same in the text format.
pub(super) fn put_text_rows(
    encoders: &[Encoder],
    count: usize,
    mut next: usize,
    out: &mut Vec<u8>,
) -> std::result::Result<usize, Unfit> {
    while next < count && out.len() < COPY_CHUNK_BYTES {
        for (index, encoder) in encoders.iter().enumerate() {
            if index > 0 {
                out.push(b'\t');
            }
            put_copy_text(encoder, next, out)?;
        }
        out.push(b'\n');
        next += 1;
    }
    Ok(if next == count { next + 1 } else { next })
}
