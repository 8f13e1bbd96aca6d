//! What can be in conflict, and what became of it.

use crate::Result;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why something waits for a person, or was decided where systems did not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// Two sources say different things, and neither had surely seen the other's.
    ValueConcurrent,
    /// A source changed what another one owns.
    OwnerOverridden,
    /// One source deleted what another one still has.
    DeleteVsUpdate,
    /// What was deleted came again.
    Reinserted,
    /// A record's key became another.
    KeyChanged,
    /// A unique value is another row's already.
    KeyTaken,
    /// What a row refers to is not there.
    ParentMissing,
    /// A value that its type or a target's constraint can't hold.
    ConstraintFailed,
    /// A clock that is ahead of ours decided it.
    Skewed,
    /// A field that goes to and fro.
    Flapping,
    /// More of a table would change than is allowed unseen.
    MassChange,
    /// A value that can't be read as its field's type.
    SchemaMismatch,
    /// A target holds what nobody wrote there.
    TargetDrift,
}

impl ConflictKind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::ValueConcurrent,
        Self::OwnerOverridden,
        Self::DeleteVsUpdate,
        Self::Reinserted,
        Self::KeyChanged,
        Self::KeyTaken,
        Self::ParentMissing,
        Self::ConstraintFailed,
        Self::Skewed,
        Self::Flapping,
        Self::MassChange,
        Self::SchemaMismatch,
        Self::TargetDrift,
    ];

    /// Its name in commands, metrics and stores.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ValueConcurrent => "value_concurrent",
            Self::OwnerOverridden => "owner_overridden",
            Self::DeleteVsUpdate => "delete_vs_update",
            Self::Reinserted => "reinserted",
            Self::KeyChanged => "key_changed",
            Self::KeyTaken => "key_taken",
            Self::ParentMissing => "parent_missing",
            Self::ConstraintFailed => "constraint_failed",
            Self::Skewed => "skewed",
            Self::Flapping => "flapping",
            Self::MassChange => "mass_change",
            Self::SchemaMismatch => "schema_mismatch",
            Self::TargetDrift => "target_drift",
        }
    }

    /// By its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for ConflictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What became of the conflict on one subject of one key. A subject has one conflict at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictChange {
    /// The entity's key, as a JSON array of texts.
    pub key: String,
    /// The field or group, or `existence`.
    pub subject: String,
    /// What became of it.
    pub state: ConflictState,
}

/// What became of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConflictState {
    /// It is open. Raised again with other evidence where the words are others.
    Raised {
        /// What it is.
        kind: ConflictKind,
        /// A digest of the words it rests on: the same for the same words.
        evidence: String,
        /// The words.
        words: Vec<ConflictWord>,
        /// The value meanwhile, a JSON array for a group.
        in_force: Option<String>,
        /// The revision of the rules that found it.
        rules: String,
        /// Why the policy can't tell, where its kind does not say it all.
        reason: Option<String>,
    },
    /// It is no more.
    Closed(Closed),
}

/// Why a conflict is no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    /// The sources came to agree, or the policy can tell now.
    Agreed,
    /// A person decided.
    Decided {
        /// The id of the decision.
        decision: String,
    },
    /// The entity is gone.
    Gone,
    /// The rules are others.
    RulesChanged,
}

/// What one source record says on the subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictWord {
    /// The system.
    pub source: String,
    /// The mapping's file.
    pub mapping: String,
    /// The record's key, as a JSON array of texts.
    pub record: String,
    /// What it says; a JSON array for a group. None for NULL.
    pub value: Option<String>,
    /// Since when by the source's clock, in µs since 1970 UTC; none where it was copied, and nobody
    /// knows.
    pub since: Option<i64>,
    /// By how much that clock may be wrong, in µs.
    pub uncertainty: i64,
}

/// Where conflicts are written down.
#[async_trait]
pub trait ConflictBook: Send + Sync {
    /// Writes down what became of conflicts of one entity. The same again changes nothing.
    ///
    /// # Errors
    /// `Unavailable` when it can't be written; nothing was.
    async fn note(&self, entity: &str, changes: Vec<ConflictChange>) -> Result<()>;
}
