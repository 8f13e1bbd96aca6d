//! One mapping: from its statement to a program that runs, with everything that is wrong with it.

use super::{Library, keys};
use crate::catalog::{Catalog, Execution, MappedColumn, Mapping, SqlFile};
use crate::diagnostic::Report;
use crate::expression::{Context, Destination, Scope, ScopeColumn, Translator, Typed};
use crate::names::{self, Relation};
use crate::run::{Program, Target};
use crate::statement::{self, From, Item, Name, Part, Query, Statement};
use datafusion::sql::sqlparser::ast::Spanned;
use datafusion::sql::sqlparser::tokenizer::Span;
use std::collections::BTreeSet;
use std::sync::Arc;
use syncline_core::{TableName, TableSchema};

/// What is known of one file's mapping, as far as its statement could be read.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) reads: TableName,
    pub(super) writes: TableName,
    pub(super) source_span: Span,
    pub(super) target_span: Span,
    /// The target columns it names.
    pub(super) columns: Vec<Part>,
    /// The target's key columns.
    pub(super) key: Vec<String>,
    /// The mapping; `None` where it has errors.
    pub(super) mapping: Option<Mapping>,
}

/// One target column and what goes into it.
#[derive(Debug)]
pub(super) struct Assigned<'s> {
    /// The column's place in the target.
    pub(super) target: usize,
    pub(super) item: &'s Item,
    pub(super) typed: Typed,
}

/// What filters the rows: all of it must hold.
#[derive(Debug, Default)]
struct Filter {
    conditions: Vec<(Typed, Span)>,
    texts: Vec<String>,
}

impl Filter {
    /// The conditions as written, joined.
    fn text(&self) -> String {
        match self.texts.as_slice() {
            [only] => only.clone(),
            several => {
                several.iter().map(|text| format!("({text})")).collect::<Vec<_>>().join(" AND ")
            }
        }
    }
}

pub(super) fn plan(
    file: &SqlFile,
    catalog: &Catalog,
    library: &Library,
    report: &mut Report<'_>,
) -> Option<Planned> {
    if report.text().is_blank() {
        report
            .warning(Span::empty(), "the file has no statement")
            .hint("write a mapping into it, or remove it");
        return None;
    }
    let statement = statement::read(&file.text, report)?;
    let source_name = source_of(&statement.query);
    let target = names::resolve(&statement.target, "writes", catalog, report);
    let source = names::resolve(source_name, "reads", catalog, report);
    let (target, source) = (target?, source?);
    let mapping = plan_between(file, &statement, &source, &target, library, report);
    let key = target.schema.key().iter().filter_map(|&index| target.schema.columns().get(index));
    Some(Planned {
        reads: source.name.clone(),
        writes: target.name.clone(),
        source_span: source_name.span,
        target_span: statement.target.span,
        key: key.map(|column| column.name.clone()).collect(),
        mapping: mapping.filter(|_| !report.has_errors()),
        columns: statement.columns,
    })
}

/// The table at the bottom of nested queries.
fn source_of(query: &Query) -> &Name {
    match &query.from {
        From::Table(name) => name,
        From::Query(inner) => source_of(inner),
    }
}

fn plan_between(
    file: &SqlFile,
    statement: &Statement,
    source: &Relation<'_>,
    target: &Relation<'_>,
    library: &Library,
    report: &mut Report<'_>,
) -> Option<Mapping> {
    let Library { zone, functions, config } = library;
    let context = Context::new(source, zone, functions, config);
    let mut filter = Filter::default();
    let scope = scope_of(&statement.query, source, &context, &mut filter, report);
    let targets = target_places(statement, target, report);
    let items = &statement.query.items;
    refuse_count(statement, report);
    let assigned = scope.map(|mut scope| {
        translate_filter(&statement.query, &mut filter, &context, &mut scope, report);
        let mut translator = Translator::new(&context, &scope, report);
        assign_all(items, &targets, target, &mut translator)
    });
    keys::check_target(statement, target, &targets, report);
    let assigned = assigned?;
    keys::check_source(source_of(&statement.query), source, target, &assigned, report);
    keys::check_filter(&filter.conditions, source, report);
    keys::check_rows(source, target, &assigned, &filter.conditions, report);
    refuse_loss(statement, &assigned, &filter, report);
    if report.has_errors() {
        return None;
    }
    match program(&context, target, &assigned, &filter) {
        Ok(program) => Some(mapping(file, source, target, &assigned, &filter, program)),
        Err(error) => {
            let why = error.strip_backtrace();
            report.error(statement.target.span, format!("the mapping can't be planned: {why}"));
            None
        }
    }
}

