//! What is told of why, as plain data. Values are texts; those of a group are JSON arrays of texts.

use crate::{Existence, Policy};
use serde::{Deserialize, Serialize};
use syncline_core::ConflictKind;

/// Why an entity's row is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The entity's name.
    pub entity: String,
    /// Its key, as texts in the key's order.
    pub key: Vec<String>,
    /// The revision of the rules that decided.
    pub rules: String,
    /// Whether the entity was opened with other rules, by which nothing was decided yet.
    pub is_outdated: bool,
    /// Whether it exists, and who has it.
    pub existence: WhyExists,
    /// Its fields and groups, or the one that was asked for.
    pub units: Vec<WhyUnit>,
}

/// Why an entity exists or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyExists {
    /// Whether it does.
    pub exists: bool,
    /// What decides that.
    pub policy: Existence,
    /// The records that spoke of it.
    pub records: Vec<Record>,
    /// The decision by which it is so, where a person decided.
    pub decision: Option<String>,
    /// What a person is asked.
    pub conflict: Option<ConflictKind>,
}

/// A source's record of the entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The system; none where its mapping is no longer there.
    pub source: Option<String>,
    /// The mapping's file.
    pub mapping: String,
    /// The record's key, as a JSON array of texts.
    pub record: String,
    /// Whether it is there.
    pub state: RecordState,
    /// When it was last heard of, or when it went.
    pub heard: Option<Since>,
}

/// Whether a source's record is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordState {
    /// Its system has it.
    There,
    /// Its system deleted it, or it left the mapping's filter.
    Deleted,
    /// Only our own writes made it.
    Ours,
    /// Its mapping is no longer there, so that it does not count.
    Unmapped,
}

/// Why a field or group has its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyUnit {
    /// The field's or group's name.
    pub name: String,
    /// Its fields: one for a field, several for a group.
    pub fields: Vec<String>,
    /// The golden value; none for NULL.
    pub value: Option<String>,
    /// How it is decided.
    pub policy: Policy,
    /// Whether NULL is a value like others.
    pub null_is_value: bool,
    /// What decided.
    pub by: DecidedBy,
    /// Why the policy can't tell, where its kind of conflict does not say it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What its expression is computed from, where one decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<WhyColumn>,
    /// Who says what, who no longer does, and who does not count.
    pub said: Vec<Said>,
    /// What people decided, the last first.
    pub decisions: Vec<MadeDecision>,
    /// What a person is asked.
    pub conflict: Option<ConflictKind>,
    /// By how much it was decided, where that can be told.
    pub margin: Option<Margin>,
    /// A smallest change that would lead to another value; none where no change that was tried would.
    pub flip: Option<Flip>,
    /// How many changes were tried.
    pub tried: usize,
}

/// A column of an expression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyColumn {
    /// The source that it has the name of.
    pub source: String,
    /// What that says; none for NULL, or nothing.
    pub value: Option<String>,
}

/// What decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum DecidedBy {
    /// Nobody says anything.
    Nobody,
    /// All who speak say the same.
    Agreement,
    /// The policy: this record has the word.
    Winner {
        /// Its system.
        source: String,
        /// The mapping's file.
        mapping: String,
        /// The record's key.
        record: String,
    },
    /// The policy, from what several said.
    Several,
    /// The policy's expression.
    Expression,
    /// A person.
    Decision {
        /// The decision's id.
        id: String,
    },
    /// The list of sources, until a person has answered.
    Provisional {
        /// The record's system.
        source: String,
        /// The mapping's file.
        mapping: String,
        /// The record's key.
        record: String,
    },
    /// What was last agreed on, until a person has answered.
    LastAgreed,
}

/// What one source record says of a field or group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The system; none where its mapping is no longer there.
    pub source: Option<String>,
    /// The mapping's file.
    pub mapping: String,
    /// The record's key, as a JSON array of texts.
    pub record: String,
    /// What it says; none for NULL, or nothing.
    pub value: Option<String>,
    /// Since when.
    pub since: Option<Since>,
    /// By how much its system's clock may be wrong, in µs.
    pub uncertainty: Option<i64>,
    /// Whether that counts.
    pub standing: Standing,
    /// Whether the record holds something else by now that we wrote to it.
    pub holds_ours: bool,
    /// What it said before, the newest first, as far as that is kept.
    pub before: Vec<Before>,
}

