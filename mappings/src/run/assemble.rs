//! The output batch: target rows and deletes, in the order of their source rows.

use super::facts::Masks;
use super::program::Program;
use arrow_array::{Array, ArrayRef, new_null_array};
use arrow_buffer::ScalarBuffer;
use arrow_schema::ArrowError;
use arrow_select::interleave::interleave;
use syncline_core::{ChangeBatch, Error, Kind, Op, Result, Transaction, TransactionRun};

/// One output row, and where its values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A row of the evaluated columns.
    Written(usize),
    /// A row of the evaluated keys.
    Key(usize),
}

/// One output row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) op: Op,
    /// The source row it comes from.
    pub(super) origin: usize,
    pub(super) place: Place,
}

/// Evaluated values: all target columns of rows to write, key columns of rows to delete.
#[derive(Debug)]
pub(super) struct Blocks {
    pub(super) written: Vec<ArrayRef>,
    pub(super) written_rows: usize,
    /// In the order of the target's key.
    pub(super) keys: Vec<ArrayRef>,
}

/// Puts the output together.
pub(super) fn assemble(
    program: &Program,
    masks: &Masks<'_>,
    batch: &ChangeBatch,
    rows: &[Row],
    blocks: Blocks,
) -> Result<ChangeBatch> {
    let as_written = rows.len() == blocks.written_rows
        && rows.iter().enumerate().all(|(at, row)| row.place == Place::Written(at));
    let as_keys = rows.iter().enumerate().all(|(at, row)| row.place == Place::Key(at));
    let columns = match (as_written, as_keys) {
        (true, _) => blocks.written,
        (false, true) => keys_alone(program, rows.len(), &blocks),
        (false, false) => woven(program, rows, &blocks).map_err(internal)?,
    };
    let presence = masks.presence(
        program,
        rows.iter().map(|row| match row.place {
            Place::Written(_) => Some(row.origin),
            Place::Key(_) => None,
        }),
    );
    let ops: ScalarBuffer<u8> = rows.iter().map(|row| row.op as u8).collect();
    let every_row =
        rows.len() == batch.len() && rows.iter().enumerate().all(|(at, row)| row.origin == at);
    let (ordinals, transactions) = match every_row {
        true => (batch.ordinals().clone(), batch.transactions().to_vec()),
        false => histories(batch, rows),
    };
    let writes = program.writes.clone();
    ChangeBatch::try_new(writes, columns, ops, ordinals, transactions, presence).map_err(internal)
}

/// Deletes speak of nothing but the key.
fn keys_alone(program: &Program, rows: usize, blocks: &Blocks) -> Vec<ArrayRef> {
    let key = program.writes.key();
    let column = |(index, written): (usize, &ArrayRef)| {
        let of_key = key.iter().position(|&key| key == index).and_then(|at| blocks.keys.get(at));
        of_key.map_or_else(|| new_null_array(written.data_type(), rows), |key| key.slice(0, rows))
    };
    blocks.written.iter().enumerate().map(column).collect()
}

fn woven(
    program: &Program,
    rows: &[Row],
    blocks: &Blocks,
) -> std::result::Result<Vec<ArrayRef>, ArrowError> {
    let key = program.writes.key();
    let mut columns = Vec::with_capacity(blocks.written.len());
    for (index, written) in blocks.written.iter().enumerate() {
        let of_key = key.iter().position(|&key| key == index).and_then(|at| blocks.keys.get(at));
        // Deletes speak of nothing but the key.
        let null = new_null_array(written.data_type(), 1);
        let other: &dyn Array = of_key.map_or(null.as_ref(), AsRef::as_ref);
        let places: Vec<(usize, usize)> = rows
            .iter()
            .map(|row| match row.place {
                Place::Written(at) => (0, at),
                Place::Key(at) if of_key.is_some() => (1, at),
                Place::Key(_) => (1, 0),
            })
            .collect();
        columns.push(interleave(&[written.as_ref(), other], &places)?);
    }
    Ok(columns)
}

/// The ordinals and transactions of the rows' origins.
fn histories(batch: &ChangeBatch, rows: &[Row]) -> (ScalarBuffer<u32>, Vec<TransactionRun>) {
    let ordinals = batch.ordinals();
    let ordinals = rows.iter().filter_map(|row| ordinals.get(row.origin).copied()).collect();
    let of_row: Vec<&Transaction> = batch.row_transactions().collect();
    let mut runs: Vec<TransactionRun> = Vec::new();
    for transaction in rows.iter().filter_map(|row| of_row.get(row.origin)) {
        match runs.last_mut() {
            Some(last) if last.transaction == **transaction => last.rows += 1,
            _ => runs.push(TransactionRun { transaction: **transaction, rows: 1 }),
        }
    }
    (ordinals, runs)
}

fn internal(error: ArrowError) -> Error {
    Error::new(Kind::Internal, "the mapped rows do not fit together").caused_by(error)
}