/// The names that a query's expressions may use; nested queries are written into them.
fn scope_of(
    query: &Query,
    source: &Relation<'_>,
    context: &Context<'_>,
    filter: &mut Filter,
    report: &mut Report<'_>,
) -> Option<Scope> {
    match &query.from {
        From::Table(name) => Some(Scope {
            qualifiers: query.alias.as_ref().map_or_else(|| qualifiers(name), |a| vec![a.clone()]),
            columns: table_columns(source.schema, context),
            described: format!("{} (schema {})", source.name, source.schema.revision()),
        }),
        From::Query(inner) => {
            let mut scope = scope_of(inner, source, context, filter, report)?;
            translate_filter(inner, filter, context, &mut scope, report);
            let mut translator = Translator::new(context, &scope, report);
            let columns: Vec<Option<ScopeColumn>> = inner
                .items
                .iter()
                .map(|item| {
                    let typed = translator.translate(&item.expr)?;
                    Some(ScopeColumn { name: output_name(item, translator.report)?, typed })
                })
                .collect();
            Some(Scope {
                qualifiers: query.alias.iter().cloned().collect(),
                columns: columns.into_iter().collect::<Option<_>>()?,
                described: "the query in FROM".to_owned(),
            })
        }
    }
}

fn table_columns(source: &TableSchema, context: &Context<'_>) -> Vec<ScopeColumn> {
    source
        .columns()
        .iter()
        .enumerate()
        .filter_map(|(index, column)| {
            Some(ScopeColumn { name: column.name.clone(), typed: context.column(index)? })
        })
        .collect()
}

/// `sis.public.students`, `public.students` and `students`.
fn qualifiers(name: &Name) -> Vec<String> {
    let parts: Vec<&str> = name.parts.iter().map(|part| part.name.as_str()).collect();
    (0..parts.len()).rev().filter_map(|from| Some(parts.get(from..)?.join("."))).collect()
}

fn output_name(item: &Item, report: &mut Report<'_>) -> Option<String> {
    use datafusion::sql::sqlparser::ast::Expr;
    if let Some(alias) = &item.alias {
        return Some(alias.name.clone());
    }
    let last = match &item.expr {
        Expr::Identifier(ident) => Some(ident),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    };
    match last {
        Some(ident) if ident.quote_style.is_some() => Some(ident.value.clone()),
        Some(ident) => Some(ident.value.to_lowercase()),
        None => {
            report.error(item.span, "this has no name to be read by").hint("add AS name");
            None
        }
    }
}

/// Adds a query's condition to the filter; what it proves is known of the scope from then on.
fn translate_filter(
    query: &Query,
    filter: &mut Filter,
    context: &Context<'_>,
    scope: &mut Scope,
    report: &mut Report<'_>,
) {
    let Some(condition) = &query.condition else { return };
    filter.texts.push(condition.text.clone());
    let place = report.text().heal(condition.expr.span());
    let mut translator = Translator::new(context, scope, report);
    let typed = translator.translate(&condition.expr);
    if let Some(typed) = typed.and_then(|typed| translator.condition(typed, place)) {
        scope.narrow(std::iter::once(&typed));
        filter.conditions.push((typed, condition.span));
    }
}

/// The place in the target of each column that the statement names; `None` where there is none.
fn target_places(
    statement: &Statement,
    target: &Relation<'_>,
    report: &mut Report<'_>,
) -> Vec<Option<usize>> {
    let mut seen = BTreeSet::new();
    let place = |column: &Part| {
        let Part { name, span } = column;
        if !seen.insert(name.clone()) {
            report.error(*span, format!("column \"{name}\" is named twice"));
            return None;
        }
        let Some(index) = target.schema.index_of(name) else {
            let known = target.column_names();
            let found = report.error(*span, format!("mapping writes unknown column \"{name}\""));
            let revision = target.schema.revision();
            let list = names::list(known.iter().copied());
            found.detail(format!("{} (schema {revision}) has {list}", target.name));
            if let Some(meant) = names::nearest(name, known) {
                found.hint(format!("did you mean \"{meant}\"?"));
            }
            return None;
        };
        if target.schema.columns().get(index).is_some_and(|column| column.generated) {
            report
                .error(*span, format!("column \"{name}\" is generated by {}", target.name))
                .hint("leave it out: the target computes it");
            return None;
        }
        Some(index)
    };
    statement.columns.iter().map(place).collect()
}

fn refuse_count(statement: &Statement, report: &mut Report<'_>) {
    let (columns, items) = (statement.columns.len(), statement.query.items.len());
    if columns == items || columns == 0 || !statement.query.is_complete {
        return;
    }
    let surplus = statement.query.items.get(columns).map(|item| item.span);
    let missing = statement.columns.get(items).map(|column| column.span);
    let span = surplus.or(missing).unwrap_or_else(Span::empty);
    report
        .error(span, format!("{columns} target columns and {items} values"))
        .detail("the values go into the columns one by one, in their order");
}

