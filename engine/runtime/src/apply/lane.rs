//! One lane: its two halves, and that it begins where nothing is missed.

use super::begin::{Begin, begin};
use super::{Link, Preparing, Reach, write::Writing};
use crate::clock::Clock;
use crate::marks::Marks;
use crate::readers::{Readers, Tables};
use crate::status::StateCell;
use crate::supervise::Attempt;
use crate::{Backfills, Registry, Settings, Shutdown};
use async_trait::async_trait;
use fail::fail_point;
use std::sync::Arc;
use syncline_core::{
    ChangeLog, Checkpoints, Error, Gates, Kind, Offset, Progress, ReaderName, Result, Sink,
    SystemName, Topic, Transform,
};
use tokio::select;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep};

/// One lane: everything an attempt needs.
pub(crate) struct Lane {
    pub(crate) reader: ReaderName,
    pub(crate) system: SystemName,
    pub(crate) topic: Topic,
    pub(crate) transforms: Vec<Arc<dyn Transform>>,
    pub(crate) links: Vec<Link>,
    /// Kept from attempt to attempt: it knows its own former session when it opens again.
    pub(crate) sink: Mutex<Box<dyn Sink>>,
    /// The tables whose rows reach it.
    pub(crate) tables: Tables,
    pub(crate) readers: Arc<Readers>,
    pub(crate) backfills: Arc<Backfills>,
    pub(crate) log: Arc<dyn ChangeLog>,
    pub(crate) checkpoints: Arc<dyn Checkpoints>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) marks: Arc<Marks>,
    pub(crate) gates: Arc<dyn Gates>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
}

/// How long whoever writes a topic is given to take it.
const TAKEN_AFTER: Duration = Duration::from_secs(2);

/// Steps mapped ahead of the one being written.
const STEPS_AHEAD: usize = 1;

#[async_trait]
impl Attempt for Lane {
    fn name(&self) -> String {
        self.reader.to_string()
    }

    fn states(&self) -> Vec<&StateCell> {
        vec![&self.registry.lane(&self.reader).state]
    }

    /// Applies until told to stop, or until something fails.
    async fn attempt(&self, shutdown: &mut Shutdown) -> Result<()> {
        let mut sink = self.sink.lock().await;
        self.wait_for_copy(shutdown).await?;
        let progress = sink.open(&self.reader).await?;
        fail_point!("apply.opened");
        let from = self.begin_at(progress.as_ref()).await?;
        fail_point!("apply.begun");
        let reach = Arc::new(Reach::new(self.settings.apply_bytes_max));
        let (prepared, steps) = mpsc::channel(STEPS_AHEAD);
        let preparing = Preparing {
            log: self.log.clone(),
            topic: self.topic.clone(),
            transforms: self.transforms.clone(),
            reach: reach.clone(),
        };
        let _preparing = AbortOnDrop(tokio::spawn(preparing.run(from, prepared)));
        let committed_at = progress.map_or(0, |progress| progress.committed_at);
        let mut writing =
            Writing::open(self, sink.as_mut(), from, committed_at, reach, shutdown.clone()).await?;
        let outcome = writing.run(steps, shutdown).await;
        let closed = writing.close().await;
        outcome.and(closed)
    }
}

impl Lane {
    /// Where a table that is written is heard too, waits until its first copy is in the log: a row of ours in
    /// that copy would pass for the system's own word.
    async fn wait_for_copy(&self, shutdown: &mut Shutdown) -> Result<()> {
        let Some(heard) = self.tables.get(&self.system) else { return Ok(()) };
        let is_heard = self.transforms.iter().any(|it| heard.contains(it.writes().name()));
        let Some(capture) = self.marks.capture(&self.system).filter(|_| is_heard) else {
            return Ok(());
        };
        let mut mark = capture.watch();
        select! { biased;
            () = shutdown.requested() => Err(Error::new(Kind::Closed, "told to stop")),
            _ = mark.wait_for(|mark| mark.passed > 0) => Ok(()),
        }
    }

    /// Where to read from, registered with the log so that trimming waits for this lane.
    async fn begin_at(&self, progress: Option<&Progress>) -> Result<Offset> {
        let (reader, topic, log) = (&self.reader, &self.topic, self.log.as_ref());
        let known = progress.filter(|it| it.log == log.id()).map(|it| it.next);
        if known.is_none() {
            self.readers.set_ahead(reader, false)?;
        }
        let mut tail = log.tail(topic).await?.next;
        if known.is_some_and(|next| next > tail) {
            tail = self.tail_anew().await?;
        }
        let registered = log.progress(reader, topic).await?.unwrap_or(tail);
        let was_ahead = self.readers.was_ahead(reader);
        match begin(known, registered, self.readers.began(reader), tail) {
            Begin::Ahead(next) => Err(self.ahead(next, tail)),
            Begin::At(next) | Begin::Back(next) if was_ahead => Err(self.ahead(next, tail)),
            Begin::At(from) => {
                log.commit(reader, topic, from).await?;
                Ok(from)
            }
            Begin::Back(from) => match self.go_back(from).await? {
                true => Ok(from),
                false => self.copy_again(tail).await,
            },
            Begin::CopyAgain => self.copy_again(tail).await,
        }
    }

    /// The end of the topic with what a worker before us appended last. Its lane may have applied that before ours
    /// took its place.
    async fn tail_anew(&self) -> Result<Offset> {
        if self.log.is_shared() {
            // Whoever writes the topic takes it meanwhile.
            sleep(TAKEN_AFTER).await;
        }
        Ok(self.log.tail_anew(&self.topic).await?.next)
    }

    /// Registers an offset before the one that the log knows; `false` where the log no longer has it.
    async fn go_back(&self, to: Offset) -> Result<bool> {
        let (reader, topic) = (&self.reader, &self.topic);
        self.log.forget(reader).await?;
        match self.log.commit(reader, topic, to).await {
            Err(error) if error.kind() == Kind::Corrupt => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Begins at the end, behind which everything is copied again. What was deleted at the source
    /// before stays at the target.
    async fn copy_again(&self, tail: Offset) -> Result<Offset> {
        tracing::warn!(
            "{} does not know how far {} is: its tables are copied again",
            self.system,
            self.reader
        );
        self.log.commit(&self.reader, &self.topic, tail).await?;
        // Order: asked for before it counts as begun, so that a crash between asks again.
        for (system, tables) in &self.tables {
            self.backfills.ask(system, tables.iter().cloned(), false)?;
        }
        self.readers.begins(&self.reader, tail)?;
        Ok(tail)
    }

    /// The error for a target that has seen what is not in the log; kept, since a log that grows
    /// would hide it.
    fn ahead(&self, next: Offset, tail: Offset) -> Error {
        if let Err(error) = self.readers.set_ahead(&self.reader, true) {
            return error;
        }
        let message =
            format!("{} has applied more of {} than the log held", self.system, self.topic);
        Error::new(Kind::Config, message)
            .detail(format!("applied up to offset {next}, the log ends at {tail}"))
            .hint(format!(
                "was the state restored from an older backup? Put the newer one back, or delete the \
                 row of {:?} in syncline.progress at {}: its tables are then copied again",
                self.reader.as_str(),
                self.system
            ))
    }
}

/// Ends the task when the lane's attempt ends.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
