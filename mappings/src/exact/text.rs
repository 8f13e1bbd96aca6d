//! Values as PostgreSQL writes them in text, and uuids from it.

use super::{Refusal, Zone, typed};
use crate::sql_type;
use arrow_array::builder::{FixedSizeBinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, FixedSizeBinaryArray, StringArray};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Timelike};
use datafusion::common::Result;
use std::fmt::Write;
use std::sync::Arc;

/// A column as text.
pub(super) fn to_text(input: &ArrayRef, zone: &Zone) -> Result<ArrayRef> {
    match input.data_type() {
        DataType::Utf8 => Ok(input.clone()),
        DataType::Boolean => {
            let values = input.as_boolean();
            write_all(input, |row, out| {
                out.write_str(if values.value(row) { "true" } else { "false" })
            })
        }
        DataType::Int16 => primitives::<Int16Type>(input, |value, out| write!(out, "{value}")),
        DataType::Int32 => primitives::<Int32Type>(input, |value, out| write!(out, "{value}")),
        DataType::Int64 => primitives::<Int64Type>(input, |value, out| write!(out, "{value}")),
        DataType::Float32 => primitives::<Float32Type>(input, |value, out| {
            write_float(out, value.is_finite().then(|| format!("{value:e}")), value.into(), 6)
        }),
        DataType::Float64 => primitives::<Float64Type>(input, |value, out| {
            write_float(out, value.is_finite().then(|| format!("{value:e}")), value, 15)
        }),
        DataType::Decimal128(_, scale) => {
            let scale = usize::from(scale.unsigned_abs());
            primitives::<Decimal128Type>(input, |value, out| write_decimal(out, value, scale))
        }
        DataType::Date32 => primitives::<Date32Type>(input, |day, out| write_date(out, day)),
        DataType::Time64(TimeUnit::Microsecond) => {
            primitives::<Time64MicrosecondType>(input, |time, out| write_clock(out, time))
        }
        DataType::Timestamp(TimeUnit::Microsecond, at) => {
            let zone = at.as_ref().map(|_| zone);
            primitives::<TimestampMicrosecondType>(input, |time, out| write_time(out, time, zone))
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            primitives::<IntervalMonthDayNanoType>(input, |span, out| write_interval(out, span))
        }
        DataType::FixedSizeBinary(16) => {
            let values: &FixedSizeBinaryArray = typed(input)?;
            write_all(input, |row, out| write_uuid(out, values.value(row)))
        }
        DataType::Binary => {
            let values = input.as_binary::<i32>();
            write_all(input, |row, out| {
                out.write_str("\\x")?;
                write_hex(out, values.value(row))
            })
        }
        other => {
            Err(Refusal::new(format!("{} has no text form here", sql_type::name(other))).into())
        }
    }
}

/// A column as its type's output function writes it.
pub(super) fn to_output(input: &ArrayRef, zone: &Zone) -> Result<ArrayRef> {
    let DataType::Boolean = input.data_type() else { return to_text(input, zone) };
    let values = input.as_boolean();
    write_all(input, |row, out| out.write_str(if values.value(row) { "t" } else { "f" }))
}

/// Integers in hexadecimal digits, as the `to_hex` of int4 or int8 writes them.
pub(super) fn to_hex(input: &ArrayRef) -> Result<ArrayRef> {
    match input.data_type() {
        DataType::Int32 => primitives::<Int32Type>(input, |number, out| write!(out, "{number:x}")),
        _ => primitives::<Int64Type>(input, |number, out| write!(out, "{number:x}")),
    }
}

/// A column of texts as uuids: hexadecimal digits, with hyphens and braces as PostgreSQL takes
/// them.
pub(super) fn to_uuid(input: &ArrayRef) -> Result<ArrayRef> {
    let texts: &StringArray = typed(input)?;
    let mut uuids = FixedSizeBinaryBuilder::with_capacity(texts.len(), 16);
    for text in texts {
        match text.map(read_uuid) {
            None => uuids.append_null(),
            Some(Some(uuid)) => uuids.append_value(uuid)?,
            Some(None) => return Err(Refusal::new("a text is not a uuid").into()),
        }
    }
    Ok(Arc::new(uuids.finish()))
}

