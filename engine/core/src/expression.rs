//! The contract of what computes a field from what its sources say.

use crate::{Column, Error, Kind, Result, SystemName};
use arrow_array::{ArrayRef, new_null_array};
use arrow_schema::DataType;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

/// Makes expressions ready.
pub trait Expressions: Debug + Send + Sync {
    /// An expression over columns of the field's type, one a source by its name; its values are of the
    /// field's type too.
    ///
    /// # Errors
    /// `Config` when it can't be understood, or is not a pure function of its row.
    fn expression(
        &self,
        text: &str,
        sources: &[SystemName],
        field: &Column,
    ) -> Result<Arc<dyn Expression>>;
}

/// An expression that is ready.
pub trait Expression: Debug + Send + Sync {
    /// What it comes to in each of so many rows; the columns are in the order of its sources.
    ///
    /// Invariant: what a row comes to depends on that row alone, whichever others stand beside it.
    fn values(&self, rows: usize, columns: &[ArrayRef]) -> Computed;
}

/// What an expression came to.
#[derive(Debug, Clone)]
pub struct Computed {
    /// A value a row; NULL where there is none.
    pub values: ArrayRef,
    /// Why rows have no value, by row. Names types, never values.
    pub failures: BTreeMap<usize, String>,
}

/// Stands for an expression that can't be made ready: it fails for every row.
#[derive(Debug, Clone)]
pub struct LostExpression {
    /// The field's type.
    pub data_type: DataType,
    /// Why it can't.
    pub reason: String,
}

impl Expression for LostExpression {
    fn values(&self, rows: usize, _: &[ArrayRef]) -> Computed {
        let values = new_null_array(&self.data_type, rows);
        Computed { values, failures: (0..rows).map(|row| (row, self.reason.clone())).collect() }
    }
}

/// Knows no expression.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoExpressions;

impl Expressions for NoExpressions {
    fn expression(
        &self,
        text: &str,
        _: &[SystemName],
        field: &Column,
    ) -> Result<Arc<dyn Expression>> {
        let name = &field.name;
        Err(Error::new(Kind::Config, format!("nothing here can compute {name}")).detail(text))
    }
}
