//! One value of a batch as JSON.

use super::columns::Form;
use crate::fault::beyond;
use crate::json::push_text;
use crate::value::{
    DATE_INFINITY, DATE_INFINITY_SENT, DATE_RANGE, Decimal, MICROS_PER_DAY, NUMERIC_NAN,
    TIMESTAMP_INFINITY, TIMESTAMP_INFINITY_SENT, interval_text, timestamp_text, to_little_endian,
    uuid_text,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::{Display, Write as _};
use syncline_core::Result;

/// Adds the value of a row, which is not NULL, of the column with this name.
///
/// # Errors
/// `Rejected` when Debezium's format has no exact form for it.
pub(super) fn push_value(
    out: &mut String,
    form: Form,
    array: &ArrayRef,
    row: usize,
    name: &str,
) -> Result<()> {
    match form {
        Form::Boolean => push(out, array.as_boolean().value(row)),
        Form::Integer => push_integer(out, array, row),
        Form::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            push_float(out, value.into(), format_args!("{value:?}"));
        }
        Form::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            push_float(out, value, format_args!("{value:?}"));
        }
        Form::Decimal(_) | Form::Digits(_) => push_decimal(out, form, array, row, name)?,
        Form::ScaledDecimal => push_scaled(out, array.as_string::<i32>().value(row), name)?,
        Form::Bits(length) => push_bits(out, array.as_string::<i32>().value(row), length, name)?,
        Form::Text => push_text(out, array.as_string::<i32>().value(row)),
        Form::Bytes => push_base64(out, array.as_binary::<i32>().value(row)),
        Form::Date => push(out, date(array.as_primitive::<Date32Type>().value(row), name)?),
        Form::Time => {
            push(out, time(array.as_primitive::<Time64MicrosecondType>().value(row), name)?);
        }
        Form::Timestamp => {
            let value = array.as_primitive::<TimestampMicrosecondType>().value(row);
            push(out, timestamp(value, name)?);
        }
        Form::Zoned => push_zoned(out, array.as_primitive::<TimestampMicrosecondType>().value(row)),
        Form::Interval => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            push(out, format_args!("\"{}\"", interval_text(value)));
        }
        Form::Uuid => {
            // The column's type is sixteen bytes wide.
            let bytes = array.as_fixed_size_binary().value(row).try_into().unwrap_or([0; 16]);
            push(out, format_args!("\"{}\"", uuid_text(&bytes)));
        }
    }
    Ok(())
}

fn push(out: &mut String, value: impl Display) {
    // Writing to a text can't fail.
    let _ = write!(out, "{value}");
}

fn push_base64(out: &mut String, bytes: &[u8]) {
    out.push('"');
    STANDARD.encode_string(bytes, out);
    out.push('"');
}

fn push_integer(out: &mut String, array: &ArrayRef, row: usize) {
    match array.data_type() {
        DataType::Int16 => push(out, array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => push(out, array.as_primitive::<Int32Type>().value(row)),
        _ => push(out, array.as_primitive::<Int64Type>().value(row)),
    }
}

/// A number that reads back as itself, or a word as Jackson writes it.
fn push_float(out: &mut String, value: f64, digits: impl Display) {
    match value {
        _ if value.is_nan() => out.push_str("\"NaN\""),
        f64::INFINITY => out.push_str("\"Infinity\""),
        f64::NEG_INFINITY => out.push_str("\"-Infinity\""),
        _ => push(out, digits),
    }
}

fn push_decimal(
    out: &mut String,
    form: Form,
    array: &ArrayRef,
    row: usize,
    name: &str,
) -> Result<()> {
    let value = array.as_primitive::<Decimal128Type>().value(row);
    match form {
        Form::Digits(_) if value == NUMERIC_NAN => out.push_str("\"NAN\""),
        Form::Digits(scale) => {
            push(out, format_args!("\"{}\"", Decimal::from_i128(value, scale).to_text()));
        }
        _ if value == NUMERIC_NAN => {
            return Err(beyond(name, "NaN is written where decimals are texts alone"));
        }
        // The bytes are of the unscaled number.
        _ => push_base64(out, &Decimal::from_i128(value, 0).to_bytes().0),
    }
    Ok(())
}

fn push_scaled(out: &mut String, digits: &str, name: &str) -> Result<()> {
    let decimal = Decimal::parse(digits).ok().filter(|decimal| decimal.to_text() == digits);
    let Some((bytes, scale)) = decimal.map(|decimal| decimal.to_bytes()) else {
        return Err(beyond(
            name,
            "what is no plain number is written where decimals are texts alone",
        ));
    };
    push(out, format_args!("{{\"scale\":{scale},\"value\":"));
    push_base64(out, &bytes);
    out.push('}');
    Ok(())
}

fn push_bits(out: &mut String, digits: &str, length: usize, name: &str) -> Result<()> {
    let Some(bytes) = to_little_endian(digits).filter(|_| digits.len() == length) else {
        return Err(beyond(
            name,
            "bit strings are written in as many binary digits as their type has",
        ));
    };
    push_base64(out, &bytes);
    Ok(())
}

fn date(days: i32, name: &str) -> Result<i32> {
    match days {
        _ if days == DATE_INFINITY.0 => Ok(DATE_INFINITY_SENT.0),
        _ if days == DATE_INFINITY.1 => Ok(DATE_INFINITY_SENT.1),
        _ if DATE_RANGE.contains(&days) => Ok(days),
        _ => Err(beyond(name, "dates are written from 4713 BC to 5874897")),
    }
}

fn time(micros: i64, name: &str) -> Result<i64> {
    if (0..=MICROS_PER_DAY).contains(&micros) {
        return Ok(micros);
    }
    Err(beyond(name, "times are written from 00:00 to 24:00"))
}

fn timestamp(micros: i64, name: &str) -> Result<i64> {
    let (forever, never) = TIMESTAMP_INFINITY_SENT;
    match micros {
        _ if micros == TIMESTAMP_INFINITY.0 => Ok(forever),
        _ if micros == TIMESTAMP_INFINITY.1 => Ok(never),
        _ if micros == forever || micros == never => {
            Err(beyond(name, "Debezium's format takes this time for infinity"))
        }
        _ => Ok(micros),
    }
}

fn push_zoned(out: &mut String, micros: i64) {
    match micros {
        _ if micros == TIMESTAMP_INFINITY.0 => out.push_str("\"infinity\""),
        _ if micros == TIMESTAMP_INFINITY.1 => out.push_str("\"-infinity\""),
        _ => push(out, format_args!("\"{}Z\"", timestamp_text(micros, 'T'))),
    }
}
