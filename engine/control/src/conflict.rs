//! A conflict as people see it, and its history.

use crate::change::ClaimView;
use crate::kind::{CloseReason, ConflictKind, State};
use serde::Serialize;

/// A conflict as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// Its number, for ever.
    pub id: i64,
    /// The entity's name.
    pub entity: String,
    /// The entity's key, as a JSON array of texts.
    pub key: String,
    /// The name of the field or group, or `existence`.
    pub subject: String,
    /// Its kind when it was last raised.
    pub kind: ConflictKind,
    /// Where it stands.
    pub state: State,
    /// What settled it; `None` while it is open.
    pub settled: Option<CloseReason>,
    /// The digest of what there was to decide on when it was last raised. A decision names it.
    pub evidence: String,
    /// Who said what then.
    pub claims: Vec<ClaimView>,
    /// The value that holds meanwhile.
    pub in_force: Option<String>,
    /// The policy that could not decide.
    pub policy: String,
    /// The revision of the policies.
    pub policy_revision: String,
    /// When it was raised first, in microseconds UTC.
    pub raised_at: i64,
    /// When something last happened to it.
    pub changed_at: i64,
    /// How often it was raised again after it had been settled.
    pub times_reopened: u64,
    /// How many rows wait behind it.
    pub waiting: u64,
}

/// Something that happened to a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Its number; events of a conflict are in this order.
    pub id: i64,
    /// When, in microseconds UTC.
    pub at: i64,
    /// What.
    pub happened: Happened,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Happened {
    /// It was raised for the first time.
    Raised {
        /// The digest of what there was to decide on.
        evidence: String,
        /// Who said what.
        claims: Vec<ClaimView>,
    },
    /// A source said something else while it was open.
    EvidenceChanged {
        /// The digest of what there is to decide on now.
        evidence: String,
        /// Who says what now.
        claims: Vec<ClaimView>,
    },
    /// A person decided.
    Decided {
        /// The id of the decision.
        decision: String,
        /// Who.
        by: String,
    },
    /// A person took a decision back.
    Undone {
        /// The id of the decision.
        decision: String,
        /// Who.
        by: String,
    },
    /// It came up again after it had been settled.
    Reopened {
        /// What had settled it.
        after: CloseReason,
        /// The digest of what there is to decide on now.
        evidence: String,
        /// Who says what now.
        claims: Vec<ClaimView>,
    },
    /// It closed.
    Closed {
        /// What settled it.
        reason: CloseReason,
    },
}