/// Whether what a record says counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It does.
    Speaks,
    /// It says NULL, which says nothing.
    Withdrawn,
    /// It never said anything of this, or only what we wrote.
    Silent,
    /// The record is gone.
    Gone,
    /// Its source is not in the list.
    Unlisted,
    /// Its mapping is no longer there, or no longer writes this.
    Unmapped,
}

/// What a record said before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// What; none for NULL.
    pub value: Option<String>,
    /// From when on.
    pub since: Since,
    /// Whether we wrote it.
    pub ours: bool,
}

/// A time by a source's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// µs since 1970 UTC.
    pub micros: i64,
    /// Whether the row was copied then: it may have been so for long.
    pub copied: bool,
}

/// What a person decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeDecision {
    /// The decision's id.
    pub id: String,
    /// When.
    pub at: Since,
    /// What; none for NULL.
    pub value: Option<String>,
    /// Whether it decides.
    pub standing: DecisionStanding,
}

/// Whether a decision decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionStanding {
    /// The sources say what they said when it was made.
    Stands,
    /// They say something else by now.
    Outdated,
    /// A later decision took its place.
    Superseded,
}

/// By how much a policy decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Margin {
    /// Who would have been next, with another value.
    pub runner_up: Option<WhyWord>,
    /// What it was measured by.
    #[serde(flatten)]
    pub measure: Measure,
}

/// What one record says, or would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyWord {
    /// The system.
    pub source: String,
    /// The mapping's file.
    pub mapping: String,
    /// The record's key.
    pub record: String,
    /// What; none for NULL.
    pub value: Option<String>,
}

/// What a margin was measured by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "measure", rename_all = "snake_case")]
pub enum Measure {
    /// The times at which both were said.
    Time {
        /// By how many µs the winner was later, or for [`Policy::Oldest`] earlier; none where the
        /// later of both was copied, and nobody knows since when it was so.
        ahead: Option<i64>,
        /// By how much both clocks together may be wrong, in µs.
        uncertainty: i64,
        /// What told who was first.
        told_by: TimeTold,
    },
    /// Sources that say so.
    Supporters {
        /// By value, the most first.
        scores: Vec<Score>,
    },
    /// Characters.
    Characters {
        /// By value, the most first.
        scores: Vec<Score>,
    },
    /// The place in the list of values, from 1; 0 for what is not in it.
    Places {
        /// By value, the furthest first.
        scores: Vec<Score>,
    },
    /// The place in the list of sources.
    List {
        /// The sources that go before and say nothing.
        silent: Vec<String>,
    },
    /// The values themselves.
    Value,
}

/// What told which of two words was first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeTold {
    /// Both are of one system, which has an order of its own.
    OneSystem,
    /// Their clocks, wrong by as much as they may be.
    Clocks,
    /// The clocks could not; the list of sources decided.
    List,
}

/// How a value scores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// The value; none for NULL.
    pub value: Option<String>,
    /// Its score.
    pub score: usize,
    /// Who says it.
    pub sources: Vec<String>,
}

/// A change that would lead to another value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flip {
    /// The change.
    pub change: Change,
    /// The value it would lead to; none for NULL.
    pub becomes: Option<String>,
    /// What a person would be asked then.
    pub conflict: Option<ConflictKind>,
}

/// One change of what is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Change {
    /// A record says NULL, which says nothing.
    Withdrawn(WhyWord),
    /// A record is deleted.
    Deleted(WhyWord),
    /// A record takes its value back and says it anew, at the latest of all.
    SaidAnew {
        /// The record, and what it says.
        #[serde(flatten)]
        by: WhyWord,
        /// From when on by its clock that is surely the latest, in µs since 1970 UTC.
        from: i64,
    },
    /// A record says something else.
    Says {
        /// The record, and what it would say.
        #[serde(flatten)]
        by: WhyWord,
        /// From when on by its clock that is surely the latest, in µs since 1970 UTC.
        from: i64,
    },
    /// A decision is taken back.
    Undone {
        /// The decision's id.
        id: String,
    },
}
