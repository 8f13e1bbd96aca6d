//! A mapping proposed from two tables: the columns that have the same name and fit.

use std::fmt::Write as _;
use syncline_core::{CatalogTable, Column, TableName};

/// A proposed mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proposal {
    /// The file to write.
    pub(crate) path: String,
    /// The statement.
    pub(crate) sql: String,
}

/// A mapping for every table of one system that another system has by the same name.
///
/// The first system named is the source: `init` can't know better, and the files are there to be
/// changed. A pair that could not run (a key or a NOT NULL column without its like) is left out.
pub(crate) fn propose_all(tables: &[CatalogTable], systems: &[String]) -> Vec<Proposal> {
    let Some((first, others)) = systems.split_first() else { return Vec::new() };
    let in_system = |table: &&CatalogTable, name: &str| {
        table.schema.name().system().is_some_and(|system| system.as_str() == name)
    };
    let mut proposals = Vec::new();
    for source in tables.iter().filter(|table| in_system(table, first)) {
        for other in others {
            let same_name = |target: &&CatalogTable| table_part(target) == table_part(source);
            let targets = tables.iter().filter(|table| in_system(table, other)).filter(same_name);
            proposals.extend(
                targets.filter(|target| can_run(source, target)).filter_map(|t| propose(source, t)),
            );
        }
    }
    proposals
}

/// A mapping from one table to another, whether or not it can run as it is; `None` where no column
/// fits.
pub(crate) fn propose(source: &CatalogTable, target: &CatalogTable) -> Option<Proposal> {
    let columns = target.schema.columns();
    let (fitting, others): (Vec<&Column>, Vec<&Column>) = columns
        .iter()
        .filter(|column| !column.generated)
        .partition(|column| like(source, column).is_some());
    let names: Vec<String> = fitting.iter().map(|column| identifier(&column.name)).collect();
    if names.is_empty() {
        return None;
    }
    let mut sql = String::new();
    for column in others {
        let must = if is_needed(target, column) { " (NOT NULL)" } else { "" };
        let _ = writeln!(
            sql,
            "-- {} {}{must} has no like in {}",
            column.name,
            column.native_type,
            source.schema.name(),
        );
    }
    let list = names.join(",\n  ");
    let _ = write!(
        sql,
        "INSERT INTO {} (\n  {list}\n)\nSELECT\n  {list}\nFROM {}\n",
        qualified(target.schema.name()),
        qualified(source.schema.name()),
    );
    let system = target.schema.name().system().map_or("entity", |system| system.as_str());
    let folder = table_part(source).replace(|c: char| !c.is_alphanumeric() && c != '_', "_");
    let path = format!("{folder}/to_{system}.sql");
    Some(Proposal { path, sql })
}

/// Whether the key and everything that must not be NULL has its like.
fn can_run(source: &CatalogTable, target: &CatalogTable) -> bool {
    let columns = target.schema.columns();
    !target.schema.key().is_empty()
        && columns
            .iter()
            .filter(|column| is_needed(target, column))
            .all(|column| like(source, column).is_some())
}

fn is_needed(target: &CatalogTable, column: &Column) -> bool {
    let in_key =
        target.schema.key().iter().any(|&index| target.schema.columns()[index].name == column.name);
    in_key || (!column.nullable && !column.has_default && !column.generated)
}

/// The source's column of the same name and Arrow type.
fn like<'s>(source: &'s CatalogTable, target: &Column) -> Option<&'s Column> {
    let same =
        |column: &&Column| column.name == target.name && column.data_type == target.data_type;
    source.schema.columns().iter().find(same)
}

fn table_part(table: &CatalogTable) -> &str {
    match table.schema.name() {
        TableName::Table { table, .. } | TableName::Entity(table) => table,
    }
}

fn qualified(name: &TableName) -> String {
    match name {
        TableName::Table { system, schema, table } => {
            [system.as_str(), schema, table].map(identifier).join(".")
        }
        TableName::Entity(name) => identifier(name),
    }
}

/// A name as SQL spells it: quoted where it would be folded or misread.
fn identifier(name: &str) -> String {
    /// Words that can't stand as a column or table name without quotes, of those tables often have.
    const RESERVED: [&str; 16] = [
        "all", "user", "order", "group", "select", "from", "where", "table", "column", "check",
        "default", "desc", "end", "limit", "offset", "primary",
    ];
    if crate::project::is_name(name) && !RESERVED.contains(&name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}
