//! One topic in memory: what is being written, and what is durable.

use super::append::Writing;
use super::load::Loaded;
use crate::rules::{check_read, lock};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use syncline_core::{Entry, Offset, Record, Result, Tail, Topic as TopicName};
use tokio::sync::watch;

/// A topic, shared by its appender and its readers.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: TopicName,
    /// As it is called at the brokers.
    pub(super) at_brokers: String,
    pub(super) writing: tokio::sync::Mutex<Writing>,
    view: Mutex<View>,
    durable: watch::Sender<u64>,
}

/// What readers see. Invariant: nothing in it could be lost in a crash.
#[derive(Debug)]
pub(super) struct View {
    pub(super) first: u64,
    pub(super) tail: Tail,
    /// The last entries, in order.
    recent: VecDeque<(Record, usize)>,
    recent_bytes: usize,
}

/// Where a read finds its entries.
#[derive(Debug)]
pub(super) enum Found {
    Recent(Vec<Record>),
    /// At the brokers, before this offset.
    Stored(Offset),
    NotYet,
}

impl Topic {
    pub(super) fn new(name: TopicName, at_brokers: String, loaded: Loaded) -> Self {
        let view = View {
            first: loaded.first,
            tail: loaded.tail,
            recent: VecDeque::new(),
            recent_bytes: 0,
        };
        Self {
            name,
            at_brokers,
            writing: tokio::sync::Mutex::new(Writing::new(loaded)),
            view: Mutex::new(view),
            durable: watch::Sender::new(loaded.tail.next.0),
        }
    }

    pub(super) fn view(&self) -> MutexGuard<'_, View> {
        lock(&self.view)
    }

    /// Tells of the end as readers may see it.
    pub(super) fn durable(&self) -> watch::Receiver<u64> {
        self.durable.subscribe()
    }

    /// Takes in entries that are durable, and tells waiting readers.
    pub(super) fn advance(&self, entries: Vec<(Record, usize)>, tail: Tail) {
        let mut view = self.view();
        view.recent_bytes += entries.iter().map(|(_, bytes)| bytes).sum::<usize>();
        view.recent.extend(entries);
        view.tail = tail;
        drop(view);
        self.durable.send_replace(tail.next.0);
    }

    /// Takes in what the brokers have, after something was lost, or written by another.
    pub(super) fn reload(&self, loaded: Loaded) {
        let mut view = self.view();
        view.first = loaded.first;
        if view.tail.next != loaded.tail.next {
            view.recent.clear();
            view.recent_bytes = 0;
        }
        view.tail = loaded.tail;
        drop(view);
        self.durable.send_replace(loaded.tail.next.0);
    }
}

impl View {
    /// Where to read from an offset on.
    pub(super) fn find(&self, name: &TopicName, from: Offset, bytes_max: usize) -> Result<Found> {
        check_read(name, from, Offset(self.first), self.tail.next)?;
        if from == self.tail.next {
            return Ok(Found::NotYet);
        }
        let known = self.recent.front().is_some_and(|(record, _)| record.offset <= from);
        if !known {
            let until = self.recent.front().map_or(self.tail.next, |(record, _)| record.offset);
            return Ok(Found::Stored(until));
        }
        let skip = self.recent.partition_point(|(record, _)| record.offset < from);
        let mut bytes = 0;
        let taken = self.recent.iter().skip(skip).take_while(|(_, size)| {
            let fits = bytes == 0 || bytes + size <= bytes_max;
            bytes += size;
            fits
        });
        Ok(Found::Recent(taken.map(|(record, _)| record.clone()).collect()))
    }

    pub(super) fn recent_bytes(&self) -> usize {
        self.recent_bytes
    }

    /// Lets go of the oldest recent entries until so many bytes are freed or none is left; returns the bytes
    /// that remain.
    pub(super) fn let_go(&mut self, bytes: usize) -> usize {
        let until = self.recent_bytes.saturating_sub(bytes);
        while self.recent_bytes > until {
            let Some((_, bytes)) = self.recent.pop_front() else { break };
            self.recent_bytes -= bytes;
        }
        self.recent_bytes
    }
}

/// About what an entry holds in memory: its values, and Arrow's own structures, which weigh more than the
/// values of a single row.
pub(super) fn memory_bytes(entry: &Entry, encoded_bytes: usize) -> usize {
    const ARRAY_BYTES: usize = 512;
    let arrays = match &entry.body {
        syncline_core::Body::Rows(batch) => batch.columns().num_columns(),
        _ => 0,
    };
    encoded_bytes + (arrays + 1) * ARRAY_BYTES
}

/// Keeps the recent entries of all topics within a bound: the topic that holds most gives first.
pub(super) fn bound_recent(topics: &[Arc<Topic>], bytes_max: usize) {
    let mut sizes: Vec<_> = topics.iter().map(|topic| topic.view().recent_bytes()).collect();
    loop {
        let excess = sizes.iter().sum::<usize>().saturating_sub(bytes_max);
        let largest = sizes.iter_mut().zip(topics).max_by_key(|(size, _)| **size);
        let Some((size, topic)) = largest.filter(|_| excess > 0) else { return };
        *size = topic.view().let_go(excess);
    }
}
