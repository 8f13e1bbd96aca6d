//! The log in memory: what the contract says, and nothing else.

use crate::rules::{advance, check_commit, check_read, lock, new_id};
use async_trait::async_trait;
use futures::FutureExt;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use syncline_core::codec::EntryHead;
use syncline_core::{
    Appended, ChangeLog, Checkpoints, Entry, LogId, Offset, ReaderName, Record, Result, Tail, Topic,
};
use tokio::sync::Notify;

/// Keeps entries and checkpoints in memory. Durable for as long as the process.
#[derive(Debug)]
pub struct MemoryLog {
    id: LogId,
    topics: Mutex<HashMap<Topic, TopicState>>,
    notes: Mutex<HashMap<String, Vec<u8>>>,
    appended: Notify,
}

#[derive(Debug, Default)]
struct TopicState {
    first: u64,
    entries: VecDeque<Arc<Entry>>,
    tail: Tail,
    readers: BTreeMap<ReaderName, Offset>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        let (topics, notes) = (Mutex::default(), Mutex::default());
        Self { id: new_id(), topics, notes, appended: Notify::default() }
    }
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with<R>(&self, topic: &Topic, see: impl FnOnce(&mut TopicState) -> R) -> R {
        see(lock(&self.topics).entry(topic.clone()).or_default())
    }
}

#[async_trait]
impl ChangeLog for MemoryLog {
    fn id(&self) -> LogId {
        self.id
    }

    async fn append(&self, topic: &Topic, entries: Vec<Entry>) -> Result<Appended> {
        let next = self.with(topic, |state| state.append(entries));
        self.appended.notify_waiters();
        Ok(Appended { next, durable: async move { Ok(next) }.boxed() })
    }

    async fn read(&self, topic: &Topic, from: Offset, bytes_max: usize) -> Result<Vec<Record>> {
        loop {
            let mut appended = std::pin::pin!(self.appended.notified());
            // Order: listen first, then look; an append between the two is not missed.
            appended.as_mut().enable();
            let records = self.with(topic, |state| state.read(topic, from, bytes_max))?;
            if !records.is_empty() {
                return Ok(records);
            }
            appended.await;
        }
    }

    async fn tail(&self, topic: &Topic) -> Result<Tail> {
        Ok(self.with(topic, |state| state.tail))
    }

    async fn progress(&self, reader: &ReaderName, topic: &Topic) -> Result<Option<Offset>> {
        Ok(self.with(topic, |state| state.readers.get(reader).copied()))
    }

    async fn commit(&self, reader: &ReaderName, topic: &Topic, next: Offset) -> Result<()> {
        self.with(topic, |state| {
            let current = state.readers.get(reader).copied();
            check_commit(reader, topic, current, next, Offset(state.first)..=state.tail.next)?;
            state.readers.insert(reader.clone(), next);
            Ok(())
        })
    }

    async fn forget(&self, reader: &ReaderName) -> Result<()> {
        for topic in lock(&self.topics).values_mut() {
            topic.readers.remove(reader);
        }
        Ok(())
    }

    async fn trim(&self, topic: &Topic) -> Result<Offset> {
        Ok(self.with(topic, |state| {
            let floor = state.readers.values().min().map_or(state.first, |offset| offset.0);
            while state.first < floor && state.entries.pop_front().is_some() {
                state.first += 1;
            }
            Offset(state.first)
        }))
    }
}

impl TopicState {
    fn append(&mut self, entries: Vec<Entry>) -> Offset {
        for entry in entries {
            advance(&mut self.tail, &EntryHead::of(&entry, 0));
            self.entries.push_back(Arc::new(entry));
        }
        self.tail.next
    }

    fn read(&self, topic: &Topic, from: Offset, bytes_max: usize) -> Result<Vec<Record>> {
        check_read(topic, from, Offset(self.first), self.tail.next)?;
        let mut bytes = 0;
        let skip = usize::try_from(from.0 - self.first).unwrap_or(usize::MAX);
        let taken = self.entries.iter().skip(skip).zip(from.0..).take_while(|(entry, _)| {
            let fits = bytes == 0 || bytes + entry.bytes() <= bytes_max;
            bytes += entry.bytes();
            fits
        });
        Ok(taken.map(|(entry, at)| Record { offset: Offset(at), entry: entry.clone() }).collect())
    }
}

impl Checkpoints for MemoryLog {
    fn load(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(lock(&self.notes).get(name).cloned())
    }

    fn save(&self, name: &str, note: &[u8]) -> Result<()> {
        lock(&self.notes).insert(name.to_owned(), note.to_vec());
        Ok(())
    }
}
