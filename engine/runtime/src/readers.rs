//! Before anything runs: every reader is known to the log, so that nothing it needs is trimmed; those
//! that are gone are forgotten; and what a mapping has not seen is copied again.
//!
//! ```text
//!  mappings as they were at the last start ─┬─ same: goes on where its reader is
//!                                           └─ new, changed, or of a reader that is new:
//!                                                the reader begins at the end, if it is new;
//!                                                the tables that feed it are asked for
//! ```
//!
//! Order: what a mapping needs is asked for, durably, before the mapping counts as seen. A crash
//! between asks twice, which is harmless.

use crate::Backfills;
use fail::fail_point;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use syncline_core::{
    ChangeLog, Checkpoints, Error, Kind, Offset, ReaderName, Result, SystemName, TableName, Topic,
    Transform,
};

const NAME: &str = "readers";

/// What is kept between runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// What each mapping means, by its name.
    mappings: BTreeMap<String, String>,
    /// Where each reader began: whatever lies before it is copied again behind it. `None` for one
    /// of which it is not known.
    readers: BTreeMap<ReaderName, Option<Offset>>,
    /// Readers whose targets were ahead of the log.
    ahead: BTreeSet<ReaderName>,
}

/// A mapping as the plan has it.
pub(crate) struct Planned {
    pub(crate) name: String,
    /// What it does; the same text, the same rows.
    pub(crate) meaning: String,
    pub(crate) reader: ReaderName,
    /// The tables whose rows reach it.
    pub(crate) tables: Tables,
}

/// Tables by system.
pub(crate) type Tables = BTreeMap<SystemName, BTreeSet<TableName>>;

/// The note of readers and mappings; shared by the lanes.
pub(crate) struct Readers {
    checkpoints: Arc<dyn Checkpoints>,
    note: Mutex<Note>,
}

impl Readers {
    /// Reads the note.
    ///
    /// # Errors
    /// `Corrupt` when it can't be understood.
    pub(crate) fn open(checkpoints: Arc<dyn Checkpoints>) -> Result<Self> {
        let note = load(checkpoints.as_ref())?;
        Ok(Self { checkpoints, note: Mutex::new(note) })
    }

    /// Takes the note of another log's readers, which are at these places now: nothing before them is missed.
    pub(crate) fn take_over(
        &self,
        from: &dyn Checkpoints,
        places: &BTreeMap<ReaderName, Offset>,
    ) -> Result<()> {
        let former = load(from)?;
        self.change(|note| {
            *note = former;
            note.readers = places.iter().map(|(it, at)| (it.clone(), Some(*at))).collect();
        })
    }

    /// Registers the readers of a plan, forgets all others, and asks for what mappings have not seen.
    pub(crate) async fn prepare(
        &self,
        log: &dyn ChangeLog,
        readers: &BTreeMap<ReaderName, Topic>,
        mappings: &[Planned],
        backfills: &Backfills,
    ) -> Result<()> {
        let mut fresh = BTreeMap::new();
        for (reader, topic) in readers {
            if log.progress(reader, topic).await?.is_none() {
                fresh.insert(reader.clone(), log.tail(topic).await?.next);
            }
        }
        let former = self.note().readers.clone();
        // Order: a reader is noted before the log knows it, so that none is waited for for ever.
        self.change(|note| {
            let known = readers.keys().map(|it| (it.clone(), former.get(it).copied().flatten()));
            note.readers.extend(known);
            note.readers.extend(fresh.iter().map(|(reader, at)| (reader.clone(), Some(*at))));
        })?;
        fail_point!("readers.noted");
        for gone in former.keys().filter(|reader| !readers.contains_key(*reader)) {
            log.forget(gone).await?;
        }
        for (reader, at) in &fresh {
            if let Some(topic) = readers.get(reader) {
                log.commit(reader, topic, *at).await?;
                fail_point!("readers.registered");
            }
        }
        self.ask_for_unseen(mappings, &fresh, backfills)?;
        fail_point!("readers.asked");
        self.change(|note| {
            note.readers.retain(|reader, _| readers.contains_key(reader));
            note.ahead.retain(|reader| readers.contains_key(reader));
            let seen = mappings.iter().map(|it| (it.name.clone(), it.meaning.clone()));
            note.mappings = seen.collect();
        })
    }

    fn ask_for_unseen(
        &self,
        mappings: &[Planned],
        fresh: &BTreeMap<ReaderName, Offset>,
        backfills: &Backfills,
    ) -> Result<()> {
        let seen: BTreeSet<String> = self.note().mappings.values().cloned().collect();
        let is_unseen =
            |it: &&Planned| !seen.contains(&it.meaning) || fresh.contains_key(&it.reader);
        let mut unseen = Tables::new();
        for mapping in mappings.iter().filter(is_unseen) {
            tracing::info!("{} is new or changed: what it reads is copied", mapping.name);
            for (system, tables) in &mapping.tables {
                unseen.entry(system.clone()).or_default().extend(tables.iter().cloned());
            }
        }
        unseen.into_iter().try_for_each(|(system, tables)| backfills.ask(&system, tables, false))
    }

    /// Where a reader began, if that is known.
    pub(crate) fn began(&self, reader: &ReaderName) -> Option<Offset> {
        self.note().readers.get(reader).copied().flatten()
    }

    /// A reader begins here: what lies before is copied again behind it.
    pub(crate) fn begins(&self, reader: &ReaderName, at: Offset) -> Result<()> {
        self.change(|note| {
            note.readers.insert(reader.clone(), Some(at));
        })
    }

    /// Whether a reader's target was ever found ahead of the log, and its progress still stands.
    pub(crate) fn was_ahead(&self, reader: &ReaderName) -> bool {
        self.note().ahead.contains(reader)
    }

    /// A reader's target is ahead of the log, or is no longer.
    pub(crate) fn set_ahead(&self, reader: &ReaderName, is_ahead: bool) -> Result<()> {
        self.change(|note| {
            match is_ahead {
                true => note.ahead.insert(reader.clone()),
                false => note.ahead.remove(reader),
            };
        })
    }

    fn note(&self) -> MutexGuard<'_, Note> {
        self.note.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the note; saves it where that made a difference.
    fn change(&self, change: impl FnOnce(&mut Note)) -> Result<()> {
        let mut note = self.note();
        let mut changed = note.clone();
        change(&mut changed);
        if *note == changed {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&changed).map_err(|error| {
            Error::new(Kind::Internal, "the note of readers is no JSON").caused_by(error)
        })?;
        self.checkpoints.save(NAME, &bytes)?;
        *note = changed;
        Ok(())
    }
}

fn load(checkpoints: &dyn Checkpoints) -> Result<Note> {
    let Some(bytes) = checkpoints.load(NAME)? else { return Ok(Note::default()) };
    serde_json::from_slice(&bytes).map_err(|error| {
        Error::new(Kind::Corrupt, "the note of readers can't be understood").caused_by(error)
    })
}

/// The tables whose rows reach a mapping: the one it reads, or those that feed its entity.
pub(crate) fn feeding(transform: &dyn Transform, all: &[Arc<dyn Transform>]) -> Tables {
    let mut tables = Tables::new();
    let mut seen = BTreeSet::new();
    let mut waiting = vec![transform.reads()];
    while let Some(name) = waiting.pop() {
        if !seen.insert(name) {
            continue;
        }
        match name.system() {
            Some(system) => {
                tables.entry(system.clone()).or_default().insert(name.clone());
            }
            None => {
                let feeds = all.iter().filter(|other| other.writes().name() == name);
                waiting.extend(feeds.map(|other| other.reads()));
            }
        }
    }
    tables
}
