//! What an entity's file says of how its fields are decided.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use syncline_core::{Digest, SystemName, TableSchema};

/// How one entity is decided.
///
/// Invariant: every column that is not of the key is in exactly one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityRules {
    /// The entity's columns and key.
    pub schema: Arc<TableSchema>,
    /// What is decided as one: a field, or a group of fields.
    pub units: Vec<Unit>,
    /// When the entity exists.
    pub existence: Existence,
    /// The mappings that speak of the entity.
    pub mappings: Vec<ClaimingMapping>,
    /// By how much each source's clock may be wrong, in µs; [`EntityRules::UNCERTAINTY`] for those
    /// that are not named.
    pub uncertainty: BTreeMap<SystemName, i64>,
}

/// A mapping that speaks of an entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimingMapping {
    /// Its file.
    pub name: String,
    /// The system whose word it brings.
    pub system: SystemName,
    /// The columns it speaks of, as indexes into the entity's.
    pub columns: Vec<usize>,
    /// Where the entity is written to the table that this reads, so that our writes come back and are
    /// no word of the system's: those of the columns that are written to where they are read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<Vec<usize>>,
}

/// A field, or a group of fields that are always one source's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// The field's or group's name.
    pub name: String,
    /// Its columns, as indexes into the entity's.
    pub columns: Vec<usize>,
    /// How it is decided.
    pub policy: Policy,
    /// Whether NULL is a value like others. Else it says nothing.
    pub null_is_value: bool,
}

/// A pure function from claims to the agreed value, or to a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The first source in the list that claims it. Sources that are not in the list have no word.
    Prefer(Vec<SystemName>),
    /// What was said last, where the clocks can tell.
    Newest(Fallback),
    /// What was said first and never taken back, where the clocks can tell.
    Oldest(Fallback),
    /// The greatest value.
    Max,
    /// The least value.
    Min,
    /// The text with the most characters; among equals by the list, then by value.
    Longest(Vec<SystemName>),
    /// What most sources say; among equals by the list, then by value.
    MostCommon(Vec<SystemName>),
    /// The furthest in the list of values.
    Ordered(Vec<String>),
    /// Every element that a source claims. Arrays of text.
    Union,
    /// Every element that all sources claim. Arrays of text.
    Intersection,
    /// What the sources count, together. Integers and decimals.
    Sum,
    /// Every claim with its source, as a JSON object. Text and JSON.
    All,
    /// What all agree on; else a person is asked.
    Ask(Fallback),
    /// What this expression comes to, over a column a source; where it fails, a person is asked. Fields,
    /// not groups.
    Sql(String),
}

/// What decides where a policy can't.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// A person; until then the value stays what was last agreed.
    #[default]
    Ask,
    /// The first source in the list that claims it. For [`Policy::Ask`]: until a person has
    /// answered.
    Prefer(Vec<SystemName>),
}

/// When an entity exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Existence {
    /// While a source has it.
    #[default]
    Any,
    /// While this source has it.
    Owner(SystemName),
    /// While all sources that speak of it have it.
    All,
    /// While all sources that ever had it have it; where one deleted it and another did not, a person
    /// is asked, and until then it exists.
    Ask,
}

impl Policy {
    /// Whether the value may have to stay what was last agreed, so that what was said before has to be
    /// known: where no source in a list has the word, or an expression fails, a person is asked.
    #[must_use]
    pub fn may_ask(&self) -> bool {
        matches!(self, Self::Newest(_) | Self::Oldest(_) | Self::Ask(_) | Self::Sql(_))
    }

    /// The sources it names.
    #[must_use]
    pub fn sources(&self) -> &[SystemName] {
        match self {
            Self::Prefer(list) | Self::Longest(list) | Self::MostCommon(list) => list,
            Self::Newest(fallback) | Self::Oldest(fallback) | Self::Ask(fallback) => match fallback
            {
                Fallback::Prefer(list) => list,
                Fallback::Ask => &[],
            },
            _ => &[],
        }
    }
}

impl EntityRules {
    /// By how much a clock may be wrong where nothing else is said, in µs: a second.
    pub const UNCERTAINTY: i64 = 1_000_000;

    /// A digest of all that decides: another one may decide otherwise.
    #[must_use]
    pub fn revision(&self) -> Digest {
        let text = serde_json::to_vec(self).expect("rules are plain data");
        Digest::default().with(&text)
    }

    /// By how much a source's clock may be wrong, in µs.
    #[must_use]
    pub fn uncertainty_of(&self, system: &SystemName) -> i64 {
        self.uncertainty.get(system).copied().unwrap_or(Self::UNCERTAINTY)
    }
}
