//! Reading: rows by key, neighbours together; and all rows, file by file.

use super::index::Place;
use super::record;
use super::rows::{ROWS, RowStore};
use crate::rows::{RowBuffer, Scanned};
use syncline_core::{Cursor, Error, Kind, Result};
use syncline_segment::HEAD_BYTES;

/// Records with less than this between them are read together.
const GAP_BYTES: u64 = 4 << 10;

/// Most bytes that are read together.
const RUN_BYTES: u64 = 1 << 20;

/// How much of a file is read at a time in a scan.
pub(super) const READ_BYTES: usize = 1 << 20;

/// The first byte behind a file's header is at most here; a scan begins before it.
const BEGIN: u64 = 32;

impl RowStore {
    pub(super) fn read_all(&mut self, keys: &[&[u8]], rows: &mut RowBuffer) -> Result<()> {
        rows.reset(keys.len());
        self.read.clear();
        let mut wanted: Vec<(Place, u32)> = Vec::with_capacity(keys.len());
        let mut hashes = Vec::with_capacity(keys.len());
        for (slot, key) in (0_u32..).zip(keys) {
            let hash = Self::hash(key);
            hashes.push(hash);
            wanted.extend(self.index.places(hash).map(|place| (place, slot)));
        }
        wanted.sort_unstable();
        let mut bytes = Vec::new();
        let mut rest = wanted.as_slice();
        while let Some(&(first, _)) = rest.first() {
            let (run, behind) = rest.split_at(run_length(rest, |place| self.is_staged(place)));
            rest = behind;
            let (last, _) = run[run.len() - 1];
            let until = last.offset() + last.length() as u64;
            self.read_bytes(first, (until - first.offset()) as usize, &mut bytes)?;
            for &(place, slot) in run {
                let at = (place.offset() - first.offset()) as usize;
                let record = bytes.get(at..at + place.length());
                let (key, row, _) = record
                    .and_then(|bytes| record::read(bytes, true))
                    .ok_or_else(|| self.damaged(place))?;
                if key == keys[slot as usize] {
                    if let Some(row) = row {
                        rows.set(slot as usize, row);
                    }
                    let hash = hashes[slot as usize];
                    let several = |known: &mut Option<Place>| {
                        if *known != Some(place) {
                            *known = None;
                        }
                    };
                    self.read.entry(hash).and_modify(several).or_insert(Some(place));
                } else {
                    // Another key of the same hash: whoever writes has to look.
                    self.read.insert(hashes[slot as usize], None);
                }
            }
        }
        Ok(())
    }

    pub(super) fn read_record(&self, place: Place, bytes: &mut Vec<u8>) -> Result<()> {
        self.read_bytes(place, place.length(), bytes)
    }

    /// Whether a record is not in its file yet.
    fn is_staged(&self, place: Place) -> bool {
        place.segment() == Place::new(self.active, 0, 0).segment()
            && place.offset() >= self.staged_from()
    }

    /// Reads bytes of one file: of what is staged from memory.
    fn read_bytes(&self, from: Place, length: usize, bytes: &mut Vec<u8>) -> Result<()> {
        let file = self.files.get(&from.segment()).ok_or_else(|| self.damaged(from))?;
        if self.is_staged(from) {
            let at = (from.offset() - self.staged_from()) as usize;
            let staged = self.staged.get(at..at + length).ok_or_else(|| self.damaged(from))?;
            bytes.clear();
            bytes.extend_from_slice(staged);
            return Ok(());
        }
        bytes.resize(length, 0);
        Ok(file.segment.read_into(from.offset(), bytes)?)
    }

    pub(super) fn damaged(&self, place: Place) -> Error {
        match self.files.get(&place.segment()) {
            Some(file) => file.segment.damage(place.offset(), "a record does not hold").into(),
            None => Error::new(Kind::Corrupt, "a file of claims is gone"),
        }
    }

    /// A cursor is a file's number and a place in it, where a frame begins.
    pub(super) fn scan_from(
        &mut self,
        from: Cursor,
        bytes_max: usize,
        rows: &mut Scanned,
    ) -> Result<Option<Cursor>> {
        rows.clear();
        // What is staged is read from the file like all else.
        self.write_staged()?;
        let mut numbers: Vec<u64> = self.files.values().map(|file| file.number).collect();
        numbers.sort_unstable();
        let mut bytes = 0;
        for number in numbers.into_iter().filter(|&number| number >= from.0) {
            let at = if number == from.0 { from.1.max(BEGIN) } else { BEGIN };
            let place = Place::new(number, 0, 0);
            let Some(file) = self.files.get(&place.segment()) else { continue };
            let until = match number == self.active {
                true => self.writer.end(),
                false => file.segment.length()?,
            };
            for frame in file.segment.frames(at, until, READ_BYTES) {
                let frame = frame?;
                if bytes >= bytes_max {
                    return Ok(Some(Cursor(number, frame.at)));
                }
                if frame.kind != ROWS {
                    continue;
                }
                for found in record::all(&frame.payload) {
                    let offset = |at: usize| frame.at + (HEAD_BYTES + at) as u64;
                    let (at, key, row) = found.map_err(|at| {
                        file.segment.damage(offset(at), "a frame ends within a record")
                    })?;
                    let place = Place::new(number, offset(at), record::length(key, row));
                    let is_last = self.index.is_at(Self::hash(key), place);
                    if let Some(row) = row.filter(|_| is_last) {
                        rows.push(key, row);
                        bytes += key.len() + row.len();
                    }
                }
            }
        }
        Ok(None)
    }
}

/// How many of the first places are read together.
fn run_length(wanted: &[(Place, u32)], is_staged: impl Fn(Place) -> bool) -> usize {
    let Some(&(first, _)) = wanted.first() else { return 0 };
    let together = wanted.windows(2).take_while(|pair| {
        let (before, next) = (pair[0].0, pair[1].0);
        let until = before.offset() + before.length() as u64;
        next.segment() == first.segment()
            && next.offset() <= until + GAP_BYTES
            && is_staged(before) == is_staged(next)
            && next.offset() + next.length() as u64 <= first.offset() + RUN_BYTES
    });
    together.count() + 1
}
