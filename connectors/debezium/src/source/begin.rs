//! How a run begins: is the note of these brokers and this log, which partitions are there, do they still have
//! what was not read yet.
//!
//! Order: nothing is handed over before it is certain that nothing is missing.

use super::assembly::{Assembly, Table};
use super::brokers::Brokers;
use super::capture::{Capture, DebeziumSource};
use super::note::Note;
use super::plan::{Chunk, Standing};
use std::collections::BTreeMap;
use std::ops::Range;
use syncline_core::{Error, Kind, Outlet, Report, Result, Resume, SystemName};

/// The first offset of each partition that is not in the log, where a chunk is there only in part.
type Rest = BTreeMap<(String, i32), u64>;

impl<'a> Capture<'a> {
    /// Resumes what the note knows, or begins at the topics' first records.
    pub(crate) fn begin(
        source: &'a DebeziumSource,
        resume: Resume,
        outlet: &'a dyn Outlet,
    ) -> Result<Self> {
        let (system, settings, names) = source.parts();
        let brokers = Brokers::new(system, settings)?;
        let topics = names.iter().map(|name| Ok((name, settings.topic_of(name)?)));
        let topics = topics.collect::<Result<Vec<_>>>()?;
        let mut found = BTreeMap::new();
        for (_, topic) in &topics {
            found.insert((*topic).to_owned(), brokers.partitions(topic)?);
        }
        let (note, last) = take_up(system, &resume, brokers.cluster())?;
        let table = |(name, topic): (&&syncline_core::TableName, &&str)| {
            Table::new((*name).clone(), topic, note.schema(name), settings)
        };
        let tables: Vec<Table> = topics.iter().map(|(name, topic)| table((name, topic))).collect();
        let mut capture = Self {
            settings,
            outlet,
            brokers,
            assembly: Assembly::new(system, settings, outlet),
            note,
            tables,
            partitions: BTreeMap::new(),
            last,
            ends: BTreeMap::new(),
        };
        capture
            .note
            .copies
            .extend(resume.copy_again.iter().filter(|it| names.contains(it)).cloned());
        let rest: Rest = capture
            .note
            .chunk
            .rest(last)
            .map(|(part, from, _)| ((part.topic.clone(), part.partition), from))
            .collect();
        if let Some(lost) = capture.place(&found, &rest)? {
            if !resume.anew {
                return Err(lost);
            }
            tracing::warn!("{lost}; reading begins anew");
            capture.begin_anew(&rest);
            if let Some(lost) = capture.place(&found, &Rest::new())? {
                return Err(lost);
            }
        }
        if !resume.copy_again.is_empty() || resume.anew {
            // What was asked for is told but until a note has it.
            capture.keep_note()?;
        }
        Ok(capture)
    }

    /// Finds the place of each partition. Gives what is missing, where something is.
    fn place(
        &mut self,
        found: &BTreeMap<String, Option<Vec<i32>>>,
        rest: &Rest,
    ) -> Result<Option<Error>> {
        let system = self.assembly.system;
        for (topic, partitions) in found {
            let Some(partitions) = partitions else {
                if self.note.places.iter().any(|it| it.topic == *topic && it.next > 0) {
                    return Ok(Some(gone(system, topic)));
                }
                self.say_waiting(topic);
                continue;
            };
            self.partitions.insert(topic.clone(), partitions.len());
            for &partition in partitions {
                let there = self.brokers.range(topic, partition)?;
                let next = match self.note.next_of(topic, partition) {
                    Some(next) => next,
                    None => self.first_of(topic, partition, &there),
                };
                let place = (topic.clone(), partition);
                let wanted = rest.get(&place).copied().unwrap_or(next);
                if wanted < there.start || next > there.end {
                    return Ok(Some(gap(system, &place, wanted, &there)));
                }
                self.ends.insert(place, there.end);
            }
        }
        Ok(None)
    }

    /// The place of a partition that was never read.
    pub(crate) fn first_of(&mut self, topic: &str, partition: i32, there: &Range<u64>) -> u64 {
        if there.start > 0 {
            let notice = format!(
                "topic {topic}, partition {partition} begins at offset {}: rows that were not written since \
                 are not in it; ask Debezium for an incremental snapshot",
                there.start
            );
            tracing::warn!("{notice}");
            self.outlet.report(Report::Notice(notice));
        }
        self.note.set_next(topic, partition, there.start);
        there.start
    }

    /// A new history: it goes on where the log ends, and at the first record where that is not there.
    fn begin_anew(&mut self, rest: &Rest) {
        for ((topic, partition), from) in rest {
            self.note.set_next(topic, *partition, *from);
        }
        self.note.epoch += 1;
        self.note.chunk = Chunk::default();
        self.last = 0;
        let Self { brokers, note, .. } = self;
        note.places.retain(|place| {
            let there = brokers.range(&place.topic, place.partition).ok();
            there.is_some_and(|there| there.start <= place.next && place.next <= there.end)
        });
    }

    fn say_waiting(&self, topic: &str) {
        let notice = format!("topic {topic} is not there yet");
        self.outlet.report(Report::Notice(notice));
    }
}

