//! What was found last, table by table, for whoever looks at the running engine.

use super::report::TableVerified;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What was found last of a table, and when.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Outcome {
    /// When it was found, in µs since 1970 UTC.
    pub(crate) at: i64,
    /// What it was.
    #[serde(flatten)]
    pub(crate) found: TableVerified,
}

/// The last outcomes by table. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcomes(Arc<Mutex<BTreeMap<String, Outcome>>>);

impl Outcomes {
    /// Keeps what was found of a table.
    pub(super) fn note(&self, at: i64, found: &TableVerified) {
        let outcome = Outcome { at, found: found.clone() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(found.table.clone(), outcome);
    }

    /// All of them.
    pub(crate) fn all(&self) -> BTreeMap<String, Outcome> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
