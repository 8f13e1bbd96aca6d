//! The source: what it does in which order.

use super::assembly::{Assembly, Origin, Table};
use super::brokers::{Brokers, Sent};
use super::note::Note;
use super::plan::Part;
use super::settings::SourceSettings;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use syncline_core::{
    Body, Boundary, Captured, Entry, Error, Kind, Outlet, Position, Result, Resume, Source,
    SystemName, TableName,
};

/// Longest wait for the log to make a note durable before what it tells of is handed over.
const DURABLE_WAIT_MAX: Duration = Duration::from_secs(60);
/// How often a wait looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Reads the topics that Debezium writes for one system.
#[derive(Debug)]
pub struct DebeziumSource {
    system: SystemName,
    settings: SourceSettings,
    tables: Vec<TableName>,
}

impl DebeziumSource {
    /// A source of these tables of a system, parents before children: within a chunk their records come in this
    /// order.
    #[must_use]
    pub fn new(system: SystemName, settings: SourceSettings, tables: Vec<TableName>) -> Self {
        Self { system, settings, tables }
    }
}

impl Source for DebeziumSource {
    fn run(&mut self, resume: Resume, outlet: &dyn Outlet) -> Result<()> {
        let run = || {
            let mut capture = Capture::begin(self, resume, outlet)?;
            capture.finish_chunk()?;
            capture.copy_tables()?;
            capture.stream()
        };
        match run() {
            // Told to stop.
            Err(error) if error.kind() == Kind::Closed => Ok(()),
            other => other,
        }
    }
}

impl DebeziumSource {
    pub(crate) fn parts(&self) -> (&SystemName, &SourceSettings, &[TableName]) {
        (&self.system, &self.settings, &self.tables)
    }
}

/// One run.
pub(crate) struct Capture<'a> {
    pub(crate) settings: &'a SourceSettings,
    pub(crate) outlet: &'a dyn Outlet,
    pub(crate) brokers: Brokers,
    pub(crate) assembly: Assembly<'a>,
    pub(crate) note: Note,
    /// The tables, in the order of their parts in a chunk.
    pub(crate) tables: Vec<Table>,
    /// How many partitions the topics have that are there.
    pub(crate) partitions: BTreeMap<String, usize>,
    /// The last commit in the log, or on its way there.
    pub(crate) last: u64,
    /// Where each partition ended when the run began.
    pub(crate) ends: BTreeMap<(String, i32), u64>,
}

