//! The claims of one entity, and the rules in force.
//!
//! Rows are merged key by key; only what merging touched is decided anew, and only golden rows that
//! are others now come out.

use super::compare::{Again, Judged, Turn, all_turns, operation, touched_units, turns};
use super::conflict;
use super::golden::GoldenRows;
use super::incoming::Incoming;
use super::key::Groups;
use super::record::RecordKeys;
use super::returned::must_return;
use crate::EntityRules;
use crate::claims::{Claims, Touched, decode, encode};
use crate::decisions;
use crate::policy::{Compiled, Registry, exists};
use crate::rows::{RowBuffer, Rows};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use syncline_core::{
    ChangeBatch, ConflictChange, Cursor, Error, Heard, Kind, LogId, Offset, Op, Resolved, Result,
    Stable, Sweep, Topic, Transaction,
};

/// The claims of one entity.
pub struct Entity {
    pub(super) rows: Box<dyn Rows>,
    pub(super) registry: Registry,
    pub(super) rules: Compiled,
    /// The rules that what was emitted so far was decided by, where they are others.
    pub(super) former: Option<Compiled>,
    /// Whether all was decided again, and only a commit is left.
    pub(super) is_redecided: bool,
    /// Whether the head in the store says what holds.
    pub(super) is_headed: bool,
    note: Note,
    pub(super) buffer: RowBuffer,
    encoded: Vec<u8>,
}

impl std::fmt::Debug for Entity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entity")
            .field("name", self.rules.rules.schema.name())
            .finish_non_exhaustive()
    }
}

/// What the numbers in claims mean, and the rules that decided so far. It rests beside the claims under
/// the empty key, which no entity has.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    registry: Registry,
    rules: EntityRules,
}

/// What is committed each time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Which claims these are.
    pub(super) id: u64,
    /// The log that was heard, and how far each of its topics.
    pub(super) log: Option<LogId>,
    pub(super) progress: BTreeMap<Topic, Offset>,
}

impl Entity {
    /// Takes over the claims that rest in a store; those of an empty store get the id. Where the rules
    /// are others than those that decided so far, all has to be decided again: see
    /// [`Sweep::Redecide`](syncline_core::Sweep).
    ///
    /// # Errors
    /// `Corrupt` when the store can't be understood.
    pub fn open(mut rows: Box<dyn Rows>, rules: EntityRules, new_id: u64) -> Result<Self> {
        let damaged = |error: serde_json::Error| {
            let name = rules.schema.name();
            Error::new(Kind::Corrupt, format!("the claims of {name} can't be understood"))
                .caused_by(error)
        };
        let mut note = Note { id: new_id, log: None, progress: BTreeMap::new() };
        let (mut registry, mut former) = (Registry::default(), None);
        let noted = rows.note();
        if !noted.is_empty() {
            note = serde_json::from_slice(&noted).map_err(damaged)?;
        }
        let mut buffer = RowBuffer::default();
        rows.read(&[b""], &mut buffer)?;
        if let Some(head) = buffer.get(0) {
            let head: Head = serde_json::from_slice(head).map_err(damaged)?;
            registry = head.registry;
            former = (head.rules != rules).then_some(head.rules);
        }
        registry.take_in(&rules)?;
        let former = former.map(|former| Compiled::new(former, &registry));
        let rules = Compiled::new(rules, &registry);
        let encoded = Vec::new();
        let (is_redecided, is_headed) = (false, false);
        Ok(Self { rows, registry, rules, former, is_redecided, is_headed, note, buffer, encoded })
    }

    /// Hears rows that a mapping gave, with the record of each; see [`Heard`].
    ///
    /// # Errors
    /// See [`Claims::hear`](syncline_core::Claims::hear).
    ///
    /// # Panics
    /// When the rules don't know the mapping, or there is not a record for each row.
    pub fn hear_rows(
        &mut self,
        mapping: &str,
        rows: &ChangeBatch,
        records: &RecordKeys,
        in_doubt: bool,
    ) -> Result<Resolved> {
        assert_eq!(records.len(), rows.len(), "a record a row");
        let mapping = self.registry.mapping(mapping);
        let incoming = Incoming::new(&self.rules, mapping, rows, records)?;
        self.merge(rows, &incoming, in_doubt)
    }

