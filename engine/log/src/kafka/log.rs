//! The contract's calls.

use super::append::{append, settle};
use super::cursor::fetch;
use super::open::KafkaLog;
use super::topic::{Found, Topic};
use super::topics::delete_before;
use crate::rules::check_commit;
use async_trait::async_trait;
use std::sync::Arc;
use syncline_core::{
    Appended, ChangeLog, Checkpoints, Entry, Error, Kind, LogId, Offset, ReaderName, Record,
    Result, Tail, Topic as TopicName,
};

/// The name of a reader's note.
fn progress_key(reader: &ReaderName, topic: &TopicName) -> String {
    format!("{}{reader}", progress_prefix(topic))
}

fn progress_prefix(topic: &TopicName) -> String {
    format!("reader/{topic}/")
}

fn checkpoint_key(name: &str) -> String {
    format!("checkpoint/{name}")
}

#[async_trait]
impl ChangeLog for KafkaLog {
    fn id(&self) -> LogId {
        self.id
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn append(&self, topic: &TopicName, entries: Vec<Entry>) -> Result<Appended> {
        let topic = self.shared.topic(topic).await?;
        append(&self.shared, &topic, entries).await
    }

    async fn read(&self, name: &TopicName, from: Offset, bytes_max: usize) -> Result<Vec<Record>> {
        let topic = self.shared.topic(name).await?;
        let (mut from, mut durable) = (from, topic.durable());
        loop {
            let found = topic.view().find(name, from, bytes_max)?;
            match found {
                Found::Recent(records) => return Ok(records),
                Found::Stored(until) => {
                    let read = fetch(&self.shared, &topic, (from, until), bytes_max).await;
                    // A read that lost a race with trimming says so.
                    topic.view().find(name, from, 0)?;
                    let records = read?;
                    if !records.is_empty() {
                        return Ok(records);
                    }
                    // None of them counts.
                    from = until;
                }
                Found::NotYet => {
                    let moved = durable.wait_for(|next| *next > from.0).await;
                    moved.map_err(|_| Error::new(Kind::Closed, "the log was closed"))?;
                }
            }
        }
    }

    async fn tail(&self, topic: &TopicName) -> Result<Tail> {
        let topic = self.shared.topic(topic).await?;
        let mut writing = topic.writing.lock().await;
        settle(&self.shared, &topic, &mut writing).await?;
        Ok(topic.view().tail)
    }

    async fn tail_anew(&self, topic: &TopicName) -> Result<Tail> {
        let topic = self.shared.topic(topic).await?;
        let mut writing = topic.writing.lock().await;
        writing.doubt();
        settle(&self.shared, &topic, &mut writing).await?;
        Ok(topic.view().tail)
    }

    async fn progress(&self, reader: &ReaderName, topic: &TopicName) -> Result<Option<Offset>> {
        self.current(reader, topic)
    }

    async fn commit(&self, reader: &ReaderName, name: &TopicName, next: Offset) -> Result<()> {
        let topic = self.shared.topic(name).await?;
        let current = self.current(reader, name)?;
        if current == Some(next) {
            return Ok(());
        }
        let there = {
            let view = topic.view();
            Offset(view.first)..=view.tail.next
        };
        check_commit(reader, name, current, next, there)?;
        let text = next.0.to_string();
        self.shared.notes.put(&progress_key(reader, name), Some(text.as_bytes())).await
    }

    async fn forget(&self, reader: &ReaderName) -> Result<()> {
        let name = format!("/{reader}");
        for (key, _) in self.shared.notes.beginning("reader/") {
            if key.ends_with(&name) {
                self.shared.notes.put(&key, None).await?;
            }
        }
        Ok(())
    }

    async fn trim(&self, name: &TopicName) -> Result<Offset> {
        let topic = self.shared.topic(name).await?;
        let readers = self.shared.notes.beginning(&progress_prefix(name));
        let slowest = readers.iter().filter_map(|(_, text)| offset(text)).min();
        let (first, last) = {
            let view = topic.view();
            // The last entry stays: it says how the topic ends.
            (view.first, view.tail.next.0.saturating_sub(1))
        };
        let Some(floor) = slowest.map(|it| it.0.min(last)).filter(|floor| *floor > first) else {
            return Ok(Offset(first));
        };
        self.delete_before(topic, floor).await
    }
}

impl KafkaLog {
    /// Becomes true once it is known that another process has opened this log since. It writes nothing any
    /// more then that counts.
    #[must_use]
    pub fn is_fenced(&self) -> tokio::sync::watch::Receiver<bool> {
        self.shared.notes.is_fenced()
    }

    fn current(&self, reader: &ReaderName, topic: &TopicName) -> Result<Option<Offset>> {
        let Some(text) = self.shared.notes.get(&progress_key(reader, topic)) else {
            return Ok(None);
        };
        let offset = offset(&text);
        offset.map(Some).ok_or_else(|| {
            Error::new(
                Kind::Corrupt,
                format!("the note of how far {reader} is can't be understood"),
            )
        })
    }

    async fn delete_before(&self, topic: Arc<Topic>, floor: u64) -> Result<Offset> {
        // Order: readers are told before anything is gone.
        topic.view().first = floor;
        let shared = self.shared.clone();
        let deleted = self.shared.blocking(&topic, move |clients, name| {
            delete_before(clients, &shared.admin, name, floor)
        });
        deleted.await?;
        Ok(Offset(floor))
    }
}

fn offset(text: &[u8]) -> Option<Offset> {
    std::str::from_utf8(text).ok()?.parse().ok().map(Offset)
}

impl Checkpoints for KafkaLog {
    fn load(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.shared.notes.get(&checkpoint_key(name)).map(|note| note.to_vec()))
    }

    fn save(&self, name: &str, note: &[u8]) -> Result<()> {
        // Whoever delivers is another thread, so that waiting here is safe wherever this is called.
        futures::executor::block_on(self.shared.notes.put(&checkpoint_key(name), Some(note)))
    }
}
