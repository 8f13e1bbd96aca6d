//! `entity.toml`: what systems share, its key, its typed fields and how they are decided.

use super::document::{Document, Section, Value, Wrong};
use super::fields::{Draft, Field, Fields};
use super::groups::{self, Group};
use super::settings::is_name;
use super::written::Written;
use crate::problem::{Place, Problem, did_you_mean};
use std::sync::Arc;
use syncline_core::{Column, SystemName, TableName, TableSchema};
use syncline_resolve::{Existence, Unit};
use toml::de::DeValue;

/// The name of the file in the entity's folder.
pub(crate) const FILE: &str = "entity.toml";

/// One entity of the project.
#[derive(Debug)]
pub(crate) struct Entity {
    /// Its fields and key.
    pub(crate) schema: Arc<TableSchema>,
    /// What its fields have beyond their types, in the order of its columns.
    pub(crate) fields: Vec<Field>,
    /// What is decided as one, in the order of its columns. Every column that is not of the key is
    /// in exactly one.
    pub(crate) units: Vec<DeclaredUnit>,
    /// When it exists.
    pub(crate) existence: Existence,
    /// Where that is said.
    pub(crate) existence_place: Place,
    /// The file it is declared in.
    pub(crate) file: String,
    /// Where its name stands.
    pub(crate) place: Place,
}

/// A field or a group, and where it is declared.
#[derive(Debug)]
pub(crate) struct DeclaredUnit {
    /// How it is decided.
    pub(crate) unit: Unit,
    /// Where a group's fields are listed; `None` for a field.
    pub(crate) group: Option<Place>,
    /// Whether a policy is said.
    pub(crate) is_said: bool,
    /// Where it is declared.
    pub(crate) place: Place,
    /// The expression that decides, where one does.
    pub(super) sql: Option<Written>,
    /// Where its sources are listed; where it is declared, when they are not.
    pub(crate) prefer: Place,
}

impl Entity {
    /// Reads one `entity.toml`.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let document = Document::new(file, text);
        let entity = document.read(|root| Self::from_root(file, root));
        document.finish(entity)
    }

    fn from_root(file: &str, root: &Section<'_>) -> Option<Self> {
        // Every part is read before the first `?`, so that all mistakes are told.
        let head = root.required_section("entity").map(Head::read);
        let fields = root.required_section("fields").map(|section| Fields::read(&section));
        let groups = root.section("groups");
        let (head, mut fields) = (head?, fields?);
        let key = head.key.clone();
        let key_places = key.as_ref().and_then(|key| find_key(&head.section, key, &mut fields));
        let groups = groups
            .map(|section| groups::read(&section, &fields, key.as_deref().unwrap_or_default()))
            .unwrap_or_default();
        let (name, key) = (head.name?, key_places?);
        let (columns, fields, units) = taken_apart(fields, groups, &key);
        let schema = TableSchema::new(TableName::entity(&name), 0, columns, key);
        Some(Self {
            schema: Arc::new(schema),
            fields,
            units,
            existence: head.existence,
            existence_place: head.section.place("exists"),
            file: file.to_owned(),
            place: head.section.place("name"),
        })
    }

    /// The entity's name.
    pub(crate) fn name(&self) -> String {
        self.schema.name().to_string()
    }
}

/// `[entity]`.
struct Head<'d> {
    name: Option<String>,
    key: Option<Vec<String>>,
    existence: Existence,
    section: Section<'d>,
}

impl<'d> Head<'d> {
    fn read(section: Section<'d>) -> Self {
        let name: Option<String> = section.required("name");
        let _documentation: Option<String> = section.optional("doc");
        let key: Option<Vec<String>> = section.required("key");
        let Exists(existence) = section.or("exists", Exists(Existence::Any));
        section.finish();
        if let Some(name) = name.as_deref().filter(|name| !is_name(name)) {
            let wrong = Problem::new(format!("{name:?} can't be an entity's name"))
                .detail("a name has lowercase letters, digits and _, and begins with a letter");
            section.report("name", wrong);
        }
        Self { name, key, existence, section }
    }
}

