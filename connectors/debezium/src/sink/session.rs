//! The work of a sink at the brokers, all of which blocks.

use super::settings::SinkSettings;
use super::state::{self, Asked, Mark, PROGRESS, Row, State};
use crate::write::{Writer, Written as Sent};
use std::collections::BTreeMap;
use std::sync::Arc;
use syncline_core::{
    ChangeBatch, Error, Kind, ParkKey, ParkMark, Parked, Progress, ReaderName, Result, SystemName,
    TableName, TableSchema, TargetChange, Written,
};
use syncline_log::{KafkaFeed, KafkaFeeds, KafkaRecord};

/// How many rows are encoded at a time.
const PART_ROWS: usize = 64;

/// A reader's place at the brokers, from the first time it was taken.
pub(super) struct Session {
    settings: SinkSettings,
    reader: ReaderName,
    feeds: KafkaFeeds,
    writer: Writer,
    topics: BTreeMap<TableName, Topic>,
    /// What was committed.
    state: State,
    /// What the open transaction makes of rows that are set aside; `None` takes one back.
    pending: BTreeMap<ParkKey, Option<(Mark, Row)>>,
}

/// A topic that is written.
#[derive(Debug, Clone)]
struct Topic {
    name: String,
    feed: KafkaFeed,
}

/// What is encoded at a time.
enum Part<'c> {
    Rows(ChangeBatch),
    Truncate(&'c Arc<TableSchema>),
}

impl Part<'_> {
    fn schema(&self) -> &TableSchema {
        match self {
            Self::Rows(rows) => rows.schema(),
            Self::Truncate(schema) => schema,
        }
    }
}

/// A change in parts of few rows.
fn parts(change: &TargetChange) -> Vec<Part<'_>> {
    match change {
        TargetChange::Rows(batch) => {
            let starts = (0..batch.len()).step_by(PART_ROWS);
            let part = |start| Part::Rows(batch.slice(start..batch.len().min(start + PART_ROWS)));
            starts.map(part).collect()
        }
        TargetChange::Truncate(schema) => vec![Part::Truncate(schema)],
    }
}

impl Session {
    /// Nothing is asked of the brokers yet.
    ///
    /// # Errors
    /// `Config` where the settings can't work.
    pub(super) fn new(
        system: &SystemName,
        settings: &SinkSettings,
        reader: &ReaderName,
    ) -> Result<Self> {
        let feeds = state::feeds_of(system, settings, reader)?;
        Ok(Self {
            settings: settings.clone(),
            reader: reader.clone(),
            feeds,
            writer: settings.writer(),
            topics: BTreeMap::new(),
            state: State::default(),
            pending: BTreeMap::new(),
        })
    }

    pub(super) fn is_of(&self, reader: &ReaderName) -> bool {
        self.reader == *reader
    }

    /// Takes the reader's place; gives up what is open.
    pub(super) fn open(&mut self) -> Result<Option<Progress>> {
        self.pending.clear();
        // Topics may have been set otherwise, or made anew, since.
        self.topics.clear();
        self.feeds.take_over()?;
        self.state = State::default();
        self.state.read_on(&self.feeds)?;
        Ok(self.state.progress.clone())
    }

    /// Writes changes. Order: all of it is encoded before any of it is sent, so that what is refused leaves nothing
    /// behind. What would take too much memory until then is encoded again when it is sent.
    pub(super) fn write(&mut self, changes: &[TargetChange], written_at: i64) -> Result<Written> {
        let (mut written, mut bytes) = (Written::default(), 0);
        let mut encoded = Vec::new();
        for part in changes.iter().flat_map(parts) {
            let topic = self.topic(part.schema())?;
            let sent = self.encode(&part, written_at)?;
            for sent in &sent {
                check(&topic, part.schema(), sent)?;
                bytes += record(sent).bytes();
            }
            if let Part::Rows(rows) = &part {
                written += Written::by_operation(rows);
            }
            let is_kept = bytes <= self.settings.kafka.unsynced_bytes;
            encoded.push((topic, part, is_kept.then_some(sent)));
        }
        for (topic, part, sent) in encoded {
            let sent = match sent {
                Some(sent) => sent,
                None => self.encode(&part, written_at)?,
            };
            sent.iter().try_for_each(|sent| self.feeds.send(&topic.name, record(sent)))?;
        }
        Ok(written)
    }

