//! Arrow columns to PostgreSQL values: binary where the type has a binary form we know, else the
//! type's text, which the server reads.
//!
//! The exact inverse of how a source decodes: what stands for NaN and the infinities there is sent
//! as such here. Types are widened where no value can be lost; whatever else doesn't fit is a
//! mistake of the mapping and refused before any row is sent.
//!
//! | PostgreSQL | takes |
//! |---|---|
//! | bool | Boolean |
//! | int2, int4, int8 | integers that fit |
//! | float4, float8 | floats and integers that fit exactly |
//! | numeric | decimals, integers, texts of digits |
//! | text, varchar, char, name, xml, json, jsonb, citext, enums | texts |
//! | bytea | binaries |
//! | date, time, timestamp, timestamptz, interval | Date32, Time64, Timestamp, Timestamp with zone, MonthDayNano |
//! | uuid | FixedSizeBinary(16) |
//! | everything | texts, as its text form |

mod form;
mod numeric;
mod text;

pub(crate) use form::{Form, PgType};
pub(crate) use text::put_copy_text;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, BooleanArray, FixedSizeBinaryArray,
    LargeBinaryArray, LargeStringArray, PrimitiveArray, StringArray, StringViewArray,
};
use arrow_schema::{ArrowError, DataType, IntervalUnit, TimeUnit};
use std::ops::Range;

/// Days from 1970-01-01 to PostgreSQL's day zero, 2000-01-01.
const DAYS_TO_2000: i32 = 10_957;
/// The same in microseconds.
const MICROS_TO_2000: i64 = 946_684_800_000_000;
/// What `jsonb` begins with in binary.
const JSONB_VERSION: u8 = 1;

/// A value that its type in PostgreSQL can't hold. Says why, never the value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unfit(pub(crate) &'static str);

/// One column, ready to be sent.
#[derive(Debug)]
pub(crate) struct Encoder {
    values: Values,
    nulls: Option<arrow_buffer::NullBuffer>,
}

#[derive(Debug)]
enum Values {
    Null,
    Bool(BooleanArray),
    Int2(PrimitiveArray<Int16Type>),
    Int4(PrimitiveArray<Int32Type>),
    Int8(PrimitiveArray<Int64Type>),
    Float4(PrimitiveArray<Float32Type>),
    Float8(PrimitiveArray<Float64Type>),
    Decimal(PrimitiveArray<Decimal128Type>, i8),
    Digits(Texts),
    Text(Texts),
    Jsonb(Texts),
    Bytea(Binaries),
    Date(PrimitiveArray<Date32Type>),
    Time(PrimitiveArray<Time64MicrosecondType>),
    Timestamp(PrimitiveArray<TimestampMicrosecondType>),
    Interval(PrimitiveArray<IntervalMonthDayNanoType>),
    Uuid(FixedSizeBinaryArray),
}

#[derive(Debug)]
enum Texts {
    Small(StringArray),
    Large(LargeStringArray),
    View(StringViewArray),
}

impl Texts {
    fn new(array: &ArrayRef) -> Result<Self, ArrowError> {
        Ok(match array.data_type() {
            DataType::LargeUtf8 => Self::Large(array.as_string().clone()),
            DataType::Utf8View => Self::View(array.as_string_view().clone()),
            _ => Self::Small(cast(array, &DataType::Utf8)?.as_string().clone()),
        })
    }

    fn value(&self, row: usize) -> &str {
        match self {
            Self::Small(array) => array.value(row),
            Self::Large(array) => array.value(row),
            Self::View(array) => array.value(row),
        }
    }
}

#[derive(Debug)]
enum Binaries {
    Small(BinaryArray),
    Large(LargeBinaryArray),
    View(BinaryViewArray),
}

impl Binaries {
    fn new(array: &ArrayRef) -> Result<Self, ArrowError> {
        Ok(match array.data_type() {
            DataType::LargeBinary => Self::Large(array.as_binary().clone()),
            DataType::BinaryView => Self::View(array.as_binary_view().clone()),
            _ => Self::Small(cast(array, &DataType::Binary)?.as_binary().clone()),
        })
    }

