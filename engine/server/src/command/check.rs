//! `check`: every mapping against the tables of both its ends.

use super::Context;
use super::lock::inspect_all;
use crate::arguments::Check;
use crate::checked::{self, Checked};
use crate::problem::{Exit, Outcome, Problem};
use crate::project::{TableDrift, between, render_drift};
use crate::render;
use serde::Serialize;

#[derive(Serialize)]
struct Report {
    /// Mappings that can run.
    mappings: usize,
    /// What was found in the mappings.
    problems: Vec<Problem>,
    /// What changed since the lock; only with `--live`.
    drift: Vec<TableDrift>,
}

/// Checks the project's mappings; exits with 1 where one can't run or the lock is behind.
pub(crate) async fn run(context: &Context, check: &Check) -> Outcome<Exit> {
    let project = context.project()?;
    let (lock, drift) = if check.live {
        let live = inspect_all(&project).await?;
        let drift = project.read_lock().map(|locked| between(&locked, &live)).unwrap_or_default();
        (live, drift)
    } else {
        (project.read_lock()?, Vec::new())
    };
    let Checked { mappings, problems } = checked::check(&project, &lock);
    let is_well = drift.is_empty() && !problems.iter().any(Problem::is_error);
    let report = Report { mappings: mappings.len(), problems, drift };
    context.output.result(&report, to_text);
    Ok(if is_well { Exit::Ok } else { Exit::Findings })
}

fn to_text(report: &Report) -> String {
    let mut parts = Vec::new();
    if !report.problems.is_empty() {
        parts.push(render::problems(&report.problems));
    }
    if !report.drift.is_empty() {
        parts.push(format!(
            "changed since syncline.lock was written:\n{}run `syncline lock` to accept it\n",
            render_drift(&report.drift)
        ));
    }
    let errors = report.problems.iter().filter(|problem| problem.is_error()).count();
    let warnings = report.problems.len() - errors;
    parts.push(format!(
        "{} well, {}, {}\n",
        counted(report.mappings, "mapping"),
        counted(errors, "error"),
        counted(warnings, "warning")
    ));
    parts.join("\n")
}

fn counted(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}
