//! The entity at work, with the effects in the order of the runtime's resolve, and a crash between any
//! two of them.

use crate::batch::{Told, map};
use crate::draw::Draw;
use crate::entity::{EntityLog, Entry};
use crate::setup::Setup;
use crate::store::Store;
use crate::system::Deed;
use crate::topic::{Chunk, Record, Topic, next_chunk};
use crate::value::Cells;
use std::collections::BTreeMap;
use syncline_core::{
    Claims as _, ConflictChange, ConflictKind, ConflictState, Cursor, Heard, LogId, Offset,
    Resolved, Sweep, SystemName, Topic as TopicName, Transaction,
};
use syncline_resolve::{Entity, EntityRules};

const LOG: LogId = LogId(1);

/// The machine stopped.
#[derive(Debug)]
pub(crate) struct Crash;

/// Open conflicts by key and subject.
pub(crate) type Book = BTreeMap<(u8, String), ConflictKind>;

#[derive(Debug)]
pub(crate) struct Heart {
    entity: Entity,
    store: Store,
    /// By system, those that are no source too.
    inputs: Vec<Input>,
    /// The input whose transaction is open in the entity's log.
    open: Option<usize>,
    pub(crate) log: EntityLog,
    pub(crate) book: Book,
    /// After so many effects comes a crash.
    pub(crate) crash_in: Option<usize>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Input {
    /// How far it is heard for good, and read.
    next: usize,
    read: usize,
    /// Up to here what is heard may have been told before; or until something is heard, where what
    /// was told was abandoned.
    doubt_until: usize,
    abandoned: bool,
}

impl Heart {
    pub(crate) fn new(setup: &Setup) -> Self {
        let store = Store::new(setup.on_disk);
        let entity = Entity::open(store.open(), setup.rules[0].clone(), 7).unwrap();
        Self {
            entity,
            store,
            inputs: vec![Input::default(); setup.parts.len()],
            open: None,
            log: EntityLog::default(),
            book: Book::new(),
            crash_in: None,
        }
    }

    /// Begins again after a crash, or with other rules.
    pub(crate) fn restart(
        &mut self,
        setup: &Setup,
        rules: &EntityRules,
        topics: &[Topic],
        draw: &mut Draw,
    ) -> Result<(), Crash> {
        self.store.crash(draw);
        self.entity = Entity::open(self.store.open(), rules.clone(), 7).unwrap();
        self.open = None;
        if self.log.is_open() {
            self.log.entries.push(Entry::Abandoned);
        }
        for (place, part) in setup.parts.iter().enumerate() {
            let progress = self.entity.progress(LOG, &topic_name(part.name));
            let next = progress.map_or(0, |offset| usize::try_from(offset.0).unwrap());
            let doubt_until = topics[place].records.len();
            self.inputs[place] = Input { next, read: next, doubt_until, abandoned: false };
        }
        if self.entity.is_outdated() {
            let at = Transaction { epoch: 0, commit: 0, committed_at: 0, ours: false };
            self.sweep(0, Sweep::Redecide, at)?;
            self.end()?;
            self.commit(setup, 0, self.inputs[0].next)?;
        }
        Ok(())
    }

    /// The golden table by other rules, which stay in force.
    pub(crate) fn reveal(
        &mut self,
        setup: &Setup,
        rules: &EntityRules,
        topics: &[Topic],
        draw: &mut Draw,
    ) -> BTreeMap<u8, Cells> {
        self.restart(setup, rules, topics, draw).expect("no crash was asked for");
        self.log.table()
    }

    /// Whether all that is in the logs was heard.
    pub(crate) fn is_done(&self, topics: &[Topic]) -> bool {
        self.inputs.iter().zip(topics).all(|(input, topic)| input.next == topic.records.len())
    }

    /// How many entries of a system's log are heard for good.
    pub(crate) fn heard(&self, system: usize) -> usize {
        self.inputs[system].next
    }

    /// How many are read.
    pub(crate) fn read(&self, system: usize) -> usize {
        self.inputs[system].read
    }

    /// Reads some entries of a system's log; while a transaction is open, of its own.
    pub(crate) fn step(
        &mut self,
        setup: &Setup,
        topics: &[Topic],
        system: usize,
        count: usize,
    ) -> Result<(), Crash> {
        let system = self.open.unwrap_or(system);
        let Input { next, read, .. } = self.inputs[system];
        let chunk = next_chunk(&topics[system], read, count, read > next);
        if chunk.rollback {
            self.abandon(system)?;
        }
        self.inputs[system].read = chunk.next;
        self.hear_all(setup, system, &chunk)?;
        if let Some(next) = chunk.commit {
            self.end()?;
            self.commit(setup, system, next)?;
            self.inputs[system].abandoned &= chunk.records.is_empty();
        }
        Ok(())
    }

