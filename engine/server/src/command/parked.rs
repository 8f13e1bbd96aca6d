//! `parked`: rows that were set aside. Those a target refused are kept by the target itself, or at the brokers
//! where it is topics; those that did not reach their entity are kept in the project's state.

use super::Context;
use super::lock::in_topics;
use crate::arguments::{ParkedAction, ParkedRows};
use crate::checked::find_file;
use crate::live::{ADDRESS_FILE, SetAside, ask, before_entities};
use crate::problem::{Exit, Failure, Outcome, Problem};
use crate::project::{Project, System};
use crate::render::{self, Align, table};
use crate::state::State;
use serde::Serialize;
use std::collections::BTreeMap;
use syncline_core::{ParkKey, Parked, ReaderName, Stage, SystemName, Topic};
use syncline_debezium::{Asked, ask_parked};
use syncline_postgres::{ParkedRow, Settings, drop_parked, list_parked, replay_parked};

#[derive(Serialize)]
struct Report {
    parked: Vec<SetAside>,
}

#[derive(Serialize)]
struct Changed {
    rows: u64,
}

/// Lists, replays or drops.
pub(crate) async fn run(context: &Context, action: ParkedAction) -> Outcome<Exit> {
    let project = context.project()?;
    match action {
        ParkedAction::List { system } => list(context, &project, system.as_deref()).await,
        ParkedAction::Replay(rows) => replay(context, &project, &rows).await,
        ParkedAction::Drop(rows) => drop_rows(context, &project, &rows).await,
    }
}

async fn list(context: &Context, project: &Project, only: Option<&str>) -> Outcome<Exit> {
    let mut parked = Vec::new();
    match only {
        Some(system) => {
            let system = SystemName::new(system);
            if is_feed(project, system.as_str())? {
                parked.extend(in_feeds(project, &system).await?);
            } else {
                parked.extend(at_target(&system, &project.postgres(&system)?).await?);
            }
        }
        None => {
            parked.extend(in_state(project).await?);
            for (system, settings) in project.all_postgres()? {
                parked.extend(at_target(&system, &settings).await?);
            }
            for (system, _) in project.all_feeds()? {
                parked.extend(in_feeds(project, &system).await?);
            }
        }
    }
    context.output.result(&Report { parked }, to_text);
    Ok(Exit::Ok)
}

async fn at_target(system: &SystemName, settings: &Settings) -> Outcome<Vec<SetAside>> {
    let rows = list_parked(settings).await?;
    Ok(rows.into_iter().map(|row| of_target(system, row)).collect())
}

fn of_target(system: &SystemName, row: ParkedRow) -> SetAside {
    SetAside {
        system: Some(system.to_string()),
        reader: row.reader,
        mapping: row.mapping,
        key: row.key,
        stage: row.stage,
        table: row.table,
        reason: row.reason,
        culprit: row.culprit,
        hint: row.hint,
        attempts: row.attempts,
    }
}

/// What is kept at the brokers beside the topics of a system.
async fn in_feeds(project: &Project, system: &SystemName) -> Outcome<Vec<SetAside>> {
    let rows = kept(project, system).await?;
    let at_target =
        |(reader, row)| SetAside { system: Some(system.to_string()), ..SetAside::of(&reader, row) };
    Ok(rows.into_iter().map(at_target).collect())
}

/// The rows that are kept there, with who set them aside.
pub(super) async fn kept(
    project: &Project,
    system: &SystemName,
) -> Outcome<Vec<(ReaderName, Parked)>> {
    let (of, settings) = (system.clone(), project.feeds(system)?);
    let readers: Vec<_> = topics(project).map(|topic| ReaderName::apply(system, &topic)).collect();
    let rows = in_topics(move || {
        let mut rows = Vec::new();
        for reader in readers {
            let parked = syncline_debezium::parked_rows(&of, &settings, &reader)?;
            rows.extend(parked.into_iter().map(|row| (reader.clone(), row)));
        }
        Ok(rows)
    });
    Ok(rows.await?)
}

/// Asks for the rows that are meant; says how many they are.
async fn ask_for(project: &Project, rows: &ParkedRows, asked: Asked) -> Outcome<u64> {
    let (system, mapping) = (SystemName::new(&rows.system), mapping_of(project, rows));
    let is_meant = |key: &ParkKey| {
        key.mapping == mapping && rows.key.as_ref().is_none_or(|meant| *meant == key.key)
    };
    let mut meant: BTreeMap<ReaderName, Vec<ParkKey>> = BTreeMap::new();
    for (reader, row) in kept(project, &system).await? {
        if is_meant(&row.key) {
            meant.entry(reader).or_default().push(row.key);
        }
    }
    let count = meant.values().map(|rows| rows.len() as u64).sum();
    let settings = project.feeds(&system)?;
    in_topics(move || {
        let mut each = meant.into_iter();
        each.try_for_each(|(of, rows)| ask_parked(&system, &settings, &of, &rows, asked))
    })
    .await?;
    Ok(count)
}

