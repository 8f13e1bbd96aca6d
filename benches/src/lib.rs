//! What the benchmarks have in common.

pub mod person;
pub mod project;
pub mod workload;
