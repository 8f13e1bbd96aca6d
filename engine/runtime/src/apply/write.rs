//! The writing half of a lane: steps → rows, parked rows and progress in one transaction.

mod tell;

use super::early::{EarlyRows, Tried};
use super::gate::{self, Exceeded, Gate};
use super::linked::Linked;
use super::waves::{alike, together, waves};
use super::{Lane, Mapped, Prepared, Reach, Step, concat};
use crate::Shutdown;
use crate::chunk::Commit;
use crate::isolate::{Isolated, MappedRows, Refused, Whole, write_apart, write_whole};
use crate::marks::Marker;
use crate::parking::Parking;
use crate::rejoin::{align, last_row, parked_target, rejoin_target};
use crate::settle::{MappedBatch, retry_source, rows_of, settle_source};
use crate::status::{LaneCounters, LoopState};
use fail::fail_point;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use syncline_core::{
    Error, Kind, Offset, ParkKey, Progress, Result, Sink, Stage, TargetChange, Transform, Written,
};
use tokio::select;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Parked rows that are tried at once while they are taken: few enough that to find those that are
/// refused after all does not take long.
const TOGETHER_MAX: usize = 64;

/// The state of one attempt.
pub(super) struct Writing<'a> {
    lane: &'a Lane,
    sink: &'a mut dyn Sink,
    counters: &'a LaneCounters,
    mark: &'a Marker,
    linked: Linked<'a>,
    reach: Arc<Reach>,
    gate: Gate,
    shutdown: Shutdown,
    parking: Parking,
    /// Commit times and rows written since the last commit.
    commits: Vec<(i64, u32)>,
    /// Rows written since the last commit.
    written: Written,
    /// Whether anything was, be it without a row to count.
    wrote: bool,
    /// Everything before it was read.
    read: Offset,
    /// Everything before it is done: at the target, or not for it.
    next: Offset,
    /// Everything before it is done as the target's own progress says.
    committed: Offset,
    committed_at: i64,
    /// When the target's progress was last committed.
    last_commit: Instant,
    /// Rows of a transaction that is not whole were written.
    open: bool,
    /// When the log last heard of the progress, and how far that was.
    told_log: Instant,
    told: Offset,
}

