//! Arrow columns that grow value by value from PostgreSQL's text.

use super::{numeric, time};
use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, FixedSizeBinaryBuilder,
    Float32Builder, Float64Builder, Int16Builder, Int32Builder, Int64Builder, StringBuilder,
    Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, builder::ArrayBuilder};
use arrow_schema::{DataType, TimeUnit};
use std::sync::Arc;

/// Why a value has no place in its column. Says nothing of the value itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// Not the text form of the type.
    #[error("it is not in the form this type is written in")]
    Malformed,
    /// A real value, beyond what the Arrow type holds.
    #[error("it is beyond the range that can be carried exactly")]
    OutOfRange,
    /// Bytes that are no UTF-8: the database's encoding does not say what its texts are.
    #[error("it is not valid UTF-8 (a database with encoding SQL_ASCII?)")]
    NotUtf8,
}

/// One column of a batch in the making.
#[derive(Debug)]
pub(crate) enum ColumnBuilder {
    Boolean(BooleanBuilder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal(Decimal128Builder, u8),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Uuid(FixedSizeBinaryBuilder),
    /// With room to put a value together.
    Bytes(BinaryBuilder, Vec<u8>),
    Text(StringBuilder),
}

impl ColumnBuilder {
    /// A column of a type that [`super::arrow_type`] gives, with room for `rows`, and for `bytes`
    /// of values where they are of any length.
    ///
    /// # Panics
    /// For any other type.
    pub(crate) fn new(data_type: &DataType, rows: usize, bytes: usize) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean(BooleanBuilder::with_capacity(rows)),
            DataType::Int16 => Self::Int16(Int16Builder::with_capacity(rows)),
            DataType::Int32 => Self::Int32(Int32Builder::with_capacity(rows)),
            DataType::Int64 => Self::Int64(Int64Builder::with_capacity(rows)),
            DataType::Float32 => Self::Float32(Float32Builder::with_capacity(rows)),
            DataType::Float64 => Self::Float64(Float64Builder::with_capacity(rows)),
            DataType::Decimal128(_, scale) => Self::Decimal(
                Decimal128Builder::with_capacity(rows).with_data_type(data_type.clone()),
                scale.unsigned_abs(),
            ),
            DataType::Date32 => Self::Date(Date32Builder::with_capacity(rows)),
            DataType::Time64(TimeUnit::Microsecond) => {
                Self::Time(Time64MicrosecondBuilder::with_capacity(rows))
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => Self::Timestamp(
                TimestampMicrosecondBuilder::with_capacity(rows).with_data_type(data_type.clone()),
            ),
            DataType::FixedSizeBinary(16) => {
                Self::Uuid(FixedSizeBinaryBuilder::with_capacity(rows, 16))
            }
            DataType::Binary => Self::Bytes(BinaryBuilder::with_capacity(rows, bytes), Vec::new()),
            DataType::Utf8 => Self::Text(StringBuilder::with_capacity(rows, bytes)),
            other => panic!("arrow_type never gives {other}"),
        }
    }

    /// Adds a value from its text.
    ///
    /// # Errors
    /// [`Unreadable`] when it has no exact place; the column is as it was.
    #[inline]
    pub(crate) fn append(&mut self, text: &[u8]) -> Result<(), Unreadable> {
        match self {
            Self::Boolean(column) => column.append_value(match text {
                b"t" => true,
                b"f" => false,
                _ => return Err(Unreadable::Malformed),
            }),
            Self::Int16(column) => column.append_value(narrow(text)?),
            Self::Int32(column) => column.append_value(narrow(text)?),
            Self::Int64(column) => column.append_value(numeric::integer(text)?),
            Self::Float32(column) => column.append_value(float(text)?),
            Self::Float64(column) => column.append_value(float(text)?),
            Self::Decimal(column, scale) => column.append_value(numeric::decimal(text, *scale)?),
            Self::Date(column) => column.append_value(time::date(text)?),
            Self::Time(column) => column.append_value(time::time(text)?),
            Self::Timestamp(column) => column.append_value(time::timestamp(text)?),
            Self::Uuid(column) => column
                .append_value(uuid(text).ok_or(Unreadable::Malformed)?)
                .map_err(|_| Unreadable::Malformed)?,
            Self::Bytes(column, room) => append_hex(column, room, text)?,
            Self::Text(column) => {
                column.append_value(std::str::from_utf8(text).map_err(|_| Unreadable::NotUtf8)?);
            }
        }
        Ok(())
    }

    /// Adds a NULL, or the empty slot of an absent value.
    #[inline]
    pub(crate) fn append_null(&mut self) {
        match self {
            Self::Boolean(column) => column.append_null(),
            Self::Int16(column) => column.append_null(),
            Self::Int32(column) => column.append_null(),
            Self::Int64(column) => column.append_null(),
            Self::Float32(column) => column.append_null(),
            Self::Float64(column) => column.append_null(),
            Self::Decimal(column, _) => column.append_null(),
            Self::Date(column) => column.append_null(),
            Self::Time(column) => column.append_null(),
            Self::Timestamp(column) => column.append_null(),
            Self::Uuid(column) => column.append_null(),
            Self::Bytes(column, _) => column.append_null(),
            Self::Text(column) => column.append_null(),
        }
    }

    /// Bytes of its values, where they are of any length; 0 for others.
    pub(crate) fn value_bytes(&self) -> usize {
        match self {
            Self::Bytes(column, _) => column.values_slice().len(),
            Self::Text(column) => column.values_slice().len(),
            _ => 0,
        }
    }

