//! The nouns of Syncline and the contracts between its parts.
//!
//! ```text
//!  Source ──▶ Entry(ChangeBatch) ──▶ ChangeLog ──▶ Transform ──▶ ChangeBatch ──▶ Sink
//!  a system     rows of one table      durable       a mapping      rows of one     a system
//!                                      middle                       target table
//! ```
//!
//! A [`ChangeBatch`] is the unit of all work: many changes of one table as Arrow columns, with an
//! operation, a transaction and a [`Presence`] for each row. A [`Source`] emits [`Entry`]s, a
//! [`ChangeLog`] keeps them, a [`Transform`] rewrites batches of one table into batches of another,
//! and a [`Sink`] writes them together with the progress of its reader.
//!
//! Invariant: nothing here does I/O, reads a clock or spawns. What a part does about an error is
//! decided in one place, [`Kind::retry`].

pub mod codec;
#[cfg(feature = "conformance")]
pub mod conformance;

mod batch;
mod catalog;
mod claims;
mod conflict;
mod digest;
mod entry;
mod error;
mod expression;
mod gate;
mod journal;
mod key;
mod log;
mod parked;
mod position;
mod presence;
mod reduce;
mod secret;
mod sink;
mod source;
mod stability;
mod table;
mod transform;

pub use batch::{ChangeBatch, Op, Transaction, TransactionRun};
pub use catalog::{CatalogTable, Finding, ForeignKey, Identity, Severity};
pub use claims::{Claims, Cursor, Heard, Resolved, Sweep};
pub use conflict::{
    Closed, ConflictBook, ConflictChange, ConflictKind, ConflictState, ConflictWord,
};
pub use digest::Digest;
pub use entry::{Body, Boundary, Entry};
pub use error::{Error, Kind, Outcome, Result, Retry};
pub use expression::{Computed, Expression, Expressions, LostExpression, NoExpressions};
pub use gate::{Gates, MassChange, MassKind};
pub use journal::{Journal, JournalPlace, Journaled};
pub use key::{KeyRows, KeyTexts, key_text};
pub use log::{Appended, ChangeLog, Checkpoints, LogId, Offset, ReaderName, Record, Tail, Topic};
pub use parked::{ParkKey, ParkMark, Parked, Stage};
pub use position::Position;
pub use presence::{ColumnMask, Presence};
pub use reduce::{PartialRows, Reduced, reduce};
pub use secret::Secret;
pub use sink::{Progress, Sink, TargetChange, Written};
pub use source::{Captured, Outlet, Report, Resume, Source, Stopped};
pub use stability::{Stability, Stable};
pub use table::{Column, SystemName, TableName, TableSchema};
pub use transform::{RejectedRow, Transform, Transformed};
