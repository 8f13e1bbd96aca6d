//! One topic in memory: what was accepted, and what is durable.

use super::format::Progress;
use super::index::Index;
use super::queue::{Append, Failure, Queue, Staged, Work};
use crate::rules::{check_read, lock};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use syncline_core::codec::{Encoded, encode_entry};
use syncline_core::{
    Body, Entry, Offset, ReaderName, Record, Result, TableName, TableSchema, Tail,
    Topic as TopicName,
};
use tokio::sync::watch;

/// A topic, shared by its appender, its readers and the writer thread.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: TopicName,
    pub(super) directory: PathBuf,
    accepting: Mutex<Accepting>,
    view: Mutex<View>,
    durable: watch::Sender<Durable>,
}

/// What appenders see.
#[derive(Debug, Default)]
struct Accepting {
    /// The offset the next entry gets.
    next: u64,
    /// Whether a transaction is open behind what was accepted.
    is_open: bool,
    /// Alive while an appender has yet to hear that what it appended is lost.
    untold: Weak<Failure>,
    schemas: HashMap<TableName, Vec<(Arc<TableSchema>, u32)>>,
    next_schema: u32,
}

/// What readers see. Invariant: nothing in it could be lost in a crash.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) tail: Tail,
    pub(super) readers: BTreeMap<ReaderName, Offset>,
    /// In order; the last one is written to.
    pub(super) segments: VecDeque<Arc<Index>>,
    /// The entries before the end.
    recent: VecDeque<(Arc<Entry>, usize)>,
    recent_bytes: usize,
}

/// What readers wait on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Durable {
    pub(super) next: u64,
    pub(super) ended: bool,
}

/// Where a read finds its entries.
#[derive(Debug)]
pub(super) enum Found {
    Recent(Vec<Record>),
    Stored(Arc<Index>),
    NotYet,
}

impl Topic {
    pub(super) fn new(name: TopicName, directory: PathBuf, view: View) -> Self {
        let next = view.tail.next.0;
        let mut accepting = Accepting { next, is_open: view.tail.open, ..Accepting::default() };
        if let Some(active) = view.segments.back() {
            accepting.learn(active.schemas());
        }
        let durable = watch::Sender::new(Durable { next, ended: false });
        Self { name, directory, accepting: accepting.into(), view: view.into(), durable }
    }

    fn accepting(&self) -> MutexGuard<'_, Accepting> {
        lock(&self.accepting)
    }

    pub(super) fn view(&self) -> MutexGuard<'_, View> {
        lock(&self.view)
    }

    pub(super) fn durable(&self) -> watch::Receiver<Durable> {
        self.durable.subscribe()
    }

    /// Whether what was accepted ends within a transaction.
    pub(super) fn is_open(&self) -> bool {
        self.accepting().is_open
    }

    /// Tells waiting readers of the end as it is in the view now.
    pub(super) fn announce(&self) {
        let next = self.view().tail.next.0;
        self.durable.send_modify(|durable| durable.next = next);
    }

    /// Tells waiting readers that nothing will come any more.
    pub(super) fn end(&self) {
        self.durable.send_modify(|durable| durable.ended = true);
    }

    /// Fixes the place of entries in the topic and queues them; returns the offset after them.
    ///
    /// # Errors
    /// `Unavailable` while an appender has yet to hear of a loss, `Closed` after the log was.
    pub(super) fn accept(&self, queue: &Queue, append: Append, count: u64) -> Result<Offset> {
        let mut accepting = self.accepting();
        if let Some(failure) = accepting.untold.upgrade() {
            return Err(failure.error());
        }
        let is_open = append.is_open();
        queue.push(Work::Append(append))?;
        accepting.next += count;
        accepting.is_open = is_open.unwrap_or(accepting.is_open);
        Ok(Offset(accepting.next))
    }

    /// Takes back what was accepted and is not durable, of which `lost` is the part in the queue.
    /// Until every appender was told, nothing is accepted: an entry behind a lost one would leave
    /// a gap.
    pub(super) fn roll_back(&self, queue: &Queue, failure: &Arc<Failure>) -> Vec<Append> {
        let mut accepting = self.accepting();
        let tail = self.view().tail;
        (accepting.next, accepting.is_open) = (tail.next.0, tail.open);
        accepting.untold = Arc::downgrade(failure);
        // Order: appends are queued under this lock, so none slips in behind.
        queue.withdraw(&self.name)
    }

    /// Encodes entries, off the writer thread.
    pub(super) fn stage(&self, entries: Vec<Entry>) -> Result<Vec<Staged>> {
        entries.into_iter().map(|entry| self.stage_one(entry)).collect()
    }

    fn stage_one(&self, entry: Entry) -> Result<Staged> {
        let schema = match &entry.body {
            Body::Rows(batch) => Some(self.accepting().number_of(batch.schema())),
            Body::Truncate(_) | Body::Abandoned | Body::Nothing => None,
        };
        let number = schema.as_ref().map_or(0, |(number, _)| *number);
        let encoded = encode_entry(&entry, number)?;
        let memory_bytes = memory_bytes(&entry, &encoded);
        Ok(Staged { entry: Arc::new(entry), schema, encoded, memory_bytes })
    }
}

