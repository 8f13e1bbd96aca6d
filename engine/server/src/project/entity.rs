//! `entity.toml`: what systems share, its key and its typed fields.

use super::document::{Document, Section};
use super::settings::is_name;
use super::types::{entity_type, normal};
use crate::problem::{Place, Problem, did_you_mean};
use std::sync::Arc;
use syncline_core::{Column, TableName, TableSchema};

/// The name of the file in the entity's folder.
pub(crate) const FILE: &str = "entity.toml";

/// One entity of the project.
#[derive(Debug)]
pub(crate) struct Entity {
    /// Its fields and key.
    pub(crate) schema: Arc<TableSchema>,
    /// The file it is declared in.
    pub(crate) file: String,
    /// Where its name stands.
    pub(crate) place: Place,
}

impl Entity {
    /// Reads one `entity.toml`.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let document = Document::new(file, text);
        let entity = document.read(|root| Self::from_root(file, root));
        document.finish(entity)
    }

    fn from_root(file: &str, root: &Section<'_>) -> Option<Self> {
        let head = root.required_section("entity");
        let fields = root.required_section("fields").map(|section| read_fields(&section));
        let head = head?;
        let name: Option<String> = head.required("name");
        let _documentation: Option<String> = head.optional("doc");
        let key: Option<Vec<String>> = head.required("key");
        head.finish();
        if let Some(name) = name.as_deref().filter(|name| !is_name(name)) {
            let wrong = Problem::new(format!("{name:?} can't be an entity's name"))
                .detail("a name has lowercase letters, digits and _, and begins with a letter");
            head.report("name", wrong);
        }
        let (name, mut fields) = (name?, fields?);
        let key = find_key(&head, &key?, &mut fields)?;
        let schema = TableSchema::new(TableName::entity(&name), 0, fields, key);
        Some(Self { schema: Arc::new(schema), file: file.to_owned(), place: head.place("name") })
    }

    /// The entity's name.
    pub(crate) fn name(&self) -> String {
        self.schema.name().to_string()
    }
}

/// `[fields.NAME]`, in the file's order.
fn read_fields(section: &Section<'_>) -> Vec<Column> {
    let fields = section.sections().into_iter().filter_map(|(name, section)| {
        let native_type: Option<String> = section.required("type");
        let _documentation: Option<String> = section.optional("doc");
        section.finish();
        let native_type = normal(&native_type?);
        let Some(data_type) = entity_type(&native_type) else {
            section.report("type", unknown_type(&native_type));
            return None;
        };
        Some(Column {
            name: name.to_owned(),
            id: 0,
            data_type,
            native_type,
            nullable: true,
            has_default: false,
            generated: false,
        })
    });
    fields.collect()
}

/// The places of the key's fields, which are from now on never NULL.
fn find_key(head: &Section<'_>, key: &[String], fields: &mut [Column]) -> Option<Vec<usize>> {
    if key.is_empty() {
        head.report("key", Problem::new("an entity needs a key of at least one field"));
        return None;
    }
    let place_of = |part: &String| {
        let found = fields.iter().position(|field| &field.name == part);
        if found.is_none() {
            let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            let wrong = Problem::new(format!("the key names an unknown field {part:?}"))
                .detail(format!("the entity has {}", names.join(", ")))
                .hint(did_you_mean(part, names));
            head.report("key", wrong);
        }
        found
    };
    let places: Vec<usize> = key.iter().filter_map(place_of).collect();
    for &place in &places {
        if let Some(field) = fields.get_mut(place) {
            field.nullable = false;
        }
    }
    (places.len() == key.len()).then_some(places)
}

fn unknown_type(native: &str) -> Problem {
    const COMMON: [&str; 14] = [
        "text",
        "integer",
        "bigint",
        "smallint",
        "boolean",
        "numeric(10,2)",
        "date",
        "time",
        "timestamp",
        "timestamptz",
        "uuid",
        "bytea",
        "jsonb",
        "double precision",
    ];
    Problem::new(format!("unknown type {native:?}"))
        .detail(format!("types are PostgreSQL's: {}, and their arrays", COMMON.join(", ")))
        .hint(did_you_mean(native, COMMON))
}
