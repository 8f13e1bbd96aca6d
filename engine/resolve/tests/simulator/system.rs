//! One of the institution's systems: a table, what people and jobs do to it, and what its stream says.

use crate::draw::Draw;
use crate::entity::{Golden, GoldenRow};
use crate::setup::Part;
use crate::value::{Cells, Fields, any_value};
use std::collections::BTreeMap;
use std::rc::Rc;
use syncline_core::Op;

/// How many entities and records there are at most.
pub(crate) const KEYS: u8 = 3;
const RECORDS: u8 = 4;

/// A row: the entity it speaks of, and its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) key: u8,
    pub(crate) cells: Cells,
}

/// One change of a system's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    Put(Put),
    Gone {
        record: u8,
        key: u8,
    },
    /// The table was emptied.
    Emptied,
}

/// A row that is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Put {
    pub(crate) op: Op,
    pub(crate) record: u8,
    /// The record's key until now, and the entity's, where they were others.
    pub(crate) former: Option<u8>,
    pub(crate) moved_from: Option<u8>,
    pub(crate) row: Row,
    /// What the change leaves out, since it did not change.
    pub(crate) absent: Fields,
}

/// A transaction as the system's stream tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) epoch: u32,
    pub(crate) commit: u64,
    /// By the system's clock, in µs.
    pub(crate) at: i64,
    pub(crate) ours: bool,
    pub(crate) deeds: Vec<Deed>,
}

/// What can be put back.
#[derive(Debug, Clone)]
struct Backup {
    table: BTreeMap<u8, Row>,
    applied: usize,
    commit: u64,
}

#[derive(Debug)]
pub(crate) struct System {
    pub(crate) part: Part,
    pub(crate) table: BTreeMap<u8, Row>,
    /// All it ever committed that can still be read.
    pub(crate) history: Vec<Rc<Committed>>,
    /// How many of these are in the log.
    pub(crate) captured: usize,
    /// How far the entity's log was applied: kept in the system itself.
    pub(crate) applied: usize,
    /// How many rows we wrote.
    pub(crate) writes: usize,
    epoch: u32,
    commit: u64,
    backup: Option<Backup>,
    /// Rows that a job has to look at.
    pub(crate) for_jobs: Vec<(u8, Option<Row>)>,
}

/// What people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Write,
    Delete,
    /// Another key for the record, or for its entity.
    Rename,
    /// Deleted and inserted again at once.
    Replace,
}

impl System {
    pub(crate) fn new(part: Part) -> Self {
        Self {
            part,
            table: BTreeMap::new(),
            history: Vec::new(),
            captured: 0,
            applied: 0,
            writes: 0,
            epoch: 1,
            commit: 10,
            backup: None,
            for_jobs: Vec::new(),
        }
    }

    /// A transaction of somebody's at a time by all clocks.
    pub(crate) fn commit(&mut self, now: i64, ours: bool, deeds: Vec<Deed>) {
        if deeds.is_empty() {
            return;
        }
        self.commit += 1;
        let at = now + self.part.skew;
        let (epoch, commit) = (self.epoch, self.commit);
        if self.part.reads.is_some() {
            self.history.push(Rc::new(Committed { epoch, commit, at, ours, deeds }));
        }
    }

    fn fields(&self) -> Fields {
        self.part.reads.unwrap_or_default()
    }

    /// What somebody does to a record, as changes; the table has them already.
    pub(crate) fn act(&mut self, act: Act, draw: &mut Draw) -> Vec<Deed> {
        let records = if self.part.has_own_keys() { RECORDS } else { KEYS };
        let record = draw.below(usize::from(records)) as u8;
        let before = self.table.get(&record).cloned();
        match (act, before) {
            (Act::Write, before) => vec![self.write(record, before, draw)],
            (Act::Delete, Some(row)) => vec![self.delete(record, &row)],
            (Act::Replace, Some(row)) => {
                let gone = self.delete(record, &row);
                vec![gone, self.write(record, None, draw)]
            }
            (Act::Rename, Some(row)) => self.rename(record, row, records, draw),
            (_, None) => Vec::new(),
        }
    }

    fn write(&mut self, record: u8, before: Option<Row>, draw: &mut Draw) -> Deed {
        let mut row = before.clone().unwrap_or_else(|| Row {
            key: if self.part.has_own_keys() { draw.below(KEYS.into()) as u8 } else { record },
            cells: Cells::default(),
        });
        let all = before.is_none();
        for field in self.fields().iter() {
            let value = any_value(field, draw);
            if all || draw.happens(30) {
                row.cells[field] = value;
            }
        }
        let absent = if draw.happens(30) { Fields::ALL } else { Fields::default() };
        self.put(record, row, absent)
    }

    fn delete(&mut self, record: u8, row: &Row) -> Deed {
        self.table.remove(&record);
        Deed::Gone { record, key: row.key }
    }

