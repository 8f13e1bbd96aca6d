//! The durable middle.

mod memory;

pub use memory::MemoryLog;
