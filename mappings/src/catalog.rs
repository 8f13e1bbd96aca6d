//! What a project's mappings are checked against, and what comes out.

use crate::diagnostic::Diagnostic;
use crate::statement;
use std::collections::BTreeMap;
use std::sync::Arc;
use syncline_core::{CatalogTable, TableName, TableSchema, Transform};

/// A mapping's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlFile {
    /// The file as the project names it, such as `person/from_sis.sql`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// An entity of the project.
#[derive(Debug, Clone)]
pub struct Entity {
    /// Its fields and key; named by [`TableName::Entity`].
    pub schema: Arc<TableSchema>,
    /// The file that defines it, such as `person/entity.toml`.
    pub file: String,
}

/// All tables and entities that mappings may name.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// The tables of all systems, as the lock has them.
    pub tables: BTreeMap<TableName, CatalogTable>,
    /// The project's entities by name.
    pub entities: BTreeMap<String, Entity>,
}

/// The project's settings that mappings depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The IANA time zone that applies wherever a time without one meets a time with one.
    pub time_zone: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { time_zone: "UTC".to_owned() }
    }
}

/// What `check` made of a project's files.
#[derive(Debug)]
pub struct Checked {
    /// The mappings without errors, in the order of their files.
    pub mappings: Vec<Mapping>,
    /// Everything that was found, file by file in the order of their text.
    pub diagnostics: Vec<Diagnostic>,
}

/// A mapping, checked and planned.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Its file, such as `person/from_sis.sql`.
    pub name: String,
    /// Its text.
    pub sql: String,
    /// What it reads.
    pub reads: TableName,
    /// What it writes.
    pub writes: TableName,
    /// The target columns in the order of the statement.
    pub columns: Vec<MappedColumn>,
    /// The `WHERE` condition as written; of nested queries too, joined by `AND`.
    pub filter: Option<String>,
    /// The source columns that the condition reads, in the source's order.
    pub filter_inputs: Vec<String>,
    /// Whether it depends on when a row was changed, too.
    pub filter_reads_commit_time: bool,
    /// How it runs.
    pub execution: Execution,
    /// What runs it.
    pub transform: Arc<dyn Transform>,
}

impl Mapping {
    /// What it does, as a text that stays the same as long as it makes the same of every row: however
    /// the file is laid out or commented.
    #[must_use]
    pub fn meaning(&self) -> String {
        let types = self.columns.iter().map(|column| column.data_type.as_str());
        format!("{} AS {}", statement::laid_out(&self.sql), types.collect::<Vec<_>>().join(", "))
    }
}

/// Where a target column's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedColumn {
    /// The target column.
    pub target: String,
    /// The expression as written.
    pub expression: String,
    /// The source columns it reads, in the source's order.
    pub inputs: Vec<String>,
    /// The target column's type as its system names it.
    pub data_type: String,
    /// Whether it depends on when the row was changed, too: then nobody can tell it again.
    pub reads_commit_time: bool,
}

/// How a mapping runs (design §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execution {
    /// (a) Filter and projection of one table, straight on the batch. Nested queries are written
    /// into the outer one and run the same way.
    Expressions,
    /// (b) One cached plan a worker, for SQL over a batch that is not expressions of its rows.
    Plan,
}
