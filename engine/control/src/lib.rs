//! What people work with: conflicts and decisions, kept in a database of their own.
//!
//! ```text
//!  resolving ──apply──▶ ┌──────────────┐ ◀──list, count, get, history── people
//!                       │   Control    │
//!  resolving ◀─────feed─┤ SQLite or PG │ ◀──decide, undo─────────────── people
//!                       └──────────────┘
//!
//!            raise                 decide              close: decided
//!   (none) ────────▶ open ─────────────────▶ decided ────────────────▶ closed
//!                    │ ▲ ◀──── undo ──────────┘ │                      │ │
//!                    │ └──── raise on other evidence ◀─────────────────┘ │
//!                    └──────────── close: agreed, gone, … ──────────────▶┘
//! ```
//!
//! A conflict is a question about one subject (a field, a group, or existence) of one key of one
//! entity. There is one row for it, for ever: what comes later reopens it, and its history says why.
//!
//! Invariants:
//! - One conflict for an entity, a key and a subject. Its id never changes, and ids are given in the
//!   order in which conflicts become visible, so that paging by id misses none.
//! - A decision stands while the evidence it was made on does. Other evidence reopens the conflict.
//! - No statement is written for one database: both run the same text.
//! - Values of rows are stored here and returned; they are never logged, nor put into errors.
//!
//! # What is durable when
//! [`Control::decide`] and [`Control::undo`] return after the database forced its log to disk
//! (`synchronous = FULL`, `synchronous_commit = on`): nobody else could say again what a person
//! said. [`Control::apply`] does not wait for the disk (`NORMAL`, `off`): a crash of the process
//! loses nothing, and after a power cut the store is whole but may lack the last batches, which
//! resolving says again because applying is idempotent. Whoever records elsewhere how far it has
//! come calls [`Control::make_durable`] first, once for many batches. Both databases keep one log in
//! order, so a durable decision makes all that was applied before it durable too.

mod apply;
mod change;
mod conflict;
mod decide;
mod decision;
mod error;
mod feed;
mod filter;
mod fold;
mod kind;
mod migrate;
mod read;
mod statement;
mod store;

pub use change::{Change, ClaimView, ConflictChange, Raise};
pub use conflict::{Conflict, Event, Happened};
pub use decision::{Decision, DecisionFilter, DecisionRecord, Undone};
pub use error::{Error, Result};
pub use feed::{Said, SaidWhat};
pub use filter::{Filter, Order};
pub use kind::{CloseReason, ConflictKind, State};
pub use store::Control;
