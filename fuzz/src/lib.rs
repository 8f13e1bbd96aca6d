//! Bytes that nobody meant, for everything that reads what others wrote.
//!
//! A target takes any bytes, hands them to one of our decoders, and asserts what has to hold of whatever comes of them:
//! it never panics, never takes memory or time beyond what the bytes account for, and what it
//! reads is read again as the same once it is written.
//!
//! ```text
//!  corpus/<target>/   real bytes, and what fuzzing found beside them, made small   ─┐
//!  crashes/<target>/  what once broke something, each with its story               ─┼─▶ Target::run
//!  libFuzzer          any bytes (./dev fuzz)                                       ─┘
//! ```
//! `tests/replay.rs` runs the kept ones with all other tests. Real bytes are made anew by `tests/seeds.rs`.

mod batch;
mod claims;
mod debezium;
mod entry;
mod frames;
mod log;
mod pgoutput;
mod project;
mod repair;
mod same;
mod scratch;
mod snapshot;
mod sql;
mod store;
mod tables;
mod target;

pub use pgoutput::frame;
pub use repair::{AS_IT_IS, REPAIRED};
pub use tables::{batches, catalog, schemas};
pub use target::{TARGETS, Target, target};
