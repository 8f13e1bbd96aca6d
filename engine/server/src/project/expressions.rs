//! Policies that are SQL, against the mappings that write their fields.

use super::claims::{Claimed, Known};
use super::written::Written;
use crate::problem::{Problem, Severity};
use std::collections::BTreeSet;
use syncline_core::SystemName;
use syncline_mappings::{CheckedPolicy, Diagnostic, PolicyExpressions, PolicyText};

impl Claimed<'_> {
    /// What is wrong with the expression that decides. `all` are the sources there may be.
    pub(super) fn expression(
        &self,
        all: &BTreeSet<SystemName>,
        known: Known,
        expressions: &PolicyExpressions,
    ) -> Vec<Problem> {
        let Some(written) = &self.declared.sql else { return Vec::new() };
        let place = self.declared.unit.columns.first();
        let Some(field) = place.and_then(|&place| self.entity.schema.columns().get(place)) else {
            return Vec::new();
        };
        let (mut sources, mut silent) = (all.clone(), BTreeSet::new());
        if known == Known::All {
            sources = self.systems().into_iter().cloned().collect();
            silent = all - &sources;
        }
        let (sources, silent): (Vec<_>, Vec<_>) =
            (sources.into_iter().collect(), silent.into_iter().collect());
        let CheckedPolicy { reads, diagnostics } = expressions.check(&PolicyText {
            file: &self.entity.file,
            text: &written.text,
            name: &self.name,
            field,
            sources: &sources,
            silent: &silent,
        });
        let is_read = diagnostics.iter().all(|found| into_severity(found) != Severity::Error);
        let mut problems: Vec<Problem> =
            diagnostics.into_iter().map(|found| into_problem(found, written)).collect();
        if is_read && known == Known::All {
            problems.extend(self.unread(&reads, written));
        }
        problems
    }

    /// Mappings that write it from sources whose word would never count.
    fn unread(&self, reads: &[SystemName], written: &Written) -> Vec<Problem> {
        let unread = self.by.iter().filter(|mapping| !reads.contains(&mapping.system));
        let wrong = unread.map(|mapping| {
            let system = &mapping.system;
            Problem::new(format!("the policy does not read {system}, which writes {}", self.name))
                .at(written.whole())
                .detail(format!("{} writes it; its word would never count", mapping.name))
                .hint(format!("read {system} too, or leave the column out of the mapping"))
        });
        wrong.collect()
    }
}

fn into_severity(found: &Diagnostic) -> Severity {
    match found.severity {
        syncline_core::Severity::Error => Severity::Error,
        syncline_core::Severity::Warning | syncline_core::Severity::Ok => Severity::Warning,
    }
}

fn into_problem(found: Diagnostic, written: &Written) -> Problem {
    let place = written.place(found.line, found.column, found.length);
    Problem {
        severity: into_severity(&found),
        message: found.message,
        place: Some(Box::new(place)),
        detail: found.detail,
        hint: found.hint,
    }
}

#[cfg(test)]
mod tests {
    use crate::project::rules_tests::{HR, SIS, Scene, told};

    fn scene(policy: &str) -> Scene {
        Scene::new(&format!("[fields.email]\ntype = \"text\"\n{policy}\n"), &[SIS, HR])
    }

    /// What is told of expressions, one after the other.
    fn told_of(expressions: &[&str]) -> String {
        let told = |sql: &&str| scene(&format!("policy = {{ sql = {sql} }}")).told();
        expressions.iter().map(told).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn an_expression_over_all_that_write_the_field_is_well() {
        assert_eq!(told_of(&["\"coalesce(sis, upper(hr))\""]), "");
    }

    #[test]
    fn what_is_wrong_with_an_expression_is_told_where_it_stands() {
        insta::assert_snapshot!(told_of(&[
            "\"coalesce(sis, upper(hr), now()::text)\"",
            "\"coalesce(siss, upper(hr), sis)\"",
            "\"coalesce(sis, upper(hr), crm)\"",
            "\"max(sis) || hr\"",
            "\"\"\"\ncoalesce(sis,\n    uper(hr))\"\"\"",
            "\"sis = hr\"",
            "\"coalesce(sis, hr\"",
        ]));
    }

    #[test]
    fn a_source_that_would_never_count_is_told() {
        insta::assert_snapshot!(told_of(&["\"upper(hr)\""]));
    }

    #[test]
    fn where_a_mapping_is_broken_its_source_may_be_read() {
        let broken =
            ("from_crm", "INSERT INTO person (person_id, email) SELECT id FROM crm.public.people");
        let fields = "[fields.email]\ntype = \"text\"\n\
                      policy = { sql = \"coalesce(sis, hr, crm)\" }\n";
        assert!(!Scene::new(fields, &[SIS, HR, broken]).told().contains("policy"));
    }

    #[test]
    fn a_system_that_is_written_what_it_is_computed_from_is_told() {
        let back = (
            "to_hr",
            "INSERT INTO hr.public.people (id, email) SELECT person_id, email FROM person",
        );
        let fields = "[fields.email]\ntype = \"text\"\npolicy = { sql = \"coalesce(sis, hr)\" }\n";
        insta::assert_snapshot!(Scene::new(fields, &[SIS, HR, back]).told());
    }

    #[test]
    fn what_is_no_expression_of_a_field_is_told() {
        let field = |policy: &str| told(&format!("[fields.email]\ntype = \"text\"\n{policy}\n"));
        let group = "[fields.street]\ntype = \"text\"\n[fields.city]\ntype = \"text\"\n\
                     [groups.address]\nfields = [\"street\", \"city\"]\n\
                     policy = { sql = \"coalesce(sis, hr)\" }\n";
        insta::assert_snapshot!(
            [
                field("policy = { sq = \"sis\" }"),
                field("policy = { sql = 7 }"),
                field("policy = \"sql\""),
                field("policy = { sql = \"sis\" }\nprefer = [\"sis\"]"),
                told(group),
            ]
            .join("\n")
        );
    }
}
