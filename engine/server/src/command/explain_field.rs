//! `explain` of an entity's field: what it is, who writes it, and how it is decided.

use super::Context;
use crate::checked;
use crate::policies::sentence;
use crate::problem::{Exit, Outcome, Problem, did_you_mean};
use crate::project::{Entity, Lock, Project};
use crate::render::{Align, table};
use serde::Serialize;
use std::fmt::Write as _;
use syncline_core::{Column, SystemName};
use syncline_mappings::Mapping;
use syncline_resolve::{EntityRules, Policy};

/// A field that was asked for.
#[derive(Debug)]
pub(super) struct Field<'p> {
    entity: &'p Entity,
    column: usize,
}

#[derive(Debug, Serialize)]
struct Report {
    field: String,
    data_type: String,
    doc: Option<String>,
    is_key: bool,
    sensitive: bool,
    /// The group it is decided with.
    group: Option<Group>,
    /// The policy; of the key's fields there is none.
    policy: Option<Policy>,
    /// Whether NULL is a value like others.
    null_is_value: bool,
    /// How it is decided, in a sentence.
    decided: String,
    claims: Vec<Claim>,
}

#[derive(Debug, Serialize)]
struct Group {
    name: String,
    fields: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Claim {
    mapping: String,
    system: SystemName,
    expression: String,
}

/// The field that `ENTITY.FIELD` means; `None` where it does not begin with an entity's name.
pub(super) fn find<'p>(project: &'p Project, what: &str) -> Option<Outcome<Field<'p>>> {
    let (entity, field) = what.split_once('.')?;
    let entity = project.entity(entity)?;
    let column = entity.schema.index_of(field).ok_or_else(|| {
        let names = || entity.schema.columns().iter().map(|column| column.name.as_str());
        Problem::new(format!("entity {} has no field {field:?}", entity.name()))
            .detail(format!("it has {}", names().collect::<Vec<_>>().join(", ")))
            .hint(did_you_mean(field, names()))
            .into()
    });
    Some(column.map(|column| Field { entity, column }))
}

/// Shows how the field is decided.
pub(super) fn run(
    context: &Context,
    project: &Project,
    lock: &Lock,
    field: &Field<'_>,
) -> Outcome<Exit> {
    let mappings = checked::check(project, lock).mappings;
    let rules = project.entity_rules(&mappings);
    if let Some(rules) = rules.iter().find(|rules| rules.schema == field.entity.schema) {
        context.output.result(&report(field, rules, &mappings), to_text);
    }
    Ok(Exit::Ok)
}

fn report(field: &Field<'_>, rules: &EntityRules, mappings: &[Mapping]) -> Report {
    let Field { entity, column: index } = *field;
    let column = &entity.schema.columns()[index];
    let facts = entity.fields.get(index);
    let unit = rules.units.iter().find(|unit| unit.columns.contains(&index));
    let declared = entity.units.iter().find(|declared| declared.unit.columns.contains(&index));
    let group = declared.filter(|declared| declared.group.is_some()).map(|declared| Group {
        name: declared.unit.name.clone(),
        fields: names(entity, &declared.unit.columns),
    });
    Report {
        field: format!("{}.{}", entity.name(), column.name),
        data_type: column.native_type.clone(),
        doc: facts.and_then(|facts| facts.doc.clone()),
        is_key: unit.is_none(),
        sensitive: facts.is_some_and(|facts| facts.sensitive),
        group,
        policy: unit.map(|unit| unit.policy.clone()),
        null_is_value: unit.is_some_and(|unit| unit.null_is_value),
        decided: unit.map_or(KEY.to_owned(), sentence),
        claims: claims(rules, index, column, mappings),
    }
}

const KEY: &str = "It is part of the key, which says of which record a source speaks.";

fn names(entity: &Entity, columns: &[usize]) -> Vec<String> {
    let all = entity.schema.columns();
    let columns = columns.iter().filter_map(|&column| all.get(column));
    columns.map(|column| column.name.clone()).collect()
}

fn claims(rules: &EntityRules, index: usize, column: &Column, mappings: &[Mapping]) -> Vec<Claim> {
    let claiming = rules.mappings.iter().filter(|mapping| mapping.columns.contains(&index));
    let claims = claiming.filter_map(|claiming| {
        let mapping = mappings.iter().find(|mapping| mapping.name == claiming.name)?;
        let mapped = mapping.columns.iter().find(|mapped| mapped.target == column.name)?;
        Some(Claim {
            mapping: mapping.name.clone(),
            system: claiming.system.clone(),
            expression: mapped.expression.clone(),
        })
    });
    claims.collect()
}

fn to_text(report: &Report) -> String {
    let mut text = format!("{}\n", report.field);
    let mut line = |word: &str, said: &str| {
        let _ = writeln!(text, "  {word:<9}  {said}");
    };
    line("type", &report.data_type);
    line("doc", report.doc.as_deref().unwrap_or("none"));
    line("decided", &report.decided);
    if let Some(group) = &report.group {
        line("group", &format!("{}: {}", group.name, group.fields.join(", ")));
    }
    if report.sensitive {
        line("sensitive", "yes");
    }
    if report.claims.is_empty() {
        return text + "\nno mapping writes it\n";
    }
    let headings = [("system", Align::Left), ("mapping", Align::Left), ("expression", Align::Left)];
    let row = |claim: &Claim| {
        vec![claim.system.to_string(), claim.mapping.clone(), claim.expression.clone()]
    };
    let rows: Vec<Vec<String>> = report.claims.iter().map(row).collect();
    format!("{text}\n{}", table(&headings, &rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::rules_tests::{HR, SIS, Scene, lock};

    fn scene() -> Scene {
        let fields = "[fields.email]\ntype = \"text\"\ndoc = \"Lower case\"\nsensitive = true\n\
                      policy = \"newest\"\nprefer = [\"hr\", \"sis\"]\nnull = \"value\"\n\
                      [fields.street]\ntype = \"text\"\n[fields.city]\ntype = \"text\"\n\
                      [groups.address]\nfields = [\"street\", \"city\"]\nprefer = [\"hr\"]\n";
        Scene::new(fields, &[SIS, HR])
    }

    /// The report on a field, as it is printed.
    fn explained(project: &Project, what: &str) -> Report {
        let field = find(project, what).expect("an entity").expect("a field of it");
        let mappings = checked::check(project, &lock()).mappings;
        let rules = project.entity_rules(&mappings);
        report(&field, &rules[0], &mappings)
    }

    #[test]
    fn a_field_is_explained_with_its_policy_and_who_writes_it() {
        let project = scene().project();
        let of = |what: &str| explained(&project, what);
        let texts = ["person.person_id", "person.email", "person.city"].map(|it| to_text(&of(it)));
        insta::assert_snapshot!(texts.join("\n"));
        let json = serde_json::to_string_pretty(&of("person.email")).expect("it is JSON");
        insta::assert_snapshot!(json);
    }

    #[test]
    fn an_unknown_field_is_told_and_another_word_is_no_field() {
        let project = scene().project();
        let failure = find(&project, "person.emial").expect("an entity").expect_err("no field");
        insta::assert_snapshot!(crate::render::problems(&failure.problems));
        assert!(find(&project, "people.email").is_none());
        assert!(find(&project, "person/from_sis.sql").is_none());
    }
}
