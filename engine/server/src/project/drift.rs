//! What changed between two looks at the systems: the drift that `lock` and `check --live` show.
//!
//! ```text
//! sis.public.students
//!   + nickname  text
//!   - fax  text
//!   ~ email  character varying(100) → character varying(60)
//! ```

use super::lock::Lock;
use serde::Serialize;
use syncline_core::{CatalogTable, Column, Identity, TableName};

/// What changed in one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct TableDrift {
    /// The table.
    pub(crate) table: String,
    /// The changes, in column order.
    pub(crate) changes: Vec<Change>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "change", content = "what")]
pub(crate) enum Change {
    /// Something is new.
    Added(String),
    /// Something is gone.
    Removed(String),
    /// Something is different: what it is, before and after.
    Altered(String, String, String),
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Added(what) => write!(f, "+ {what}"),
            Self::Removed(what) => write!(f, "- {what}"),
            Self::Altered(what, before, after) => write!(f, "~ {what}  {before} → {after}"),
        }
    }
}

/// The changes as text, a table a paragraph.
pub(crate) fn render(drift: &[TableDrift]) -> String {
    let table = |drift: &TableDrift| {
        let lines: String = drift.changes.iter().map(|change| format!("  {change}\n")).collect();
        format!("{}\n{lines}", drift.table)
    };
    drift.iter().map(table).collect()
}

/// What `after` has that `before` had not, and the other way round.
pub(crate) fn between(before: &Lock, after: &Lock) -> Vec<TableDrift> {
    let mut names: Vec<&TableName> = before.tables.keys().chain(after.tables.keys()).collect();
    names.sort();
    names.dedup();
    let drift = names.into_iter().map(|name| TableDrift {
        table: name.to_string(),
        changes: match (before.tables.get(name), after.tables.get(name)) {
            (Some(before), Some(after)) => table_changes(before, after),
            (None, _) => vec![Change::Added("table".into())],
            (_, None) => vec![Change::Removed("table".into())],
        },
    });
    drift.filter(|drift| !drift.changes.is_empty()).collect()
}

fn table_changes(before: &CatalogTable, after: &CatalogTable) -> Vec<Change> {
    let mut changes = column_changes(before.schema.columns(), after.schema.columns());
    let mut compare = |what: &str, before: String, after: String| {
        if before != after {
            changes.push(Change::Altered(what.into(), before, after));
        }
    };
    compare("key", key_text(before), key_text(after));
    compare("replica identity", identity_text(before.identity), identity_text(after.identity));
    compare("unique", sets_text(&before.unique), sets_text(&after.unique));
    compare("references", references_text(before), references_text(after));
    compare("labels", labels_text(before), labels_text(after));
    compare("domains", domains_text(before), domains_text(after));
    changes
}

fn column_changes(before: &[Column], after: &[Column]) -> Vec<Change> {
    let find = |columns: &[Column], name: &str| columns.iter().find(|c| c.name == name).cloned();
    let altered_or_removed = before.iter().filter_map(|column| {
        let told = column_text(column);
        match find(after, &column.name) {
            None => Some(Change::Removed(format!("{}  {told}", column.name))),
            Some(same) if same == *column => None,
            Some(other) if column_text(&other) == told => Some(Change::Altered(
                column.name.clone(),
                format!("column {}", column.id),
                format!("column {} (dropped and added again)", other.id),
            )),
            Some(other) => Some(Change::Altered(column.name.clone(), told, column_text(&other))),
        }
    });
    let added = after
        .iter()
        .filter(|column| find(before, &column.name).is_none())
        .map(|column| Change::Added(format!("{}  {}", column.name, column_text(column))));
    altered_or_removed.chain(added).collect()
}

fn column_text(column: &Column) -> String {
    let mut text = column.native_type.clone();
    for (said, words) in [
        (!column.nullable, " not null"),
        (column.has_default, " default"),
        (column.generated, " generated"),
    ] {
        if said {
            text += words;
        }
    }
    text
}

fn key_text(table: &CatalogTable) -> String {
    let columns = table.schema.columns();
    let names: Vec<&str> =
        table.schema.key().iter().map(|&index| columns[index].name.as_str()).collect();
    if names.is_empty() { "none".into() } else { format!("({})", names.join(", ")) }
}

fn identity_text(identity: Identity) -> String {
    match identity {
        Identity::Key => "key",
        Identity::Full => "full",
        Identity::Nothing => "nothing",
    }
    .into()
}

fn sets_text(sets: &[Vec<String>]) -> String {
    let sets: Vec<String> = sets.iter().map(|set| format!("({})", set.join(", "))).collect();
    if sets.is_empty() { "none".into() } else { sets.join(" ") }
}

fn references_text(table: &CatalogTable) -> String {
    let texts: Vec<String> = table
        .foreign_keys
        .iter()
        .map(|key| format!("({}) to {}", key.columns.join(", "), key.references))
        .collect();
    if texts.is_empty() { "none".into() } else { texts.join(", ") }
}

fn labels_text(table: &CatalogTable) -> String {
    let texts: Vec<String> = table
        .enums
        .iter()
        .map(|(column, labels)| format!("{column}: {}", labels.join("|")))
        .collect();
    if texts.is_empty() { "none".into() } else { texts.join(", ") }
}

fn domains_text(table: &CatalogTable) -> String {
    let texts: Vec<String> =
        table.domains.iter().map(|(column, base)| format!("{column}: {base}")).collect();
    if texts.is_empty() { "none".into() } else { texts.join(", ") }
}
