//! Values on their way into Arrow columns.

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, FixedSizeBinaryBuilder,
    Float32Builder, Float64Builder, Int16Builder, Int32Builder, Int64Builder,
    IntervalMonthDayNanoBuilder, StringBuilder, Time64MicrosecondBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, builder::ArrayBuilder};
use arrow_buffer::IntervalMonthDayNano;
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use std::borrow::Cow;

/// A value that has its place in a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    /// Not spoken of.
    Absent,
    Null,
    Boolean(bool),
    /// A whole number; a day since 1970; microseconds since midnight or 1970.
    Integer(i64),
    Float32(f32),
    Float64(f64),
    /// In units of the column's scale.
    Decimal(i128),
    Text(Cow<'a, str>),
    Bytes(Vec<u8>),
    Uuid([u8; 16]),
    Interval(IntervalMonthDayNano),
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
    Decimal(Decimal128Builder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Interval(IntervalMonthDayNanoBuilder),
    Uuid(FixedSizeBinaryBuilder),
    Bytes(BinaryBuilder),
    Text(StringBuilder),
}

impl ColumnBuilder {
    /// A column of a type that values are carried in; `None` for any other type.
    pub(crate) fn new(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Int16 => Self::Int16(Int16Builder::new()),
            DataType::Int32 => Self::Int32(Int32Builder::new()),
            DataType::Int64 => Self::Int64(Int64Builder::new()),
            DataType::Float32 => Self::Float32(Float32Builder::new()),
            DataType::Float64 => Self::Float64(Float64Builder::new()),
            DataType::Decimal128(_, _) => {
                Self::Decimal(Decimal128Builder::new().with_data_type(data_type.clone()))
            }
            DataType::Date32 => Self::Date(Date32Builder::new()),
            DataType::Time64(TimeUnit::Microsecond) => Self::Time(Time64MicrosecondBuilder::new()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Self::Timestamp(
                TimestampMicrosecondBuilder::new().with_data_type(data_type.clone()),
            ),
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                Self::Interval(IntervalMonthDayNanoBuilder::new())
            }
            DataType::FixedSizeBinary(16) => Self::Uuid(FixedSizeBinaryBuilder::new(16)),
            DataType::Binary => Self::Bytes(BinaryBuilder::new()),
            DataType::Utf8 => Self::Text(StringBuilder::new()),
            _ => return None,
        })
    }

    /// Adds a value, NULL, or the empty slot of an absent one.
    ///
    /// # Panics
    /// When the value is of another type than the column: decoding gives none such.
    pub(crate) fn append(&mut self, value: &Value<'_>) {
        const FITS: &str = "decoding keeps within the column's type";
        match (self, value) {
            (column, Value::Null | Value::Absent) => column.append_null(),
            (Self::Boolean(column), Value::Boolean(it)) => column.append_value(*it),
            (Self::Int16(column), Value::Integer(it)) => {
                column.append_value(i16::try_from(*it).expect(FITS));
            }
            (Self::Int32(column), Value::Integer(it)) => {
                column.append_value(i32::try_from(*it).expect(FITS));
            }
            (Self::Date(column), Value::Integer(it)) => {
                column.append_value(i32::try_from(*it).expect(FITS));
            }
            (Self::Int64(column), Value::Integer(it)) => column.append_value(*it),
            (Self::Time(column), Value::Integer(it)) => column.append_value(*it),
            (Self::Timestamp(column), Value::Integer(it)) => column.append_value(*it),
            (Self::Float32(column), Value::Float32(it)) => column.append_value(*it),
            (Self::Float64(column), Value::Float64(it)) => column.append_value(*it),
            (Self::Decimal(column), Value::Decimal(it)) => column.append_value(*it),
            (Self::Interval(column), Value::Interval(it)) => column.append_value(*it),
            (Self::Uuid(column), Value::Uuid(it)) => column.append_value(it).expect(FITS),
            (Self::Bytes(column), Value::Bytes(it)) => column.append_value(it),
            (Self::Text(column), Value::Text(it)) => column.append_value(it),
            _ => unreachable!("{FITS}"),
        }
    }

    fn append_null(&mut self) {
        match self {
            Self::Boolean(column) => column.append_null(),
            Self::Int16(column) => column.append_null(),
            Self::Int32(column) => column.append_null(),
            Self::Int64(column) => column.append_null(),
            Self::Float32(column) => column.append_null(),
            Self::Float64(column) => column.append_null(),
            Self::Decimal(column) => column.append_null(),
            Self::Date(column) => column.append_null(),
            Self::Time(column) => column.append_null(),
            Self::Timestamp(column) => column.append_null(),
            Self::Interval(column) => column.append_null(),
            Self::Uuid(column) => column.append_null(),
            Self::Bytes(column) => column.append_null(),
            Self::Text(column) => column.append_null(),
        }
    }

    /// The column so far; empty again after it.
    pub(crate) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Boolean(column) => ArrayBuilder::finish(column),
            Self::Int16(column) => ArrayBuilder::finish(column),
            Self::Int32(column) => ArrayBuilder::finish(column),
            Self::Int64(column) => ArrayBuilder::finish(column),
            Self::Float32(column) => ArrayBuilder::finish(column),
            Self::Float64(column) => ArrayBuilder::finish(column),
            Self::Decimal(column) => ArrayBuilder::finish(column),
            Self::Date(column) => ArrayBuilder::finish(column),
            Self::Time(column) => ArrayBuilder::finish(column),
            Self::Timestamp(column) => ArrayBuilder::finish(column),
            Self::Interval(column) => ArrayBuilder::finish(column),
            Self::Uuid(column) => ArrayBuilder::finish(column),
            Self::Bytes(column) => ArrayBuilder::finish(column),
            Self::Text(column) => ArrayBuilder::finish(column),
        }
    }
}
