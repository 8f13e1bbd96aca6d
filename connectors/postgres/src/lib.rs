//! PostgreSQL as source and sink.

mod begin;
mod catalog;
mod doctor;
mod note;
mod publication;
mod rows;
mod settings;
mod slot;
mod snapshot;
mod source;
mod stream;
mod tls;
mod values;
mod watch;
mod wire;

pub use catalog::{count, inspect, sample};
pub use doctor::doctor;
pub use settings::{Settings, Tls};
pub use source::PostgresSource;
pub use values::{NUMERIC_NAN, arrow_type};
