//! What a verification found.

use super::judge::Damage;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most keys that are named of each kind.
const KEYS_MAX: usize = 1000;

/// All tables that were verified.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Verified {
    /// By table, in the order of their names.
    pub(crate) tables: Vec<TableVerified>,
    /// How long it took.
    pub(crate) seconds: f64,
}

/// One table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TableVerified {
    /// Its name.
    pub(crate) table: String,
    /// The mappings that write it.
    pub(crate) mappings: Vec<String>,
    /// Why it was not verified, where it was not.
    pub(crate) skipped: Option<Skipped>,
    /// Rows that the mappings say.
    pub(crate) rows_said: u64,
    /// Rows of the table.
    pub(crate) rows_there: u64,
    /// Rows that a mapping says and the table lacks.
    pub(crate) missing: u64,
    /// Rows of the table that no mapping says.
    pub(crate) extra: u64,
    /// Rows that are not as their mapping says.
    pub(crate) different: u64,
    /// Rows of which it can't be told what is right.
    pub(crate) ambiguous: u64,
    /// Rows that moved all the time, or whose changes were not applied in time.
    pub(crate) undecided: u64,
    /// Rows that are not as their mapping says since the target refuses them.
    pub(crate) parked: u64,
    /// Rows that are left as they are while a person is asked about them.
    pub(crate) asked: u64,
    /// Source rows that their mapping refuses.
    pub(crate) refused: u64,
    /// Columns that depend on when a row was changed, and are not compared.
    pub(crate) left_out: Vec<String>,
    /// Why something was not decided in time.
    pub(crate) late: Option<String>,
    /// Some of the keys, by what is the matter with them.
    pub(crate) keys: BTreeMap<String, Vec<String>>,
    /// What was done about what was found, where that was asked for; the rest is what is left.
    pub(crate) repair: Option<Repair>,
    /// By source, the position up to which this holds.
    pub(crate) as_of: BTreeMap<String, String>,
    /// How long it took.
    pub(crate) seconds: f64,
}

/// What was done about a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Repair {
    /// Rows that were missing, extra and different.
    pub(crate) missing: u64,
    pub(crate) extra: u64,
    pub(crate) different: u64,
    /// The tables that were copied again, so that all their rows were told once more.
    pub(crate) copied: Vec<String>,
    /// Extra rows that were deleted.
    pub(crate) deleted: u64,
    /// Why something was left as it was.
    pub(crate) left: Vec<String>,
}

/// Why a table was not verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Skipped {
    /// In a sentence.
    pub(crate) reason: String,
    /// What helps.
    pub(crate) hint: Option<String>,
    /// The kind of the error, where it is one.
    pub(crate) error: Option<String>,
}

/// What is the matter with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    Damaged(Damage),
    Ambiguous,
    Undecided,
    Parked,
    Asked,
}

impl Finding {
    fn name(self) -> &'static str {
        match self {
            Self::Damaged(Damage::Missing) => "missing",
            Self::Damaged(Damage::Extra) => "extra",
            Self::Damaged(Damage::Different) => "different",
            Self::Ambiguous => "ambiguous",
            Self::Undecided => "undecided",
            Self::Parked => "parked",
            Self::Asked => "asked",
        }
    }
}

impl TableVerified {
    /// Counts a key, and names it where there are not too many.
    pub(crate) fn count(&mut self, finding: Finding, key: &str) {
        *match finding {
            Finding::Damaged(Damage::Missing) => &mut self.missing,
            Finding::Damaged(Damage::Extra) => &mut self.extra,
            Finding::Damaged(Damage::Different) => &mut self.different,
            Finding::Ambiguous => &mut self.ambiguous,
            Finding::Undecided => &mut self.undecided,
            Finding::Parked => &mut self.parked,
            Finding::Asked => &mut self.asked,
        } += 1;
        let keys = self.keys.entry(finding.name().to_owned()).or_default();
        if keys.len() < KEYS_MAX {
            keys.push(key.to_owned());
        }
    }

    /// Rows that are damaged.
    pub(crate) fn damaged(&self) -> u64 {
        self.missing + self.extra + self.different
    }

    /// Whether something could not be told.
    pub(crate) fn is_open(&self) -> bool {
        self.undecided > 0 || self.skipped.as_ref().is_some_and(|it| it.error.is_some())
    }
}

impl Verified {
    /// Rows that are damaged.
    pub(crate) fn damaged(&self) -> u64 {
        self.tables.iter().map(TableVerified::damaged).sum()
    }

    /// Whether something could not be told.
    pub(crate) fn is_open(&self) -> bool {
        self.tables.iter().any(TableVerified::is_open)
    }
}
