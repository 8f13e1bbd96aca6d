//! One lane: where it begins, and its two halves.

use super::{Link, Preparing, write::Writing};
use crate::clock::Clock;
use crate::marks::Marks;
use crate::status::StateCell;
use crate::supervise::Attempt;
use crate::{Registry, Settings, Shutdown};
use async_trait::async_trait;
use std::sync::Arc;
use syncline_core::{
    ChangeLog, Error, Kind, Offset, ReaderName, Result, Sink, SystemName, Topic, Transform,
};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

/// One lane: everything an attempt needs.
pub(crate) struct Lane {
    pub(crate) reader: ReaderName,
    pub(crate) system: SystemName,
    pub(crate) topic: Topic,
    pub(crate) transforms: Vec<Arc<dyn Transform>>,
    pub(crate) links: Vec<Link>,
    /// Kept from attempt to attempt: it knows its own former session when it opens again.
    pub(crate) sink: Mutex<Box<dyn Sink>>,
    pub(crate) log: Arc<dyn ChangeLog>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) marks: Arc<Marks>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
}

/// Steps mapped ahead of the one being written.
const STEPS_AHEAD: usize = 1;

#[async_trait]
impl Attempt for Lane {
    fn name(&self) -> String {
        self.reader.to_string()
    }

    fn state(&self) -> &StateCell {
        &self.registry.lane(&self.reader).state
    }

    /// Applies until told to stop, or until something fails.
    async fn attempt(&self, shutdown: &mut Shutdown) -> Result<()> {
        let mut sink = self.sink.lock().await;
        let progress = sink.open(&self.reader).await?;
        let from = self.begin_at(progress.as_ref().map(|progress| progress.next)).await?;
        let (prepared, steps) = mpsc::channel(STEPS_AHEAD);
        let preparing = Preparing {
            log: self.log.clone(),
            topic: self.topic.clone(),
            transforms: self.transforms.clone(),
            bytes_max: self.settings.apply_bytes_max,
        };
        let _preparing = AbortOnDrop(tokio::spawn(preparing.run(from, prepared)));
        let committed_at = progress.map_or(0, |progress| progress.committed_at);
        let mut writing =
            Writing::open(self, sink.as_mut(), from, committed_at, shutdown.clone()).await?;
        let outcome = writing.run(steps, shutdown).await;
        let closed = writing.close().await;
        outcome.and(closed)
    }
}

impl Lane {
    /// Where to read from, registered with the log so that trimming waits for this lane.
    async fn begin_at(&self, progress: Option<Offset>) -> Result<Offset> {
        let from = progress.unwrap_or_default();
        let tail = self.log.tail(&self.topic).await?;
        if from > tail.next {
            return Err(Error::new(
                Kind::Config,
                format!("{} has applied more of {} than the log holds", self.system, self.topic),
            )
            .detail(format!("applied up to offset {from}, the log ends at {}", tail.next))
            .hint(format!(
                "the log was replaced since: put it back, or delete the row of {:?} in \
                 syncline.progress at {} to apply this log from its beginning",
                self.reader.as_str(),
                self.system
            )));
        }
        self.log.commit(&self.reader, &self.topic, from).await?;
        Ok(from)
    }
}

/// Ends the task when the lane's attempt ends.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
