//! What can be in conflict.

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
