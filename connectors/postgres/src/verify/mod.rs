//! Both sides of a mapping, read to be compared.
//!
//! ```text
//!  source table ─COPY─▶ batches ─(mapping)─▶ TargetRows::forms ──▶ key, hash ┐
//!                                                                            ├ equal?
//!  target table ─COPY─▶ TargetRows::scan ───────────────────────▶ key, hash ┘
//! ```
//!
//! Values are compared in the form in which the sink sends them. Where the target's type decides what
//! comes of a value (`jsonb`, arrays, a rounding `numeric(10,2)` …) the target is asked what it makes of ours.
//!
//! Invariant: nothing here writes but [`TargetRows::delete`].

mod alike;
mod column;
mod forms;
mod source;
mod target;

pub use forms::EachForm;
pub use source::SourceRows;
pub use target::{EachRow, Found, TargetRows};
