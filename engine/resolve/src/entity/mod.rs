//! An entity: batches of claims in, golden rows and conflicts out.

mod compare;
mod conflict;
mod golden;
mod incoming;
mod keep;
mod key;
mod record;
mod redecide;

pub use conflict::{Closed, ConflictChange, ConflictState, Word as ConflictWord};
pub use keep::{Entity, Outcome};
pub use record::RecordKeys;
