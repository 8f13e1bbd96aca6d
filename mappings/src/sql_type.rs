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

/// A type that SQL text names: the Arrow type, what it is beyond that, and the length that
/// `varchar(n)` allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) data_type: DataType,
    pub(crate) kind: Kind,
    pub(crate) length_max: Option<u64>,
}

/// What is known of a value's SQL type beyond the Arrow type that carries it: how texts compare,
/// and how much of a type's room a value can need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    /// Nothing more; a text is `text`.
    #[default]
    Plain,
    /// A text of at most this many characters.
    Limited(usize),
    /// A text that compares without regard to case.
    Citext,
    /// A text that compares without regard to the blanks it ends with: `char(n)`.
    Padded(Option<usize>),
    /// A label of the enum of this source column.
    Enum(usize),
    /// A `numeric` that is carried as text: unbounded or wider than [`PRECISION_MAX`].
    WideNumeric,
    /// Of a type whose text does not compare or compute as its values do, such as `jsonb`.
    Opaque,
    /// A time with at most this many digits of a second.
    Seconds(u8),
}

impl Kind {
    /// What a column's values are, by its type's name below all domains.
    pub(crate) fn of(native: &str, data_type: &DataType) -> Self {
        if Family::of(data_type).has_seconds() {
            return seconds(native).map_or(Self::Plain, Self::Seconds);
        }
        if *data_type != DataType::Utf8 {
            return Self::Plain;
        }
        if is_wide_numeric(native, data_type) {
            return Self::WideNumeric;
        }
        if is_citext(native) {
            return Self::Citext;
        }
        if is_padded(native) {
            return Self::Padded(length_max(native));
        }
        if !is_plain_text(native) {
            return Self::Opaque;
        }
        length_max(native).map_or(Self::Plain, Self::Limited)
    }
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

    /// Whether its types can have fewer digits of a second than a µs.
    pub(crate) fn has_seconds(self) -> bool {
        matches!(self, Self::Time | Self::Naive | Self::Aware)
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

/// The digits of a second that a native type such as `timestamp(3) with time zone` keeps.
pub(crate) fn seconds(native: &str) -> Option<u8> {
    let (name, rest) = native.split_once('(')?;
    let timed = ["time", "timetz", "timestamp", "timestamptz"];
    let digits = rest.split(')').next()?.trim().parse().ok()?;
    timed.contains(&name.trim()).then_some(digits)
}

/// Precision and scale of a native type such as `numeric(45,2)`; `None` where it has no bound.
pub(crate) fn numeric_bounds(native: &str) -> Option<(i32, i32)> {
    let (name, rest) = native.split_once('(')?;
    if !matches!(name.trim(), "numeric" | "decimal") {
        return None;
    }
    let size = rest.trim_end().strip_suffix(')')?;
    let (precision, scale) = size.split_once(',').unwrap_or((size, "0"));
    Some((precision.trim().parse().ok()?, scale.trim().parse().ok()?))
}

/// The most characters that values of a type have in their text form, where there is a limit.
pub(crate) fn text_length(data_type: &DataType) -> Option<usize> {
    match *data_type {
        DataType::Boolean => Some(5),
        DataType::Int16 => Some(6),
        DataType::Int32 => Some(11),
        DataType::Int64 => Some(20),
        // Sign, point, and the zero before it.
        DataType::Decimal128(precision, _) => Some(usize::from(precision) + 3),
        DataType::Date32 => Some(13),
        DataType::FixedSizeBinary(16) => Some(36),
        _ => None,
    }
}

/// Whether a native type is `citext`, in whatever schema its extension lives.
pub(crate) fn is_citext(native: &str) -> bool {
    matches!(native.rsplit('.').next(), Some("citext" | "\"citext\""))
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
    matches!(name, "text" | "varchar" | "character varying" | "name")
        || is_citext(native)
        || is_padded(native)
}

/// The type that a cast or a typed literal names, or why it has no place here.
pub(crate) fn from_ast(named: &AstType) -> Result<Named, String> {
    let of_kind = |data_type, kind| Ok(Named { data_type, kind, length_max: None });
    let plain = |data_type| of_kind(data_type, Kind::Plain);
    let timed = |data_type, digits: Option<u64>| match digits {
        None => plain(data_type),
        Some(digits @ 0..=6) => {
            of_kind(data_type, Kind::Seconds(u8::try_from(digits).unwrap_or(6)))
        }
        Some(_) => Err("a time has up to 6 digits of a second".to_owned()),
    };
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
            kind: Kind::Plain,
            length_max: match length {
                Some(CharacterLength::IntegerLength { length, .. }) => Some(*length),
                Some(CharacterLength::Max) | None => None,
            },
        }),
        AstType::Bytea => plain(DataType::Binary),
        AstType::Date => plain(DataType::Date32),
        AstType::Time(digits, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            timed(DataType::Time64(TimeUnit::Microsecond), *digits)
        }
        AstType::Timestamp(digits, zone) => match zone {
            TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => timed(NAIVE, *digits),
            TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => timed(aware(), *digits),
        },
        AstType::Interval { fields: None, precision: None } => {
            plain(DataType::Interval(IntervalUnit::MonthDayNano))
        }
        AstType::Uuid => plain(DataType::FixedSizeBinary(16)),
        AstType::JSON | AstType::JSONB => of_kind(DataType::Utf8, Kind::Opaque),
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
    fn native_types_tell_what_their_texts_are() {
        let kind = |native| Kind::of(native, &DataType::Utf8);
        for native in ["citext", "public.citext", "\"my.schema\".citext"] {
            assert_eq!(kind(native), Kind::Citext, "{native}");
        }
        assert_eq!(kind("character(5)"), Kind::Padded(Some(5)));
        assert_eq!(kind("character varying(5)"), Kind::Limited(5));
        assert_eq!(kind("text"), Kind::Plain);
        for native in ["jsonb", "interval", "inet", "integer[]", "public.mood", "\"char\"", "xml"] {
            assert_eq!(kind(native), Kind::Opaque, "{native}");
        }
        assert_eq!(Kind::of("timestamp(0) without time zone", &NAIVE), Kind::Seconds(0));
        assert_eq!(Kind::of("timestamptz(3)", &aware()), Kind::Seconds(3));
        assert_eq!(Kind::of("timestamp with time zone", &aware()), Kind::Plain);
        assert_eq!(numeric_bounds("numeric(45,2)"), Some((45, 2)));
        assert_eq!(numeric_bounds("numeric"), None);
    }

    #[test]
    fn a_numeric_is_wide_only_when_it_comes_as_text() {
        assert!(is_wide_numeric("numeric", &DataType::Utf8));
        assert!(is_wide_numeric("numeric(60,2)", &DataType::Utf8));
        assert!(!is_wide_numeric("numeric(10,2)", &DataType::Decimal128(10, 2)));
        assert!(!is_wide_numeric("text", &DataType::Utf8));
    }
}
