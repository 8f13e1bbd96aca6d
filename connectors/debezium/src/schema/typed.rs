//! The Arrow type and the form of a column, from Kafka Connect's schema.

use super::source_type::SourceType;
use super::{BytesForm, ConnectSchema, ConnectType, Structured, Unit, Wire, semantic as is};
use crate::{fault, settings::BinaryMode};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use syncline_core::Result;

/// A column's Arrow type, its form on the wire, and its type in the system's own words.
pub(crate) type Typed = (Wire, DataType, String);

const TIME: DataType = DataType::Time64(TimeUnit::Microsecond);
const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Finds them.
///
/// # Errors
/// `Config` where the connector sends the column in a form that loses something, with the setting
/// that does not.
pub(crate) fn typed(schema: &ConnectSchema, binary: BinaryMode) -> Result<Typed> {
    let source = SourceType::of(schema);
    let (wire, data_type, native) = match schema.meaning() {
        "" => literal(schema, &source, binary)?,
        is::CONNECT_DECIMAL => decimal(schema)?,
        _ => match of_time(schema, &source)? {
            Some(time) => time,
            None => of_data(schema, &source, binary)?,
        },
    };
    let native = if source.is_known() { source.native() } else { native };
    Ok((wire, data_type, native))
}

fn literal(schema: &ConnectSchema, source: &SourceType, binary: BinaryMode) -> Result<Typed> {
    let column = schema.field.as_str();
    let integer = |bits| Wire::Integer { bits };
    let named = |wire, data_type, native: &str| Ok((wire, data_type, native.to_owned()));
    match schema.kind {
        ConnectType::Int64 if source.is_unsigned_bigint() => Err(fault::lossy(
            column,
            "a signed number of 64 bits, and is unsigned",
            "set bigint.unsigned.handling.mode=precise",
        )),
        ConnectType::Double | ConnectType::Float if source.is_decimal() => Err(fault::lossy(
            column,
            "a floating-point number, and is a decimal",
            "set decimal.handling.mode=precise",
        )),
        ConnectType::String => string(column, source, binary),
        ConnectType::Int8 => named(integer(8), DataType::Int16, "smallint"),
        ConnectType::Int16 => named(integer(16), DataType::Int16, "smallint"),
        ConnectType::Int32 => named(integer(32), DataType::Int32, "integer"),
        ConnectType::Int64 => named(integer(64), DataType::Int64, "bigint"),
        ConnectType::Float => named(Wire::Float32, DataType::Float32, "real"),
        ConnectType::Double => named(Wire::Float64, DataType::Float64, "double precision"),
        ConnectType::Boolean => named(Wire::Boolean, DataType::Boolean, "boolean"),
        ConnectType::Bytes => named(Wire::Bytes(BytesForm::Base64), DataType::Binary, "bytea"),
        ConnectType::Array => array(schema, binary),
        ConnectType::Map | ConnectType::Struct => named(Wire::Document, DataType::Utf8, "json"),
    }
}

/// A plain text: of a text, or of something that is sent as one.
fn string(column: &str, source: &SourceType, binary: BinaryMode) -> Result<Typed> {
    if source.is_bytes() {
        let form = match binary {
            BinaryMode::Base64 => BytesForm::Base64,
            BinaryMode::Base64UrlSafe => BytesForm::Base64UrlSafe,
            BinaryMode::Hex => BytesForm::Hex,
            BinaryMode::Bytes => {
                return Err(fault::lossy(
                    column,
                    "a text, and holds bytes",
                    "set binary to the connector's binary.handling.mode, or that to bytes",
                ));
            }
        };
        return Ok((Wire::Bytes(form), DataType::Binary, "bytea".into()));
    }
    if !source.is_decimal() {
        return Ok((Wire::Text, DataType::Utf8, "text".into()));
    }
    Ok(match (source.length, source.scale.unwrap_or(0)) {
        (Some(length), scale) if source.fits_numeric() => match decimal_type(length, scale) {
            Some((precision, scale)) => (
                Wire::DecimalDigits { precision, scale },
                DataType::Decimal128(precision, scale),
                "numeric".into(),
            ),
            None => (Wire::Digits, DataType::Utf8, "numeric".into()),
        },
        _ => (Wire::Digits, DataType::Utf8, "numeric".into()),
    })
}

