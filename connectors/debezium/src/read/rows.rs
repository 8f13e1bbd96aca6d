//! Rows of one layout becoming a batch.

use crate::value::{ColumnBuilder, Value};
use arrow_schema::ArrowError;
use std::sync::Arc;
use syncline_core::{
    ChangeBatch, ColumnMask, Error, Kind, Op, Presence, Result, TableSchema, Transaction,
    TransactionRun,
};

/// One row, its values in place.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) op: Op,
    pub(super) ordinal: u32,
    pub(super) transaction: Transaction,
    /// One a column.
    pub(super) values: Vec<Value<'a>>,
}

/// A batch in the making.
#[derive(Debug)]
pub(super) struct Rows {
    schema: Arc<TableSchema>,
    columns: Vec<ColumnBuilder>,
    ops: Vec<u8>,
    ordinals: Vec<u32>,
    runs: Vec<TransactionRun>,
    masks: Vec<ColumnMask>,
    /// Bytes of JSON that went into it.
    pub(super) bytes: usize,
    /// Whether the last row speaks of all columns.
    pub(super) is_last_whole: bool,
}

impl Rows {
    /// # Errors
    /// `Config` when a column has an Arrow type that nothing is carried in.
    pub(super) fn new(schema: Arc<TableSchema>) -> Result<Self> {
        let builder = |column: &syncline_core::Column| {
            ColumnBuilder::new(&column.data_type).ok_or_else(|| {
                let message = format!("column \"{}\" has a type that no record has", column.name);
                Error::new(Kind::Config, message)
                    .detail(format!("its type is {}", column.data_type))
            })
        };
        let columns = schema.columns().iter().map(builder).collect::<Result<_>>()?;
        let (ops, ordinals, runs, masks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Ok(Self { schema, columns, ops, ordinals, runs, masks, bytes: 0, is_last_whole: false })
    }

    /// Adds a row of as many values as there are columns.
    pub(super) fn push(&mut self, row: &Row<'_>) {
        let mut mask = ColumnMask::all(self.columns.len());
        self.is_last_whole = !row.values.contains(&Value::Absent);
        for (place, (column, value)) in self.columns.iter_mut().zip(&row.values).enumerate() {
            if *value == Value::Absent {
                mask.clear(place);
            }
            column.append(value);
        }
        self.masks.push(mask);
        self.ops.push(row.op as u8);
        self.ordinals.push(row.ordinal);
        match self.runs.last_mut() {
            Some(run) if run.transaction == row.transaction => run.rows += 1,
            _ => self.runs.push(TransactionRun { transaction: row.transaction, rows: 1 }),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ops.len()
    }

    /// The rows so far; empty again after it.
    pub(super) fn finish(&mut self) -> Result<ChangeBatch> {
        self.bytes = 0;
        let columns = self.columns.iter_mut().map(ColumnBuilder::finish).collect();
        let presence = Presence::from_rows(self.columns.len(), std::mem::take(&mut self.masks));
        ChangeBatch::try_new(
            self.schema.clone(),
            columns,
            std::mem::take(&mut self.ops).into(),
            std::mem::take(&mut self.ordinals).into(),
            std::mem::take(&mut self.runs),
            presence,
        )
        .map_err(|error: ArrowError| {
            Error::new(Kind::Internal, format!("no batch of {}", self.schema.name()))
                .caused_by(error)
        })
    }
}
