//! The SQL types that expressions have, and the Arrow types that carry them (design §5).
//!
//! Between two expressions only these Arrow types appear, one for each SQL type, so that nothing
//! downstream meets a view, a nanosecond or a large list.

use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use datafusion::sql::sqlparser::ast::{
    CharacterLength, DataType as AstType, ExactNumberInfo, TimezoneInfo,
};

/// The longest `numeric(p, s)` that is carried as a number.
pub(crate) const PRECISION_MAX: u8 = 38;

/// `timestamp`: µs without a zone.
pub(crate) const NAIVE: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// `timestamptz`: µs since 1970 UTC.
pub(crate) fn aware() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// A type that SQL text names: the Arrow type, and the length that `varchar(n)` allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) data_type: DataType,
    pub(crate) length_max: Option<u64>,
}

/// What kind of values a type has, as far as conversions care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Null,
    Boolean,
    Integer,
    Decimal,
    Float,
    Text,
    Bytes,
    Date,
    Time,
    Naive,
    Aware,
    Interval,
    Uuid,
    Other,
}

impl Family {
    pub(crate) fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Boolean,
            DataType::Int16 | DataType::Int32 | DataType::Int64 => Self::Integer,
            DataType::Decimal128(..) => Self::Decimal,
            DataType::Float32 | DataType::Float64 => Self::Float,
            DataType::Utf8 => Self::Text,
            DataType::Binary => Self::Bytes,
            DataType::Date32 => Self::Date,
            DataType::Time64(TimeUnit::Microsecond) => Self::Time,
            DataType::Timestamp(TimeUnit::Microsecond, None) => Self::Naive,
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => Self::Aware,
            DataType::Interval(IntervalUnit::MonthDayNano) => Self::Interval,
            DataType::FixedSizeBinary(16) => Self::Uuid,
            _ => Self::Other,
        }
    }

    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Decimal | Self::Float)
    }

    pub(crate) fn is_temporal(self) -> bool {
        matches!(self, Self::Date | Self::Naive | Self::Aware)
    }
}

/// The SQL name of a type, as messages and `explain` show it.
pub(crate) fn name(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "NULL".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int16 => "int2".to_owned(),
        DataType::Int32 => "int4".to_owned(),
        DataType::Int64 => "int8".to_owned(),
        DataType::Float32 => "float4".to_owned(),
        DataType::Float64 => "float8".to_owned(),
        DataType::Decimal128(precision, scale) => format!("numeric({precision},{scale})"),
        DataType::Utf8 => "text".to_owned(),
        DataType::Binary => "bytea".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Time64(_) => "time".to_owned(),
        DataType::Timestamp(_, None) => "timestamp".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamptz".to_owned(),
        DataType::Interval(_) => "interval".to_owned(),
        DataType::FixedSizeBinary(16) => "uuid".to_owned(),
        DataType::List(item) => format!("{}[]", name(item.data_type())),
        other => other.to_string(),
    }
}

/// The digits before the point that every value of an integer type fits in.
pub(crate) fn integer_digits(data_type: &DataType) -> u8 {
    match data_type {
        DataType::Int16 => 5,
        DataType::Int32 => 10,
        _ => 19,
    }
}

/// The longest text a native type such as `varchar(40)` allows, where it has a limit.
pub(crate) fn length_max(native: &str) -> Option<usize> {
    let (name, rest) = native.split_once('(')?;
    let limited = ["varchar", "character varying", "char", "character", "bpchar"];
    limited.contains(&name.trim()).then(|| rest.trim_end_matches(')').trim().parse().ok())?
}

/// Whether a native type is the blank-padded `char(n)`.
pub(crate) fn is_padded(native: &str) -> bool {
    let name = native.split('(').next().unwrap_or(native).trim();
    matches!(name, "char" | "character" | "bpchar")
}

/// Whether a native type is a `numeric` that is carried as text: unbounded or wider than
/// [`PRECISION_MAX`].
pub(crate) fn is_wide_numeric(native: &str, data_type: &DataType) -> bool {
    *data_type == DataType::Utf8
        && matches!(native.split('(').next().map(str::trim), Some("numeric" | "decimal"))
}

