//! Topics in Debezium's format as a target.
//!
//! ```text
//!  write ─▶ encoded, measured ─▶ sent to <prefix>.<schema>.<table> ┐
//!  park  ─▶ rows set aside ────▶ state                             ├ one transaction of Kafka
//!  commit ▶ progress ──────────▶ state                             ┘
//! ```
//!
//! Guarantees beside those of [`syncline_core::Sink`]: consumers that read what is committed
//! (`isolation.level=read_committed`) see records, rows set aside and progress together or not at all. Where a
//! topic has several partitions, the records of one key are in one, in order.
//!
//! A topic can't be asked which rows it has: what is written is counted by operation, a delete of what is not
//! there is a record all the same, and a row that is not whole is refused, or written with Debezium's placeholder
//! ([`crate::Absent`]).

mod doctor;
mod session;
mod settings;
mod state;
mod target;

pub use doctor::doctor_written;
pub use settings::SinkSettings;
pub use state::{Asked, ask_parked, parked_rows};
pub use target::DebeziumSink;