    pub(super) fn merge(
        &mut self,
        batch: &ChangeBatch,
        incoming: &Incoming<'_>,
        in_doubt: bool,
    ) -> Result<Resolved> {
        let key: Vec<usize> = self.key_columns_of(batch)?;
        let groups = Groups::of(batch, &key)?;
        let keys = groups.keys();
        self.rows.read(&keys, &mut self.buffer)?;
        let at: Vec<Transaction> = batch.row_transactions().copied().collect();
        let mut golden = GoldenRows::new(&self.rules);
        let mut conflicts = Vec::new();
        for group in groups.by_last_row() {
            let before = self.buffer.get(group);
            let mut claims = match before {
                Some(row) => decode(row).ok_or_else(|| self.damaged())?,
                None => Claims::default(),
            };
            let (mut touched, mut changed, mut is_copied) = (Touched::default(), false, false);
            let mut may_have_been = false;
            let rows = groups.rows(group);
            for row in rows.iter().map(|&row| row as usize) {
                is_copied |= incoming.is_copied(row);
                let observation = incoming.observation(row);
                if let Some(former) = incoming.former(row) {
                    claims.follow(&former, &observation);
                    changed |= claims.merge(&former, &mut touched);
                }
                changed |= claims.merge(&observation, &mut touched);
                may_have_been |= in_doubt && exists(&self.rules, &claims).exists;
            }
            if changed {
                self.encoded.clear();
                encode(&claims, &mut self.encoded);
                self.rows.write(keys[group], &self.encoded)?;
            }
            let units = touched_units(&self.rules, &touched);
            if units.is_empty() && !touched.existence && !is_copied && !in_doubt {
                continue;
            }
            let old_claims = before.and_then(decode).unwrap_or_default();
            let mut old = Judged::new(&self.rules, &old_claims);
            let mut new = Judged::new(&self.rules, &claims);
            let turned = match in_doubt {
                true => all_turns(&mut new),
                false => turns(&mut old, &mut new, &units),
            };
            let again = Again { is_copied, in_doubt, may_have_been };
            let mut op = operation(&mut old, &mut new, &units, again);
            if let Some(former) = self.former.as_ref().filter(|_| !self.is_redecided) {
                // It may have been told by the former rules, or by these already.
                let mut told = Judged::new(former, &old_claims);
                let again = self.decide_again(keys[group], &mut told, &mut new, &mut conflicts)?;
                op = op.or(again);
            }
            if op.is_none() && must_return(&self.rules, &mut new, &units) {
                op = Some(Op::Update);
            }
            if let Some(op) = op {
                let last = *rows.last().expect("a key has a row") as usize;
                let at = (at[last], batch.ordinals()[last]);
                let shown = if new.exists.exists { &mut new } else { &mut old };
                golden.push(&self.rules, keys[group], op, at, shown);
            }
            for turn in turned {
                conflicts.push(self.told(keys[group], turn, &mut new)?);
            }
        }
        Ok(Resolved { golden: golden.finish(&self.rules)?, conflicts })
    }

    /// Writes the head where it may not be what the store has.
    fn write_head(&mut self) -> Result<()> {
        if !self.is_headed {
            let former = self.former.as_ref().filter(|_| !self.is_redecided);
            let rules = former.unwrap_or(&self.rules).rules.clone();
            let head = Head { registry: self.registry.clone(), rules };
            let head = serde_json::to_vec(&head).expect("a head is plain data");
            self.rows.write(b"", &head)?;
            self.is_headed = true;
        }
        Ok(())
    }

    /// The rules that decided what was told so far, where they are others.
    pub(super) fn former_rules(&self) -> Option<&Compiled> {
        self.former.as_ref().filter(|_| !self.is_redecided)
    }

    /// The rules that decided what was told so far.
    pub(super) fn rules_in_force(&self) -> &Compiled {
        self.former_rules().unwrap_or(&self.rules)
    }

    /// The rules that decide.
    #[must_use]
    pub fn rules(&self) -> &EntityRules {
        &self.rules.rules
    }

    pub(super) fn told(
        &self,
        key: &[u8],
        turn: Turn,
        new: &mut Judged<'_, '_, '_>,
    ) -> Result<ConflictChange> {
        conflict::told(&self.rules, &self.registry, key, turn, new)
    }

    fn key_columns_of(&self, batch: &ChangeBatch) -> Result<Vec<usize>> {
        let schema = &self.rules.rules.schema;
        let place = |&column: &usize| batch.schema().index_of(&schema.columns()[column].name);
        schema.key().iter().map(place).collect::<Option<_>>().ok_or_else(|| {
            Error::new(Kind::Internal, format!("a batch for {} lacks its key", schema.name()))
        })
    }

    pub(super) fn damaged(&self) -> Error {
        let name = self.rules.rules.schema.name();
        Error::new(Kind::Corrupt, format!("a row of the claims of {name} can't be read"))
    }
}

impl syncline_core::Claims for Entity {
    fn id(&self) -> u64 {
        self.note.id
    }

    fn progress(&self, log: LogId, topic: &Topic) -> Option<Offset> {
        self.note.progress.get(topic).copied().filter(|_| self.note.log == Some(log))
    }

    fn hear(&mut self, heard: Heard<'_>) -> Result<Resolved> {
        let records = RecordKeys::of(heard.source, heard.rows, heard.origins);
        if heard.mapping == decisions::mapping_of(self.rules.rules.schema.name()) {
            return self.hear_decisions(heard.rows, &records, heard.in_doubt);
        }
        self.hear_rows(heard.mapping, heard.rows, &records, heard.in_doubt)
    }

    fn is_outdated(&self) -> bool {
        self.former.is_some() && !self.is_redecided
    }

    fn sweep(
        &mut self,
        sweep: &Sweep,
        from: Cursor,
        at: Transaction,
    ) -> Result<(Resolved, Option<Cursor>)> {
        match sweep {
            Sweep::Redecide => self.redecide(from, at),
            Sweep::Emptied(mapping) => self.empty(self.registry.mapping(mapping), from, at),
        }
    }

    fn collect(&mut self, stable: &Stable, from: Cursor) -> Result<(u64, Option<Cursor>)> {
        self.let_go(stable, from)
    }

    fn commit(&mut self, log: LogId, topic: &Topic, next: Offset) -> Result<()> {
        self.write_head()?;
        let mut note = self.note.clone();
        if note.log != Some(log) {
            note.progress.clear();
        }
        note.log = Some(log);
        note.progress.insert(topic.clone(), next);
        let bytes = serde_json::to_vec(&note).expect("a note is plain data");
        self.rows.commit(&bytes)?;
        self.note = note;
        if self.is_redecided {
            (self.former, self.is_redecided) = (None, false);
        }
        Ok(())
    }

    fn rollback(&mut self) -> Result<()> {
        (self.is_headed, self.is_redecided) = (false, false);
        self.rows.rollback()
    }
}