    fn encode(&mut self, part: &Part<'_>, written_at: i64) -> Result<Vec<Sent>> {
        match part {
            Part::Rows(rows) => self.writer.write(rows, written_at),
            Part::Truncate(schema) => Ok(vec![self.writer.truncate(schema, written_at)?]),
        }
    }

    /// The topic of a table, made if need be.
    fn topic(&mut self, schema: &TableSchema) -> Result<Topic> {
        if let Some(topic) = self.topics.get(schema.name()) {
            return Ok(topic.clone());
        }
        let name = self.settings.topic_of(schema.name());
        let feed = self.feeds.feed(&name, self.settings.partitions)?;
        let topic = Topic { name, feed };
        self.topics.insert(schema.name().clone(), topic.clone());
        Ok(topic)
    }

    pub(super) fn park(&mut self, parked: &[Parked], settled: &[ParkKey]) -> Result<()> {
        settled.iter().try_for_each(|key| self.settle(key))?;
        for row in parked {
            let number = match self.mark(&row.key) {
                Some(mark) => mark.number,
                None => self.next_number(),
            };
            let kept = state::row_to(row, number, self.settings.kafka.message_bytes_max)?;
            self.keep(&row.key, Some(&kept))?;
            let pieces = u32::try_from(kept.pieces.len()).unwrap_or(u32::MAX);
            let mark = Mark { number, attempts: row.attempts, pieces };
            self.pending.insert(row.key.clone(), Some((mark, kept)));
        }
        Ok(())
    }

    fn settle(&mut self, key: &ParkKey) -> Result<()> {
        self.keep(key, None)?;
        self.pending.insert(key.clone(), None);
        Ok(())
    }

    /// Puts a row into the state, or takes it away; what was asked of it is done with that.
    fn keep(&mut self, key: &ParkKey, row: Option<&Row>) -> Result<()> {
        let (bytes, before) = (state::key_to(key), self.mark(key).map_or(0, |it| it.pieces));
        if self.state.asked.contains_key(key) {
            self.feeds.answer(&bytes)?;
        }
        let mut pieces = row.into_iter().flat_map(|row| &row.pieces);
        for place in 0.. {
            let piece = pieces.next();
            if piece.is_none() && place >= before {
                break;
            }
            self.feeds.put(&state::piece_key(place, key), piece.map(Vec::as_slice))?;
        }
        self.feeds.put(&bytes, row.map(|row| row.record.as_slice()))
    }

    fn mark(&self, key: &ParkKey) -> Option<Mark> {
        match self.pending.get(key) {
            Some(pending) => pending.as_ref().map(|(mark, _)| *mark),
            None => self.state.marks.get(key).copied(),
        }
    }

    fn next_number(&self) -> u64 {
        let pending = self.pending.values().flatten().map(|(mark, _)| mark.number + 1);
        pending.max().unwrap_or_default().max(self.state.next_number())
    }

    /// The rows set aside, with those of the open transaction.
    pub(super) fn parked(&self) -> Result<Vec<Parked>> {
        let mut rows = state::load_rows(&self.feeds)?;
        for (key, pending) in &self.pending {
            match pending {
                Some((_, row)) => drop(rows.insert(key.clone(), row.clone())),
                None => drop(rows.remove(key)),
            }
        }
        state::in_order(rows)
    }

