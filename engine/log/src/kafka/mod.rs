//! The log on Apache Kafka: the same promises where one machine is not enough.
//!
//! ```text
//! <prefix>.changes.<system>, <prefix>.entity.<name>   a record an entry, in one partition
//! <prefix>.notes                                      compacted: which log this is, schemas, readers, checkpoints
//! <prefix>.work                                       nothing: who has its partition works
//! <prefix>.claims.<entity>                            compacted: what was said of each key, written in transactions
//! ```
//!
//! ```text
//!  append ─▶ encode ─▶ producer ═▶ broker ─▶ acknowledged in order ─▶ view: end, recent entries
//!                                                     │                └─▶ appenders and readers are told
//!                                                     └ at another offset than it was meant for: lost
//!  read ─▶ view: recent entries, shared; else ─▶ a consumer that stands there
//! ```
//!
//! Invariant: *a record counts only where it was meant to be.* Each says in a header the offset that its
//! writer meant it to have. A writer that was overtaken (a process that was thought dead) writes behind
//! records that it does not know of: none of its records is where it was meant to be, all readers pass them
//! over, and it learns so itself from the first acknowledgement. An offset once lost this way is left out.
//!
//! `docs/design/kafka-log.md` has the argument, the records, and what brokers have to be set to.

mod acknowledge;
mod append;
mod client;
mod cursor;
mod error;
mod feeds;
mod foreign;
mod journal;
mod lease;
mod load;
mod log;
mod names;
mod notes;
mod open;
mod owned;
mod record;
mod settings;
mod topic;
mod topics;

pub use client::Context as KafkaContext;
pub use feeds::{KafkaFeed, KafkaFeeds, KafkaRecord, KafkaTold};
pub use foreign::{KafkaConsumer, KafkaTopics};
pub use journal::KafkaJournal;
pub use lease::{KafkaLease, Standing, worker_elsewhere, worker_name};
pub use open::KafkaLog;
pub use settings::{Compression, KafkaSettings, Sasl, Security, Tls};
