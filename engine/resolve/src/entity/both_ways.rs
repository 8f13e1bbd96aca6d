//! The short way and the long way come to the same: golden rows, conflicts, and what is kept, to the byte.

use super::{Entity, RecordKeys};
use crate::policy::Plan;
use crate::rows::{MemoryRows, Scanned};
use crate::{ClaimingMapping, EntityRules, Existence, Fallback, Policy, Unit};
use arrow_array::{ArrayRef, Int32Array, StringArray};
use arrow_schema::DataType;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use syncline_core::{
    ChangeBatch, Column, ColumnMask, Cursor, Op, Presence, Resolved, SystemName, TableName,
    TableSchema, Transaction, TransactionRun,
};

const MAPPINGS: [(&str, &str); 4] =
    [("sis", "from_sis"), ("hr", "a_from_hr"), ("lms", "from_lms"), ("hr", "z_from_hr")];

/// The columns that a mapping speaks of; 3 to 5 are a group.
fn spoken_of(mapping: usize) -> &'static [usize] {
    match mapping {
        2 => &[1, 3, 4, 5],
        3 => &[2, 6],
        _ => &[1, 2, 3, 4, 5, 6],
    }
}

fn column(place: usize) -> Column {
    let (data_type, native_type) = match place {
        6 => (DataType::Int32, "integer"),
        2 => (DataType::Utf8, "text[]"),
        _ => (DataType::Utf8, "text"),
    };
    let (nullable, has_default, generated) = (true, false, false);
    let (name, native_type) = (format!("c{place}"), native_type.into());
    Column { name, id: 0, data_type, native_type, nullable, has_default, generated }
}

fn schema(columns: &[usize]) -> Arc<TableSchema> {
    let columns = columns.iter().map(|&place| column(place)).collect();
    Arc::new(TableSchema::new(TableName::entity("course"), 1, columns, vec![0]))
}

fn policies(place: usize) -> Vec<Policy> {
    let list = vec![SystemName::new("hr"), SystemName::new("sis")];
    let prefer = Fallback::Prefer(list.clone());
    let mut policies = vec![
        Policy::Prefer(list.clone()),
        Policy::Newest(Fallback::Ask),
        Policy::Newest(prefer.clone()),
        Policy::Oldest(prefer),
        Policy::Ask(Fallback::Ask),
    ];
    match place {
        1 => policies.extend([Policy::Max, Policy::Longest(list.clone()), Policy::All]),
        2 => policies.extend([Policy::Union, Policy::Intersection]),
        6 => policies.extend([Policy::Sum, Policy::MostCommon(list), Policy::Min]),
        _ => {}
    }
    policies
}

fn unit(columns: &'static [usize]) -> impl Strategy<Value = Unit> {
    let policy = prop::sample::select(policies(columns[0]));
    (policy, any::<bool>()).prop_map(move |(policy, null_is_value)| {
        let (name, columns) = (format!("u{}", columns[0]), columns.to_vec());
        Unit { name, columns, policy, null_is_value }
    })
}

fn rules() -> impl Strategy<Value = EntityRules> {
    let existence = prop_oneof![
        3 => Just(Existence::Any),
        1 => Just(Existence::Owner(SystemName::new("sis"))),
        1 => Just(Existence::All),
        1 => Just(Existence::Ask),
    ];
    let units = (unit(&[1]), unit(&[2]), unit(&[3, 4, 5]), unit(&[6]));
    let returned = prop::option::weighted(0.3, Just(vec![1, 3, 6]));
    (existence, units, returned).prop_map(|(existence, (a, b, c, d), returned)| {
        let mapping = |(number, (system, name)): (usize, &(&str, &str))| ClaimingMapping {
            name: (*name).to_owned(),
            system: SystemName::new(system),
            columns: spoken_of(number).to_vec(),
            returned: returned.clone().filter(|_| number == 0),
        };
        EntityRules {
            schema: schema(&[0, 1, 2, 3, 4, 5, 6]),
            units: vec![a, b, c, d],
            existence,
            mappings: MAPPINGS.iter().enumerate().map(mapping).collect(),
            uncertainty: BTreeMap::new(),
        }
    })
}

/// A row of a batch: its key, its record, what happened, and for each column how it is.
#[derive(Debug, Clone)]
struct Row {
    key: u8,
    record: u8,
    op: Op,
    ours: bool,
    cells: [u8; 6],
}

