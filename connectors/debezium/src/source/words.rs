//! Which records of a topic are the last words on their keys.

use super::brokers::Sent;
use crate::{Event, Reader, Record, RowChange, TableBuilder};
use md5::{Digest, Md5};
use std::collections::HashMap;
use syncline_core::{Error, Kind, Op, Position, Result};

/// Rows that are looked at before they are let go of.
const PROBED_ROWS: usize = 1_000;

/// What a key is known by.
pub(super) type KeyDigest = [u8; 16];

/// The last word on a key: it has all columns together with those from `from` on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub(super) partition: i32,
    pub(super) from: u64,
    pub(super) last: u64,
    /// Whether it is that the row is gone.
    pub(super) is_gone: bool,
}

/// Which keys are looked for in one pass: those of one of so many parts of all digests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slice {
    pub(super) part: u64,
    pub(super) of: u64,
}

impl Slice {
    fn has(self, key: &KeyDigest) -> bool {
        let [a, b, c, d, ..] = *key;
        (u64::from(u32::from_be_bytes([a, b, c, d])) * self.of) >> 32 == self.part
    }

    /// Half as many keys.
    pub(super) fn first_half(self) -> Self {
        Self { part: self.part * 2, of: self.of * 2 }
    }
}

/// The first pass over a topic.
pub(super) struct Finding {
    slice: Slice,
    /// How many partitions the topic has.
    partitions: usize,
    pub(super) words: HashMap<KeyDigest, Word>,
    /// Knows which columns a row has.
    probe: TableBuilder,
    reader: Reader,
}

impl Finding {
    pub(super) fn new(slice: Slice, partitions: usize, probe: TableBuilder) -> Self {
        Self { slice, partitions, words: HashMap::new(), probe, reader: Reader::new() }
    }

    /// Notes what a record says of its key.
    pub(super) fn take(&mut self, partition: i32, sent: &Sent) -> Result<()> {
        let record = Record { key: sent.key.as_deref(), value: sent.value.as_deref() };
        match self.reader.read(record)? {
            Event::Row(mut change) => {
                let key = digest(sent)?;
                if !self.slice.has(&key) {
                    return Ok(());
                }
                let known = self.words.get(&key).copied();
                if known.is_some_and(|word| word.partition != partition) {
                    return Err(moved());
                }
                let said = Word {
                    partition,
                    from: sent.offset,
                    last: sent.offset,
                    is_gone: change.op == Op::Delete,
                };
                let before = known.filter(|word| !word.is_gone && !said.is_gone);
                let from = match before {
                    Some(before) if !is_whole(&mut self.probe, &mut change)? => before.from,
                    _ => said.from,
                };
                if said.is_gone && self.partitions == 1 {
                    // Where there is one partition alone, a key can't have moved.
                    self.words.remove(&key);
                } else {
                    self.words.insert(key, Word { from, ..said });
                }
                Ok(())
            }
            Event::Truncate(_) => {
                self.words.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn is_whole(probe: &mut TableBuilder, change: &mut RowChange<'_>) -> Result<bool> {
    as_copied(change);
    probe.append_at(change, Position::default())?;
    let is_whole = probe.is_last_whole();
    if probe.len() >= PROBED_ROWS {
        probe.finish()?;
    }
    Ok(is_whole)
}

/// The change as a copy has it.
pub(super) fn as_copied(change: &mut RowChange<'_>) {
    change.op = Op::Snapshot;
    change.before = None;
}

/// What the key of a record is known by.
pub(super) fn digest(sent: &Sent) -> Result<KeyDigest> {
    let key = sent.key.as_deref().ok_or_else(|| {
        Error::new(Kind::Config, "a row without a key can't be copied again")
            .detail("nothing in the topic says which of its rows are still there")
            .hint("give the table a key: message.key.columns at the connector")
    })?;
    Ok(Md5::digest(key).into())
}

/// Which of two words is the later one is not to be told.
fn moved() -> Error {
    Error::new(Kind::Config, "the key of a row is in several partitions")
        .detail(
            "the topic was given partitions after it was written to; they have no order among them",
        )
        .hint("ask Debezium for an incremental snapshot, into a topic that is made anew")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_key_is_in_one_slice(key in any::<KeyDigest>(), of in 0..8_u32) {
            let of = 1_u64 << of;
            let having = (0..of).filter(|&part| Slice { part, of }.has(&key)).count();
            prop_assert_eq!(having, 1);
        }
    }

    #[test]
    fn a_slice_is_cut_in_two() {
        let keys = (0..=255_u8).map(|byte| [byte; 16]);
        for key in keys {
            let whole = Slice { part: 1, of: 2 }.has(&key);
            let halves = [2, 3].map(|part| Slice { part, of: 4 }.has(&key));
            assert_eq!(whole, halves.contains(&true));
        }
    }
}
