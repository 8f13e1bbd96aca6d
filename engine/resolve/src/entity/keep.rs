//! The claims of one entity, and the rules in force.
//!
//! Order of effects, by whoever calls: golden rows of an [`Outcome`] durable → its conflicts noted →
//! [`Entity::commit`]. A crash between repeats the same golden rows, which is harmless.

use super::compare::{Judged, Turn, operation, touched_units, turns};
use super::conflict;
use super::conflict::ConflictChange;
use super::golden::GoldenRows;
use super::incoming::Incoming;
use super::key::Groups;
use super::record::RecordKeys;
use crate::EntityRules;
use crate::claims::{Claims, Touched, decode, encode};
use crate::policy::{Compiled, Registry};
use crate::rows::{RowBuffer, Rows};
use serde::{Deserialize, Serialize};
use syncline_core::{ChangeBatch, Error, Kind, Result, Transaction};

/// The claims of one entity.
pub struct Entity {
    pub(super) rows: Box<dyn Rows>,
    pub(super) registry: Registry,
    pub(super) rules: Compiled,
    /// The rules that what was emitted so far was decided by, where they are others.
    pub(super) former: Option<Compiled>,
    /// Whether all was decided again, and only a commit is left.
    pub(super) is_redecided: bool,
    buffer: RowBuffer,
    encoded: Vec<u8>,
}

impl std::fmt::Debug for Entity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entity")
            .field("name", self.rules.rules.schema.name())
            .finish_non_exhaustive()
    }
}

/// What a batch of claims comes to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Golden rows that are others now, in the order of the changes that made them so.
    pub golden: Option<ChangeBatch>,
    /// What became of conflicts.
    pub conflicts: Vec<ConflictChange>,
}

/// What is committed with the claims.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    registry: Registry,
    rules: EntityRules,
}

impl Entity {
    /// Takes over the claims that rest in a store. Where the rules are others than those that decided
    /// so far, all has to be decided again: see [`Entity::redecide`].
    ///
    /// # Errors
    /// `Corrupt` when the store's note can't be read.
    pub fn open(rows: Box<dyn Rows>, rules: EntityRules) -> Result<Self> {
        let mut registry = Registry::default();
        let mut former = None;
        if !rows.note().is_empty() {
            let note: Note = serde_json::from_slice(rows.note()).map_err(|error| {
                let name = rules.schema.name();
                Error::new(
                    Kind::Corrupt,
                    format!("the claims of {name} have a note that can't be read"),
                )
                .caused_by(error)
            })?;
            registry = note.registry;
            former = (note.rules != rules).then_some(note.rules);
        }
        registry.take_in(&rules)?;
        let former = former.map(|former| Compiled::new(former, &registry));
        let rules = Compiled::new(rules, &registry);
        let (buffer, encoded) = (RowBuffer::default(), Vec::new());
        Ok(Self { rows, registry, rules, former, is_redecided: false, buffer, encoded })
    }

    /// Hears what a mapping made of a batch, one record for each of its rows.
    ///
    /// # Errors
    /// `Corrupt` when claims can't be read, `Unavailable` when there is no room for more; then nothing
    /// was heard once [`Entity::rollback`] was called.
    ///
    /// # Panics
    /// When the rules don't know the mapping, or there is not a record for each row.
    pub fn hear(
        &mut self,
        mapping: &str,
        batch: &ChangeBatch,
        records: &RecordKeys,
    ) -> Result<Outcome> {
        assert_eq!(records.len(), batch.len(), "a record a row");
        let number = self.registry.mapping(mapping);
        let incoming = Incoming::new(&self.rules, number, batch, records)?;
        self.merge(batch, &incoming)
    }

    pub(super) fn merge(
        &mut self,
        batch: &ChangeBatch,
        incoming: &Incoming<'_>,
    ) -> Result<Outcome> {
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
            let rows = groups.rows(group);
            for row in rows.iter().map(|&row| row as usize) {
                is_copied |= incoming.is_copied(row);
                let observation = incoming.observation(row);
                if let Some(former) = incoming.former(row) {
                    claims.follow(&former, &observation);
                    changed |= claims.merge(&former, &mut touched);
                }
                changed |= claims.merge(&observation, &mut touched);
            }
            if changed {
                self.encoded.clear();
                encode(&claims, &mut self.encoded);
                self.rows.write(keys[group], &self.encoded)?;
            }
            let units = touched_units(&self.rules, &touched);
            if units.is_empty() && !touched.existence && !is_copied {
                continue;
            }
            let old_claims = before.and_then(decode).unwrap_or_default();
            let mut old = Judged::new(&self.rules, &old_claims);
            let mut new = Judged::new(&self.rules, &claims);
            let turned = turns(&mut old, &mut new, &units);
            let mut op = operation(&mut old, &mut new, &units, is_copied);
            if let Some(former) = self.former.as_ref().filter(|_| self.is_outdated()) {
                // It may have been told by the former rules, or by these already.
                let mut told = Judged::new(former, &old_claims);
                let again = self.decide_again(keys[group], &mut told, &mut new, &mut conflicts)?;
                op = op.or(again);
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
        Ok(Outcome { golden: golden.finish(&self.rules)?, conflicts })
    }

    /// Makes durable what was heard.
    ///
    /// # Errors
    /// See [`Rows::commit`].
    pub fn commit(&mut self) -> Result<()> {
        let former = self.former.as_ref().filter(|_| !self.is_redecided);
        let rules = former.unwrap_or(&self.rules).rules.clone();
        let note = Note { registry: self.registry.clone(), rules };
        let note = serde_json::to_vec(&note).expect("a note is plain data");
        self.rows.commit(&note)?;
        if self.is_redecided {
            (self.former, self.is_redecided) = (None, false);
        }
        Ok(())
    }

    /// Forgets what was heard since the last commit, and what was decided again unless a commit
    /// followed.
    ///
    /// # Errors
    /// See [`Rows::rollback`].
    pub fn rollback(&mut self) -> Result<()> {
        self.is_redecided = false;
        self.rows.rollback()
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
