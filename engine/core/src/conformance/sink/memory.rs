//! A target in memory: what the contract of a sink says, row by row and without haste.

use super::{Items, SinkTarget};
use crate::{
    ChangeBatch, Error, KeyRows, Kind, Op, ParkKey, Parked, Progress, ReaderName, Result, Sink,
    TableName, TargetChange, Written,
};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A row's values by the names of their columns, each an array of one.
pub type MemoryRow = BTreeMap<String, ArrayRef>;

/// Says of a row whether the target refuses it.
type Refuses = fn(&MemoryRow) -> bool;

#[derive(Debug, Clone, Default)]
struct State {
    tables: BTreeMap<TableName, BTreeMap<Vec<u8>, MemoryRow>>,
    progress: BTreeMap<ReaderName, Progress>,
    /// In the order they were set aside first.
    parked: Vec<(ReaderName, Parked)>,
    /// Which instance holds each reader's place.
    holders: BTreeMap<ReaderName, u64>,
}

/// A system whose tables are maps by key.
#[derive(Debug, Clone)]
pub struct MemoryTarget {
    state: Arc<Mutex<State>>,
    refuses: Refuses,
}

impl MemoryTarget {
    /// An empty target that refuses such rows.
    #[must_use]
    pub fn new(refuses: Refuses) -> Self {
        Self { state: Arc::default(), refuses }
    }

    /// A sink on it, not open yet.
    #[must_use]
    pub fn sink(&self) -> MemorySink {
        MemorySink { target: self.clone(), reader: None, instance: 0, open: None }
    }

    /// The committed rows of a table, in the order of their keys.
    #[must_use]
    pub fn rows(&self, table: &TableName) -> Vec<MemoryRow> {
        let state = self.lock();
        state.tables.get(table).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes to a [`MemoryTarget`]. An instance that opens fences the one before it.
#[derive(Debug)]
pub struct MemorySink {
    target: MemoryTarget,
    reader: Option<ReaderName>,
    instance: u64,
    /// All of the target as the open transaction sees it.
    open: Option<State>,
}

impl MemorySink {
    fn reader(&self) -> Result<ReaderName> {
        let closed = || Error::new(Kind::Unavailable, "the sink is not open");
        self.reader.clone().ok_or_else(closed)
    }

    fn transaction(&mut self) -> Result<&mut State> {
        self.reader()?;
        let target = &self.target;
        Ok(self.open.get_or_insert_with(|| target.lock().clone()))
    }
}

impl State {
    fn write(&mut self, change: &TargetChange, refuses: Refuses) -> Result<Written> {
        let mut written = Written::default();
        match change {
            TargetChange::Truncate(schema) => {
                self.tables.remove(schema.name());
            }
            TargetChange::Rows(batch) => {
                let keys = KeyRows::new(batch)?;
                let table = self.tables.entry(batch.schema().name().clone()).or_default();
                for row in 0..batch.len() {
                    written += write_row(table, keys.get(row), batch, row, refuses)?;
                }
            }
        }
        Ok(written)
    }
}

fn write_row(
    table: &mut BTreeMap<Vec<u8>, MemoryRow>,
    key: &[u8],
    batch: &ChangeBatch,
    row: usize,
    refuses: Refuses,
) -> Result<Written> {
    if batch.op(row) == Op::Delete {
        let deleted = u64::from(table.remove(key).is_some());
        return Ok(Written { deleted, ..Written::default() });
    }
    let mask = batch.mask(row);
    let present = table.get(key);
    if present.is_none() && !mask.is_all() {
        return Err(Error::new(Kind::Rejected, "part of a row that is not there"));
    }
    let is_new = present.is_none();
    let mut image = present.cloned().unwrap_or_default();
    for column in mask.iter() {
        let name = batch.schema().columns().get(column).map(|column| column.name.clone());
        image.insert(name.unwrap_or_default(), batch.columns().column(column).slice(row, 1));
    }
    if refuses(&image) {
        return Err(Error::new(Kind::Rejected, "the target refuses the row"));
    }
    table.insert(key.to_vec(), image);
    Ok(Written { inserted: is_new.into(), updated: (!is_new).into(), deleted: 0 })
}

#[async_trait]
impl Sink for MemorySink {
    async fn open(&mut self, reader: &ReaderName) -> Result<Option<Progress>> {
        self.open = None;
        self.reader = Some(reader.clone());
        let mut state = self.target.lock();
        let holder = state.holders.entry(reader.clone()).or_default();
        *holder += 1;
        self.instance = *holder;
        Ok(state.progress.get(reader).cloned())
    }

    async fn write(&mut self, changes: &[TargetChange]) -> Result<Written> {
        let refuses = self.target.refuses;
        let transaction = self.transaction()?;
        let mut after = transaction.clone();
        let mut written = Written::default();
        for change in changes {
            written += after.write(change, refuses)?;
        }
        *transaction = after;
        Ok(written)
    }

    async fn park(&mut self, parked: &[Parked], settled: &[ParkKey]) -> Result<()> {
        let reader = self.reader()?;
        let rows = &mut self.transaction()?.parked;
        rows.retain(|(of, row)| *of != reader || !settled.contains(&row.key));
        for new in parked {
            match rows.iter_mut().find(|(of, row)| *of == reader && row.key == new.key) {
                Some((_, row)) => *row = new.clone(),
                None => rows.push((reader.clone(), new.clone())),
            }
        }
        Ok(())
    }

    async fn parked(&mut self) -> Result<Vec<Parked>> {
        let reader = self.reader()?;
        let committed = self.target.lock();
        let state = self.open.as_ref().unwrap_or(&committed);
        let own = state.parked.iter().filter(|(of, _)| *of == reader);
        Ok(own.map(|(_, row)| row.clone()).collect())
    }

    async fn commit(&mut self, progress: &Progress) -> Result<()> {
        let (reader, instance) = (self.reader()?, self.instance);
        self.transaction()?;
        let mut committed = self.target.lock();
        if committed.holders.get(&reader) != Some(&instance) {
            return Err(Error::new(Kind::Fenced, "another took the reader's place"));
        }
        if let Some(mut after) = self.open.take() {
            after.progress.insert(reader, progress.clone());
            *committed = after;
        }
        Ok(())
    }

    async fn rollback(&mut self) -> Result<()> {
        self.open = None;
        Ok(())
    }
}

#[async_trait]
impl SinkTarget for MemoryTarget {
    fn sink(&self) -> Box<dyn Sink> {
        Box::new(Self::sink(self))
    }

    async fn visible(&self) -> Items {
        let number = |row: &MemoryRow, column: &str| {
            let array = row.get(column)?.as_primitive::<Int64Type>();
            (!array.is_null(0)).then(|| array.value(0))
        };
        let text = |row: &MemoryRow| {
            let array = row.get("name")?.as_string::<i32>();
            (!array.is_null(0)).then(|| array.value(0).to_owned())
        };
        self.rows(super::items().name())
            .iter()
            .map(|row| {
                let id = number(row, "id").expect("a key is not null");
                (id, (text(row), number(row, "amount")))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the suite asks of its target.
    fn refuses_negative_amounts(row: &MemoryRow) -> bool {
        row.get("amount").is_some_and(|amount| {
            let amount = amount.as_primitive::<Int64Type>();
            !amount.is_null(0) && amount.value(0) < 0
        })
    }

    #[test]
    fn the_specification_keeps_its_own_promises() {
        let suite = super::super::all(async || MemoryTarget::new(refuses_negative_amounts));
        futures::executor::block_on(suite);
    }
}
