//! Debezium's format: the bytes of a Kafka record in, changes out, and back; a source that reads it from topics, and a
//! sink that writes it there.
//!
//! ```text
//!  Record (key, value) ──Reader──▶ Event ──TableBuilder──▶ ChangeBatch ──Writer──▶ Written (key, value)
//!  Kafka Connect's JSON            a row, a truncate,       rows of one             Kafka Connect's JSON
//!                                  a mark, …                table
//! ```
//!
//! The format does no I/O: whoever feeds it owns topics, offsets and headers, as [`DebeziumSource`] and
//! [`DebeziumSink`] do, the only parts here that know Kafka. Nothing here indexes foreign bytes or panics on them, and no error holds
//! a row's value.
//!
//! # What is read
//! JSON as Kafka Connect's converter writes it, with schema (`{"schema":…,"payload":…}`) and without:
//! then the caller gives the table's columns ([`TableBuilder::with_columns`]) and how the connector is
//! set up ([`Settings`]). Envelopes of PostgreSQL, MySQL, MariaDB, SQL Server, Oracle, MongoDB, and of
//! Syncline itself; truncates, tombstones, heartbeats, marks of transactions, schema changes and logical
//! messages. Numbers stay text until their column says what they are, so none is rounded on the way.
//!
//! A MongoDB document is a row of two columns: `id`, as the key has it, and `document`, as it was sent.
//!
//! # Types
//! | sent as | Arrow | beyond the ordinary |
//! |---|---|---|
//! | `int8`, `int16`, `int32`, `int64`, `Year` | Int16, Int16, Int32, Int64, Int32 | `BIGINT UNSIGNED` as `int64` is refused |
//! | `float`, `double`, `boolean` | Float32, Float64, Boolean | NaN, ±Infinity; a decimal as `double` is refused |
//! | `connect.data.Decimal` of 38 digits at most | Decimal128 | without a precision, or wider: text with the exact digits |
//! | `VariableScaleDecimal` | Utf8, the exact digits | PostgreSQL's connector cuts zeros at the end |
//! | decimal as `string`, where the source's type is said | Decimal128 or Utf8, as above | NaN; ±Infinity in Utf8 alone |
//! | `string`, `Enum`, `EnumSet`, `Xml`, `Ltree`, `Tsvector`, `Json`, `ZonedTime` | Utf8, as sent | |
//! | `bytes`; as `string` where the source's type is said | Binary | `binary.handling.mode` is a setting then |
//! | `Date`, `connect.data.Date`, `IsoDate`, `StructuredDate` | Date32 | infinity is `i32::MAX`, -infinity `i32::MIN` |
//! | `Time`, `MicroTime`, `NanoTime`, `IsoTime`, `StructuredTime` | Time64(µs) | 24:00; finer or outside a day is refused |
//! | `Timestamp`, `MicroTimestamp`, `NanoTimestamp`, `IsoTimestamp`, `StructuredTimestamp` | Timestamp(µs) | ±infinity is `i64::MAX` / `i64::MIN`; finer is refused |
//! | `ZonedTimestamp`, `StructuredZonedTimestamp` | Timestamp(µs, UTC) | the same |
//! | `connect.data.Time`, `connect.data.Timestamp` | as above | where the source's type shows at most milliseconds, else refused |
//! | `Interval`, `StructuredDuration` | Interval(MonthDayNano) | |
//! | `MicroDuration`, `NanoDuration` | Interval(MonthDayNano) | `INTERVAL DAY TO SECOND` alone, else refused: a month is no number of days |
//! | `Uuid` | FixedSizeBinary(16) | |
//! | `Bits` | Utf8, binary digits | `bit varying` is refused: its length is not sent |
//! | `array` | Utf8, the text of a PostgreSQL array | floats may have other digits for the same number |
//! | `geometry.*`, `FloatVector`, `DoubleVector`, `SparseDoubleVector`, `map`, other structs | Utf8, the JSON as sent | |
//!
//! *Refused* is a `Config` error that names the column and the setting of Debezium that is exact, or, for
//! one value, a `Rejected` error that names the column. `column.propagate.source.type=.*` lets the
//! connector say the source's types (`__debezium.source.column.*`).
//!
//! The placeholder of a value that was not sent is *absent*, never a value, in all its guises: a text,
//! bytes in any form, the element of an array, the numbers of its bytes, a map, a name-based UUID.
//!
//! # What is written
//! Envelopes with schemas that Debezium's sink and other consumers read ([`Writer`]), each delete
//! followed by its tombstone. `source.connector` is `syncline`; the block has our positions beside
//! Debezium's fields, and `absent`, the columns of which an image before says nothing. In an image
//! after, which consumers write, the placeholder stands for an absent text or bytes, and any other
//! absent column is refused; or all are ([`Absent`]). Decimals are exact bytes, or texts ([`Writer::decimals_as_text`]), which
//! alone can say NaN. Parameters `syncline.type` and `syncline.column` keep a column's own type,
//! number, default and generation. What is written is read back as the same batch, but for an update of
//! a key: it is written as Debezium does, as a delete, its tombstone and an insert.
//!
//! # Limits
//! - **Images before of PostgreSQL** are filled in by its connector where the server sent nothing, and
//!   look whole: only the key is believed, unless [`Images::Whole`] says that the table has `REPLICA
//!   IDENTITY FULL`.
//! - **NULL and defaults**: Kafka Connect's converter writes a column's default for NULL, unless the
//!   connector has `value.converter.replace.null.with.default=false`. The record does not tell.
//! - **Undeclared losses**: without the source's types, a decimal sent as `double`, bytes sent as text,
//!   an unsigned `BIGINT` sent as `int64` and `bit varying` can't be told from what they look like.
//!   `ZonedTime` was turned to UTC by the connector.
//! - **Keys that change** come as a delete, a tombstone and an insert (headers `__debezium.newkey` and
//!   `__debezium.oldkey`), and stay a delete and an insert.
//! - **Positions** of systems whose coordinates don't fit into 64 bits, and ordinals where the connector
//!   does not count: the table in `read/place.rs`. With `provide.transaction.metadata=true` they are the
//!   same however often a record is sent.
//! - **Flattened records** (`ExtractNewRecordState`), Avro, Protobuf and CloudEvents are not read.

#![warn(clippy::indexing_slicing)]

mod fault;
mod json;
mod read;
mod schema;
mod settings;
mod sink;
mod source;
mod value;
mod write;

pub use read::{
    Coordinates, Event, Image, Message, Reader, Record, RowChange, Snapshot, SourceInfo,
    TableBuilder, TransactionMark, TransactionPlace, Truncated,
};
pub use settings::{Absent, BinaryMode, DecimalMode, Images, Settings, TimePrecision};
pub use sink::{Asked, DebeziumSink, SinkSettings, ask_parked, doctor_written, parked_rows};
pub use source::{DebeziumSource, SourceSettings, doctor, inspect, sample};
pub use write::{HEADER_NEW_KEY, HEADER_OLD_KEY, Writer, Written};
