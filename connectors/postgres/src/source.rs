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

use crate::catalog::{Relation, qualified, read_tables};
use crate::note::{Note, SnapshotStage, Stage, TableNote};
use crate::publication::{self, Published};
use crate::settings::Settings;
use crate::slot::{self, SlotState};
use crate::snapshot::{self, View};
use crate::stream;
use crate::wire::{Connection, Purpose, ServerIdentity, SlotCreated};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use syncline_core::{
    Body, Boundary, Captured, Entry, Error, Identity, Kind, Outlet, Position, Report, Result,
    Resume, Source, SystemName, TableName,
};

/// Longest wait for the log to make a note durable before a slot is made.
const DURABLE_WAIT_MAX: Duration = Duration::from_secs(60);
/// How often a wait for the server asks whether it should stop.
const TICK: Duration = Duration::from_millis(200);
/// How long before the operator is told what is waited for.
const TICKS_BEFORE_NOTICE: u32 = 10;
/// How often a wait looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

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
    tables: &'a [TableName],
}

/// A table to capture: as the catalog has it, and what the publication lets through.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) relation: Relation,
    pub(crate) published: Published,
}

/// Where a run begins.
struct Begin {
    note: Note,
    position: Position,
    view: View,
}

impl Capture<'_> {
    fn run(&self, resume: Resume) -> Result<()> {
        let mut replication = Connection::open(self.settings, Purpose::Replication)?;
        let mut catalog = Connection::open(self.settings, Purpose::Query)?;
        let server = replication.identify_system()?;
        let note = match &resume.checkpoint {
            Some(bytes) => Some(Note::from_bytes(self.system, bytes)?),
            None => None,
        };
        let wanted = self.wanted(&mut catalog, note.as_ref())?;
        let slot = slot::slot_state(&mut catalog, self.settings)?;
        drop(catalog);
        let mut begin = match note {
            Some(note) if matches!(note.stage, Stage::Ready { .. }) => {
                self.go_on(note, resume.position, &server, slot.as_ref())?
            }
            note => self.make_slot(&mut replication, note, resume.position, &server, slot)?,
        };
        let tables = table_notes(&begin.note, &wanted);
        if begin.note.tables != tables {
            // What is captured no longer is noted at once: taken up again, it is copied again.
            begin.note.tables = tables;
            self.emit(Vec::new(), Some(&begin.note))?;
        }
        let note = snapshot::run(self, begin.note, &wanted, begin.position, &begin.view)?;
        self.outlet.report(Report::Streaming);
        stream::run(self, replication, note, &wanted, begin.position)
    }

    /// Hands over entries.
    pub(crate) fn emit(&self, entries: Vec<Entry>, note: Option<&Note>) -> Result<()> {
        let checkpoint = note.map(Note::to_bytes);
        Ok(self.outlet.emit(Captured { entries, checkpoint })?)
    }

    /// The error that ends a run which was told to stop.
    pub(crate) fn check_stop(&self) -> Result<()> {
        match self.outlet.stopping() {
            true => Err(syncline_core::Stopped.into()),
            false => Ok(()),
        }
    }

    /// Finds the tables and makes the publication fit.
    fn wanted(&self, catalog: &mut Connection, note: Option<&Note>) -> Result<Vec<Wanted>> {
        let mut found: HashMap<TableName, Relation> =
            read_tables(catalog, self.system, Some(self.tables))?
                .into_iter()
                .map(|relation| (relation.table.schema.name().clone(), relation))
                .collect();
        let published = publication::published(catalog, self.system, self.settings)?;
        let mut relations = Vec::with_capacity(self.tables.len());
        for name in self.tables {
            let relation = found.remove(name).ok_or_else(|| missing_table(name))?;
            if let Some(known) = note.and_then(|note| note.table(name)) {
                self.check_same_table(known, &relation, published.contains_key(name))?;
            }
            if relation.table.identity == Identity::Nothing && !published.contains_key(name) {
                return Err(no_identity(name, &qualified(name, self.system)?));
            }
            relations.push(relation);
        }
        publication::ensure(catalog, self.system, self.settings, self.tables)?;
        let mut published = publication::published(catalog, self.system, self.settings)?;
        let wanted = relations.into_iter().map(|relation| {
            let published = published.remove(relation.table.schema.name()).unwrap_or_default();
            Wanted { relation, published }
        });
        Ok(wanted.collect())
    }

    /// A table that was away from the stream for a while has changes nobody saw.
    fn check_same_table(
        &self,
        known: &TableNote,
        relation: &Relation,
        published: bool,
    ) -> Result<()> {
        let why = match () {
            () if known.snapshot == SnapshotStage::Pending => return Ok(()),
            () if known.oid != relation.oid => "was dropped and made again",
            () if !published => "was taken out of the publication",
            () => return Ok(()),
        };
        let name = known.schema.name();
        Err(Error::new(Kind::Config, format!("{name} {why} since it was copied"))
            .detail("changes made in between were not captured")
            .hint(format!("copy the tables again: syncline backfill {}", self.system)))
    }

    /// Resumes a slot that the note knows.
    fn go_on(
        &self,
        note: Note,
        position: Option<Position>,
        server: &ServerIdentity,
        slot: Option<&SlotState>,
    ) -> Result<Begin> {
        let Stage::Ready { consistent_point } = note.stage else {
            return Err(Error::new(Kind::Internal, "a slot that was not made can't be resumed"));
        };
        let resumed = slot::Resumed {
            system: self.system,
            settings: self.settings,
            note: &note,
            consistent_point,
            position,
        };
        let position = slot::resume_at(resumed, server, slot)?;
        Ok(Begin { note, position, view: View::Own })
    }

    /// Makes the slot, and with it the snapshot that it begins with.
    ///
    /// Order: the note that we are about to make a slot is durable before the slot is there. A crash
    /// at any moment leaves either no slot, or one that the note says is ours and unused.
    fn make_slot(
        &self,
        replication: &mut Connection,
        note: Option<Note>,
        position: Option<Position>,
        server: &ServerIdentity,
        slot: Option<SlotState>,
    ) -> Result<Begin> {
        let name = &self.settings.slot;
        let same = |note: &Note| note.system_identifier == server.system_identifier;
        let mut note = match (note.filter(same), slot) {
            (Some(note), None) => note,
            (Some(note), Some(slot)) => {
                if let Some(reader) = slot.reader {
                    return Err(slot::in_use(self.settings, &reader));
                }
                replication.drop_slot(name)?;
                note
            }
            (None, Some(_)) => return Err(unknown_slot(self.system, name)),
            (None, None) => {
                let epoch = position.map_or(1, |last| last.epoch + 1);
                let note = Note::creating(&server.system_identifier, server.timeline, name, epoch);
                self.announce(replication, &note, server)?;
                note
            }
        };
        let SlotCreated { consistent_point, snapshot } = self.create_slot(replication)?;
        let position = Position { epoch: note.epoch, commit: consistent_point.0, ordinal: 0 };
        note.timeline = server.timeline;
        note.stage = Stage::Ready { consistent_point: consistent_point.0 };
        Ok(Begin { note, position, view: View::Exported(snapshot) })
    }

    /// Makes the slot. The server waits for transactions that are open, which may take long and is
    /// said then.
    fn create_slot(&self, replication: &mut Connection) -> Result<SlotCreated> {
        replication.set_tick(Some(TICK))?;
        let mut ticks = 0;
        let created = replication.create_slot(&self.settings.slot, &mut || {
            ticks += 1;
            if ticks == TICKS_BEFORE_NOTICE {
                let text = format!("{} waits for open transactions to end", self.system);
                self.outlet.report(Report::Notice(text));
            }
            self.check_stop()
        })?;
        replication.set_tick(None)?;
        Ok(created)
    }

    /// Makes the note durable, and waits until it is.
    fn announce(
        &self,
        replication: &mut Connection,
        note: &Note,
        server: &ServerIdentity,
    ) -> Result<()> {
        let position = Position { epoch: note.epoch, commit: server.wal_end.0, ordinal: 0 };
        let clock = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        let at = replication.query_one(clock)?.parse(0)?;
        self.emit(vec![nothing(position, at)], Some(note))?;
        let began = Instant::now();
        while self.outlet.released().is_none_or(|released| released < position) {
            self.check_stop()?;
            if began.elapsed() > DURABLE_WAIT_MAX {
                return Err(Error::new(Kind::Unavailable, "the log does not become durable")
                    .detail(format!("waited {} s", DURABLE_WAIT_MAX.as_secs())));
            }
            std::thread::park_timeout(LOOK_AGAIN);
        }
        Ok(())
    }
}

