//! `backfill`: copies tables again, while changes go on.

use super::Context;
use crate::arguments::Backfill;
use crate::checked;
use crate::live::{Asked, ask, leave};
use crate::problem::{Exit, Outcome, Problem, did_you_mean};
use crate::wiring::tables_of;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use syncline_core::{SystemName, TableName};
use syncline_mappings::Mapping;
use tokio::time::{sleep, timeout};

/// How long the running process may take to take a request up.
const TAKEN_UP_WITHIN: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What is read of each system.
type Captured = BTreeMap<SystemName, Vec<TableName>>;

#[derive(Debug, Serialize)]
struct Report {
    tables: Vec<String>,
    /// Whether a running process has taken it up; else the next run does.
    taken_up: bool,
}

/// Leaves the request, and waits until the running process has it, where one runs.
pub(crate) async fn run(context: &Context, backfill: &Backfill) -> Outcome<Exit> {
    let project = context.project()?;
    let mappings = checked::all_well(&project, &project.read_lock()?)?;
    let asked = asked(&captured(&mappings), backfill)?;
    let state = project.state();
    let file = leave(&state, &asked)?;
    let is_running = ask(&state, "/status", "application/json").await.is_ok();
    let taken_up = is_running && is_taken_up(&file).await;
    let tables = asked.iter().flat_map(|it| &it.tables).map(ToString::to_string).collect();
    context.output.result(&Report { tables, taken_up }, to_text);
    Ok(Exit::Ok)
}

async fn is_taken_up(file: &Path) -> bool {
    let gone = async {
        while file.exists() {
            sleep(LOOK_AGAIN).await;
        }
    };
    timeout(TAKEN_UP_WITHIN, gone).await.is_ok()
}

fn captured(mappings: &[Mapping]) -> Captured {
    let systems: BTreeSet<&SystemName> =
        mappings.iter().filter_map(|it| it.reads.system()).collect();
    let tables = |system: &SystemName| (system.clone(), tables_of(mappings, system).0);
    systems.into_iter().map(tables).collect()
}

fn asked(captured: &Captured, backfill: &Backfill) -> Outcome<Vec<Asked>> {
    let mut asked = Captured::new();
    if backfill.all {
        match &backfill.system {
            Some(name) => {
                let (system, tables) = captured
                    .get_key_value(&SystemName::new(name))
                    .ok_or_else(|| unknown_system(name, captured))?;
                asked.insert(system.clone(), tables.clone());
            }
            None => asked.clone_from(captured),
        }
    }
    for name in &backfill.tables {
        let mut all =
            captured.iter().flat_map(|(system, it)| it.iter().map(move |it| (system, it)));
        let (system, table) = all
            .find(|(_, table)| table.to_string() == *name)
            .ok_or_else(|| unknown_table(name, captured))?;
        let tables = asked.entry(system.clone()).or_default();
        if !tables.contains(table) {
            tables.push(table.clone());
        }
    }
    let asked = asked.into_iter().map(|(system, tables)| {
        let all = captured.get(&system).is_some_and(|all| all.len() == tables.len());
        Asked { system, tables, all }
    });
    Ok(asked.collect())
}

fn unknown_system(name: &str, captured: &Captured) -> Problem {
    let systems = || captured.keys().map(SystemName::as_str);
    Problem::new(format!("no mapping reads a table of {name:?}"))
        .detail(format!("they read {}", systems().collect::<Vec<_>>().join(", ")))
        .hint(did_you_mean(name, systems()))
}

fn unknown_table(name: &str, captured: &Captured) -> Problem {
    let tables: Vec<String> = captured.values().flatten().map(ToString::to_string).collect();
    Problem::new(format!("no mapping reads a table {name:?}"))
        .detail(format!("they read {}", tables.join(", ")))
        .hint(did_you_mean(name, tables.iter().map(String::as_str)))
}

fn to_text(report: &Report) -> String {
    let tables = report.tables.join("\n  ");
    let when = match report.taken_up {
        true => "now; `syncline status` shows how far it is",
        false => "by the next `syncline run`",
    };
    format!(
        "copied again {when}:\n  {tables}\nRows that were deleted at the source while its changes \
         could not be read, or that a mapping no longer\nwants, are not deleted at the targets.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::problems;

    fn table(system: &str, table: &str) -> TableName {
        TableName::table(&SystemName::new(system), "public", table)
    }

    fn project() -> Captured {
        BTreeMap::from([
            (SystemName::new("hr"), vec![table("hr", "people")]),
            (SystemName::new("sis"), vec![table("sis", "courses"), table("sis", "students")]),
        ])
    }

    fn backfill(tables: &[&str], all: bool, system: Option<&str>) -> Backfill {
        let tables = tables.iter().map(|&table| table.to_owned()).collect();
        Backfill { tables, all, system: system.map(str::to_owned) }
    }

    fn counts(backfill: &Backfill) -> Vec<(String, usize, bool)> {
        let asked = asked(&project(), backfill).expect("it is there");
        asked.iter().map(|it| (it.system.to_string(), it.tables.len(), it.all)).collect()
    }

    #[test]
    fn tables_or_all_of_them_or_all_of_one_system() {
        assert_eq!(
            counts(&backfill(&["sis.public.students"], false, None)),
            [("sis".into(), 1, false)]
        );
        let all = [("hr".into(), 1, true), ("sis".into(), 2, true)];
        assert_eq!(counts(&backfill(&[], true, None)), all);
        assert_eq!(counts(&backfill(&[], true, Some("sis"))), [("sis".into(), 2, true)]);
        let both = ["sis.public.students", "sis.public.courses", "sis.public.students"];
        assert_eq!(counts(&backfill(&both, false, None)), [("sis".into(), 2, true)]);
    }

    #[test]
    fn unknown_names_are_told_with_the_nearest() {
        let told = |backfill: &Backfill| {
            problems(&asked(&project(), backfill).expect_err("it is not there").problems)
        };
        let table = told(&backfill(&["sis.public.studens"], false, None));
        let system = told(&backfill(&[], true, Some("siss")));
        insta::assert_snapshot!(table + &system);
    }
}
