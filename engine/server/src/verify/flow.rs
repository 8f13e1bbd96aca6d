//! Whether what was committed so far is at its target: of one table alone, and no longer than asked.
//!
//! The steps are those of [`crate::live::caught_up`]: each looks at the end of a topic only once what feeds it was
//! passed. Golden rows that were told are in the entity's topic by the time that its resolves have passed the ends
//! that their topics had: golden rows are durable before a resolve moves on.

use super::scope::Scope;
use crate::live::{Report, Watching};
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use syncline_core::{ChangeLog, Offset, ReaderName, Result, SystemName};
use syncline_runtime::LoopState;
use tokio::time::timeout;

use crate::live::Reading;

/// How far each source is.
pub(crate) type Marks = BTreeMap<SystemName, u64>;

/// The flow of a running engine.
#[derive(Clone)]
pub(crate) struct Flow {
    watching: Watching,
    log: Arc<dyn ChangeLog>,
}

/// Why something did not pass.
struct Late(String);

impl Flow {
    /// Of an engine that is watched, and its log.
    pub(crate) fn new(watching: Watching, log: Arc<dyn ChangeLog>) -> Self {
        Self { watching, log }
    }

    /// Reports of it.
    pub(crate) fn watching(&self) -> Watching {
        self.watching.clone()
    }

    /// How far the sources of a table are by now.
    pub(crate) async fn marks(&self, scope: &Scope) -> Result<Marks> {
        let asked = scope.sources.iter().map(|(system, settings)| async move {
            Ok((system.clone(), syncline_postgres::current_commit(settings).await?))
        });
        join_all(asked).await.into_iter().collect()
    }

    /// How much of the sources of a table is in the log.
    pub(crate) fn captured(&self, scope: &Scope) -> Marks {
        let report = self.watching.borrow();
        let captured = scope.sources.keys().filter_map(|system| {
            let capture = report.captures.get(system.as_str())?;
            Some((system.clone(), capture.status.durable_commit))
        });
        captured.collect()
    }

    /// Waits until the lanes of a table have passed all that came before the marks; says why not, where they don't
    /// in time.
    pub(crate) async fn pass(
        &self,
        scope: &Scope,
        marks: &Marks,
        longest: Duration,
    ) -> Result<Option<String>> {
        match timeout(longest, self.passed(scope, marks)).await {
            Ok(Ok(Ok(()))) => Ok(None),
            Ok(Ok(Err(Late(why)))) => Ok(Some(why)),
            Ok(Err(error)) => Err(error),
            Err(_) => Ok(Some(self.why_late(scope, longest))),
        }
    }

    async fn passed(&self, scope: &Scope, marks: &Marks) -> Result<std::result::Result<(), Late>> {
        let mut watching = self.watching.clone();
        loop {
            let is_past = |report: &Report| marks.iter().all(|mark| is_past(report, mark));
            if let Err(late) = wait(&mut watching, scope, is_past).await {
                return Ok(Err(late));
            }
            for readers in [&scope.resolves, &scope.lanes] {
                let ends = self.ends(readers).await?;
                let have_read = |report: &Report| ends.iter().all(|end| has_read(report, end));
                if let Err(late) = wait(&mut watching, scope, have_read).await {
                    return Ok(Err(late));
                }
            }
            // A lane that begins may ask for a copy; the report after that knows of it.
            let Ok(()) = watching.changed().await else { return Ok(Err(ended())) };
            if is_past(&watching.borrow_and_update()) {
                return Ok(Ok(()));
            }
        }
    }

    async fn ends(&self, readers: &BTreeSet<Reading>) -> Result<Vec<(ReaderName, Offset)>> {
        let mut ends = Vec::with_capacity(readers.len());
        for (reader, topic) in readers {
            ends.push((reader.clone(), self.log.tail(topic).await?.next));
        }
        Ok(ends)
    }

    fn why_late(&self, scope: &Scope, waited: Duration) -> String {
        let report = self.watching.borrow();
        let retrying = loops(scope, &report).find_map(|(name, state)| match state {
            LoopState::Retrying { error, .. } => Some(format!("{name} is retrying: {error}")),
            _ => None,
        });
        let copied = || {
            let copied = scope.sources.keys().find(|system| {
                let capture = report.captures.get(system.as_str());
                capture.is_some_and(|it| !it.status.streaming)
            })?;
            Some(format!("tables of {copied} are being copied"))
        };
        let slow =
            || format!("what was committed was not at the target within {} s", waited.as_secs());
        retrying.or_else(copied).unwrap_or_else(slow)
    }
}

/// The loops that bring a table its rows.
fn loops<'a>(
    scope: &'a Scope,
    report: &'a Report,
) -> impl Iterator<Item = (&'a str, &'a LoopState)> {
    let captures = scope.sources.keys().filter_map(|system| {
        let capture = report.captures.get(system.as_str())?;
        Some((system.as_str(), &capture.status.state))
    });
    let readers = scope.resolves.iter().chain(&scope.lanes).filter_map(|(reader, _)| {
        Some((reader.as_str(), &report.lanes.get(reader.as_str())?.state))
    });
    captures.chain(readers)
}

fn is_past(report: &Report, (system, mark): (&SystemName, &u64)) -> bool {
    let capture = report.captures.get(system.as_str());
    capture.is_some_and(|it| it.status.streaming && it.status.durable_commit >= *mark)
}

fn has_read(report: &Report, (reader, end): &(ReaderName, Offset)) -> bool {
    report.lanes.get(reader.as_str()).is_none_or(|lane| lane.next >= end.0)
}

/// Waits until a report is so.
async fn wait(
    watching: &mut Watching,
    scope: &Scope,
    holds: impl Fn(&Report) -> bool,
) -> std::result::Result<(), Late> {
    loop {
        {
            let report = watching.borrow_and_update();
            if holds(&report) {
                return Ok(());
            }
            let stopped = loops(scope, &report).find_map(|(name, state)| match state {
                LoopState::Stopped { error, .. } => Some(format!("{name} has stopped: {error}")),
                _ => None,
            });
            if let Some(why) = stopped {
                return Err(Late(why));
            }
        }
        if watching.changed().await.is_err() {
            return Err(ended());
        }
    }
}

fn ended() -> Late {
    Late("the engine ended".into())
}
