//! Where a program's inputs are in a batch: found by name, once for each revision of its schema.

use super::program::{Input, Program};
use crate::sql_type;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use syncline_core::{ChangeBatch, Error, Kind, Result, TableSchema};

/// How many schemas are remembered: the present one, and those of batches still on their way.
const SCHEMAS_KEPT: usize = 4;

/// For each input, the index of its column in the batch.
pub(super) type Places = Arc<[usize]>;

/// The schemas met so far, the latest first.
#[derive(Debug, Default)]
pub(super) struct Bindings(Mutex<VecDeque<(Arc<TableSchema>, Places)>>);

impl Bindings {
    /// Where the inputs are in batches of this schema.
    ///
    /// # Errors
    /// `Config` when a column that is used is gone or has another type.
    pub(super) fn places(
        &self,
        mapping: &str,
        inputs: &[Input],
        schema: &Arc<TableSchema>,
    ) -> Result<Places> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let met = known.iter().find(|(met, _)| Arc::ptr_eq(met, schema) || met == schema);
        if let Some((_, places)) = met {
            return Ok(places.clone());
        }
        let places: Places = bind(mapping, inputs, schema)?.into();
        known.push_front((schema.clone(), places.clone()));
        known.truncate(SCHEMAS_KEPT);
        Ok(places)
    }
}

/// The program's input columns of a batch.
pub(super) fn input(
    program: &Program,
    places: &[usize],
    batch: &ChangeBatch,
) -> Result<RecordBatch> {
    let values = batch.columns();
    let mut columns: Vec<ArrayRef> =
        places.iter().map(|&place| values.column(place).clone()).collect();
    if program.reads_commit_time {
        let times = batch.row_transactions().map(|transaction| transaction.committed_at);
        let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
        columns.push(Arc::new(times));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
    RecordBatch::try_new_with_options(program.schema.clone(), columns, &options).map_err(|error| {
        Error::new(Kind::Internal, "a batch's columns are not as its schema says").caused_by(error)
    })
}

fn bind(mapping: &str, inputs: &[Input], schema: &TableSchema) -> Result<Vec<usize>> {
    let mut places = Vec::with_capacity(inputs.len());
    let mut changes = Vec::new();
    for input in inputs {
        let place = schema.index_of(&input.name);
        let found = place.and_then(|place| schema.columns().get(place));
        match (place, found) {
            (Some(place), Some(found)) if found.data_type == input.data_type => places.push(place),
            (_, Some(found)) => changes.push(format!(
                "column \"{}\" is {} now, and was {}",
                input.name,
                found.native_type,
                sql_type::name(&input.data_type)
            )),
            _ => changes.push(format!("column \"{}\" is gone", input.name)),
        }
    }
    if changes.is_empty() {
        return Ok(places);
    }
    let (name, revision) = (schema.name(), schema.revision());
    let message = format!("mapping {mapping} no longer fits {name} (schema {revision})");
    let hint = "run syncline lock, change the mapping as syncline check says, and start again";
    Err(Error::new(Kind::Config, message).detail(changes.join("; ")).hint(hint))
}
