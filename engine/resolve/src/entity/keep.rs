//! The claims of one entity, and the rules in force.
//!
//! Rows are merged key by key; only what merging touched is decided anew, and only golden rows that
//! are others now come out.

use super::compare::{Judged, Turn};
use super::conflict;
use super::incoming::Incoming;
use super::record::RecordKeys;
use crate::EntityRules;
use crate::decisions;
use crate::policy::{Compiled, Plan, Registry};
use crate::rows::{RowBuffer, Rows};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use syncline_core::{
    ChangeBatch, ConflictChange, Cursor, Error, Expressions, Heard, Kind, LogId, NoExpressions,
    Offset, Resolved, Result, Stable, Sweep, Topic, Transaction,
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
    /// The rules, for keys that are simple.
    pub(super) plan: Plan,
    /// What makes expressions ready.
    pub(super) expressions: Arc<dyn Expressions>,
    pub(super) buffer: RowBuffer,
    pub(super) encoded: Vec<u8>,
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

impl Note {
    /// The note of a store; none where nothing was committed there.
    fn read(noted: &[u8]) -> serde_json::Result<Option<Self>> {
        if noted.is_empty() { Ok(None) } else { serde_json::from_slice(noted).map(Some) }
    }
}

fn damaged(rules: &EntityRules, error: serde_json::Error) -> Error {
    let name = rules.schema.name();
    Error::new(Kind::Corrupt, format!("the claims of {name} can't be understood")).caused_by(error)
}

impl Entity {
    /// Takes over the claims that rest in a store; those of an empty store get the id. Where the rules
    /// are others than those that decided so far, all has to be decided again: see
    /// [`Sweep::Redecide`](syncline_core::Sweep).
    ///
    /// No field is computed by an expression: see [`Entity::open_with`].
    ///
    /// # Errors
    /// `Corrupt` when the store can't be understood.
    pub fn open(rows: Box<dyn Rows>, rules: EntityRules, new_id: u64) -> Result<Self> {
        Self::open_with(rows, rules, new_id, Arc::new(NoExpressions))
    }

    /// [`Entity::open`] with what makes the expressions of the rules ready.
    ///
    /// # Errors
    /// `Config` when an expression can't be understood; else as there.
    pub fn open_with(
        mut rows: Box<dyn Rows>,
        rules: EntityRules,
        new_id: u64,
        expressions: Arc<dyn Expressions>,
    ) -> Result<Self> {
        let damaged = |error: serde_json::Error| damaged(&rules, error);
        let begun = Note { id: new_id, log: None, progress: BTreeMap::new() };
        let note = Note::read(&rows.note()).map_err(damaged)?.unwrap_or(begun);
        let (mut registry, mut former) = (Registry::default(), None);
        let mut buffer = RowBuffer::default();
        rows.read(&[b""], &mut buffer)?;
        if let Some(head) = buffer.get(0) {
            let head: Head = serde_json::from_slice(head).map_err(damaged)?;
            registry = head.registry;
            former = (head.rules != rules).then_some(head.rules);
        }
        registry.take_in(&rules)?;
        let former = former.map(|former| Compiled::former(former, &registry, &*expressions));
        let former = former.transpose()?;
        let rules = Compiled::new(rules, &registry, &*expressions)?;
        let (plan, encoded) = (Plan::new(&rules), Vec::new());
        let (is_redecided, is_headed) = (false, false);
        Ok(Self {
            rows,
            registry,
            rules,
            former,
            is_redecided,
            is_headed,
            note,
            plan,
            expressions,
            buffer,
            encoded,
        })
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
        self.rows.rollback()?;
        // Where it was in doubt whether a commit came about, it did perhaps.
        if let Some(note) =
            Note::read(&self.rows.note()).map_err(|it| damaged(&self.rules.rules, it))?
        {
            self.note = note;
        }
        Ok(())
    }
}
