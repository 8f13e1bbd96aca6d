//! Claims, policies and what they come to.
//!
//! ```text
//!  what a record says ──▶ claims of its key ──▶ policies ──▶ golden row, conflicts
//!  (a mapping's rows)     (kept, merged)        (pure)
//! ```
//!
//! Claims are kept, not winners: for each key of an entity, the word of every source record that speaks
//! of it. Merging claims is a join, so any order, duplication or replay comes to the same; the golden
//! row is a pure function of the claims. Knows neither SQL nor connectors.

pub mod store;

mod cells;
mod claims;
pub mod decisions;
mod entity;
#[doc(hidden)]
pub mod fuzzing;
mod journaled;
mod mark;
mod policy;
mod rows;
mod rules;
mod text;

pub use entity::{
    AgreedRows, Before, Change, Contradiction, DecidedBy, DecisionStanding, Entity, Flip,
    MadeDecision, Margin, Measure, Preview, Previewing, Record, RecordKeys, RecordState, Said,
    Sample, Score, SharedEntity, Since, Standing, TimeTold, Why, WhyColumn, WhyExists, WhyUnit,
    WhyWord,
};
pub use journaled::JournaledRows;
pub use mark::{Mark, Stamp};
pub use rows::{MemoryRows, RowBuffer, Rows, Scanned};
pub use rules::{ClaimingMapping, EntityRules, Existence, Fallback, Policy, Unit};
pub use text::utc;