/// About what an entry holds in memory: its values, and Arrow's own structures, which weigh more
/// than the values of a single row.
fn memory_bytes(entry: &Entry, encoded: &Encoded) -> usize {
    const ARRAY_BYTES: usize = 512;
    let arrays = match &entry.body {
        Body::Rows(batch) => batch.columns().num_columns(),
        Body::Truncate(_) | Body::Abandoned | Body::Nothing => 0,
    };
    encoded.bytes() + (arrays + 1) * ARRAY_BYTES
}

impl Accepting {
    /// The number entries call this schema by, and the schema as it was first seen.
    fn number_of(&mut self, schema: &Arc<TableSchema>) -> (u32, Arc<TableSchema>) {
        let known = self.schemas.entry(schema.name().clone()).or_default();
        if let Some((same, number)) = known.iter().rev().find(|(known, _)| known == schema) {
            return (*number, same.clone());
        }
        known.push((schema.clone(), self.next_schema));
        self.next_schema += 1;
        (self.next_schema - 1, schema.clone())
    }

    fn learn(&mut self, schemas: HashMap<u32, Arc<TableSchema>>) {
        for (number, schema) in schemas {
            self.next_schema = self.next_schema.max(number + 1);
            self.schemas.entry(schema.name().clone()).or_default().push((schema, number));
        }
    }
}

impl View {
    /// What lies in segments; nothing of it is in memory yet.
    pub(super) fn recovered(
        tail: Tail,
        readers: BTreeMap<ReaderName, Offset>,
        segments: VecDeque<Arc<Index>>,
    ) -> Self {
        Self { tail, readers, segments, ..Self::default() }
    }

    /// The first offset that is still there.
    pub(super) fn first(&self) -> Offset {
        self.segments.front().map_or(self.tail.next, |segment| Offset(segment.header.first))
    }

    /// Where to read from an offset on.
    pub(super) fn find(&self, topic: &TopicName, from: Offset, bytes_max: usize) -> Result<Found> {
        check_read(topic, from, self.first(), self.tail.next)?;
        if from == self.tail.next {
            return Ok(Found::NotYet);
        }
        let recent_from = self.tail.next.0 - self.recent.len() as u64;
        if let Some(skip) = from.0.checked_sub(recent_from) {
            return Ok(Found::Recent(self.recent_from(from, skip as usize, bytes_max)));
        }
        let after = self.segments.partition_point(|segment| segment.header.first <= from.0);
        let segment = after.checked_sub(1).and_then(|place| self.segments.get(place));
        Ok(Found::Stored(segment.expect("check_read has seen the first offset").clone()))
    }

    fn recent_from(&self, from: Offset, skip: usize, bytes_max: usize) -> Vec<Record> {
        let mut bytes = 0;
        self.recent
            .iter()
            .skip(skip)
            .take_while(|(_, size)| {
                let fits = bytes == 0 || bytes + size <= bytes_max;
                bytes += size;
                fits
            })
            .zip(from.0..)
            .map(|((entry, _), at)| Record { offset: Offset(at), entry: entry.clone() })
            .collect()
    }

    /// Takes in entries that became durable.
    pub(super) fn append(&mut self, entries: Vec<(Arc<Entry>, usize)>, tail: Tail) {
        self.recent_bytes += entries.iter().map(|(_, bytes)| bytes).sum::<usize>();
        self.recent.extend(entries);
        self.tail = tail;
    }

    /// Takes in progress that became durable.
    pub(super) fn apply(&mut self, progress: Progress) {
        match progress.next {
            Some(next) => self.readers.insert(progress.reader, next),
            None => self.readers.remove(&progress.reader),
        };
    }

    /// Bytes of recent entries.
    pub(super) fn recent_bytes(&self) -> usize {
        self.recent_bytes
    }

    /// Lets go of the oldest recent entries until this many bytes are freed or none is left;
    /// returns the bytes that remain.
    pub(super) fn let_go(&mut self, bytes: usize) -> usize {
        let until = self.recent_bytes.saturating_sub(bytes);
        while self.recent_bytes > until {
            let Some((_, bytes)) = self.recent.pop_front() else { break };
            self.recent_bytes -= bytes;
        }
        self.recent_bytes
    }
}
