//! The writing half of a lane: steps → rows, parked rows and progress in one transaction.

use super::linked::Linked;
use super::{Lane, Mapped, Prepared, Step, run_transform};
use crate::Shutdown;
use crate::chunk::Commit;
use crate::isolate::{Isolated, MappedRows, Whole, write_apart, write_whole};
use crate::marks::Marker;
use crate::parking::Parking;
use crate::rejoin::{parked_source, parked_target, rejoin_target, settle_source};
use crate::status::{LaneCounters, LoopState};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use syncline_core::{
    Error, Kind, Offset, Parked, Progress, Result, Sink, Stage, TableName, TargetChange, Transform,
    Written,
};
use tokio::select;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// The state of one attempt.
pub(super) struct Writing<'a> {
    lane: &'a Lane,
    sink: &'a mut dyn Sink,
    counters: &'a LaneCounters,
    mark: &'a Marker,
    linked: Linked<'a>,
    parking: Parking,
    /// Commit times and rows written since the last commit.
    commits: Vec<(i64, u32)>,
    /// Rows written since the last commit.
    written: Written,
    /// Whether anything was, be it without a row to count.
    wrote: bool,
    /// Everything before it is done: at the target, or not for it.
    next: Offset,
    /// Everything before it is done as the target's own progress says.
    committed: Offset,
    committed_at: i64,
    /// When the target's progress was last committed.
    last_commit: Instant,
    /// Rows of a transaction that is not whole were written.
    open: bool,
    /// How often parked rows were looked at.
    tick: u64,
    /// When the log last heard of the progress.
    told_log: Instant,
}

impl<'a> Writing<'a> {
    pub(super) async fn open(
        lane: &'a Lane,
        sink: &'a mut dyn Sink,
        next: Offset,
        committed_at: i64,
        shutdown: Shutdown,
    ) -> Result<Self> {
        let parking = Parking::new(sink.parked().await?);
        let counters = lane.registry.lane(&lane.reader);
        let Lane { reader, links, log, marks, settings, .. } = lane;
        counters.state.set(LoopState::Running);
        let mut writing = Self {
            lane,
            sink,
            counters,
            mark: marks.reader(reader),
            linked: Linked::new(reader, links, log, marks, settings, shutdown),
            parking,
            commits: Vec::new(),
            written: Written::default(),
            wrote: false,
            next,
            committed: next,
            committed_at,
            last_commit: Instant::now(),
            open: false,
            tick: 0,
            told_log: Instant::now(),
        };
        writing.count_parked();
        writing.count_progress().await?;
        Ok(writing)
    }

