//! Looks at the counters a few times a second and publishes what it saw.
//!
//! Owns the history that rates are made of, so that nobody else has to keep any.

use super::report::{CaptureReport, MappingReport, Report};
use crate::clock::SystemClock;
use crate::verify::Outcomes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use syncline_core::{ReaderName, TableName};
use syncline_runtime::{Clock as _, Registry, Status};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Reports as they come; the last one is always there.
pub(crate) type Watching = watch::Receiver<Arc<Report>>;

/// How often a report is made.
const PERIOD: Duration = Duration::from_millis(250);

/// Reports that a rate is taken over.
const HISTORY: usize = 8;

/// A mapping and the lane that carries its rows.
#[derive(Debug, Clone)]
pub(crate) struct WatchedMapping {
    /// Its file.
    pub(crate) name: String,
    /// What it reads.
    pub(crate) reads: TableName,
    /// What it writes.
    pub(crate) writes: TableName,
    /// Its lane.
    pub(crate) lane: ReaderName,
}

/// Makes reports of one pipeline.
#[derive(Debug)]
pub(crate) struct Observer {
    project: String,
    registry: Arc<Registry>,
    mappings: Vec<WatchedMapping>,
    outcomes: Outcomes,
    began: Instant,
    history: VecDeque<(Instant, Counts)>,
    retained: BTreeMap<String, Retained>,
}

/// What a system holds back for us, when it last changed, and how fast.
#[derive(Debug, Clone, Copy)]
struct Retained {
    at: Instant,
    bytes: u64,
    growth: f64,
}

impl Retained {
    /// The next measurement; the same bytes are none.
    fn next(self, at: Instant, bytes: u64) -> Self {
        let seconds = at.duration_since(self.at).as_secs_f64();
        if bytes == self.bytes || seconds <= 0.0 {
            return self;
        }
        Self { at, bytes, growth: (bytes as f64 - self.bytes as f64) / seconds }
    }
}

/// Rows by system and by mapping, at one moment.
#[derive(Debug, Default)]
struct Counts {
    captured: BTreeMap<String, u64>,
    mapped: BTreeMap<String, u64>,
}

impl Observer {
    /// An observer of the pipeline with this registry.
    pub(crate) fn new(
        project: &str,
        registry: Arc<Registry>,
        mappings: Vec<WatchedMapping>,
        outcomes: Outcomes,
    ) -> Self {
        let began = Instant::now();
        Self {
            project: project.to_owned(),
            registry,
            mappings,
            outcomes,
            began,
            history: VecDeque::new(),
            retained: BTreeMap::new(),
        }
    }

    /// Publishes reports until nobody watches.
    pub(crate) fn spawn(mut self) -> Watching {
        let (publish, watching) = watch::channel(Arc::new(self.look()));
        tokio::spawn(async move {
            let mut ticks = interval(PERIOD);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    () = publish.closed() => return,
                    _ = ticks.tick() => {}
                }
                publish.send_replace(Arc::new(self.look()));
            }
        });
        watching
    }

    fn look(&mut self) -> Report {
        let now = Instant::now();
        let status = self.registry.status(SystemClock.now());
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back((now, Counts::of(&status)));
        for (name, capture) in &status.captures {
            let Some(bytes) = capture.retained_bytes else { continue };
            let first = Retained { at: now, bytes, growth: 0.0 };
            let last = self.retained.entry(name.clone()).or_insert(first);
            *last = last.next(now, bytes);
        }
        self.report(now, status)
    }

    fn report(&self, now: Instant, status: Status) -> Report {
        let mappings = self.mappings.iter().map(|mapping| {
            let report = self.mapping(now, mapping, &status);
            (mapping.name.clone(), report)
        });
        let mappings = mappings.collect();
        let captures = status.captures.into_iter().map(|(name, status)| {
            let before = |counts: &Counts| counts.captured.get(&name).copied();
            let rows_per_second = self.rate(now, status.rows, before);
            let retained_growth = self.retained.get(&name).map_or(0.0, |it| it.growth);
            (name, CaptureReport { status, rows_per_second, retained_growth })
        });
        Report {
            project: self.project.clone(),
            version: env!("CARGO_PKG_VERSION"),
            process: std::process::id(),
            uptime_seconds: now.duration_since(self.began).as_secs_f64(),
            captures: captures.collect(),
            mappings,
            lanes: status.lanes,
            entities: status.entities,
            verified: self.outcomes.all(),
        }
    }

    fn mapping(&self, now: Instant, mapping: &WatchedMapping, status: &Status) -> MappingReport {
        let counted = status.mappings.get(&mapping.name);
        let lane = status.lanes.get(mapping.lane.as_str());
        let rows_out = counted.map_or(0, |counted| counted.rows_out);
        let before = |counts: &Counts| counts.mapped.get(&mapping.name).copied();
        MappingReport {
            reads: mapping.reads.to_string(),
            writes: mapping.writes.to_string(),
            lane: mapping.lane.to_string(),
            rows_in: counted.map_or(0, |counted| counted.rows_in),
            rows_out,
            rows_per_second: self.rate(now, rows_out, before),
            lag_ms: lane.map_or(0.0, |lane| lane.lag_ms),
            p99_ms: lane.map_or(0.0, |lane| lane.commit_to_target.p99_ms),
            parked: counted.map_or(0, |counted| counted.parked),
        }
    }

    /// Rows a second since the oldest count that is kept.
    fn rate(&self, now: Instant, rows: u64, before: impl Fn(&Counts) -> Option<u64>) -> f64 {
        let Some((then, counts)) = self.history.front() else { return 0.0 };
        let seconds = now.duration_since(*then).as_secs_f64();
        let more = rows.saturating_sub(before(counts).unwrap_or(0));
        if seconds > 0.0 { more as f64 / seconds } else { 0.0 }
    }
}

impl Counts {
    fn of(status: &Status) -> Self {
        let captured = status.captures.iter().map(|(name, it)| (name.clone(), it.rows));
        let mapped = status.mappings.iter().map(|(name, it)| (name.clone(), it.rows_out));
        Self { captured: captured.collect(), mapped: mapped.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_back_grows_by_what_was_measured_last() {
        let at = |seconds| Instant::now() + Duration::from_secs(seconds);
        let first = Retained { at: at(0), bytes: 1000, growth: 0.0 };
        let grown = first.next(at(10), 6000);
        assert!((grown.growth - 500.0).abs() < 1.0, "{grown:?}");
        assert!((grown.next(at(12), 6000).growth - 500.0).abs() < 1.0, "nothing was measured");
        assert!(grown.next(at(20), 0).growth < 0.0);
    }
}
