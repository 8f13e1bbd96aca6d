//! Where the row of each key is.

use hashbrown::HashTable;

/// The place of a record: 14 bits of segment, 28 of offset and 22 of length, both in 8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place(u64);

/// What places count in.
pub(super) const UNIT: usize = 8;

/// Most segments in a store, by number modulo this.
pub(super) const SEGMENTS_MAX: u64 = 1 << 14;

/// Most bytes of a segment.
pub(super) const SEGMENT_BYTES_MAX: u64 = (1 << 28) * UNIT as u64;

/// Most bytes of a record.
pub(super) const RECORD_BYTES_MAX: usize = ((1 << 22) - 1) * UNIT;

impl Place {
    /// Of a record of `length` bytes at `offset`, both multiples of [`UNIT`].
    pub(super) fn new(segment: u64, offset: u64, length: usize) -> Self {
        let (offset, length) = (offset / UNIT as u64, length as u64 / UNIT as u64);
        Self((segment % SEGMENTS_MAX) << 50 | offset << 22 | length)
    }

    /// The segment's number, modulo [`SEGMENTS_MAX`].
    pub(super) fn segment(self) -> u64 {
        self.0 >> 50
    }

    pub(super) fn offset(self) -> u64 {
        (self.0 >> 22 & ((1 << 28) - 1)) * UNIT as u64
    }

    pub(super) fn length(self) -> usize {
        (self.0 & ((1 << 22) - 1)) as usize * UNIT
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u64,
    place: Place,
}

/// Places by the hash of their keys. Keys of one hash are told apart by who reads their records.
#[derive(Debug, Default)]
pub(super) struct Index(HashTable<Entry>);

impl Index {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.allocation_size()
    }

    /// The places of all keys with a hash.
    pub(super) fn places(&self, hash: u64) -> impl Iterator<Item = Place> + '_ {
        let same = self.0.iter_hash(hash).filter(move |entry| entry.hash == hash);
        same.map(|entry| entry.place)
    }

    /// Whether this is where a key is.
    pub(super) fn is_at(&self, hash: u64, place: Place) -> bool {
        self.0.find(hash, |entry| entry.hash == hash && entry.place == place).is_some()
    }

    /// Adds a key.
    pub(super) fn insert(&mut self, hash: u64, place: Place) {
        self.0.insert_unique(hash, Entry { hash, place }, |entry| entry.hash);
    }

    /// A key is elsewhere from now on.
    pub(super) fn replace(&mut self, hash: u64, old: Place, new: Place) {
        if let Some(entry) = self.0.find_mut(hash, |it| it.hash == hash && it.place == old) {
            entry.place = new;
        }
    }

    /// Takes a key out.
    pub(super) fn remove(&mut self, hash: u64, place: Place) {
        let found = self.0.find_entry(hash, |it| it.hash == hash && it.place == place);
        if let Ok(entry) = found {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_says_what_it_was_made_of() {
        let most = (SEGMENTS_MAX - 1, SEGMENT_BYTES_MAX - 8, RECORD_BYTES_MAX);
        for (segment, offset, length) in [(0, 0, 0), (5, 4096, 200), most] {
            let place = Place::new(segment, offset, length);
            assert_eq!(
                (place.segment(), place.offset(), place.length()),
                (segment, offset, length)
            );
        }
    }
}
