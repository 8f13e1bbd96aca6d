//! Topics that Debezium writes, as a source.
//!
//! ```text
//!  topics ─▶ gathered ─▶ plan of a chunk ─▶ noted, durable ─▶ its entries, in the plan's order ─▶ again
//!            from all                        └ read again from here after a crash
//!            partitions
//! ```
//!
//! Guarantees beside those of [`syncline_core::Source`]: each record is a transaction of its own; the records of one
//! partition, and so those of one key, keep their order; tables and partitions have none among each other but the
//! plan's. Memory is bounded by a chunk, whatever the size of a topic, and by a setting during a copy.
//!
//! A table that is copied again is read from its topic: of each key the last word before the place where the stream
//! stands. A topic that was trimmed has no more than what is left of it.

mod assembly;
mod begin;
mod brokers;
mod capture;
mod copy;
mod doctor;
mod inspect;
mod merge;
mod note;
mod plan;
mod settings;
mod stream;
mod words;

pub use capture::DebeziumSource;
pub use doctor::doctor;
pub(crate) use doctor::{encryption, failed, well};
pub use inspect::{inspect, sample};
pub use settings::SourceSettings;
