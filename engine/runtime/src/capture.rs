//! Source → log.
//!
//! The source runs on a thread of its own and hands over entries through a bounded queue; this loop
//! appends them, waits for them to become durable, and only then tells the source so.
//!
//! Order of effects: append → durable → the source's note is saved → position released.

use crate::ahead;
use crate::backfill::Request;
use crate::clock::Clock;
use crate::handover::Handovers;
use crate::marks::Marks;
use crate::status::{CaptureCounters, LoopState, StateCell};
use crate::supervise::Attempt;
use crate::take::take;
use crate::{Backfills, MakeSource, Registry, Settings, Shutdown};
use async_trait::async_trait;
use fail::fail_point;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use syncline_core::{
    Body, Boundary, Captured, ChangeLog, Checkpoints, Entry, Error, Kind, Offset, Outlet, Position,
    Report, Result, Resume, Stopped, SystemName, Topic,
};
use tokio::select;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// One system's capture: everything an attempt needs.
pub(crate) struct Capture {
    pub(crate) system: SystemName,
    pub(crate) topic: Topic,
    pub(crate) make: MakeSource,
    pub(crate) log: Arc<dyn ChangeLog>,
    pub(crate) checkpoints: Arc<dyn Checkpoints>,
    pub(crate) backfills: Arc<Backfills>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) marks: Arc<Marks>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
}

/// The name under which a source's note is kept.
pub(crate) fn checkpoint_name(system: &SystemName) -> String {
    format!("capture/{system}")
}

#[async_trait]
impl Attempt for Capture {
    fn name(&self) -> String {
        format!("capture of {}", self.system)
    }

    fn states(&self) -> Vec<&StateCell> {
        vec![self.state()]
    }

    /// Runs the source until told to stop, or until it fails. Where tables are asked for, its run ends
    /// and another begins.
    async fn attempt(&self, shutdown: &mut Shutdown) -> Result<()> {
        while self.run_source(shutdown).await? == Ended::ToCopyAgain {}
        Ok(())
    }
}

/// Why a run of the source ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Told,
    ToCopyAgain,
}

impl Capture {
    pub(crate) fn state(&self) -> &StateCell {
        &self.registry.capture(&self.system).state
    }

    async fn run_source(&self, shutdown: &mut Shutdown) -> Result<Ended> {
        let mut source = (self.make)();
        let counters = self.registry.capture(&self.system);
        let mut asked = counters.asked();
        let asked_now = *asked.borrow_and_update();
        let (resume, request) = self.resume().await?;
        counters.take_up(asked_now, !request.is_empty());
        let (hand_over, captured) = mpsc::channel(self.settings.capture_queue);
        let (release, released) = watch::channel(resume.position);
        let stopping = Arc::new(AtomicBool::new(false));
        let handovers = Arc::new(Handovers::default());
        let outlet = QueueOutlet {
            system: self.system.clone(),
            registry: self.registry.clone(),
            marks: self.marks.clone(),
            handovers: handovers.clone(),
            queue: hand_over,
            released,
            stopping: stopping.clone(),
        };
        let running = tokio::task::spawn_blocking(move || source.run(resume, &outlet));
        let appending = Appending {
            capture: self,
            captured,
            pending: FuturesOrdered::new(),
            handovers,
            release,
            stopping,
            counters,
            asked,
            request: Some(request).filter(|request| !request.is_empty()),
            ended: Ended::Told,
            is_ahead_told: false,
        };
        self.state().set(LoopState::Running);
        appending.run(running, shutdown).await
    }

    /// Whether it stopped for good and was asked to copy tables since it began.
    pub(crate) fn may_be_mended(&self) -> bool {
        let is_stopped = matches!(self.state().get(), LoopState::Stopped { .. });
        is_stopped && self.registry.capture(&self.system).has_more_asked()
    }

    /// Where the source begins.
    async fn resume(&self) -> Result<(Resume, Request)> {
        let boundary = take(self.log.as_ref(), &self.topic).await?;
        fail_point!("capture.taken");
        let checkpoints = self.checkpoints.clone();
        let name = checkpoint_name(&self.system);
        let checkpoint = blocking(move || checkpoints.load(&name)).await?;
        let request = self.backfills.asked_of(&self.system)?;
        let resume = Resume {
            position: boundary.map(|boundary| boundary.position),
            checkpoint,
            copy_again: request.tables.clone(),
            anew: request.anew,
        };
        Ok((resume, request))
    }
}

/// Runs short blocking work off the loop.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(panicked)?
}

fn panicked(error: tokio::task::JoinError) -> Error {
    Error::new(Kind::Internal, "a thread of the capture panicked").caused_by(error)
}

/// All first copies of a system are in the log, and noted.
fn tell_streaming(system: &SystemName, registry: &Registry, marks: &Marks) {
    if let Some(mark) = marks.capture(system) {
        mark.copied();
    }
    registry.capture(system).report(Report::Streaming);
}

/// What the source calls.
struct QueueOutlet {
    system: SystemName,
    registry: Arc<Registry>,
    marks: Arc<Marks>,
    handovers: Arc<Handovers>,
    queue: mpsc::Sender<Captured>,
    released: watch::Receiver<Option<Position>>,
    stopping: Arc<AtomicBool>,
}

impl Outlet for QueueOutlet {
    fn emit(&self, captured: Captured) -> std::result::Result<(), Stopped> {
        self.handovers.begin();
        self.queue.blocking_send(captured).map_err(|_closed| Stopped)
    }

