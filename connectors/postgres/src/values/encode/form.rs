//! Which form a column's values are sent in, from its Arrow type and the type of its target.

use arrow_schema::{DataType, IntervalUnit, TimeUnit};

/// A type of PostgreSQL, with domains resolved to what they are based on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PgType {
    /// Its object identifier.
    pub(crate) oid: u32,
    /// Its bare name.
    pub(crate) name: String,
    /// Its name as SQL, qualified where need be, without length or precision.
    pub(crate) sql: String,
    /// Whether it is an enum.
    pub(crate) is_enum: bool,
}

/// How values are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Nothing but NULL.
    Null,
    /// `bool`.
    Bool,
    /// `int2`.
    Int2,
    /// `int4`.
    Int4,
    /// `int8`.
    Int8,
    /// `float4`.
    Float4,
    /// `float8`.
    Float8,
    /// `numeric` from decimals of this precision and scale.
    Decimal(u8, i8),
    /// `numeric` from texts of digits.
    Digits,
    /// Types whose binary form is their text.
    Text,
    /// `jsonb`.
    Jsonb,
    /// `bytea`.
    Bytea,
    /// `date`.
    Date,
    /// `time`.
    Time,
    /// `timestamp` and `timestamptz`.
    Timestamp,
    /// `interval`.
    Interval,
    /// `uuid`.
    Uuid,
    /// As text, which the server turns into the type.
    Cast,
}

impl Form {
    /// The form in which a column of this Arrow type goes to a column of that type; `None` where
    /// values could be lost or mean something else.
    pub(crate) fn choose(from: &DataType, to: &PgType) -> Option<Self> {
        use DataType as D;
        let from = match from {
            D::Dictionary(_, values) => values.as_ref(),
            _ => from,
        };
        if *from == D::Null {
            return Some(Self::Null);
        }
        let is_text = matches!(from, D::Utf8 | D::LargeUtf8 | D::Utf8View);
        Some(match to.oid {
            16 if *from == D::Boolean => Self::Bool,
            21 if fits_int2(from) => Self::Int2,
            23 if fits_int4(from) => Self::Int4,
            20 if fits_int8(from) => Self::Int8,
            700 if matches!(from, D::Float16 | D::Float32) || fits_int2(from) => Self::Float4,
            701 if from.is_floating() || fits_int4(from) => Self::Float8,
            1700 if is_text => Self::Digits,
            1700 => decimal(from)?,
            17 if is_binary(from) => Self::Bytea,
            1082 if *from == D::Date32 => Self::Date,
            1083 if matches!(from, D::Time64(TimeUnit::Microsecond) | D::Time32(_)) => Self::Time,
            1114 if matches!(from, D::Timestamp(unit, None) if is_coarse(*unit)) => Self::Timestamp,
            1184 if matches!(from, D::Timestamp(unit, Some(_)) if is_coarse(*unit)) => {
                Self::Timestamp
            }
            1186 if matches!(from, D::Interval(IntervalUnit::MonthDayNano)) => Self::Interval,
            2950 if *from == D::FixedSizeBinary(16) => Self::Uuid,
            3802 if is_text => Self::Jsonb,
            _ if is_text && has_text_as_binary(to) => Self::Text,
            _ if is_text => Self::Cast,
            _ => return None,
        })
    }

    /// Whether the values are in the type's own binary form.
    pub(crate) fn is_binary(self) -> bool {
        self != Self::Cast
    }
}

fn fits_int2(from: &DataType) -> bool {
    matches!(from, DataType::Int8 | DataType::Int16 | DataType::UInt8)
}

fn fits_int4(from: &DataType) -> bool {
    fits_int2(from) || matches!(from, DataType::Int32 | DataType::UInt16)
}

fn fits_int8(from: &DataType) -> bool {
    fits_int4(from) || matches!(from, DataType::Int64 | DataType::UInt32)
}

fn is_binary(from: &DataType) -> bool {
    use DataType as D;
    matches!(from, D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_))
}

/// Microseconds or coarser: finer ones would be cut.
fn is_coarse(unit: TimeUnit) -> bool {
    unit != TimeUnit::Nanosecond
}

fn decimal(from: &DataType) -> Option<Form> {
    use DataType as D;
    Some(match *from {
        D::Decimal32(precision, scale)
        | D::Decimal64(precision, scale)
        | D::Decimal128(precision, scale) => Form::Decimal(precision, scale),
        D::UInt64 => Form::Decimal(20, 0),
        _ if fits_int8(from) => Form::Decimal(19, 0),
        _ => return None,
    })
}

/// text, name, json, xml, char, varchar; enums; citext. Their binary form is their text.
fn has_text_as_binary(to: &PgType) -> bool {
    to.is_enum || to.name == "citext" || matches!(to.oid, 19 | 25 | 114 | 142 | 1042 | 1043)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pg(oid: u32) -> PgType {
        PgType { oid, name: String::new(), sql: String::new(), is_enum: false }
    }

    #[test]
    fn safe_widenings_are_taken_and_others_are_not() {
        let choose = |from: &DataType, oid| Form::choose(from, &pg(oid));
        assert_eq!(choose(&DataType::Int16, 20), Some(Form::Int8));
        assert_eq!(choose(&DataType::Int64, 1700), Some(Form::Decimal(19, 0)));
        assert_eq!(choose(&DataType::UInt32, 23), None);
        assert_eq!(choose(&DataType::Int64, 23), None);
        assert_eq!(choose(&DataType::Int64, 701), None);
        assert_eq!(choose(&DataType::Float64, 700), None);
        assert_eq!(choose(&DataType::Float64, 1700), None);
        assert_eq!(choose(&DataType::Int64, 25), None);
        assert_eq!(choose(&DataType::Timestamp(TimeUnit::Microsecond, None), 1184), None);
        assert_eq!(choose(&DataType::Timestamp(TimeUnit::Nanosecond, None), 1114), None);
    }

    #[test]
    fn texts_reach_every_type() {
        let choose = |oid| Form::choose(&DataType::Utf8View, &pg(oid));
        assert_eq!(choose(25), Some(Form::Text));
        assert_eq!(choose(3802), Some(Form::Jsonb));
        assert_eq!(choose(1700), Some(Form::Digits));
        assert_eq!(choose(869), Some(Form::Cast));
        assert_eq!(choose(1007), Some(Form::Cast));
        let mood = PgType { is_enum: true, ..pg(99_999) };
        assert_eq!(Form::choose(&DataType::Utf8, &mood), Some(Form::Text));
    }
}
