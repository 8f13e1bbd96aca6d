//! How a run begins: is the slot ours and does it still have what we need, which tables are there,
//! what is published.
//!
//! Order: nothing in the database is touched before it is certain that the slot is ours or that there
//! is none; the publication is there before the slot; the note that we are about to make a slot is
//! durable before the slot is there, and the note that it is in use before the first row is handed over. A
//! crash at any moment leaves either no slot, or one that the note says is ours and unused, or one that
//! it says is in use: rows of a slot that is made again would stay for ever where they are gone by then.

use crate::catalog::{Relation, identity_mends, qualified, read_tables};
use crate::note::{Note, SnapshotStage, Stage, TableNote};
use crate::publication::{self, Published};
use crate::slot::{self, SlotState};
use crate::snapshot::View;
use crate::source::{Capture, nothing};
use crate::stream;
use crate::wire::{Connection, Purpose, ServerIdentity, SlotCreated};
use fail::fail_point;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use syncline_core::{Error, Identity, Kind, Position, Result, Resume, SystemName, TableName};

/// Longest wait for the log to make a note durable before a slot is made.
const DURABLE_WAIT_MAX: Duration = Duration::from_secs(60);
/// How often a wait for the server asks whether it should stop.
const TICK: Duration = Duration::from_millis(200);
/// How long before the operator is told what is waited for.
const TICKS_BEFORE_NOTICE: u32 = 10;
/// How often a wait looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A table to capture: as the catalog has it, and what the publication lets through.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) relation: Relation,
    pub(crate) published: Published,
}

/// Where a run begins.
pub(crate) struct Begin {
    pub(crate) note: Note,
    pub(crate) position: Position,
    pub(crate) view: View,
}

