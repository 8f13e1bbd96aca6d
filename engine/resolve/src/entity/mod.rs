//! An entity: batches of claims in, golden rows and conflicts out.

mod compare;
mod conflict;
mod golden;
mod incoming;
mod keep;
mod key;
mod merge;
mod plain;
mod record;
mod returned;
mod sweep;

pub use keep::Entity;
pub use record::RecordKeys;
