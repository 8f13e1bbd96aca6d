//! The source: what it does in which order.
//!
//! ```text
//!  publication ─▶ slot ─▶ snapshot of what was not read yet ─▶ stream, until told to stop
//!                 made, or checked against the note
//! ```
//!
//! Guarantees beside those of [`Source`]: one slot and one publication a system; a position is
//! confirmed to the server only once the outlet released it; memory is bounded by one batch a
//! connection, whatever the size of a transaction.
//!
//! What is not seen: columns that are generated (pgoutput does not send them, so the snapshot leaves
//! them out too), and TRUNCATE of a single partition (the server does not publish it when changes
//! go by the root's name).

use crate::begin::Begin;
use crate::note::Note;
use crate::settings::Settings;
use crate::snapshot;
use crate::stream;
use crate::watch::{self, Activity};
use crate::wire::{Connection, Purpose};
use std::sync::OnceLock;
use syncline_core::{
    Body, Boundary, Captured, Entry, Error, Kind, Outlet, Position, Report, Result, Resume, Source,
    SystemName, TableName,
};

/// Reads one PostgreSQL database.
#[derive(Debug)]
pub struct PostgresSource {
    system: SystemName,
    settings: Settings,
    tables: Vec<TableName>,
}

impl PostgresSource {
    /// A source of these tables of a system, parents before children: snapshots are taken in this
    /// order.
    #[must_use]
    pub fn new(system: SystemName, settings: Settings, tables: Vec<TableName>) -> Self {
        Self { system, settings, tables }
    }
}

impl Source for PostgresSource {
    fn run(&mut self, resume: Resume, outlet: &dyn Outlet) -> Result<()> {
        let capture = Capture {
            system: &self.system,
            settings: &self.settings,
            outlet,
            tables: &self.tables,
            changed: OnceLock::new(),
        };
        match capture.run(resume) {
            // Told to stop, by the outlet or while something was waited for.
            Err(error) if error.kind() == Kind::Closed => Ok(()),
            other => other,
        }
    }
}

/// What all parts of a run share.
pub(crate) struct Capture<'a> {
    pub(crate) system: &'a SystemName,
    pub(crate) settings: &'a Settings,
    pub(crate) outlet: &'a dyn Outlet,
    pub(crate) tables: &'a [TableName],
    /// What was altered under this run, so that it has to begin again.
    pub(crate) changed: OnceLock<String>,
}

impl Capture<'_> {
    fn run(&self, resume: Resume) -> Result<()> {
        let mut replication = Connection::open(self.settings, Purpose::Replication)?;
        let (begin, wanted) = self.begin(&mut replication, resume)?;
        let activity = Activity::default();
        std::thread::scope(|scope| {
            let _watch = watch::start(scope, self, &activity, &wanted);
            let Begin { note, position, view } = begin;
            let note = snapshot::run(self, note, &wanted, position, &view)?;
            self.outlet.report(Report::Streaming);
            stream::run(self, replication, note, &wanted, position, &activity)
        })
    }

    /// Hands over entries; returns the size of the note that went with them.
    pub(crate) fn emit(&self, entries: Vec<Entry>, note: Option<&Note>) -> Result<Option<usize>> {
        let checkpoint = note.map(Note::to_bytes);
        let bytes = checkpoint.as_ref().map(Vec::len);
        self.outlet.emit(Captured { entries, checkpoint })?;
        Ok(bytes)
    }

    /// The error that ends a run which was told to stop, or whose tables are not what they were when
    /// it began: the next one looks at them again, and names what can't be mended.
    pub(crate) fn check_stop(&self) -> Result<()> {
        match self.changed.get() {
            _ if self.outlet.stopping() => Err(syncline_core::Stopped.into()),
            Some(what) => Err(Error::new(Kind::Unavailable, what.clone())
                .detail("capture begins again, with the tables as they are now")),
            None => Ok(()),
        }
    }

    /// Tells the operator why nothing happens.
    pub(crate) fn say_waiting(&self) {
        let text = format!("{} waits for open transactions to end", self.system);
        self.outlet.report(Report::Notice(text));
    }
}

/// An entry that only says how far we are.
pub(crate) fn nothing(position: Position, committed_at: i64) -> Entry {
    Entry { body: Body::Nothing, boundary: Some(Boundary { position, committed_at }) }
}