    fn value(&self, row: usize) -> &[u8] {
        match self {
            Self::Small(array) => array.value(row),
            Self::Large(array) => array.value(row),
            Self::View(array) => array.value(row),
        }
    }
}

/// Casts where the type isn't the same already.
fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == to {
        return Ok(array.clone());
    }
    let options = arrow_cast::CastOptions { safe: false, ..Default::default() };
    arrow_cast::cast_with_options(array, to, &options)
}

impl Encoder {
    /// Prepares a column for the form that [`Form::choose`] found for its type.
    ///
    /// # Errors
    /// When the array is not of a type that the form takes.
    pub(crate) fn new(array: &ArrayRef, form: Form) -> Result<Self, ArrowError> {
        let array = match array.data_type() {
            DataType::Dictionary(_, values) => &cast(array, values)?,
            _ => array,
        };
        macro_rules! primitive {
            ($variant:ident, $to:expr) => {
                Values::$variant(cast(array, &$to)?.as_primitive().clone())
            };
        }
        let values = match form {
            Form::Null => Values::Null,
            Form::Bool => Values::Bool(cast(array, &DataType::Boolean)?.as_boolean().clone()),
            Form::Int2 => primitive!(Int2, DataType::Int16),
            Form::Int4 => primitive!(Int4, DataType::Int32),
            Form::Int8 => primitive!(Int8, DataType::Int64),
            Form::Float4 => primitive!(Float4, DataType::Float32),
            Form::Float8 => primitive!(Float8, DataType::Float64),
            Form::Decimal(precision, scale) => {
                let to = DataType::Decimal128(precision, scale);
                Values::Decimal(cast(array, &to)?.as_primitive().clone(), scale)
            }
            Form::Digits => Values::Digits(Texts::new(array)?),
            Form::Text | Form::Cast => Values::Text(Texts::new(array)?),
            Form::Jsonb => Values::Jsonb(Texts::new(array)?),
            Form::Bytea => Values::Bytea(Binaries::new(array)?),
            Form::Date => primitive!(Date, DataType::Date32),
            Form::Time => primitive!(Time, DataType::Time64(TimeUnit::Microsecond)),
            Form::Timestamp => Values::Timestamp(timestamps(array)?),
            Form::Interval => primitive!(Interval, DataType::Interval(IntervalUnit::MonthDayNano)),
            Form::Uuid => Values::Uuid(
                cast(array, &DataType::FixedSizeBinary(16))?.as_fixed_size_binary().clone(),
            ),
        };
        Ok(Self { values, nulls: array.logical_nulls() })
    }

    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends one value in binary, its length before it.
    ///
    /// # Errors
    /// When the type at the target has no such value; `out` then ends anywhere.
    ///
    /// # Panics
    /// When there is no such row.
    #[inline]
    pub(crate) fn put(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Unfit> {
        if self.is_null(row) {
            out.extend_from_slice(&(-1_i32).to_be_bytes());
            return Ok(());
        }
        match &self.values {
            Values::Null => out.extend_from_slice(&(-1_i32).to_be_bytes()),
            Values::Bool(array) => put_fixed([u8::from(array.value(row))], out),
            Values::Int2(array) => put_fixed(array.value(row).to_be_bytes(), out),
            Values::Int4(array) => put_fixed(array.value(row).to_be_bytes(), out),
            Values::Int8(array) => put_fixed(array.value(row).to_be_bytes(), out),
            Values::Float4(array) => put_fixed(array.value(row).to_bits().to_be_bytes(), out),
            Values::Float8(array) => put_fixed(array.value(row).to_bits().to_be_bytes(), out),
            Values::Decimal(array, scale) => numeric::put_decimal(array.value(row), *scale, out)
                .map_err(|numeric::NotNumeric| Unfit("a number is out of range for numeric"))?,
            Values::Digits(texts) => numeric::put_digits(texts.value(row), out)
                .map_err(|numeric::NotNumeric| Unfit("a text is not a number"))?,
            Values::Text(texts) => put_bytes(&[], texts.value(row).as_bytes(), out)?,
            Values::Jsonb(texts) => put_bytes(&[JSONB_VERSION], texts.value(row).as_bytes(), out)?,
            Values::Bytea(binaries) => put_bytes(&[], binaries.value(row), out)?,
            Values::Date(array) => put_fixed(days(array.value(row))?.to_be_bytes(), out),
            Values::Time(array) => put_fixed(array.value(row).to_be_bytes(), out),
            Values::Timestamp(array) => put_fixed(micros(array.value(row))?.to_be_bytes(), out),
            Values::Interval(array) => {
                let interval = array.value(row);
                out.extend_from_slice(&16_i32.to_be_bytes());
                out.extend_from_slice(&whole_micros(interval.nanoseconds)?.to_be_bytes());
                out.extend_from_slice(&interval.days.to_be_bytes());
                out.extend_from_slice(&interval.months.to_be_bytes());
            }
            Values::Uuid(array) => put_bytes(&[], array.value(row), out)?,
        }
        Ok(())
    }

    /// Appends a run of rows as one array parameter; `element` is the object identifier of its
    /// elements' type.
    ///
    /// # Errors
    /// As [`Encoder::put`].
    pub(crate) fn put_array(
        &self,
        element: u32,
        rows: Range<usize>,
        out: &mut Vec<u8>,
    ) -> Result<(), Unfit> {
        let count = i32::try_from(rows.len()).map_err(|_| Unfit("too many rows at once"))?;
        let has_null = matches!(self.values, Values::Null) || self.nulls.is_some();
        for field in [1, i32::from(has_null), element.cast_signed(), count, 1] {
            out.extend_from_slice(&field.to_be_bytes());
        }
        rows.into_iter().try_for_each(|row| self.put(row, out))
    }
}

/// Microseconds whatever the unit. Seconds and milliseconds that don't fit are errors.
fn timestamps(array: &ArrayRef) -> Result<PrimitiveArray<TimestampMicrosecondType>, ArrowError> {
    let array = match array.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => array.clone(),
        DataType::Timestamp(_, zone) => {
            cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?
        }
        _ => cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?,
    };
    Ok(array.as_primitive().clone())
}

