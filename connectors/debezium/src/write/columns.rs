//! How each column of a batch is written: its schema, and the form of its values.

use crate::schema::{
    ConnectType, PARAMETER_LENGTH, PARAMETER_OWN_COLUMN, PARAMETER_OWN_TYPE, PARAMETER_SCALE,
    PARAMETER_TYPE, base_and_arguments, semantic as is,
};
use crate::settings::DecimalMode;
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use syncline_core::{Column, Error, Kind, Result};

/// The form of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Boolean,
    Integer,
    Float32,
    Float64,
    /// Two's complement in base64.
    Decimal(i8),
    /// Digits as text; a word for NaN.
    Digits(i8),
    /// Digits of a text column, with their scale.
    ScaledDecimal,
    /// So many bits, the lowest first, in base64.
    Bits(usize),
    Text,
    Bytes,
    Date,
    Time,
    Timestamp,
    Zoned,
    Interval,
    Uuid,
}

impl Form {
    /// Whether the placeholder can stand for a value: its schema is that of a text or of bytes.
    pub(super) fn has_placeholder(self) -> bool {
        matches!(self, Self::Text | Self::Bytes)
    }

    /// What fills a column that can't be NULL, where an image before does not speak of it. It is
    /// named in `source.absent`.
    pub(super) fn filling(self) -> &'static str {
        match self {
            Self::Boolean => "false",
            Self::Integer | Self::Date | Self::Time | Self::Timestamp => "0",
            Self::Float32 | Self::Float64 => "0.0",
            Self::Decimal(_) | Self::Bits(_) => "\"AA==\"",
            Self::Digits(_) => "\"0\"",
            Self::ScaledDecimal => "{\"scale\":0,\"value\":\"AA==\"}",
            Self::Text | Self::Bytes => "\"\"",
            Self::Zoned => "\"1970-01-01T00:00:00Z\"",
            Self::Interval => "\"P0Y0M0DT0H0M0S\"",
            Self::Uuid => "\"00000000-0000-0000-0000-000000000000\"",
        }
    }
}

/// A column's form, and its schema as JSON.
pub(super) fn column(column: &Column, decimals: DecimalMode) -> Result<(Form, String)> {
    let (form, kind, name) = form(column, decimals)?;
    let mut parameters = vec![(PARAMETER_OWN_TYPE, column.native_type.clone())];
    parameters.extend(source_type(column));
    parameters.extend(own_marks(column));
    if let (Form::Decimal(scale), DataType::Decimal128(precision, _)) = (form, &column.data_type) {
        parameters.push(("scale", scale.to_string()));
        parameters.push(("connect.decimal.precision", precision.to_string()));
    }
    if let Form::Bits(length) = form {
        parameters.push(("length", length.to_string()));
    }
    let parameters: serde_json::Map<String, serde_json::Value> =
        parameters.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect();
    let mut schema = serde_json::json!({
        "type": kind.as_str(),
        "optional": column.nullable,
        "parameters": parameters,
        "field": column.name,
    });
    if let Some(name) = name {
        schema["name"] = name.into();
        schema["version"] = 1.into();
    }
    if form == Form::ScaledDecimal {
        schema["fields"] = serde_json::json!([
            {"type": "int32", "optional": false, "field": "scale"},
            {"type": "bytes", "optional": false, "field": "value"},
        ]);
    }
    Ok((form, schema.to_string()))
}