/// An entry that only says how far we are.
pub(crate) fn nothing(position: Position, committed_at: i64) -> Entry {
    Entry { body: Body::Nothing, boundary: Some(Boundary { position, committed_at }) }
}

/// The tables to capture, with what the note knows of those that it has.
fn table_notes(note: &Note, wanted: &[Wanted]) -> Vec<TableNote> {
    let fresh = |wanted: &Wanted| TableNote {
        oid: wanted.relation.oid,
        schema: stream::captured(wanted),
        snapshot: SnapshotStage::Pending,
    };
    wanted
        .iter()
        .map(|wanted| {
            let known = note.table(wanted.relation.table.schema.name());
            known
                .filter(|known| known.oid == wanted.relation.oid)
                .cloned()
                .unwrap_or_else(|| fresh(wanted))
        })
        .collect()
}

fn missing_table(name: &TableName) -> Error {
    Error::new(Kind::Config, format!("{name} does not exist"))
        .hint("correct the mapping, or run `syncline lock` to see what is there")
}

/// Publishing such a table makes its updates and deletes fail for everyone. Where someone published
/// it already that was his decision; ours it never is.
fn no_identity(name: &TableName, table: &str) -> Error {
    Error::new(Kind::Config, format!("{name} has no replica identity"))
        .detail("publishing it would make its updates and deletes fail at the source")
        .hint(format!("ALTER TABLE {table} REPLICA IDENTITY FULL, or give it a primary key"))
}

fn unknown_slot(system: &SystemName, slot: &str) -> Error {
    Error::new(Kind::Config, format!("slot {slot:?} is there, but not by this project"))
        .detail(format!("nothing is known of what was read of {system} through it"))
        .hint(format!(
            "SELECT pg_drop_replication_slot('{slot}'), or name another slot in syncline.toml"
        ))
}
