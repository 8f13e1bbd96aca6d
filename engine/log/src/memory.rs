//! The log in memory: what every log must do, in its shortest form.

use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use syncline_core::{
    Appended, Body, Boundary, ChangeLog, Entry, Error, Kind, Offset, ReaderName, Record, Result,
    Tail, Topic,
};
use tokio::sync::Notify;

/// A log that is durable as long as the process.
#[derive(Debug, Default)]
pub struct MemoryLog {
    topics: Mutex<HashMap<Topic, Entries>>,
    appended: Notify,
}

#[derive(Debug, Default)]
struct Entries {
    first: u64,
    entries: Vec<Arc<Entry>>,
    boundary: Option<Boundary>,
    open: bool,
    readers: HashMap<ReaderName, Offset>,
}

impl Entries {
    fn next(&self) -> Offset {
        Offset(self.first + self.entries.len() as u64)
    }

    fn push(&mut self, entry: Entry) {
        self.open = match (&entry.body, entry.boundary) {
            (_, Some(boundary)) => {
                self.boundary = Some(boundary);
                false
            }
            (Body::Abandoned, None) => false,
            _ => true,
        };
        self.entries.push(Arc::new(entry));
    }

    fn read(&self, from: Offset, bytes_max: usize) -> Result<Vec<Record>> {
        if from.0 < self.first || from > self.next() {
            return Err(Error::new(Kind::Corrupt, "the offset is not in the log").detail(format!(
                "asked for {from}, there are {} to {}",
                self.first,
                self.next()
            )));
        }
        let skip = usize::try_from(from.0 - self.first).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let records = self.entries.iter().zip(self.first..).skip(skip).take_while(|(entry, _)| {
            let before = bytes;
            bytes += entry.bytes();
            before == 0 || bytes <= bytes_max
        });
        Ok(records
            .map(|(entry, offset)| Record { offset: Offset(offset), entry: entry.clone() })
            .collect())
    }
}

impl MemoryLog {
    fn topics(&self) -> MutexGuard<'_, HashMap<Topic, Entries>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ChangeLog for MemoryLog {
    async fn append(&self, topic: &Topic, entries: Vec<Entry>) -> Result<Appended> {
        let next = {
            let mut topics = self.topics();
            let held = topics.entry(topic.clone()).or_default();
            entries.into_iter().for_each(|entry| held.push(entry));
            held.next()
        };
        self.appended.notify_waiters();
        Ok(Appended { next, durable: Box::pin(std::future::ready(Ok(next))) })
    }

    async fn read(&self, topic: &Topic, from: Offset, bytes_max: usize) -> Result<Vec<Record>> {
        loop {
            let appended = self.appended.notified();
            let records =
                self.topics().entry(topic.clone()).or_default().read(from, bytes_max)?;
            if !records.is_empty() {
                return Ok(records);
            }
            appended.await;
        }
    }

    async fn tail(&self, topic: &Topic) -> Result<Tail> {
        let mut topics = self.topics();
        let held = topics.entry(topic.clone()).or_default();
        Ok(Tail { next: held.next(), boundary: held.boundary, open: held.open })
    }

    async fn progress(&self, reader: &ReaderName, topic: &Topic) -> Result<Option<Offset>> {
        Ok(self.topics().entry(topic.clone()).or_default().readers.get(reader).copied())
    }

    async fn commit(&self, reader: &ReaderName, topic: &Topic, next: Offset) -> Result<()> {
        self.topics().entry(topic.clone()).or_default().readers.insert(reader.clone(), next);
        Ok(())
    }

    async fn trim(&self, topic: &Topic) -> Result<Offset> {
        let mut topics = self.topics();
        let held = topics.entry(topic.clone()).or_default();
        let passed = held.readers.values().min().map_or(held.first, |offset| offset.0);
        let gone = usize::try_from(passed.saturating_sub(held.first)).unwrap_or(0);
        held.entries.drain(..gone.min(held.entries.len()));
        held.first = passed.max(held.first);
        Ok(Offset(held.first))
    }
}
