//! What a system says of its tables: the material of `syncline.lock` and of `check`.

use crate::{TableName, TableSchema};
use serde::{Deserialize, Serialize};

/// What a source sends of the row before an update or delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Identity {
    /// The key (primary key or a chosen unique index), when it changed or the row is deleted.
    Key,
    /// The whole row, always.
    Full,
    /// Nothing: updates and deletes can't be captured.
    Nothing,
}

/// A reference from these columns to a key of another table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// The constraint's name.
    pub name: String,
    /// The referring columns.
    pub columns: Vec<String>,
    /// The table referred to.
    pub references: TableName,
    /// Its columns.
    pub referenced: Vec<String>,
}

/// A table as its system describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogTable {
    /// Name, columns and key. The key is the replica identity's index where one is chosen, else
    /// the primary key; empty where there is neither.
    pub schema: TableSchema,
    /// What the system sends of a row before its change.
    pub identity: Identity,
    /// Its references to other tables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign_keys: Vec<ForeignKey>,
    /// Sets of columns that are unique beside the key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unique: Vec<Vec<String>>,
    /// The labels of enum columns, by column name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enums: Vec<(String, Vec<String>)>,
    /// What the domains among the columns are based on, as the system names that type, by column
    /// name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<(String, String)>,
    /// The system's own estimate of the row count. Not part of the lock.
    #[serde(skip)]
    pub rows_estimated: u64,
}

/// Something `doctor` found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in a sentence.
    pub problem: String,
    /// The facts.
    pub detail: Option<String>,
    /// The statement or command that mends it.
    pub mend: Option<String>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// All is well; said so that the operator sees that it was looked at.
    Ok,
    /// Works, but will hurt.
    Warning,
    /// Can't work.
    Error,
}
