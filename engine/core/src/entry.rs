//! What the log keeps.

use crate::{ChangeBatch, Position, TableName};

/// One entry of a topic.
///
/// Entries of one source transaction follow each other; the last has a [`Boundary`]. A reader may
/// begin to write earlier, but commits only at a boundary, and gives up what it holds since the
/// last one when it meets [`Body::Abandoned`].
#[derive(Debug, Clone)]
pub struct Entry {
    /// What happened.
    pub body: Body,
    /// Present where all transactions so far are whole.
    pub boundary: Option<Boundary>,
}

/// A place where a reader may commit and a source may resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boundary {
    /// The source resumes here: everything before it is in the log.
    pub position: Position,
    /// When the source committed the last transaction before it, in µs since 1970 UTC.
    pub committed_at: i64,
}

/// What an entry says.
#[derive(Debug, Clone)]
pub enum Body {
    /// Changes of rows of one table.
    Rows(ChangeBatch),
    /// Tables were emptied at once.
    Truncate(Vec<TableName>),
    /// The writer lost its place inside a transaction: forget what came since the last boundary;
    /// it follows again from the start.
    Abandoned,
    /// Nothing but the boundary: the source moved on without changes for us.
    Nothing,
}

impl Entry {
    /// How many rows it holds.
    #[must_use]
    pub fn rows(&self) -> usize {
        match &self.body {
            Body::Rows(batch) => batch.len(),
            Body::Truncate(_) | Body::Abandoned | Body::Nothing => 0,
        }
    }

    /// Its size, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.body {
            Body::Rows(batch) => batch.bytes(),
            Body::Truncate(_) | Body::Abandoned | Body::Nothing => 64,
        }
    }
}