#[inline]
fn put_fixed<const N: usize>(bytes: [u8; N], out: &mut Vec<u8>) {
    // At most eight bytes.
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "N is small")]
    out.extend_from_slice(&(N as i32).to_be_bytes());
    out.extend_from_slice(&bytes);
}

#[inline]
fn put_bytes(before: &[u8], bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Unfit> {
    let length = i32::try_from(before.len() + bytes.len())
        .map_err(|_| Unfit("a value is longer than PostgreSQL can take"))?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(before);
    out.extend_from_slice(bytes);
    Ok(())
}

/// Days since 2000; the ends of the range stand for the infinities on both sides.
fn days(since_1970: i32) -> Result<i32, Unfit> {
    match since_1970 {
        i32::MAX | i32::MIN => Ok(since_1970),
        _ => since_1970.checked_sub(DAYS_TO_2000).ok_or(Unfit("a date is out of range")),
    }
}

/// Microseconds since 2000; the ends of the range stand for the infinities on both sides.
fn micros(since_1970: i64) -> Result<i64, Unfit> {
    match since_1970 {
        i64::MAX | i64::MIN => Ok(since_1970),
        _ => since_1970.checked_sub(MICROS_TO_2000).ok_or(Unfit("a timestamp is out of range")),
    }
}

fn whole_micros(nanoseconds: i64) -> Result<i64, Unfit> {
    if nanoseconds % 1000 == 0 {
        Ok(nanoseconds / 1000)
    } else {
        Err(Unfit("an interval is finer than a microsecond"))
    }
}

/// A `timestamptz` in binary from microseconds since 1970, the nearest it has.
pub(crate) fn timestamptz(since_1970: i64) -> [u8; 8] {
    micros(since_1970).unwrap_or(i64::MIN).to_be_bytes()
}