/// Precision and scale of the Decimal128 that holds all numbers of a `numeric`; a scale below zero,
/// or beyond the precision, needs more digits than the precision says.
fn decimal_type(precision: i64, scale: i64) -> Option<(u8, i8)> {
    let digits = precision.max(scale).max(precision.checked_sub(scale)?);
    let fits = (1..=38).contains(&digits);
    fits.then_some((u8::try_from(digits).ok()?, i8::try_from(scale.max(0)).ok()?))
}

fn array(schema: &ConnectSchema, binary: BinaryMode) -> Result<Typed> {
    let Some(items) = &schema.items else {
        return Err(fault::corrupt(
            format!("the schema of column \"{}\"", schema.field),
            "the schema of its elements",
            "none",
        ));
    };
    let items = ConnectSchema { field: schema.field.clone(), ..(**items).clone() };
    let (wire, _, native) = typed(&items, binary)?;
    Ok((Wire::Array(Box::new(wire)), DataType::Utf8, format!("{native}[]")))
}

fn decimal(schema: &ConnectSchema) -> Result<Typed> {
    let Some(sent) = schema.parameter::<i64>("scale") else {
        let part = format!("the schema of column \"{}\"", schema.field);
        return Err(fault::corrupt(part, "a decimal's scale", "none"));
    };
    let precision = schema.parameter::<i64>("connect.decimal.precision");
    let native = precision.map_or("numeric".into(), |digits| format!("numeric({digits},{sent})"));
    Ok(match precision.and_then(|digits| decimal_type(digits, sent)) {
        Some((precision, scale)) => {
            let data_type = DataType::Decimal128(precision, scale);
            (Wire::Decimal { precision, scale, sent }, data_type, native)
        }
        None => (Wire::WideDecimal { scale: sent }, DataType::Utf8, native),
    })
}

fn of_time(schema: &ConnectSchema, source: &SourceType) -> Result<Option<Typed>> {
    use Unit::{Microseconds, Milliseconds, Nanoseconds};
    let zoned = "timestamp with time zone";
    let (wire, data_type, native) = match schema.meaning() {
        is::DATE | is::CONNECT_DATE => (Wire::Date, DataType::Date32, "date"),
        is::ISO_DATE => (Wire::IsoDate, DataType::Date32, "date"),
        is::STRUCTURED_DATE => (Wire::Structured(Structured::Date), DataType::Date32, "date"),
        is::TIME => (Wire::Time(Milliseconds), TIME, "time(3)"),
        is::MICRO_TIME => (Wire::Time(Microseconds), TIME, "time"),
        is::NANO_TIME => (Wire::Time(Nanoseconds), TIME, "time(9)"),
        is::ISO_TIME => (Wire::IsoTime, TIME, "time"),
        is::STRUCTURED_TIME => (Wire::Structured(Structured::Time), TIME, "time"),
        is::TIMESTAMP => (Wire::Timestamp(Milliseconds), TIMESTAMP, "timestamp(3)"),
        is::MICRO_TIMESTAMP => (Wire::Timestamp(Microseconds), TIMESTAMP, "timestamp"),
        is::NANO_TIMESTAMP => (Wire::Timestamp(Nanoseconds), TIMESTAMP, "timestamp(9)"),
        is::ISO_TIMESTAMP => (Wire::IsoTimestamp, TIMESTAMP, "timestamp"),
        is::STRUCTURED_TIMESTAMP => {
            (Wire::Structured(Structured::Timestamp), TIMESTAMP, "timestamp")
        }
        is::ZONED_TIMESTAMP => (Wire::IsoTimestamp, utc(), zoned),
        is::STRUCTURED_ZONED_TIMESTAMP => (Wire::Structured(Structured::Zoned), utc(), zoned),
        is::ZONED_TIME => (Wire::Text, DataType::Utf8, "time with time zone"),
        is::CONNECT_TIME => {
            at_most_milliseconds(&schema.field, source)?;
            (Wire::Time(Milliseconds), TIME, "time(3)")
        }
        is::CONNECT_TIMESTAMP => {
            at_most_milliseconds(&schema.field, source)?;
            (Wire::Timestamp(Milliseconds), TIMESTAMP, "timestamp(3)")
        }
        is::INTERVAL => (Wire::Interval, INTERVAL, "interval"),
        is::STRUCTURED_DURATION => (Wire::Structured(Structured::Duration), INTERVAL, "interval"),
        is::MICRO_DURATION | is::NANO_DURATION => {
            let unit =
                if schema.meaning() == is::MICRO_DURATION { Microseconds } else { Nanoseconds };
            without_months(&schema.field, source)?;
            (Wire::Duration(unit), INTERVAL, "interval")
        }
        is::YEAR => (Wire::Integer { bits: 32 }, DataType::Int32, "year"),
        _ => return Ok(None),
    };
    Ok(Some((wire, data_type, native.into())))
}

