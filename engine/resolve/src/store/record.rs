//! One record: a key and its row.

use super::index::UNIT;

const HEAD: usize = 16;

/// The bytes of a record.
pub(super) fn length(key: &[u8], row: &[u8]) -> usize {
    (HEAD + key.len() + row.len()).next_multiple_of(UNIT)
}

/// Writes a record behind what a buffer holds, whose length is a multiple of [`UNIT`].
pub(super) fn push(bytes: &mut Vec<u8>, key: &[u8], row: &[u8]) {
    let until = bytes.len() + length(key, row);
    let size = |part: &[u8]| u32::try_from(part.len()).expect("a record is smaller than 4 GiB");
    let checksum = crc32c::crc32c_append(crc32c::crc32c(key), row);
    bytes.extend(size(key).to_le_bytes());
    bytes.extend(size(row).to_le_bytes());
    bytes.extend(checksum.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(row);
    bytes.resize(until, 0);
}

/// Reads the record that begins the bytes: its key, its row, and how long it is. `None` where there is
/// no whole one. Whether it is what was written is checked where `is_checked` says so.
pub(super) fn read(bytes: &[u8], is_checked: bool) -> Option<(&[u8], &[u8], usize)> {
    let number = |at: usize| {
        let bytes: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(bytes))
    };
    let (key, row) = (number(0)? as usize, number(4)? as usize);
    let key_until = HEAD.checked_add(key)?;
    let row_until = key_until.checked_add(row)?;
    let (key, row) = (bytes.get(HEAD..key_until)?, bytes.get(key_until..row_until)?);
    let length = row_until.next_multiple_of(UNIT);
    if bytes.len() < length {
        return None;
    }
    let is_whole = !is_checked || number(8)? == crc32c::crc32c_append(crc32c::crc32c(key), row);
    is_whole.then_some((key, row, length))
}

/// The records of a frame, with where each begins; an error's place where they end early.
pub(super) fn all(payload: &[u8]) -> impl Iterator<Item = Result<(usize, &[u8], &[u8]), usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = payload.get(at..).filter(|rest| !rest.is_empty())?;
        let begin = at;
        match read(rest, false) {
            Some((key, row, length)) => {
                at += length;
                Some(Ok((begin, key, row)))
            }
            None => {
                at = payload.len();
                Some(Err(begin))
            }
        }
    })
}
