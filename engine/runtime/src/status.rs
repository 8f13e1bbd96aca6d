//! What each loop is doing, to be read at any time.
//!
//! Loops own their counters and set them; readers take a [`Status`], a plain copy.

use crate::histogram::LatencyRecorder;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use syncline_core::{Error, Position, ReaderName, Report, SystemName, Written};
use tokio::sync::watch;

/// Whether a loop runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum LoopState {
    /// Not begun.
    Starting,
    /// Doing its work.
    Running,
    /// Failed and waiting to try again.
    Retrying {
        /// What failed.
        error: String,
        /// The facts.
        detail: Option<String>,
        /// What mends it.
        hint: Option<String>,
    },
    /// Failed for good; a person must change something.
    Stopped {
        /// The error's kind.
        kind: &'static str,
        /// What failed.
        error: String,
        /// The facts.
        detail: Option<String>,
        /// What mends it.
        hint: Option<String>,
    },
    /// Ended because it was told to.
    Ended,
}

/// Latency from the source's commit, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Latency {
    /// Rows measured.
    pub count: u64,
    /// Their latencies added up.
    pub sum_ms: f64,
    /// Half of them took no longer.
    pub p50_ms: f64,
    /// 99 in 100 took no longer.
    pub p99_ms: f64,
    /// 999 in 1000 took no longer.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// How far the first copy of a table is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotStatus {
    /// Rows read.
    pub rows: u64,
    /// Rows there are, by the system's estimate.
    pub rows_estimated: u64,
    /// Whether it is done.
    pub done: bool,
}

/// One capture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaptureStatus {
    /// Whether it runs.
    #[serde(flatten)]
    pub state: LoopState,
    /// Whether all snapshots are done, those too that were asked for since, and changes stream.
    pub streaming: bool,
    /// Tables being copied, or copied, by name.
    pub snapshots: BTreeMap<String, SnapshotStatus>,
    /// Rows appended to the log since the process began.
    pub rows: u64,
    /// The last durable boundary's commit.
    pub durable_commit: u64,
    /// What the system holds back for us, in bytes.
    pub retained_bytes: Option<u64>,
    /// The most it will hold back.
    pub retained_bytes_max: Option<u64>,
    /// Commit to durable in the log.
    pub commit_to_durable: Latency,
    /// The last things an operator should know.
    pub notices: Vec<String>,
}

/// One lane, or one resolve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LaneStatus {
    /// Whether it runs.
    #[serde(flatten)]
    pub state: LoopState,
    /// Everything before this offset is at the target.
    pub next: u64,
    /// The topic's durable end.
    pub end: u64,
    /// Age of the oldest change not at the target yet, in ms; 0 when there is none.
    pub lag_ms: f64,
    /// Rows inserted at the target since the process began.
    pub inserted: u64,
    /// Rows updated there.
    pub updated: u64,
    /// Rows deleted there.
    pub deleted: u64,
    /// Rows set aside now.
    pub parked: u64,
    /// Commit to target.
    pub commit_to_target: Latency,
}

/// One mapping, since the process began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MappingStatus {
    /// Rows read by it.
    pub rows_in: u64,
    /// Rows it gave its target.
    pub rows_out: u64,
    /// Rows of it that are set aside now.
    pub parked: u64,
}

/// One entity, since the process began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntityStatus {
    /// Keys that were gone, and whose claims were let go of.
    pub dropped: u64,
}

/// Everything, copied at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// Captures by system.
    pub captures: BTreeMap<String, CaptureStatus>,
    /// Lanes and resolves by reader.
    pub lanes: BTreeMap<String, LaneStatus>,
    /// Mappings by file.
    pub mappings: BTreeMap<String, MappingStatus>,
    /// Entities that are resolved, by name.
    pub entities: BTreeMap<String, EntityStatus>,
}

/// The counters of one pipeline. Made with it; shared by reference.
#[derive(Debug, Default)]
pub struct Registry {
    captures: BTreeMap<SystemName, CaptureCounters>,
    lanes: BTreeMap<ReaderName, LaneCounters>,
    mappings: BTreeMap<String, MappingCounters>,
    entities: BTreeMap<String, EntityCounters>,
}

impl Registry {
    pub(crate) fn new(
        systems: impl IntoIterator<Item = SystemName>,
        readers: impl IntoIterator<Item = ReaderName>,
        mappings: impl IntoIterator<Item = String>,
        entities: impl IntoIterator<Item = String>,
    ) -> Self {
        Self {
            captures: systems.into_iter().map(|it| (it, CaptureCounters::new())).collect(),
            lanes: readers.into_iter().map(|it| (it, LaneCounters::new())).collect(),
            mappings: mappings.into_iter().map(|it| (it, MappingCounters::default())).collect(),
            entities: entities.into_iter().map(|it| (it, EntityCounters::default())).collect(),
        }
    }

