//! A plain reading of what each record says: all a system ever committed, once and in order.
//!
//! What a row holds because we wrote it there is no word of its system's: the word on a field is the last
//! value that came into it by other hands. A deleted record has no word. A record that is there because
//! we wrote it, or gone because we deleted it, is so by nobody's wish but ours.

use crate::batch::record_text;
use crate::setup::Part;
use crate::system::{Deed, Put, System};
use crate::value::{FIELDS, Value};
use std::collections::BTreeMap;
use syncline_core::Op;

/// When something was said: in its system's order, and by its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct When {
    pub(crate) place: (u32, u64, usize),
    pub(crate) micros: i64,
    /// Nobody knows since when what was copied has been so.
    pub(crate) copied: bool,
}

/// From some time on a field held this.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) value: Value,
    pub(crate) since: When,
    pub(crate) ours: bool,
}

/// What a record says of an entity.
#[derive(Debug, Clone)]
pub(crate) struct Spoken {
    pub(crate) system: usize,
    pub(crate) key: u8,
    pub(crate) record: String,
    /// Whether anybody but us wrote to it since it was last deleted.
    pub(crate) speaks: bool,
    /// Whether it is there, and whether by our hand.
    life: Option<(bool, bool)>,
    /// Whether its system has it, and ever had, by its own doing.
    pub(crate) had: bool,
    pub(crate) ever: bool,
    pub(crate) fields: [Vec<Held>; FIELDS],
}

impl Spoken {
    /// What it says in a field, and since when.
    pub(crate) fn word(&self, field: usize) -> Option<&Held> {
        self.fields[field].iter().rfind(|held| !held.ours).filter(|_| self.speaks)
    }

    fn put(&mut self, put: &Put, part: &Part, since: When, ours: bool) {
        // We removed it, and somebody puts it there again.
        let is_back = !ours && self.life == Some((false, true));
        if !ours {
            self.speaks = true;
        }
        if self.life.is_none_or(|(is_there, _)| !is_there) {
            self.life = Some((true, ours));
            self.had = if ours { self.had } else { true };
        }
        self.ever |= self.had;
        for field in part.reads.unwrap_or_default().iter() {
            if put.absent.has(field) {
                continue;
            }
            let value = put.row.cells[field].clone();
            let held = &mut self.fields[field];
            let is_other =
                |last: &Held| last.value != value || (is_back && last.ours) || (ours && !last.ours);
            if held.last().is_none_or(is_other) {
                held.push(Held { value, since, ours });
            }
        }
    }

    fn go(&mut self, ours: bool) {
        if self.life.is_some_and(|(is_there, _)| is_there) {
            self.life = Some((false, ours));
            if !ours {
                (self.had, self.ever) = (false, true);
            }
        } else if self.life.is_some() && !ours {
            self.life = Some((false, false));
            self.had = false;
        }
        if !ours {
            self.speaks = false;
            self.fields = Default::default();
        }
    }
}

/// The records of all systems that anything was heard of, as far as their changes are heard.
pub(crate) fn spoken(systems: &[System], heard: impl Fn(usize) -> usize) -> Vec<Spoken> {
    let mut all = Vec::new();
    for (place, system) in systems.iter().enumerate() {
        let mut records: BTreeMap<(u8, u8), Spoken> = BTreeMap::new();
        for of in &system.history[..heard(place)] {
            for (ordinal, deed) in of.deeds.iter().enumerate() {
                let copied = matches!(deed, Deed::Put(put) if put.op == Op::Snapshot);
                let since = When { place: (of.epoch, of.commit, ordinal), micros: of.at, copied };
                take(&mut records, (place, &system.part), deed, since, of.ours);
            }
        }
        all.extend(records.into_values());
    }
    all
}

fn take(
    records: &mut BTreeMap<(u8, u8), Spoken>,
    (system, part): (usize, &Part),
    deed: &Deed,
    since: When,
    ours: bool,
) {
    let new = |key: u8, record: u8| Spoken {
        system,
        key,
        record: record_text(part, record),
        speaks: false,
        life: None,
        had: false,
        ever: false,
        fields: Default::default(),
    };
    match deed {
        Deed::Emptied => records.values_mut().for_each(|record| record.go(false)),
        Deed::Gone { record, key } => {
            records.entry((*key, *record)).or_insert_with(|| new(*key, *record)).go(ours);
        }
        Deed::Put(put) => {
            let key = put.row.key;
            let former = (put.moved_from.unwrap_or(key), put.former.unwrap_or(put.record));
            let mut followed = None;
            if former != (key, put.record)
                && let Some(before) = records.get_mut(&former)
            {
                // Under another key of its own a record says what it said.
                followed = (former.0 == key && before.speaks).then(|| before.fields.clone());
                before.go(ours);
            }
            let record = records.entry((key, put.record)).or_insert_with(|| new(key, put.record));
            if let Some(fields) = followed.filter(|_| !record.speaks) {
                record.fields = fields;
            }
            record.put(put, part, since, ours);
        }
    }
}
