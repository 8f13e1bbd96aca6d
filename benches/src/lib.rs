//! What the benchmarks have in common.

pub mod project;
pub mod workload;
