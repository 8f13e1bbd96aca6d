//! `syncline.lock`: the systems' tables as last seen, so that `check` needs no system and a change
//! of a table is a diff to review.
//!
//! ```toml
//! version = 1
//!
//! [tables.sis.public.students]
//! key = ["student_id"]
//! identity = "key"
//! columns = [
//!     { name = "student_id", type = "text", arrow = "Utf8", id = 1, null = false },
//!     { name = "email", type = "character varying(100)", arrow = "Utf8", id = 2 },
//! ]
//! ```
//!
//! Invariant: the text depends on the tables alone: systems, schemas and tables are sorted, columns
//! stand in the system's order.

use crate::problem::{Place, Problem};
use arrow_schema::DataType;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use syncline_core::{
    CatalogTable, Column, ForeignKey, Identity, SystemName, TableName, TableSchema,
};
use toml_edit::{Key, Value};

/// The name of the file.
pub(crate) const FILE: &str = "syncline.lock";

/// The version of the format that this program writes and reads.
const VERSION: u32 = 1;

const HEAD: &str = "\
# The systems' tables as last seen. Written by `syncline lock`: review its diffs, don't edit.
";

/// The systems' tables by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lock {
    /// The tables; all names are [`TableName::Table`].
    pub(crate) tables: BTreeMap<TableName, CatalogTable>,
}

impl Lock {
    /// Collects tables as systems describe them.
    pub(crate) fn of(tables: impl IntoIterator<Item = CatalogTable>) -> Self {
        let named = tables.into_iter().map(|table| (table.schema.name().clone(), table));
        Self { tables: named.collect() }
    }

    /// The file's text.
    pub(crate) fn to_text(&self) -> String {
        let mut text = format!("{HEAD}version = {VERSION}\n");
        for table in self.tables.values() {
            write_table(&mut text, table);
        }
        text
    }

    /// Reads the file's text.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let wrong = |detail: &str, span: Option<std::ops::Range<usize>>| {
            Problem::new(format!("{FILE} is not what `syncline lock` writes"))
                .at(Place::of_span(FILE, text, span.unwrap_or(0..0)))
                .detail(detail)
                .hint("run `syncline lock` to write it again".to_owned())
        };
        let file: File =
            toml::from_str(text).map_err(|error| wrong(error.message(), error.span()))?;
        if file.version != VERSION {
            let said = format!("version {} where this program knows {VERSION}", file.version);
            return Err(wrong(&said, None));
        }
        let mut tables = Vec::new();
        for (system, schemas) in file.tables {
            let system = SystemName::new(&system);
            for (schema, named) in schemas {
                for (table, locked) in named {
                    let name = TableName::table(&system, &schema, &table);
                    tables.push(locked.into_table(name).map_err(|said| wrong(&said, None))?);
                }
            }
        }
        Ok(Self::of(tables))
    }
}

fn write_table(text: &mut String, table: &CatalogTable) {
    let TableName::Table { system, schema, table: name } = table.schema.name() else { return };
    let columns = table.schema.columns();
    let key = table.schema.key().iter().map(|&index| columns[index].name.as_str());
    let keys = [system.as_str(), schema, name].map(|part| Key::new(part).to_string());
    let _ = writeln!(text, "\n[tables.{}]", keys.join("."));
    let _ = writeln!(text, "key = {}", list(key));
    let _ = writeln!(text, "identity = {}", quoted(identity_word(table.identity)));
    let lines = columns.iter().map(column_line).collect::<String>();
    let _ = writeln!(text, "columns = [\n{lines}]");
    write_block(text, "unique", table.unique.iter().map(list));
    write_block(text, "foreign_keys", table.foreign_keys.iter().map(foreign_key_line));
    let enums = table.enums.iter().map(|(column, labels)| {
        format!("{{ column = {}, labels = {} }}", quoted(column), list(labels))
    });
    write_block(text, "enums", enums);
    let domains = table.domains.iter().map(|(column, base)| {
        format!("{{ column = {}, base = {} }}", quoted(column), quoted(base))
    });
    write_block(text, "domains", domains);
}

/// `name = [` with an item a line; nothing where there is none.
fn write_block(text: &mut String, name: &str, items: impl Iterator<Item = String>) {
    let lines: String = items.map(|item| format!("    {item},\n")).collect();
    if !lines.is_empty() {
        let _ = writeln!(text, "{name} = [\n{lines}]");
    }
}

