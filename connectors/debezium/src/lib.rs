//! Debezium's format.

mod fault;
mod json;
mod read;
mod schema;
mod settings;
mod value;
mod write;

pub use read::{
    Coordinates, Event, Image, Message, Reader, Record, RowChange, Snapshot, SourceInfo,
    TableBuilder, TransactionMark, TransactionPlace, Truncated,
};
pub use settings::{BinaryMode, DecimalMode, Images, Settings, TimePrecision};
pub use write::{Writer, Written};