impl Capture<'_> {
    /// Resumes the slot that the note knows, or makes one.
    pub(crate) fn begin(
        &self,
        replication: &mut Connection,
        resume: Resume,
    ) -> Result<(Begin, Vec<Wanted>)> {
        let mut catalog = Connection::open(self.settings, Purpose::Query)?;
        let server = replication.identify_system()?;
        let slot = slot::take(&mut catalog, self.settings)?;
        let note = match &resume.checkpoint {
            Some(bytes) => Some(Note::from_bytes(self.system, bytes)?),
            None => None,
        };
        let note = note.and_then(|note| as_asked(note, &resume, slot.as_ref()));
        let ready = note.as_ref().and_then(|note| match note.stage {
            Stage::Ready { consistent_point } => Some((note.clone(), consistent_point)),
            Stage::Creating => None,
        });
        let (mut begin, wanted) = match ready {
            Some((note, consistent_point)) => {
                let (system, settings, position) = (self.system, self.settings, resume.position);
                let resumed =
                    slot::Resumed { system, settings, note: &note, consistent_point, position };
                let position = slot::resume_at(resumed, &server, slot.as_ref())?;
                let wanted = self.wanted(&mut catalog, &note.tables)?;
                (Begin { note, position, view: View::Own }, wanted)
            }
            None => {
                let note = self.claim(replication, note, resume.position, &server, slot)?;
                let before = self.wanted(&mut catalog, &[])?;
                let begin = self.make_slot(replication, note, &server)?;
                // The slot may have taken long.
                let wanted = self.wanted(&mut catalog, &[])?;
                check_unchanged(&before, &wanted)?;
                (begin, wanted)
            }
        };
        let tables = table_notes(&begin.note, &wanted);
        if begin.note.tables != tables || !resume.copy_again.is_empty() {
            // What is captured no longer is noted at once: taken up again, it is copied again. And
            // what was asked for is told but until a note has it.
            begin.note.tables = tables;
            self.emit(Vec::new(), Some(&begin.note))?;
        }
        Ok((begin, wanted))
    }

    /// Finds the tables and makes the publication fit. `former` is what was captured so far.
    fn wanted(&self, catalog: &mut Connection, former: &[TableNote]) -> Result<Vec<Wanted>> {
        let mut found: HashMap<TableName, Relation> =
            read_tables(catalog, self.system, Some(self.tables))?
                .into_iter()
                .map(|relation| (relation.table.schema.name().clone(), relation))
                .collect();
        let published = publication::published(catalog, self.system, self.settings)?;
        let mut relations = Vec::with_capacity(self.tables.len());
        for name in self.tables {
            let relation = found.remove(name).ok_or_else(|| missing_table(name))?;
            if let Some(known) = former.iter().find(|known| known.schema.name() == name) {
                self.check_same_table(known, &relation, published.contains_key(name))?;
                self.check_partitions(catalog, known, &relation)?;
            }
            if let Some(mends) = identity_mends(&relation) {
                return Err(other_identity(name, mends));
            }
            if relation.table.identity == Identity::Nothing && !published.contains_key(name) {
                return Err(no_identity(name, &qualified(name, self.system)?));
            }
            relations.push(relation);
        }
        let former: Vec<TableName> =
            former.iter().map(|known| known.schema.name().clone()).collect();
        publication::ensure(catalog, self.system, self.settings, self.tables, &former)?;
        fail_point!("begin.published");
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
        Err(self.gap(known, why, "changes made in between were not captured"))
    }

    /// Rows that come or go with a partition are in no change.
    fn check_partitions(
        &self,
        catalog: &mut Connection,
        known: &TableNote,
        relation: &Relation,
    ) -> Result<()> {
        let Some(before) = &known.partitions else { return Ok(()) };
        if known.snapshot == SnapshotStage::Pending {
            return Ok(());
        }
        let now = &relation.partitions;
        if before.iter().any(|oid| now.iter().all(|partition| partition.oid != *oid)) {
            let detail = "its rows went with it, and no change says so";
            return Err(self.gap(known, "lost a partition", detail));
        }
        for partition in now.iter().filter(|partition| !before.contains(&partition.oid)) {
            if partition.has_rows_of_its_own(catalog)? {
                let detail =
                    format!("the rows that {} had before are in no change", partition.name());
                return Err(self.gap(known, "was given a partition with rows", detail));
            }
        }
        Ok(())
    }

    fn gap(&self, known: &TableNote, why: &str, detail: impl Into<String>) -> Error {
        let name = known.schema.name();
        Error::new(Kind::Config, format!("{name} {why} since it was copied"))
            .detail(detail)
            .hint(format!("copy it again: syncline backfill {name}"))
    }

    /// Makes sure that the slot's name is free for us, and says durably that we are about to take it.
    fn claim(
        &self,
        replication: &mut Connection,
        note: Option<Note>,
        position: Option<Position>,
        server: &ServerIdentity,
        slot: Option<SlotState>,
    ) -> Result<Note> {
        let name = &self.settings.slot;
        let same =
            |note: &Note| note.system_identifier == server.system_identifier && note.slot == *name;
        match (note.filter(same), slot) {
            (Some(note), None) => Ok(note),
            (Some(note), Some(slot)) => {
                if let Some(reader) = slot.reader {
                    return Err(slot::in_use(self.settings, &reader));
                }
                replication.drop_slot(name)?;
                fail_point!("begin.slot_dropped");
                Ok(note)
            }
            (None, Some(_)) => Err(unknown_slot(self.system, name)),
            (None, None) => {
                let epoch = position.map_or(1, |last| last.epoch + 1);
                let note = Note::creating(&server.system_identifier, server.timeline, name, epoch);
                self.announce(replication, &note, server)?;
                fail_point!("begin.announced");
                Ok(note)
            }
        }
    }

    /// Makes the slot, and with it the snapshot that it begins with. The server waits for transactions
    /// that are open, which may take long and is said then.
    fn make_slot(
        &self,
        replication: &mut Connection,
        mut note: Note,
        server: &ServerIdentity,
    ) -> Result<Begin> {
        replication.set_tick(Some(TICK))?;
        let mut ticks = 0;
        let created = replication.create_slot(&self.settings.slot, &mut || {
            ticks += 1;
            if ticks == TICKS_BEFORE_NOTICE {
                self.say_waiting();
            }
            self.check_stop()
        })?;
        replication.set_tick(None)?;
        fail_point!("begin.slot_made");
        let SlotCreated { consistent_point, snapshot } = created;
        let position = Position { epoch: note.epoch, commit: consistent_point.0, ordinal: 0 };
        note.timeline = server.timeline;
        note.stage = Stage::Ready { consistent_point: consistent_point.0 };
        Ok(Begin { note, position, view: View::Exported(snapshot) })
    }

    /// Makes the note durable, and waits until it is.
    fn announce(
        &self,
        replication: &mut Connection,
        note: &Note,
        server: &ServerIdentity,
    ) -> Result<()> {
        // Before all that the slot will have, so that nothing of it is taken for released by this.
        let commit = server.wal_end.0.saturating_sub(1);
        let position = Position { epoch: note.epoch, commit, ordinal: 0 };
        let clock = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        let at = replication.query_one(clock)?.parse(0)?;
        self.emit(vec![nothing(position, at)], Some(note))?;
        self.await_released(position)
    }

    /// Waits until what was handed over up to a position is durable, and with it the note.
    pub(crate) fn await_released(&self, position: Position) -> Result<()> {
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

/// The note with what is to be copied again as if it never was: the stream goes on from where it is,
/// and the rows come in between, of a view that is no older. Nothing where a person gave up what was
/// missed and nothing is left to go on with.
fn as_asked(mut note: Note, resume: &Resume, slot: Option<&SlotState>) -> Option<Note> {
    let is_ready = matches!(note.stage, Stage::Ready { .. });
    if resume.anew && is_ready && slot.is_none() {
        return None;
    }
    for table in &mut note.tables {
        if resume.copy_again.contains(table.schema.name()) {
            table.snapshot = SnapshotStage::Pending;
        }
    }
    Some(note)
}

/// The tables to capture, with what the note knows of those that it has.
fn table_notes(note: &Note, wanted: &[Wanted]) -> Vec<TableNote> {
    let partitions = |wanted: &Wanted| {
        Some(wanted.relation.partitions.iter().map(|partition| partition.oid).collect())
    };
    let fresh = |wanted: &Wanted| TableNote {
        oid: wanted.relation.oid,
        schema: stream::captured(wanted),
        snapshot: SnapshotStage::Pending,
        partitions: None,
    };
    wanted
        .iter()
        .map(|wanted| {
            let known = note.table(wanted.relation.table.schema.name());
            let known = known.filter(|known| known.oid == wanted.relation.oid).cloned();
            let note = known.unwrap_or_else(|| fresh(wanted));
            TableNote { partitions: partitions(wanted), ..note }
        })
        .collect()
}

/// A slot that begins with other tables than were published for it would miss what they had before.
fn check_unchanged(before: &[Wanted], now: &[Wanted]) -> Result<()> {
    let other = before.iter().zip(now).find(|(before, now)| {
        let (before, now) = (&before.relation, &now.relation);
        before.oid != now.oid || before.partitions != now.partitions
    });
    match other {
        None => Ok(()),
        Some((_, now)) => {
            let name = now.relation.table.schema.name();
            Err(Error::new(Kind::Unavailable, format!("{name} changed while a slot was made"))
                .detail("the slot is made again"))
        }
    }
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

/// What such a partition logs would be read as something else.
fn other_identity(name: &TableName, mends: String) -> Error {
    let what = format!("partitions of {name} have another replica identity than {name} itself");
    Error::new(Kind::Config, what).detail("their updates and deletes would be misread").hint(mends)
}

fn unknown_slot(system: &SystemName, slot: &str) -> Error {
    Error::new(Kind::Config, format!("slot {slot:?} is there, but not by this project"))
        .detail(format!("nothing is known of what was read of {system} through it"))
        .hint(format!(
            "SELECT pg_drop_replication_slot('{slot}'), or name another slot in syncline.toml; the \
             next run then copies all tables"
        ))
}
