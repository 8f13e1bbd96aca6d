//! What a mapping needs so that updates and deletes find their rows: keys at the target, and
//! enough of the row before a change at the source.

use super::plan::Assigned;
use crate::diagnostic::Report;
use crate::expression::Typed;
use crate::names::Relation;
use crate::sql_type;
use crate::statement::{Name, Statement};
use arrow_schema::DataType;
use datafusion::sql::sqlparser::tokenizer::Span;
use std::collections::BTreeSet;
use syncline_core::{Column, Identity, TableName};

/// Texts up to this length are never kept apart from their row.
const SHORT_TEXT: usize = 255;

/// Types that are carried as text and are of a fixed, small size in their row.
const NEVER_LARGE: &[&str] =
    &["interval", "money", "name", "macaddr", "macaddr8", "oid", "timetz", "point"];

/// The target must have a key, and the mapping must fill it and all that has no default.
pub(super) fn check_target(
    statement: &Statement,
    target: &Relation<'_>,
    places: &[Option<usize>],
    report: &mut Report<'_>,
) {
    let span = statement.target.span;
    let (name, schema) = (&target.name, target.schema);
    if schema.key().is_empty() {
        let found = report.error(span, format!("{name} has no primary key"));
        found.detail("updates and deletes would not find their row");
        if let Some(table) = own_name(name) {
            found.hint(format!("ALTER TABLE {table} ADD PRIMARY KEY (…), then syncline lock"));
        }
    }
    // A name that means nothing is reported already, and may be the one that is missing.
    if statement.columns.is_empty() || places.contains(&None) {
        return;
    }
    for (index, column) in schema.columns().iter().enumerate() {
        if places.contains(&Some(index)) || column.generated {
            continue;
        }
        let Column { name: column, native_type, .. } = column;
        if schema.key().contains(&index) {
            report
                .error(span, format!("the key column \"{column}\" is not filled"))
                .detail(format!("rows of {name} are found by their key"))
                .hint(format!("add \"{column}\" ({native_type}) to the columns"));
        } else if is_required(target, index) {
            report
                .error(span, format!("column \"{column}\" is not filled"))
                .detail(format!("it is NOT NULL without a default in {name}"))
                .hint(format!("add \"{column}\" ({native_type}) to the columns"));
        }
    }
}

