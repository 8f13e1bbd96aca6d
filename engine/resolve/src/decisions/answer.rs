//! What a person says: a value for each field that is decided as one.

use crate::policy::{parse_set, write_set};
use crate::{Unit, text};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use syncline_core::{Column, TableSchema};

/// An answer to a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// A text for each field of the unit, in its order; none for NULL. Of existence: `true` or
    /// `false`.
    pub values: Vec<Option<String>>,
    /// The source whose word it is, where a person took one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<String>,
}

/// Why a text is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is not a value for each field.
    #[error("{found} values for {needed} fields")]
    Count {
        /// How many there are.
        found: usize,
        /// How many fields there are.
        needed: usize,
    },
    /// A text is no value of its field's type.
    #[error("{field} is {native_type}")]
    Type {
        /// The field.
        field: String,
        /// Its type.
        native_type: String,
    },
}

impl Answer {
    /// The answer with its texts as they are written for their types, ready to be kept.
    ///
    /// # Errors
    /// When it is none on the unit.
    pub fn checked(self, schema: &TableSchema, unit: &Unit) -> Result<Self, Refused> {
        let (found, needed) = (self.values.len(), unit.columns.len());
        if found != needed {
            return Err(Refused::Count { found, needed });
        }
        let columns = unit.columns.iter().filter_map(|&column| schema.columns().get(column));
        let checked = |(value, column): (Option<String>, &Column)| match value {
            Some(value) => normal(column, &value).map(Some).ok_or_else(|| Refused::Type {
                field: column.name.clone(),
                native_type: column.native_type.clone(),
            }),
            None => Ok(None),
        };
        let values = self.values.into_iter().zip(columns).map(checked).collect::<Result<_, _>>()?;
        Ok(Self { values, took: self.took })
    }
}

/// The text as it is written for a column's type; none where it is no value of it.
fn normal(column: &Column, text: &str) -> Option<String> {
    let native = column.native_type.as_str();
    let is_json = matches!(native, "json" | "jsonb");
    if is_json && serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return None;
    }
    if native.ends_with("[]") && !(text.starts_with('{') && text.ends_with('}')) {
        return None;
    }
    if longest(native).is_some_and(|most| text.chars().count() > most) {
        return None;
    }
    text::write(column, &text::read(column, text)?).ok()
}

/// How many characters a value of `varchar(n)` and its like may have.
fn longest(native_type: &str) -> Option<usize> {
    let (name, rest) = native_type.split_once('(')?;
    let is_text = ["varchar", "character varying", "char", "character"].contains(&name);
    rest.strip_suffix(')').filter(|_| is_text)?.parse().ok()
}

/// Every element of some arrays of text, as an array; none where one of them is no array in one
/// dimension.
#[must_use]
pub fn all_elements<'t>(arrays: impl IntoIterator<Item = &'t str>) -> Option<String> {
    let sets = arrays.into_iter().map(parse_set).collect::<Option<Vec<_>>>()?;
    let all: BTreeSet<String> = sets.into_iter().flatten().collect();
    Some(write_set(&all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::DataType;

    fn normal_of(native_type: &str, data_type: DataType, text: &str) -> Option<String> {
        let column = Column {
            name: "x".into(),
            id: 0,
            data_type,
            native_type: native_type.into(),
            nullable: true,
            has_default: false,
            generated: false,
        };
        normal(&column, text)
    }

    #[test]
    fn a_value_is_written_in_one_way_or_refused() {
        let text = |native_type, value| normal_of(native_type, DataType::Utf8, value);
        assert_eq!(text("varchar(3)", "äbc").as_deref(), Some("äbc"));
        assert_eq!(text("varchar(3)", "äbcd"), None);
        assert_eq!(text("jsonb", "{\"a\": 1}").as_deref(), Some("{\"a\": 1}"));
        assert_eq!(text("jsonb", "{a: 1}"), None);
        assert_eq!(text("text[]", "en"), None);
        let number = normal_of("numeric(5,2)", DataType::Decimal128(5, 2), "1.5");
        assert_eq!(number.as_deref(), Some("1.50"));
        assert_eq!(normal_of("integer", DataType::Int32, "007").as_deref(), Some("7"));
        assert_eq!(normal_of("integer", DataType::Int32, "seven"), None);
    }

    #[test]
    fn both_arrays_are_one() {
        assert_eq!(all_elements(["{b,a}", "{a,\"c d\"}"]).as_deref(), Some("{a,b,\"c d\"}"));
        assert_eq!(all_elements(["{a}", "a"]), None);
    }
}
