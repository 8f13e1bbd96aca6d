//! Golden rows, put together column by column.

use super::compare::Judged;
use super::key::key_columns;
use crate::cells::array;
use crate::policy::Compiled;
use std::ops::Range;
use syncline_core::{ChangeBatch, Error, Kind, Op, Presence, Result, Transaction, TransactionRun};

/// Golden rows on their way.
#[derive(Debug)]
pub(crate) struct GoldenRows<'k> {
    keys: Vec<&'k [u8]>,
    ops: Vec<u8>,
    ordinals: Vec<u32>,
    runs: Vec<TransactionRun>,
    /// All values; for each column of the entity where each row's is.
    bytes: Vec<u8>,
    cells: Vec<Vec<Option<Range<usize>>>>,
}

impl<'k> GoldenRows<'k> {
    pub(crate) fn new(rules: &Compiled) -> Self {
        let columns = rules.rules.schema.columns().len();
        Self {
            keys: Vec::new(),
            ops: Vec::new(),
            ordinals: Vec::new(),
            runs: Vec::new(),
            bytes: Vec::new(),
            cells: vec![Vec::new(); columns],
        }
    }

    /// The place of the next row, where rows have no other.
    pub(crate) fn next_ordinal(&self) -> u32 {
        u32::try_from(self.keys.len()).unwrap_or(u32::MAX)
    }

    /// Adds the row of a key: as it is now, or as it was where it is gone.
    pub(crate) fn push(
        &mut self,
        rules: &Compiled,
        key: &'k [u8],
        op: Op,
        at: (Transaction, u32),
        judged: &mut Judged<'_, '_, '_>,
    ) {
        self.keys.push(key);
        self.ops.push(op as u8);
        self.ordinals.push(at.1);
        // What comes of a write of ours is none.
        let transaction = Transaction { ours: false, ..at.0 };
        match self.runs.last_mut() {
            Some(run) if run.transaction == transaction => run.rows += 1,
            _ => self.runs.push(TransactionRun { transaction, rows: 1 }),
        }
        for (column, cells) in self.cells.iter_mut().enumerate() {
            let cell = judged.field(rules.fields[column]).map(|cell| {
                let from = self.bytes.len();
                self.bytes.extend_from_slice(cell);
                from..self.bytes.len()
            });
            cells.push(cell);
        }
    }

    /// The batch; none where there is no row.
    pub(crate) fn finish(self, rules: &Compiled) -> Result<Option<ChangeBatch>> {
        if self.keys.is_empty() {
            return Ok(None);
        }
        let schema = &rules.rules.schema;
        let mut columns = Vec::with_capacity(self.cells.len());
        for (column, cells) in schema.columns().iter().zip(&self.cells) {
            let cells = cells.iter().map(|cell| cell.clone().and_then(|at| self.bytes.get(at)));
            columns.push(array(&column.data_type, cells)?);
        }
        for (&place, column) in schema.key().iter().zip(key_columns(schema, &self.keys)?) {
            columns[place] = column;
        }
        let presence = Presence::all(columns.len());
        let (ops, ordinals) = (self.ops.into(), self.ordinals.into());
        ChangeBatch::try_new(schema.clone(), columns, ops, ordinals, self.runs, presence)
            .map(Some)
            .map_err(|error| {
                Error::new(Kind::Internal, "golden rows could not be put together").caused_by(error)
            })
    }
}
