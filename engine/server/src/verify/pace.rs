//! How fast both sides are read: at once while the flow keeps up, little by little while it does not.

use crate::live::Watching;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use syncline_core::{Error, Kind, Result};
use tokio::time::sleep;

/// How old the oldest change may be that is not at its target before reading gives way.
const BEHIND_MS: f64 = 500.0;

/// While the flow is behind, how much longer reading rests than it works; and the longest rest at a time.
const REST_TIMES: u32 = 24;
const REST_MAX: Duration = Duration::from_millis(500);

/// Tells reading to rest, and to stop. Clones are of the same reading.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    watching: Watching,
    /// Whether it rests also while the flow keeps up.
    slowly: bool,
    stopped: Arc<AtomicBool>,
    /// Rows read so far, of both sides.
    rows: Arc<AtomicU64>,
}

impl Pace {
    /// By the flow that is watched.
    pub(crate) fn new(watching: Watching, slowly: bool, rows: Arc<AtomicU64>) -> Self {
        Self { watching, slowly, stopped: Arc::default(), rows }
    }

    /// Stops all reading once it is dropped.
    pub(crate) fn stopper(&self) -> Stopper {
        Stopper(self.stopped.clone())
    }

    /// Counts rows that were read since `began`, and rests where the flow is behind. Blocks.
    ///
    /// # Errors
    /// `Closed` where nobody waits for it any more.
    pub(crate) fn rest(&self, rows: u64, began: Instant) -> Result<()> {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.check()?;
        if let Some(time) = self.owed(began) {
            pause(time);
        }
        Ok(())
    }

    /// The same for who must not block, and of rows that were counted.
    pub(crate) async fn rest_later(&self, began: Instant) -> Result<()> {
        self.check()?;
        if let Some(time) = self.owed(began) {
            sleep(time).await;
        }
        Ok(())
    }

    /// How long to rest for what was done since `began`.
    fn owed(&self, began: Instant) -> Option<Duration> {
        let rests = self.slowly || self.is_behind();
        rests.then(|| (began.elapsed() * REST_TIMES).min(REST_MAX))
    }

    /// Whether to go on.
    pub(crate) fn check(&self) -> Result<()> {
        match self.stopped.load(Ordering::Relaxed) {
            true => Err(Error::new(Kind::Closed, "nobody waits for the verification any more")),
            false => Ok(()),
        }
    }

    fn is_behind(&self) -> bool {
        self.watching.borrow().lanes.values().any(|lane| lane.lag_ms > BEHIND_MS)
    }
}

#[expect(clippy::disallowed_methods, reason = "it waits for nothing: it leaves time to others")]
fn pause(time: Duration) {
    thread::sleep(time);
}

/// Stops reading when it is dropped.
#[derive(Debug)]
pub(crate) struct Stopper(Arc<AtomicBool>);

impl Drop for Stopper {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