    /// What is known of the rows set aside, with what was asked of them since.
    pub(super) fn park_marks(&mut self) -> Result<Vec<ParkMark>> {
        if self.state.marks.is_empty() && self.pending.is_empty() {
            return Ok(Vec::new());
        }
        self.state.read_on(&self.feeds)?;
        let mut marks = self.state.marks.clone();
        for (key, asked) in &self.state.asked {
            match asked {
                Asked::Drop => drop(marks.remove(key)),
                Asked::Replay => marks.get_mut(key).into_iter().for_each(|it| it.attempts = 0),
            }
        }
        self.settle_into(&mut marks);
        let mark = |(key, mark): (ParkKey, Mark)| ParkMark { key, attempts: mark.attempts };
        Ok(marks.into_iter().map(mark).collect())
    }

    fn settle_into(&self, marks: &mut BTreeMap<ParkKey, Mark>) {
        for (key, pending) in &self.pending {
            match pending {
                Some((mark, _)) => drop(marks.insert(key.clone(), *mark)),
                None => drop(marks.remove(key)),
            }
        }
    }

    pub(super) fn commit(&mut self, progress: &Progress) -> Result<()> {
        let is_behind = |kept: &&Progress| {
            kept.log == progress.log && kept.topic == progress.topic && kept.next > progress.next
        };
        let progress = self.state.progress.as_ref().filter(is_behind).unwrap_or(progress).clone();
        let dropped = self.state.asked.iter().filter(|(_, asked)| **asked == Asked::Drop);
        let dropped: Vec<ParkKey> = dropped.map(|(key, _)| key.clone()).collect();
        for key in dropped.iter().filter(|key| !self.pending.contains_key(*key)).collect::<Vec<_>>()
        {
            self.settle(key)?;
        }
        self.feeds.put(PROGRESS, Some(&state::progress_to(&progress)))?;
        let committed = self.feeds.commit();
        if committed.is_ok() {
            let mut marks = std::mem::take(&mut self.state.marks);
            self.settle_into(&mut marks);
            self.state.asked.retain(|key, _| !self.pending.contains_key(key));
            (self.state.progress, self.state.marks) = (Some(progress), marks);
        }
        self.pending.clear();
        committed
    }

    pub(super) fn rollback(&mut self) -> Result<()> {
        self.pending.clear();
        self.feeds.rollback()
    }
}

fn record(sent: &Sent) -> KafkaRecord<'_> {
    KafkaRecord { key: sent.key.as_deref(), value: sent.value.as_deref(), headers: &sent.headers }
}

/// Whether a topic takes a record.
///
/// # Errors
/// `Rejected` where it is too long, `Config` where the topic takes none of its kind.
fn check(topic: &Topic, schema: &TableSchema, sent: &Sent) -> Result<()> {
    let Topic { name, feed } = topic;
    let (bytes, most) = (record(sent).bytes(), feed.record_bytes_max);
    if bytes > most {
        let columns = schema.columns();
        let key = schema.key().iter().filter_map(|&index| Some(columns.get(index)?.name.as_str()));
        let key = key.collect::<Vec<_>>().join(", ");
        return Err(Error::new(Kind::Rejected, format!("a row is too long for topic {name}"))
            .detail(format!(
                "its record takes {bytes} bytes, the topic takes {most}; its key is ({key})"
            ))
            .hint("raise max.message.bytes of the topic, and message_bytes_max if that is less"));
    }
    if sent.key.is_some() {
        return Ok(());
    }
    let refused = |why: String| {
        let what = format!("a truncate of {} can't be written to topic {name}", schema.name());
        Err(Error::new(Kind::Config, what).detail(why))
    };
    if feed.is_compacted {
        return refused("it is compacted, and takes no record without key".into()).map_err(
            |error: Error| {
                error.hint("set cleanup.policy = delete on it; the rows can be copied after that")
            },
        );
    }
    if feed.partitions > 1 {
        let partitions = feed.partitions;
        return refused(format!(
            "it has {partitions} partitions: a consumer would lose rows that another one had before"
        ))
        .map_err(|error: Error| error.hint("make the topic again with one partition"));
    }
    Ok(())
}
