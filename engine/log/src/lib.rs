//! The log between sources and targets: [`ChangeLog`](syncline_core::ChangeLog) in memory and on
//! segment files.
//!
//! [`MemoryLog`] is the specification: as short as the contract allows, and gone with the process.
//! [`EmbeddedLog`] does the same durably, in one directory, without a server. Both pass the suites
//! of `syncline_core::conformance`, and a test compares them operation by operation.

mod embedded;
mod memory;
mod rules;

pub use embedded::{EmbeddedLog, Settings};
pub use memory::MemoryLog;
