//! `explain`: how a mapping is run, or how a field is decided.

use super::{Context, explain_field};
use crate::arguments::Explain;
use crate::checked;
use crate::problem::{Exit, Outcome};
use crate::render::{Align, table};
use serde::Serialize;
use syncline_mappings::{Execution, Mapping};

#[derive(Serialize)]
struct Report {
    mapping: String,
    reads: String,
    writes: String,
    execution: &'static str,
    filter: Option<String>,
    columns: Vec<Column>,
}

#[derive(Serialize)]
struct Column {
    target: String,
    data_type: String,
    expression: String,
    inputs: Vec<String>,
}

/// Shows one mapping's plan, or one field's rules.
pub(crate) fn run(context: &Context, explain: &Explain) -> Outcome<Exit> {
    let project = context.project()?;
    let lock = project.read_lock()?;
    let is_mapping = checked::find_file(&project.mappings, &explain.what).is_ok();
    if let Some(field) = explain_field::find(&project, &explain.what).filter(|_| !is_mapping) {
        return explain_field::run(context, &project, &lock, &field?);
    }
    let mappings = checked::find(&project, &lock, &explain.what)?;
    for mapping in mappings.iter().take(1) {
        context.output.result(&report(mapping), to_text);
    }
    Ok(Exit::Ok)
}

fn report(mapping: &Mapping) -> Report {
    let columns = mapping.columns.iter().map(|column| Column {
        target: column.target.clone(),
        data_type: column.data_type.clone(),
        expression: column.expression.clone(),
        inputs: column.inputs.clone(),
    });
    Report {
        mapping: mapping.name.clone(),
        reads: mapping.reads.to_string(),
        writes: mapping.writes.to_string(),
        execution: execution_words(mapping.execution),
        filter: mapping.filter.clone(),
        columns: columns.collect(),
    }
}

fn execution_words(execution: Execution) -> &'static str {
    match execution {
        Execution::Expressions => "(a) expressions straight on the batch",
        Execution::Plan => "(b) a cached plan, reset and run for each batch",
    }
}

fn to_text(report: &Report) -> String {
    let rows: Vec<Vec<String>> = report
        .columns
        .iter()
        .map(|column| {
            vec![
                column.target.clone(),
                column.data_type.clone(),
                column.expression.clone(),
                column.inputs.join(", "),
            ]
        })
        .collect();
    let headings = [
        ("column", Align::Left),
        ("type", Align::Left),
        ("expression", Align::Left),
        ("from", Align::Left),
    ];
    format!(
        "{}\n  reads      {}\n  writes     {}\n  execution  {}\n  filter     {}\n\n{}",
        report.mapping,
        report.reads,
        report.writes,
        report.execution,
        report.filter.as_deref().unwrap_or("none: every row"),
        table(&headings, &rows),
    )
}
