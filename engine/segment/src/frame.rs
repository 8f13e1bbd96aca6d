//! The bytes of one frame's head, both ways. Layout: see the crate's documentation.

use bytes::Bytes;

/// The kind of a segment's first frame; all other kinds are the caller's.
pub const HEADER: u8 = 0;

pub(crate) const MAGIC: &[u8; 16] = b"syncline segment";
pub(crate) const VERSION: u32 = 1;
pub(crate) const PREAMBLE_BYTES: u64 = 32;
/// Bytes of a frame before its payload.
pub const HEAD_BYTES: usize = 32;
/// Frames and payloads begin at multiples of this.
pub(crate) const ALIGNMENT: u64 = 16;
const CHECKED_BYTES: usize = 28;

/// One frame as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Where it begins in the file.
    pub at: u64,
    /// Where the next one begins.
    pub end: u64,
    /// What the writer called its kind.
    pub kind: u8,
    /// What the writer numbered it.
    pub number: u64,
    /// The payload, sharing the memory it was read into.
    pub payload: Bytes,
}

/// A frame's head, once its checksum holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) length: u32,
    pub(crate) kind: u8,
    pub(crate) number: u64,
    pub(crate) synced: u64,
    pub(crate) checksum: u32,
}

impl Head {
    /// The byte form of a head at this place in the file.
    pub(crate) fn encode(self, at: u64) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        let fields = [
            &self.length.to_le_bytes()[..],
            &[self.kind, 0, 0, 0],
            &self.number.to_le_bytes(),
            &self.synced.to_le_bytes(),
            &self.checksum.to_le_bytes(),
        ];
        let mut rest = &mut bytes[..];
        for field in fields {
            let (place, after) = rest.split_at_mut(field.len());
            place.copy_from_slice(field);
            rest = after;
        }
        let checked =
            bytes.first_chunk::<CHECKED_BYTES>().map_or(0, |head| head_checksum(at, head));
        if let Some(place) = bytes.last_chunk_mut() {
            *place = checked.to_le_bytes();
        }
        bytes
    }

    /// Reads a head at this place; `None` when there is none.
    pub(crate) fn decode(bytes: &[u8], at: u64) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<CHECKED_BYTES>()?;
        let (checksum, _) = rest.split_first_chunk()?;
        if u32::from_le_bytes(*checksum) != head_checksum(at, head) {
            return None;
        }
        let (length, rest) = head.split_first_chunk()?;
        let ([kind, ..], rest) = rest.split_first_chunk::<4>()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (synced, rest) = rest.split_first_chunk()?;
        let (checksum, _) = rest.split_first_chunk()?;
        Some(Self {
            length: u32::from_le_bytes(*length),
            kind: *kind,
            number: u64::from_le_bytes(*number),
            synced: u64::from_le_bytes(*synced),
            checksum: u32::from_le_bytes(*checksum),
        })
    }

    /// Length of the whole frame with its padding.
    pub(crate) fn frame_bytes(self) -> u64 {
        (HEAD_BYTES as u64 + u64::from(self.length)).next_multiple_of(ALIGNMENT)
    }
}

fn head_checksum(at: u64, head: &[u8; CHECKED_BYTES]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&at.to_le_bytes()), head)
}

/// The first bytes of every segment.
pub(crate) fn preamble() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PREAMBLE_BYTES as usize);
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.resize(PREAMBLE_BYTES as usize, 0);
    bytes
}

/// Whether these are the first bytes of a segment this version reads, else what is wrong.
pub(crate) fn check_preamble(bytes: &[u8]) -> Result<(), &'static str> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("not a segment")?;
    match rest.split_first_chunk() {
        Some((version, _)) if u32::from_le_bytes(*version) == VERSION => Ok(()),
        Some(_) => Err("a segment of a version that this program does not read"),
        None => Err("not a segment"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_head_comes_back_equal_and_only_at_its_place(
            (length, kind, number) in any::<(u32, u8, u64)>(),
            (synced, checksum, at) in any::<(u64, u32, u64)>(),
            (place, flip) in (0..HEAD_BYTES, 1..=255u8),
        ) {
            let head = Head { length, kind, number, synced, checksum };
            let mut bytes = head.encode(at);
            prop_assert_eq!(Head::decode(&bytes, at), Some(head));
            prop_assert_eq!(Head::decode(&bytes, at ^ 16), None);
            bytes[place] ^= flip;
            prop_assert_eq!(Head::decode(&bytes, at), None);
        }
    }
}