/// No part of a statement may get lost on the way: what could not be translated and was not
/// reported is an error too.
fn refuse_loss(
    statement: &Statement,
    assigned: &[Assigned<'_>],
    filter: &Filter,
    report: &mut Report<'_>,
) {
    let lost = assigned.len() != statement.query.items.len()
        || filter.conditions.len() != filter.texts.len();
    if lost && !report.has_errors() {
        report
            .error(statement.target.span, "a part of this mapping could not be read")
            .hint("this is a fault of Syncline: please report the statement");
    }
}

fn assign_all<'s>(
    items: &'s [Item],
    targets: &[Option<usize>],
    target: &Relation<'_>,
    translator: &mut Translator<'_, '_, '_>,
) -> Vec<Assigned<'s>> {
    let mut assigned = Vec::new();
    for (place, item) in items.iter().enumerate() {
        let typed = translator.translate(&item.expr);
        let Some(Some(index)) = targets.get(place) else { continue };
        let Some((typed, column)) = typed.zip(target.schema.columns().get(*index)) else {
            continue;
        };
        warn_about_order(item, &column.name, target, translator.report);
        let (base, labels) = (target.base_type(column), target.labels(&column.name));
        let destination = Destination { column, base, labels };
        let written = (item.text.as_str(), item.span);
        if let Some(typed) = translator.assign(typed, destination, written) {
            assigned.push(Assigned { target: *index, item, typed });
        }
    }
    assigned
}

/// `SELECT … AS email` in the place of `phone` is most likely a slip.
fn warn_about_order(item: &Item, column: &str, target: &Relation<'_>, report: &mut Report<'_>) {
    let Some(alias) = &item.alias else { return };
    if alias.name != column && target.schema.index_of(&alias.name).is_some() {
        let message = format!("this is called \"{}\" and goes into \"{column}\"", alias.name);
        report.warning(alias.span, message).detail("values go into columns by their order");
    }
}

fn program(
    context: &Context<'_>,
    target: &Relation<'_>,
    assigned: &[Assigned<'_>],
    filter: &Filter,
) -> datafusion::common::Result<Program> {
    let columns: Vec<_> = assigned
        .iter()
        .filter_map(|assigned| target.schema.columns().get(assigned.target))
        .cloned()
        .collect();
    let key = target
        .schema
        .key()
        .iter()
        .filter_map(|key| assigned.iter().position(|assigned| assigned.target == *key))
        .collect();
    let (name, revision) = (target.name.clone(), target.schema.revision());
    let writes = TableSchema::new(name, revision, columns, key);
    let targets = assigned
        .iter()
        .map(|assigned| Target { typed: assigned.typed.clone(), text: assigned.item.text.clone() })
        .collect();
    let conditions = filter.conditions.iter().map(|(typed, _)| typed.clone()).collect();
    Program::new(context, targets, conditions, filter.text(), Arc::new(writes))
}

fn mapping(
    file: &SqlFile,
    source: &Relation<'_>,
    target: &Relation<'_>,
    assigned: &[Assigned<'_>],
    filter: &Filter,
    program: Program,
) -> Mapping {
    let names = |inputs: &BTreeSet<usize>| -> Vec<String> {
        let columns = inputs.iter().filter_map(|&index| source.schema.columns().get(index));
        columns.map(|column| column.name.clone()).collect()
    };
    let columns = assigned
        .iter()
        .filter_map(|assigned| {
            let column = target.schema.columns().get(assigned.target)?;
            Some(MappedColumn {
                target: column.name.clone(),
                expression: assigned.item.text.clone(),
                inputs: names(&assigned.typed.inputs),
                data_type: column.native_type.clone(),
                reads_commit_time: assigned.typed.reads_commit_time,
            })
        })
        .collect();
    let filter_inputs: BTreeSet<usize> =
        filter.conditions.iter().flat_map(|(typed, _)| typed.inputs.iter().copied()).collect();
    Mapping {
        name: file.path.clone(),
        sql: file.text.clone(),
        reads: source.name.clone(),
        writes: target.name.clone(),
        columns,
        filter: (!filter.texts.is_empty()).then(|| filter.text()),
        filter_inputs: names(&filter_inputs),
        filter_reads_commit_time: filter.conditions.iter().any(|(it, _)| it.reads_commit_time),
        execution: Execution::Expressions,
        transform: Arc::new(program.named(&file.path, source.name.clone())),
    }
}
