//! When a resolve lets go of keys that are gone, and how little of that at a time.
//!
//! ```text
//!  resting ──interval──▶ a moment begins ──every reader is past it──▶ sweeping, a piece at a time ─┐
//!     ▲                        │ what ends the moment                   │                           │
//!     └────────────────────────┴────────────────────────────────────────┴───────────────────────────┘
//! ```
//!
//! A piece goes between two transactions and is committed by itself. The state is kept nowhere: after a
//! restart a new moment has to begin. `docs/design/tombstones.md` has the argument.

use crate::resolve::{Input, Resolve};
use fail::fail_point;
use std::sync::atomic::Ordering;
use std::time::Duration;
use syncline_core::{Boundary, ChangeBatch, Cursor, Offset, Op, Position, Result, Stability};
use tokio::time::{Instant, sleep_until};

/// The state of one attempt.
pub(crate) struct Collecting {
    stability: Stability,
    /// Whether anything may have gone that no sweep looked for since.
    is_due: bool,
    /// How far the sweep is, while there is one.
    sweep: Option<Cursor>,
    /// When to look again.
    at: Instant,
}

impl Collecting {
    /// Nothing is known of what an earlier attempt left.
    pub(crate) fn new(interval: Duration) -> Self {
        let at = Instant::now() + interval;
        Self { stability: Stability::default(), is_due: true, sweep: None, at }
    }

    /// Waits until there is something to do.
    pub(crate) async fn is_time(&self) {
        sleep_until(self.at).await;
    }

    /// A mapping's rows are heard.
    pub(crate) fn hear(&mut self, mapping: &str, rows: &ChangeBatch) {
        self.is_due |= rows.ops().contains(&(Op::Delete as u8));
        let runs = rows.transactions().iter().map(|run| run.transaction);
        let first =
            runs.map(|it| Position { epoch: it.epoch, commit: it.commit, ordinal: 0 }).min();
        let had_begun = self.stability.has_begun();
        if let Some(first) = first {
            self.stability.hear(mapping, first);
        }
        self.is_due |= had_begun && !self.stability.has_begun();
    }

    /// All of a mapping's rows go at once.
    pub(crate) fn disturb(&mut self) {
        self.stability.disturb();
        self.is_due = true;
    }

    /// A topic is heard, and committed, up to a boundary.
    pub(crate) fn pass(&mut self, input: &Input, boundary: Option<Boundary>) {
        // Places in an entity's topic are of many sources, and have no order.
        let of_systems = input.transforms.iter().filter(|it| it.reads().system().is_some());
        if let Some(boundary) = boundary {
            of_systems.for_each(|it| self.stability.pass(it.name(), boundary.position));
        }
    }

    /// Does what is next. No transaction is under way; the first input is heard up to `next`.
    pub(crate) async fn step(&mut self, resolve: &Resolve, next: Offset) -> Result<()> {
        let is_sweeping = self.step_on(resolve, next).await?;
        let settings = &resolve.settings;
        let wait = if is_sweeping { settings.collect_pause } else { settings.collect_interval };
        self.at = Instant::now() + wait;
        Ok(())
    }

    /// Whether a sweep is under way.
    async fn step_on(&mut self, resolve: &Resolve, next: Offset) -> Result<bool> {
        if !self.stability.has_begun() {
            // A sweep that was begun is left: it had not seen all.
            self.is_due |= self.sweep.take().is_some();
            if std::mem::take(&mut self.is_due) {
                self.stability.begin(resolve.log.tail(&resolve.topic).await?.next);
            }
            return Ok(false);
        }
        let Some(stable) = self.stability.stable(slowest(resolve)).cloned() else {
            return Ok(false);
        };
        let from = self.sweep.unwrap_or_default();
        let (log, topic) = (resolve.log.id(), resolve.inputs.first().map(|it| it.topic.clone()));
        let piece = resolve.with_claims(move |claims| {
            let (dropped, on) = claims.collect(&stable, from)?;
            if let Some(topic) = topic.filter(|_| dropped > 0) {
                claims.commit(log, &topic, next)?;
            }
            Ok((dropped, on))
        });
        let (dropped, on) = piece.await?;
        fail_point!("collect.forgotten");
        let counters = resolve.registry.entity(&resolve.entity);
        counters.dropped.fetch_add(dropped, Ordering::Relaxed);
        self.sweep = on;
        if on.is_none() {
            self.stability.disturb();
        }
        Ok(on.is_some())
    }
}

/// How far the slowest reader of the entity's topic is; none where nobody reads it. By its own mark: the log
/// hears of progress now and then only, and never where nothing more comes.
fn slowest(resolve: &Resolve) -> Option<Offset> {
    resolve.readers.iter().map(|reader| resolve.marks.reader(reader).passed()).min()
}
