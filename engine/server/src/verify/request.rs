//! What is asked, on its way from a command to the running process.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is to be verified, and what is done about what is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The target tables; all without any.
    pub(crate) tables: Vec<String>,
    /// How long changes on their way are waited for, at a time.
    pub(crate) wait: Duration,
    /// Whether reading always leaves the flow most of the time.
    pub(crate) slowly: bool,
    /// Whether missing and different rows are told again, and then verified again.
    pub(crate) repair: bool,
    /// Whether extra rows are deleted.
    pub(crate) delete_extra: bool,
    /// Whether much of a table may be deleted.
    pub(crate) yes: bool,
}