fn form(
    column: &Column,
    decimals: DecimalMode,
) -> Result<(Form, ConnectType, Option<&'static str>)> {
    use ConnectType as C;
    let exact = decimals == DecimalMode::Precise;
    Ok(match &column.data_type {
        DataType::Boolean => (Form::Boolean, C::Boolean, None),
        DataType::Int16 => (Form::Integer, C::Int16, None),
        DataType::Int32 => (Form::Integer, C::Int32, None),
        DataType::Int64 => (Form::Integer, C::Int64, None),
        DataType::Float32 => (Form::Float32, C::Float, None),
        DataType::Float64 => (Form::Float64, C::Double, None),
        DataType::Decimal128(_, scale) if exact => {
            (Form::Decimal(*scale), C::Bytes, Some(is::CONNECT_DECIMAL))
        }
        DataType::Decimal128(_, scale) => (Form::Digits(*scale), C::String, None),
        DataType::Date32 => (Form::Date, C::Int32, Some(is::DATE)),
        DataType::Time64(TimeUnit::Microsecond) => (Form::Time, C::Int64, Some(is::MICRO_TIME)),
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            (Form::Timestamp, C::Int64, Some(is::MICRO_TIMESTAMP))
        }
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == "UTC" => {
            (Form::Zoned, C::String, Some(is::ZONED_TIMESTAMP))
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            (Form::Interval, C::String, Some(is::INTERVAL))
        }
        DataType::FixedSizeBinary(16) => (Form::Uuid, C::String, Some(is::UUID)),
        DataType::Binary => (Form::Bytes, C::Bytes, None),
        DataType::Utf8 => text(column, exact),
        other => {
            let message = format!("column \"{}\" can't be written to Debezium", column.name);
            return Err(Error::new(Kind::Config, message).detail(format!("its type is {other}")));
        }
    })
}

fn text(column: &Column, exact: bool) -> (Form, ConnectType, Option<&'static str>) {
    let text = |name| (Form::Text, ConnectType::String, name);
    match base_and_arguments(&column.native_type).0.as_str() {
        "numeric" | "decimal" if exact => {
            (Form::ScaledDecimal, ConnectType::Struct, Some(is::VARIABLE_SCALE_DECIMAL))
        }
        "bit" => match bits(column) {
            Some(length) => (Form::Bits(length), ConnectType::Bytes, Some(is::BITS)),
            None => text(None),
        },
        "json" | "jsonb" => text(Some(is::JSON)),
        "xml" => text(Some(is::XML)),
        "ltree" => text(Some(is::LTREE)),
        "tsvector" => text(Some(is::TSVECTOR)),
        _ => text(None),
    }
}

/// How many bits a `bit(n)` has; `None` for one, which Debezium sends as a boolean and nobody sends
/// as a text.
fn bits(column: &Column) -> Option<usize> {
    let length = *base_and_arguments(&column.native_type).1.first()?;
    usize::try_from(length).ok().filter(|&length| length > 1)
}

/// What Debezium's sink looks at. Named only where the Arrow type agrees: a reader would take a text
/// that is called `bytea` for bytes.
fn source_type(column: &Column) -> Vec<(&'static str, String)> {
    let (base, arguments) = base_and_arguments(&column.native_type);
    let base = base.to_uppercase();
    if let DataType::Decimal128(precision, scale) = &column.data_type {
        return vec![
            (PARAMETER_TYPE, "NUMERIC".into()),
            (PARAMETER_LENGTH, precision.to_string()),
            (PARAMETER_SCALE, scale.to_string()),
        ];
    }
    let is_text = ["TEXT", "VARCHAR", "CHARACTER VARYING", "CHAR", "CHARACTER", "JSON", "JSONB"];
    if column.data_type != DataType::Utf8 || !is_text.contains(&base.as_str()) {
        return Vec::new();
    }
    let length = arguments.first().map(|length| (PARAMETER_LENGTH, length.to_string()));
    [Some((PARAMETER_TYPE, base)), length].into_iter().flatten().collect()
}

/// What else is known of a column.
fn own_marks(column: &Column) -> Option<(&'static str, String)> {
    if column.id == 0 && !column.has_default && !column.generated {
        return None;
    }
    let default = if column.has_default { ",default" } else { "" };
    let generated = if column.generated { ",generated" } else { "" };
    Some((PARAMETER_OWN_COLUMN, format!("{}{default}{generated}", column.id)))
}
