//! Entries made from a seed, and what makes two of them the same.

use crate::{
    Body, Boundary, ChangeBatch, Column, ColumnMask, Entry, Position, Presence, SystemName,
    TableName, TableSchema, Transaction, TransactionRun,
};
use arrow_array::{ArrayRef, Decimal128Array, Int64Array, StringArray};
use arrow_schema::DataType;
use std::sync::Arc;

/// A table of a key, a text and an amount, at this revision. From revision 1 on it has a fourth
/// column, so that revisions can be told apart.
#[must_use]
pub fn sample_schema(revision: u32) -> Arc<TableSchema> {
    let mut columns = vec![
        column("id", DataType::Int64, "int8"),
        column("name", DataType::Utf8, "text"),
        column("amount", DataType::Decimal128(20, 2), "numeric(20,2)"),
    ];
    if revision > 0 {
        columns.push(column("note", DataType::Utf8, "text"));
    }
    let name = TableName::table(&SystemName::new("sis"), "public", "students");
    Arc::new(TableSchema::new(name, revision, columns, vec![0]))
}

fn column(name: &str, data_type: DataType, native_type: &str) -> Column {
    Column {
        name: name.into(),
        id: 0,
        data_type,
        native_type: native_type.into(),
        nullable: name != "id",
        has_default: false,
        generated: false,
    }
}

/// Rows of [`sample_schema`], the same for the same seed: with nulls, absent columns, several
/// operations and two transactions.
///
/// # Panics
/// Never: the batch has its schema's shape.
#[must_use]
pub fn sample_batch(schema: &Arc<TableSchema>, rows: u32, seed: u64) -> ChangeBatch {
    let mut random = Random(seed);
    let mut picks = || (0..rows).map(|_| random.next()).collect::<Vec<_>>();
    let text = |n: &u64| (!n.is_multiple_of(5)).then(|| "Žofie é𝄞 ".repeat((n % 7) as usize));
    let columns = schema.columns().iter().map(|column| -> ArrayRef {
        let picks = picks();
        match column.data_type {
            DataType::Int64 => {
                Arc::new(picks.iter().map(|n| Some(*n as i64)).collect::<Int64Array>())
            }
            DataType::Decimal128(..) => Arc::new(
                picks
                    .iter()
                    .map(|n| (!n.is_multiple_of(3)).then_some(i128::from(*n)))
                    .collect::<Decimal128Array>()
                    .with_data_type(column.data_type.clone()),
            ),
            _ => Arc::new(picks.iter().map(text).collect::<StringArray>()),
        }
    });
    let columns = columns.collect();
    let transaction =
        Transaction { epoch: 1, commit: random.next(), committed_at: 1_000_000, ours: false };
    let later = Transaction { commit: random.next(), ours: true, ..transaction };
    let first = rows / 3;
    let runs = [(transaction, first), (later, rows - first)];
    let runs = runs.into_iter().filter(|(_, rows)| *rows > 0);
    let width = schema.columns().len();
    let masks = (0..rows).map(|_| {
        let mut mask = ColumnMask::all(width);
        if random.next().is_multiple_of(4) {
            mask.clear(1 + random.next() as usize % (width - 1));
        }
        mask
    });
    let presence = Presence::from_rows(width, masks.collect::<Vec<_>>());
    ChangeBatch::try_new(
        schema.clone(),
        columns,
        (0..rows).map(|_| [1, 3, 5][random.next() as usize % 3]).collect::<Vec<_>>().into(),
        (0..rows).collect::<Vec<_>>().into(),
        runs.map(|(transaction, rows)| TransactionRun { transaction, rows }).collect(),
        presence,
    )
    .expect("the columns are the schema's")
}

/// An entry, the same for the same seed: mostly rows, of two revisions, often with a boundary.
#[must_use]
pub fn sample_entry(seed: u64) -> Entry {
    let mut random = Random(seed);
    let schema = sample_schema(u32::from(random.next().is_multiple_of(4)));
    let body = match random.next() % 12 {
        0 => Body::Truncate(vec![schema.name().clone(), TableName::entity("person")]),
        1 => Body::Abandoned,
        2 => Body::Nothing,
        _ => Body::Rows(sample_batch(&schema, 1 + (random.next() % 40) as u32, random.next())),
    };
    let position = Position { epoch: 1, commit: random.next(), ordinal: 7 };
    let boundary = Boundary { position, committed_at: (random.next() >> 20) as i64 };
    Entry { body, boundary: random.next().is_multiple_of(2).then_some(boundary) }
}

/// Whether two batches say the same: schema, values, operations, transactions and presence.
#[must_use]
pub fn same_batch(left: &ChangeBatch, right: &ChangeBatch) -> bool {
    left.schema() == right.schema()
        && left.columns() == right.columns()
        && left.ops() == right.ops()
        && left.ordinals() == right.ordinals()
        && left.transactions() == right.transactions()
        && (0..left.len()).all(|row| left.mask(row) == right.mask(row))
}

/// Whether two entries say the same.
#[must_use]
pub fn same_entry(left: &Entry, right: &Entry) -> bool {
    let same_body = match (&left.body, &right.body) {
        (Body::Rows(left), Body::Rows(right)) => same_batch(left, right),
        (Body::Truncate(left), Body::Truncate(right)) => left == right,
        (Body::Abandoned, Body::Abandoned) | (Body::Nothing, Body::Nothing) => true,
        _ => false,
    };
    same_body && left.boundary == right.boundary
}

/// A small generator of numbers (splitmix64), so that a seed is all there is to remember.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
