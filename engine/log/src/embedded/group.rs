//! One topic's part of a group: from the queue into the file, and once durable into the view.

use super::active::Active;
use super::format::{self, ENTRY, PROGRESS, Progress, SCHEMA};
use super::queue::{Append, Commit, Failure, Staged, Work};
use super::topic::Topic;
use crate::rules::{advance, check_commit};
use std::sync::Arc;
use syncline_core::codec::{EntryHead, encode_schema};
use syncline_core::{Entry, Offset, Result, TableSchema, Tail};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// Work for one topic, in order.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) topic: Arc<Topic>,
    appends: Vec<Append>,
    commits: Vec<Commit>,
}

/// The same once its frames are staged.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) topic: Arc<Topic>,
    tail: Tail,
    entries: Vec<(Arc<Entry>, usize)>,
    places: Vec<(u64, u64)>,
    pub(super) schemas: Vec<(u32, Arc<TableSchema>)>,
    progress: Vec<Progress>,
    /// The end of the file behind the last frame.
    end: u64,
    waiting: Waiting,
}

/// Who waits for a group.
#[derive(Debug, Default)]
struct Waiting {
    appends: Vec<oneshot::Sender<std::result::Result<(), Arc<Failure>>>>,
    commits: Vec<oneshot::Sender<Result<()>>>,
    /// Given back once the group is settled.
    room: Vec<OwnedSemaphorePermit>,
}

impl Group {
    /// Sorts work by topic, keeping the order within each.
    pub(super) fn split(works: Vec<Work>) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for work in works {
            let topic = match &work {
                Work::Append(append) => &append.topic,
                Work::Commit(commit) => &commit.topic,
            };
            let known = groups.iter().position(|group| Arc::ptr_eq(&group.topic, topic));
            let place = known.unwrap_or_else(|| {
                groups.push(Self { topic: topic.clone(), appends: vec![], commits: vec![] });
                groups.len() - 1
            });
            if let Some(group) = groups.get_mut(place) {
                match work {
                    Work::Append(append) => group.appends.push(append),
                    Work::Commit(commit) => group.commits.push(commit),
                }
            }
        }
        groups
    }

    /// Stages the frames of all work in the topic's segment.
    pub(super) fn stage(self, active: &mut Active) -> Written {
        let (mut tail, mut readers, first) = {
            let view = self.topic.view();
            (view.tail, view.readers.clone(), view.first())
        };
        let there = first..=tail.next;
        let mut written = Written::new(self.topic, tail);
        for append in self.appends {
            for staged in append.entries {
                written.stage(active, staged, &mut tail);
            }
            written.waiting.appends.push(append.durable);
            written.waiting.room.push(append.room);
        }
        written.tail = tail;
        for Commit { topic, reader, next, done } in self.commits {
            let current = readers.get(&reader).copied();
            let allowed = next.map_or(Ok(()), |next| {
                check_commit(&reader, &topic.name, current, next, there.clone())
            });
            if let Err(error) = allowed {
                drop(done.send(Err(error)));
                continue;
            }
            let progress = Progress { reader: reader.clone(), next };
            active.file.push(PROGRESS, tail.next.0, &[&format::encode(&progress)]);
            written.progress.push(progress);
            written.waiting.commits.push(done);
            match next {
                Some(next) => drop(readers.insert(reader, next)),
                None => drop(readers.remove(&reader)),
            }
        }
        written.end = active.file.end();
        written
    }

    /// Tells everyone who waits.
    pub(super) fn fail(self, failure: &Arc<Failure>) {
        let waiting = Waiting {
            appends: self.appends.into_iter().map(|append| append.durable).collect(),
            commits: self.commits.into_iter().map(|commit| commit.done).collect(),
            room: Vec::new(),
        };
        waiting.fail(failure);
    }
}

impl Written {
    fn new(topic: Arc<Topic>, tail: Tail) -> Self {
        Self {
            topic,
            tail,
            entries: Vec::new(),
            places: Vec::new(),
            schemas: Vec::new(),
            progress: Vec::new(),
            end: 0,
            waiting: Waiting::default(),
        }
    }

    fn stage(&mut self, active: &mut Active, staged: Staged, tail: &mut Tail) {
        let Staged { entry, schema, encoded, memory_bytes } = staged;
        let number = schema.as_ref().map_or(0, |(number, _)| *number);
        if let Some((number, schema)) = schema
            && active.schemas.insert(number)
        {
            active.file.push(SCHEMA, number.into(), &[&encode_schema(&schema)]);
            self.schemas.push((number, schema));
        }
        let Offset(offset) = tail.next;
        self.places.push((offset, active.file.end()));
        active.file.push_owned(ENTRY, offset, &encoded.head, encoded.body);
        advance(tail, &EntryHead::of(&entry, number));
        self.entries.push((entry, memory_bytes));
    }

    /// Shows what is now durable to readers, then tells everyone who waits.
    pub(super) fn publish(self, active: &Active) {
        // Order: places before the view, so that what the view shows can be found.
        active.index.grow(self.places, self.schemas, self.end);
        {
            let mut view = self.topic.view();
            view.append(self.entries, self.tail);
            self.progress.into_iter().for_each(|progress| view.apply(progress));
        }
        self.topic.announce();
        drop(self.waiting.room);
        self.waiting.appends.into_iter().for_each(|durable| drop(durable.send(Ok(()))));
        self.waiting.commits.into_iter().for_each(|done| drop(done.send(Ok(()))));
    }

    /// Tells everyone who waits.
    pub(super) fn fail(self, failure: &Arc<Failure>) {
        self.waiting.fail(failure);
    }
}

impl Waiting {
    fn fail(self, failure: &Arc<Failure>) {
        for durable in self.appends {
            drop(durable.send(Err(failure.clone())));
        }
        for done in self.commits {
            drop(done.send(Err(failure.error())));
        }
    }
}

/// Tells appenders whose entries were taken out of the queue.
pub(super) fn fail_appends(appends: Vec<Append>, failure: &Arc<Failure>) {
    for append in appends {
        drop(append.durable.send(Err(failure.clone())));
    }
}
