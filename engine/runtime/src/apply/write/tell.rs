//! What a lane tells of itself: to whoever watches, to those that wait for it, to the log.

use super::Writing;
use fail::fail_point;
use std::sync::atomic::Ordering;
use syncline_core::{Kind, Result};
use tokio::time::Instant;

impl Writing<'_> {
    pub(super) fn count_commit(&mut self) {
        self.counters.count(std::mem::take(&mut self.written));
        let now = self.lane.clock.now();
        for (committed_at, rows) in self.commits.drain(..) {
            self.counters.commit_to_target.record(now - committed_at, u64::from(rows));
        }
    }

    pub(super) async fn count_progress(&mut self) -> Result<()> {
        self.mark.pass(self.next);
        let end = self.lane.log.tail(&self.lane.topic).await?.next;
        self.counters.next.store(self.next.0, Ordering::Relaxed);
        self.counters.end.store(end.0, Ordering::Relaxed);
        if self.next >= end {
            self.counters.oldest.store(0, Ordering::Relaxed);
        }
        Ok(())
    }

    pub(super) fn count_parked(&self) {
        self.counters.parked.store(self.parking.len() as u64, Ordering::Relaxed);
        for transform in &self.lane.transforms {
            let parked = self.parking.count(transform.name()) as u64;
            self.lane.registry.mapping(transform.name()).parked.store(parked, Ordering::Relaxed);
        }
    }

    /// Tells the log now and then: the target's own progress is the truth, the log only trims by it.
    pub(super) async fn tell_log(&mut self) -> Result<()> {
        if self.told_log.elapsed() < self.lane.settings.trim_interval {
            return Ok(());
        }
        self.told_log = Instant::now();
        self.say_progress().await
    }

    /// Commits and tells the log what was not told when it was passed: nothing may come for long, and what waits for
    /// room in the log comes only once this is told.
    pub(super) async fn tell_at_rest(&mut self) -> Result<()> {
        if self.committed < self.next && self.must_commit() {
            self.write_parked().await?;
            self.commit_progress().await?;
        }
        if self.told < self.committed {
            self.tell_log().await?;
        }
        Ok(())
    }

    /// Tells the log how far the target is. A log without room does not hear of it now; the next
    /// time will do.
    ///
    /// Order: the target keeps it for good before the log may forget it.
    pub(super) async fn say_progress(&mut self) -> Result<()> {
        self.sink.sync().await?;
        fail_point!("apply.synced");
        let told = self.lane.log.commit(&self.lane.reader, &self.lane.topic, self.committed).await;
        match told {
            Err(error) if error.kind() == Kind::Unavailable => {
                tracing::debug!(%error, "{}: the log does not take the progress", self.lane.reader);
                Ok(())
            }
            Err(error) => Err(error),
            Ok(()) => {
                self.told = self.committed;
                Ok(())
            }
        }
    }
}
