//! Log → sink: one lane a topic and system.
//!
//! ```text
//!  log ─read─▶ prepare: decide the step, run the mappings ─▶ (bounded) ─▶ write: rows, parked rows and
//!                                                                          progress in one transaction
//! ```
//!
//! The two halves overlap, so that the next step is mapped while the target executes this one. Progress
//! lives in the target; the log only learns of it so that it can trim.

mod begin;
mod early;
mod gate;
mod lane;
mod linked;
mod places;
mod prepare;
mod reach;
mod waves;
mod write;

pub(crate) use lane::Lane;
pub(crate) use linked::Link;
pub(crate) use prepare::{Mapped, Prepared, Preparing, Step, concat, run_transform};
pub(crate) use reach::Reach;
