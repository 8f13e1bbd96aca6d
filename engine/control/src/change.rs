//! What resolving says about conflicts.

use crate::kind::{CloseReason, ConflictKind};
use serde::{Deserialize, Serialize};

/// Something that became true of one subject of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictChange {
    /// The entity's name.
    pub entity: String,
    /// The entity's key, as a JSON array of texts: `["S1042"]`.
    pub key: String,
    /// The name of the field or group, or `existence`.
    pub subject: String,
    /// What became of it.
    pub state: Change,
}

/// What became of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// There is a conflict.
    Raised(Raise),
    /// There is none any more.
    Closed {
        /// What settled it.
        reason: CloseReason,
    },
}

/// A conflict as resolving sees it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raise {
    /// Its kind.
    pub kind: ConflictKind,
    /// A digest, in hex, of all that a person would decide on: the claims, the kind, the value in
    /// force and the policy's revision. Equal digests are the same question, and nothing is
    /// written for one that stands already.
    pub evidence: String,
    /// Who says what.
    pub claims: Vec<ClaimView>,
    /// The value that holds meanwhile; a group's as JSON.
    pub in_force: Option<String>,
    /// The policy that could not decide, in its own words.
    pub policy: String,
    /// The revision of the policies that it is part of.
    pub policy_revision: String,
}

/// What one record of one source says about a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimView {
    /// The source's name.
    pub source: String,
    /// The mapping it came by.
    pub mapping: String,
    /// The source record's key, as a JSON array of texts.
    pub record: String,
    /// The value it claims; a group's as JSON.
    pub value: Option<String>,
    /// Since when it says so, in microseconds UTC; `None` when it did before the first copy.
    pub since: Option<i64>,
    /// How far its clock may be off.
    pub uncertainty_micros: i64,
}