/// The source must tell which row went, and the target's key must follow from that.
pub(super) fn check_source(
    source_name: &Name,
    source: &Relation<'_>,
    target: &Relation<'_>,
    assigned: &[Assigned<'_>],
    report: &mut Report<'_>,
) {
    if source.name == target.name {
        let message = format!("the mapping reads and writes {}", source.name);
        report.error(source_name.span, message).detail("each write would be a change to map again");
    }
    if identity(source) == Identity::Nothing {
        let table = own_name(&source.name).unwrap_or_default();
        report
            .error(source_name.span, format!("{} has no replica identity", source.name))
            .detail("its updates and deletes would not reach Syncline")
            .hint(format!("add a primary key, or ALTER TABLE {table} REPLICA IDENTITY FULL"));
        return;
    }
    for assigned in assigned {
        refuse_generated(&assigned.typed, assigned.item.span, source, report);
        let is_key = target.schema.key().contains(&assigned.target);
        if is_key {
            check_key_column(assigned, source, report);
        } else {
            warn_about_toast(&assigned.typed, assigned.item.span, source, report);
        }
    }
}

/// A condition on a value that may not be sent.
pub(super) fn check_filter(
    conditions: &[(Typed, Span)],
    source: &Relation<'_>,
    report: &mut Report<'_>,
) {
    for (condition, span) in conditions {
        refuse_generated(condition, *span, source, report);
        if condition.reads_commit_time {
            report
                .warning(*span, "rows do not leave as time passes")
                .detail("now() is the commit time of the row's last change; nothing runs later")
                .hint("filter where the rows are read, or change the row when its time has come");
        }
        if let Some((column, table)) = kept_apart(condition, source) {
            report
                .warning(*span, format!("\"{column}\" may not be sent with an update"))
                .detail(
                    "PostgreSQL leaves out large values that did not change; such a row is parked",
                )
                .hint(format!("ALTER TABLE {table} REPLICA IDENTITY FULL"));
        }
    }
}

/// What several rows of the source do to rows of the target.
pub(super) fn check_rows(
    source: &Relation<'_>,
    target: &Relation<'_>,
    assigned: &[Assigned<'_>],
    conditions: &[(Typed, Span)],
    report: &mut Report<'_>,
) {
    warn_about_shared_rows(source, target, assigned, conditions, report);
    warn_about_entering(source, target, assigned, conditions, report);
}

/// A target row that is made of several source rows goes with the first of them that goes. Of an entity
/// each of them is a claim, and goes alone.
fn warn_about_shared_rows(
    source: &Relation<'_>,
    target: &Relation<'_>,
    assigned: &[Assigned<'_>],
    conditions: &[(Typed, Span)],
    report: &mut Report<'_>,
) {
    if matches!(target.name, TableName::Entity(_)) {
        return;
    }
    let key = target.schema.key();
    let keyed: Vec<&Assigned<'_>> =
        assigned.iter().filter(|assigned| key.contains(&assigned.target)).collect();
    let Some(first) = keyed.first().filter(|_| keyed.len() == key.len()) else { return };
    let mut told: BTreeSet<usize> =
        keyed.iter().flat_map(|assigned| assigned.typed.inputs.iter().copied()).collect();
    conditions.iter().for_each(|(condition, _)| told.extend(condition.pinned()));
    let name_of = |index: usize| source.schema.columns().get(index).map(|c| c.name.as_str());
    let is_told = |name: &str| told.iter().any(|&index| name_of(index) == Some(name));
    let unique = source.table.map_or(&[][..], |table| table.unique.as_slice());
    if unique.iter().any(|columns| columns.iter().all(|column| is_told(column))) {
        return;
    }
    let key = source.schema.key().iter();
    let Some(left_out) =
        key.filter(|index| !told.contains(index)).find_map(|&index| name_of(index))
    else {
        return;
    };
    report
        .warning(
            first.item.span,
            format!("several rows of {} may become one row here", source.name),
        )
        .detail(format!(
            "\"{left_out}\" is in the source's key and not in what fills the target's; \
             the delete of one such row deletes the row of all"
        ))
        .hint(format!("let \"{left_out}\" fill a part of the target's key"));
}

/// A row that comes into the condition by an update is new to the target, and not whole where a
/// large value did not change.
fn warn_about_entering(
    source: &Relation<'_>,
    target: &Relation<'_>,
    assigned: &[Assigned<'_>],
    conditions: &[(Typed, Span)],
    report: &mut Report<'_>,
) {
    let changes = |condition: &Typed| {
        condition.inputs.iter().any(|input| !source.schema.key().contains(input))
    };
    // A condition on such a value is reported already, with the same mend.
    if conditions.iter().any(|(condition, _)| kept_apart(condition, source).is_some()) {
        return;
    }
    let Some((_, span)) = conditions.iter().find(|(condition, _)| changes(condition)) else {
        return;
    };
    let others = assigned.iter().filter(|assigned| !target.schema.key().contains(&assigned.target));
    let Some((column, table)) =
        others.into_iter().find_map(|assigned| kept_apart(&assigned.typed, source))
    else {
        return;
    };
    report
        .warning(*span, format!("a row may come into this without its \"{column}\""))
        .detail(
            "PostgreSQL leaves out large values that an update did not change; a row that is new \
             to the target is parked then",
        )
        .hint(format!("ALTER TABLE {table} REPLICA IDENTITY FULL"));
}

/// What the source computes itself, and does not send.
fn refuse_generated(typed: &Typed, span: Span, source: &Relation<'_>, report: &mut Report<'_>) {
    let columns = typed.inputs.iter().filter_map(|&input| source.schema.columns().get(input));
    if let Some(column) = columns.into_iter().find(|column| column.generated) {
        let (name, of) = (&column.name, &source.name);
        report
            .error(span, format!("\"{name}\" is generated by {of}, which does not send it"))
            .detail("PostgreSQL leaves generated columns out of what it sends of a change")
            .hint("write the expression that it is generated by into the mapping");
    }
}

fn check_key_column(assigned: &Assigned<'_>, source: &Relation<'_>, report: &mut Report<'_>) {
    let span = assigned.item.span;
    if assigned.typed.reads_commit_time {
        report
            .error(span, "a key can't depend on the time")
            .detail("a later change of the row would have another key");
    }
    if identity(source) == Identity::Full {
        return;
    }
    let outside: Vec<&str> = assigned
        .typed
        .inputs
        .iter()
        .filter(|input| !source.schema.key().contains(input))
        .filter_map(|&input| source.schema.columns().get(input))
        .map(|column| column.name.as_str())
        .collect();
    let Some(column) = outside.first() else { return };
    let message =
        format!("the target's key depends on \"{column}\", which is not part of the source's key");
    let found = report.error(span, message);
    found.detail("a delete sends the key alone, so the row to delete can't be found");
    found.hint(match own_name(&source.name) {
        Some(table) => format!("ALTER TABLE {table} REPLICA IDENTITY FULL"),
        None => format!("use the key of {} alone, or make \"{column}\" part of it", source.name),
    });
}

fn warn_about_toast(typed: &Typed, span: Span, source: &Relation<'_>, report: &mut Report<'_>) {
    // Alone it is simply left as it is at the target.
    if typed.inputs.len() < 2 {
        return;
    }
    if let Some((column, table)) = kept_apart(typed, source) {
        report
            .warning(span, format!("\"{column}\" may not be sent while the others are"))
            .detail("PostgreSQL leaves out large values that did not change; such a row is parked")
            .hint(format!("ALTER TABLE {table} REPLICA IDENTITY FULL"));
    }
}

/// The first input that PostgreSQL may keep apart from its row and not send, and its table.
fn kept_apart<'s>(typed: &Typed, source: &Relation<'s>) -> Option<(&'s str, String)> {
    let table = own_name(&source.name)?;
    if identity(source) == Identity::Full {
        return None;
    }
    let schema = source.schema;
    let apart = typed
        .inputs
        .iter()
        .filter(|input| !schema.key().contains(input))
        .filter_map(|&input| schema.columns().get(input))
        .filter(|column| !column.generated && source.labels(&column.name).is_none())
        .find(|column| is_large(column, source.base_type(column)))?;
    Some((apart.name.as_str(), table))
}

fn is_large(column: &Column, base: &str) -> bool {
    match &column.data_type {
        DataType::Binary | DataType::List(_) | DataType::Struct(_) => true,
        DataType::Utf8 => {
            sql_type::length_max(base).is_none_or(|length| length > SHORT_TEXT)
                && !NEVER_LARGE.iter().any(|name| base == *name || base.starts_with("time "))
        }
        _ => false,
    }
}

/// A key that is not there identifies nothing.
fn identity(source: &Relation<'_>) -> Identity {
    match source.identity() {
        Identity::Key if source.schema.key().is_empty() => Identity::Nothing,
        identity => identity,
    }
}

fn is_required(target: &Relation<'_>, index: usize) -> bool {
    target.schema.columns().get(index).is_some_and(|column| !column.nullable && !column.has_default)
}

/// A table's name within its own system.
fn own_name(name: &TableName) -> Option<String> {
    match name {
        TableName::Table { schema, table, .. } => Some(format!("{schema}.{table}")),
        TableName::Entity(_) => None,
    }
}