    fn rename(&mut self, record: u8, mut row: Row, records: u8, draw: &mut Draw) -> Vec<Deed> {
        let other = draw.below(usize::from(records)) as u8;
        let to = if self.table.contains_key(&other) { record } else { other };
        let was = row.key;
        row.key = match self.part.has_own_keys() {
            true if draw.happens(40) => draw.below(KEYS.into()) as u8,
            true => was,
            false => to,
        };
        if to == record && row.key == was {
            return Vec::new();
        }
        self.table.remove(&record);
        self.table.insert(to, row.clone());
        vec![Deed::Put(Put {
            op: Op::Update,
            record: to,
            former: (to != record).then_some(record),
            moved_from: (row.key != was).then_some(was),
            row,
            absent: Fields::default(),
        })]
    }

    /// Puts a row there, in the form that the system gives it. Of what may be left out, that is left
    /// out which does not change.
    fn put(&mut self, record: u8, row: Row, may_lack: Fields) -> Deed {
        let row = Row { cells: self.part.form.of_all(&row.cells), ..row };
        let before = self.table.insert(record, row.clone());
        let op = if before.is_some() { Op::Update } else { Op::Insert };
        let absent = before.map_or(0, |before| {
            let same = may_lack.iter().filter(|&field| before.cells[field] == row.cells[field]);
            same.fold(0, |mask, field| mask | 1 << field)
        });
        let (former, moved_from) = (None, None);
        Deed::Put(Put { op, record, former, moved_from, row, absent: Fields(absent) })
    }

    /// Writes golden rows in one transaction, with how far they are applied.
    pub(crate) fn apply(&mut self, golden: &[GoldenRow], applied: usize, now: i64) {
        self.applied = applied;
        let Some(fields) = self.part.writes else { return };
        let mut last: BTreeMap<u8, &Golden> = BTreeMap::new();
        last.extend(golden.iter().map(|row| (row.key, &row.golden)));
        let mut deeds = Vec::new();
        for (key, golden) in last {
            let before = self.table.get(&key).cloned();
            match (golden, &before) {
                (Golden::Gone, None) => continue,
                (Golden::Gone, Some(row)) => deeds.push(self.delete(key, row)),
                (Golden::Is(cells), _) => {
                    let empty = Row { key, cells: Cells::default() };
                    let mut row = before.clone().unwrap_or(empty);
                    fields.iter().for_each(|field| row.cells[field] = cells[field].clone());
                    let deed = self.put(key, row, Fields::default());
                    if self.part.tells_same || self.table.get(&key) != before.as_ref() {
                        deeds.push(deed);
                    }
                }
            }
            self.writes += 1;
            self.for_jobs.push((key, before));
        }
        self.commit(now, true, deeds);
    }

    /// A job finds that something was written, and takes back what it finds changed; of what is read,
    /// since else nobody would know.
    pub(crate) fn fight(&mut self, now: i64) {
        let found = std::mem::take(&mut self.for_jobs);
        let mut deeds = Vec::new();
        for (record, before) in found {
            let (Some(before), Some(row)) = (before, self.table.get(&record).cloned()) else {
                continue;
            };
            let mut back = row.clone();
            for field in self.fields().iter() {
                back.cells[field].clone_from(&before.cells[field]);
            }
            if back != row {
                deeds.push(self.put(record, back, Fields::default()));
            }
        }
        self.commit(now, false, deeds);
    }

    /// A job of the institution's own brings the rows of another system here.
    pub(crate) fn take_over(&mut self, rows: &BTreeMap<u8, Row>, now: i64) -> bool {
        let mut deeds = Vec::new();
        for (&record, row) in rows {
            let form = self.part.form;
            let is_same = |it: &Row| it.cells == form.of_all(&row.cells);
            if !self.table.get(&record).is_some_and(is_same) {
                deeds.push(self.put(record, row.clone(), Fields::default()));
            }
        }
        let gone: Vec<u8> =
            self.table.keys().copied().filter(|record| !rows.contains_key(record)).collect();
        for record in gone {
            self.table.remove(&record);
            deeds.push(Deed::Gone { record, key: record });
        }
        let is_changed = !deeds.is_empty();
        self.commit(now, false, deeds);
        is_changed
    }

    /// All rows are copied again.
    pub(crate) fn copy(&mut self, now: i64) {
        let put = |(&record, row): (&u8, &Row)| {
            let (op, row, absent) = (Op::Snapshot, row.clone(), Fields::default());
            Deed::Put(Put { op, record, former: None, moved_from: None, row, absent })
        };
        let deeds = self.table.iter().map(put).collect();
        self.commit(now, false, deeds);
    }

    pub(crate) fn empty(&mut self, now: i64) {
        self.table.clear();
        self.commit(now, false, vec![Deed::Emptied]);
    }

    pub(crate) fn back_up(&mut self) {
        let (table, applied, commit) = (self.table.clone(), self.applied, self.commit);
        self.backup = Some(Backup { table, applied, commit });
    }

    /// Goes back to the backup, and what was not read yet is lost. It is read from a new beginning
    /// with a copy of all rows; said to be emptied before, or not.
    pub(crate) fn restore(&mut self, now: i64, emptied: bool) -> bool {
        let Some(backup) = self.backup.clone() else { return false };
        self.history.truncate(self.captured);
        self.table = backup.table;
        self.applied = backup.applied;
        (self.epoch, self.commit) = (self.epoch + 1, backup.commit);
        self.for_jobs.clear();
        if emptied {
            self.commit(now, false, vec![Deed::Emptied]);
        }
        self.copy(now);
        true
    }
}
