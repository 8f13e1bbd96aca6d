//! `[fields.NAME]`: an entity's columns, and what each has beyond its type.

use super::decision::{Decision, KEYS};
use super::document::Section;
use super::types::{entity_type, normal};
use crate::policies::EXISTENCE;
use crate::problem::{Problem, did_you_mean};
use syncline_core::Column;

/// What a field has beyond its type.
#[derive(Debug)]
pub(crate) struct Field {
    /// What it means.
    pub(crate) doc: Option<String>,
    /// Whether its values are shown only to those who may see them.
    pub(crate) sensitive: bool,
}

/// A field as its section says it.
#[derive(Debug)]
pub(super) struct Draft<'d> {
    pub(super) column: Column,
    pub(super) field: Field,
    pub(super) decision: Decision,
    pub(super) section: Section<'d>,
}

/// All fields in the file's order.
#[derive(Debug)]
pub(super) struct Fields<'d> {
    /// Those that could be read.
    pub(super) known: Vec<Draft<'d>>,
    /// The names of all.
    pub(super) declared: Vec<&'d str>,
}

impl<'d> Fields<'d> {
    /// Reads `[fields]`.
    pub(super) fn read(section: &Section<'d>) -> Self {
        let sections = section.sections();
        let declared = sections.iter().map(|(name, _)| *name).collect();
        let known = sections.into_iter().filter_map(|(name, section)| Draft::read(name, section));
        Self { known: known.collect(), declared }
    }

    /// The place of a field among those that could be read.
    pub(super) fn index_of(&self, name: &str) -> Option<usize> {
        self.known.iter().position(|draft| draft.column.name == name)
    }

    /// That there is no such field, with the one that is most like it.
    pub(super) fn unknown(&self, message: String, name: &str) -> Problem {
        Problem::new(message)
            .detail(format!("the entity has {}", self.declared.join(", ")))
            .hint(did_you_mean(name, self.declared.iter().copied()))
    }
}

impl<'d> Draft<'d> {
    fn read(name: &str, section: Section<'d>) -> Option<Self> {
        let native_type: Option<String> = section.required("type");
        let doc = section.optional("doc");
        let sensitive = section.or("sensitive", false);
        let decision = Decision::read(&section);
        section.finish();
        refuse_existence(name, &section);
        let native_type = normal(&native_type?);
        let Some(data_type) = entity_type(&native_type) else {
            section.report("type", unknown_type(&native_type));
            return None;
        };
        let column = Column {
            name: name.to_owned(),
            id: 0,
            data_type,
            native_type,
            nullable: true,
            has_default: false,
            generated: false,
        };
        decision.check_type(&column, &section);
        let field = Field { doc, sensitive };
        Some(Self { column, field, decision, section })
    }

    /// Tells that the field is not decided by itself, at each key that would decide it.
    pub(super) fn refuse_decision(&self, wrong: impl Fn(&str) -> Problem) {
        for key in KEYS.into_iter().filter(|key| self.section.has(key)) {
            self.section.report(key, wrong(key));
        }
    }
}

/// Refuses the name that whether the entity exists has among its fields.
pub(super) fn refuse_existence(name: &str, section: &Section<'_>) {
    if name == EXISTENCE {
        let wrong = Problem::new(format!("{name:?} is no name for a field or group"))
            .detail("conflicts on whether the entity exists are called so")
            .hint("give it another name".to_owned());
        section.report_here(wrong);
    }
}

pub(super) fn unknown_type(native: &str) -> Problem {
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
