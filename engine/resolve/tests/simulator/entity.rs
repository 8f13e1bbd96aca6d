//! The entity's log: golden rows, as whoever reads it has them.

use crate::value::{Cells, FIELDS};
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use std::collections::BTreeMap;
use syncline_core::{ChangeBatch, Op};

/// What was told of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Golden {
    Is(Cells),
    Gone,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GoldenRow {
    pub(crate) key: u8,
    pub(crate) golden: Golden,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Row(GoldenRow),
    /// A transaction is whole.
    Boundary,
    /// What came since the last boundary does not count.
    Abandoned,
}

/// A log of golden rows, durable as soon as they are in it.
#[derive(Debug, Default)]
pub(crate) struct EntityLog {
    pub(crate) entries: Vec<Entry>,
}

impl EntityLog {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.entries.last(), Some(Entry::Row(_)))
    }

    pub(crate) fn append(&mut self, batch: &ChangeBatch) {
        let rows = (0..batch.len()).map(|row| Entry::Row(golden_row(batch, row)));
        self.entries.extend(rows);
    }

    /// The whole transactions from a place on, of at least so many entries where there are as many; and
    /// the place behind them.
    pub(crate) fn read(&self, from: usize, count: usize) -> (Vec<GoldenRow>, usize) {
        let (mut rows, mut open, mut next) = (Vec::new(), Vec::new(), from);
        for (place, entry) in self.entries.iter().enumerate().skip(from) {
            match entry {
                Entry::Row(row) => open.push(row.clone()),
                Entry::Abandoned => open.clear(),
                Entry::Boundary => {
                    rows.append(&mut open);
                    next = place + 1;
                    if next - from >= count {
                        break;
                    }
                }
            }
        }
        (rows, next)
    }

    /// The golden table, as whoever read everything has it.
    pub(crate) fn table(&self) -> BTreeMap<u8, Cells> {
        let mut table = BTreeMap::new();
        for GoldenRow { key, golden } in self.read(0, usize::MAX).0 {
            match golden {
                Golden::Is(cells) => drop(table.insert(key, cells)),
                Golden::Gone => drop(table.remove(&key)),
            }
        }
        table
    }

    /// How long the longest value of the last rows is.
    pub(crate) fn longest(&self) -> usize {
        let last = self.entries.iter().rev().take(20).filter_map(|entry| match entry {
            Entry::Row(GoldenRow { golden: Golden::Is(cells), .. }) => Some(cells),
            _ => None,
        });
        last.flatten().flatten().map(|text| text.len()).max().unwrap_or(0)
    }

    /// Whether an entity was ever told to exist, even for a transaction that was abandoned.
    pub(crate) fn ever_was(&self, key: u8) -> bool {
        self.entries.iter().any(|entry| {
            matches!(entry, Entry::Row(row) if row.key == key && row.golden != Golden::Gone)
        })
    }
}

/// One row of a batch of golden rows.
fn golden_row(batch: &ChangeBatch, row: usize) -> GoldenRow {
    let columns = batch.columns().columns();
    let key = columns[0].as_string::<i32>().value(row);
    let key = key.strip_prefix('k').and_then(|number| number.parse().ok()).unwrap();
    if batch.op(row) == Op::Delete {
        return GoldenRow { key, golden: Golden::Gone };
    }
    let cells: [_; FIELDS] = std::array::from_fn(|field| {
        let column = &columns[field + 1];
        column.is_valid(row).then(|| match column.as_string_opt::<i32>() {
            Some(texts) => texts.value(row).into(),
            None => column.as_primitive::<Int32Type>().value(row).to_string().into(),
        })
    });
    GoldenRow { key, golden: Golden::Is(cells) }
}
