//! Why an entity is as it is: who says what, what decided, by how much, and what would change it.
//!
//! ```text
//!  claims of a key ──▶ the rules in force ──▶ value, what decided, margin
//!        └── with one change ──▶ the same rules ──▶ another value?  then that change would do it
//! ```
//!
//! Everything told here was decided, not described: a change that is said to lead to another value was
//! applied to a copy of the claims, and the copy decided by the same code.

mod explain;
mod flip;
mod margin;
mod said;
mod told;

pub use told::{
    Before, Change, DecidedBy, DecisionStanding, Flip, MadeDecision, Margin, Measure, Record,
    RecordState, Said, Score, Since, Standing, TimeTold, Why, WhyColumn, WhyExists, WhyUnit,
    WhyWord,
};
