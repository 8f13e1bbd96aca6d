//! What whoever listens to an entity knows: the golden table and the open conflicts.

use crate::expressions::Words;
use crate::fixture::{Kept, MAPPINGS, Row, batch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use syncline_core::{
    ChangeBatch, Claims as _, ConflictChange, ConflictKind, ConflictState, ConflictWord, Cursor,
    LogId, Offset, Op, Resolved, Result, Stable, Sweep, Topic, Transaction,
};
use syncline_resolve::{Entity, EntityRules};

pub(crate) type Table = BTreeMap<String, Vec<Option<String>>>;

/// An open conflict. When something was first said is no part of it: a source that changes its mind
/// and back again leaves a conflict as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) kind: ConflictKind,
    pub(crate) evidence: String,
    pub(crate) words: BTreeSet<(String, String, Option<String>)>,
    pub(crate) in_force: Option<String>,
}

pub(crate) type Conflicts = BTreeMap<(String, String), Open>;

/// What was told, folded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Told {
    pub(crate) table: Table,
    pub(crate) conflicts: Conflicts,
}

impl Told {
    /// Takes in what came of a batch. Unless it may be told a second time, every change must be one.
    pub(crate) fn take(&mut self, outcome: &Resolved, may_repeat: bool) {
        if let Some(batch) = &outcome.golden {
            self.take_golden(batch, may_repeat);
        }
        for change in &outcome.conflicts {
            self.take_conflict(change, may_repeat);
        }
    }

    fn take_golden(&mut self, batch: &ChangeBatch, may_repeat: bool) {
        for row in 0..batch.len() {
            let values = texts(batch, row);
            let key = values[0].clone().unwrap();
            let before = self.table.get(&key);
            if !may_repeat {
                match batch.op(row) {
                    Op::Insert => assert_eq!(before, None, "inserted twice: {key}"),
                    Op::Update => {
                        assert!(before.is_some_and(|it| *it != values), "no change: {key}");
                    }
                    Op::Delete => assert!(before.is_some(), "deleted twice: {key}"),
                    Op::Snapshot => {}
                    Op::Before => panic!("golden rows have no image before"),
                }
            }
            if batch.op(row) == Op::Delete {
                self.table.remove(&key);
            } else {
                self.table.insert(key, values);
            }
        }
    }

    fn take_conflict(&mut self, change: &ConflictChange, may_repeat: bool) {
        let [key]: [String; 1] = serde_json::from_str(&change.key).unwrap();
        let of = (key, change.subject.clone());
        match &change.state {
            ConflictState::Raised { kind, evidence, words, in_force, .. } => {
                let word =
                    |it: &ConflictWord| (it.source.clone(), it.record.clone(), it.value.clone());
                let open = Open {
                    kind: *kind,
                    evidence: evidence.clone(),
                    words: words.iter().map(word).collect(),
                    in_force: in_force.clone(),
                };
                let before = self.conflicts.insert(of.clone(), open.clone());
                assert!(may_repeat || before != Some(open), "raised twice: {of:?}");
            }
            ConflictState::Closed(_) => {
                let before = self.conflicts.remove(&of);
                assert!(may_repeat || before.is_some(), "closed twice: {of:?}");
            }
        }
    }

    /// What a conflict shows as in force is what the golden table holds.
    pub(crate) fn check_in_force(&self) {
        for ((key, subject), open) in &self.conflicts {
            if subject == "existence" {
                let exists = self.table.contains_key(key).to_string();
                assert_eq!(open.in_force.as_ref(), Some(&exists));
                continue;
            }
            let row = self.table.get(key).expect("nothing is asked of what is not there");
            let (_, columns) = crate::fixture::UNITS.iter().find(|it| it.0 == subject).unwrap();
            let values: Vec<_> = columns.iter().map(|&column| row[column].clone()).collect();
            let text = match values.as_slice() {
                [only] => only.clone(),
                many if many.iter().all(Option::is_none) => None,
                many => Some(serde_json::to_string(many).unwrap()),
            };
            assert_eq!(open.in_force, text, "{key} {subject}");
        }
    }
}

/// The values of a row as texts.
pub(crate) fn texts(batch: &ChangeBatch, row: usize) -> Vec<Option<String>> {
    let options = FormatOptions::new();
    let text = |column: &arrow_array::ArrayRef| {
        let formatter = ArrayFormatter::try_new(column, &options).unwrap();
        column.is_valid(row).then(|| formatter.value(row).to_string())
    };
    batch.columns().columns().iter().map(text).collect()
}

fn open(rows: &Kept, rules: EntityRules, words: &Words) -> Result<Entity> {
    Entity::open_with(Box::new(rows.clone()), rules, 7, Arc::new(words.clone()))
}

/// An entity and who listens to it.
pub(crate) struct Heart {
    pub(crate) entity: Entity,
    pub(crate) told: Told,
    pub(crate) may_repeat: bool,
    /// What computes fields.
    pub(crate) words: Words,
    rows: Kept,
}

impl Heart {
    pub(crate) fn new(rules: EntityRules) -> Self {
        Self::with(rules, Words::default())
    }

    pub(crate) fn with(rules: EntityRules, words: Words) -> Self {
        let rows = Kept::default();
        let entity = open(&rows, rules, &words).unwrap();
        Self { entity, told: Told::default(), may_repeat: false, words, rows }
    }

    /// Hears rows of one source: each mapping's in one batch.
    pub(crate) fn hear(&mut self, rows: &[Row]) {
        for (mapping, (_, name)) in MAPPINGS.iter().enumerate() {
            let of_mapping: Vec<Row> =
                rows.iter().filter(|row| row.mapping == mapping).cloned().collect();
            if of_mapping.is_empty() {
                continue;
            }
            let (batch, records) = batch(&of_mapping);
            let outcome = self.entity.hear_rows(name, &batch, &records, false).unwrap();
            self.told.take(&outcome, self.may_repeat);
        }
    }

    /// Loses what was not committed, and opens the rows anew.
    pub(crate) fn reopen(&mut self, rules: EntityRules) {
        self.try_reopen(rules).unwrap();
    }

    pub(crate) fn try_reopen(&mut self, rules: EntityRules) -> Result<()> {
        self.entity = open(&self.rows.again(), rules, &self.words)?;
        Ok(())
    }

    /// Decides all again, to the end.
    pub(crate) fn redecide(&mut self) {
        let at = Transaction { epoch: 9, commit: 9, committed_at: 9, ours: false };
        let mut from = Some(Cursor::default());
        while let Some(cursor) = from {
            let (outcome, next) = self.entity.sweep(&Sweep::Redecide, cursor, at).unwrap();
            self.told.take(&outcome, self.may_repeat);
            from = next;
        }
        self.commit();
    }

    /// Lets go of keys that are gone, to the end; how many.
    pub(crate) fn collect(&mut self, stable: &Stable) -> u64 {
        let (mut all, mut from) = (0, Some(Cursor::default()));
        while let Some(cursor) = from {
            let (dropped, next) = self.entity.collect(stable, cursor).unwrap();
            self.commit();
            (all, from) = (all + dropped, next);
        }
        all
    }

    /// Makes durable what was heard.
    pub(crate) fn commit(&mut self) {
        self.entity.commit(LogId(1), &Topic::entity("any"), Offset(1)).unwrap();
    }
}
