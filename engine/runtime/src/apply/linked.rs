//! Lanes whose tables refer to one another: a row may come before the row it refers to.
//!
//! ```text
//!  changes.sis ─▶ resolve ─▶ entity.person ─▶ lane ─▶ lms.users ◀─┐ refers to
//!       └───────────────────────────────────▶ lane ─▶ lms.enrolments
//! ```
//!
//! Lanes do not wait for each other as long as the target takes their rows. A refusal for want of
//! the other row may only be early: then the lane waits until those that are linked with it have
//! passed what the log holds at that moment, and tries again, before any row is parked.
//!
//! Invariant: no wait without end. A loop that does nothing for `linked_wait` is not waited for,
//! nor again before it moves; lanes that wait for each other in a circle do not.

use crate::marks::{Mark, Marker, Marks};
use crate::{Settings, Shutdown};
use std::collections::HashMap;
use std::sync::Arc;
use syncline_core::{ChangeLog, Error, Kind, Offset, ReaderName, Result, SystemName, Topic};
use tokio::select;
use tokio::time::{Duration, sleep};

/// A lane whose rows refer to rows of this one, or the other way round, and what feeds it.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    /// The lane.
    pub(crate) lane: ReaderName,
    /// What it reads.
    pub(crate) topic: Topic,
    /// What fills that topic, where it is an entity's: each with the topic it reads.
    pub(crate) resolves: Vec<(ReaderName, Topic)>,
    /// The systems that this comes from, but for the one that the waiting lane itself reads: there,
    /// what is referred to comes first.
    pub(crate) systems: Vec<SystemName>,
}

/// The lanes that one lane may have to wait for.
pub(super) struct Linked<'a> {
    lane: &'a ReaderName,
    links: &'a [Link],
    log: &'a Arc<dyn ChangeLog>,
    marks: &'a Marks,
    patience: Duration,
    shutdown: Shutdown,
    /// Loops that were waited for in vain, as they were then.
    given_up: HashMap<String, Mark>,
}

impl<'a> Linked<'a> {
    pub(super) fn new(
        lane: &'a ReaderName,
        links: &'a [Link],
        log: &'a Arc<dyn ChangeLog>,
        marks: &'a Marks,
        settings: &Settings,
        shutdown: Shutdown,
    ) -> Self {
        let patience = settings.linked_wait;
        Self { lane, links, log, marks, patience, shutdown, given_up: HashMap::new() }
    }

    /// Whether there is anyone to wait for.
    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Waits until the linked lanes have passed what the log holds now.
    ///
    /// # Errors
    /// `Closed` when told to stop meanwhile.
    pub(super) async fn catch_up(&mut self) -> Result<()> {
        let own = self.marks.reader(self.lane);
        for link in self.links {
            own.wait_for(Some(link.lane.clone()));
            let followed = self.follow(link).await;
            own.wait_for(None);
            followed?;
        }
        Ok(())
    }

    /// Follows one link from its systems to its lane.
    async fn follow(&mut self, link: &Link) -> Result<()> {
        for system in &link.systems {
            if let Some(capture) = self.marks.capture(system) {
                self.pass(system.as_str(), capture, Offset(1)).await?;
            }
        }
        for (reader, topic) in &link.resolves {
            self.pass_tail(reader, topic).await?;
        }
        self.pass_tail(&link.lane, &link.topic).await
    }

    async fn pass_tail(&mut self, reader: &ReaderName, topic: &Topic) -> Result<()> {
        let end = self.log.tail(topic).await?.next;
        self.pass(reader.as_str(), self.marks.reader(reader), end).await
    }

    /// Waits until a loop has passed a place, as long as it moves.
    async fn pass(&mut self, name: &str, marker: &Marker, place: Offset) -> Result<()> {
        let mut mark = marker.watch();
        loop {
            let now = mark.borrow_and_update().clone();
            let in_vain = || self.given_up.get(name) == Some(&now);
            if now.passed >= place.0 || in_vain() || self.marks.is_circle(self.lane) {
                return Ok(());
            }
            select! { biased;
                () = self.shutdown.requested() => {
                    return Err(Error::new(Kind::Closed, "told to stop"));
                }
                _ = mark.changed() => {}
                () = sleep(self.patience) => {
                    tracing::warn!("{} no longer waits for {name}, which does nothing", self.lane);
                    self.given_up.insert(name.to_owned(), now);
                    return Ok(());
                }
            }
        }
    }
}
