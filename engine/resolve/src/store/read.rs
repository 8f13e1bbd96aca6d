//! Reading: rows by key, neighbours together; and all rows, file by file.

use super::index::Place;
use super::record::{self, Record};
use super::rows::{File, ROWS, RowStore};
use crate::rows::{RowBuffer, Scanned};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::collections::BTreeMap;
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

/// Where the keys of the last read are, by hash; none where several have one.
#[derive(Debug, Default)]
pub(super) struct LastRead(HashTable<(u64, Option<Place>)>);

impl LastRead {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The only place of a hash.
    pub(super) fn get(&self, hash: u64) -> Option<Place> {
        self.0.find(hash, |known| known.0 == hash)?.1
    }

    /// A key is at a place; none where it is not known to be.
    fn note(&mut self, hash: u64, place: Option<Place>) {
        match self.0.entry(hash, |known| known.0 == hash, |known| known.0) {
            Entry::Vacant(free) => {
                free.insert((hash, place));
            }
            Entry::Occupied(mut known) if known.get().1 != place => known.get_mut().1 = None,
            Entry::Occupied(_) => {}
        }
    }
}

/// A record that may be a key's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    place: Place,
    slot: u32,
    hash: u64,
}

impl RowStore {
    pub(super) fn read_all(&mut self, keys: &[&[u8]], rows: &mut RowBuffer) -> Result<()> {
        rows.reset(keys.len());
        self.read.clear();
        let mut wanted: Vec<Wanted> = Vec::with_capacity(keys.len());
        for (slot, key) in (0_u32..).zip(keys) {
            let hash = Self::hash(key);
            wanted.extend(self.index.places(hash).map(|place| Wanted { place, slot, hash }));
        }
        let mut read = std::mem::take(&mut self.read);
        let mut on_disk = Vec::new();
        for of in wanted {
            match self.in_memory(of.place) {
                // It was checked when it came from the disk, or was never there.
                Some(record) => take(of, record::read(record, false), keys, (rows, &mut read))
                    .ok_or_else(|| self.damaged(of.place))?,
                None => on_disk.push(of),
            }
        }
        on_disk.sort_unstable();
        self.read_from_disk(&on_disk, keys, (rows, &mut read))?;
        self.read = read;
        Ok(())
    }

    /// Reads sorted records, neighbours together.
    fn read_from_disk(
        &self,
        wanted: &[Wanted],
        keys: &[&[u8]],
        (rows, read): (&mut RowBuffer, &mut LastRead),
    ) -> Result<()> {
        let mut bytes = Vec::new();
        let mut rest = wanted;
        while let Some(first) = rest.first() {
            let (run, behind) = rest.split_at(run_length(rest.iter().map(|of| of.place)));
            rest = behind;
            self.read_run(first.place, run[run.len() - 1].place, &mut bytes)?;
            for of in run {
                let at = (of.place.offset() - first.place.offset()) as usize;
                bytes
                    .get(at..at + of.place.length())
                    .and_then(|bytes| take(*of, record::read(bytes, true), keys, (rows, read)))
                    .ok_or_else(|| self.damaged(of.place))?;
            }
        }
        Ok(())
    }

    /// Reads from the first of some records to the end of the last, which are of one file.
    fn read_run(&self, first: Place, last: Place, bytes: &mut Vec<u8>) -> Result<()> {
        read_run(&self.files, first, last, bytes)
    }

    pub(super) fn read_record(&self, place: Place, bytes: &mut Vec<u8>) -> Result<()> {
        match self.in_memory(place) {
            Some(record) => {
                bytes.clear();
                bytes.extend_from_slice(record);
                Ok(())
            }
            None => self.read_run(place, place, bytes),
        }
    }

    /// The bytes of a record that is staged, or was written lately.
    fn in_memory(&self, place: Place) -> Option<&[u8]> {
        let is_active = place.segment() == Place::new(self.active, 0, 0).segment();
        match place.offset().checked_sub(self.staged_from()).filter(|_| is_active) {
            Some(at) => self.staged.get(at as usize..at as usize + place.length()),
            None => self.recent.get(place),
        }
    }

    pub(super) fn damaged(&self, place: Place) -> Error {
        match self.files.get(&place.segment()) {
            Some(file) => file.segment.damage(place.offset(), "a record does not hold").into(),
            None => Error::new(Kind::Corrupt, "a file of claims is gone"),
        }
    }

    /// See [`Rows::scan`](crate::Rows::scan).
    pub(super) fn scan_from(
        &mut self,
        from: Cursor,
        bytes_max: usize,
        rows: &mut Scanned,
    ) -> Result<Option<Cursor>> {
        rows.clear();
        let mut bytes = 0;
        self.walk(from, |key, row| {
            if let Some(row) = row {
                rows.push(key, row);
                bytes += key.len() + row.len();
            }
            Ok(bytes >= bytes_max)
        })
    }

    /// Goes through the keys whose last record lies from a cursor on, in the order in which they were written:
    /// each with its row, or none where it says that the key is gone. Where `visit` says that it is enough,
    /// says where to go on. A cursor is a file's number and a place in it, where a frame begins.
    pub(super) fn walk(
        &mut self,
        from: Cursor,
        mut visit: impl FnMut(&[u8], Option<&[u8]>) -> Result<bool>,
    ) -> Result<Option<Cursor>> {
        // What is staged is read from the file like all else.
        self.write_staged()?;
        let mut numbers: Vec<u64> = self.files.values().map(|file| file.number).collect();
        numbers.sort_unstable();
        let mut is_enough = false;
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
                if is_enough {
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
                    if self.index.is_at(Self::hash(key), place) {
                        is_enough |= visit(key, row)?;
                    }
                }
            }
        }
        Ok(None)
    }
}

/// Puts a record that was read where it belongs; `None` where there is none.
fn take(
    of: Wanted,
    record: Option<Record<'_>>,
    keys: &[&[u8]],
    (rows, read): (&mut RowBuffer, &mut LastRead),
) -> Option<()> {
    let (key, row, _) = record?;
    let slot = of.slot as usize;
    if key == keys[slot] {
        if let Some(row) = row {
            rows.set(slot, row);
        }
        read.note(of.hash, Some(of.place));
    } else {
        // Another key of the same hash: whoever writes has to look.
        read.note(of.hash, None);
    }
    Some(())
}

/// Reads from the first of some records to the end of the last, which are of one file.
pub(super) fn read_run(
    files: &BTreeMap<u64, File>,
    first: Place,
    last: Place,
    bytes: &mut Vec<u8>,
) -> Result<()> {
    let file = files.get(&first.segment());
    let file = file.ok_or_else(|| Error::new(Kind::Corrupt, "a file of claims is gone"))?;
    let until = last.offset() + last.length() as u64;
    bytes.resize((until - first.offset()) as usize, 0);
    Ok(file.segment.read_into(first.offset(), bytes)?)
}

/// How many of the first places, which are sorted, are read together.
pub(super) fn run_length(wanted: impl Iterator<Item = Place> + Clone) -> usize {
    let Some(first) = wanted.clone().next() else { return 0 };
    let pairs = wanted.clone().zip(wanted.skip(1));
    let together = pairs.take_while(|(before, next)| {
        let until = before.offset() + before.length() as u64;
        next.segment() == first.segment()
            && next.offset() <= until + GAP_BYTES
            && next.offset() + next.length() as u64 <= first.offset() + RUN_BYTES
    });
    together.count() + 1
}
