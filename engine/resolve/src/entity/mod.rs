//! An entity: batches of claims in, golden rows and conflicts out.

mod agreed_rows;
#[cfg(test)]
mod both_ways;
mod collect;
mod compare;
mod conflict;
mod decided;
mod golden;
mod incoming;
mod keep;
mod key;
mod merge;
mod parse;
mod plain;
mod preview;
mod record;
mod returned;
mod shared;
mod sweep;
#[cfg(test)]
mod tests;
mod why;

pub use agreed_rows::AgreedRows;
pub use keep::Entity;
pub use preview::{Contradiction, Preview, Previewing, Sample};
pub use record::RecordKeys;
pub use shared::SharedEntity;
pub use why::{
    Before, Change, DecidedBy, DecisionStanding, Flip, MadeDecision, Margin, Measure, Record,
    RecordState, Said, Score, Since, Standing, TimeTold, Why, WhyColumn, WhyExists, WhyUnit,
    WhyWord,
};
