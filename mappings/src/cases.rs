//! Mapping tests as files: changes in, target rows and parked rows out.
//!
//! ```toml
//! mapping = "person/to_lms.sql"
//!
//! [[case]]
//! name = "a student who graduates leaves the LMS"
//!
//! [[case.change]]
//! insert = { id = 1, email = "ada@uni.example", status = "active" }
//! [[case.change]]
//! before = { id = 1 }
//! update = { id = 1, email = "ada@uni.example", status = "graduated" }
//!
//! [[case.row]]
//! insert = { id = 1, email = "ada@uni.example" }
//! [[case.row]]
//! delete = { id = 1 }
//! ```
//! Values are typed by the catalog, never guessed; NULL is said with `null = ["column"]`, and a
//! column that an update does not name is absent. Each case runs as one batch, change by change,
//! and cut in two at every place; the outcome must be the same.

mod compare;
mod fixture;
mod format;
mod value;

use crate::{Catalog, Mapping};

pub use compare::CaseOutcome;

/// What became of the cases of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseResult {
    /// Each case with what was not as expected.
    pub cases: Vec<CaseOutcome>,
    /// Why the file could not be read, with the place.
    pub error: Option<String>,
}

impl CaseResult {
    /// Whether the file could be read and every case is as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.error.is_none() && self.cases.iter().all(CaseOutcome::passed)
    }
}

/// Runs the cases of a file against the project's mappings.
#[must_use]
pub fn run_case(case_text: &str, mappings: &[Mapping], catalog: &Catalog) -> CaseResult {
    match format::read(case_text) {
        Ok(file) => CaseResult {
            cases: file
                .cases
                .iter()
                .map(|case| compare::run(case, file.mapping.as_deref(), mappings, catalog))
                .collect(),
            error: None,
        },
        Err(error) => CaseResult { cases: Vec::new(), error: Some(error) },
    }
}