/// The rows that one mapping gives at a time, in doubt or not.
#[derive(Debug, Clone)]
struct Step {
    mapping: usize,
    rows: Vec<Row>,
    in_doubt: bool,
    /// How far the source's clock is, and its commits.
    goes_back: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let op = prop_oneof![
        6 => Just(Op::Update),
        3 => Just(Op::Insert),
        2 => Just(Op::Snapshot),
        1 => Just(Op::Delete),
    ];
    let cells = prop::array::uniform6(0_u8..6);
    let row = (0_u8..6, prop_oneof![8 => Just(0_u8), 1 => 0_u8..2], op, 0_u8..12, cells)
        .prop_map(|(key, record, op, ours, cells)| Row { key, record, op, ours: ours == 0, cells });
    let rows = prop::collection::vec(row, 1..6);
    let step = (0..MAPPINGS.len(), rows, 0_u8..16, 0_u8..10).prop_map(
        |(mapping, rows, in_doubt, goes_back)| Step {
            mapping,
            rows,
            in_doubt: in_doubt == 0,
            goes_back: goes_back == 0,
        },
    );
    prop::collection::vec(step, 1..20)
}

fn cell(place: usize, cell: u8) -> Option<&'static str> {
    let values = match place {
        2 => ["{a,b}", "{b}", "{}", "a"],
        6 => ["-3", "7", "2147483000", "1"],
        _ => ["a", "bb", "c", "é"],
    };
    values.get(usize::from(cell)).copied()
}

fn array(place: usize, texts: impl Iterator<Item = Option<String>>) -> ArrayRef {
    match place {
        6 => Arc::new(texts.map(|it| it?.parse().ok()).collect::<Int32Array>()),
        _ => Arc::new(texts.collect::<StringArray>()),
    }
}

fn batch(step: &Step, number: u64) -> (ChangeBatch, RecordKeys) {
    let places: Vec<usize> = [0].iter().chain(spoken_of(step.mapping)).copied().collect();
    let columns = places.iter().map(|&place| {
        let text = |row: &Row| match place {
            0 => Some(format!("k{}", row.key)),
            _ => cell(place, row.cells[place - 1]).map(str::to_owned),
        };
        array(place, step.rows.iter().map(text))
    });
    let mask = |row: &Row| {
        let mut mask = ColumnMask::none(places.len());
        for (at, &place) in places.iter().enumerate() {
            // A group is said whole or not at all.
            let said = if (3..=5).contains(&place) { 2 } else { place.saturating_sub(1) };
            if place == 0 || row.cells[said] != 5 || row.op == Op::Insert {
                mask.set(at);
            }
        }
        mask
    };
    let commit = if step.goes_back { number.saturating_sub(3) } else { number };
    let committed_at = i64::try_from(commit).unwrap() * 700_000;
    let run = |row: &Row| TransactionRun {
        transaction: Transaction { epoch: 1, commit, committed_at, ours: row.ours },
        rows: 1,
    };
    let mut records = RecordKeys::default();
    step.rows.iter().for_each(|row| records.push(&format!("[\"{}/{}\"]", row.key, row.record)));
    let batch = ChangeBatch::try_new(
        schema(&places),
        columns.collect(),
        step.rows.iter().map(|row| row.op as u8).collect::<Vec<_>>().into(),
        (0..u32::try_from(step.rows.len()).unwrap()).collect::<Vec<_>>().into(),
        step.rows.iter().map(run).collect(),
        Presence::from_rows(places.len(), step.rows.iter().map(mask)),
    );
    (batch.unwrap(), records)
}

fn kept(entity: &mut Entity) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut scanned = Scanned::default();
    entity.rows.scan(Cursor::default(), usize::MAX, &mut scanned).unwrap();
    let rows = (0..scanned.len()).filter_map(|place| scanned.get(place));
    rows.map(|(key, row)| (key.to_vec(), row.to_vec())).collect()
}

fn assert_same(short: &Resolved, long: &Resolved) -> Result<(), TestCaseError> {
    let parts = |resolved: &Resolved| {
        resolved.golden.as_ref().map(|golden| {
            (
                golden.columns().clone(),
                (golden.ops().clone(), golden.ordinals().clone()),
                golden.transactions().to_vec(),
                golden.presence().clone(),
            )
        })
    };
    prop_assert_eq!(parts(short), parts(long));
    prop_assert_eq!(&short.conflicts, &long.conflicts);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_ways_come_to_the_same(rules in rules(), steps in steps()) {
        let open = || Entity::open(Box::new(MemoryRows::default()), rules.clone(), 1).unwrap();
        let (mut short, mut long) = (open(), open());
        long.plan = Plan::default();
        for (number, step) in (1..).zip(&steps) {
            let (rows, records) = batch(step, number);
            let name = MAPPINGS[step.mapping].1;
            let of_short = short.hear_rows(name, &rows, &records, step.in_doubt).unwrap();
            let of_long = long.hear_rows(name, &rows, &records, step.in_doubt).unwrap();
            assert_same(&of_short, &of_long)?;
            prop_assert_eq!(kept(&mut short), kept(&mut long));
        }
    }
}
