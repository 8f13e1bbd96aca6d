//! Runs a mapping over batches.
//!
//! ```text
//!  batch ──bind──▶ input columns ──filter──▶ verdict a row ──decide──▶ rows to write, keys to delete
//!                                                                          │
//!  output ◀──assemble── columns, in source order ◀──evaluate, row by row where it fails──┘
//! ```
//! Nothing is planned here: expressions are compiled at check, and bound to a batch's columns by
//! name when a revision of the schema is first met.

mod assemble;
mod bind;
mod decide;
mod evaluate;
mod facts;
mod program;
mod transform;

pub(crate) use evaluate::{Values, values};
pub(crate) use program::{Program, Target};
