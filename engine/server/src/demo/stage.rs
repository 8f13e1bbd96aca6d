//! Sets the stage: servers, databases, project; then the engine and the traffic.

use super::prove::prove;
use super::questions::{Questions, sentence};
use super::reference::PROJECT;
use super::view::View;
use crate::arguments::{Demo, DemoLog};
use crate::command::inspect_all;
use crate::engine::Engine;
use crate::output::Output;
use crate::problem::{Exit, Failure, Outcome, Problem};
use crate::project::{Project, SETTINGS_FILE};
use crate::signals::Signals;
use std::path::Path;
use std::time::Duration;
use syncline_demo::{Broker, Cluster, ClusterOptions, Size, Traffic, TrafficOptions, University};
use tempfile::TempDir;
use tokio::task::JoinError;
use tokio::time::{Instant, sleep_until};

/// How long traffic flows with `--once` after the first copies are done.
const TRAFFIC_TIME: Duration = Duration::from_secs(10);

/// The university on its servers. Everything goes when it is dropped.
struct Stage {
    university: University,
    project: Project,
    _sources: Cluster,
    _targets: Cluster,
    _broker: Option<Broker>,
    _directory: TempDir,
}

/// Runs the demo; with `--once` ends with 0 only where every target was proven.
pub(crate) async fn run(output: Output, demo: &Demo) -> Outcome<Exit> {
    if !(demo.scale > 0.0 && demo.scale <= 100.0) {
        let wrong = Problem::new("--scale must be more than 0 and at most 100");
        return Err(Failure::new(Exit::Usage, wrong));
    }
    let mut signals = Signals::listen_on_terminal()?;
    tokio::select! {
        exit = play(output, demo) => exit,
        () = signals.next() => {
            output.progress("ending; the servers and their files go with it");
            signals.end_at_once_on_next();
            Ok(Exit::Ok)
        }
    }
}

async fn play(output: Output, demo: &Demo) -> Outcome<Exit> {
    let stage = set(output, demo).await?;
    let engine = Engine::start(&stage.project).await?;
    let options = TrafficOptions { rows_per_second: demo.rate, ..TrafficOptions::default() };
    let traffic = Traffic::start(&stage.university, options).await.map_err(failed)?;
    let mut questions = Questions::of(&stage.project.state());
    let asked = Questions::of(&stage.project.state());
    let view = View::open(output, engine.watch(), asked, engine.address);
    if !demo.once {
        let mut engine = engine;
        engine.ended().await?;
        return Ok(Exit::Ok);
    }
    until_streaming_for(&engine, TRAFFIC_TIME).await?;
    let report = traffic.stop().await.map_err(failed)?;
    engine.catch_up().await?;
    drop(view);
    output.progress(&format!(
        "{} rows changed in {} transactions; all are at their targets",
        crate::render::count(report.rows),
        crate::render::count(report.transactions),
    ));
    output.progress(&sentence(questions.open().await));
    let exit = prove(output, &stage.university).await?;
    engine.stop().await?;
    Ok(exit)
}

/// Waits until all first copies are done, and then for this long.
async fn until_streaming_for(engine: &Engine, time: Duration) -> Outcome<()> {
    let mut watching = engine.watch();
    let mut streaming_since = None;
    loop {
        let report = watching.borrow_and_update().clone();
        let failure = report.failure();
        if let Some(failure) = failure {
            return Err(failure);
        }
        if report.is_streaming() {
            streaming_since.get_or_insert_with(Instant::now);
        }
        let end = streaming_since.map(|since: Instant| since + time);
        tokio::select! {
            () = sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => return Ok(()),
            changed = watching.changed() => if changed.is_err() {
                return Err(Failure::new(Exit::Internal, Problem::new("the engine ended")));
            },
        }
    }
}

async fn set(output: Output, demo: &Demo) -> Outcome<Stage> {
    output.progress("starting private PostgreSQL servers");
    let (sources, targets) = start_servers().await?;
    let broker = match demo.log {
        DemoLog::Embedded => None,
        DemoLog::Kafka => {
            output.progress("starting a private Apache Kafka broker");
            Some(started(tokio::task::spawn_blocking(Broker::start).await)?)
        }
    };
    let size = Size::scaled(demo.scale);
    output.progress(&format!(
        "filling the university: {} people, {} courses, {} enrolments",
        crate::render::count(u64::from(size.students) + u64::from(size.employees)),
        crate::render::count(size.courses.into()),
        crate::render::count(size.enrolments.into()),
    ));
    let began = Instant::now();
    let university = University::build(&sources, &targets, size).await.map_err(failed)?;
    output.progress(&format!("filled in {:.1} s", began.elapsed().as_secs_f64()));
    let directory = tempfile::tempdir()
        .map_err(|error| Failure::io("can't make a temporary directory", &error))?;
    write_project(directory.path(), broker.as_ref())?;
    let project = Project::open_with(directory.path(), university.environment())?;
    let lock = inspect_all(&project).await?;
    project.write_lock(&lock)?;
    Ok(Stage {
        university,
        project,
        _sources: sources,
        _targets: targets,
        _broker: broker,
        _directory: directory,
    })
}

async fn start_servers() -> Outcome<(Cluster, Cluster)> {
    let start = || tokio::task::spawn_blocking(|| Cluster::start(ClusterOptions::default()));
    let (sources, targets) = tokio::join!(start(), start());
    Ok((started(sources)?, started(targets)?))
}

/// What a thread of its own started.
fn started<T>(joined: Result<anyhow::Result<T>, JoinError>) -> Outcome<T> {
    joined.map_err(anyhow::Error::from).flatten().map_err(failed)
}

fn write_project(directory: &Path, broker: Option<&Broker>) -> Outcome<()> {
    for (path, text) in PROJECT {
        let full = directory.join(path);
        let log =
            broker.filter(|_| *path == SETTINGS_FILE).map(Broker::log_section).unwrap_or_default();
        let text = (*text).to_owned() + &log;
        let failed = |error: std::io::Error| Failure::io(format!("can't write {path}"), &error);
        std::fs::create_dir_all(full.parent().unwrap_or(directory)).map_err(failed)?;
        std::fs::write(&full, text).map_err(failed)?;
    }
    Ok(())
}

/// A failure of the stage, not of the engine.
pub(super) fn failed(error: anyhow::Error) -> Failure {
    let below: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
    let wrong = Problem::new(error.to_string());
    let wrong = if below.is_empty() { wrong } else { wrong.detail(below.join(": ")) };
    Failure::new(Exit::Unavailable, wrong)
}

#[cfg(test)]
mod tests {
    use super::PROJECT;
    use std::path::{Path, PathBuf};

    fn files_below(directory: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(directory).expect("the folder can be read");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
    }

    #[test]
    fn the_demo_carries_every_file_of_the_reference_project() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mappings/university");
        let mut there: Vec<String> = files_below(&root)
            .iter()
            .map(|path| path.strip_prefix(&root).expect("is below").display().to_string())
            .filter(|path| !path.starts_with('.') && path != "syncline.lock")
            .collect();
        there.sort();
        let carried: Vec<&str> = PROJECT.iter().map(|(path, _)| *path).collect();
        assert_eq!(carried, there, "engine/server/src/demo/reference.rs");
    }
}
