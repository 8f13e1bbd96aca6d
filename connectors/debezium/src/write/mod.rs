//! Batches in, records out.

mod columns;
mod envelope;
mod payload;
mod row;
mod writer;

pub use writer::{Writer, Written};
