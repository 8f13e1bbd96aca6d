//! The form of a column in records without schema: from its Arrow type, its type in the system's own
//! words, and how the connector is set up.

use super::{BytesForm, Unit, Wire, base_and_arguments};
use crate::fault;
use crate::settings::{BinaryMode, DecimalMode, Settings, TimePrecision};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use syncline_core::{Column, Error, Kind, Result};

/// Finds it.
///
/// # Errors
/// `Config` where that form loses something, or the Arrow type is one that nothing is carried in.
pub(crate) fn given_wire(column: &Column, settings: &Settings) -> Result<Wire> {
    Ok(match &column.data_type {
        DataType::Boolean => Wire::Boolean,
        DataType::Int16 => Wire::Integer { bits: 16 },
        DataType::Int32 => Wire::Integer { bits: 32 },
        DataType::Int64 => Wire::Integer { bits: 64 },
        DataType::Float32 => Wire::Float32,
        DataType::Float64 => Wire::Float64,
        DataType::Decimal128(precision, scale) => {
            let (precision, scale) = (*precision, *scale);
            match decimals(column, settings)? {
                DecimalMode::String => Wire::DecimalDigits { precision, scale },
                _ => Wire::Decimal { precision, scale, sent: scale.into() },
            }
        }
        DataType::Date32 if settings.time == TimePrecision::IsoString => Wire::IsoDate,
        DataType::Date32 => Wire::Date,
        DataType::Time64(TimeUnit::Microsecond) => time(column, settings)?,
        DataType::Timestamp(TimeUnit::Microsecond, None) => timestamp(column, settings)?,
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => Wire::IsoTimestamp,
        DataType::Interval(IntervalUnit::MonthDayNano) => Wire::Interval,
        DataType::FixedSizeBinary(16) => Wire::Uuid,
        DataType::Binary => Wire::Bytes(bytes(settings)),
        DataType::Utf8 => text(column, settings)?,
        other => {
            return Err(Error::new(
                Kind::Config,
                format!("column \"{}\" has a type that no record has", column.name),
            )
            .detail(format!("its type is {other}")));
        }
    })
}

fn bytes(settings: &Settings) -> BytesForm {
    match settings.binary {
        BinaryMode::Bytes | BinaryMode::Base64 => BytesForm::Base64,
        BinaryMode::Base64UrlSafe => BytesForm::Base64UrlSafe,
        BinaryMode::Hex => BytesForm::Hex,
    }
}

fn decimals(column: &Column, settings: &Settings) -> Result<DecimalMode> {
    match settings.decimal {
        DecimalMode::Double => Err(fault::lossy(
            &column.name,
            "a floating-point number, and is a decimal",
            "set decimal.handling.mode=precise",
        )),
        exact => Ok(exact),
    }
}

/// Digits of the seconds' fraction; six where the type does not say.
fn fraction_digits(column: &Column) -> i64 {
    base_and_arguments(&column.native_type).1.first().copied().unwrap_or(6)
}

fn adaptive(column: &Column) -> Unit {
    match fraction_digits(column) {
        ..=3 => Unit::Milliseconds,
        4..=6 => Unit::Microseconds,
        _ => Unit::Nanoseconds,
    }
}

fn connect(column: &Column) -> Result<Unit> {
    if fraction_digits(column) <= 3 {
        return Ok(Unit::Milliseconds);
    }
    Err(fault::lossy(
        &column.name,
        "milliseconds, and is finer",
        "set time.precision.mode=adaptive",
    ))
}

fn time(column: &Column, settings: &Settings) -> Result<Wire> {
    Ok(Wire::Time(match settings.time {
        TimePrecision::Adaptive => adaptive(column),
        TimePrecision::AdaptiveTimeMicroseconds | TimePrecision::Microseconds => Unit::Microseconds,
        TimePrecision::Nanoseconds => Unit::Nanoseconds,
        TimePrecision::Connect => connect(column)?,
        TimePrecision::IsoString => return Ok(Wire::IsoTime),
    }))
}

fn timestamp(column: &Column, settings: &Settings) -> Result<Wire> {
    Ok(Wire::Timestamp(match settings.time {
        TimePrecision::Adaptive | TimePrecision::AdaptiveTimeMicroseconds => adaptive(column),
        TimePrecision::Microseconds => Unit::Microseconds,
        TimePrecision::Nanoseconds => Unit::Nanoseconds,
        TimePrecision::Connect => connect(column)?,
        TimePrecision::IsoString => return Ok(Wire::IsoTimestamp),
    }))
}

/// A text column: numbers that no Decimal128 holds, bit strings and arrays are sent as what they are.
fn text(column: &Column, settings: &Settings) -> Result<Wire> {
    let (base, arguments) = base_and_arguments(&column.native_type);
    if let Some(element) = base.strip_suffix("[]") {
        return element_wire(column, element).map(|wire| Wire::Array(Box::new(wire)));
    }
    Ok(match (base.as_str(), arguments.as_slice()) {
        ("numeric" | "decimal", [precision, scale]) => match decimals(column, settings)? {
            DecimalMode::String => Wire::Digits,
            _ if *precision > 0 => Wire::WideDecimal { scale: *scale },
            _ => Wire::ScaledDecimal,
        },
        ("numeric" | "decimal", [_]) => match decimals(column, settings)? {
            DecimalMode::String => Wire::Digits,
            _ => Wire::WideDecimal { scale: 0 },
        },
        ("numeric" | "decimal" | "number", _) => match decimals(column, settings)? {
            DecimalMode::String => Wire::Digits,
            _ => Wire::ScaledDecimal,
        },
        ("bit", [length]) => Wire::Bits(usize::try_from(*length).unwrap_or(0)),
        _ => Wire::Any,
    })
}

/// The elements of an array, by the name of their type.
fn element_wire(column: &Column, element: &str) -> Result<Wire> {
    Ok(match element {
        "smallint" | "int2" => Wire::Integer { bits: 16 },
        "integer" | "int4" => Wire::Integer { bits: 32 },
        "bigint" | "int8" | "oid" => Wire::Integer { bits: 64 },
        "boolean" | "bool" => Wire::Boolean,
        "real" | "float4" => Wire::Float32,
        "double precision" | "float8" => Wire::Float64,
        "uuid" => Wire::Uuid,
        "date" | "numeric" | "bytea" | "interval" => return Err(no_elements(column, element)),
        zone if zone.ends_with("with time zone") => Wire::Any,
        time if time.starts_with("time") => return Err(no_elements(column, element)),
        _ => Wire::Any,
    })
}

#[cold]
fn no_elements(column: &Column, element: &str) -> Error {
    Error::new(
        Kind::Config,
        format!("the elements of column \"{}\" can't be told without a schema", column.name),
    )
    .detail(format!("they are of type {element}"))
    .hint("set value.converter.schemas.enable=true")
}
