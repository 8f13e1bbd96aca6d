//! Where claims rest: rows by key, as the heart needs them.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use syncline_core::{Cursor, Result};

/// Keeps rows of bytes by key.
///
/// What was written is read back at once, and is durable, all of it or nothing, with `commit`.
pub trait Rows: Send {
    /// Reads the rows of these keys; one slot a key.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt` when they can't be read.
    fn read(&mut self, keys: &[&[u8]], rows: &mut RowBuffer) -> Result<()>;

    /// Replaces the row of a key.
    ///
    /// # Errors
    /// `Unavailable` while there is no room.
    fn write(&mut self, key: &[u8], row: &[u8]) -> Result<()>;

    /// Takes the row of a key away, if it has one.
    ///
    /// # Errors
    /// As of [`Rows::write`].
    fn remove(&mut self, key: &[u8]) -> Result<()>;

    /// Makes durable what was written since the last commit, with a note in place of the former.
    ///
    /// # Errors
    /// `Unavailable` while there is no room, and nothing was committed; `Corrupt` when it is in
    /// doubt what is on the disk.
    fn commit(&mut self, note: &[u8]) -> Result<()>;

    /// Forgets what was written since the last commit.
    ///
    /// # Errors
    /// `Corrupt` when it is in doubt what is on the disk.
    fn rollback(&mut self) -> Result<()>;

    /// The note of the last commit; empty before the first.
    fn note(&self) -> Vec<u8>;

    /// Reads about so many bytes of rows, also of those that are not committed, in an order of its
    /// own, and says where to go on; none at the end. A row that is written meanwhile may come again,
    /// or not.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt` when they can't be read.
    fn scan(
        &mut self,
        from: Cursor,
        bytes_max: usize,
        rows: &mut Scanned,
    ) -> Result<Option<Cursor>>;
}

/// Rows that several share.
impl<R: Rows> Rows for Arc<Mutex<R>> {
    fn read(&mut self, keys: &[&[u8]], rows: &mut RowBuffer) -> Result<()> {
        lock(self).read(keys, rows)
    }

    fn write(&mut self, key: &[u8], row: &[u8]) -> Result<()> {
        lock(self).write(key, row)
    }

    fn remove(&mut self, key: &[u8]) -> Result<()> {
        lock(self).remove(key)
    }

    fn commit(&mut self, note: &[u8]) -> Result<()> {
        lock(self).commit(note)
    }

    fn rollback(&mut self) -> Result<()> {
        lock(self).rollback()
    }

    fn note(&self) -> Vec<u8> {
        lock(self).note()
    }

    fn scan(
        &mut self,
        from: Cursor,
        bytes_max: usize,
        rows: &mut Scanned,
    ) -> Result<Option<Cursor>> {
        lock(self).scan(from, bytes_max, rows)
    }
}

/// Rows that a panic left half-written are rolled back by whoever goes on with them.
fn lock<R>(rows: &Mutex<R>) -> MutexGuard<'_, R> {
    rows.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Rows that were read by key: one slot a key, in their order.
#[derive(Debug, Default)]
pub struct RowBuffer {
    bytes: Vec<u8>,
    slots: Vec<Option<(usize, usize)>>,
}

impl RowBuffer {
    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.slots.clear();
    }

    /// Forgets all rows; there are so many empty slots then.
    pub fn reset(&mut self, slots: usize) {
        self.clear();
        self.slots.resize(slots, None);
    }

    /// Puts a row into a slot.
    ///
    /// # Panics
    /// When there is no such slot.
    pub fn set(&mut self, slot: usize, row: &[u8]) {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(row);
        self.slots[slot] = Some((from, from + row.len()));
    }

    /// Adds a slot.
    pub fn push(&mut self, row: Option<&[u8]>) {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(row.unwrap_or_default());
        self.slots.push(row.map(|row| (from, from + row.len())));
    }

    /// The row of a slot.
    #[must_use]
    pub fn get(&self, slot: usize) -> Option<&[u8]> {
        let (from, until) = self.slots.get(slot).copied().flatten()?;
        self.bytes.get(from..until)
    }
}

/// Rows that were met, with their keys.
#[derive(Debug, Default)]
pub struct Scanned {
    keys: RowBuffer,
    rows: RowBuffer,
}

impl Scanned {
    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.rows.clear();
    }

    /// Adds a row.
    pub fn push(&mut self, key: &[u8], row: &[u8]) {
        self.keys.push(Some(key));
        self.rows.push(Some(row));
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.slots.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A key and its row.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<(&[u8], &[u8])> {
        Some((self.keys.get(place)?, self.rows.get(place)?))
    }
}

/// Rows in memory: the specification, and for whoever needs none tomorrow.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub struct MemoryRows {
    committed: BTreeMap<Vec<u8>, Vec<u8>>,
    /// None where the row was taken away.
    written: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    note: Vec<u8>,
}

impl MemoryRows {
    fn row(&self, key: &[u8]) -> Option<&[u8]> {
        match self.written.get(key) {
            Some(written) => written.as_deref(),
            None => self.committed.get(key).map(Vec::as_slice),
        }
    }
}

fn hash(key: &[u8]) -> u64 {
    let mut hasher = rapidhash::fast::RapidHasher::default();
    hasher.write(key);
    hasher.finish()
}

impl Rows for MemoryRows {
    fn read(&mut self, keys: &[&[u8]], rows: &mut RowBuffer) -> Result<()> {
        rows.clear();
        for key in keys {
            rows.push(self.row(key));
        }
        Ok(())
    }

    fn write(&mut self, key: &[u8], row: &[u8]) -> Result<()> {
        self.written.insert(key.to_vec(), Some(row.to_vec()));
        Ok(())
    }

    fn remove(&mut self, key: &[u8]) -> Result<()> {
        self.written.insert(key.to_vec(), None);
        Ok(())
    }

    fn commit(&mut self, note: &[u8]) -> Result<()> {
        for (key, row) in std::mem::take(&mut self.written) {
            match row {
                Some(row) => drop(self.committed.insert(key, row)),
                None => drop(self.committed.remove(&key)),
            }
        }
        self.note = note.to_vec();
        Ok(())
    }

    fn rollback(&mut self) -> Result<()> {
        self.written.clear();
        Ok(())
    }

    fn note(&self) -> Vec<u8> {
        self.note.clone()
    }

    fn scan(
        &mut self,
        from: Cursor,
        bytes_max: usize,
        rows: &mut Scanned,
    ) -> Result<Option<Cursor>> {
        rows.clear();
        let (mut bytes, mut last) = (0, 0);
        let keys: BTreeSet<&Vec<u8>> = self.committed.keys().chain(self.written.keys()).collect();
        // By hash, so that keys that come and go meanwhile change the place of no other.
        let keys: BTreeSet<(u64, &Vec<u8>)> =
            keys.into_iter().map(|key| (hash(key), key)).filter(|(it, _)| *it >= from.1).collect();
        for (hash, key) in keys {
            if bytes >= bytes_max.max(1) && hash > last {
                return Ok(Some(Cursor(0, hash)));
            }
            last = hash;
            let Some(row) = self.row(key) else { continue };
            rows.push(key, row);
            bytes += key.len() + row.len();
        }
        Ok(None)
    }
}
