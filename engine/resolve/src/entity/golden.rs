//! Golden rows, put together column by column.

use super::compare::Judged;
use super::key::key_columns;
use crate::cells::{Cells, array};
use crate::policy::{Compiled, Plain, Plan};
use arrow_array::ArrayRef;
use syncline_core::{
    ChangeBatch, Column, Error, Kind, Op, Presence, Result, Transaction, TransactionRun,
};

/// Golden rows on their way.
#[derive(Debug)]
pub(crate) struct GoldenRows<'k> {
    keys: Vec<&'k [u8]>,
    ops: Vec<u8>,
    ordinals: Vec<u32>,
    runs: Vec<TransactionRun>,
    /// Values that nothing else holds.
    own: Vec<u8>,
    /// For each column of the entity where each row's value is; none while all rows are as given.
    cells: Vec<Vec<Cell<'k>>>,
    given: Option<Given<'k>>,
    /// While all rows are as given, the place of each in the batch.
    as_given: Vec<u32>,
}

/// Where a value is.
#[derive(Debug, Clone, Copy)]
enum Cell<'k> {
    Null,
    Lent(&'k [u8]),
    /// From where to where in what the rows hold themselves.
    Own(usize, usize),
}

impl<'k> Cell<'k> {
    fn of(value: Option<&'k [u8]>) -> Self {
        value.map_or(Cell::Null, Cell::Lent)
    }
}

/// A batch whose rows may be golden rows as they are.
#[derive(Debug)]
pub(crate) struct Given<'k> {
    /// How many rows it has.
    pub(crate) rows: usize,
    /// By column of the entity; none where golden rows have NULL. Those of the key are arrays alone.
    pub(crate) columns: Vec<Option<(ArrayRef, Option<&'k Cells>)>>,
}

impl Given<'_> {
    fn cell(&self, column: usize, row: u32) -> Option<&[u8]> {
        self.columns[column].as_ref()?.1?.get(row as usize)
    }
}

impl<'k> GoldenRows<'k> {
    pub(crate) fn new(rules: &Compiled) -> Self {
        let columns = rules.rules.schema.columns().len();
        Self {
            keys: Vec::new(),
            ops: Vec::new(),
            ordinals: Vec::new(),
            runs: Vec::new(),
            own: Vec::new(),
            cells: vec![Vec::new(); columns],
            given: None,
            as_given: Vec::new(),
        }
    }

    /// Of a batch some of whose rows may be golden rows.
    pub(crate) fn of_batch(rules: &Compiled, given: Given<'k>) -> Self {
        Self { given: Some(given), ..Self::new(rules) }
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
        self.begin_cells();
        self.push_place(key, op, at);
        for (column, cells) in self.cells.iter_mut().enumerate() {
            let value = judged.field(rules.fields[column]);
            cells.push(value.map_or(Cell::Null, |value| owned(&mut self.own, value)));
        }
    }

