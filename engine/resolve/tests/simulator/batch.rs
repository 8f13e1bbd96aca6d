//! Changes of a table as its mapping gives them to the entity.

use crate::setup::{Part, column};
use crate::system::{Committed, Deed, Put};
use crate::value::{NAMES, SEATS, Value};
use arrow_array::{ArrayRef, Int32Array, StringArray};
use std::sync::Arc;
use syncline_core::{
    ChangeBatch, ColumnMask, Op, Presence, SystemName, TableName, TableSchema, Transaction,
    TransactionRun,
};

/// A change, and where it stands in its transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    pub(crate) of: &'a Committed,
    pub(crate) place: usize,
}

/// A batch of a source's table, what its mapping makes of it, and for each row of that the place of its
/// source row.
#[derive(Debug)]
pub(crate) struct Mapped {
    pub(crate) source: ChangeBatch,
    pub(crate) rows: ChangeBatch,
    pub(crate) origins: Vec<u32>,
}

/// A row that the mapping gives.
struct Given<'a> {
    told: Told<'a>,
    op: Op,
    key: u8,
    put: Option<&'a Put>,
}

impl Told<'_> {
    fn transaction(&self) -> Transaction {
        let Committed { epoch, commit, at, ours, .. } = *self.of;
        Transaction { epoch, commit, committed_at: at, ours }
    }
}

/// A mapping reads columns by name, and has no condition.
pub(crate) fn map(part: &Part, told: &[Told<'_>]) -> Mapped {
    let mut records: Vec<(String, Op, Told<'_>)> = Vec::new();
    let (mut given, mut origins) = (Vec::new(), Vec::new());
    let text = |record: u8| record_text(part, record);
    for &told in told {
        match &told.of.deeds[told.place] {
            Deed::Put(put) => {
                if put.former.is_some() || put.moved_from.is_some() {
                    records.push((text(put.former.unwrap_or(put.record)), Op::Before, told));
                }
                let origin = records.len() as u32;
                records.push((text(put.record), put.op, told));
                if let Some(key) = put.moved_from {
                    given.push(Given { told, op: Op::Delete, key, put: None });
                    origins.push(origin);
                }
                let op = if put.moved_from.is_some() { Op::Insert } else { put.op };
                given.push(Given { told, op, key: put.row.key, put: Some(put) });
                origins.push(origin);
            }
            Deed::Gone { record, key } => {
                origins.push(records.len() as u32);
                records.push((text(*record), Op::Delete, told));
                given.push(Given { told, op: Op::Delete, key: *key, put: None });
            }
            Deed::Emptied => unreachable!("a table that is emptied has no rows"),
        }
    }
    Mapped { source: source(part, &records), rows: rows(part, &given), origins }
}

/// The key of a record in its system: that of the entity where others may make one.
pub(crate) fn record_text(part: &Part, record: u8) -> String {
    format!("{}{record}", if part.has_own_keys() { 'r' } else { 'k' })
}

fn source(part: &Part, records: &[(String, Op, Told<'_>)]) -> ChangeBatch {
    let name = TableName::table(&SystemName::new(part.name), "public", "people");
    let schema = TableSchema::new(name, 1, vec![column("id")], vec![0]);
    let texts: StringArray = records.iter().map(|record| Some(record.0.as_str())).collect();
    let ops: Vec<u8> = records.iter().map(|record| record.1 as u8).collect();
    let told: Vec<Told<'_>> = records.iter().map(|record| record.2).collect();
    batch(schema, vec![Arc::new(texts)], ops, &told, Presence::all(1))
}

fn rows(part: &Part, given: &[Given<'_>]) -> ChangeBatch {
    let fields: Vec<usize> = part.reads.unwrap_or_default().iter().collect();
    let mut columns = vec![column("id")];
    columns.extend(fields.iter().map(|&field| column(NAMES[field])));
    let schema = TableSchema::new(TableName::entity("person"), 1, columns, vec![0]);
    let keys: StringArray = given.iter().map(|row| Some(format!("k{}", row.key))).collect();
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(keys)];
    for &field in &fields {
        let values = given.iter().map(|row| match row.put {
            Some(put) if !put.absent.has(field) => &put.row.cells[field],
            _ => &None,
        });
        arrays.push(array(field, values));
    }
    let mask = |row: &Given<'_>| {
        let mut mask = ColumnMask::none(fields.len() + 1);
        mask.set(0);
        let is_there = |field: usize| row.put.is_some_and(|put| !put.absent.has(field));
        let there = fields.iter().enumerate().filter(|&(_, &field)| is_there(field));
        there.for_each(|(place, _)| mask.set(place + 1));
        mask
    };
    let presence = Presence::from_rows(fields.len() + 1, given.iter().map(mask));
    let ops = given.iter().map(|row| row.op as u8).collect();
    let told: Vec<Told<'_>> = given.iter().map(|row| row.told).collect();
    batch(schema, arrays, ops, &told, presence)
}

fn array<'a>(field: usize, values: impl Iterator<Item = &'a Value>) -> ArrayRef {
    if field == SEATS {
        let number = |value: &'a Value| value.as_deref().map(|text| text.parse().unwrap());
        return Arc::new(values.map(number).collect::<Int32Array>());
    }
    Arc::new(values.map(Option::as_deref).collect::<StringArray>())
}

fn batch(
    schema: TableSchema,
    columns: Vec<ArrayRef>,
    ops: Vec<u8>,
    told: &[Told<'_>],
    presence: Presence,
) -> ChangeBatch {
    let ordinals: Vec<u32> = told.iter().map(|told| told.place as u32).collect();
    let run = |told: &Told<'_>| TransactionRun { transaction: told.transaction(), rows: 1 };
    let runs = told.iter().map(run).collect();
    ChangeBatch::try_new(Arc::new(schema), columns, ops.into(), ordinals.into(), runs, presence)
        .unwrap()
}
