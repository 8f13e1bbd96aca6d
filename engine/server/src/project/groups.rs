//! `[groups.NAME]`: fields that are decided as one, always the word of one source.

use super::decision::Decision;
use super::document::Section;
use super::fields::{Fields, refuse_existence};
use super::settings::is_name;
use crate::problem::{Place, Problem};
use std::collections::BTreeMap;

/// A group as its section says it.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    /// Its columns, as indexes into the entity's, in the entity's order.
    pub(super) columns: Vec<usize>,
    pub(super) decision: Decision,
    /// Where it is declared.
    pub(super) place: Place,
    /// Where its sources are listed.
    pub(super) prefer: Place,
    /// Where its fields are listed.
    pub(super) members: Place,
}

/// Reads `[groups]`.
pub(super) fn read(section: &Section<'_>, fields: &Fields<'_>, key: &[String]) -> Vec<Group> {
    let mut taken = BTreeMap::new();
    let sections = section.sections().into_iter();
    sections.map(|(name, section)| read_one(name, &section, fields, key, &mut taken)).collect()
}

/// `taken` has the fields of the groups before, with the name of their group.
fn read_one<'d>(
    name: &'d str,
    section: &Section<'d>,
    fields: &Fields<'_>,
    key: &[String],
    taken: &mut BTreeMap<String, &'d str>,
) -> Group {
    check_name(name, section, fields);
    refuse_existence(name, section);
    let members: Vec<String> = section.required("fields").unwrap_or_default();
    let _documentation: Option<String> = section.optional("doc");
    let decision = Decision::read(section);
    section.finish();
    decision.check_group(section);
    if section.has("fields") && members.len() < 2 {
        let wrong = Problem::new(format!("group {name} needs at least two fields"));
        section.report("fields", wrong);
    }
    let mut columns: Vec<usize> = Vec::new();
    for member in members {
        let wrong = wrong_member(name, &member, fields, key, taken);
        taken.insert(member.clone(), name);
        if let Some(wrong) = wrong {
            section.report("fields", wrong);
        } else if let Some(column) = fields.index_of(&member) {
            refuse_own_decision(name, column, fields);
            columns.push(column);
        }
    }
    columns.sort_unstable();
    Group {
        name: name.to_owned(),
        columns,
        decision,
        place: section.here(),
        prefer: section.place("prefer"),
        members: section.place("fields"),
    }
}

fn check_name(name: &str, section: &Section<'_>, fields: &Fields<'_>) {
    if !is_name(name) {
        let wrong = Problem::new(format!("{name:?} can't be a group's name"))
            .detail("a name has lowercase letters, digits and _, and begins with a letter");
        section.report_here(wrong);
    } else if fields.declared.contains(&name) {
        section.report_here(Problem::new(format!("{name} is a field and a group")));
    }
}

/// Why a field can't be in the group.
fn wrong_member(
    group: &str,
    member: &str,
    fields: &Fields<'_>,
    key: &[String],
    taken: &BTreeMap<String, &str>,
) -> Option<Problem> {
    if key.iter().any(|part| part == member) {
        let wrong = Problem::new(format!("group {group} has the key field {member}"));
        return Some(wrong.detail("the key says which record it is; nothing decides it"));
    }
    if !fields.declared.contains(&member) {
        let message = format!("group {group} names an unknown field {member:?}");
        return Some(fields.unknown(message, member));
    }
    match taken.get(member) {
        Some(other) if *other == group => {
            Some(Problem::new(format!("group {group} names {member} twice")))
        }
        Some(other) => Some(
            Problem::new(format!("{member} is in two groups"))
                .detail(format!("it is in group {other} too")),
        ),
        None => None,
    }
}

fn refuse_own_decision(group: &str, column: usize, fields: &Fields<'_>) {
    let Some(draft) = fields.known.get(column) else { return };
    draft.refuse_decision(|key| {
        Problem::new(format!("{} is decided with group {group}, not alone", draft.column.name))
            .hint(format!("move {key} to [groups.{group}], or take the field out of the group"))
    });
}
