//! From what a person says to a value for each field.

use crate::arguments::{Choice, Exists};
use crate::policies::EXISTENCE;
use crate::problem::{Outcome, Problem, did_you_mean};
use crate::project::Project;
use std::collections::BTreeSet;
use syncline_control::{ClaimView, Conflict};
use syncline_core::TableSchema;
use syncline_resolve::Unit;
use syncline_resolve::decisions::{Answer, Refused, all_elements};

/// What a conflict is on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subject<'p> {
    /// Whether the entity exists.
    Existence,
    /// A field or a group.
    Unit(&'p TableSchema, &'p Unit),
}

impl<'p> Subject<'p> {
    /// What a conflict is on.
    pub(super) fn of(project: &'p Project, conflict: &Conflict) -> Outcome<Self> {
        let gone = || {
            let (entity, subject) = (&conflict.entity, &conflict.subject);
            Problem::new(format!("the project no longer has {entity}.{subject}"))
                .detail("its conflicts are closed at the next run")
        };
        let entity = project.entity(&conflict.entity).ok_or_else(gone)?;
        if conflict.subject == EXISTENCE {
            return Ok(Self::Existence);
        }
        let unit = entity.units.iter().find(|it| it.unit.name == conflict.subject);
        Ok(Self::Unit(&entity.schema, &unit.ok_or_else(gone)?.unit))
    }

    /// The answer to a conflict on this.
    pub(super) fn answer(self, choice: &Choice, conflict: &Conflict) -> Outcome<Answer> {
        match self {
            Self::Existence => existence(choice, conflict),
            Self::Unit(schema, unit) => {
                let answer = value(choice, conflict, schema, unit)?;
                answer.checked(schema, unit).map_err(|why| refused(&why, conflict).into())
            }
        }
    }
}

fn existence(choice: &Choice, conflict: &Conflict) -> Outcome<Answer> {
    let (exists, took) = match (choice.exists, &choice.take) {
        (Some(exists), _) => (exists == Exists::Yes, None),
        (None, Some(source)) => {
            let word = word_of(source, conflict)?;
            (word.as_deref() == Some("exists"), Some(source.clone()))
        }
        (None, None) => {
            return Err(Problem::new("the question is whether it exists")
                .hint("answer with --exists yes, --exists no, or --take SYSTEM".to_owned())
                .into());
        }
    };
    Ok(Answer { values: vec![Some(exists.to_string())], took })
}

fn value(
    choice: &Choice,
    conflict: &Conflict,
    schema: &TableSchema,
    unit: &Unit,
) -> Outcome<Answer> {
    let said = |values| Answer { values, took: None };
    if let Some(source) = &choice.take {
        let word = word_of(source, conflict)?;
        let values = values_of(word.as_deref(), unit).ok_or_else(|| no_array(unit, schema))?;
        return Ok(Answer { values, took: Some(source.clone()) });
    }
    if let Some(value) = &choice.value {
        return Ok(said(values_of(Some(value), unit).ok_or_else(|| no_array(unit, schema))?));
    }
    if choice.both {
        return both(conflict, schema, unit).map(said);
    }
    if choice.exists.is_some() {
        let (entity, field) = (&conflict.entity, &conflict.subject);
        return Err(Problem::new(format!("the question is what {entity}.{field} is"))
            .hint("answer with --take SYSTEM, --value TEXT or --null".to_owned())
            .into());
    }
    Ok(said(vec![None; unit.columns.len()]))
}

/// The word of a source: one, however many records it has.
fn word_of(source: &str, conflict: &Conflict) -> Outcome<Option<String>> {
    let said: BTreeSet<&Option<String>> =
        conflict.claims.iter().filter(|it| it.source == source).map(|it| &it.value).collect();
    let id = conflict.id;
    match said.len() {
        1 => Ok(said.into_iter().next().cloned().flatten()),
        0 => {
            let names: BTreeSet<&str> = conflict.claims.iter().map(source_of).collect();
            let known = names.iter().copied().collect::<Vec<_>>().join(", ");
            Err(Problem::new(format!("{source} says nothing in conflict {id}"))
                .detail(format!("words are of {known}"))
                .hint(did_you_mean(source, names.iter().copied()))
                .into())
        }
        several => Err(Problem::new(format!("{source} says {several} things in conflict {id}"))
            .detail("it has several records, which do not agree")
            .hint("say which is right: --value TEXT".to_owned())
            .into()),
    }
}

