//! The PostgreSQL protocol as the source speaks it: blocking, one thread, large reads.
//!
//! Why our own: the walsender sends every row by itself, and a reader that wakes for each makes it
//! dearer for both ends. Here frames are handed out as slices of one large buffer, nothing is
//! copied, and the caller decides when to wait.
//!
//! ```text
//!  Socket ──read──▶ Input (one buffer) ──frame──▶ Connection ──▶ query · copy · replication
//! ```

mod auth;
mod connection;
mod encrypted;
mod input;
mod lsn;
mod query;
mod replication;
mod server_error;
mod socket;
mod sqlstate;

pub(crate) use connection::{Connection, Purpose};
pub(crate) use input::{Frame, Input};
pub(crate) use lsn::Lsn;
pub(crate) use query::{CopyStep, Row, identifier, literal};
pub(crate) use replication::{ServerIdentity, SlotCreated, StandbyStatus};
pub(crate) use server_error::ServerError;
