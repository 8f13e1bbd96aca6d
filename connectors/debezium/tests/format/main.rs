//! The format from outside: records as Debezium writes them, laws, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test may panic; its helpers are not marked as tests")]

mod errors;
mod golden;
mod images;
mod laws;
mod sample;
mod show;
mod written;
