//! The keys of an entity's rows as bytes, and the rows of a batch by key.

use crate::cells::{Cells, array};
use arrow_array::ArrayRef;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::hash::Hasher;
use syncline_core::{ChangeBatch, Error, Kind, Result, TableSchema};

/// The distinct keys of a batch, in the order in which they first come.
///
/// The bytes of a key: for each column the cell's length as u32, little-endian, and the cell.
#[derive(Debug)]
pub(crate) struct Groups {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// The rows of all keys, those of each together, ascending.
    rows: Vec<u32>,
    /// By key, from where its rows are.
    begins: Vec<u32>,
    /// The key of each row.
    of_row: Vec<u32>,
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
        let mut known: HashTable<u32> = HashTable::with_capacity(batch.len());
        let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(batch.len()));
        let mut of_row = Vec::with_capacity(batch.len());
        for row in 0..batch.len() {
            let from = bytes.len();
            push_key(&cells, row, &mut bytes).ok_or_else(|| null_key(batch))?;
            of_row.push(add(&mut bytes, &mut ends, from, &mut known));
        }
        let (rows, begins) = by_group(&of_row, ends.len());
        Ok(Self { bytes, ends, rows, begins, of_row })
    }

    /// The bytes of a key.
    pub(crate) fn key(&self, group: usize) -> &[u8] {
        slice(&self.bytes, &self.ends, group)
    }

    /// The rows of a key, in order.
    pub(crate) fn rows(&self, group: usize) -> &[u32] {
        let until = self.begins.get(group + 1).map_or(self.rows.len(), |until| *until as usize);
        &self.rows[self.begins[group] as usize..until]
    }

    /// The keys by the place of their last rows.
    pub(crate) fn by_last_row(&self) -> impl Iterator<Item = usize> + '_ {
        let groups = (0_u32..).zip(&self.of_row).map(|(row, &group)| (row, group as usize));
        let is_last = |&(row, group): &(u32, usize)| self.rows(group).last() == Some(&row);
        groups.filter(is_last).map(|(_, group)| group)
    }
}

/// Takes in a key that was written at the end of the bytes; says which it is.
fn add(bytes: &mut Vec<u8>, ends: &mut Vec<usize>, from: usize, known: &mut HashTable<u32>) -> u32 {
    let hash_of = |key: &[u8]| {
        let mut hasher = rapidhash::fast::RapidHasher::default();
        hasher.write(key);
        hasher.finish()
    };
    let key_of = |group: u32| slice(bytes, ends, group as usize);
    let key = &bytes[from..];
    let found =
        known.entry(hash_of(key), |&group| key_of(group) == key, |&group| hash_of(key_of(group)));
    match found {
        Entry::Occupied(found) => {
            let group = *found.get();
            bytes.truncate(from);
            group
        }
        Entry::Vacant(free) => {
            let group = u32::try_from(ends.len()).expect("a batch has fewer rows");
            free.insert(group);
            ends.push(bytes.len());
            group
        }
    }
}

/// The rows sorted by their groups, and from where those of each are.
fn by_group(of_row: &[u32], groups: usize) -> (Vec<u32>, Vec<u32>) {
    let mut counts = vec![0_u32; groups];
    of_row.iter().for_each(|&group| counts[group as usize] += 1);
    let begins: Vec<u32> =
        counts.iter().scan(0, |next, count| Some(std::mem::replace(next, *next + count))).collect();
    let (mut rows, mut next) = (vec![0; of_row.len()], begins.clone());
    for (row, &group) in (0..).zip(of_row) {
        let at = &mut next[group as usize];
        rows[*at as usize] = row;
        *at += 1;
    }
    (rows, begins)
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
        let (cell, rest) = split_cell(key)?;
        cells.push(cell);
        key = rest;
    }
    Some(cells)
}

/// The columns of these keys, in the order of the schema's key.
pub(crate) fn key_columns(schema: &TableSchema, keys: &[&[u8]]) -> Result<Vec<ArrayRef>> {
    let damaged = || Error::new(Kind::Corrupt, format!("a key of {} is damaged", schema.name()));
    let mut rests = keys.to_vec();
    let mut columns = Vec::with_capacity(schema.key().len());
    for &column in schema.key() {
        let mut cells = Vec::with_capacity(keys.len());
        for rest in &mut rests {
            let (cell, behind) = split_cell(rest).ok_or_else(damaged)?;
            cells.push(cell);
            *rest = behind;
        }
        let cells = cells.iter().map(|cell| Some(*cell));
        columns.push(array(&schema.columns()[column].data_type, cells)?);
    }
    Ok(columns)
}

/// The first cell of a key, and what follows it.
fn split_cell(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = key.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}
