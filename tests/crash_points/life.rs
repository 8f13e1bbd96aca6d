//! One process after the other: the first may be made to end at a point, the next goes on.

use crate::story::Point;
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use syncline_demo::{Program, Running};
use syncline_tests::{ask, check_health, is_streaming};
use tokio::time::{Instant, sleep};

const PAUSE: Duration = Duration::from_millis(20);
const STREAMING_DEADLINE: Duration = Duration::from_secs(60);

/// The lives of one project.
pub(crate) struct Life {
    program: Program,
    project: PathBuf,
    /// Where the next processes are to end; the last is to end by itself.
    armed: Vec<String>,
    running: Option<Running>,
    /// How many ended where they were told to.
    pub(crate) crashes: u32,
}

impl Life {
    pub(crate) fn new(program: Program, project: &Path, crashes: &[Point]) -> Self {
        let armed = crashes.iter().rev().map(ToString::to_string).collect();
        Self { program, project: project.to_owned(), armed, running: None, crashes: 0 }
    }

    /// Starts the first process, or the next where one ended at its point.
    pub(crate) fn look(&mut self) -> Result<()> {
        if let Some(running) = &mut self.running {
            let Some(status) = running.ended()? else { return Ok(()) };
            let is_crash = status.signal() == Some(Signal::SIGABRT as i32);
            ensure!(is_crash, "it ended with {status}\n{}", running.last_words());
            self.crashes += 1;
        }
        let point = self.armed.pop().map(|point| ("SYNCLINE_CRASH".to_owned(), point));
        self.running = Some(self.program.clone().with(point).run(&self.project)?);
        Ok(())
    }

    /// Asks again and again until the answer is yes, over as many processes as it takes.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        deadline: Duration,
        mut question: impl AsyncFnMut(&Path) -> Result<bool>,
    ) -> Result<()> {
        let began = Instant::now();
        loop {
            self.look()?;
            check_health(&self.project).with_context(|| self.said())?;
            if question(&self.project).await? {
                return Ok(());
            }
            if began.elapsed() > deadline {
                bail!("after {deadline:?} still waiting until {what}\n{}", self.said());
            }
            sleep(PAUSE).await;
        }
    }

    pub(crate) async fn until_streaming(&mut self) -> Result<()> {
        let streams = async |project: &Path| is_streaming(project);
        self.until("changes stream", STREAMING_DEADLINE, streams).await
    }

    /// What it says of itself, and said last.
    pub(crate) fn said(&self) -> String {
        let words = self.running.as_ref().map(Running::last_words).unwrap_or_default();
        format!("{}\n{words}", ask(&self.project, "/status").unwrap_or_default())
    }

    /// Stops in an orderly way.
    pub(crate) async fn end(mut self) -> Result<u32> {
        loop {
            // One that has just begun does not listen for signals yet, and would end by this one.
            self.until_streaming().await?;
            let running = self.running.take().context("started above")?;
            let words = running.last_words();
            let status = tokio::task::spawn_blocking(move || running.terminate()).await??;
            if status.success() {
                return Ok(self.crashes);
            }
            // A point may be reached on the way out.
            ensure!(status.signal() == Some(Signal::SIGABRT as i32), "{status}\n{words}");
            self.crashes += 1;
        }
    }
}
