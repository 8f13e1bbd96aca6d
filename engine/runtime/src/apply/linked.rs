//! Lanes whose tables refer to one another: a row may come before the row it refers to.
//!
//! ```text
//!  changes.sis ─▶ resolve ─▶ entity.person ─▶ lane ─▶ lms.users ◀─┐ refers to
//!       └───────────────────────────────────▶ lane ─▶ lms.enrolments
//! ```
//!
//! Lanes do not wait for each other as long as the target takes their rows. A refusal for want of
//! the other row may only be early: then the lane waits until those that are linked with it have
//! passed what the log holds at that moment, and tries again (see [`super::early`]).
//!
//! Invariant: no wait without end. A loop that does nothing for `linked_wait` is not waited for,
//! nor again before it moves; lanes that wait for each other in a circle do not. What is waited for is noted, so
//! that a process which does not live long enough leaves less to wait for.

use super::Lane;
use super::places::{Places, load, save};
use crate::Shutdown;
use crate::marks::{Mark, Marker};
use std::collections::HashMap;
use syncline_core::{Error, Kind, Offset, ReaderName, Result, SystemName, Topic};
use tokio::select;
use tokio::time::{Duration, Instant, sleep, sleep_until};

/// How long is waited before it is noted for what: most waits are shorter.
const NOTE_AFTER: Duration = Duration::from_millis(500);

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
    lane: &'a Lane,
    shutdown: Shutdown,
    /// Loops that were waited for in vain, as they were then.
    given_up: HashMap<String, Mark>,
    /// What is waited for.
    places: Places,
    /// The same as it was noted last.
    noted: Option<Places>,
    /// Whether an earlier life of this lane began to wait for it.
    is_resumed: bool,
    note_at: Instant,
}

/// Says that a lane waits for another, for as long as it does.
struct Waiting<'a>(&'a Marker);

impl<'a> Waiting<'a> {
    fn begin(own: &'a Marker, lane: &ReaderName) -> Self {
        own.wait_for(Some(lane.clone()));
        Self(own)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.wait_for(None);
    }
}

impl<'a> Linked<'a> {
    /// # Errors
    /// `Corrupt` where what an earlier life noted can't be understood.
    pub(super) fn open(lane: &'a Lane, shutdown: Shutdown) -> Result<Self> {
        let noted = match lane.links.is_empty() {
            true => None,
            false => load(lane.checkpoints.as_ref(), &lane.reader)?,
        };
        let none = || Places::none(lane.log.id(), Offset::default());
        Ok(Self {
            lane,
            shutdown,
            given_up: HashMap::new(),
            places: noted.clone().unwrap_or_else(none),
            is_resumed: noted.is_some(),
            noted,
            note_at: Instant::now(),
        })
    }

    /// Whether there is anyone to wait for.
    pub(super) fn is_empty(&self) -> bool {
        self.lane.links.is_empty()
    }

    /// For rows read before `next`: waits until the linked lanes have passed what the log holds now; or what it
    /// held when an earlier life of this lane began to wait, if the rows were there then. Cancel-safe.
    ///
    /// # Errors
    /// `Closed` when told to stop meanwhile.
    pub(super) async fn catch_up(&mut self, next: Offset) -> Result<()> {
        let (lane, log) = (self.lane, self.lane.log.id());
        self.note_at = Instant::now() + NOTE_AFTER;
        self.is_resumed &= self.places.hold_for(log, next);
        if !self.is_resumed {
            self.places = Places::none(log, lane.log.tail(&lane.topic).await?.next);
        }
        for link in &lane.links {
            let _waiting = Waiting::begin(lane.marks.reader(&lane.reader), &link.lane);
            self.follow(link).await?;
        }
        Ok(())
    }

    /// Follows one link from its systems to its lane.
    async fn follow(&mut self, link: &Link) -> Result<()> {
        let marks = &self.lane.marks;
        for system in &link.systems {
            let capture = marks.capture(system).filter(|_| !self.places.copied.contains(system));
            if let Some(capture) = capture {
                self.pass(system.as_str(), capture, Offset(1)).await?;
                if capture.passed() >= Offset(1) {
                    self.places.copied.insert(system.clone());
                }
            }
        }
        for (reader, topic) in &link.resolves {
            let place = self.place(reader, topic).await?;
            self.pass(reader.as_str(), marks.reader(reader), place).await?;
        }
        let place = self.place(&link.lane, &link.topic).await?;
        self.pass(link.lane.as_str(), marks.reader(&link.lane), place).await
    }

    /// How far a reader has to be: the end of its topic when that was asked first, which is once all that fills
    /// it was waited for.
    async fn place(&mut self, reader: &ReaderName, topic: &Topic) -> Result<Offset> {
        if let Some(place) = self.places.readers.get(reader) {
            return Ok(*place);
        }
        let end = self.lane.log.tail(topic).await?.next;
        self.places.readers.insert(reader.clone(), end);
        Ok(end)
    }

    /// Waits until a loop has passed a place, as long as it moves.
    async fn pass(&mut self, name: &str, marker: &Marker, place: Offset) -> Result<()> {
        let lane = self.lane;
        let mut mark = marker.watch();
        loop {
            let now = mark.borrow_and_update().clone();
            let in_vain = || self.given_up.get(name) == Some(&now);
            if now.passed >= place.0 || in_vain() || lane.marks.is_circle(&lane.reader) {
                return Ok(());
            }
            let patience = sleep(lane.settings.linked_wait);
            tokio::pin!(patience);
            loop {
                select! { biased;
                    () = self.shutdown.requested() => {
                        return Err(Error::new(Kind::Closed, "told to stop"));
                    }
                    _ = mark.changed() => break,
                    () = sleep_until(self.note_at), if self.noted.as_ref() != Some(&self.places) => {
                        self.note()?;
                    }
                    () = &mut patience => {
                        tracing::warn!("{} no longer waits for {name}, which does nothing", lane.reader);
                        self.given_up.insert(name.to_owned(), now);
                        return Ok(());
                    }
                }
            }
        }
    }

    fn note(&mut self) -> Result<()> {
        save(self.lane.checkpoints.as_ref(), &self.lane.reader, &self.places)?;
        self.noted = Some(self.places.clone());
        Ok(())
    }
}