/// Whether a native type is plain text, which takes any text.
pub(crate) fn is_plain_text(native: &str) -> bool {
    let name = native.split('(').next().unwrap_or(native).trim();
    matches!(name, "text" | "varchar" | "character varying" | "citext" | "name")
        || is_padded(native)
}

/// The type that a cast or a typed literal names, or why it has no place here.
pub(crate) fn from_ast(named: &AstType) -> Result<Named, String> {
    let plain = |data_type| Ok(Named { data_type, length_max: None });
    match named {
        AstType::Bool | AstType::Boolean => plain(DataType::Boolean),
        AstType::Int2(None) | AstType::SmallInt(None) => plain(DataType::Int16),
        AstType::Int(None) | AstType::Int4(None) | AstType::Integer(None) => plain(DataType::Int32),
        AstType::Int8(None) | AstType::BigInt(None) => plain(DataType::Int64),
        AstType::Real | AstType::Float4 => plain(DataType::Float32),
        AstType::Float8 | AstType::DoublePrecision | AstType::Float(ExactNumberInfo::None) => {
            plain(DataType::Float64)
        }
        AstType::Numeric(size) | AstType::Decimal(size) | AstType::Dec(size) => {
            plain(decimal(*size)?)
        }
        AstType::Text => plain(DataType::Utf8),
        AstType::Varchar(length) | AstType::CharacterVarying(length) => Ok(Named {
            data_type: DataType::Utf8,
            length_max: match length {
                Some(CharacterLength::IntegerLength { length, .. }) => Some(*length),
                Some(CharacterLength::Max) | None => None,
            },
        }),
        AstType::Bytea => plain(DataType::Binary),
        AstType::Date => plain(DataType::Date32),
        AstType::Time(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            plain(DataType::Time64(TimeUnit::Microsecond))
        }
        AstType::Timestamp(None | Some(6), zone) => plain(match zone {
            TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => NAIVE,
            TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => aware(),
        }),
        AstType::Interval { fields: None, precision: None } => {
            plain(DataType::Interval(IntervalUnit::MonthDayNano))
        }
        AstType::Uuid => plain(DataType::FixedSizeBinary(16)),
        AstType::JSON | AstType::JSONB => plain(DataType::Utf8),
        other => Err(format!("expressions can't cast to {other}")),
    }
}

fn decimal(size: ExactNumberInfo) -> Result<DataType, String> {
    let (precision, scale) = match size {
        ExactNumberInfo::None => {
            return Err("numeric needs a precision here, such as numeric(20,4)".to_owned());
        }
        ExactNumberInfo::Precision(precision) => (precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, scale),
    };
    let fits = u8::try_from(precision).ok().zip(i8::try_from(scale).ok());
    match fits {
        Some((precision @ 1..=PRECISION_MAX, scale))
            if scale >= 0 && scale.unsigned_abs() <= precision =>
        {
            Ok(DataType::Decimal128(precision, scale))
        }
        _ => Err(format!(
            "numeric({precision},{scale}) is out of range: expressions compute with up to \
             {PRECISION_MAX} digits"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_types_tell_their_length() {
        assert_eq!(length_max("varchar(40)"), Some(40));
        assert_eq!(length_max("character varying(7)"), Some(7));
        assert_eq!(length_max("character(3)"), Some(3));
        assert_eq!(length_max("numeric(10,2)"), None);
        assert_eq!(length_max("text"), None);
    }

    #[test]
    fn a_numeric_is_wide_only_when_it_comes_as_text() {
        assert!(is_wide_numeric("numeric", &DataType::Utf8));
        assert!(is_wide_numeric("numeric(60,2)", &DataType::Utf8));
        assert!(!is_wide_numeric("numeric(10,2)", &DataType::Decimal128(10, 2)));
        assert!(!is_wide_numeric("text", &DataType::Utf8));
    }
}
