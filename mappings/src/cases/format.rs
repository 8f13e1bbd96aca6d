//! The TOML of a case file.

use serde::Deserialize;
use toml::{Table, Value};

/// A file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// The mapping of the cases that name none.
    pub(super) mapping: Option<String>,
    #[serde(rename = "case")]
    pub(super) cases: Vec<Case>,
}

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) mapping: Option<String>,
    /// When the changes were committed; what `now()` is.
    pub(super) committed_at: Option<Value>,
    #[serde(rename = "change")]
    pub(super) changes: Vec<Change>,
    #[serde(rename = "row", default)]
    pub(super) rows: Vec<Change>,
    #[serde(default)]
    pub(super) parked: Vec<Parked>,
}

/// One change of the source, or one row for the target.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub(super) insert: Option<Table>,
    pub(super) update: Option<Table>,
    pub(super) delete: Option<Table>,
    pub(super) snapshot: Option<Table>,
    /// The image before an update.
    pub(super) before: Option<Table>,
    #[serde(default)]
    pub(super) null: Vec<String>,
    #[serde(default)]
    pub(super) before_null: Vec<String>,
}

/// One change that is set aside.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parked {
    /// Which change, counted from 1.
    pub(super) change: usize,
    /// What its reason says, in part.
    #[serde(default)]
    pub(super) reason: String,
}

/// Reads a file; what is wrong with it comes with its place.
pub(super) fn read(text: &str) -> Result<File, String> {
    toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
}
