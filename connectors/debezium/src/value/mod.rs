//! Values: from Debezium's JSON to what an Arrow column holds, and the parts both directions share.

mod bits;
mod calendar;
mod column;
mod decimal;
mod decode;
mod interval;
mod literal;
mod placeholder;
mod unfit;

pub(crate) use bits::{from_little_endian, to_little_endian};
pub(crate) use calendar::{
    DATE_INFINITY, DATE_INFINITY_SENT, DATE_RANGE, MICROS_PER_DAY, TIMESTAMP_INFINITY,
    TIMESTAMP_INFINITY_SENT, timestamp_text,
};
pub(crate) use column::{ColumnBuilder, Value};
pub(crate) use decimal::{Decimal, NUMERIC_NAN};
pub(crate) use decode::decode;
pub(crate) use interval::{interval, interval_text};
pub(crate) use literal::{array_literal, uuid_text};
pub(crate) use placeholder::Placeholder;
pub(crate) use unfit::Unfit;
