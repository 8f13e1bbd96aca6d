//! PostgreSQL as source and sink.

mod catalog;
mod rows;
mod settings;
mod tls;
mod values;
mod wire;

pub use catalog::{count, inspect, sample};
pub use settings::{Settings, Tls};
pub use values::{NUMERIC_NAN, arrow_type};
