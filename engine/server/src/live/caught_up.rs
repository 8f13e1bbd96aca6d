//! When is everything that was committed so far at its target?
//!
//! 1. every system has its first copy done and its log has passed the mark, a position taken from the
//!    system itself at the start;
//! 2. every reader of a captured topic has passed the topic's end as it then is;
//! 3. every reader of an entity's topic has passed that topic's end as it then is;
//! 4. nobody has asked for a copy meanwhile; else all begins again.
//!
//! Each step looks at an end only after what feeds it was passed, so nothing before the marks is
//! missed, however much comes after them.

use super::observe::Watching;
use super::report::Report;
use crate::problem::{Exit, Failure, Outcome, Problem};
use std::collections::BTreeMap;
use std::sync::Arc;
use syncline_core::{ChangeLog, Offset, ReaderName, SystemName, Topic};

/// A reader and the topic it reads.
pub(crate) type Reading = (ReaderName, Topic);

/// Waits until all readers have passed what was committed before the marks (a commit position for
/// each system that is read). `readers` are resolves first, as [`crate::wiring`] lists them.
pub(crate) async fn caught_up(
    mut watching: Watching,
    log: &dyn ChangeLog,
    marks: &BTreeMap<SystemName, u64>,
    readers: &[Reading],
) -> Outcome<Arc<Report>> {
    let (captured, resolved): (Vec<_>, Vec<_>) =
        readers.iter().partition(|(_, topic)| marks.keys().any(|it| &Topic::changes(it) == topic));
    loop {
        wait(&mut watching, |report| marks.iter().all(|mark| is_past(report, mark))).await?;
        for stage in [&captured, &resolved] {
            let mut ends = Vec::with_capacity(stage.len());
            for (reader, topic) in stage.iter() {
                ends.push((reader, log.tail(topic).await?.next));
            }
            wait(&mut watching, |report| ends.iter().all(|end| has_read(report, end))).await?;
        }
        // A lane that begins may ask for a copy. The report after the one in which all lanes have
        // begun knows of it.
        let report = next(&mut watching).await?;
        if marks.iter().all(|mark| is_past(&report, mark)) {
            return Ok(report);
        }
    }
}

/// The next report.
async fn next(watching: &mut Watching) -> Outcome<Arc<Report>> {
    if watching.changed().await.is_err() {
        let wrong = Problem::new("the engine ended before all was at its target");
        return Err(Failure::new(Exit::Unavailable, wrong));
    }
    Ok(watching.borrow_and_update().clone())
}

fn is_past(report: &Report, (system, mark): (&SystemName, &u64)) -> bool {
    report
        .captures
        .get(system.as_str())
        .is_some_and(|capture| capture.status.streaming && capture.status.durable_commit >= *mark)
}

fn has_read(report: &Report, (reader, end): &(&ReaderName, Offset)) -> bool {
    report.lanes.get(reader.as_str()).is_some_and(|lane| lane.next >= end.0)
}

/// The first report for which this holds; fails where a loop failed for good.
async fn wait(watching: &mut Watching, holds: impl Fn(&Report) -> bool) -> Outcome<Arc<Report>> {
    loop {
        let report = watching.borrow_and_update().clone();
        if holds(&report) {
            return Ok(report);
        }
        if let Some(failure) = report.failure() {
            return Err(failure);
        }
        next(watching).await?;
    }
}