    /// A copy of everything, with ages measured against `now` (µs since 1970 UTC).
    #[must_use]
    pub fn status(&self, now: i64) -> Status {
        let captures = self.captures.iter().map(|(name, it)| (name.to_string(), it.status()));
        let lanes = self.lanes.iter().map(|(name, it)| (name.to_string(), it.status(now)));
        let mappings = self.mappings.iter().map(|(name, it)| (name.clone(), it.status()));
        let entities = self.entities.iter().map(|(name, it)| (name.clone(), it.status()));
        Status {
            captures: captures.collect(),
            lanes: lanes.collect(),
            mappings: mappings.collect(),
            entities: entities.collect(),
        }
    }

    pub(crate) fn capture(&self, system: &SystemName) -> &CaptureCounters {
        self.captures.get(system).expect("every capture is registered with the pipeline")
    }

    /// `None` for a system that is not read.
    pub(crate) fn find_capture(&self, system: &SystemName) -> Option<&CaptureCounters> {
        self.captures.get(system)
    }

    pub(crate) fn lane(&self, reader: &ReaderName) -> &LaneCounters {
        self.lanes.get(reader).expect("every reader is registered with the pipeline")
    }

    pub(crate) fn mapping(&self, name: &str) -> &MappingCounters {
        self.mappings.get(name).expect("every mapping is registered with the pipeline")
    }

    pub(crate) fn entity(&self, name: &str) -> &EntityCounters {
        self.entities.get(name).expect("every entity is registered with the pipeline")
    }
}

/// A loop's state, set by its supervisor.
#[derive(Debug)]
pub(crate) struct StateCell(Mutex<LoopState>);

impl StateCell {
    fn new() -> Self {
        Self(Mutex::new(LoopState::Starting))
    }

    pub(crate) fn set(&self, state: LoopState) {
        *lock(&self.0) = state;
    }

    pub(crate) fn retrying(&self, error: &Error) {
        self.set(LoopState::Retrying {
            error: error.to_string(),
            detail: error.detail_text().map(Into::into),
            hint: error.hint_text().map(Into::into),
        });
    }

    pub(crate) fn stopped(&self, error: &Error) {
        self.set(LoopState::Stopped {
            kind: error.kind().as_str(),
            error: error.to_string(),
            detail: error.detail_text().map(Into::into),
            hint: error.hint_text().map(Into::into),
        });
    }

    pub(crate) fn get(&self) -> LoopState {
        lock(&self.0).clone()
    }
}

#[derive(Debug)]
pub(crate) struct CaptureCounters {
    pub(crate) state: StateCell,
    pub(crate) rows: AtomicU64,
    pub(crate) durable_commit: AtomicU64,
    pub(crate) commit_to_durable: LatencyRecorder,
    streaming: AtomicBool,
    /// How often copying again was asked for, and how often a run had begun with it.
    asked: watch::Sender<u64>,
    taken_up: AtomicU64,
    reported: Mutex<Reported>,
}

#[derive(Debug, Default)]
struct Reported {
    snapshots: BTreeMap<String, SnapshotStatus>,
    retained: Option<(u64, Option<u64>)>,
    notices: Vec<String>,
}

const NOTICES_KEPT: usize = 20;

impl CaptureCounters {
    fn new() -> Self {
        Self {
            state: StateCell::new(),
            rows: AtomicU64::new(0),
            durable_commit: AtomicU64::new(0),
            commit_to_durable: LatencyRecorder::new(),
            streaming: AtomicBool::new(false),
            asked: watch::Sender::new(0),
            taken_up: AtomicU64::new(0),
            reported: Mutex::default(),
        }
    }

    pub(crate) fn released(&self, position: Position) {
        self.durable_commit.store(position.commit, Ordering::Relaxed);
    }

    /// Tables are to be copied again.
    pub(crate) fn ask(&self) {
        self.asked.send_modify(|asked| *asked += 1);
    }

    pub(crate) fn asked(&self) -> watch::Receiver<u64> {
        self.asked.subscribe()
    }

    /// A run begins with all that was asked for until then.
    pub(crate) fn take_up(&self, asked: u64, copies: bool) {
        if copies {
            self.streaming.store(false, Ordering::SeqCst);
            lock(&self.reported).snapshots.clear();
        }
        self.taken_up.store(asked, Ordering::SeqCst);
    }

