//! The writer thread: a group of work at a time, one write and one sync for each topic in it.

use super::active::Active;
use super::group::{Group, Written, fail_appends};
use super::queue::{Failure, Work};
use super::shared::Shared;
use super::topic::Topic;
use fail::fail_point;
use std::collections::HashMap;
use std::sync::Arc;
use syncline_core::Topic as TopicName;
use syncline_segment::{Disk, Error};

/// What the writer thread owns.
#[derive(Debug)]
pub(super) struct LogWriter {
    pub(super) shared: Arc<Shared>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) active: HashMap<TopicName, Active>,
}

impl LogWriter {
    /// Works until the log is closed and all is done. Once the disk is in doubt, refuses
    /// everything.
    pub(super) fn run(mut self) {
        let shared = self.shared.clone();
        let _end = EndOnDrop(&shared);
        while let Some(works) = shared.queue.group(shared.settings.group_bytes) {
            self.group(works);
        }
        self.close();
    }

    fn group(&mut self, works: Vec<Work>) {
        // Order: write all topics, then sync each; the disk works while the rest is written.
        let written: Vec<_> =
            Group::split(works).into_iter().filter_map(|group| self.write(group)).collect();
        fail_point!("log.written");
        for group in written {
            self.settle(group);
        }
        self.shared.bound_recent();
    }

    /// Puts a topic's work into its file, not yet durable. Tells who waits where it can't.
    fn write(&mut self, group: Group) -> Option<Written> {
        if let Some(doubt) = self.shared.doubt() {
            group.fail(&Arc::new(doubt));
            return None;
        }
        let topic = group.topic.clone();
        let active = match self.active(&topic) {
            Ok(active) => active,
            Err(error) => {
                group.fail(&self.lost(&topic, error));
                return None;
            }
        };
        let written = group.stage(active);
        let Err(error) = active.file.flush() else { return Some(written) };
        for (number, _) in &written.schemas {
            active.schemas.remove(number);
        }
        written.fail(&self.lost(&topic, error));
        None
    }

    /// Makes a topic's work durable and tells who waits.
    fn settle(&mut self, written: Written) {
        if let Some(doubt) = self.shared.doubt() {
            return written.fail(&Arc::new(doubt));
        }
        let active = self.active.get_mut(&written.topic.name).expect("it was written to");
        match active.file.sync() {
            Ok(()) => {
                fail_point!("log.synced");
                written.publish(active);
            }
            Err(error) => written.fail(&self.shared.fall_into_doubt(&error)),
        }
    }

    /// The segment the topic is written to, a new one where the last is full.
    fn active(&mut self, topic: &Arc<Topic>) -> Result<&mut Active, Error> {
        let segment_bytes = self.shared.settings.segment_bytes;
        let current = self.active.get(&topic.name);
        if current.is_none_or(|active| active.is_full(segment_bytes)) {
            self.active.insert(topic.name.clone(), Active::begin(&self.disk, topic)?);
        }
        Ok(self.active.get_mut(&topic.name).expect("inserted above"))
    }

    /// Why work for a topic is lost. With a full disk the topic goes on from its durable end once
    /// its appender knows.
    fn lost(&self, topic: &Topic, error: Error) -> Arc<Failure> {
        if !error.is_no_room() {
            return self.shared.fall_into_doubt(&error);
        }
        let error = syncline_core::Error::from(error);
        tracing::warn!(topic = %topic.name, %error, "nothing can be appended for now");
        let failure = Arc::new(Failure::NoRoom(error.to_string()));
        fail_appends(topic.roll_back(&self.shared.queue, &failure), &failure);
        failure
    }

    fn close(self) {
        if self.shared.doubt().is_some() {
            return;
        }
        for active in self.active.into_values() {
            let topic = active.topic.name.clone();
            if let Err(error) = active.close() {
                tracing::warn!(%topic, %error, "the log was not closed in order");
            }
        }
    }
}

/// Whatever ends the thread, nobody waits for it afterwards.
struct EndOnDrop<'a>(&'a Shared);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.queue.abandon();
        self.0.end();
    }
}
