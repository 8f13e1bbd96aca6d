//! What people decide, on its way from the control store into the log.
//!
//! ```text
//!  decide, undo ──▶ control store ──▶ source ──▶ log changes.decisions ──▶ claims of each entity
//!                   (its numbers)     (here)
//! ```

mod note;
mod settings;
mod source;
mod store;
mod words;

pub(crate) use settings::Settings;
pub(crate) use source::{DecisionsSource, is_decisions};
pub(crate) use store::{FILE, Store};
pub(crate) use words::{Evidence, decision_id};