fn source_of(claim: &ClaimView) -> &str {
    &claim.source
}

/// A text for each field of a unit: of a group, a JSON array has them.
fn values_of(value: Option<&str>, unit: &Unit) -> Option<Vec<Option<String>>> {
    match (value, unit.columns.len()) {
        (None, fields) => Some(vec![None; fields]),
        (Some(value), 1) => Some(vec![Some(value.to_owned())]),
        (Some(value), _) => serde_json::from_str(value).ok(),
    }
}

fn no_array(unit: &Unit, schema: &TableSchema) -> Problem {
    let columns = unit.columns.iter().filter_map(|&column| schema.columns().get(column));
    let names: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
    Problem::new(format!("{} is a group of {} fields", unit.name, names.len()))
        .detail(format!("they are {}", names.join(", ")))
        .hint("say all their values: --value '[\"…\", \"…\", null]'".to_owned())
}

/// Every element that some source has.
fn both(conflict: &Conflict, schema: &TableSchema, unit: &Unit) -> Outcome<Vec<Option<String>>> {
    let (entity, field) = (&conflict.entity, &conflict.subject);
    let types: Vec<&str> = unit
        .columns
        .iter()
        .filter_map(|&column| schema.columns().get(column))
        .map(|column| column.native_type.as_str())
        .collect();
    match types.as_slice() {
        ["text[]" | "varchar[]" | "character varying[]"] => {}
        other => {
            return Err(Problem::new("--both is for fields of type text[]")
                .detail(format!("{entity}.{field} is {}", other.join(", ")))
                .hint("answer with --take SYSTEM, --value TEXT or --null".to_owned())
                .into());
        }
    }
    let arrays = conflict.claims.iter().filter_map(|claim| claim.value.as_deref());
    let all = all_elements(arrays).ok_or_else(|| {
        Problem::new(format!("a word in conflict {} is no array in one dimension", conflict.id))
            .hint("say what is right: --value '{…}'".to_owned())
    })?;
    Ok(vec![Some(all)])
}

fn refused(why: &Refused, conflict: &Conflict) -> Problem {
    let field = format!("{}.{}", conflict.entity, conflict.subject);
    match why {
        Refused::Count { found, needed } => {
            Problem::new(format!("{field} has {needed} fields, and {found} values were said"))
                .hint("say all of them in their order; null where there is none".to_owned())
        }
        Refused::Type { field: part, native_type } => {
            let part = format!("{}.{part}", conflict.entity);
            Problem::new(format!("{part} can't hold that value"))
                .detail(format!("{part} is {native_type}"))
                .hint(example(native_type))
        }
    }
}

/// A value of a type, for those who wonder how it is written.
fn example(native_type: &str) -> Option<String> {
    let name = native_type.split('(').next().unwrap_or_default();
    let example = match name {
        _ if native_type.ends_with("[]") => "{one,\"and two\"}",
        "date" => "2024-06-30",
        "time" => "09:30:00",
        "timestamp" | "timestamp without time zone" => "2024-06-30 09:30:00",
        "timestamptz" | "timestamp with time zone" => "2024-06-30 09:30:00+02",
        "boolean" | "bool" => "true",
        "smallint" | "integer" | "bigint" | "int" => "42",
        "numeric" | "decimal" => "12.50, with no more digits than it has",
        "uuid" => "6f9619ff-8b86-d011-b42d-00c04fc964ff",
        "json" | "jsonb" => "{\"a\": 1}",
        "varchar" | "character varying" | "char" | "character" => {
            return Some("it may not be longer".to_owned());
        }
        _ => return None,
    };
    Some(format!("write it like {example}"))
}