fn read_uuid(text: &str) -> Option<[u8; 16]> {
    let text = text.trim();
    let inner = text.strip_prefix('{').map_or(Some(text), |rest| rest.strip_suffix('}'))?;
    let mut uuid = [0_u8; 16];
    let mut digits = inner.chars().filter(|&c| c != '-').map(|c| c.to_digit(16));
    for byte in &mut uuid {
        let (high, low) = (digits.next()??, digits.next()??);
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    digits.next().is_none().then_some(uuid)
}

/// Why a single value could not be written: `fmt::Error` stands for "out of range".
fn write_all(
    input: &ArrayRef,
    mut write: impl FnMut(usize, &mut StringBuilder) -> std::fmt::Result,
) -> Result<ArrayRef> {
    let mut texts = StringBuilder::with_capacity(input.len(), input.len() * 8);
    for row in 0..input.len() {
        if input.is_null(row) {
            texts.append_null();
            continue;
        }
        write(row, &mut texts).map_err(|_| {
            let name = sql_type::name(input.data_type());
            Refusal::new(format!("a value of {name} is out of range for text"))
        })?;
        texts.append_value("");
    }
    Ok(Arc::new(texts.finish()))
}

fn primitives<T: ArrowPrimitiveType>(
    input: &ArrayRef,
    mut write: impl FnMut(T::Native, &mut StringBuilder) -> std::fmt::Result,
) -> Result<ArrayRef> {
    let values = input.as_primitive::<T>();
    write_all(input, |row, out| write(values.value(row), out))
}

/// The shortest digits that read back as the same float, laid out as PostgreSQL does: scientific
/// from `digits_max` digits before the point on, and below 0.0001.
fn write_float(
    out: &mut StringBuilder,
    scientific: Option<String>,
    value: f64,
    digits_max: i32,
) -> std::fmt::Result {
    let Some(scientific) = scientific else {
        return out.write_str(if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        });
    };
    let (digits, exponent) = scientific.split_once('e').ok_or(std::fmt::Error)?;
    let exponent: i32 = exponent.parse().map_err(|_| std::fmt::Error)?;
    if (-4..digits_max).contains(&exponent) {
        // Rust writes plain floats without an exponent, in their shortest digits.
        return write_plain(out, digits, exponent);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    write!(out, "{digits}e{sign}{:02}", exponent.unsigned_abs())
}

fn write_plain(out: &mut StringBuilder, digits: &str, exponent: i32) -> std::fmt::Result {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let digits = digits.replace('.', "");
    out.write_str(sign)?;
    if exponent < 0 {
        let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
        return write!(out, "0.{}{digits}", "0".repeat(zeros));
    }
    let whole = usize::try_from(exponent).unwrap_or(0) + 1;
    if digits.len() <= whole {
        return write!(out, "{digits}{}", "0".repeat(whole - digits.len()));
    }
    let (before, after) = digits.split_at(whole);
    write!(out, "{before}.{after}")
}

fn write_decimal(out: &mut StringBuilder, value: i128, scale: usize) -> std::fmt::Result {
    if value == i128::MAX {
        return out.write_str("NaN");
    }
    let sign = if value < 0 { "-" } else { "" };
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let point = if scale == 0 { "" } else { "." };
    write!(out, "{sign}{whole}{point}{fraction}")
}

fn write_date(out: &mut StringBuilder, day: i32) -> std::fmt::Result {
    match day {
        i32::MAX => out.write_str("infinity"),
        i32::MIN => out.write_str("-infinity"),
        day => {
            let epoch = NaiveDate::default();
            let date = epoch.checked_add_signed(TimeDelta::days(day.into()));
            let date = date.ok_or(std::fmt::Error)?;
            write_day(out, date)?;
            write_era(out, date.year())
        }
    }
}

fn write_time(out: &mut StringBuilder, time: i64, zone: Option<&Zone>) -> std::fmt::Result {
    match time {
        i64::MAX => return out.write_str("infinity"),
        i64::MIN => return out.write_str("-infinity"),
        _ => {}
    }
    let offset = match zone {
        Some(zone) => Some(zone.offset_seconds(time).ok_or(std::fmt::Error)?),
        None => None,
    };
    let local = time.checked_add(i64::from(offset.unwrap_or(0)) * 1_000_000);
    let local = local.and_then(DateTime::from_timestamp_micros).ok_or(std::fmt::Error)?;
    write_day(out, local.date_naive())?;
    out.write_char(' ')?;
    let seconds = i64::from(local.num_seconds_from_midnight());
    write_clock(out, seconds * 1_000_000 + i64::from(local.timestamp_subsec_micros()))?;
    if let Some(offset) = offset {
        write_offset(out, offset)?;
    }
    write_era(out, local.year())
}

fn write_offset(out: &mut StringBuilder, seconds: i32) -> std::fmt::Result {
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.unsigned_abs();
    write!(out, "{sign}{:02}", seconds / 3600)?;
    if !seconds.is_multiple_of(3600) {
        write!(out, ":{:02}", seconds / 60 % 60)?;
    }
    if !seconds.is_multiple_of(60) {
        write!(out, ":{:02}", seconds % 60)?;
    }
    Ok(())
}

/// Years before the first are counted from 1 BC back, without a year 0.
fn write_day(out: &mut StringBuilder, date: NaiveDate) -> std::fmt::Result {
    let year = if date.year() > 0 { date.year() } else { 1 - date.year() };
    write!(out, "{year:04}-{:02}-{:02}", date.month(), date.day())
}

fn write_era(out: &mut StringBuilder, year: i32) -> std::fmt::Result {
    if year > 0 { Ok(()) } else { out.write_str(" BC") }
}

fn write_clock(out: &mut StringBuilder, micros: i64) -> std::fmt::Result {
    let seconds = micros / 1_000_000;
    write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
    write_fraction(out, micros % 1_000_000)
}

fn write_fraction(out: &mut StringBuilder, micros: i64) -> std::fmt::Result {
    if micros == 0 {
        return Ok(());
    }
    write!(out, ".{}", format!("{micros:06}").trim_end_matches('0'))
}

/// An interval as `IntervalStyle = postgres` writes it.
fn write_interval(out: &mut StringBuilder, span: IntervalMonthDayNano) -> std::fmt::Result {
    let parts = [
        (i64::from(span.months / 12), "year"),
        (i64::from(span.months % 12), "mon"),
        (i64::from(span.days), "day"),
    ];
    let micros = span.nanoseconds / 1000;
    let (mut first, mut after_negative) = (true, false);
    for (count, name) in parts.into_iter().filter(|(count, _)| *count != 0) {
        let gap = if first { "" } else { " " };
        let sign = if after_negative && count > 0 { "+" } else { "" };
        let plural = if count == 1 { "" } else { "s" };
        write!(out, "{gap}{sign}{count} {name}{plural}")?;
        (first, after_negative) = (false, count < 0);
    }
    if micros != 0 || first {
        let gap = if first { "" } else { " " };
        let sign = match micros < 0 {
            true => "-",
            false if after_negative => "+",
            false => "",
        };
        write!(out, "{gap}{sign}")?;
        write_clock(out, i64::try_from(micros.unsigned_abs()).map_err(|_| std::fmt::Error)?)?;
    }
    Ok(())
}

fn write_uuid(out: &mut StringBuilder, bytes: &[u8]) -> std::fmt::Result {
    for (place, byte) in bytes.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            out.write_char('-')?;
        }
        write!(out, "{byte:02x}")?;
    }
    Ok(())
}

fn write_hex(out: &mut StringBuilder, bytes: &[u8]) -> std::fmt::Result {
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
}
