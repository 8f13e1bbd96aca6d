//! Golden rows, put together column by column.

use super::compare::Judged;
use super::key::key_columns;
use crate::cells::{Cells, CellsBuilder, array};
use crate::policy::{Compiled, Plain, Plan};
use arrow_array::ArrayRef;
use syncline_core::{
    ChangeBatch, Column, ColumnMask, Error, Kind, Op, Presence, Result, Transaction, TransactionRun,
};

/// Golden rows on their way.
#[derive(Debug)]
pub(crate) struct GoldenRows<'k> {
    keys: Vec<&'k [u8]>,
    ops: Vec<u8>,
    ordinals: Vec<u32>,
    runs: Vec<TransactionRun>,
    /// The columns of the entity, that of the key empty; all are while all rows are as given.
    columns: Vec<CellsBuilder>,
    given: Option<Given<'k>>,
    /// While all rows are as given, the place of each in the batch.
    as_given: Vec<u32>,
    /// Rows of which nothing but the key is told, ascending.
    keys_alone: Vec<usize>,
}

/// A batch whose rows may be golden rows as they are.
#[derive(Debug)]
pub(crate) struct Given<'k> {
    /// How many rows it has.
    pub(crate) rows: usize,
    /// By column of the entity; none where golden rows have NULL. Those of the key are arrays alone.
    pub(crate) columns: Vec<Option<(ArrayRef, Option<&'k Cells>)>>,
}

impl<'k> GoldenRows<'k> {
    pub(crate) fn new(rules: &Compiled) -> Self {
        let columns = rules.rules.schema.columns().iter();
        Self {
            keys: Vec::new(),
            ops: Vec::new(),
            ordinals: Vec::new(),
            runs: Vec::new(),
            columns: columns.map(|column| CellsBuilder::new(&column.data_type)).collect(),
            given: None,
            as_given: Vec::new(),
            keys_alone: Vec::new(),
        }
    }

    /// Of a batch some of whose rows may be golden rows.
    pub(crate) fn of_batch(rules: &Compiled, given: Given<'k>) -> Self {
        Self { given: Some(given), ..Self::new(rules) }
    }

    /// Whether rows can be as a batch has them.
    pub(crate) fn is_given(&self) -> bool {
        self.given.is_some()
    }

    /// The place of the next row, where rows have no other.
    pub(crate) fn next_ordinal(&self) -> u32 {
        u32::try_from(self.keys.len()).unwrap_or(u32::MAX)
    }

    /// Adds the row of a key: as it is now, or as it was where it is gone.
    ///
    /// Where it is gone and it is not known what was told last, nothing but its key is told: another image
    /// than the last could let a mapping think that its target never had the row.
    pub(crate) fn push(
        &mut self,
        rules: &Compiled,
        (key, op, at): (&'k [u8], Op, (Transaction, u32)),
        shown: &mut Judged<'_, '_, '_>,
        is_known: bool,
    ) {
        self.begin_cells();
        if op == Op::Delete && !is_known {
            self.keys_alone.push(self.keys.len());
        }
        self.push_place(key, op, at);
        for (cells, &field) in self.columns.iter_mut().zip(&rules.fields) {
            cells.push(shown.field(field));
        }
    }

    /// Adds the row of a key with what its units came to.
    pub(crate) fn push_plain<'v>(
        &mut self,
        plan: &Plan,
        (key, op, at): (&'k [u8], Op, (Transaction, u32)),
        values: impl Iterator<Item = Plain<'v>>,
    ) {
        self.begin_cells();
        self.push_place(key, op, at);
        for (unit, value) in values.enumerate() {
            for (place, &column) in plan.columns_of(unit).iter().enumerate() {
                self.columns[column].push(value.column(place));
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
        for (column, into) in given.columns.iter().zip(&mut self.columns) {
            let of_column = column.as_ref().and_then(|(_, cells)| *cells);
            into.push(of_column.and_then(|cells| cells.get(row as usize)));
        }
    }

    /// The batch; none where there is no row.
    pub(crate) fn finish(mut self, rules: &Compiled) -> Result<Option<ChangeBatch>> {
        if self.keys.is_empty() {
            return Ok(None);
        }
        let is_whole = |given: &Given<'_>| self.as_given.len() == given.rows;
        let columns = match self.given.take() {
            // Each row comes at most once, in order.
            Some(given) if is_whole(&given) => given_columns(&given, rules)?,
            given => {
                self.given = given;
                self.begin_cells();
                self.columns_with_key(rules)?
            }
        };
        let presence = self.presence(rules);
        let (ops, ordinals) = (self.ops.into(), self.ordinals.into());
        let (schema, runs) = (rules.rules.schema.clone(), std::mem::take(&mut self.runs));
        ChangeBatch::try_new(schema, columns, ops, ordinals, runs, presence).map(Some).map_err(
            |error| {
                Error::new(Kind::Internal, "golden rows could not be put together").caused_by(error)
            },
        )
    }

    fn presence(&self, rules: &Compiled) -> Presence {
        let (schema, rows) = (&rules.rules.schema, self.keys.len());
        let columns = schema.columns().len();
        if self.keys_alone.is_empty() {
            return Presence::all(columns);
        }
        let mut key = ColumnMask::none(columns);
        schema.key().iter().for_each(|&column| key.set(column));
        let mut alone = self.keys_alone.iter().copied().peekable();
        let mask = |row| match alone.next_if_eq(&row) {
            Some(_) => key.clone(),
            None => ColumnMask::all(columns),
        };
        Presence::from_rows(columns, (0..rows).map(mask))
    }

    /// The columns of the key from the keys, the others as they were put together.
    fn columns_with_key(&mut self, rules: &Compiled) -> Result<Vec<ArrayRef>> {
        let schema = &rules.rules.schema;
        let key = key_columns(schema, &self.keys)?;
        let column = |(place, column): (usize, CellsBuilder)| match schema
            .key()
            .iter()
            .position(|&it| it == place)
        {
            Some(of_key) => Ok(key[of_key].clone()),
            None => column.finish(),
        };
        std::mem::take(&mut self.columns).into_iter().enumerate().map(column).collect()
    }
}

/// The batch's own columns.
fn given_columns(given: &Given<'_>, rules: &Compiled) -> Result<Vec<ArrayRef>> {
    let column = |(column, of_batch): (&Column, &Option<(ArrayRef, _)>)| match of_batch {
        Some((array, _)) => Ok(array.clone()),
        None => array(&column.data_type, std::iter::repeat_n(None, given.rows)),
    };
    rules.rules.schema.columns().iter().zip(&given.columns).map(column).collect()
}