/// The places of the key's fields, which are from now on never NULL and decided by nothing.
fn find_key(head: &Section<'_>, key: &[String], fields: &mut Fields<'_>) -> Option<Vec<usize>> {
    if key.is_empty() {
        head.report("key", Problem::new("an entity needs a key of at least one field"));
        return None;
    }
    let mut places = Vec::new();
    for part in key {
        if let Some(place) = fields.index_of(part) {
            places.push(place);
        } else if !fields.declared.contains(&part.as_str()) {
            let message = format!("the key names an unknown field {part:?}");
            head.report("key", fields.unknown(message, part));
        }
    }
    for &place in &places {
        if let Some(draft) = fields.known.get_mut(place) {
            draft.column.nullable = false;
            let name = &draft.column.name;
            draft.refuse_decision(|key| {
                Problem::new(format!("{name} is of the key, which no policy decides"))
                    .detail("sources that say another key speak of another record")
                    .hint(format!("leave {key} out"))
            });
        }
    }
    (places.len() == key.len()).then_some(places)
}

/// The columns, what they have beyond their types, and the units.
fn taken_apart(
    fields: Fields<'_>,
    groups: Vec<Group>,
    key: &[usize],
) -> (Vec<Column>, Vec<Field>, Vec<DeclaredUnit>) {
    let is_grouped = |column| groups.iter().any(|group| group.columns.contains(&column));
    let mut units: Vec<DeclaredUnit> = Vec::new();
    for (index, draft) in fields.known.iter().enumerate() {
        if !key.contains(&index) && !is_grouped(index) {
            units.push(alone(index, draft));
        }
    }
    units.extend(groups.into_iter().map(as_one));
    units.sort_by_key(|declared| declared.unit.columns.first().copied());
    let parts = fields.known.into_iter().map(|draft| (draft.column, draft.field));
    let (columns, fields) = parts.unzip();
    (columns, fields, units)
}

fn alone(index: usize, draft: &Draft<'_>) -> DeclaredUnit {
    DeclaredUnit {
        unit: Unit {
            name: draft.column.name.clone(),
            columns: vec![index],
            policy: draft.decision.policy.clone(),
            null_is_value: draft.decision.null_is_value,
        },
        group: None,
        is_said: draft.decision.is_said,
        sql: draft.decision.sql.clone(),
        place: draft.section.here(),
        prefer: draft.section.place("prefer"),
    }
}

fn as_one(group: Group) -> DeclaredUnit {
    DeclaredUnit {
        unit: Unit {
            name: group.name,
            columns: group.columns,
            policy: group.decision.policy,
            null_is_value: group.decision.null_is_value,
        },
        group: Some(group.members),
        is_said: group.decision.is_said,
        sql: None,
        place: group.place,
        prefer: group.prefer,
    }
}

/// What stands after `exists =`.
struct Exists(Existence);

impl Value for Exists {
    fn read(value: &DeValue<'_>, _: &Place) -> Result<Self, Wrong> {
        const WORDS: [&str; 3] = ["any", "all", "ask"];
        let wrong = || Wrong::expected(r#""any", "all", "ask" or { owner = "system" }"#);
        if let DeValue::String(word) = value {
            let existence = match word.as_ref() {
                "any" => Existence::Any,
                "all" => Existence::All,
                "ask" => Existence::Ask,
                _ => {
                    let detail = Some(format!("found {word:?}"));
                    return Err(Wrong { detail, hint: did_you_mean(word, WORDS), ..wrong() });
                }
            };
            return Ok(Self(existence));
        }
        let DeValue::Table(table) = value else { return Err(wrong()) };
        let mut entries =
            table.iter().map(|(key, value)| (key.get_ref().as_ref(), value.get_ref()));
        match (entries.next(), entries.next()) {
            (Some(("owner", DeValue::String(system))), None) => {
                Ok(Self(Existence::Owner(SystemName::new(system))))
            }
            _ => Err(wrong()),
        }
    }
}
