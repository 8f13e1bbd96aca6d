//! `parked`: rows that were set aside, in the systems that refused them.

use super::Context;
use crate::arguments::{ParkedAction, ParkedRows};
use crate::problem::{Exit, Outcome, Problem};
use crate::project::Project;
use crate::render::{Align, count, table};
use serde::Serialize;
use syncline_core::{ParkKey, SystemName};
use syncline_postgres::Settings;

#[derive(Serialize)]
struct Report {
    parked: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    system: SystemName,
    mapping: String,
    key: String,
    stage: &'static str,
    table: String,
    reason: String,
    culprit: Option<String>,
    hint: Option<String>,
    attempts: u32,
}

#[derive(Serialize)]
struct Changed {
    rows: u64,
}

/// Lists, replays or drops parked rows.
pub(crate) async fn run(context: &Context, action: ParkedAction) -> Outcome<Exit> {
    let project = context.project()?;
    match action {
        ParkedAction::List { system } => list(context, &project, system.as_deref()).await,
        ParkedAction::Replay(rows) => {
            let (system, settings) = target(&project, &rows.system)?;
            let key = key_of(&rows);
            let rows = syncline_postgres::replay_parked(&system, &settings, &rows.mapping, key).await?;
            context.output.result(&Changed { rows }, |changed| {
                format!("{} rows will be tried again by the running Syncline\n", changed.rows)
            });
            Ok(Exit::Ok)
        }
        ParkedAction::Drop(rows) => {
            let (system, settings) = target(&project, &rows.system)?;
            let key = key_of(&rows);
            let rows = syncline_postgres::drop_parked(&system, &settings, &rows.mapping, key).await?;
            context
                .output
                .result(&Changed { rows }, |changed| format!("{} rows dropped\n", changed.rows));
            Ok(Exit::Ok)
        }
    }
}