impl Capture<'_> {
    /// Hands over again what of the noted chunk is not in the log.
    fn finish_chunk(&mut self) -> Result<()> {
        let chunk = self.note.chunk.clone();
        let rest: Vec<_> = chunk.rest(self.last).collect();
        let Some(first) = rest.first() else { return Ok(()) };
        tracing::info!(commit = first.2, parts = rest.len(), "a chunk is read again");
        for (part, from, begin) in rest {
            let Some(table) = self.tables.iter().position(|it| it.topic == part.topic) else {
                // Nobody reads the table any more.
                continue;
            };
            let Self { brokers, assembly, tables, outlet, partitions, note, .. } = self;
            let Some(table) = tables.get_mut(table) else { continue };
            let origin = origin(part, partitions);
            brokers.scan(&part.topic, part.partition, from..part.to, |sent| {
                let commit = begin + sent.offset.saturating_sub(from);
                let position = Position { epoch: note.epoch, commit, ordinal: 0 };
                assembly.take(table, origin, &sent, position)?;
                hand_over_when_full(assembly, *outlet)?;
                Ok(ControlFlow::Continue(()))
            })?;
            assembly.finish(table)?;
        }
        self.hand_over()?;
        self.last = self.last.max(chunk.last());
        self.keep_schemas()
    }

    /// Hands over the records of one partition, the first of which has this commit.
    pub(crate) fn take_all(
        &mut self,
        table: usize,
        part: &Part,
        commit: u64,
        records: &[Sent],
    ) -> Result<()> {
        let Self { assembly, tables, outlet, partitions, note, .. } = self;
        let Some(table) = tables.get_mut(table) else { return Ok(()) };
        let origin = origin(part, partitions);
        for sent in records {
            let commit = commit + sent.offset.saturating_sub(part.from);
            let position = Position { epoch: note.epoch, commit, ordinal: 0 };
            assembly.take(table, origin, sent, position)?;
            hand_over_when_full(assembly, *outlet)?;
        }
        Ok(())
    }

    /// Ends the batch of a table.
    pub(crate) fn finish(&mut self, table: usize) -> Result<()> {
        match self.tables.get_mut(table) {
            Some(table) => self.assembly.finish(table),
            None => Ok(()),
        }
    }

    /// Hands over what was gathered.
    pub(crate) fn hand_over(&mut self) -> Result<()> {
        hand_over(&mut self.assembly, self.outlet)
    }

    /// Hands over the note, with a boundary of its own, and waits until both are durable.
    pub(crate) fn announce(&mut self) -> Result<()> {
        let commit = self.note.chunk.first;
        let position = Position { epoch: self.note.epoch, commit, ordinal: 0 };
        let boundary = Some(Boundary { position, committed_at: self.assembly.at });
        let entries = vec![Entry { body: Body::Nothing, boundary }];
        self.outlet.emit(Captured { entries, checkpoint: Some(self.note.to_bytes()) })?;
        self.await_released(position)
    }

    /// Hands over the note alone.
    pub(crate) fn keep_note(&self) -> Result<()> {
        let checkpoint = Some(self.note.to_bytes());
        Ok(self.outlet.emit(Captured { entries: Vec::new(), checkpoint })?)
    }

    /// Hands over the note where columns changed since it was noted: behind the entries that have them.
    pub(crate) fn keep_schemas(&mut self) -> Result<()> {
        let mut is_changed = false;
        for schema in self.tables.iter().filter_map(Table::schema) {
            let known = self.note.schemas.iter_mut().find(|it| it.name() == schema.name());
            match known {
                Some(known) if known == schema.as_ref() => continue,
                Some(known) => *known = schema.as_ref().clone(),
                None => self.note.schemas.push(schema.as_ref().clone()),
            }
            is_changed = true;
        }
        if is_changed { self.keep_note() } else { Ok(()) }
    }

    /// Whether all that was handed over is durable.
    pub(crate) fn is_released(&self) -> bool {
        let released = self.outlet.released();
        self.assembly.handed_over.is_none_or(|last| released.is_some_and(|it| it >= last))
    }

    pub(crate) fn check_stop(&self) -> Result<()> {
        check_stop(self.outlet)
    }

    fn await_released(&self, position: Position) -> Result<()> {
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

fn origin<'p>(part: &'p Part, partitions: &BTreeMap<String, usize>) -> Origin<'p> {
    Origin {
        topic: &part.topic,
        partition: part.partition,
        partitions: partitions.get(&part.topic).copied().unwrap_or(1),
    }
}

/// The error that ends a run which was told to stop.
pub(crate) fn check_stop(outlet: &dyn Outlet) -> Result<()> {
    if outlet.stopping() { Err(syncline_core::Stopped.into()) } else { Ok(()) }
}

pub(crate) fn hand_over_when_full(assembly: &mut Assembly<'_>, outlet: &dyn Outlet) -> Result<()> {
    if assembly.is_full() {
        check_stop(outlet)?;
        hand_over(assembly, outlet)?;
    }
    Ok(())
}

fn hand_over(assembly: &mut Assembly<'_>, outlet: &dyn Outlet) -> Result<()> {
    let entries = assembly.take_entries();
    if !entries.is_empty() {
        outlet.emit(Captured { entries, checkpoint: None })?;
    }
    Ok(())
}
