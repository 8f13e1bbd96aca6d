//! A system with one record, and what its source puts into the log.

use syncline_core::{Op, Position};

/// What somebody did to the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Change {
    pub(crate) position: Position,
    pub(crate) op: Op,
    pub(crate) ours: bool,
    pub(crate) value: &'static str,
}

/// An entry of the system's topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Entry {
    /// A change, and the boundary behind it where it has one.
    Change { change: Change, boundary: Option<Position> },
    /// What came since the last boundary comes again.
    Abandoned,
}

/// The record in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) value: &'static str,
    /// Whether its people made it, and not we.
    pub(crate) own: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct System {
    pub(crate) row: Option<Row>,
    epoch: u32,
    /// That of the last commit. Commits are three apart, so that there is room between for the boundary
    /// behind each, and for rows that are copied there.
    commit: u64,
    /// What was committed since the last boundary in the log, and how much of that is in the log.
    unbound: Vec<Change>,
    sent: usize,
    /// The last boundary in the log.
    pub(crate) boundary: Position,
    /// The topic from where it is heard for good, and how much of that is read.
    pub(crate) topic: Vec<Entry>,
    pub(crate) read: usize,
    /// Up to here what is heard may have been told before a crash.
    pub(crate) doubt: usize,
    /// What its people have, by what is heard; and is heard for good.
    pub(crate) had: Had,
    pub(crate) had_for_good: Had,
}

/// Whether people have the record, as a plain reading of what is heard has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Had {
    is_had: bool,
    is_there: bool,
    gone: Option<Position>,
    /// Whether they said anything of it that they did not take back.
    is_spoken_of: bool,
}

impl Had {
    pub(crate) fn is_had(self) -> bool {
        self.is_had
    }

    pub(crate) fn is_spoken_of(self) -> bool {
        self.is_spoken_of
    }

    /// A record that we made is not had by who changes it, only by who makes it, or makes it again.
    fn hear(self, change: &Change) -> Self {
        match (change.op, change.ours) {
            _ if self.gone.is_some_and(|gone| change.position <= gone) => self,
            (Op::Delete, true) => Self { is_there: false, ..self },
            (Op::Delete, false) => Self { gone: Some(change.position), ..Self::default() },
            (_, true) => Self { is_there: true, ..self },
            (_, false) => {
                let is_had = self.is_had || !self.is_there;
                Self { is_there: true, is_had, is_spoken_of: true, ..self }
            }
        }
    }
}

impl Default for System {
    fn default() -> Self {
        Self {
            row: None,
            epoch: 1,
            commit: 0,
            unbound: Vec::new(),
            sent: 0,
            boundary: Position { epoch: 1, commit: 2, ordinal: 0 },
            topic: Vec::new(),
            read: 0,
            doubt: 0,
            had: Had::default(),
            had_for_good: Had::default(),
        }
    }
}

impl System {
    /// Somebody changes the record.
    pub(crate) fn change(&mut self, op: Op, row: Option<Row>, ours: bool) {
        self.commit += 3;
        let position = Position { epoch: self.epoch, commit: self.commit, ordinal: 0 };
        let value = row.or(self.row).map_or("", |row| row.value);
        self.row = row;
        self.unbound.push(Change { position, op, ours, value });
    }

    pub(crate) fn has_to_send(&self) -> bool {
        self.sent < self.unbound.len()
    }

    /// The source puts the next change into the log; with a boundary it is never sent again.
    pub(crate) fn send(&mut self, is_whole: bool) {
        let change = self.unbound[self.sent];
        self.sent += 1;
        let behind = Position { commit: change.position.commit + 2, ..change.position };
        let boundary = is_whole.then_some(behind);
        self.topic.push(Entry::Change { change, boundary });
        if is_whole {
            self.unbound.drain(..self.sent);
            (self.sent, self.boundary) = (0, behind);
        }
    }

    /// The source ends inside what it sends, and begins again behind the last boundary.
    pub(crate) fn break_off(&mut self) {
        if self.sent > 0 {
            self.topic.push(Entry::Abandoned);
            self.sent = 0;
        }
    }

    pub(crate) fn is_at_boundary(&self) -> bool {
        self.sent == 0
    }

    /// The table is copied, as it is now: before what comes behind the last boundary.
    pub(crate) fn copy(&mut self) {
        self.copy_view(self.row, self.boundary);
    }

    /// What the table held when it was looked at, behind a boundary.
    pub(crate) fn copy_view(&mut self, row: Option<Row>, seen_at: Position) {
        let Some(row) = row else { return };
        let position = Position { commit: seen_at.commit - 1, ..seen_at };
        let change = Change { position, op: Op::Snapshot, ours: false, value: row.value };
        self.topic.push(Entry::Change { change, boundary: Some(self.boundary) });
    }

    /// A backup of when the record was there is put back: another history, all copied.
    pub(crate) fn restore(&mut self, row: Row) {
        self.break_off();
        self.unbound.clear();
        self.epoch += 1;
        self.commit = 0;
        self.boundary = Position { epoch: self.epoch, commit: 2, ordinal: 0 };
        self.row = Some(row);
        self.copy();
    }

    /// The next entry is read.
    pub(crate) fn next(&self) -> Option<Entry> {
        self.topic.get(self.read).copied()
    }

    pub(crate) fn hear(&mut self, change: &Change) {
        self.read += 1;
        self.had = self.had.hear(change);
    }

    /// All that is read is heard for good.
    pub(crate) fn commit(&mut self) {
        self.topic.drain(..self.read);
        self.doubt = self.doubt.saturating_sub(self.read);
        self.read = 0;
        self.had_for_good = self.had;
    }

    /// What was read since the last commit was not.
    pub(crate) fn roll_back(&mut self) {
        self.read = 0;
        self.had = self.had_for_good;
    }

    /// Nothing is on its way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.unbound.is_empty() && self.topic.is_empty()
    }
}
