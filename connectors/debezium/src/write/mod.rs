//! Batches in, records out.

#![expect(clippy::indexing_slicing, reason = "batches are ours, and their shapes are checked")]

mod columns;
mod envelope;
mod payload;
mod row;
mod source;
mod writer;

pub use writer::{HEADER_NEW_KEY, HEADER_OLD_KEY, Writer, Written};