/// Whether rows are set aside at brokers, and not by the target itself.
fn is_feed(project: &Project, system: &str) -> Outcome<bool> {
    Ok(matches!(project.system(&SystemName::new(system))?, System::Debezium(_)))
}

/// All topics of the log that a project may have.
fn topics(project: &Project) -> impl Iterator<Item = Topic> {
    let systems = project.settings.systems.keys().map(Topic::changes);
    let entities = project.entity_schemas().map(|it| Topic::entity(&it.name().to_string()));
    systems.chain(entities)
}

/// What the running process knows, since the state is its; where none runs, the state itself.
async fn in_state(project: &Project) -> Outcome<Vec<SetAside>> {
    let directory = project.state();
    if !directory.exists() {
        return Ok(Vec::new());
    }
    if directory.join(ADDRESS_FILE).exists()
        && let Ok(answer) = ask(&directory, "/parked", "application/json").await
    {
        return serde_json::from_str(&answer).map_err(|error| {
            let wrong = Problem::new("the running Syncline's answer can't be understood")
                .detail(error.to_string())
                .hint("is it of another version?".to_owned());
            Failure::new(Exit::Unavailable, wrong)
        });
    }
    let state = State::open(project)?;
    let entities: Vec<String> = project.entity_schemas().map(|it| it.name().to_string()).collect();
    let topics: Vec<Topic> = topics(project).collect();
    let readers = entities
        .iter()
        .flat_map(|entity| topics.iter().map(|topic| ReaderName::resolve(entity, topic)));
    before_entities(state.checkpoints.as_ref(), &readers.collect::<Vec<_>>())
}

async fn replay(context: &Context, project: &Project, rows: &ParkedRows) -> Outcome<Exit> {
    let rows = if is_feed(project, &rows.system)? {
        ask_for(project, rows, Asked::Replay).await?
    } else {
        let settings = project.postgres(&SystemName::new(&rows.system))?;
        let mapping = mapping_of(project, rows);
        replay_parked(&settings, None, Some(mapping), rows.key.as_deref()).await?
    };
    let text = |changed: &Changed| match changed.rows {
        0 => "no such row is set aside\n".to_owned(),
        rows => format!("{rows} rows will be tried again by the running Syncline\n"),
    };
    context.output.result(&Changed { rows }, text);
    Ok(Exit::Ok)
}

async fn drop_rows(context: &Context, project: &Project, rows: &ParkedRows) -> Outcome<Exit> {
    let dropped = if is_feed(project, &rows.system)? {
        ask_for(project, rows, Asked::Drop).await?
    } else {
        drop_at_target(project, rows).await?
    };
    let text = |changed: &Changed| match changed.rows {
        0 => "no such row is set aside\n".to_owned(),
        rows => format!("{rows} rows dropped\n"),
    };
    context.output.result(&Changed { rows: dropped }, text);
    Ok(Exit::Ok)
}

async fn drop_at_target(project: &Project, rows: &ParkedRows) -> Outcome<u64> {
    let settings = project.postgres(&SystemName::new(&rows.system))?;
    let mapping = mapping_of(project, rows);
    let mut dropped = 0;
    for row in list_parked(&settings).await? {
        let is_meant =
            row.mapping == mapping && rows.key.as_ref().is_none_or(|key| *key == row.key);
        if is_meant && drop_one(&settings, &row).await? {
            dropped += 1;
        }
    }
    Ok(dropped)
}

async fn drop_one(settings: &Settings, row: &ParkedRow) -> Outcome<bool> {
    let Some(stage) = Stage::parse(&row.stage) else { return Ok(false) };
    let key = ParkKey { mapping: row.mapping.clone(), stage, key: row.key.clone() };
    Ok(drop_parked(settings, &row.reader, &key).await?)
}

/// The mapping's file; rows of a mapping that is no longer there are named as they are listed.
fn mapping_of<'r>(project: &'r Project, rows: &'r ParkedRows) -> &'r str {
    find_file(&project.mappings, &rows.mapping).unwrap_or(&rows.mapping)
}

fn to_text(report: &Report) -> String {
    if report.parked.is_empty() {
        return "nothing is set aside\n".into();
    }
    let headings = [
        ("system", Align::Left),
        ("mapping", Align::Left),
        ("key", Align::Left),
        ("stage", Align::Left),
        ("tries", Align::Right),
        ("reason", Align::Left),
    ];
    let rows: Vec<Vec<String>> = report
        .parked
        .iter()
        .map(|row| {
            vec![
                row.system.clone().unwrap_or_else(|| "–".into()),
                row.mapping.clone(),
                row.key.clone(),
                row.stage.clone(),
                render::count(row.attempts.into()),
                reason(row),
            ]
        })
        .collect();
    table(&headings, &rows)
}

fn reason(row: &SetAside) -> String {
    let culprit = row.culprit.as_ref().map(|culprit| format!(" ({culprit})")).unwrap_or_default();
    let hint = row.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{}{culprit}{hint}", row.reason)
}