    /// Writes step after step until told to stop.
    pub(super) async fn run(
        &mut self,
        mut steps: mpsc::Receiver<Result<Prepared>>,
        shutdown: &mut Shutdown,
    ) -> Result<()> {
        let mut park_retry = interval(self.lane.settings.park_retry);
        park_retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Order: stopping first, so that a backlog does not delay it; parked rows before new ones.
            select! { biased;
                () = shutdown.requested() => return Ok(()),
                _ = park_retry.tick(), if !self.open => self.retry_parked().await?,
                step = steps.recv() => match step {
                    Some(step) => self.on_step(step?).await?,
                    None => return Err(Error::new(Kind::Internal, "reading ended by itself")),
                },
            }
        }
    }

    /// Gives up what is not whole and tells the log how far the target is.
    pub(super) async fn close(mut self) -> Result<()> {
        if self.open {
            self.sink.rollback().await?;
        } else if self.committed < self.next {
            self.commit_progress().await?;
        }
        self.say_progress().await
    }

    async fn on_step(&mut self, prepared: Prepared) -> Result<()> {
        if let Some(oldest) = prepared.oldest {
            self.counters.oldest.store(oldest.unsigned_abs(), Ordering::Relaxed);
        }
        if prepared.rollback {
            self.rollback().await?;
        }
        self.open |= !prepared.steps.is_empty();
        for wave in waves(prepared.steps, &self.lane.transforms) {
            self.write_wave(wave).await?;
            self.mark.stir();
        }
        match prepared.commit {
            Some(commit) => self.commit(commit).await,
            None => Ok(()),
        }
    }

    async fn rollback(&mut self) -> Result<()> {
        self.sink.rollback().await?;
        self.parking = Parking::new(self.sink.parked().await?);
        self.commits.clear();
        self.written = Written::default();
        self.wrote = false;
        self.open = false;
        Ok(())
    }

    async fn write_wave(&mut self, wave: Vec<Step>) -> Result<()> {
        let mut rows = Vec::new();
        let mut truncated = Vec::new();
        for step in wave {
            match step {
                Step::Rows(mapped) => rows.extend(self.settle(*mapped).await?),
                Step::Truncate { mapping } => truncated.push(mapping),
            }
        }
        if !truncated.is_empty() {
            self.truncate(&truncated).await?;
        }
        if !rows.is_empty() {
            self.write_rows(rows, self.next).await?;
        }
        Ok(())
    }

    async fn truncate(&mut self, mappings: &[usize]) -> Result<()> {
        let changes: Vec<_> = mappings
            .iter()
            .map(|&mapping| TargetChange::Truncate(self.transform(mapping).writes().clone()))
            .collect();
        let mut written = self.sink.write(&changes).await;
        if written.as_ref().is_err_and(Error::is_of_reference) && !self.linked.is_empty() {
            self.linked.catch_up().await?;
            written = self.sink.write(&changes).await;
        }
        self.written += written?;
        self.wrote = true;
        for &mapping in mappings {
            let keys = self.parking.keys(self.transform(mapping).name());
            keys.into_iter().for_each(|key| self.parking.settle(key));
        }
        Ok(())
    }

    fn transform(&self, mapping: usize) -> &'a Arc<dyn Transform> {
        &self.lane.transforms[mapping]
    }

    async fn settle(&mut self, mapped: Mapped) -> Result<Option<MappedRows>> {
        let Mapped { mapping, input, output, offset } = mapped;
        let transform = self.transform(mapping);
        let counters = self.lane.registry.mapping(transform.name());
        counters.rows_in.fetch_add(input.len() as u64, Ordering::Relaxed);
        let rows = settle_source(&mut self.parking, transform, input, output, offset).await?;
        counters.rows_out.fetch_add(rows.len() as u64, Ordering::Relaxed);
        Ok((!rows.is_empty()).then_some(MappedRows { mapping, rows }))
    }

    async fn write_rows(&mut self, mut wave: Vec<MappedRows>, offset: Offset) -> Result<()> {
        for mapped in &mut wave {
            let runs = mapped.rows.transactions().iter();
            if mapped.rows.first_streamed().is_some() {
                self.commits.extend(runs.map(|run| (run.transaction.committed_at, run.rows)));
            }
            let name = self.transform(mapped.mapping).name();
            if self.parking.has(name, Stage::Write)
                && let Some(joined) = rejoin_target(&self.parking, name, &mapped.rows)?
            {
                mapped.rows = joined.input;
                joined.keys.into_iter().for_each(|key| self.parking.settle(key));
            }
        }
        let isolated = self.write_or_isolate(&wave).await?;
        self.written += isolated.written;
        self.wrote = true;
        for refused in isolated.refused {
            let parked = parked_target(self.transform(refused.mapping).name(), refused, offset, 0);
            self.parking.park(parked);
        }
        Ok(())
    }

    /// Writes a wave, once more where it may only have come too early, and at last row by row.
    async fn write_or_isolate(&mut self, wave: &[MappedRows]) -> Result<Isolated> {
        let mut whole = write_whole(self.sink, wave).await?;
        if let Whole::Refused(error) = &whole
            && error.is_of_reference()
            && !self.linked.is_empty()
        {
            if !self.wrote {
                // Nothing is lost, and nobody is held up by our locks meanwhile.
                self.sink.rollback().await?;
            }
            self.linked.catch_up().await?;
            whole = write_whole(self.sink, wave).await?;
        }
        match whole {
            Whole::Written(written) => Ok(Isolated { written, refused: Vec::new() }),
            Whole::Refused(_) => {
                let parked_max = self.lane.settings.parked_max;
                let refused_max = parked_max.saturating_sub(self.parking.len());
                write_apart(self.sink, wave, refused_max).await
            }
        }
    }

    async fn commit(&mut self, commit: Commit) -> Result<()> {
        if let Some(boundary) = commit.boundary {
            self.committed_at = boundary.committed_at;
        }
        self.next = commit.next;
        if self.must_commit() {
            self.write_parked().await?;
            self.commit_progress().await?;
        }
        self.count_progress().await?;
        self.tell_log().await
    }

    /// What was not for this target needs no commit of its own, only one now and then so that the log
    /// can be trimmed.
    fn must_commit(&self) -> bool {
        self.open
            || !self.parking.changes().is_empty()
            || self.last_commit.elapsed() >= self.lane.settings.trim_interval
    }

    async fn commit_progress(&mut self) -> Result<()> {
        let progress = Progress {
            log: self.lane.log.id(),
            topic: self.lane.topic.clone(),
            next: self.next,
            committed_at: self.committed_at,
        };
        self.sink.commit(&progress).await?;
        self.wrote = false;
        self.open = false;
        self.committed = self.next;
        self.last_commit = Instant::now();
        self.count_commit();
        Ok(())
    }

    /// Writes what was set aside and taken back; stops the lane where there is too much of it.
    async fn write_parked(&mut self) -> Result<()> {
        if self.parking.changes().is_empty() {
            return Ok(());
        }
        self.parking.check_limit(self.lane.settings.parked_max)?;
        let changes = self.parking.changes();
        self.sink.park(&changes.parked, &changes.settled).await?;
        self.parking.written();
        self.count_parked();
        Ok(())
    }

    fn count_commit(&mut self) {
        self.counters.count(std::mem::take(&mut self.written));
        let now = self.lane.clock.now();
        for (committed_at, rows) in self.commits.drain(..) {
            self.counters.commit_to_target.record(now - committed_at, u64::from(rows));
        }
    }

    async fn count_progress(&mut self) -> Result<()> {
        self.mark.pass(self.next);
        let end = self.lane.log.tail(&self.lane.topic).await?.next;
        self.counters.next.store(self.next.0, Ordering::Relaxed);
        self.counters.end.store(end.0, Ordering::Relaxed);
        if self.next >= end {
            self.counters.oldest.store(0, Ordering::Relaxed);
        }
        Ok(())
    }

    fn count_parked(&self) {
        self.counters.parked.store(self.parking.len() as u64, Ordering::Relaxed);
        for transform in &self.lane.transforms {
            let parked = self.parking.count(transform.name()) as u64;
            self.lane.registry.mapping(transform.name()).parked.store(parked, Ordering::Relaxed);
        }
    }

    /// Tells the log now and then: the target's own progress is the truth, the log only trims by it.
    async fn tell_log(&mut self) -> Result<()> {
        if self.told_log.elapsed() < self.lane.settings.trim_interval {
            return Ok(());
        }
        self.told_log = Instant::now();
        self.say_progress().await
    }

    /// Tells the log how far the target is. A log without room does not hear of it now; the next
    /// time will do.
    async fn say_progress(&mut self) -> Result<()> {
        let told = self.lane.log.commit(&self.lane.reader, &self.lane.topic, self.committed).await;
        match told {
            Err(error) if error.kind() == Kind::Unavailable => {
                tracing::debug!(%error, "{}: the log does not take the progress", self.lane.reader);
                Ok(())
            }
            told => told,
        }
    }

    /// Tries parked rows again: the cause may be gone, or a person asked for it.
    async fn retry_parked(&mut self) -> Result<()> {
        self.tick += 1;
        if self.parking.is_empty() && self.tick > 1 {
            return Ok(());
        }
        // A person may have dropped rows, or asked for a replay, since.
        self.parking = Parking::new(self.sink.parked().await?);
        self.count_parked();
        let due = self.parking.due(self.tick, self.lane.settings.park_retry_rows);
        if due.is_empty() {
            return Ok(());
        }
        self.open = true;
        for row in due {
            self.retry_row(row).await?;
        }
        self.commit(Commit { next: self.next, boundary: None }).await
    }

    async fn retry_row(&mut self, row: Parked) -> Result<()> {
        let Some(mapping) = self.mapping(&row.key.mapping) else { return Ok(()) };
        let attempts = row.attempts.saturating_add(1);
        let wave = match row.stage {
            Stage::Write => vec![MappedRows { mapping, rows: row.image.clone() }],
            Stage::Map => {
                let output = run_transform(self.transform(mapping), &row.image).await?;
                if let Some(rejected) = output.rejected.first() {
                    let name = self.transform(mapping).name();
                    let again = parked_source(name, &row.image, rejected, row.offset);
                    self.parking.park(Parked { attempts, ..again });
                    return Ok(());
                }
                vec![MappedRows { mapping, rows: output.rows }]
            }
        };
        // It is parked already: whatever becomes of it, there are no more of them.
        let isolated = write_apart(self.sink, &wave, usize::MAX).await?;
        self.written += isolated.written;
        self.wrote = true;
        self.parking.settle(row.key);
        for refused in isolated.refused {
            let name = self.transform(mapping).name();
            self.parking.park(parked_target(name, refused, row.offset, attempts));
        }
        Ok(())
    }

    fn mapping(&self, name: &str) -> Option<usize> {
        self.lane.transforms.iter().position(|transform| transform.name() == name)
    }
}

/// Steps that may be written together: no table twice, and a truncate by itself.
fn waves(steps: Vec<Step>, transforms: &[Arc<dyn Transform>]) -> Vec<Vec<Step>> {
    let mut waves: Vec<Vec<Step>> = Vec::new();
    let mut tables: HashSet<TableName> = HashSet::new();
    let mut truncating = false;
    for step in steps {
        let (mapping, truncates) = match &step {
            Step::Rows(mapped) => (mapped.mapping, false),
            Step::Truncate { mapping } => (*mapping, true),
        };
        let table = transforms[mapping].writes().name().clone();
        let joins = truncates == truncating && !tables.contains(&table);
        if !joins || waves.is_empty() {
            waves.push(Vec::new());
            tables.clear();
            truncating = truncates;
        }
        tables.insert(table);
        waves.last_mut().expect("pushed above").push(step);
    }
    waves
}
