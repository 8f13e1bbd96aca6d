//! What waits for the writer thread, and what its callers are told.

use super::topic::Topic;
use crate::rules::lock;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use syncline_core::codec::Encoded;
use syncline_core::{
    Body, Entry, Error, Kind, Offset, ReaderName, Result, TableSchema, Topic as TopicName,
};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// An entry ready to be written.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) entry: Arc<Entry>,
    pub(super) schema: Option<(u32, Arc<TableSchema>)>,
    pub(super) encoded: Encoded,
    pub(super) memory_bytes: usize,
}

/// Entries of one append call, accepted.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) topic: Arc<Topic>,
    pub(super) entries: Vec<Staged>,
    pub(super) durable: oneshot::Sender<std::result::Result<(), Arc<Failure>>>,
    /// Given back when this is dropped: the bytes are durable, or given up.
    pub(super) room: OwnedSemaphorePermit,
}

impl Append {
    /// Whether a transaction is open behind it; `None` where it brings no entry.
    pub(super) fn is_open(&self) -> Option<bool> {
        let entry = &self.entries.last()?.entry;
        Some(entry.boundary.is_none() && !matches!(entry.body, Body::Abandoned))
    }
}

/// A reader that moves, or is forgotten.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) topic: Arc<Topic>,
    pub(super) reader: ReaderName,
    pub(super) next: Option<Offset>,
    pub(super) done: oneshot::Sender<Result<()>>,
}

/// One piece of work.
#[derive(Debug)]
pub(super) enum Work {
    Append(Append),
    Commit(Commit),
}

/// Why entries or progress did not become durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The disk was full. They are not in the log; later ones can be.
    NoRoom(String),
    /// The disk failed: what is on it is in doubt.
    Doubt(String),
    /// The log was closed.
    Closed,
}

impl Failure {
    pub(super) fn error(&self) -> Error {
        match self {
            Self::NoRoom(detail) => Error::new(Kind::Unavailable, "the log's disk is full")
                .detail(detail)
                .hint("free space there; what was durable is kept, and capture goes on from it"),
            Self::Doubt(detail) => {
                Error::new(Kind::Corrupt, "the log is no longer written to after its disk failed")
                    .detail(detail)
                    .hint("check the disk, then restart: what was durable is still there")
            }
            Self::Closed => Error::new(Kind::Closed, "the log was closed"),
        }
    }
}

/// First in, first out, from any thread to the writer thread. Its length is bounded by the bytes
/// that may be undurable and by readers that wait for their commit.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    works: VecDeque<Work>,
    closed: bool,
}

impl Queue {
    /// Adds work.
    ///
    /// # Errors
    /// `Closed` when nobody will do it.
    pub(super) fn push(&self, work: Work) -> Result<()> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(Failure::Closed.error());
        }
        state.works.push_back(work);
        self.wake.notify_one();
        Ok(())
    }

    /// Waits for work and takes as much as goes into a group; `None` once closed and empty.
    pub(super) fn group(&self, bytes_max: usize) -> Option<Vec<Work>> {
        let mut state = lock(&self.state);
        while state.works.is_empty() {
            if state.closed {
                return None;
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut bytes = 0;
        let fits = state.works.iter().take_while(|work| {
            let fits = bytes < bytes_max;
            bytes += work.bytes();
            fits
        });
        let count = fits.count();
        Some(state.works.drain(..count).collect())
    }

    /// Takes out all appends to a topic.
    pub(super) fn withdraw(&self, topic: &TopicName) -> Vec<Append> {
        let mut state = lock(&self.state);
        let (mut withdrawn, mut kept) = (Vec::new(), VecDeque::new());
        for work in state.works.drain(..) {
            match work {
                Work::Append(append) if append.topic.name == *topic => withdrawn.push(append),
                other => kept.push_back(other),
            }
        }
        state.works = kept;
        withdrawn
    }

    /// Refuses further work; what is queued is still done.
    pub(super) fn close(&self) {
        lock(&self.state).closed = true;
        self.wake.notify_one();
    }

    /// Refuses further work and drops what is queued, so that nobody waits for it.
    pub(super) fn abandon(&self) {
        self.close();
        drop(std::mem::take(&mut lock(&self.state).works));
    }
}

impl Work {
    fn bytes(&self) -> usize {
        match self {
            Self::Append(append) => append.entries.iter().map(|entry| entry.encoded.bytes()).sum(),
            Self::Commit(_) => 0,
        }
    }
}
