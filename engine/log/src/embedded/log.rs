//! The contract's calls.

use super::open::EmbeddedLog;
use super::queue::{Append, Commit, Failure, Work};
use super::read::read_segment;
use super::topic::{Found, Topic};
use super::trim::drop_passed;
use async_trait::async_trait;
use fail::fail_point;
use futures::FutureExt;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use syncline_core::{
    Appended, ChangeLog, Entry, Error, Kind, LogId, Offset, ReaderName, Record, Result, Tail,
    Topic as TopicName,
};
use tokio::sync::oneshot;

#[async_trait]
impl ChangeLog for EmbeddedLog {
    fn id(&self) -> LogId {
        self.id
    }

    async fn append(&self, topic: &TopicName, entries: Vec<Entry>) -> Result<Appended> {
        let topic = self.shared.topic(topic)?;
        self.shared.check_limit(&topic)?;
        let entries = topic.stage(entries)?;
        let bytes = entries.iter().map(|entry| entry.encoded.bytes()).sum();
        let room = self.shared.room(bytes).await?;
        let (durable, told) = oneshot::channel();
        let count = entries.len() as u64;
        let work = Append { topic: topic.clone(), entries, durable, room };
        let next = topic.accept(&self.shared.queue, work, count)?;
        let durable = async move {
            match told.await {
                Ok(Ok(())) => Ok(next),
                Ok(Err(failure)) => Err(failure.error()),
                Err(_) => Err(Failure::Closed.error()),
            }
        };
        Ok(Appended { next, durable: durable.boxed() })
    }

    async fn read(&self, name: &TopicName, from: Offset, bytes_max: usize) -> Result<Vec<Record>> {
        loop {
            let topic = self.shared.topic(name)?;
            let mut durable = topic.durable();
            let found = topic.view().find(name, from, bytes_max)?;
            match found {
                Found::Recent(records) => return Ok(records),
                Found::Stored(index) => {
                    let read_bytes = self.shared.settings.read_bytes;
                    let records =
                        blocking(move || read_segment(&index, from, bytes_max, read_bytes)).await;
                    // A read that lost a race with trimming says so, not that a file is missing.
                    topic.view().find(name, from, 0)?;
                    return records;
                }
                Found::NotYet => {
                    let moved = durable.wait_for(|end| end.next > from.0 || end.ended).await;
                    if moved.is_ok_and(|end| end.ended) {
                        self.shared.topic(name)?;
                        return Err(Failure::Closed.error());
                    }
                }
            }
        }
    }

    async fn tail(&self, topic: &TopicName) -> Result<Tail> {
        Ok(self.shared.topic(topic)?.view().tail)
    }

    async fn progress(&self, reader: &ReaderName, topic: &TopicName) -> Result<Option<Offset>> {
        Ok(self.shared.topic(topic)?.view().readers.get(reader).copied())
    }

    async fn commit(&self, reader: &ReaderName, topic: &TopicName, next: Offset) -> Result<()> {
        let topic = self.shared.topic(topic)?;
        let current = topic.view().readers.get(reader).copied();
        if current == Some(next) {
            return Ok(());
        }
        self.move_reader(topic, reader, Some(next)).await
    }

    async fn forget(&self, reader: &ReaderName) -> Result<()> {
        for topic in self.shared.topics() {
            let is_known = topic.view().readers.contains_key(reader);
            if is_known {
                self.move_reader(topic, reader, None).await?;
            }
        }
        Ok(())
    }

    async fn trim(&self, topic: &TopicName) -> Result<Offset> {
        let topic = self.shared.topic(topic)?;
        let (files, first) = {
            let mut view = topic.view();
            let files = drop_passed(&mut view, &self.shared.settings);
            (files, view.first())
        };
        if !files.is_empty() {
            blocking(move || remove(&topic, files)).await?;
        }
        Ok(first)
    }
}

impl EmbeddedLog {
    async fn move_reader(
        &self,
        topic: Arc<Topic>,
        reader: &ReaderName,
        next: Option<Offset>,
    ) -> Result<()> {
        let (done, told) = oneshot::channel();
        let commit = Commit { topic, reader: reader.clone(), next, done };
        self.shared.queue.push(Work::Commit(commit))?;
        told.await.unwrap_or_else(|_| Err(Failure::Closed.error()))
    }
}

/// Runs what waits for the disk where it holds up no other task.
async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R> + Send + 'static,
) -> Result<R> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::new(Kind::Internal, "a read failed").caused_by(error)))
}

/// Removes trimmed segments, oldest first, so that a crash leaves no gap.
fn remove(topic: &Topic, files: VecDeque<PathBuf>) -> Result<()> {
    let removed = files
        .iter()
        .try_for_each(|file| {
            syncline_segment::remove(file)?;
            fail_point!("log.trimmed");
            Ok(())
        })
        .and_then(|()| syncline_segment::sync_directory(&topic.directory));
    removed.map_err(|error| {
        Error::new(Kind::Unavailable, format!("can't remove what was trimmed of {}", topic.name))
            .hint("check the directory's permissions; it is tried again after a restart")
            .caused_by(error)
    })
}
