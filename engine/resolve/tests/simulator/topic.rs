//! The log of one system's changes: whole transactions, cut anywhere on their way.

use crate::draw::Draw;
use crate::system::{Committed, Deed, System};
use std::rc::Rc;

/// An entry of the log.
#[derive(Debug, Clone)]
pub(crate) enum Record {
    /// Some changes of a transaction; with the last of them it is whole.
    Part { of: Rc<Committed>, from: usize, until: usize },
    /// What came since the last boundary comes again.
    Abandoned,
}

impl Record {
    fn ends(&self) -> bool {
        matches!(self, Self::Part { of, until, .. } if *until == of.deeds.len())
    }
}

#[derive(Debug, Default)]
pub(crate) struct Topic {
    pub(crate) records: Vec<Record>,
}

impl Topic {
    /// Reads transactions of a system into the log. A crash leaves a part of the next one.
    pub(crate) fn capture(
        &mut self,
        system: &mut System,
        count: usize,
        crashes: bool,
        draw: &mut Draw,
    ) {
        if self.records.last().is_some_and(|last| !last.ends() && !is_abandoned(last)) {
            self.records.push(Record::Abandoned);
        }
        for _ in 0..count {
            let Some(of) = system.history.get(system.captured).cloned() else { return };
            self.append(&of, usize::MAX, draw);
            system.captured += 1;
        }
        if let Some(of) = system.history.get(system.captured).cloned().filter(|_| crashes) {
            let parts = draw.below(of.deeds.len());
            self.append(&of, parts, draw);
        }
    }

    /// What is there already comes once more.
    pub(crate) fn repeat(&mut self, system: &System, count: usize, draw: &mut Draw) {
        let is_whole = self.records.last().is_none_or(Record::ends);
        let from = system.captured.saturating_sub(count);
        let again = &system.history[from..system.captured];
        let is_emptied = |of: &Rc<Committed>| of.deeds.contains(&Deed::Emptied);
        let is_forked = again.windows(2).any(|pair| pair[0].epoch != pair[1].epoch);
        if is_whole && !is_forked && !again.iter().any(is_emptied) {
            for of in again {
                self.append(of, usize::MAX, draw);
            }
        }
    }

    /// The changes of a transaction up to one, cut anywhere.
    fn append(&mut self, of: &Rc<Committed>, until_max: usize, draw: &mut Draw) {
        let end = of.deeds.len().min(until_max);
        let mut from = 0;
        while from < end {
            let until = from + 1 + draw.below(end - from);
            self.records.push(Record::Part { of: of.clone(), from, until });
            from = until;
        }
    }
}

fn is_abandoned(record: &Record) -> bool {
    matches!(record, Record::Abandoned)
}

/// What is done about some entries, as the runtime's reader decides it.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Give up what was done since the last commit, before anything else.
    pub(crate) rollback: bool,
    pub(crate) records: Vec<Record>,
    /// Commit after that, up to here.
    pub(crate) commit: Option<usize>,
    pub(crate) next: usize,
}

/// Decides on the next entries; `open` where a transaction was begun and not ended.
pub(crate) fn next_chunk(topic: &Topic, from: usize, count: usize, open: bool) -> Chunk {
    let mut chunk = Chunk { rollback: false, records: Vec::new(), commit: None, next: from };
    let mut whole = 0;
    for (place, record) in topic.records.iter().enumerate().skip(from).take(count) {
        match record {
            Record::Abandoned => {
                chunk.records.truncate(whole);
                chunk.rollback |= open && chunk.commit.is_none();
                chunk.commit = Some(place + 1);
            }
            part => {
                chunk.records.push(part.clone());
                if part.ends() {
                    (whole, chunk.commit) = (chunk.records.len(), Some(place + 1));
                }
            }
        }
        chunk.next = place + 1;
    }
    if let Some(next) = chunk.commit {
        chunk.records.truncate(whole);
        chunk.next = next;
    }
    chunk
}
