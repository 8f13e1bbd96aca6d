//! Rows set aside, and how later changes of their keys join them.
//!
//! Invariant: while a key is parked its row is not at the target as the source has it; every later change
//! of the key is laid over the parked image, so that taking it back never loses a column.

use std::collections::HashMap;
use syncline_core::{Error, Kind, ParkKey, Parked, Result, Stage};

/// The rows a reader has set aside: as its target holds them, and what changed since.
#[derive(Debug, Default)]
pub(crate) struct Parking {
    rows: HashMap<ParkKey, Parked>,
    counts: HashMap<(String, Stage), usize>,
    changes: ParkChanges,
}

/// What is set aside and taken back in the open transaction.
#[derive(Debug, Default)]
pub(crate) struct ParkChanges {
    pub(crate) parked: Vec<Parked>,
    pub(crate) settled: Vec<ParkKey>,
}

impl ParkChanges {
    pub(crate) fn is_empty(&self) -> bool {
        self.parked.is_empty() && self.settled.is_empty()
    }
}

impl Parking {
    pub(crate) fn new(parked: Vec<Parked>) -> Self {
        let mut parking = Self::default();
        parked.into_iter().for_each(|row| parking.insert(row));
        parking
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Rows of one mapping, whatever their stage.
    pub(crate) fn count(&self, mapping: &str) -> usize {
        let of = |stage| self.counts.get(&(mapping.to_owned(), stage)).copied().unwrap_or(0);
        of(Stage::Map) + of(Stage::Write)
    }

    pub(crate) fn has(&self, mapping: &str, stage: Stage) -> bool {
        self.counts.get(&(mapping.to_owned(), stage)).is_some_and(|&count| count > 0)
    }

    pub(crate) fn get(&self, mapping: &str, key: &str, stage: Stage) -> Option<&Parked> {
        let key = ParkKey { mapping: mapping.into(), key: key.into() };
        self.rows.get(&key).filter(|row| row.stage == stage)
    }

    /// All rows, in no order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Parked> {
        self.rows.values()
    }

    /// Sets a row aside; it takes the place of an older one of its key.
    pub(crate) fn park(&mut self, row: Parked) {
        self.changes.settled.retain(|key| *key != row.key);
        self.changes.parked.retain(|older| older.key != row.key);
        self.changes.parked.push(row.clone());
        self.insert(row);
    }

    /// Takes a row back.
    pub(crate) fn settle(&mut self, key: ParkKey) {
        self.changes.parked.retain(|row| row.key != key);
        self.remove(&key);
        self.changes.settled.push(key);
    }

    /// What is to be written with the open transaction.
    pub(crate) fn changes(&self) -> &ParkChanges {
        &self.changes
    }

    /// The changes were written.
    pub(crate) fn written(&mut self) {
        self.changes = ParkChanges::default();
    }

    /// # Errors
    /// `Config` where more than `rows_max` are set aside.
    pub(crate) fn check_limit(&self, rows_max: usize) -> Result<()> {
        if self.rows.len() <= rows_max {
            return Ok(());
        }
        let reason = self.changes.parked.last().map(|row| row.reason.clone());
        Err(too_many_parked(reason.unwrap_or_default()))
    }

    fn insert(&mut self, row: Parked) {
        self.remove(&row.key);
        *self.counts.entry((row.key.mapping.clone(), row.stage)).or_default() += 1;
        self.rows.insert(row.key.clone(), row);
    }

    fn remove(&mut self, key: &ParkKey) {
        if let Some(row) = self.rows.remove(key)
            && let Some(count) = self.counts.get_mut(&(row.key.mapping, row.stage))
        {
            *count -= 1;
        }
    }

    /// The keys of one mapping.
    pub(crate) fn keys(&self, mapping: &str) -> Vec<ParkKey> {
        self.rows.keys().filter(|key| key.mapping == mapping).cloned().collect()
    }

    /// The rows to try again at this tick, oldest first: each waits twice as many ticks after each
    /// failure, up to 64.
    pub(crate) fn due(&self, tick: u64, rows_max: usize) -> Vec<Parked> {
        let mut due: Vec<_> = self
            .rows
            .values()
            .filter(|row| tick.is_multiple_of(1 << row.attempts.min(6)))
            .collect();
        due.sort_by_key(|row| (row.attempts, row.offset, &row.key));
        due.into_iter().take(rows_max).cloned().collect()
    }
}

/// Too many parked rows mean that something is wrong with all of them. The reason is that of the last.
pub(crate) fn too_many_parked(reason: String) -> Error {
    Error::new(Kind::Config, "more rows are refused than may be parked")
        .detail(reason)
        .hint("mend the cause and restart, or raise parked_max")
}
