//! The format from outside: records as Debezium writes them, laws, and what is refused.

mod errors;
mod golden;
mod images;
mod laws;
mod sample;
mod show;
