//! What comes, chunk by chunk, until told to stop.

use super::brokers::{Arrived, Sent};
use super::capture::Capture;
use super::plan::{Chunk, Part};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use syncline_core::{Report, Result};

/// How long one wait for records is, at the most.
const TICK: Duration = Duration::from_millis(100);

/// Records that are there for the next chunk, by table and partition: the order of their parts.
#[derive(Debug, Default)]
struct Gathered {
    parts: BTreeMap<(usize, i32), Vec<Sent>>,
    records: usize,
    bytes: usize,
}

impl Capture<'_> {
    /// Reads on until told to stop.
    pub(crate) fn stream(&mut self) -> Result<()> {
        self.follow()?;
        let (mut looked, mut is_streaming, mut word_left) = (Instant::now(), false, false);
        loop {
            self.check_stop()?;
            let gathered = self.gather()?;
            let chunk = self.plan(&gathered);
            if !chunk.is_empty() {
                self.hand_over_chunk(&gathered, chunk)?;
                word_left = false;
            }
            if self.is_released() {
                if !is_streaming && self.has_reached_ends() {
                    self.outlet.report(Report::Streaming);
                    is_streaming = true;
                }
                if !word_left {
                    self.brokers.leave_word(places(&self.note.places));
                    word_left = true;
                }
            }
            if looked.elapsed() >= self.settings.look {
                self.look_for_new()?;
                looked = Instant::now();
            }
        }
    }

    /// Waits for records, and takes what comes soon after the first of them.
    fn gather(&mut self) -> Result<Gathered> {
        let mut gathered = Gathered::default();
        let mut first = None;
        loop {
            let wait = match first {
                None => TICK,
                Some(at) => self.settings.linger.saturating_sub(Instant::now().duration_since(at)),
            };
            let Some(arrived) = self.brokers.next(wait)? else {
                let is_over = first.is_none_or(|at: Instant| at.elapsed() >= self.settings.linger);
                if is_over {
                    return Ok(gathered);
                }
                continue;
            };
            first.get_or_insert_with(Instant::now);
            self.gather_one(&mut gathered, arrived);
            let settings = self.settings;
            let is_full = gathered.records >= settings.chunk_records_max
                || gathered.bytes >= settings.chunk_bytes_max;
            if is_full {
                return Ok(gathered);
            }
        }
    }

    fn gather_one(&mut self, gathered: &mut Gathered, arrived: Arrived) {
        let Arrived { topic, partition, at_ms, sent } = arrived;
        let Some(table) = self.tables.iter().position(|it| it.topic == topic) else { return };
        if self.assembly.at == 0 {
            self.assembly.at = at_ms.unwrap_or_default().saturating_mul(1_000);
        }
        gathered.records += 1;
        gathered.bytes += sent.bytes();
        gathered.parts.entry((table, partition)).or_default().push(sent);
    }

    /// The parts of a chunk of what is there, each with its table. Where nothing but marks of transactions
    /// came, their partition is read on behind them.
    fn plan(&mut self, gathered: &Gathered) -> Vec<(usize, Part)> {
        // All that was taken from the brokers is gathered, so behind that nothing is missing.
        let mut passed: BTreeMap<(String, i32), u64> = BTreeMap::new();
        for (topic, partition, next) in self.brokers.positions() {
            passed.insert((topic, partition), next);
        }
        let mut parts = Vec::with_capacity(gathered.parts.len());
        for (&(table, partition), records) in &gathered.parts {
            let topic = self.tables.get(table).map(|it| it.topic.clone());
            let Some((topic, last)) = topic.zip(records.last()) else { continue };
            let passed = passed.remove(&(topic.clone(), partition)).unwrap_or_default();
            let to = passed.max(last.offset + 1);
            let from = self.note.next_of(&topic, partition).unwrap_or(last.offset);
            parts.push((table, Part { topic, partition, from, to }));
        }
        for ((topic, partition), next) in passed {
            if self.note.next_of(&topic, partition).is_some_and(|known| known < next) {
                self.note.set_next(&topic, partition, next);
            }
        }
        parts
    }

    /// Makes the plan durable, then hands over the chunk.
    fn hand_over_chunk(&mut self, gathered: &Gathered, parts: Vec<(usize, Part)>) -> Result<()> {
        for (_, part) in &parts {
            self.note.set_next(&part.topic, part.partition, part.to);
        }
        let (tables, parts): (Vec<usize>, Vec<Part>) = parts.into_iter().unzip();
        let chunk = Chunk { first: self.last + 1, parts };
        self.note.chunk = chunk.clone();
        self.announce()?;
        let mut following = tables.iter().skip(1);
        for ((part, commit), &table) in chunk.parts().zip(&tables) {
            let records = gathered.parts.get(&(table, part.partition));
            self.take_all(table, part, commit, records.map_or(&[], Vec::as_slice))?;
            if following.next() != Some(&table) {
                self.finish(table)?;
            }
        }
        self.hand_over()?;
        self.last = chunk.last();
        self.keep_schemas()
    }

    /// Follows all partitions from their places.
    fn follow(&self) -> Result<()> {
        let read = |topic: &str| self.tables.iter().any(|table| table.topic == topic);
        let wanted = self.note.places.iter().filter(|place| read(&place.topic));
        self.brokers.follow(wanted.map(|it| (it.topic.as_str(), it.partition, it.next)))
    }

    /// Whether what was there when the run began is handed over.
    fn has_reached_ends(&self) -> bool {
        self.ends.iter().all(|((topic, partition), end)| {
            self.note.next_of(topic, *partition).is_some_and(|next| next >= *end)
        })
    }

    /// Takes in topics and partitions that were made since.
    fn look_for_new(&mut self) -> Result<()> {
        let topics: Vec<String> = self.tables.iter().map(|table| table.topic.clone()).collect();
        let mut is_new = false;
        for topic in topics {
            let Some(partitions) = self.brokers.partitions(&topic)? else { continue };
            self.partitions.insert(topic.clone(), partitions.len());
            for partition in partitions {
                if self.note.next_of(&topic, partition).is_none() {
                    let there = self.brokers.range(&topic, partition)?;
                    self.first_of(&topic, partition, &there);
                    is_new = true;
                }
            }
        }
        if is_new { self.follow() } else { Ok(()) }
    }
}

fn places(places: &[super::note::Place]) -> impl Iterator<Item = (&str, i32, u64)> {
    places.iter().map(|it| (it.topic.as_str(), it.partition, it.next))
}
