//! What can be wrong with a record, as errors. None holds a row's value.

use std::fmt::Display;
use syncline_core::{Error, Kind};

/// The record is not in Debezium's format.
#[cold]
pub(crate) fn corrupt(part: impl Display, expected: impl Display, found: impl Display) -> Error {
    Error::new(Kind::Corrupt, format!("{part} is not as Debezium writes it"))
        .detail(format!("expected {expected}, found {found}"))
}

/// The connector sends a column in a form that loses something; `setting` is what keeps it.
#[cold]
pub(crate) fn lossy(column: &str, sent_as: impl Display, setting: impl Display) -> Error {
    Error::new(Kind::Config, format!("column \"{column}\" is not sent exactly"))
        .detail(format!("it is sent as {sent_as}"))
        .hint(format!("{setting}"))
}

/// A real value has no exact place in its column.
#[cold]
pub(crate) fn beyond(column: &str, why: impl Display) -> Error {
    Error::new(Kind::Rejected, format!("a value of column \"{column}\" can't be carried exactly"))
        .detail(format!("{why}"))
}
