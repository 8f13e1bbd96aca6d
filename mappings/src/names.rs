//! Which table or entity a name means, and what was probably meant where it means none.

use crate::catalog::Catalog;
use crate::diagnostic::Report;
use crate::sql_type::Kind;
use crate::statement::Name;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use syncline_core::{CatalogTable, Column, Identity, SystemName, TableName, TableSchema};

/// How many names a message lists before it stops.
const NAMES_SHOWN: usize = 12;

/// A table or an entity that a mapping reads or writes.
#[derive(Debug, Clone)]
pub(crate) struct Relation<'a> {
    pub(crate) name: TableName,
    pub(crate) schema: &'a TableSchema,
    /// The table; `None` for an entity.
    pub(crate) table: Option<&'a CatalogTable>,
}

impl Relation<'_> {
    /// What is known of a row before its change. An entity's deletes carry its key.
    pub(crate) fn identity(&self) -> Identity {
        self.table.map_or(Identity::Key, |table| table.identity)
    }

    /// The labels of an enum column.
    pub(crate) fn labels(&self, column: &str) -> Option<&[String]> {
        let enums = &self.table?.enums;
        enums.iter().find(|(name, _)| name == column).map(|(_, labels)| labels.as_slice())
    }

    /// The name of a column's type below all domains.
    pub(crate) fn base_type<'c>(&'c self, column: &'c Column) -> &'c str {
        let domains = self.table.map_or(&[][..], |table| table.domains.as_slice());
        let domain = domains.iter().find(|(name, _)| *name == column.name);
        domain.map_or(column.native_type.as_str(), |(_, base)| base)
    }

    /// What the values of each column are, and the labels of those that are enums.
    pub(crate) fn kinds(&self) -> (Vec<Kind>, HashMap<usize, Vec<String>>) {
        let mut enums = HashMap::new();
        let kinds = self.schema.columns().iter().enumerate().map(|(index, column)| {
            let Some(labels) = self.labels(&column.name) else {
                return Kind::of(self.base_type(column), &column.data_type);
            };
            enums.insert(index, labels.to_vec());
            Kind::Enum(index)
        });
        (kinds.collect(), enums)
    }

    /// The columns' names.
    pub(crate) fn column_names(&self) -> Vec<&str> {
        self.schema.columns().iter().map(|column| column.name.as_str()).collect()
    }
}

/// Finds what a name means. `does` says what the mapping does with it: `reads` or `writes`.
pub(crate) fn resolve<'a>(
    name: &Name,
    does: &str,
    catalog: &'a Catalog,
    report: &mut Report<'_>,
) -> Option<Relation<'a>> {
    match name.parts.as_slice() {
        [entity] => {
            if let Some(known) = catalog.entities.get(&entity.name) {
                let name = TableName::entity(&entity.name);
                return Some(Relation { name, schema: &known.schema, table: None });
            }
            refuse_entity(name, does, catalog, report);
            None
        }
        [system, schema, table] => {
            let system_name = SystemName::new(&system.name);
            let wanted = TableName::table(&system_name, &schema.name, &table.name);
            if let Some(table) = catalog.tables.get(&wanted) {
                return Some(Relation { name: wanted, schema: &table.schema, table: Some(table) });
            }
            refuse_table(name, &system_name, does, catalog, report);
            None
        }
        _ => {
            let found = report.error(
                name.span,
                format!("\"{}\" is neither an entity nor system.schema.table", name.text()),
            );
            if let Some(meant) = nearest_table(&name.text(), catalog) {
                found.hint(format!("did you mean {meant}?"));
            }
            None
        }
    }
}

/// The candidate that is most like a name, where one is like it at all.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// Names for a message: the first few, then `…`.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let mut shown: Vec<&str> = names.by_ref().take(NAMES_SHOWN).collect();
    if names.next().is_some() {
        shown.push("…");
    }
    shown.join(", ")
}

fn refuse_entity(name: &Name, does: &str, catalog: &Catalog, report: &mut Report<'_>) {
    let wanted = name.text();
    let found = report.error(name.span, format!("mapping {does} unknown entity \"{wanted}\""));
    let known = catalog.entities.keys().map(String::as_str);
    found.detail(match catalog.entities.is_empty() {
        true => "the project has no entities".to_owned(),
        false => format!("the project has {}", list(known.clone())),
    });
    if let Some(meant) = nearest(&wanted, known) {
        found.hint(format!("did you mean \"{meant}\"?"));
    } else if let Some(table) = nearest_table(&wanted, catalog) {
        found.hint(format!("a table is named in full: {table}"));
    }
}

fn refuse_table(
    name: &Name,
    system: &SystemName,
    does: &str,
    catalog: &Catalog,
    report: &mut Report<'_>,
) {
    let systems: BTreeSet<&str> =
        catalog.tables.keys().filter_map(TableName::system).map(SystemName::as_str).collect();
    if !systems.contains(system.as_str()) {
        let span = name.parts.first().map_or(name.span, |part| part.span);
        let found = report.error(span, format!("mapping {does} unknown system \"{system}\""));
        found.detail(format!("the lock has {}", list(systems.iter().copied())));
        match nearest(system.as_str(), systems) {
            Some(meant) => found.hint(format!("did you mean \"{meant}\"?")),
            None => found.hint("name the system in syncline.toml, then run syncline lock"),
        };
        return;
    }
    let found = report.error(name.span, format!("mapping {does} unknown table {}", name.text()));
    let of_system: Vec<String> = catalog
        .tables
        .keys()
        .filter(|table| table.system() == Some(system))
        .map(ToString::to_string)
        .collect();
    found.detail(format!("{system} has {}", list(of_system.iter().map(String::as_str))));
    match nearest(&name.text(), of_system.iter().map(String::as_str)) {
        Some(meant) => found.hint(format!("did you mean {meant}?")),
        None => found.hint("where the table is new, run syncline lock"),
    };
}

/// The table whose own name is most like the last part of a name.
fn nearest_table(name: &str, catalog: &Catalog) -> Option<String> {
    let last = name.rsplit('.').next().unwrap_or(name);
    let tables: Vec<(&Arc<str>, &TableName)> = catalog
        .tables
        .keys()
        .filter_map(|full| match full {
            TableName::Table { table, .. } => Some((table, full)),
            TableName::Entity(_) => None,
        })
        .collect();
    let meant = nearest(last, tables.iter().map(|(table, _)| table.as_ref()))?;
    tables.iter().find(|(table, _)| table.as_ref() == meant).map(|(_, full)| full.to_string())
}
