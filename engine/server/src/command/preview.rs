//! `preview`: real rows in, and what a mapping makes of them. Nothing is written anywhere.

use super::Context;
use super::lock::in_topics;
use crate::arguments::Preview;
use crate::checked;
use crate::problem::{Exit, Failure, Outcome, Problem};
use crate::project::{Lock, Project, System};
use crate::render::{Align, table};
use arrow_array::RecordBatch;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use serde::Serialize;
use syncline_core::{ChangeBatch, TableName, Transformed, key_text};
use syncline_mappings::Mapping;

#[derive(Serialize)]
struct Report {
    mapping: String,
    reads: String,
    writes: String,
    rows_in: Rows,
    rows_out: Rows,
    rejected: Vec<Rejected>,
}

/// Rows as text; NULL is `None`.
#[derive(Serialize)]
struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
}

#[derive(Serialize)]
struct Rejected {
    key: String,
    expression: Option<String>,
    reason: String,
    hint: Option<String>,
}

/// Shows what one mapping makes of a few rows of its source.
pub(crate) async fn run(context: &Context, preview: &Preview) -> Outcome<Exit> {
    let project = context.project()?;
    let lock = project.read_lock()?;
    let mappings = checked::find(&project, &lock, &preview.mapping)?;
    let Some((mapping, others)) = mappings.split_first() else { return Ok(Exit::Internal) };
    let rows_in = rows_of(&project, &lock, others, &mapping.reads, preview.rows.into()).await?;
    let transformed = mapping.transform.transform(&rows_in)?;
    let report = report(mapping, &rows_in, &transformed);
    let exit = if report.rejected.is_empty() { Exit::Ok } else { Exit::Findings };
    context.output.result(&report, to_text);
    Ok(exit)
}

/// A few rows of a table; of an entity, what its mapping makes of a few rows of its source.
async fn rows_of(
    project: &Project,
    lock: &Lock,
    mappings: &[Mapping],
    name: &TableName,
    limit: usize,
) -> Outcome<ChangeBatch> {
    let TableName::Table { system, .. } = name else {
        let feeding = mappings.iter().find(|mapping| &mapping.writes == name).ok_or_else(|| {
            Problem::new(format!("nothing writes the entity {name}"))
                .hint(format!("write a mapping that begins INSERT INTO {name}"))
        })?;
        let rows = Box::pin(rows_of(project, lock, mappings, &feeding.reads, limit)).await?;
        return Ok(feeding.transform.transform(&rows)?.rows);
    };
    if let System::Generator(settings) = project.system(system)? {
        return Ok(syncline_generator::sample(settings, limit)?);
    }
    if let System::Debezium(_) = project.system(system)? {
        let (system, settings, name) = (system.clone(), project.debezium(system)?, name.clone());
        let rows = move || syncline_debezium::sample(&system, &settings, &name, limit);
        return Ok(in_topics(rows).await?);
    }
    let settings = project.postgres(system)?;
    let table = lock.tables.get(name).ok_or_else(|| unlocked(name))?;
    Ok(syncline_postgres::sample(system, &settings, &table.schema, limit).await?)
}

fn unlocked(name: &TableName) -> Failure {
    Problem::new(format!("{name} is not in syncline.lock"))
        .hint("run `syncline lock`".to_owned())
        .into()
}

fn report(mapping: &Mapping, rows_in: &ChangeBatch, transformed: &Transformed) -> Report {
    let mut inputs: Vec<&str> = Vec::new();
    for input in mapping.columns.iter().flat_map(|column| &column.inputs) {
        if !inputs.contains(&input.as_str()) {
            inputs.push(input);
        }
    }
    let rejected = transformed.rejected.iter().map(|rejected| Rejected {
        key: key_text(rows_in, rejected.row),
        expression: rejected.expression.clone(),
        reason: rejected.reason.clone(),
        hint: rejected.hint.clone(),
    });
    Report {
        mapping: mapping.name.clone(),
        reads: mapping.reads.to_string(),
        writes: mapping.writes.to_string(),
        rows_in: Rows::of(rows_in.columns(), |name| inputs.contains(&name)),
        rows_out: Rows::of(transformed.rows.columns(), |_| true),
        rejected: rejected.collect(),
    }
}

impl Rows {
    fn of(batch: &RecordBatch, shown: impl Fn(&str) -> bool) -> Self {
        let options = FormatOptions::default();
        let schema = batch.schema();
        let columns: Vec<_> = schema
            .fields()
            .iter()
            .zip(batch.columns())
            .filter(|(field, _)| shown(field.name()))
            .collect();
        let cell = |column: &arrow_array::ArrayRef, row: usize| {
            let formatter = ArrayFormatter::try_new(column, &options).ok()?;
            (!column.is_null(row)).then(|| formatter.value(row).to_string())
        };
        let rows = (0..batch.num_rows())
            .map(|row| columns.iter().map(|(_, column)| cell(column, row)).collect());
        Self {
            rows: rows.collect(),
            columns: columns.iter().map(|(field, _)| field.name().clone()).collect(),
        }
    }

    fn to_text(&self) -> String {
        /// Characters of a cell that are shown.
        const WIDTH_MAX: usize = 40;
        let shorten = |text: &str| {
            let text = text.replace(['\n', '\r', '\t'], " ");
            match text.char_indices().nth(WIDTH_MAX) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text,
            }
        };
        let headings: Vec<_> =
            self.columns.iter().map(|column| (column.as_str(), Align::Left)).collect();
        let cell = |cell: &Option<String>| cell.as_deref().map_or("NULL".into(), shorten);
        let rows: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
        table(&headings, &rows)
    }
}

fn to_text(report: &Report) -> String {
    let mut text = format!(
        "{} rows of {}\n\n{}\n{} rows for {}\n\n{}",
        report.rows_in.rows.len(),
        report.reads,
        report.rows_in.to_text(),
        report.rows_out.rows.len(),
        report.writes,
        report.rows_out.to_text(),
    );
    for rejected in &report.rejected {
        let problem = Problem {
            detail: rejected.expression.as_ref().map(|expression| format!("in {expression}")),
            hint: rejected.hint.clone(),
            ..Problem::new(format!("the row with key {}: {}", rejected.key, rejected.reason))
        };
        text += &format!("\n{}", crate::render::problems(&[problem]));
    }
    text
}
