//! Reading and writing sections of aligned bytes.

use crate::{Error, Kind, Result};
use arrow_buffer::Buffer;

/// Where every section starts: a multiple of this, enough for every Arrow type.
pub(super) const ALIGNMENT: usize = 16;

/// The error for bytes that can't be what they must be.
pub(super) fn corrupt(detail: impl Into<String>) -> Error {
    Error::new(Kind::Corrupt, "stored changes can't be decoded").detail(detail)
}

/// Adds zeros up to the next section.
pub(super) fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
}

/// Foreign bytes, taken section by section without copying.
pub(super) struct Sections {
    bytes: Buffer,
    at: usize,
}

impl Sections {
    /// Starts at the front. Copies once where the bytes are not aligned in memory.
    pub(super) fn new(bytes: &Buffer) -> Self {
        let aligned = bytes.as_ptr().align_offset(ALIGNMENT) == 0;
        let bytes = if aligned { bytes.clone() } else { Buffer::from(bytes.as_slice()) };
        Self { bytes, at: 0 }
    }

    /// The next `length` bytes; the next section starts at the next multiple of the alignment.
    pub(super) fn take(&mut self, length: usize) -> Result<Buffer> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len());
        let Some(end) = end else {
            return Err(corrupt(format!(
                "a section of {length} bytes at {} ends after the {} there are",
                self.at,
                self.bytes.len()
            )));
        };
        // Behind the last byte is no aligned place: what is empty has one of its own.
        let section = match length {
            0 => Buffer::default(),
            _ => self.bytes.slice_with_length(self.at, length),
        };
        self.at = end.next_multiple_of(ALIGNMENT).min(self.bytes.len());
        Ok(section)
    }

    /// Everything that is left.
    pub(super) fn rest(mut self) -> Result<Buffer> {
        self.take(self.bytes.len() - self.at)
    }
}

/// Numbers at the front of a slice, each `None` where the bytes end before.
pub(super) struct Numbers<'a>(pub(super) &'a [u8]);

impl Numbers<'_> {
    pub(super) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (first, rest) =
            self.0.split_first_chunk().ok_or_else(|| corrupt("the bytes end inside a number"))?;
        self.0 = rest;
        Ok(*first)
    }
}

/// A length as the u32 it is written as.
///
/// # Panics
/// When it is 4 Gi or more: batches are bounded far below.
pub(super) fn length(of: usize) -> u32 {
    u32::try_from(of).expect("batches are far smaller than 4 Gi")
}
