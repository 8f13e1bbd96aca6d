//! PostgreSQL text values to Arrow columns: one codec for snapshot and stream (design §5).
//!
//! Both paths ask the server for the same output formats (ISO dates in UTC, shortest exact floats,
//! hexadecimal bytea), so a value has one text form, and [`ColumnBuilder`] appends it straight from
//! the bytes that were read.
//!
//! | PostgreSQL | Arrow | beyond the ordinary |
//! |---|---|---|
//! | int2/4/8, float4/8, bool | Int16/32/64, Float32/64, Boolean | NaN, ±Infinity, -0 |
//! | numeric(p,s), 38 digits at most | Decimal128 | NaN is [`NUMERIC_NAN`] |
//! | other numeric | Utf8, the exact digits | NaN, ±Infinity as words |
//! | bytea, uuid | Binary, FixedSizeBinary(16) | |
//! | date | Date32 | infinity is `i32::MAX`, -infinity `i32::MIN` |
//! | time | Time64(µs) | 24:00:00 is 86,400,000,000 |
//! | timestamp, timestamptz | Timestamp(µs), Timestamp(µs, UTC) | ±infinity is `i64::MAX` / `i64::MIN` |
//! | everything else | Utf8, the text form as sent | |
//!
//! Timestamps after 294247-01-10 04:00:54.775806 don't fit in µs since 1970, and a database with the
//! encoding SQL_ASCII may hold texts that are no UTF-8: such a value is absent from its row.

mod builders;
mod copy_text;
pub(crate) mod encode;
mod numeric;
mod time;
mod types;

pub(crate) use builders::ColumnBuilder;
use builders::Unreadable;
pub(crate) use copy_text::{CopyField, fields, plain_fields};
pub use numeric::NUMERIC_NAN;
pub use types::arrow_type;