fn column_line(column: &Column) -> String {
    let mut line = format!(
        "    {{ name = {}, type = {}, arrow = {}, id = {}",
        quoted(&column.name),
        quoted(&column.native_type),
        quoted(&arrow_text(&column.data_type)),
        column.id,
    );
    for (said, word) in [
        (!column.nullable, "null = false"),
        (column.has_default, "default = true"),
        (column.generated, "generated = true"),
    ] {
        if said {
            let _ = write!(line, ", {word}");
        }
    }
    line + " },\n"
}

fn foreign_key_line(reference: &ForeignKey) -> String {
    let (schema, table) = match &reference.references {
        TableName::Table { schema, table, .. } => (schema.as_ref(), table.as_ref()),
        TableName::Entity(name) => ("", name.as_ref()),
    };
    format!(
        "{{ name = {}, columns = {}, schema = {}, table = {}, referenced = {} }}",
        quoted(&reference.name),
        list(&reference.columns),
        quoted(schema),
        quoted(table),
        list(&reference.referenced),
    )
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn list<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = texts.into_iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", items.join(", "))
}

/// An Arrow type as text: its short form where that can be read back, else JSON.
fn arrow_text(data_type: &DataType) -> String {
    let short = data_type.to_string();
    match short.parse::<DataType>() {
        Ok(read) if &read == data_type => short,
        _ => serde_json::to_string(data_type).expect("types are JSON"),
    }
}

fn parse_arrow(text: &str) -> Option<DataType> {
    text.parse().ok().or_else(|| serde_json::from_str(text).ok())
}

fn identity_word(identity: Identity) -> &'static str {
    match identity {
        Identity::Key => "key",
        Identity::Full => "full",
        Identity::Nothing => "nothing",
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default)]
    tables: BTreeMap<String, BTreeMap<String, BTreeMap<String, LockedTable>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedTable {
    key: Vec<String>,
    identity: Identity,
    columns: Vec<LockedColumn>,
    #[serde(default)]
    unique: Vec<Vec<String>>,
    #[serde(default)]
    foreign_keys: Vec<LockedReference>,
    #[serde(default)]
    enums: Vec<LockedEnum>,
    #[serde(default)]
    domains: Vec<LockedDomain>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedColumn {
    name: String,
    r#type: String,
    arrow: String,
    id: i32,
    #[serde(default = "yes")]
    null: bool,
    #[serde(default)]
    default: bool,
    #[serde(default)]
    generated: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedReference {
    name: String,
    columns: Vec<String>,
    schema: String,
    table: String,
    referenced: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedEnum {
    column: String,
    labels: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedDomain {
    column: String,
    base: String,
}

impl LockedTable {
    fn into_table(self, name: TableName) -> Result<CatalogTable, String> {
        let columns = self
            .columns
            .into_iter()
            .map(|column| column.into_column(&name))
            .collect::<Result<Vec<_>, _>>()?;
        let place_of = |part: &String| {
            let found = columns.iter().position(|column| &column.name == part);
            found.ok_or_else(|| format!("the key of {name} names {part:?}, which is no column"))
        };
        let key = self.key.iter().map(place_of).collect::<Result<Vec<_>, _>>()?;
        let foreign_keys = self.foreign_keys.into_iter().map(|reference| ForeignKey {
            name: reference.name,
            columns: reference.columns,
            references: match &name {
                TableName::Table { system, .. } => {
                    TableName::table(system, &reference.schema, &reference.table)
                }
                TableName::Entity(_) => TableName::entity(&reference.table),
            },
            referenced: reference.referenced,
        });
        let foreign_keys = foreign_keys.collect();
        let enums = self.enums.into_iter().map(|labels| (labels.column, labels.labels)).collect();
        let domains = self.domains.into_iter().map(|domain| (domain.column, domain.base)).collect();
        Ok(CatalogTable {
            schema: TableSchema::new(name, 0, columns, key),
            identity: self.identity,
            foreign_keys,
            unique: self.unique,
            enums,
            domains,
            rows_estimated: 0,
        })
    }
}

impl LockedColumn {
    fn into_column(self, table: &TableName) -> Result<Column, String> {
        let data_type = parse_arrow(&self.arrow)
            .ok_or_else(|| format!("{table}.{}: {:?} is no Arrow type", self.name, self.arrow))?;
        Ok(Column {
            name: self.name,
            id: self.id,
            data_type,
            native_type: self.r#type,
            nullable: self.null,
            has_default: self.default,
            generated: self.generated,
        })
    }
}
