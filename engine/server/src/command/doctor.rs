//! `doctor`: what is wrong with the systems' set-up, and the statement that mends it.

use super::Context;
use super::lock::in_topics;
use crate::checked::{self, Checked};
use crate::problem::{Exit, Outcome, Problem};
use crate::project::{Lock, Project};
use crate::wiring::tables_of;
use futures::future::{join_all, join3};
use serde::Serialize;
use std::fmt::Write as _;
use syncline_core::{Finding, Severity, SystemName};
use syncline_mappings::Mapping;

#[derive(Serialize)]
struct Report {
    /// What is wrong with the project itself.
    project: Vec<Problem>,
    systems: Vec<SystemReport>,
}

#[derive(Serialize)]
struct SystemReport {
    system: SystemName,
    findings: Vec<Finding>,
}

/// Looks at every system with the tables that the mappings use; exits with 1 on an error.
pub(crate) async fn run(context: &Context) -> Outcome<Exit> {
    let project = context.project()?;
    let (mappings, problems) = mappings_of(&project);
    let systems = project.all_postgres()?;
    let asked = systems.iter().map(|(system, settings)| {
        let (reads, writes) = tables_of(&mappings, system);
        async move {
            let findings = syncline_postgres::doctor(system, settings, &reads, &writes).await;
            let findings = findings.unwrap_or_else(|error| vec![unreachable(error)]);
            SystemReport { system: system.clone(), findings }
        }
    });
    let topics = project.all_debezium()?.into_iter().map(|(system, settings)| {
        let (reads, _) = tables_of(&mappings, &system);
        async move {
            let name = system.clone();
            let look = move || Ok(syncline_debezium::doctor(&system, &settings, &reads));
            let findings = in_topics(look).await.unwrap_or_else(|error| vec![unreachable(error)]);
            SystemReport { system: name, findings }
        }
    });
    let written = project.all_feeds()?.into_iter().map(|(system, settings)| {
        let (_, writes) = tables_of(&mappings, &system);
        async move {
            let name = system.clone();
            let look = move || Ok(syncline_debezium::doctor_written(&system, &settings, &writes));
            let findings = in_topics(look).await.unwrap_or_else(|error| vec![unreachable(error)]);
            SystemReport { system: name, findings }
        }
    });
    let (asked, topics, written) =
        join3(join_all(asked), join_all(topics), join_all(written)).await;
    let systems = asked.into_iter().chain(topics).chain(written).collect();
    let report = Report { project: problems, systems };
    let worst = report.systems.iter().flat_map(|s| &s.findings).map(|f| f.severity).max();
    let is_well = worst != Some(Severity::Error) && !report.project.iter().any(Problem::is_error);
    context.output.result(&report, to_text);
    Ok(if is_well { Exit::Ok } else { Exit::Findings })
}

/// The mappings as far as they are well: a project that is not yet whole can be looked at too.
fn mappings_of(project: &Project) -> (Vec<Mapping>, Vec<Problem>) {
    match project.read_lock() {
        Ok(lock) => {
            let Checked { mappings, problems } = checked::check(project, &lock);
            (mappings, problems)
        }
        Err(failure) => (checked::check(project, &Lock::default()).mappings, failure.problems),
    }
}

fn unreachable(error: syncline_core::Error) -> Finding {
    let problem = Problem::from(error);
    Finding {
        severity: Severity::Error,
        problem: problem.message,
        detail: problem.detail,
        mend: problem.hint,
    }
}

fn to_text(report: &Report) -> String {
    let mut text = crate::render::problems(&report.project);
    for system in &report.systems {
        let _ = writeln!(text, "{}", system.system);
        for finding in &system.findings {
            let word = match finding.severity {
                Severity::Ok => "ok",
                Severity::Warning => "warning",
                Severity::Error => "error",
            };
            let _ = writeln!(text, "  {word}: {}", finding.problem);
            for (word, said) in [("detail", &finding.detail), ("mend", &finding.mend)] {
                if let Some(said) = said {
                    let said = said.replace('\n', "\n            ");
                    let _ = writeln!(text, "    {word}: {said}");
                }
            }
        }
    }
    text
}
