//! The stream: reading it, handing over batches, telling the server how far we are.
//!
//! ```text
//!  frames ─▶ envelope ─▶ message ─┬─▶ Changes ─▶ Assembly ─▶ entries ─▶ outlet
//!            keepalive ─▶ feedback └─▶ Spill (in progress) ──▶ Changes, at its commit
//! ```

mod assemble;
mod changes;
mod columns;
mod feedback;
mod fuzzing;
mod idle;
mod message;
mod pace;
mod reader;
mod relations;
mod spill;

pub(crate) use fuzzing::entries;
pub(crate) use reader::run;
pub(crate) use relations::{captured, next_revision};
