//! A row set aside, visibly and replayably.

use crate::{ChangeBatch, Offset};

/// Where on its way the row was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// By the mapping: the image is the source row.
    Map,
    /// By the target: the image is the target row.
    Write,
}

impl Stage {
    /// The word for it in tables and `--json`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Map => "map",
            Self::Write => "write",
        }
    }

    /// From its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "map" => Some(Self::Map),
            "write" => Some(Self::Write),
            _ => None,
        }
    }
}

/// What a parked row is known by: at most one is parked for each. The stage is part of it: a source
/// row and a target row of one key may wait at the same time, and need not be of the same record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParkKey {
    /// The mapping's file.
    pub mapping: String,
    /// Where it was refused.
    pub stage: Stage,
    /// The row's key as [`crate::key_text`] writes it: of the source row at [`Stage::Map`], of the
    /// target row at [`Stage::Write`].
    pub key: String,
}

/// A row set aside.
#[derive(Debug, Clone)]
pub struct Parked {
    /// What it is known by.
    pub key: ParkKey,
    /// The table whose row `image` is.
    pub table: String,
    /// The row as one change; an `Update` may follow a `Before`: then the target may hold what its
    /// mapping makes of that one.
    pub image: ChangeBatch,
    /// Why, in a sentence.
    pub reason: String,
    /// The expression or constraint that refused it, where known.
    pub culprit: Option<String>,
    /// What mends it.
    pub hint: Option<String>,
    /// The entry it came with.
    pub offset: Offset,
    /// How often it was tried again.
    pub attempts: u32,
}

/// What a person may change of a row that is set aside: whether it is there, and how soon it is
/// tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkMark {
    /// What it is known by.
    pub key: ParkKey,
    /// How often it was tried again; 0 again where somebody asked for it.
    pub attempts: u32,
}
