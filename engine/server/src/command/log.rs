//! `log`: from the state directory to Kafka.

use super::Context;
use crate::arguments::LogAction;
use crate::durable;
use crate::output::Output;
use crate::problem::{Exit, Failure, Outcome, Problem};
use crate::project::Project;
use crate::render::count;
use crate::state::{EMBEDDED, State};
use crate::wiring::{Wired, wire_on};
use serde::Serialize;
use std::path::PathBuf;
use syncline_log::{EmbeddedLog, Settings};
use syncline_runtime::Moved;

/// Where the embedded log is put, in the state directory, once it was moved.
const ASIDE: &str = "log-moved";

/// What came of it.
#[derive(Debug, Serialize)]
struct Report {
    topics: usize,
    entries: u64,
    readers: usize,
    /// Where the embedded log is now.
    aside: PathBuf,
}

/// Moves the log.
pub(crate) async fn run(context: &Context, action: &LogAction) -> Outcome<Exit> {
    match action {
        LogAction::Move => take_over(context.output, &context.project()?).await,
    }
}

async fn take_over(output: Output, project: &Project) -> Outcome<Exit> {
    if !project.has_log_elsewhere() {
        let wrong = Problem::new("the project's log is the embedded one").hint(
            "say first where it is to go: [log] kind = \"kafka\" in syncline.toml".to_owned(),
        );
        return Err(wrong.into());
    }
    let directory = project.state();
    let (embedded, aside) = (directory.join(EMBEDDED), directory.join(ASIDE));
    if !embedded.exists() {
        let wrong = Problem::new("there is no embedded log to move")
            .detail(format!("{} is not there", embedded.display()));
        return Err(wrong.into());
    }
    if aside.exists() {
        let wrong = Problem::new(format!("{} is there already", aside.display()))
            .hint("it is what an earlier move left: remove it if you need it no more".to_owned());
        return Err(wrong.into());
    }
    let Wired { pipeline, state, .. } = wire_on(project, State::open_to_move)?;
    let from = EmbeddedLog::open(&embedded, Settings::default())?;
    let Moved { topics, entries, readers } = pipeline.take_over(&from).await?;
    drop(from);
    durable::rename(&embedded, &aside)
        .map_err(|error| Failure::io(format!("can't rename {}", embedded.display()), &error))?;
    drop(state);
    output.result(&Report { topics, entries, readers, aside }, to_text);
    Ok(Exit::Ok)
}

fn to_text(report: &Report) -> String {
    let Report { topics, entries, readers, aside } = report;
    format!(
        "{topics} topics moved, with {} entries that not all of {readers} readers had passed\n\
         the embedded log is kept in {}; remove it once all is well\n",
        count(*entries),
        aside.display()
    )
}
