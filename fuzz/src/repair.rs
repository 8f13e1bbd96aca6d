//! Segments whose checksums hold, so that what is in their frames gets past the first look.
//!
//! The first byte of an input says whether the rest is a file as it is, or one whose checksums are set right first.

const PREAMBLE: usize = 32;
const HEAD: usize = 32;
const ALIGNMENT: usize = 16;

/// The first byte of an input that is a file as it is.
pub const AS_IT_IS: u8 = 0;
/// That of one whose checksums are set right.
pub const REPAIRED: u8 = 1;

/// The file that an input stands for.
pub(crate) fn file(input: &[u8]) -> Vec<u8> {
    let Some((how, file)) = input.split_first() else { return Vec::new() };
    let mut file = file.to_vec();
    if how & 1 == REPAIRED {
        repair(&mut file);
    }
    file
}

/// Sets the checksums right of one frame after the other, as far as they go.
fn repair(file: &mut [u8]) {
    let mut at = PREAMBLE;
    while let Some(frame) = file.get_mut(at..).filter(|rest| rest.len() >= HEAD) {
        let (head, rest) = frame.split_at_mut(HEAD);
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some(payload) = rest.get(..length) else { return };
        head[24..28].copy_from_slice(&crc32c::crc32c(payload).to_le_bytes());
        let place = crc32c::crc32c(&(at as u64).to_le_bytes());
        let checksum = crc32c::crc32c_append(place, &head[..28]);
        head[28..].copy_from_slice(&checksum.to_le_bytes());
        at += (HEAD + length).next_multiple_of(ALIGNMENT);
    }
}
