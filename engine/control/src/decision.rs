//! What people decide.

use serde::{Deserialize, Serialize};

/// What a person says about a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Chosen by whoever sends it, so that sending it again is the same decision.
    pub id: String,
    /// The conflict it is about.
    pub conflict: i64,
    /// The answer, as resolving reads it; a text to this store.
    pub what: String,
    /// Who decided.
    pub by: String,
    /// When, in microseconds UTC.
    pub at: i64,
    /// Why, in the person's words.
    pub note: Option<String>,
    /// The evidence the person had before them.
    pub evidence: String,
}

/// A decision in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DecisionRecord {
    /// Grows with every decision; to page by.
    pub number: i64,
    /// What was decided.
    pub decision: Decision,
    /// Who took it back; `None` while nobody has.
    pub undone: Option<Undone>,
}

/// Who took a decision back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Undone {
    /// Who.
    pub by: String,
    /// When, in microseconds UTC.
    pub at: i64,
}

/// Which decisions are meant, oldest first. The default is the first hundred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionFilter {
    /// Only those about this conflict.
    pub conflict: Option<i64>,
    /// Only those of this person.
    pub by: Option<String>,
    /// Only those about this entity.
    pub entity: Option<String>,
    /// Only those with a greater number.
    pub after: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

impl Default for DecisionFilter {
    fn default() -> Self {
        Self { conflict: None, by: None, entity: None, after: None, limit: 100 }
    }
}
