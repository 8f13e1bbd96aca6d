//! Values of a case as columns: typed by the catalog's column, never by how they look.

use crate::exact::{Exact, Zone};
use crate::sql_type;
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BinaryArray, Decimal128Array, StringArray, new_empty_array, new_null_array,
};
use arrow_cast::display::array_value_to_string;
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType};
use arrow_select::concat::concat;
use std::sync::Arc;
use syncline_core::Column;
use toml::Value;

/// The values of one column; `None` is NULL.
pub(super) fn column(column: &Column, values: &[Option<&Value>]) -> Result<ArrayRef, String> {
    if values.is_empty() {
        return Ok(new_empty_array(&column.data_type));
    }
    let parts = values
        .iter()
        .map(|value| match value {
            None => Ok(new_null_array(&column.data_type, 1)),
            Some(value) => one(column, value),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    concat(&parts).map_err(|error| error.to_string())
}

/// A value as text, to compare and to show. Values of one type have the same text where they are
/// the same.
pub(super) fn shown(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "NULL".to_owned();
    }
    // Our own text form knows NaN and infinity; Arrow's knows lists.
    let own = Zone::parse("UTC").and_then(|utc| {
        let text = Exact::Text(utc).convert(&array.slice(row, 1)).ok()?;
        Some(text.as_string::<i32>().value(0).to_owned())
    });
    own.or_else(|| array_value_to_string(array, row).ok()).unwrap_or_else(|| "?".to_owned())
}

fn one(column: &Column, value: &Value) -> Result<ArrayRef, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Table(_) => {
            return Err(format!("column \"{}\": write the value as a text", column.name));
        }
        other => other.to_string(),
    };
    nan(&column.data_type, &text).map_or_else(
        || {
            parse(&column.data_type, &text).map_err(|_| {
                let name = &column.native_type;
                format!("column \"{}\": {text:?} is not a valid {name}", column.name)
            })
        },
        Ok,
    )
}

fn parse(data_type: &DataType, text: &str) -> Result<ArrayRef, ArrowError> {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![text]));
    match data_type {
        DataType::Utf8 => Ok(texts),
        DataType::FixedSizeBinary(16) => {
            Exact::Uuid.convert(&texts).map_err(|error| ArrowError::CastError(error.to_string()))
        }
        DataType::Date32 | DataType::Timestamp(..) => {
            let utc = Zone::parse("UTC").ok_or_else(|| ArrowError::CastError(String::new()))?;
            Exact::Moment(data_type.clone(), utc)
                .convert(&texts)
                .map_err(|error| ArrowError::CastError(error.to_string()))
        }
        DataType::Binary => {
            let bytes = text.strip_prefix("\\x").and_then(bytes);
            let bytes = bytes.ok_or_else(|| ArrowError::CastError(String::new()))?;
            Ok(Arc::new(BinaryArray::from(vec![bytes.as_slice()])))
        }
        other => {
            cast_with_options(&texts, other, &CastOptions { safe: false, ..CastOptions::default() })
        }
    }
}

/// NaN, for which `numeric` reserves a value.
fn nan(data_type: &DataType, text: &str) -> Option<ArrayRef> {
    match data_type {
        DataType::Decimal128(precision, scale) if text.eq_ignore_ascii_case("nan") => {
            let nan = Decimal128Array::from(vec![i128::MAX]);
            Some(Arc::new(nan.with_precision_and_scale(*precision, *scale).ok()?))
        }
        _ => None,
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    pairs
        .remainder()
        .is_empty()
        .then(|| pairs.map(|pair| pair.iter().fold(0, |b, d| b * 16 + d)).collect())
}

/// The SQL name of a column's type, for messages.
pub(super) fn type_name(column: &Column) -> String {
    sql_type::name(&column.data_type)
}
