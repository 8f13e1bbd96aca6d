//! What the callers and the writer thread of one log share.

use super::format::file_name;
use super::queue::{Failure, Queue};
use super::settings::Settings;
use super::topic::{Topic, View};
use crate::rules::lock;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use syncline_core::{Result, Topic as TopicName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One open log.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) directory: PathBuf,
    pub(super) settings: Settings,
    pub(super) queue: Queue,
    topics: Mutex<HashMap<TopicName, Arc<Topic>>>,
    /// A permit for each byte that may be accepted and not durable.
    room: Arc<Semaphore>,
    room_bytes: u32,
    doubt: OnceLock<Failure>,
}

impl Shared {
    pub(super) fn new(directory: PathBuf, settings: Settings, topics: Vec<Arc<Topic>>) -> Self {
        let room_bytes = u32::try_from(settings.unsynced_bytes).unwrap_or(u32::MAX);
        Self {
            directory,
            settings,
            queue: Queue::default(),
            topics: topics
                .into_iter()
                .map(|topic| (topic.name.clone(), topic))
                .collect::<HashMap<_, _>>()
                .into(),
            room: Arc::new(Semaphore::new(room_bytes as usize)),
            room_bytes,
            doubt: OnceLock::new(),
        }
    }

    /// The topic of this name, from its first use on.
    ///
    /// # Errors
    /// `Corrupt` once the log is in doubt; `Config` for a name that no directory can have.
    pub(super) fn topic(&self, name: &TopicName) -> Result<Arc<Topic>> {
        if let Some(doubt) = self.doubt() {
            return Err(doubt.error());
        }
        if let Some(topic) = lock(&self.topics).get(name) {
            return Ok(topic.clone());
        }
        let directory = topics_directory(&self.directory).join(file_name(name.as_str())?);
        let mut topics = lock(&self.topics);
        let topic = topics.entry(name.clone());
        let new = || Arc::new(Topic::new(name.clone(), directory, View::default()));
        Ok(topic.or_insert_with(new).clone())
    }

    /// All topics there are.
    pub(super) fn topics(&self) -> Vec<Arc<Topic>> {
        lock(&self.topics).values().cloned().collect()
    }

    /// Waits until so many bytes may be accepted; more than all there may ever be counts as all.
    pub(super) async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.room_bytes);
        let room = self.room.clone().acquire_many_owned(bytes).await;
        room.map_err(|_| Failure::Closed.error())
    }

    /// Why nothing is written any more.
    pub(super) fn doubt(&self) -> Option<Failure> {
        self.doubt.get().cloned()
    }

    /// Stops all writing and reading: what is on the disk is in doubt.
    pub(super) fn fall_into_doubt(&self, error: &dyn std::error::Error) -> Arc<Failure> {
        let detail = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        tracing::error!(detail, "the log is no longer written to");
        let doubt = self.doubt.get_or_init(|| Failure::Doubt(detail)).clone();
        self.end();
        Arc::new(doubt)
    }

    /// Tells all waiting readers that nothing will come any more.
    pub(super) fn end(&self) {
        self.topics().iter().for_each(|topic| topic.end());
    }

    /// Keeps the recent entries within their bound: the topic that holds most gives first.
    pub(super) fn bound_recent(&self) {
        let topics = self.topics();
        let mut sizes: Vec<_> = topics.iter().map(|topic| topic.view().recent_bytes()).collect();
        loop {
            let excess = sizes.iter().sum::<usize>().saturating_sub(self.settings.cache_bytes);
            let largest = sizes.iter_mut().zip(&topics).max_by_key(|(size, _)| **size);
            let Some((size, topic)) = largest.filter(|_| excess > 0) else { return };
            *size = topic.view().let_go(excess);
        }
    }
}

/// Where topics lie.
pub(super) fn topics_directory(directory: &std::path::Path) -> PathBuf {
    directory.join("topics")
}

/// Where checkpoints lie.
pub(super) fn checkpoints_directory(directory: &std::path::Path) -> PathBuf {
    directory.join("checkpoints")
}
