//! One record: a key and its row.

use super::index::UNIT;

const HEAD: usize = 16;

/// The bytes of a record.
pub(super) fn length(key: &[u8], row: Option<&[u8]>) -> usize {
    (HEAD + key.len() + row.map_or(0, <[u8]>::len)).next_multiple_of(UNIT)
}

/// What a record is checked by.
fn checksum(key: &[u8], row: Option<&[u8]>) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), row.unwrap_or(&[1]))
}

/// Writes a record behind what a buffer holds, whose length is a multiple of [`UNIT`]. Without a row the key
/// is gone.
pub(super) fn push(bytes: &mut Vec<u8>, key: &[u8], row: Option<&[u8]>) {
    let until = bytes.len() + length(key, row);
    let size = |part: &[u8]| u32::try_from(part.len()).expect("a record is smaller than 4 GiB");
    bytes.extend(size(key).to_le_bytes());
    bytes.extend(size(row.unwrap_or_default()).to_le_bytes());
    bytes.extend(checksum(key, row).to_le_bytes());
    bytes.extend(u32::from(row.is_none()).to_le_bytes());
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(row.unwrap_or_default());
    bytes.resize(until, 0);
}

/// A key, its row unless it is gone, and the length of their record.
pub(super) type Record<'a> = (&'a [u8], Option<&'a [u8]>, usize);

/// Reads the record that begins the bytes. `None` where there is no whole one. Whether it is what was
/// written is checked where `is_checked` says so.
pub(super) fn read(bytes: &[u8], is_checked: bool) -> Option<Record<'_>> {
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
    let row = (number(12)? == 0).then_some(row);
    let is_whole = !is_checked || number(8)? == checksum(key, row);
    is_whole.then_some((key, row, length))
}

/// Where a record begins in its frame, its key, and its row unless it is gone.
pub(super) type Found<'a> = (usize, &'a [u8], Option<&'a [u8]>);

/// The records of a frame, with where each begins: key, and row unless it is gone. An error's place where
/// they end early.
pub(super) fn all(payload: &[u8]) -> impl Iterator<Item = Result<Found<'_>, usize>> {
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
