//! The log between sources and targets: [`ChangeLog`](syncline_core::ChangeLog) in memory, on segment
//! files, and on Apache Kafka.
//!
//! [`MemoryLog`] is the specification: as short as the contract allows, and gone with the process.
//! [`EmbeddedLog`] does the same durably, in one directory, without a server; [`KafkaLog`] at brokers, for
//! more than one machine. All pass the suites of `syncline_core::conformance`, and a test compares memory
//! and directory operation by operation.

mod embedded;
mod kafka;
mod memory;
mod rules;

pub use embedded::{EmbeddedLog, Settings};
pub use kafka::{
    Compression, KafkaConsumer, KafkaContext, KafkaFeed, KafkaFeeds, KafkaJournal, KafkaLease,
    KafkaLog, KafkaRecord, KafkaSettings, KafkaTold, KafkaTopics, Sasl, Security, Standing, Tls,
    worker_elsewhere, worker_name,
};
pub use memory::MemoryLog;
