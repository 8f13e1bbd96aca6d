//! The mappings against each other: who writes what, and that no change comes back for ever.

use super::plan::Planned;
use crate::catalog::SqlFile;
use crate::diagnostic::{Diagnostic, Report};
use crate::text::Text;
use std::collections::BTreeSet;
use syncline_core::TableName;

type Files<'a> = [(&'a SqlFile, Option<Planned>)];

/// A file with what its statement says.
#[derive(Clone, Copy)]
struct Known<'a> {
    file: &'a SqlFile,
    planned: &'a Planned,
}

pub(super) fn check(files: &Files<'_>) -> Vec<Diagnostic> {
    let known: Vec<Known<'_>> = files
        .iter()
        .filter_map(|(file, planned)| Some(Known { file, planned: planned.as_ref()? }))
        .collect();
    let mut found = Vec::new();
    for (place, mapping) in known.iter().enumerate() {
        let text = Text::new(&mapping.file.path, &mapping.file.text);
        let mut report = Report::new(&text);
        let before = known.get(..place).unwrap_or_default();
        refuse_second_writer(*mapping, before, &mut report);
        refuse_unwritten_entity(*mapping, &known, &mut report);
        refuse_circle(*mapping, &known, &mut report);
        found.extend(report.into_found());
    }
    found
}

/// Two mappings into one table: nothing weighs their words against each other. Those into an entity
/// are claims.
fn refuse_second_writer(mapping: Known<'_>, before: &[Known<'_>], report: &mut Report<'_>) {
    let planned = mapping.planned;
    if let TableName::Entity(_) = planned.writes {
        return;
    }
    let writers = || before.iter().filter(|other| other.planned.writes == planned.writes);
    let Some(first) = writers().next() else { return };
    let place = place_of(*first);
    let own = planned.columns.iter().filter(|column| !planned.key.contains(&column.name));
    let mut shared = own.filter_map(|column| {
        let mut others = writers().flat_map(|writer| {
            writer.planned.columns.iter().map(move |other| (writer.file, other))
        });
        let (file, other) = others.find(|(_, other)| other.name == column.name)?;
        let start = other.span.start;
        Some((column, format!("{}:{}:{}", file.path, start.line, start.column)))
    });
    if let Some((column, place)) = shared.next() {
        report
            .error(
                column.span,
                format!("two mappings write \"{}\" of {}", column.name, planned.writes),
            )
            .detail(format!("the other is {place}"))
            .hint("let one of them write it, or bring both into an entity first");
        return;
    }
    report
        .warning(planned.target_span, format!("two mappings write rows of {}", planned.writes))
        .detail(format!("the other is {place}; a delete by one takes the columns of both"));
}

fn refuse_unwritten_entity(mapping: Known<'_>, known: &[Known<'_>], report: &mut Report<'_>) {
    let TableName::Entity(name) = &mapping.planned.reads else { return };
    if known.iter().all(|other| other.planned.writes != mapping.planned.reads) {
        report
            .error(mapping.planned.source_span, format!("nothing writes entity \"{name}\""))
            .hint(format!("add a mapping: INSERT INTO {name} (…) SELECT … FROM a system's table"));
    }
}

/// A change that would come back to the table it came from, and so on for ever. The mapping that
/// closes the circle is the last one of it. Between a table and an entity it comes to rest: claims tell
/// a system's own word from what was written there.
fn refuse_circle(mapping: Known<'_>, known: &[Known<'_>], report: &mut Report<'_>) {
    let planned = mapping.planned;
    if planned.reads == planned.writes {
        return;
    }
    let Some(way) = way_back(&planned.writes, &planned.reads, known) else { return };
    let closes = way.iter().all(|other| other.file.path <= mapping.file.path);
    if !closes {
        return;
    }
    let files: Vec<&str> = way.iter().map(|other| other.file.path.as_str()).collect();
    report
        .error(planned.target_span, format!("changes of {} would come back to it", planned.reads))
        .detail(format!("by way of {}", files.join(", ")))
        .hint("let all these tables speak of one entity, and write each of them from it");
}

/// The mappings that lead from one table to another, by more than the step between a table and an
/// entity.
fn way_back<'a>(from: &TableName, to: &TableName, known: &[Known<'a>]) -> Option<Vec<Known<'a>>> {
    let is_entity = |name: &TableName| matches!(name, TableName::Entity(_));
    let at_rest = |step: &Planned| {
        (&step.reads, &step.writes) == (from, to) && is_entity(from) != is_entity(to)
    };
    let mut seen: BTreeSet<&TableName> = BTreeSet::new();
    let mut next = vec![(from, Vec::new())];
    while let Some((table, way)) = next.pop() {
        if table == to {
            return Some(way);
        }
        if !seen.insert(table) {
            continue;
        }
        for step in
            known.iter().filter(|step| step.planned.reads == *table && !at_rest(step.planned))
        {
            let mut longer = way.clone();
            longer.push(*step);
            next.push((&step.planned.writes, longer));
        }
    }
    None
}

fn place_of(mapping: Known<'_>) -> String {
    let start = mapping.planned.target_span.start;
    format!("{}:{}:{}", mapping.file.path, start.line, start.column)
}