    /// Whether something was asked for since the last run began.
    pub(crate) fn has_more_asked(&self) -> bool {
        *self.asked.borrow() > self.taken_up.load(Ordering::SeqCst)
    }

    pub(crate) fn report(&self, report: Report) {
        let mut reported = lock(&self.reported);
        match report {
            Report::Snapshot { table, rows, rows_estimated, done } => {
                let status = SnapshotStatus { rows, rows_estimated, done };
                reported.snapshots.insert(table.to_string(), status);
            }
            Report::Streaming => self.streaming.store(true, Ordering::SeqCst),
            Report::Retained { bytes, bytes_max } => reported.retained = Some((bytes, bytes_max)),
            Report::Schema(schema) => {
                reported.note(format!("{} has revision {}", schema.name(), schema.revision()));
            }
            Report::Notice(notice) => reported.note(notice),
        }
    }

    fn status(&self) -> CaptureStatus {
        let reported = lock(&self.reported);
        CaptureStatus {
            state: self.state.get(),
            streaming: !self.has_more_asked() && self.streaming.load(Ordering::SeqCst),
            snapshots: reported.snapshots.clone(),
            rows: self.rows.load(Ordering::Relaxed),
            durable_commit: self.durable_commit.load(Ordering::Relaxed),
            retained_bytes: reported.retained.map(|(bytes, _)| bytes),
            retained_bytes_max: reported.retained.and_then(|(_, limit)| limit),
            commit_to_durable: self.commit_to_durable.snapshot(),
            notices: reported.notices.clone(),
        }
    }
}

impl Reported {
    fn note(&mut self, notice: String) {
        tracing::info!("{notice}");
        if self.notices.len() == NOTICES_KEPT {
            self.notices.remove(0);
        }
        self.notices.push(notice);
    }
}

#[derive(Debug)]
pub(crate) struct LaneCounters {
    pub(crate) state: StateCell,
    pub(crate) next: AtomicU64,
    pub(crate) end: AtomicU64,
    inserted: AtomicU64,
    updated: AtomicU64,
    deleted: AtomicU64,
    pub(crate) parked: AtomicU64,
    pub(crate) commit_to_target: LatencyRecorder,
    /// Commit time of the oldest change in work, µs since 1970 UTC; 0 when there is none.
    pub(crate) oldest: AtomicU64,
}

impl LaneCounters {
    fn new() -> Self {
        Self {
            state: StateCell::new(),
            next: AtomicU64::new(0),
            end: AtomicU64::new(0),
            inserted: AtomicU64::new(0),
            updated: AtomicU64::new(0),
            deleted: AtomicU64::new(0),
            parked: AtomicU64::new(0),
            commit_to_target: LatencyRecorder::new(),
            oldest: AtomicU64::new(0),
        }
    }

    pub(crate) fn count(&self, written: Written) {
        self.inserted.fetch_add(written.inserted, Ordering::Relaxed);
        self.updated.fetch_add(written.updated, Ordering::Relaxed);
        self.deleted.fetch_add(written.deleted, Ordering::Relaxed);
    }

    fn status(&self, now: i64) -> LaneStatus {
        let lag_ms = match self.oldest.load(Ordering::Relaxed) {
            0 => 0.0,
            oldest => (now - i64::try_from(oldest).unwrap_or(now)).max(0) as f64 / 1000.0,
        };
        LaneStatus {
            state: self.state.get(),
            next: self.next.load(Ordering::Relaxed),
            end: self.end.load(Ordering::Relaxed),
            lag_ms,
            inserted: self.inserted.load(Ordering::Relaxed),
            updated: self.updated.load(Ordering::Relaxed),
            deleted: self.deleted.load(Ordering::Relaxed),
            parked: self.parked.load(Ordering::Relaxed),
            commit_to_target: self.commit_to_target.snapshot(),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct MappingCounters {
    pub(crate) rows_in: AtomicU64,
    pub(crate) rows_out: AtomicU64,
    pub(crate) parked: AtomicU64,
}

impl MappingCounters {
    fn status(&self) -> MappingStatus {
        MappingStatus {
            rows_in: self.rows_in.load(Ordering::Relaxed),
            rows_out: self.rows_out.load(Ordering::Relaxed),
            parked: self.parked.load(Ordering::Relaxed),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct EntityCounters {
    pub(crate) dropped: AtomicU64,
}

impl EntityCounters {
    fn status(&self) -> EntityStatus {
        EntityStatus { dropped: self.dropped.load(Ordering::Relaxed) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