    fn released(&self) -> Option<Position> {
        *self.released.borrow()
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn report(&self, report: Report) {
        match report {
            Report::Streaming if self.handovers.stream() => {
                tell_streaming(&self.system, &self.registry, &self.marks);
            }
            Report::Streaming => {}
            report => self.registry.capture(&self.system).report(report),
        }
    }
}

/// What follows once a hand-over is durable.
struct Settled {
    boundary: Option<Boundary>,
    checkpoint: Option<Vec<u8>>,
    /// Commit times and rows of the streamed transactions in it.
    commits: Vec<(i64, u32)>,
}

/// The state of one attempt.
struct Appending<'a> {
    capture: &'a Capture,
    captured: mpsc::Receiver<Captured>,
    pending: FuturesOrdered<BoxFuture<'static, Result<Settled>>>,
    handovers: Arc<Handovers>,
    release: watch::Sender<Option<Position>>,
    stopping: Arc<AtomicBool>,
    counters: &'a CaptureCounters,
    asked: watch::Receiver<u64>,
    /// What the source was asked for, until its note holds it.
    request: Option<Request>,
    ended: Ended,
    /// Whether it was told that the source's clock is ahead.
    is_ahead_told: bool,
}

impl Appending<'_> {
    /// Appends until the source has ended and all it handed over is durable.
    async fn run(
        mut self,
        mut running: JoinHandle<Result<()>>,
        shutdown: &mut Shutdown,
    ) -> Result<Ended> {
        let outcome = self.append_all(shutdown).await;
        // The source sees the closed queue and the flag, and returns.
        self.stop_source();
        self.captured.close();
        let source = (&mut running).await.map_err(panicked)?;
        outcome?;
        match source {
            Err(error) if error.kind() != Kind::Closed => Err(error),
            _ if shutdown.is_requested() => Ok(Ended::Told),
            _ => Ok(self.ended),
        }
    }

    async fn append_all(&mut self, shutdown: &mut Shutdown) -> Result<()> {
        loop {
            // Order: settle what became durable before taking more in.
            select! { biased;
                Some(settled) = self.pending.next() => self.on_durable(settled?).await?,
                () = shutdown.requested(), if !self.is_stopping() => self.stop_source(),
                Ok(()) = self.asked.changed(), if !self.is_stopping() => {
                    self.ended = Ended::ToCopyAgain;
                    self.stop_source();
                }
                captured = self.captured.recv(), if self.has_room() => match captured {
                    Some(captured) => self.on_captured(captured).await?,
                    None => break,
                },
            }
        }
        while let Some(settled) = self.pending.next().await {
            self.on_durable(settled?).await?;
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.pending.len() < self.capture.settings.capture_pending
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn stop_source(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    async fn on_captured(&mut self, captured: Captured) -> Result<()> {
        let Captured { mut entries, checkpoint } = captured;
        self.take_back(&mut entries);
        if let Some(mark) = self.capture.marks.capture(&self.capture.system) {
            mark.stir();
        }
        let rows: usize = entries.iter().map(Entry::rows).sum();
        self.counters.rows.fetch_add(rows as u64, Ordering::Relaxed);
        let settled = Settled {
            boundary: entries.iter().rev().find_map(|entry| entry.boundary),
            checkpoint,
            commits: streamed_commits(&entries),
        };
        let durable: BoxFuture<'static, Result<Offset>> = if entries.is_empty() {
            Box::pin(std::future::ready(Ok(Offset::default())))
        } else {
            self.capture.log.append(&self.capture.topic, entries).await?.durable
        };
        fail_point!("capture.appended");
        self.pending.push_back(Box::pin(async move { durable.await.map(|_next| settled) }));
        Ok(())
    }

    /// Takes back times that can't be right yet, and says so once.
    fn take_back(&mut self, entries: &mut [Entry]) {
        let now = self.capture.clock.now();
        let ahead_max = self.capture.settings.clock_ahead_max.as_micros();
        let latest = now.saturating_add(i64::try_from(ahead_max).unwrap_or(i64::MAX));
        let furthest = ahead::take_back(entries, latest);
        if let Some(furthest) = furthest.filter(|_| !self.is_ahead_told) {
            self.is_ahead_told = true;
            let notice =
                ahead::sentence(self.capture.system.as_str(), furthest.saturating_sub(now));
            tracing::warn!("{notice}");
            self.counters.report(Report::Notice(notice));
        }
    }

    async fn on_durable(&mut self, settled: Settled) -> Result<()> {
        fail_point!("capture.durable");
        if let Some(note) = settled.checkpoint {
            let checkpoints = self.capture.checkpoints.clone();
            let name = checkpoint_name(&self.capture.system);
            blocking(move || checkpoints.save(&name, &note)).await?;
            fail_point!("capture.noted");
            if let Some(request) = self.request.take() {
                self.capture.backfills.taken(&self.capture.system, &request)?;
            }
        }
        if self.handovers.settle() {
            let Capture { system, registry, marks, .. } = self.capture;
            tell_streaming(system, registry, marks);
        }
        let now = self.capture.clock.now();
        for (committed_at, rows) in settled.commits {
            self.counters.commit_to_durable.record(now - committed_at, u64::from(rows));
        }
        if let Some(boundary) = settled.boundary {
            self.counters.released(boundary.position);
            self.release.send_replace(Some(boundary.position));
            fail_point!("capture.released");
        }
        Ok(())
    }
}

/// Commit time and row count of each streamed transaction: a snapshot's rows have no latency.
fn streamed_commits(entries: &[Entry]) -> Vec<(i64, u32)> {
    let mut commits = Vec::new();
    for entry in entries {
        let Body::Rows(batch) = &entry.body else { continue };
        if batch.first_streamed().is_none() {
            continue;
        }
        let runs = batch.transactions().iter();
        commits.extend(runs.map(|run| (run.transaction.committed_at, run.rows)));
    }
    commits
}
