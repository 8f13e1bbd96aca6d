//! Values as people read and write them, both ways without a loss.
//!
//! ```text
//!  cell ──write──▶ text     2024-06-30 · 12:00:00.5 · -0.25 · {en,es} · infinity
//!       ◀──read───          and, from people, what PostgreSQL would take for the same
//! ```
//!
//! Invariant: what was written for a cell is read as that cell, for every type that a field can have.

mod number;
mod time;
mod value;

pub use time::utc;
pub(crate) use value::{read, write};
