//! Why a value has no place in its column.

use crate::{fault, json::Shape};
use serde_json::value::RawValue;
use syncline_core::Error;

/// Says nothing of the value itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Not what the column's type is written as; what it should have been.
    Malformed(&'static str),
    /// A real value that the Arrow type can't hold; what it can.
    Beyond(&'static str),
}

impl Unfit {
    /// As an error of a column.
    #[cold]
    pub(crate) fn of_column(self, column: &str, raw: &RawValue) -> Error {
        match self {
            Self::Malformed(expected) => {
                let found = match Shape::of(raw) {
                    Shape::Null => "null".to_owned(),
                    shape => format!("{shape} that is none"),
                };
                fault::corrupt(format!("column \"{column}\""), expected, found)
            }
            Self::Beyond(held) => fault::beyond(column, held),
        }
    }
}