/// The note to go on with, and the last commit that is in the log.
fn take_up(system: &SystemName, resume: &Resume, cluster: Option<String>) -> Result<(Note, u64)> {
    let position = resume.position;
    let Some(bytes) = &resume.checkpoint else {
        let (epoch, last) = position.map_or((1, 0), |it| (it.epoch, it.commit));
        return Ok((Note::new(cluster, epoch), last));
    };
    let mut note = Note::from_bytes(system, bytes)?;
    let is_other = note.cluster.is_some() && cluster.is_some() && note.cluster != cluster;
    let standing = note.chunk.standing(note.epoch, position);
    if is_other || standing == Standing::Behind {
        if !resume.anew {
            return Err(if is_other { other_brokers(system) } else { behind(system) });
        }
        let epoch = position.map_or(note.epoch, |it| it.epoch.max(note.epoch)) + 1;
        return Ok((Note::new(cluster, epoch), 0));
    }
    note.cluster = cluster.or(note.cluster);
    let last = match (standing, position) {
        (Standing::UpTo(commit), _) => commit,
        (_, Some(position)) if position.epoch == note.epoch => {
            position.commit.max(note.chunk.last())
        }
        _ => note.chunk.last(),
    };
    Ok((note, last))
}

fn anew(system: &SystemName) -> String {
    format!("syncline backfill --all --system {system} reads all that is there, and goes on")
}

fn gap(system: &SystemName, place: &(String, i32), wanted: u64, there: &Range<u64>) -> Error {
    let (topic, partition) = place;
    let detail = if wanted < there.start {
        format!("offset {wanted} is next, and the first that is left is {}", there.start)
    } else {
        format!("offset {wanted} is next, and it ends at {}: it was made again", there.end)
    };
    Error::new(
        Kind::Config,
        format!("topic {topic}, partition {partition} no longer has what was not read yet"),
    )
    .detail(detail)
    .hint(format!("{}; raise retention.ms of the topic", anew(system)))
}

fn gone(system: &SystemName, topic: &str) -> Error {
    Error::new(Kind::Config, format!("topic {topic} is gone"))
        .detail("what was in it and not read yet is lost")
        .hint(format!("name the topic that has taken its place; or {}", anew(system)))
}

fn other_brokers(system: &SystemName) -> Error {
    Error::new(Kind::Config, format!("the brokers of {system} are others than before"))
        .detail("offsets of one cluster mean nothing in another")
        .hint(format!("correct brokers in [systems.{system}]; or {}", anew(system)))
}

fn behind(system: &SystemName) -> Error {
    Error::new(Kind::Corrupt, format!("the log has less of {system} than was noted"))
        .detail("it was put back to an older state, or is another one")
        .hint(anew(system))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::plan::Part;
    use syncline_core::Position;

    fn sis() -> SystemName {
        SystemName::new("sis")
    }

    fn noted(first: u64) -> Note {
        let mut note = Note::new(Some("one".into()), 2);
        let part = Part { topic: "t".into(), partition: 0, from: 5, to: 9 };
        note.chunk = Chunk { first, parts: vec![part] };
        note
    }

    fn resume(note: &Note, epoch: u32, commit: u64) -> Resume {
        Resume {
            position: Some(Position { epoch, commit, ordinal: 0 }),
            checkpoint: Some(note.to_bytes()),
            ..Resume::default()
        }
    }

    #[test]
    fn a_run_goes_on_where_the_log_ends() {
        let note = noted(10);
        for (commit, last) in [(10, 10), (12, 12), (14, 14), (15, 15)] {
            let (taken, at) = take_up(&sis(), &resume(&note, 2, commit), None).unwrap();
            assert_eq!((at, &taken), (last, &note), "{commit}");
        }
    }

    #[test]
    fn a_crash_before_the_first_note_begins_behind_what_is_in_the_log() {
        let first = Resume {
            position: Some(Position { epoch: 1, commit: 1, ordinal: 0 }),
            ..Resume::default()
        };
        let (note, last) = take_up(&sis(), &first, Some("one".into())).unwrap();
        assert_eq!((note.epoch, last, note.chunk), (1, 1, Chunk::default()));
    }

    #[test]
    fn an_older_log_and_other_brokers_are_told_and_given_up_only_on_demand() {
        let note = noted(10);
        let older = resume(&note, 2, 9);
        let error = take_up(&sis(), &older, Some("one".into())).unwrap_err();
        assert!(error.hint_text().unwrap().contains("--all --system sis"), "{error:?}");
        let other = resume(&note, 2, 12);
        let error = take_up(&sis(), &other, Some("two".into())).unwrap_err();
        assert_eq!(error.to_string(), "the brokers of sis are others than before");
        let given_up = Resume { anew: true, ..other };
        let (taken, last) = take_up(&sis(), &given_up, Some("two".into())).unwrap();
        assert_eq!((taken.epoch, last, taken.places.len()), (3, 0, 0));
    }

    #[test]
    fn a_gap_says_what_is_missing() {
        let place = ("dbz.public.students".to_owned(), 1);
        let told = |wanted, there: Range<u64>| {
            let error = gap(&sis(), &place, wanted, &there);
            format!("{error}: {}", error.detail_text().unwrap())
        };
        assert_eq!(
            told(7, 9..20),
            "topic dbz.public.students, partition 1 no longer has what was not read yet: offset 7 is next, \
             and the first that is left is 9"
        );
        assert!(told(21, 9..20).contains("ends at 20"));
    }
}
