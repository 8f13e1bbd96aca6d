//! What `/status` says, and the terminal shows.

use super::text::trouble;
use crate::decisions::is_decisions;
use crate::problem::{Exit, Failure};
use crate::verify::Outcome;
use serde::Serialize;
use std::collections::BTreeMap;
use syncline_runtime::{CaptureStatus, EntityStatus, LaneStatus, LoopState};

/// The whole engine at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Report {
    /// The project.
    pub(crate) project: String,
    /// This program's version.
    pub(crate) version: &'static str,
    /// The process.
    pub(crate) process: u32,
    /// How long it runs.
    pub(crate) uptime_seconds: f64,
    /// Systems that are read.
    pub(crate) captures: BTreeMap<String, CaptureReport>,
    /// Mappings by file.
    pub(crate) mappings: BTreeMap<String, MappingReport>,
    /// What reads one topic for one target, by its name in the log.
    pub(crate) lanes: BTreeMap<String, LaneStatus>,
    /// Entities.
    pub(crate) entities: BTreeMap<String, EntityStatus>,
    /// What was found last when target tables were verified, by table.
    pub(crate) verified: BTreeMap<String, Outcome>,
}

/// A system that is read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct CaptureReport {
    /// What the loop says of itself.
    #[serde(flatten)]
    pub(crate) status: CaptureStatus,
    /// Rows appended in each of the last seconds.
    pub(crate) rows_per_second: f64,
    /// By how much what the system holds back grew a second, when that was last measured; less than
    /// 0 where it shrank.
    pub(crate) retained_growth: f64,
}

impl CaptureReport {
    /// Seconds until the system gives us up, if it goes on like this.
    pub(crate) fn seconds_left(&self) -> Option<f64> {
        let CaptureStatus { retained_bytes, retained_bytes_max, .. } = self.status;
        let left = retained_bytes_max?.saturating_sub(retained_bytes?) as f64;
        (self.retained_growth > 0.0).then(|| left / self.retained_growth)
    }
}

/// A mapping and what carries its rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct MappingReport {
    /// The table or entity it reads.
    pub(crate) reads: String,
    /// The table or entity it writes.
    pub(crate) writes: String,
    /// Its lane.
    pub(crate) lane: String,
    /// Rows it read since the process began.
    pub(crate) rows_in: u64,
    /// Rows it gave its target.
    pub(crate) rows_out: u64,
    /// Rows it gave in each of the last seconds.
    pub(crate) rows_per_second: f64,
    /// Age of the oldest change its lane has not written yet, in ms.
    pub(crate) lag_ms: f64,
    /// Source commit to committed at the target, 99 in 100, in ms; of its whole lane.
    pub(crate) p99_ms: f64,
    /// Rows of it that are set aside now.
    pub(crate) parked: u64,
}

impl Report {
    /// Loops that failed for good, by name.
    pub(crate) fn stopped(&self) -> impl Iterator<Item = (&str, &LoopState)> {
        self.loops().filter(|(_, state)| matches!(state, LoopState::Stopped { .. }))
    }

    /// Whether every first copy is done.
    pub(crate) fn is_streaming(&self) -> bool {
        self.captures.values().all(|capture| capture.status.streaming)
    }

    /// Whether another process took the place of one of our loops.
    pub(crate) fn is_overtaken(&self) -> bool {
        self.stopped().any(|(_, state)| {
            let LoopState::Stopped { kind, .. } = state else { return false };
            Exit::of_word(kind) == Exit::InUse
        })
    }

    /// Why the engine can't do all its work, where a loop failed for good.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let stopped = self.stopped().filter_map(|(name, state)| {
            let LoopState::Stopped { kind, .. } = state else { return None };
            Some(Failure::new(Exit::of_word(kind), trouble(name, state)?))
        });
        Failure::all(stopped.collect())
    }

    /// Whether nothing is left to do: every capture failed for good, and every lane has written what
    /// the log holds, or failed for good too.
    pub(crate) fn is_nothing_left(&self) -> bool {
        let is_stopped = |state: &LoopState| matches!(state, LoopState::Stopped { .. });
        let is_done = |lane: &LaneStatus| {
            is_stopped(&lane.state) || (lane.state == LoopState::Running && lane.next >= lane.end)
        };
        // What people decide may go on coming for ever.
        let mut systems = self.captures.iter().filter(|(name, _)| !is_decisions(name)).peekable();
        systems.peek().is_some()
            && systems.all(|(_, capture)| is_stopped(&capture.status.state))
            && self.lanes.values().all(is_done)
    }

    /// Rows set aside by all lanes.
    pub(crate) fn parked(&self) -> u64 {
        self.lanes.values().map(|lane| lane.parked).sum()
    }

    /// All loops and their states.
    pub(crate) fn loops(&self) -> impl Iterator<Item = (&str, &LoopState)> {
        let captures = self.captures.iter().map(|(name, it)| (name.as_str(), &it.status.state));
        captures.chain(self.lanes.iter().map(|(name, it)| (name.as_str(), &it.state)))
    }
}
