//! Mappings: SQL statements between a system's tables and the project's entities, checked against
//! both ends and run over batches of changes.
//!
//! ```text
//! files + catalog ──check──▶ diagnostics, and mappings that are planned
//!                            a mapping's transform: batch of changes in, batch of target rows out
//! ```
//! Policies that are SQL expressions are checked and computed here too.
//!
//! Invariant: nothing here waits, reads a clock, or does I/O. This is the only crate that knows
//! DataFusion.

pub mod cases;

mod catalog;
mod check;
mod diagnostic;
mod exact;
mod expression;
mod names;
mod policy;
mod run;
mod sql_type;
mod statement;
mod text;

pub use catalog::{Catalog, Checked, Entity, Execution, MappedColumn, Mapping, Options, SqlFile};
pub use check::check;
pub use diagnostic::Diagnostic;
pub use policy::{CheckedPolicy, PolicyExpressions, PolicyText};
