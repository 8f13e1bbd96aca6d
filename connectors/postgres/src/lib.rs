//! PostgreSQL as source and sink.

mod begin;
mod catalog;
mod connect;
mod doctor;
#[doc(hidden)]
pub mod fuzzing;
mod mark;
mod note;
mod publication;
mod rows;
mod settings;
mod sink;
mod slot;
mod snapshot;
mod source;
mod stream;
mod tls;
mod values;
mod verify;
mod watch;
mod wire;

pub use catalog::{count, current_commit, inspect, sample};
pub use doctor::doctor;
pub use settings::{Settings, Tls};
pub use sink::{ParkedRow, PostgresSink, drop_parked, list_parked, replay_parked};
pub use source::PostgresSource;
pub use values::{NUMERIC_NAN, arrow_type};
pub use verify::{EachForm, EachRow, Found, SourceRows, TargetRows};