    /// Adds the row of a key with what its units came to.
    pub(crate) fn push_plain(
        &mut self,
        plan: &Plan,
        (key, op, at): (&'k [u8], Op, (Transaction, u32)),
        values: impl Iterator<Item = Plain<'k>>,
    ) {
        self.begin_cells();
        self.push_place(key, op, at);
        for (unit, value) in values.enumerate() {
            for (place, &column) in plan.columns_of(unit).iter().enumerate() {
                let cell = match &value {
                    Plain::Nothing => Cell::Null,
                    Plain::One(value) => Cell::Lent(value),
                    Plain::Group(values) => Cell::of(values.get(place).copied().flatten()),
                    Plain::Computed(value) => owned(&mut self.own, value),
                };
                self.cells[column].push(cell);
            }
        }
    }

    /// Adds the row of a key that is as the batch has it.
    ///
    /// # Panics
    /// When there is no batch.
    pub(crate) fn push_given(&mut self, key: &'k [u8], op: Op, at: (Transaction, u32), row: u32) {
        if self.as_given.len() == self.keys.len() {
            self.as_given.push(row);
        } else {
            self.push_cells_of(row);
        }
        self.push_place(key, op, at);
    }

    fn push_place(&mut self, key: &'k [u8], op: Op, at: (Transaction, u32)) {
        self.keys.push(key);
        self.ops.push(op as u8);
        self.ordinals.push(at.1);
        // What comes of a write of ours is none.
        let transaction = Transaction { ours: false, ..at.0 };
        match self.runs.last_mut() {
            Some(run) if run.transaction == transaction => run.rows += 1,
            _ => self.runs.push(TransactionRun { transaction, rows: 1 }),
        }
    }

    /// From here on some row is not as given, so that all have cells.
    fn begin_cells(&mut self) {
        for row in std::mem::take(&mut self.as_given) {
            self.push_cells_of(row);
        }
    }

    fn push_cells_of(&mut self, row: u32) {
        let given = self.given.as_ref().expect("rows are given by a batch");
        for (column, cells) in given.columns.iter().zip(&mut self.cells) {
            let of_column = column.as_ref().and_then(|(_, cells)| *cells);
            cells.push(Cell::of(of_column.and_then(|cells| cells.get(row as usize))));
        }
    }

    /// The batch; none where there is no row.
    pub(crate) fn finish(mut self, rules: &Compiled) -> Result<Option<ChangeBatch>> {
        if self.keys.is_empty() {
            return Ok(None);
        }
        let columns = match &self.given {
            Some(given) if self.as_given.len() == self.keys.len() => {
                self.columns_of(given, rules)?
            }
            _ => self.columns_of_cells(rules)?,
        };
        let presence = Presence::all(columns.len());
        let (ops, ordinals) = (self.ops.into(), self.ordinals.into());
        let (schema, runs) = (rules.rules.schema.clone(), std::mem::take(&mut self.runs));
        ChangeBatch::try_new(schema, columns, ops, ordinals, runs, presence).map(Some).map_err(
            |error| {
                Error::new(Kind::Internal, "golden rows could not be put together").caused_by(error)
            },
        )
    }

    fn columns_of_cells(&self, rules: &Compiled) -> Result<Vec<ArrayRef>> {
        self.columns_with_key(rules, |place, column| {
            let cells = self.cells[place].iter().map(|cell| self.value(*cell));
            array(&column.data_type, cells)
        })
    }

    /// The columns of the key from the keys, the others as they are made.
    fn columns_with_key(
        &self,
        rules: &Compiled,
        make: impl Fn(usize, &Column) -> Result<ArrayRef>,
    ) -> Result<Vec<ArrayRef>> {
        let schema = &rules.rules.schema;
        let key = key_columns(schema, &self.keys)?;
        let column = |(place, column)| match schema.key().iter().position(|&it| it == place) {
            Some(of_key) => Ok(key[of_key].clone()),
            None => make(place, column),
        };
        schema.columns().iter().enumerate().map(column).collect()
    }

    fn value(&self, cell: Cell<'k>) -> Option<&[u8]> {
        match cell {
            Cell::Null => None,
            Cell::Lent(value) => Some(value),
            Cell::Own(from, until) => self.own.get(from..until),
        }
    }

    /// The batch's own columns, where its rows are all there; else of the rows that are.
    fn columns_of(&self, given: &Given<'k>, rules: &Compiled) -> Result<Vec<ArrayRef>> {
        // Each row comes at most once, in order.
        if self.as_given.len() < given.rows {
            return self.columns_with_key(rules, |place, column| {
                let cells = self.as_given.iter().map(|&row| given.cell(place, row));
                array(&column.data_type, cells)
            });
        }
        let column = |(column, given): (&Column, &Option<(ArrayRef, _)>)| match given {
            Some((given, _)) => Ok(given.clone()),
            None => array(&column.data_type, std::iter::repeat_n(None, self.keys.len())),
        };
        rules.rules.schema.columns().iter().zip(&given.columns).map(column).collect()
    }
}

fn owned<'k>(own: &mut Vec<u8>, value: &[u8]) -> Cell<'k> {
    let from = own.len();
    own.extend_from_slice(value);
    Cell::Own(from, own.len())
}