    /// The changes of a chunk in one batch, but for where the table is emptied.
    fn hear_all(&mut self, setup: &Setup, system: usize, chunk: &Chunk) -> Result<(), Crash> {
        let mut told: Vec<Told<'_>> = Vec::new();
        for record in &chunk.records {
            let Record::Part { of, from, until } = record else { continue };
            for place in *from..*until {
                if of.deeds[place] == Deed::Emptied {
                    self.hear(setup, system, &std::mem::take(&mut told))?;
                    let (epoch, commit) = (of.epoch, of.commit);
                    let at = Transaction { epoch, commit, committed_at: of.at, ours: false };
                    self.sweep(system, Sweep::Emptied(setup.parts[system].mapping()), at)?;
                } else {
                    told.push(Told { of, place });
                }
            }
        }
        self.hear(setup, system, &told)
    }

    fn hear(&mut self, setup: &Setup, system: usize, told: &[Told<'_>]) -> Result<(), Crash> {
        if told.is_empty() {
            return Ok(());
        }
        let part = &setup.parts[system];
        let mapped = map(part, told);
        let Input { next, doubt_until, abandoned, .. } = self.inputs[system];
        let heard = Heard {
            mapping: &part.mapping(),
            source: &mapped.source,
            rows: &mapped.rows,
            origins: &mapped.origins,
            in_doubt: abandoned || next < doubt_until,
        };
        let resolved = self.entity.hear(heard).unwrap();
        self.emit(system, resolved)
    }

    fn sweep(&mut self, system: usize, sweep: Sweep, at: Transaction) -> Result<(), Crash> {
        let mut from = Some(Cursor::default());
        while let Some(cursor) = from {
            let (resolved, next) = self.entity.sweep(&sweep, cursor, at).unwrap();
            self.emit(system, resolved)?;
            from = next;
        }
        Ok(())
    }

    /// Golden rows go to the log, then conflicts to the book.
    fn emit(&mut self, system: usize, resolved: Resolved) -> Result<(), Crash> {
        if let Some(golden) = &resolved.golden {
            self.effect()?;
            self.open = Some(system);
            self.log.append(golden);
        }
        if !resolved.conflicts.is_empty() {
            self.effect()?;
            resolved.conflicts.iter().for_each(|change| self.note(change));
        }
        Ok(())
    }

    fn note(&mut self, change: &ConflictChange) {
        let [key]: [String; 1] = serde_json::from_str(&change.key).unwrap();
        let key = key.strip_prefix('k').and_then(|number| number.parse().ok()).unwrap();
        let of = (key, change.subject.clone());
        match &change.state {
            ConflictState::Raised { kind, .. } => drop(self.book.insert(of, *kind)),
            ConflictState::Closed(_) => drop(self.book.remove(&of)),
        }
    }

    /// The transaction is whole in the entity's log, where anything came of it.
    fn end(&mut self) -> Result<(), Crash> {
        if self.open.is_some() {
            self.effect()?;
            self.log.entries.push(Entry::Boundary);
            self.open = None;
        }
        Ok(())
    }

    fn commit(&mut self, setup: &Setup, system: usize, next: usize) -> Result<(), Crash> {
        self.effect()?;
        let topic = topic_name(setup.parts[system].name);
        self.entity.commit(LOG, &topic, Offset(next as u64)).unwrap();
        self.inputs[system].next = next;
        self.effect()
    }

    fn abandon(&mut self, system: usize) -> Result<(), Crash> {
        if self.open.take().is_some() {
            self.effect()?;
            self.log.entries.push(Entry::Abandoned);
        }
        self.effect()?;
        self.entity.rollback().unwrap();
        let input = &mut self.inputs[system];
        (input.read, input.abandoned) = (input.next, true);
        Ok(())
    }

    fn effect(&mut self) -> Result<(), Crash> {
        match &mut self.crash_in {
            Some(0) => {
                self.crash_in = None;
                Err(Crash)
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn topic_name(system: &str) -> TopicName {
    TopicName::changes(&SystemName::new(system))
}
