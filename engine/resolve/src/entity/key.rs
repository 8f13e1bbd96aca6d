//! The keys of an entity's rows as bytes, and the rows of a batch by key.

use crate::cells::{Cells, array};
use arrow_array::ArrayRef;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::hash::Hasher;
use syncline_core::{ChangeBatch, Error, Kind, Result, TableSchema};

/// The distinct keys of a batch, in the order of their last rows.
///
/// The bytes of a key: for each column the cell's length as u32, little-endian, and the cell.
#[derive(Debug)]
pub(crate) struct Groups {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// The rows of each key, ascending.
    rows: Vec<Vec<u32>>,
}

impl Groups {
    /// Of a batch's rows; before images are passed over.
    ///
    /// # Errors
    /// `Internal` where a key is NULL: no mapping gives such a row.
    pub(crate) fn of(batch: &ChangeBatch, key: &[usize]) -> Result<Self> {
        let columns = batch.columns();
        let cells: Vec<Cells> =
            key.iter().map(|&column| Cells::of(columns.column(column))).collect::<Result<_>>()?;
        let mut groups =
            Self { bytes: Vec::new(), ends: Vec::with_capacity(batch.len()), rows: Vec::new() };
        let mut known: HashTable<usize> = HashTable::with_capacity(batch.len());
        for row in 0..batch.len() {
            let from = groups.bytes.len();
            push_key(&cells, row, &mut groups.bytes).ok_or_else(|| null_key(batch))?;
            groups.add(from, u32::try_from(row).expect("a batch has fewer rows"), &mut known);
        }
        Ok(groups)
    }

    /// Takes in a row whose key was written at the end of the bytes.
    fn add(&mut self, from: usize, row: u32, known: &mut HashTable<usize>) {
        let hash_of = |key: &[u8]| {
            let mut hasher = rapidhash::fast::RapidHasher::default();
            hasher.write(key);
            hasher.finish()
        };
        let (bytes, ends) = (&self.bytes, &self.ends);
        let key_of = |group: usize| slice(bytes, ends, group);
        let key = &bytes[from..];
        let found = known.entry(
            hash_of(key),
            |&group| key_of(group) == key,
            |&group| hash_of(key_of(group)),
        );
        match found {
            Entry::Occupied(found) => {
                let group = *found.get();
                self.bytes.truncate(from);
                self.rows[group].push(row);
            }
            Entry::Vacant(free) => {
                free.insert(self.rows.len());
                self.ends.push(self.bytes.len());
                self.rows.push(vec![row]);
            }
        }
    }

    /// The keys, in the order in which they first come.
    pub(crate) fn keys(&self) -> Vec<&[u8]> {
        (0..self.rows.len()).map(|group| slice(&self.bytes, &self.ends, group)).collect()
    }

    /// The rows of a key, in order.
    pub(crate) fn rows(&self, group: usize) -> &[u32] {
        &self.rows[group]
    }

    /// The keys by the place of their last rows.
    pub(crate) fn by_last_row(&self) -> Vec<usize> {
        let mut groups: Vec<usize> = (0..self.rows.len()).collect();
        groups.sort_unstable_by_key(|&group| self.rows[group].last());
        groups
    }
}

fn slice<'a>(bytes: &'a [u8], ends: &[usize], group: usize) -> &'a [u8] {
    let from = group.checked_sub(1).map_or(0, |before| ends[before]);
    &bytes[from..ends[group]]
}

fn push_key(cells: &[Cells], row: usize, bytes: &mut Vec<u8>) -> Option<()> {
    for cells in cells {
        let cell = cells.get(row)?;
        bytes.extend(u32::try_from(cell.len()).ok()?.to_le_bytes());
        bytes.extend_from_slice(cell);
    }
    Some(())
}

fn null_key(batch: &ChangeBatch) -> Error {
    Error::new(Kind::Internal, format!("a row of {} has a key that is NULL", batch.schema().name()))
}

/// The cells of a key; `None` where the bytes are none.
pub(crate) fn key_cells(mut key: &[u8]) -> Option<Vec<&[u8]>> {
    let mut cells = Vec::new();
    while !key.is_empty() {
        let (length, rest) = key.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (cell, rest) = rest.split_at_checked(length)?;
        cells.push(cell);
        key = rest;
    }
    Some(cells)
}

/// The columns of these keys, in the order of the schema's key.
pub(crate) fn key_columns(schema: &TableSchema, keys: &[&[u8]]) -> Result<Vec<ArrayRef>> {
    let damaged = || Error::new(Kind::Corrupt, format!("a key of {} is damaged", schema.name()));
    let cells = keys.iter().map(|key| key_cells(key)).collect::<Option<Vec<_>>>();
    let cells = cells.ok_or_else(damaged)?;
    let column = |(place, &column): (usize, &usize)| {
        let of_column = cells.iter().map(|cells| cells.get(place).copied());
        array(&schema.columns()[column].data_type, of_column)
    };
    schema.key().iter().enumerate().map(column).collect()
}