impl<'a> Writing<'a> {
    pub(super) async fn open(
        lane: &'a Lane,
        sink: &'a mut dyn Sink,
        next: Offset,
        committed_at: i64,
        reach: Arc<Reach>,
        shutdown: Shutdown,
    ) -> Result<Self> {
        let parking = Parking::new(sink.parked().await?, lane.settings.parked_max);
        let counters = lane.registry.lane(&lane.reader);
        counters.state.set(LoopState::Running);
        let mut writing = Self {
            lane,
            sink,
            counters,
            mark: lane.marks.reader(&lane.reader),
            linked: Linked::open(lane, shutdown.clone())?,
            reach,
            gate: Gate::default(),
            shutdown,
            parking,
            commits: Vec::new(),
            written: Written::default(),
            wrote: false,
            read: next,
            next,
            committed: next,
            committed_at,
            last_commit: Instant::now(),
            open: false,
            told_log: Instant::now(),
            told: Offset(0),
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
        let mut rest = interval(self.lane.settings.trim_interval);
        rest.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Order: stopping first, so that a backlog does not delay it; parked rows before new ones.
            select! { biased;
                () = shutdown.requested() => return Ok(()),
                _ = park_retry.tick(), if !self.open => {
                    if self.retry_parked().await? {
                        park_retry.reset_after(self.lane.settings.park_retry_time);
                    }
                }
                step = steps.recv() => match step {
                    Some(step) => self.on_step(step?).await?,
                    None => return Err(Error::new(Kind::Internal, "reading ended by itself")),
                },
                _ = rest.tick(), if !self.open => self.tell_at_rest().await?,
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
        self.read = prepared.next;
        self.open |= !prepared.steps.is_empty();
        for wave in waves(prepared.steps, &self.lane.transforms) {
            self.write_wave(wave).await?;
            fail_point!("apply.written");
            self.mark.stir();
        }
        self.reach.grow();
        match prepared.commit {
            Some(commit) => self.commit(commit).await,
            None => Ok(()),
        }
    }

    async fn rollback(&mut self) -> Result<()> {
        self.sink.rollback().await?;
        self.parking = Parking::new(self.sink.parked().await?, self.lane.settings.parked_max);
        self.commits.clear();
        self.written = Written::default();
        self.wrote = false;
        self.open = false;
        self.gate.begin();
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
        for &mapping in mappings {
            let transform = self.transform(mapping);
            let exceeded = self.gate.on_truncate(self.lane, self.sink, transform).await?;
            self.pass(exceeded).await?;
        }
        let changes: Vec<_> = mappings
            .iter()
            .map(|&mapping| TargetChange::Truncate(self.transform(mapping).writes().clone()))
            .collect();
        let mut written = self.sink.write(&changes).await;
        if written.as_ref().is_err_and(Error::is_of_reference) && !self.linked.is_empty() {
            self.linked.catch_up(self.read).await?;
            written = self.sink.write(&changes).await;
        }
        self.written += written?;
        self.wrote = true;
        for &mapping in mappings {
            let keys = self.parking.keys(self.transform(mapping).name());
            keys.iter().for_each(|key| self.parking.settle(key));
        }
        Ok(())
    }

    /// Where too much would change at once, waits for a person, with nothing open at the target.
    async fn pass(&mut self, exceeded: Option<Exceeded>) -> Result<()> {
        let Some(change) = self.gate.shut(self.lane, exceeded, self.next).await? else {
            return Ok(());
        };
        self.rollback().await?;
        gate::wait(self.lane, &change, &mut self.shutdown).await
    }

    fn transform(&self, mapping: usize) -> &'a Arc<dyn Transform> {
        &self.lane.transforms[mapping]
    }

    async fn settle(&mut self, mapped: Mapped) -> Result<Option<MappedRows>> {
        let Mapped { mapping, input, output, offset } = mapped;
        let transform = self.transform(mapping);
        let counters = self.lane.registry.mapping(transform.name());
        counters.rows_in.fetch_add(input.len() as u64, Ordering::Relaxed);
        let mapped = MappedBatch { input, output, offset, attempts: 0 };
        let settled = settle_source(&mut self.parking, transform, mapped).await?;
        let Some(rows) = rows_of(settled)?.filter(|rows| !rows.is_empty()) else {
            return Ok(None);
        };
        counters.rows_out.fetch_add(rows.len() as u64, Ordering::Relaxed);
        Ok(Some(MappedRows { mapping, rows }))
    }

    async fn write_rows(&mut self, wave: Vec<MappedRows>, offset: Offset) -> Result<()> {
        for mapped in &wave {
            let runs = mapped.rows.transactions().iter();
            if mapped.rows.first_streamed().is_some() {
                self.commits.extend(runs.map(|run| (run.transaction.committed_at, run.rows)));
            }
        }
        let exceeded = self.gate.on_rows(self.lane, self.sink, &wave).await?;
        self.pass(exceeded).await?;
        let (others, joined) = self.rejoin(wave)?;
        let isolated = self.write_or_isolate(others, joined).await?;
        self.written += isolated.written;
        self.wrote = true;
        self.park_refused(isolated.refused, |_| offset, 0)
    }

    /// Takes back the parked rows that a wave speaks of: gives the other rows, and these as they are
    /// now. Most of them will be refused again, and must not take the others with them.
    fn rejoin(&mut self, wave: Vec<MappedRows>) -> Result<(Vec<MappedRows>, Vec<MappedRows>)> {
        let (mut others, mut joined) = (Vec::new(), Vec::new());
        for MappedRows { mapping, rows } in wave {
            let name = self.transform(mapping).name();
            let Some(found) = rejoin_target(&self.parking, name, &rows)? else {
                others.push(MappedRows { mapping, rows });
                continue;
            };
            found.keys.iter().for_each(|key| self.parking.settle(key));
            others.extend(found.others.map(|rows| MappedRows { mapping, rows }));
            joined.push(MappedRows { mapping, rows: found.joined });
        }
        Ok((others, joined))
    }

    /// Writes a wave, once more where it may only have come too early, and at last row by row; rows
    /// that were parked after the others.
    async fn write_or_isolate(
        &mut self,
        others: Vec<MappedRows>,
        joined: Vec<MappedRows>,
    ) -> Result<Isolated> {
        if others.is_empty() {
            return self.write_again(joined).await;
        }
        let mut whole = write_whole(self.sink, &others).await?;
        if let Whole::Refused(error) = &whole
            && error.is_of_reference()
            && !self.linked.is_empty()
        {
            let early = EarlyRows {
                others: &others,
                joined: &joined,
                is_alone: !self.wrote,
                room: self.parking.room(),
                mark: self.mark,
                next: self.read,
            };
            match early.write(self.sink, &mut self.linked).await? {
                Tried::Others(tried) => whole = tried,
                Tried::Apart(isolated) => {
                    self.reach.shrink();
                    return Ok(isolated);
                }
            }
        }
        match whole {
            Whole::Written(written) => {
                let mut isolated = self.write_again(joined).await?;
                isolated.written += written;
                Ok(isolated)
            }
            Whole::Refused(_) => {
                self.reach.shrink();
                let wave = together(others.into_iter().chain(joined))?;
                write_apart(self.sink, &wave, self.parking.room(), self.mark).await
            }
        }
    }

    /// Writes rows that were refused before.
    async fn write_again(&mut self, rows: Vec<MappedRows>) -> Result<Isolated> {
        let wave = together(rows.into_iter())?;
        if wave.iter().map(|mapped| mapped.rows.len()).sum::<usize>() > 1
            && let Whole::Written(written) = write_whole(self.sink, &wave).await?
        {
            return Ok(Isolated { written, refused: Vec::new() });
        }
        write_apart(self.sink, &wave, self.parking.room(), self.mark).await
    }

    fn park_refused(
        &mut self,
        refused: Vec<Refused>,
        offset: impl Fn(&str) -> Offset,
        attempts: u32,
    ) -> Result<()> {
        for refused in refused {
            let (name, offset) = (self.transform(refused.mapping).name(), offset(&refused.key));
            self.parking.park(parked_target(name, refused, offset, attempts))?;
        }
        Ok(())
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
            || self.parking.is_changed()
            || self.last_commit.elapsed() >= self.lane.settings.trim_interval
    }

    async fn commit_progress(&mut self) -> Result<()> {
        let progress = Progress {
            log: self.lane.log.id(),
            topic: self.lane.topic.clone(),
            next: self.next,
            committed_at: self.committed_at,
        };
        fail_point!("apply.whole");
        self.sink.commit(&progress).await?;
        fail_point!("apply.committed");
        self.wrote = false;
        self.open = false;
        self.gate.begin();
        self.committed = self.next;
        self.last_commit = Instant::now();
        self.count_commit();
        Ok(())
    }

    /// Writes what was set aside and taken back.
    async fn write_parked(&mut self) -> Result<()> {
        if !self.parking.is_changed() {
            return Ok(());
        }
        let changes = self.parking.changes();
        self.sink.park(&changes.parked, &changes.settled).await?;
        fail_point!("apply.parked");
        self.parking.written();
        self.count_parked();
        Ok(())
    }

    /// Tries parked rows again: the cause may be gone, or a person asked for it. Tells whether there
    /// are more that may be taken.
    async fn retry_parked(&mut self) -> Result<bool> {
        if self.parking.is_empty() {
            return Ok(false);
        }
        self.parking.tick();
        self.follow_people().await?;
        let is_mapping = |name: &str| self.mapping(name).is_some();
        let due = self.parking.due(is_mapping, self.lane.settings.park_retry_rows);
        if due.is_empty() {
            return Ok(false);
        }
        self.open = true;
        let began = Instant::now();
        let (mut left, mut rows_max) = (due.as_slice(), 1);
        while !left.is_empty() && began.elapsed() < self.lane.settings.park_retry_time {
            let (group, others) = left.split_at(alike(left, rows_max));
            // As long as rows are taken, more of them go at once.
            let taken = self.retry_rows(group).await?;
            rows_max = if taken { (rows_max * 2).min(TOGETHER_MAX) } else { 1 };
            left = others;
        }
        self.commit(Commit { next: self.next, boundary: None }).await?;
        Ok(!left.is_empty() && rows_max > 1)
    }

    /// A person may have dropped rows, or asked for a replay, since.
    async fn follow_people(&mut self) -> Result<()> {
        let marks = self.sink.park_marks().await?;
        if !self.parking.follow(marks) {
            let parked_max = self.lane.settings.parked_max;
            self.parking = Parking::new(self.sink.parked().await?, parked_max);
        }
        self.count_parked();
        Ok(())
    }

    /// Tries rows of one mapping; tells whether all of them were taken.
    async fn retry_rows(&mut self, keys: &[ParkKey]) -> Result<bool> {
        let Some(mapping) = keys.first().and_then(|key| self.mapping(&key.mapping)) else {
            return Ok(false);
        };
        let transform = self.transform(mapping);
        let (mut rows, mut offsets) = (Vec::new(), BTreeMap::new());
        let (mut attempts, mut first) = (0, self.next);
        // Order: target rows first, since what a source row gives is newer than they are.
        for key in keys.iter().filter(|key| key.stage == Stage::Write) {
            let Some(row) = self.parking.get(key) else { continue };
            rows.push(align(&last_row(&row.image), transform.writes())?);
            offsets.insert(key.key.clone(), row.offset);
            attempts = attempts.max(row.attempts);
        }
        for key in keys.iter().filter(|key| key.stage == Stage::Map) {
            let Some(row) = self.parking.get(key) else { continue };
            (attempts, first) = (attempts.max(row.attempts), first.min(row.offset));
            let settled = retry_source(&mut self.parking, transform, key).await?;
            rows.extend(settled.into_iter().map(|settled| settled.rows));
        }
        if !rows.is_empty() {
            let wave = vec![MappedRows { mapping, rows: concat(&rows)? }];
            let (others, joined) = self.rejoin(wave)?;
            let isolated = self.write_again(others.into_iter().chain(joined).collect()).await?;
            self.written += isolated.written;
            self.wrote = true;
            let offset = |key: &str| offsets.get(key).copied().unwrap_or(first);
            self.park_refused(isolated.refused, offset, attempts.saturating_add(1))?;
        }
        Ok(keys.iter().all(|key| self.parking.get(key).is_none()))
    }

    fn mapping(&self, name: &str) -> Option<usize> {
        self.lane.transforms.iter().position(|transform| transform.name() == name)
    }
}
