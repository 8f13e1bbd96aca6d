//! Requests to copy tables again, from a command to the process that works on the project.
//!
//! A command leaves a file in the state directory. The running process takes it up within half a
//! second, else the next one before it begins. So it needs no server that changes things on request:
//! who may write to the state directory may ask.

use crate::clock::SystemClock;
use crate::durable;
use crate::problem::{Failure, Outcome, Problem};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use syncline_core::{SystemName, TableName};
use syncline_runtime::{Backfills, Clock as _};
use syncline_segment::create_directory;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// The directory that requests are left in.
const DIRECTORY: &str = "asked";

/// How often the running process looks.
const PERIOD: Duration = Duration::from_millis(500);

/// What is asked of one system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// The system.
    pub(crate) system: SystemName,
    /// Its tables.
    pub(crate) tables: Vec<TableName>,
    /// Whether these are all that is read of it: what was missed is given up with them.
    pub(crate) all: bool,
}

/// Leaves a request; durable when it returns. Gives its file, which is gone once it was taken up.
pub(crate) fn leave(state: &Path, asked: &[Asked]) -> Outcome<PathBuf> {
    let directory = state.join(DIRECTORY);
    let file = directory.join(format!("{:020}-{}.json", SystemClock.now(), std::process::id()));
    let text = serde_json::to_vec(asked).expect("a request is JSON");
    create_directory(&directory).map_err(syncline_core::Error::from)?;
    durable::replace(&file, &text)
        .map_err(|error| Failure::io(format!("can't write {}", file.display()), &error))?;
    Ok(file)
}

/// Takes up what was left so far, the oldest first.
pub(crate) fn take_up(state: &Path, backfills: &Backfills) -> Outcome<()> {
    let Ok(entries) = std::fs::read_dir(state.join(DIRECTORY)) else { return Ok(()) };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files.iter().try_for_each(|file| take_up_file(file, backfills))
}

fn take_up_file(file: &Path, backfills: &Backfills) -> Outcome<()> {
    let unreadable = |error: std::io::Error| {
        Failure::io(format!("can't take up the request in {}", file.display()), &error)
    };
    let text = std::fs::read(file).map_err(unreadable)?;
    let asked: Vec<Asked> = serde_json::from_slice(&text).map_err(|error| {
        Problem::new(format!("{} is no request to copy tables again", file.display()))
            .detail(error.to_string())
            .hint("remove it, and ask again with `syncline backfill`".to_owned())
    })?;
    for Asked { system, tables, all } in asked {
        match backfills.ask(&system, tables, all) {
            // The project may have changed since.
            Err(error) if error.kind() == syncline_core::Kind::Config => {
                tracing::warn!("nothing is copied again: {error}");
            }
            other => other?,
        }
    }
    std::fs::remove_file(file).map_err(unreadable)
}

/// Looks for requests until the task is aborted.
pub(crate) fn watch(state: PathBuf, backfills: Arc<Backfills>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failed = false;
        loop {
            ticks.tick().await;
            let taken = take_up(&state, &backfills);
            if let (Err(failure), false) = (&taken, failed) {
                tracing::error!("{}", crate::render::problems(&failure.problems));
            }
            failed = taken.is_err();
        }
    })
}
