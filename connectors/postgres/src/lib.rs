//! PostgreSQL as source and sink.

mod connect;
mod settings;
mod sink;
mod tls;
mod values;

pub use settings::{Settings, Tls};
pub use sink::{ParkedRow, PostgresSink, drop_parked, list_parked, replay_parked};
