//! What people decide, as changes of a table like any other.
//!
//! ```text
//!  a person ──▶ decisions.public.decisions ──▶ log changes.decisions ──▶ claims of an entity
//!               insert: decided                 one row an event          from the source `decisions`
//!               delete: taken back
//! ```
//!
//! The table has the decisions of all entities; each entity hears those that are on it.

mod answer;
mod table;
mod transform;

pub use answer::{Answer, Refused, all_elements};
pub use table::{DecisionRow, Deed, rows, system, table};
pub use transform::{DecisionsOf, mapping_of};

pub(crate) use table::Texts;
