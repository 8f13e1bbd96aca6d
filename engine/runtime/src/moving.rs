//! From one log to another: what readers have yet to read, where they are, and the notes beside it.
//!
//! ```text
//!  old  … │ already read by all │ a b c d e f │        readers at a, at d and at the end
//!  new                            a b c d e f          the same readers at the same entries
//! ```
//!
//! Offsets mean something in their own log only. A target that knows how far it is in the old one is asked,
//! and begins in the new one where its reader is registered, as a reader that is new does.
//!
//! Order: a mark that moving has begun → of each topic its entries, then its readers → notes → the mark goes.
//! Cut off and begun again, all is moved once more, behind what the first time left, and readers that are
//! registered by then move on to that.

use crate::backfill;
use crate::capture::checkpoint_name;
use crate::notes;
use crate::pipeline::Pipeline;
use crate::readers::Readers;
use std::collections::BTreeMap;
use std::sync::Arc;
use syncline_core::{
    Body, ChangeLog, Checkpoints, Entry, Error, Kind, LogId, Offset, ReaderName, Result, Topic,
};

/// The note that is there while moving is not whole.
const MARK: &str = "moving";
/// How much is read and appended at a time.
const BYTES: usize = 8 << 20;

/// What was taken along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// Topics, with or without entries.
    pub topics: usize,
    /// Entries that not every reader had passed.
    pub entries: u64,
    /// Readers whose place is known.
    pub readers: usize,
}

impl Pipeline {
    /// Takes into this pipeline's log what another one has. Nothing may run on either meanwhile.
    ///
    /// # Errors
    /// `Config` where this log has entries of its own; those of targets that can't be asked.
    pub async fn take_over<L: ChangeLog + Checkpoints>(&self, from: &L) -> Result<Moved> {
        let is_begun = self.checkpoints.load(MARK)?.is_some_and(|mark| !mark.is_empty());
        for topic in self.topics() {
            if !is_begun && self.log.tail(&topic).await?.next != Offset(0) {
                return Err(Error::new(Kind::Config, format!("{topic} has entries already"))
                    .detail("a log can be moved only to where none is")
                    .hint("choose another prefix in [log]"));
            }
        }
        self.checkpoints.save(MARK, b"begun")?;
        let mut moved = Moved::default();
        let mut places = BTreeMap::new();
        for topic in self.topics() {
            moved.entries += self.take_topic(from, &topic, &mut places).await?;
            moved.topics += 1;
        }
        moved.readers = places.len();
        self.take_notes(from)?;
        Readers::open(self.checkpoints.clone())?.take_over(from, &places)?;
        self.checkpoints.save(MARK, b"")?;
        Ok(moved)
    }

    /// Appends what a topic's readers have yet to read, and registers them; the number of entries.
    async fn take_topic(
        &self,
        from: &dyn ChangeLog,
        topic: &Topic,
        places: &mut BTreeMap<ReaderName, Offset>,
    ) -> Result<u64> {
        let tail = from.tail(topic).await?;
        let mut readers: Vec<(Offset, ReaderName)> = Vec::new();
        for (reader, _) in self.all_readers().into_iter().filter(|(_, of)| of == topic) {
            if let Some(told) = from.progress(&reader, topic).await? {
                let known = self.at_target(&reader, from.id()).await?;
                readers.push((known.unwrap_or_default().max(told), reader));
            }
        }
        readers.sort_unstable();
        let (mut at, mut entries) = (readers.first().map_or(tail.next, |(at, _)| *at), 0);
        let mut placed = Vec::with_capacity(readers.len());
        for (until, reader) in readers {
            entries += self.copy(from, topic, at..until).await?;
            at = until;
            placed.push((reader, self.log.tail(topic).await?.next));
        }
        entries += self.copy(from, topic, at..tail.next).await?;
        let now = self.log.tail(topic).await?;
        if now.open || now.boundary != tail.boundary {
            let body = if now.open { Body::Abandoned } else { Body::Nothing };
            let end = Entry { body, boundary: tail.boundary };
            self.log.append(topic, vec![end]).await?.durable.await?;
        }
        for (reader, place) in &placed {
            self.log.commit(reader, topic, *place).await?;
        }
        places.extend(placed);
        Ok(entries)
    }

    /// How far a target is by its own word, which its log hears of now and then only.
    async fn at_target(&self, reader: &ReaderName, log: LogId) -> Result<Option<Offset>> {
        let Some(lane) = self.lanes.iter().find(|lane| lane.reader == *reader) else {
            return Ok(None);
        };
        let progress = (lane.make)().open(reader).await?;
        Ok(progress.filter(|progress| progress.log == log).map(|progress| progress.next))
    }

    async fn copy(
        &self,
        from: &dyn ChangeLog,
        topic: &Topic,
        range: std::ops::Range<Offset>,
    ) -> Result<u64> {
        let (mut at, mut copied) = (range.start, 0);
        while at < range.end {
            let mut records = from.read(topic, at, BYTES).await?;
            records.retain(|record| record.offset < range.end);
            let Some(last) = records.last() else { break };
            at = Offset(last.offset.0 + 1);
            copied += records.len() as u64;
            let entries = records.into_iter().map(|record| Arc::unwrap_or_clone(record.entry));
            self.log.append(topic, entries.collect()).await?.durable.await?;
        }
        Ok(copied)
    }

    /// The notes of sources, of requests to copy again, and of rows that resolves have set aside.
    fn take_notes(&self, from: &dyn Checkpoints) -> Result<()> {
        let of_systems = self.sources.iter().flat_map(|source| {
            [checkpoint_name(&source.system), backfill::note_name(&source.system)]
        });
        let of_readers = self.readers().map(notes::name);
        for name in of_systems.chain(of_readers) {
            if let Some(note) = from.load(&name)? {
                self.checkpoints.save(&name, &note)?;
            }
        }
        Ok(())
    }
}
