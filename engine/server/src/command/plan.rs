//! `plan`: what a run would make and change, with the row counts of the live systems, and what policies
//! that were changed would change. Changes nothing.

use super::Context;
use super::plan_rules::{self, RulesPlan, rules_plan};
use crate::checked;
use crate::problem::{Exit, Failure, Outcome};
use crate::project::{Lock, Project, System};
use crate::render::{Align, count, table};
use crate::wiring::tables_of;
use futures::future::join_all;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use syncline_core::{SystemName, TableName};
use syncline_mappings::Mapping;

#[derive(Serialize)]
struct Report {
    mappings: Vec<MappingPlan>,
    systems: Vec<SystemPlan>,
    rules: RulesPlan,
}

#[derive(Serialize)]
struct MappingPlan {
    mapping: String,
    reads: String,
    rows_read: Option<u64>,
    writes: String,
    rows_there: Option<u64>,
}

/// What a run makes in a system where it is not there yet.
#[derive(Serialize)]
struct SystemPlan {
    system: SystemName,
    slot: Option<String>,
    publication: Option<String>,
    publishes: Vec<String>,
    writes: Vec<String>,
}

/// Counts both ends of every mapping.
pub(crate) async fn run(context: &Context) -> Outcome<Exit> {
    let project = context.project()?;
    let lock = project.read_lock()?;
    let mappings = checked::all_well(&project, &lock)?;
    let names: BTreeSet<&TableName> =
        mappings.iter().flat_map(|mapping| [&mapping.reads, &mapping.writes]).collect();
    context.output.progress(&format!("counting the rows of {} tables", names.len()));
    let counts = count_all(&project, &lock, names).await?;
    let plans = mappings.iter().map(|mapping| MappingPlan {
        mapping: mapping.name.clone(),
        reads: mapping.reads.to_string(),
        rows_read: counts.get(&mapping.reads).copied(),
        writes: mapping.writes.to_string(),
        rows_there: counts.get(&mapping.writes).copied(),
    });
    let rules = rules_plan(&project, &mappings).await;
    let systems = systems(&project, &mappings)?;
    let report = Report { mappings: plans.collect(), systems, rules };
    context.output.result(&report, to_text);
    Ok(Exit::Ok)
}

async fn count_all(
    project: &Project,
    lock: &Lock,
    names: BTreeSet<&TableName>,
) -> Outcome<BTreeMap<TableName, u64>> {
    let mut asked = Vec::new();
    for name in names {
        let (Some(system), Some(table)) = (name.system(), lock.tables.get(name)) else { continue };
        let System::Postgres(_) = project.system(system)? else { continue };
        let settings = project.postgres(system)?;
        asked.push(async move {
            let rows = syncline_postgres::count(system, &settings, &table.schema).await?;
            Ok::<_, syncline_core::Error>((name.clone(), rows))
        });
    }
    let mut counts = BTreeMap::new();
    let mut failures: Vec<Failure> = Vec::new();
    for answer in join_all(asked).await {
        match answer {
            Ok((name, rows)) => {
                counts.insert(name, rows);
            }
            Err(error) => failures.push(error.into()),
        }
    }
    Failure::all(failures).map_or(Ok(counts), Err)
}

fn systems(project: &Project, mappings: &[Mapping]) -> Outcome<Vec<SystemPlan>> {
    let plan = |(system, settings): (SystemName, syncline_postgres::Settings)| {
        let (reads, writes) = tables_of(mappings, &system);
        let texts = |names: Vec<TableName>| names.iter().map(ToString::to_string).collect();
        SystemPlan {
            system,
            slot: (!reads.is_empty()).then_some(settings.slot),
            publication: (!reads.is_empty()).then_some(settings.publication),
            publishes: texts(reads),
            writes: texts(writes),
        }
    };
    Ok(project.all_postgres()?.into_iter().map(plan).collect())
}

fn to_text(report: &Report) -> String {
    let headings = [
        ("mapping", Align::Left),
        ("reads", Align::Left),
        ("rows", Align::Right),
        ("writes", Align::Left),
        ("rows now", Align::Right),
    ];
    let number = |rows: Option<u64>| rows.map_or("–".to_owned(), count);
    let rows: Vec<Vec<String>> = report
        .mappings
        .iter()
        .map(|plan| {
            vec![
                plan.mapping.clone(),
                plan.reads.clone(),
                number(plan.rows_read),
                plan.writes.clone(),
                number(plan.rows_there),
            ]
        })
        .collect();
    let mut text = table(&headings, &rows);
    for plan in &report.systems {
        if let (Some(slot), Some(publication)) = (&plan.slot, &plan.publication) {
            let _ = writeln!(
                text,
                "\n{}: makes, unless they are there, slot {slot} and publication {publication} of\n  {}",
                plan.system,
                plan.publishes.join("\n  ")
            );
        }
        if !plan.writes.is_empty() {
            let _ = writeln!(
                text,
                "\n{}: makes, unless they are there, the tables of progress and parked rows; writes\n  {}",
                plan.system,
                plan.writes.join("\n  ")
            );
        }
    }
    text + &plan_rules::to_text(&report.rules)
}
