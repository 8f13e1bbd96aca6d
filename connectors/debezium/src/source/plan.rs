//! The plan of a chunk: which records come next, in which order, at which positions. Pure.
//!
//! Partitions have no order among each other, so the order is made here, and noted before the first entry of
//! a chunk is handed over:
//!
//! ```text
//!  chunk   first │ part 0: from … to │ part 1: from … to │          next chunk: first …
//!  commit    f   │ f+1    …   f+n₀   │ f+n₀+1  …  f+n₀+n₁ │           f+n₀+n₁+1
//!            └ the boundary that the note goes with
//! ```
//!
//! Invariant: the position of a record follows from the plan and its offset alone, not from which other records
//! are still there: what was compacted away meanwhile moves nothing.

use serde::{Deserialize, Serialize};
use syncline_core::Position;

/// One partition's share in a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// The first offset of it.
    pub(crate) from: u64,
    /// The offset behind its last.
    pub(crate) to: u64,
}

impl Part {
    fn len(&self) -> u64 {
        self.to.saturating_sub(self.from)
    }
}

/// Records that are handed over in the order of these parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chunk {
    /// The commit of the boundary that the note of the chunk goes with.
    pub(crate) first: u64,
    pub(crate) parts: Vec<Part>,
}

/// How much of the noted chunk is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Up to this commit; what is behind it has to be read again.
    UpTo(u64),
    /// All.
    Whole,
    /// Less than when it was noted: the log is an older one.
    Behind,
}

impl Chunk {
    /// The last commit that belongs to it.
    pub(crate) fn last(&self) -> u64 {
        self.first + self.parts.iter().map(Part::len).sum::<u64>()
    }

    /// The parts, each with the commit of its first record.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&Part, u64)> {
        let begins = self.parts.iter().scan(self.first + 1, |next, part| {
            let begin = *next;
            *next += part.len();
            Some(begin)
        });
        self.parts.iter().zip(begins)
    }

    /// What of it is not yet in a log that ends with this commit: each part with the first offset that is
    /// wanted, and that record's commit.
    pub(crate) fn rest(&self, commit: u64) -> impl Iterator<Item = (&Part, u64, u64)> {
        self.parts().filter_map(move |(part, begin)| {
            let done = (commit + 1).saturating_sub(begin);
            (done < part.len()).then_some((part, part.from + done, begin + done))
        })
    }

    /// How much of it is in a log that ends here; `epoch` is the note's.
    pub(crate) fn standing(&self, epoch: u32, position: Option<Position>) -> Standing {
        let is_begun = self.first > 0;
        match position {
            Some(position) if position.epoch == epoch && position.commit >= self.last() => {
                Standing::Whole
            }
            Some(position) if position.epoch == epoch && position.commit >= self.first => {
                Standing::UpTo(position.commit)
            }
            // A new history of which nothing was handed over yet.
            Some(position) if position.epoch < epoch && !is_begun => Standing::Whole,
            None if !is_begun => Standing::Whole,
            _ => Standing::Behind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn part(topic: &str, from: u64, to: u64) -> Part {
        Part { topic: topic.into(), partition: 0, from, to }
    }

    fn at(epoch: u32, commit: u64) -> Option<Position> {
        Some(Position { epoch, commit, ordinal: 0 })
    }

    /// The commits of all records of a chunk, by part and offset.
    fn all(chunk: &Chunk) -> Vec<(String, u64, u64)> {
        let records = chunk.parts().flat_map(|(part, begin)| {
            (part.from..part.to)
                .zip(begin..)
                .map(|(offset, commit)| (part.topic.clone(), offset, commit))
        });
        records.collect()
    }

    fn chunk() -> impl Strategy<Value = Chunk> {
        let part = (0..50_u64, 0..9_u64).prop_map(|(from, len)| part("t", from, from + len));
        (1..1000_u64, prop::collection::vec(part, 0..5))
            .prop_map(|(first, parts)| Chunk { first, parts })
    }

    proptest! {
        #[test]
        fn commits_ascend_without_a_gap(chunk in chunk()) {
            let commits: Vec<u64> = all(&chunk).into_iter().map(|it| it.2).collect();
            prop_assert_eq!(commits, (chunk.first + 1..=chunk.last()).collect::<Vec<_>>());
        }

        #[test]
        fn what_is_read_again_is_what_is_behind_the_log(chunk in chunk(), done in 0..60_u64) {
            let commit = chunk.first + done;
            let again: Vec<(String, u64, u64)> = chunk
                .rest(commit)
                .flat_map(|(part, from, begin)| {
                    (from..part.to).zip(begin..).map(|(at, it)| (part.topic.clone(), at, it))
                })
                .collect();
            let behind: Vec<_> = all(&chunk).into_iter().filter(|it| it.2 > commit).collect();
            prop_assert_eq!(again, behind);
        }
    }

    #[test]
    fn every_place_of_a_crash_is_told_apart() {
        let chunk = Chunk { first: 10, parts: vec![part("a", 5, 7), part("b", 0, 3)] };
        assert_eq!(chunk.last(), 15);
        for (position, standing) in [
            // The note is durable, and no entry.
            (at(2, 10), Standing::UpTo(10)),
            (at(2, 12), Standing::UpTo(12)),
            (at(2, 15), Standing::Whole),
            // The next chunk's boundary is durable, its note is not.
            (at(2, 16), Standing::Whole),
            (at(2, 9), Standing::Behind),
            (at(1, 99), Standing::Behind),
            (at(3, 1), Standing::Behind),
            (None, Standing::Behind),
        ] {
            assert_eq!(chunk.standing(2, position), standing, "{position:?}");
        }
    }

    #[test]
    fn a_history_that_just_begins_has_nothing_to_read_again() {
        let chunk = Chunk::default();
        for position in [None, at(1, 7), at(2, 0)] {
            assert_eq!(chunk.standing(2, position), Standing::Whole);
        }
    }
}