/// Kafka Connect's own types cut to milliseconds: exact only where the column has no more.
fn at_most_milliseconds(column: &str, source: &SourceType) -> Result<()> {
    if source.fraction_digits().is_some_and(|digits| digits <= 3) {
        return Ok(());
    }
    Err(fault::lossy(
        column,
        "milliseconds, and may be finer",
        "set time.precision.mode=adaptive, or column.propagate.source.type to show that it is not",
    ))
}

/// A number of microseconds counts a month as 30 days and some hours.
fn without_months(column: &str, source: &SourceType) -> Result<()> {
    if source.is_day_interval() {
        return Ok(());
    }
    Err(fault::lossy(column, "a number, and may have months", "set interval.handling.mode=string"))
}

fn of_data(schema: &ConnectSchema, source: &SourceType, binary: BinaryMode) -> Result<Typed> {
    let text = |native: &str| (Wire::Text, DataType::Utf8, native.to_owned());
    Ok(match schema.meaning() {
        is::JSON => text("json"),
        is::XML => text("xml"),
        is::ENUM => text("enum"),
        is::ENUM_SET => text("set"),
        is::LTREE => text("ltree"),
        is::TSVECTOR => text("tsvector"),
        is::UUID => (Wire::Uuid, DataType::FixedSizeBinary(16), "uuid".into()),
        is::VARIABLE_SCALE_DECIMAL => (Wire::ScaledDecimal, DataType::Utf8, "numeric".into()),
        is::BITS => bits(schema, source)?,
        is::FLOAT_VECTOR | is::DOUBLE_VECTOR => (Wire::Document, DataType::Utf8, "vector".into()),
        is::SPARSE_VECTOR => (Wire::Document, DataType::Utf8, "sparsevec".into()),
        name if name.starts_with(is::GEOMETRY_PREFIX) => {
            (Wire::Document, DataType::Utf8, "geometry".into())
        }
        _ => literal(schema, source, binary)?,
    })
}

fn bits(schema: &ConnectSchema, source: &SourceType) -> Result<Typed> {
    let length = schema.parameter::<usize>("length").filter(|&length| length < i32::MAX as usize);
    match length {
        Some(length) if !source.is_bit_varying() => {
            Ok((Wire::Bits(length), DataType::Utf8, format!("bit({length})")))
        }
        _ => Err(fault::lossy(
            &schema.field,
            "bits without their number, and that varies",
            "leave it out by column.exclude.list: no setting sends it",
        )),
    }
}
