//! PostgreSQL as source and sink.

mod settings;
mod tls;

pub use settings::{Settings, Tls};