    /// The column.
    pub(crate) fn finish(mut self) -> ArrayRef {
        match &mut self {
            Self::Boolean(column) => Arc::new(column.finish()),
            Self::Int16(column) => Arc::new(column.finish()),
            Self::Int32(column) => Arc::new(column.finish()),
            Self::Int64(column) => Arc::new(column.finish()),
            Self::Float32(column) => Arc::new(column.finish()),
            Self::Float64(column) => Arc::new(column.finish()),
            Self::Decimal(column, _) => Arc::new(column.finish()),
            Self::Date(column) => Arc::new(column.finish()),
            Self::Time(column) => Arc::new(column.finish()),
            Self::Timestamp(column) => Arc::new(column.finish()),
            Self::Uuid(column) => ArrayBuilder::finish(column),
            Self::Bytes(column, _) => Arc::new(column.finish()),
            Self::Text(column) => Arc::new(column.finish()),
        }
    }
}

#[inline]
fn narrow<T: TryFrom<i64>>(text: &[u8]) -> Result<T, Unreadable> {
    T::try_from(numeric::integer(text)?).map_err(|_| Unreadable::OutOfRange)
}

/// The library reads the shortest exact form back to the same bits, and `NaN` and `Infinity`.
fn float<T: std::str::FromStr>(text: &[u8]) -> Result<T, Unreadable> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Unreadable::Malformed)
}

/// Reads `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`.
#[inline]
fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.try_into().ok()?;
    let mut bytes = [0; 16];
    let mut digits = text.iter().filter(|&&byte| byte != b'-');
    for byte in &mut bytes {
        *byte = hex(*digits.next()?)? << 4 | hex(*digits.next()?)?;
    }
    digits.next().is_none().then_some(bytes)
}

fn append_hex(
    column: &mut BinaryBuilder,
    room: &mut Vec<u8>,
    text: &[u8],
) -> Result<(), Unreadable> {
    let digits = text.strip_prefix(b"\\x").ok_or(Unreadable::Malformed)?;
    let (pairs, []) = digits.as_chunks::<2>() else { return Err(Unreadable::Malformed) };
    room.clear();
    for &[high, low] in pairs {
        room.push(
            hex(high)
                .zip(hex(low))
                .map(|(high, low)| high << 4 | low)
                .ok_or(Unreadable::Malformed)?,
        );
    }
    column.append_value(&room);
    Ok(())
}

#[inline]
fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float32Type, Float64Type, Int16Type};
    use proptest::prelude::*;

    fn column(data_type: &DataType, text: &[u8]) -> Result<ArrayRef, Unreadable> {
        let mut builder = ColumnBuilder::new(data_type, 1, 0);
        builder.append(text)?;
        Ok(builder.finish())
    }

    proptest! {
        #[test]
        fn floats_keep_their_bits(bits: u64, narrow_bits: u32) {
            let (wide, narrow) = (f64::from_bits(bits), f32::from_bits(narrow_bits));
            prop_assume!(!wide.is_nan() && !narrow.is_nan());
            let array = column(&DataType::Float64, format!("{wide:e}").as_bytes()).unwrap();
            prop_assert_eq!(array.as_primitive::<Float64Type>().value(0).to_bits(), bits);
            let array = column(&DataType::Float32, format!("{narrow:e}").as_bytes()).unwrap();
            prop_assert_eq!(array.as_primitive::<Float32Type>().value(0).to_bits(), narrow_bits);
        }

        #[test]
        fn bytes_and_uuids_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..40), id: u128) {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let array = column(&DataType::Binary, format!("\\x{hex}").as_bytes()).unwrap();
            prop_assert_eq!(array.as_binary::<i32>().value(0), bytes.as_slice());
            let hex = format!("{id:032x}");
            let text = format!(
                "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
            let array = column(&DataType::FixedSizeBinary(16), text.as_bytes()).unwrap();
            prop_assert_eq!(array.as_fixed_size_binary().value(0), id.to_be_bytes());
        }
    }

    #[test]
    fn words_for_floats_are_read() {
        for (text, expected) in [("Infinity", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY)] {
            let array = column(&DataType::Float64, text.as_bytes()).unwrap();
            assert_eq!(array.as_primitive::<Float64Type>().value(0), expected);
        }
        let array = column(&DataType::Float64, b"NaN").unwrap();
        assert!(array.as_primitive::<Float64Type>().value(0).is_nan());
    }

    #[test]
    fn a_value_without_a_place_leaves_the_column_as_it_was() {
        let mut builder = ColumnBuilder::new(&DataType::Int16, 2, 0);
        assert_eq!(builder.append(b"32768"), Err(Unreadable::OutOfRange));
        builder.append(b"-32768").unwrap();
        builder.append_null();
        let array = builder.finish();
        assert_eq!(array.as_primitive::<Int16Type>().value(0), i16::MIN);
        assert_eq!((array.len(), array.null_count()), (2, 1));
        for (data_type, text) in [
            (DataType::Utf8, b"\xff".as_slice()),
            (DataType::Boolean, b"true"),
            (DataType::Binary, b"\\x0"),
            (DataType::Binary, b"abc"),
            (DataType::FixedSizeBinary(16), b"12345678-1234-1234-1234-1234567890--"),
        ] {
            assert!(column(&data_type, text).is_err(), "{data_type}");
        }
    }
}
