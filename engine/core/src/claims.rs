//! The contract of what weighs claims.

use crate::{ChangeBatch, ConflictChange, LogId, Offset, Result, Stable, Topic, Transaction};

/// What claims come to.
#[derive(Debug, Default)]
pub struct Resolved {
    /// Golden rows that are others now, in the order of the changes that made them so: `Insert`,
    /// `Update`, `Delete` and `Snapshot`, each with all columns.
    pub golden: Option<ChangeBatch>,
    /// What became of conflicts.
    pub conflicts: Vec<ConflictChange>,
}

/// Rows of one mapping for an entity, and where they come from.
#[derive(Debug, Clone, Copy)]
pub struct Heard<'a> {
    /// The mapping's file.
    pub mapping: &'a str,
    /// A batch of the table that it reads.
    pub source: &'a ChangeBatch,
    /// What it made of that.
    pub rows: &'a ChangeBatch,
    /// For each of these, the place of its source row.
    pub origins: &'a [u32],
    /// Whether golden rows may be out that came of these before a crash. Then each key is told
    /// again, also where this time nothing comes of it.
    pub in_doubt: bool,
}

/// Something that is done over all claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sweep {
    /// A mapping's table was emptied: none of its records is there any more.
    Emptied(String),
    /// The rules are others than those that decided so far: decide again.
    Redecide,
}

/// A place in a sweep, as the store numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cursor(pub u64, pub u64);

/// The claims of one entity: what each source record says of it, and what that comes to.
///
/// Order of effects, kept by whoever calls: golden rows durable → conflicts noted → `commit`. Golden
/// rows are a function of the claims, so that a crash between repeats them, which is harmless.
pub trait Claims: Send {
    /// Which claims these are: begun anew, they have another id.
    fn id(&self) -> u64;

    /// How far each topic was heard when it was last committed; none for another log.
    fn progress(&self, log: LogId, topic: &Topic) -> Option<Offset>;

    /// Takes in what records say.
    ///
    /// # Errors
    /// `Unavailable` while there is no room, `Corrupt` when claims can't be read; then nothing holds
    /// that was heard since the last commit, once `rollback` was called.
    fn hear(&mut self, heard: Heard<'_>) -> Result<Resolved>;

    /// Whether the rules are others than those that decided so far.
    fn is_outdated(&self) -> bool;

    /// Does a piece of what is to be done over all claims, as of a transaction; says where to go on,
    /// none at the end.
    ///
    /// # Errors
    /// See `hear`.
    fn sweep(
        &mut self,
        sweep: &Sweep,
        from: Cursor,
        at: Transaction,
    ) -> Result<(Resolved, Option<Cursor>)>;

    /// Lets go of the next piece of what is kept of keys that are gone: of those of which nothing was
    /// heard behind these places, which nobody has any more, and on which nothing waits. Says how many
    /// keys that were, and where to go on; none at the end.
    ///
    /// # Errors
    /// See `hear`.
    fn collect(&mut self, stable: &Stable, from: Cursor) -> Result<(u64, Option<Cursor>)>;

    /// Makes durable what was heard, together with how far that was.
    ///
    /// # Errors
    /// `Unavailable` while there is no room, `Corrupt` when it is in doubt what is on the disk.
    fn commit(&mut self, log: LogId, topic: &Topic, next: Offset) -> Result<()>;

    /// Forgets what was heard since the last commit.
    ///
    /// # Errors
    /// `Corrupt` when it is in doubt what is on the disk.
    fn rollback(&mut self) -> Result<()>;
}
