//! Source histories: what each system says, in its own order.

use crate::fixture::{Cell, MAPPINGS, Row, spoken_of, values};
use proptest::prelude::*;
use std::collections::BTreeMap;
use syncline_core::{Op, Transaction};

/// What happens to a record of a source.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    /// Which record, and which key of the entity it claims.
    record: u8,
    key: u8,
    kind: Kind,
    /// By column: what is said.
    picks: [u8; 9],
    /// Whether the other mapping of the source reads the table too.
    both: bool,
    /// By how many µs the source's clock went on; it may be set back.
    micros: i64,
    /// Whether it is a transaction of its own, and whether a new generation begins.
    commits: bool,
    epoch: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Write,
    Copy,
    Delete,
}

/// The changes of one system in order: the rows of each.
pub(crate) type History = Vec<Vec<Row>>;

/// Of one source: how far its clock is ahead, and what happens.
fn act() -> impl Strategy<Value = Act> {
    let kind = prop_oneof![
        6 => Just(Kind::Write), 1 => Just(Kind::Copy), 2 => Just(Kind::Delete)
    ];
    let micros =
        prop_oneof![Just(0), Just(300_000), Just(1_500_000), Just(5_000_000), Just(-700_000)];
    let flags = (any::<bool>(), prop::bool::weighted(0.7), prop::bool::weighted(0.05));
    (0_u8..2, 0_u8..5, kind, any::<[u8; 9]>(), micros, flags).prop_map(
        |(record, key, kind, picks, micros, (both, commits, epoch))| Act {
            record,
            key: key / 4,
            kind,
            picks,
            both,
            micros,
            commits,
            epoch,
        },
    )
}

/// Two to four sources, with clocks of their own.
pub(crate) fn histories() -> impl Strategy<Value = Vec<History>> {
    let skew = prop_oneof![Just(0_i64), Just(-800_000), Just(2_500_000)];
    let source = (skew, prop::collection::vec(act(), 0..8));
    prop::collection::vec(source, 2..5).prop_map(|sources| {
        sources.into_iter().enumerate().map(|(at, (skew, acts))| history(at, skew, &acts)).collect()
    })
}

fn history(system: usize, skew: i64, acts: &[Act]) -> History {
    let mut at =
        Transaction { epoch: 1, commit: 10, committed_at: 1_000_000_000 + skew, ours: false };
    let (mut ordinal, mut claimed) = (0, BTreeMap::new());
    let mut history = Vec::new();
    for act in acts {
        at.epoch += u32::from(act.epoch);
        if act.commits || act.epoch {
            (at.commit, ordinal) = (at.commit + 1, 0);
            at.committed_at += act.micros;
        } else {
            ordinal += 1;
        }
        let rows = rows(system, act, (at, ordinal), &mut claimed);
        if !rows.is_empty() {
            history.push(rows);
        }
    }
    history
}

/// The mappings that read a system.
fn mappings_of(system: usize) -> impl Iterator<Item = usize> {
    (0..MAPPINGS.len()).filter(move |&it| MAPPINGS[it].0 == MAPPINGS[system].0)
}

fn rows(
    system: usize,
    act: &Act,
    (at, ordinal): (Transaction, u32),
    claimed: &mut BTreeMap<(usize, u8), u8>,
) -> Vec<Row> {
    let mut rows = Vec::new();
    for mapping in mappings_of(system).filter(|&it| it == system || act.both) {
        let row = |key: u8, op: Op, cells| Row {
            mapping,
            record: format!("r{}", act.record),
            former: None,
            key: format!("k{key}"),
            op,
            at,
            ordinal,
            cells,
        };
        let before = claimed.remove(&(mapping, act.record));
        let moved = before.filter(|&before| act.kind == Kind::Delete || before != act.key);
        rows.extend(moved.map(|key| row(key, Op::Delete, [Cell::Absent; 9])));
        if act.kind == Kind::Delete {
            // Where the record was not there, a filter that it does not pass says so again.
            if before.is_none() {
                rows.push(row(act.key, Op::Delete, [Cell::Absent; 9]));
            }
            continue;
        }
        claimed.insert((mapping, act.record), act.key);
        let op = match act.kind {
            Kind::Copy => Op::Snapshot,
            _ if before == Some(act.key) => Op::Update,
            _ => Op::Insert,
        };
        rows.push(row(act.key, op, cells(mapping, act, op)));
    }
    rows
}

/// An update may leave columns out.
fn cells(mapping: usize, act: &Act, op: Op) -> [Cell; 9] {
    let mut cells = [Cell::Absent; 9];
    for &column in spoken_of(mapping) {
        let values = values(column);
        let pick = usize::from(act.picks[column]) % (values.len() + 2);
        cells[column] = match values.get(pick) {
            Some(value) => Cell::Text(value),
            None if pick == values.len() && op == Op::Update => Cell::Absent,
            None => Cell::Null,
        };
    }
    cells
}

/// How histories reach the heart: whose turn it is, and whether a batch ends there.
#[derive(Clone)]
pub(crate) struct Delivery(Vec<(u8, bool)>);

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0
            .iter()
            .try_for_each(|(turn, ends)| write!(f, "{turn}{}", if *ends { "|" } else { " " }))
    }
}

pub(crate) fn delivery() -> impl Strategy<Value = Delivery> {
    prop::collection::vec((any::<u8>(), any::<bool>()), 40).prop_map(Delivery)
}

impl Delivery {
    /// The batches, each of one system, in the order that keeps each system's own.
    pub(crate) fn batches(&self, histories: &[History]) -> Vec<Vec<Row>> {
        let mut next = vec![0; histories.len()];
        let mut batches: Vec<Vec<Row>> = Vec::new();
        let mut last = None;
        for &(turn, ends) in self.0.iter().cycle() {
            let left: Vec<usize> =
                (0..histories.len()).filter(|&it| next[it] < histories[it].len()).collect();
            if left.is_empty() {
                break;
            }
            let system = left[usize::from(turn) % left.len()];
            let rows = &histories[system][next[system]];
            next[system] += 1;
            match batches.last_mut() {
                Some(batch) if last == Some(system) => batch.extend_from_slice(rows),
                _ => batches.push(rows.clone()),
            }
            last = (!ends).then_some(system);
        }
        batches
    }
}

/// One change at a time, one source after the other.
pub(crate) fn one_by_one(histories: &[History]) -> Vec<Vec<Row>> {
    histories.iter().flatten().cloned().collect()
}
