//! The publication: the wanted tables, changes of partitions under their root's name.
//!
//! Tables that someone else put there stay: the publication may serve others too.

use crate::catalog::qualified;
use crate::settings::Settings;
use crate::wire::{Connection, Row, identifier, literal};
use std::collections::HashMap;
use syncline_core::{Error, Kind, Result, SystemName, TableName};

/// What the publication lets through of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Published {
    /// Its columns, where someone chose some; `None` for all.
    pub(crate) columns: Option<Vec<String>>,
    /// A condition that rows have to meet, as SQL.
    pub(crate) filter: Option<String>,
}

/// The tables that are published now, by name.
pub(crate) fn published(
    connection: &mut Connection,
    system: &SystemName,
    settings: &Settings,
) -> Result<HashMap<TableName, Published>> {
    // Column lists and row filters exist since version 15.
    let chosen = match connection.version() >= 150_000 {
        true => "to_json(attnames), rowfilter",
        false => "NULL, NULL",
    };
    let rows = connection.query(&format!(
        "SELECT schemaname, tablename, {chosen} FROM pg_publication_tables WHERE pubname = {}",
        literal(&settings.publication)
    ))?;
    Ok(rows
        .iter()
        .map(|row| {
            let published = Published {
                columns: row.get(2).and_then(|names| serde_json::from_str(names).ok()),
                filter: row.get(3).map(str::to_owned),
            };
            (TableName::table(system, row.text(0), row.text(1)), published)
        })
        .collect())
}

/// Makes the publication, or adds what it lacks and drops what was captured formerly and is no more.
///
/// # Errors
/// `Config` with the statement to run when the role may not do it.
pub(crate) fn ensure(
    connection: &mut Connection,
    system: &SystemName,
    settings: &Settings,
    wanted: &[TableName],
    former: &[TableName],
) -> Result<()> {
    let name = identifier(&settings.publication);
    let found = connection.query(&format!(
        "SELECT puballtables, pubviaroot, pubinsert AND pubupdate AND pubdelete AND pubtruncate, \
         pg_has_role(pubowner, 'USAGE') FROM pg_publication WHERE pubname = {}",
        literal(&settings.publication)
    ))?;
    let Some(found) = found.first() else {
        let tables = match wanted {
            [] => String::new(),
            _ => format!(" FOR TABLE {}", table_list(wanted, system)?),
        };
        let options = "publish_via_partition_root = true";
        return change(connection, &format!("CREATE PUBLICATION {name}{tables} WITH ({options})"));
    };
    for option in missing_options(found) {
        change(connection, &format!("ALTER PUBLICATION {name} SET ({option})"))?;
    }
    let members = published(connection, system, settings)?;
    let missing: Vec<TableName> =
        wanted.iter().filter(|table| !members.contains_key(table)).cloned().collect();
    if !missing.is_empty() {
        let list = table_list(&missing, system)?;
        change(connection, &format!("ALTER PUBLICATION {name} ADD TABLE {list}"))?;
    }
    // Tables nobody reads only cost; where the role may not drop them they are passed over.
    let unread: Vec<TableName> = former
        .iter()
        .filter(|table| !wanted.contains(table) && members.contains_key(table))
        .cloned()
        .collect();
    if found.is_true(3) && !found.is_true(0) && !unread.is_empty() {
        let list = table_list(&unread, system)?;
        change(connection, &format!("ALTER PUBLICATION {name} DROP TABLE {list}"))?;
    }
    Ok(())
}

fn missing_options(found: &Row) -> Vec<&'static str> {
    let mut options = Vec::new();
    if !found.is_true(1) {
        options.push("publish_via_partition_root = true");
    }
    if !found.is_true(2) {
        options.push("publish = 'insert, update, delete, truncate'");
    }
    options
}

/// `ONLY`, since a table's inheritance children are tables of their own: published with it, those
/// without a replica identity could not be updated any more. A partitioned table is published whole.
pub(crate) fn table_list(tables: &[TableName], system: &SystemName) -> Result<String> {
    let only = |table| Ok(format!("ONLY {}", qualified(table, system)?));
    let names: Vec<String> = tables.iter().map(only).collect::<Result<_>>()?;
    Ok(names.join(", "))
}

fn change(connection: &mut Connection, sql: &str) -> Result<()> {
    match connection.query(sql) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == Kind::Config => {
            Err(Error::new(Kind::Config, "the publication can't be made to fit with this role")
                .detail(error.to_string())
                .hint(format!("run as an owner of publication and tables: {sql};")))
        }
        Err(error) => Err(error),
    }
}
