//! The words a conflict is described by, and their text forms in the store.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// What kind of disagreement a conflict is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// Sources say different things, and neither had seen the other's.
    ValueConcurrent,
    /// A source that does not own the field changed it.
    OwnerOverridden,
    /// One source deleted what another changed.
    DeleteVsUpdate,
    /// A record came back after it was deleted.
    Reinserted,
    /// A record changed its key.
    KeyChanged,
    /// A unique key is taken by another record.
    KeyTaken,
    /// A record refers to one that is not there.
    ParentMissing,
    /// A target's constraint refuses the row.
    ConstraintFailed,
    /// A source's clock is further ahead than allowed, and that would change the outcome.
    Skewed,
    /// A field goes back and forth between values.
    Flapping,
    /// A batch would change or delete more of a table than allowed without a person.
    MassChange,
    /// A schema no longer fits what reads or writes it.
    SchemaMismatch,
    /// A target holds what nobody wrote there.
    TargetDrift,
}

impl ConflictKind {
    /// Every kind, in the order of their documentation.
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

    /// The kind's text form: in the store, in metrics and in `--json`.
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

    /// The kind of a text form, where there is one.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    pub(crate) fn stored(text: &str) -> Result<Self> {
        Self::from_text(text).ok_or_else(|| Error::unknown_word("kind of conflict", text))
    }
}

/// Where a conflict stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for a person. Set by `apply` and `undo`.
    Open,
    /// A person decided; resolving has not taken it up yet. Set by `decide`.
    Decided,
    /// There is nothing to decide any more. Set by `apply`.
    Closed,
}

impl State {
    /// The state's text form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Decided => "decided",
            Self::Closed => "closed",
        }
    }

    /// The state of a text form, where there is one.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        [Self::Open, Self::Decided, Self::Closed].into_iter().find(|state| state.as_str() == text)
    }

    pub(crate) fn stored(text: &str) -> Result<Self> {
        Self::from_text(text).ok_or_else(|| Error::unknown_word("state", text))
    }
}

/// What settled a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// The sources agree by now.
    Agreed,
    /// A person decided.
    Decided {
        /// The id of the decision.
        decision: String,
    },
    /// Under the policy of now there is no conflict.
    PolicyChanged,
    /// The record is gone.
    Gone,
}

impl CloseReason {
    /// The reason's text form, without the decision.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Agreed => "agreed",
            Self::Decided { .. } => "decided",
            Self::PolicyChanged => "policy_changed",
            Self::Gone => "gone",
        }
    }

    pub(crate) fn decision(&self) -> Option<&str> {
        match self {
            Self::Decided { decision } => Some(decision),
            Self::Agreed | Self::PolicyChanged | Self::Gone => None,
        }
    }

    pub(crate) fn stored(text: &str, decision: Option<String>) -> Result<Self> {
        match (text, decision) {
            ("agreed", _) => Ok(Self::Agreed),
            ("decided", Some(decision)) => Ok(Self::Decided { decision }),
            ("policy_changed", _) => Ok(Self::PolicyChanged),
            ("gone", _) => Ok(Self::Gone),
            _ => Err(Error::unknown_word("reason", text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ConflictKind, State};

    #[test]
    fn text_forms_go_both_ways() {
        for kind in ConflictKind::ALL {
            assert_eq!(ConflictKind::from_text(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(ConflictKind::from_text("other"), None);
        assert_eq!(State::from_text("decided"), Some(State::Decided));
    }
}
