//! The suites that every implementation of a contract must pass: a new log, source or sink starts
//! with one line calling its suite.
//!
//! A suite panics with what was promised and not kept. Topics and names are of the suite's own, so
//! that one instance serves all of it.

mod change_log;
mod checkpoints;
mod sample;
pub mod sink;

pub use change_log::{change_log, durable_change_log};
pub use checkpoints::{checkpoints, durable_checkpoints};
pub use sample::{same_batch, same_entry, sample_batch, sample_entry, sample_schema};
