//! Evaluates an expression over rows, so that a row that fails takes no other with it.

use crate::expression::reason;
use arrow_array::{ArrayRef, RecordBatch, new_empty_array, new_null_array};
use arrow_schema::DataType;
use arrow_select::concat::concat;
use datafusion::physical_expr::PhysicalExpr;
use std::sync::Arc;
use syncline_core::{Error, Kind, Result};

/// A column of values, and the rows that have none and why.
#[derive(Debug)]
pub(crate) struct Values {
    /// One a row; null where the row failed.
    pub(crate) array: ArrayRef,
    pub(crate) failures: Vec<Failure>,
}

/// A row that has no value.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) row: usize,
    pub(crate) reason: String,
}

/// The values of all rows.
pub(crate) fn values(
    expr: &Arc<dyn PhysicalExpr>,
    rows: &RecordBatch,
    data_type: &DataType,
) -> Result<Values> {
    if rows.num_rows() == 0 {
        return Ok(Values { array: new_empty_array(data_type), failures: Vec::new() });
    }
    if let Some(array) = whole(expr, rows) {
        return Ok(Values { array, failures: Vec::new() });
    }
    let mut isolation = Isolation { expr, data_type, pieces: Vec::new(), failures: Vec::new() };
    isolation.run(rows, 0);
    let pieces: Vec<&dyn arrow_array::Array> = isolation.pieces.iter().map(AsRef::as_ref).collect();
    let array = concat(&pieces).map_err(|error| {
        Error::new(Kind::Internal, "values of one expression have several types").caused_by(error)
    })?;
    Ok(Values { array, failures: isolation.failures })
}

fn whole(expr: &Arc<dyn PhysicalExpr>, rows: &RecordBatch) -> Option<ArrayRef> {
    expr.evaluate(rows).and_then(|value| value.into_array(rows.num_rows())).ok()
}

/// Halves what fails until the rows that fail stand alone. What is evaluated together and
/// succeeds is never evaluated in other company, since that could fail again: an operand that is
/// skipped for one row alone may be computed for a row among others.
struct Isolation<'a> {
    expr: &'a Arc<dyn PhysicalExpr>,
    data_type: &'a DataType,
    pieces: Vec<ArrayRef>,
    failures: Vec<Failure>,
}

impl Isolation<'_> {
    fn run(&mut self, rows: &RecordBatch, start: usize) {
        let count = rows.num_rows();
        if let Some(array) = whole(self.expr, rows) {
            self.pieces.push(array);
        } else if count == 1 {
            self.pieces.push(new_null_array(self.data_type, 1));
            self.failures.push(Failure { row: start, reason: reason(self.expr, rows) });
        } else {
            let half = count / 2;
            self.run(&rows.slice(0, half), start);
            self.run(&rows.slice(half, count - half), start + half);
        }
    }
}
