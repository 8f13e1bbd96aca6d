//! The changes of a case as a batch.

use super::format::{Case, Change};
use super::value;
use crate::{Catalog, Mapping};
use std::collections::BTreeSet;
use std::sync::Arc;
use syncline_core::{
    ChangeBatch, ColumnMask, Op, Presence, TableName, TableSchema, Transaction, TransactionRun,
};
use toml::{Table, Value};

/// What `now()` is where a case does not say: 2026-01-01 00:00 UTC.
const COMMITTED_AT: i64 = 1_767_225_600_000_000;

/// One image: a row of the batch.
#[derive(Debug)]
pub(super) struct Image<'c> {
    pub(super) op: Op,
    pub(super) values: &'c Table,
    pub(super) null: &'c [String],
    /// Which change of the case it belongs to, from 0.
    pub(super) change: usize,
}

/// A case's changes, and which change each row of the batch belongs to.
#[derive(Debug)]
pub(super) struct Fixture {
    pub(super) batch: ChangeBatch,
    pub(super) changes: Vec<usize>,
}

/// The images of changes, before images first.
pub(super) fn images(changes: &[Change]) -> Result<Vec<Image<'_>>, String> {
    let mut images = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        let number = at + 1;
        let said = [
            (Op::Insert, &change.insert),
            (Op::Update, &change.update),
            (Op::Delete, &change.delete),
            (Op::Snapshot, &change.snapshot),
        ];
        let mut said = said.into_iter().filter_map(|(op, values)| Some((op, values.as_ref()?)));
        let (Some((op, values)), None) = (said.next(), said.next()) else {
            return Err(format!("number {number} is one of insert, update, delete and snapshot"));
        };
        if let Some(before) = &change.before {
            if op != Op::Update {
                return Err(format!("number {number} has a before, which only an update has"));
            }
            let null = &change.before_null;
            images.push(Image { op: Op::Before, values: before, null, change: at });
        }
        images.push(Image { op, values, null: &change.null, change: at });
    }
    Ok(images)
}

/// The batch that a case begins with.
pub(super) fn fixture(
    case: &Case,
    mapping: &Mapping,
    catalog: &Catalog,
) -> Result<Fixture, String> {
    let schema = schema(&mapping.reads, catalog)?;
    let images = images(&case.changes)?;
    let used: BTreeSet<&str> = mapping
        .columns
        .iter()
        .flat_map(|column| &column.inputs)
        .chain(&mapping.filter_inputs)
        .map(String::as_str)
        .collect();
    let masks =
        images.iter().map(|image| mask(image, &schema, &used)).collect::<Result<Vec<_>, _>>()?;
    let columns = columns(&schema, &images)?;
    let committed_at = committed_at(case)?;
    let changes: Vec<usize> = images.iter().map(|image| image.change).collect();
    let transactions = changes
        .iter()
        .map(|&change| TransactionRun {
            transaction: Transaction {
                epoch: 1,
                commit: change as u64 + 1,
                committed_at,
                ours: false,
            },
            rows: 1,
        })
        .collect();
    let width = schema.columns().len();
    let batch = ChangeBatch::try_new(
        schema,
        columns,
        images.iter().map(|image| image.op as u8).collect::<Vec<_>>().into(),
        vec![0; images.len()].into(),
        transactions,
        Presence::from_rows(width, masks),
    );
    Ok(Fixture { batch: batch.map_err(|error| error.to_string())?, changes })
}

/// The columns of images, NULL where they say nothing.
pub(super) fn columns(
    schema: &TableSchema,
    images: &[Image<'_>],
) -> Result<Vec<arrow_array::ArrayRef>, String> {
    for image in images {
        let named = image.values.keys().chain(image.null);
        for name in named {
            if schema.index_of(name).is_none() {
                return Err(format!("{} has no column \"{name}\"", schema.name()));
            }
        }
    }
    schema
        .columns()
        .iter()
        .map(|column| {
            let values: Vec<Option<&Value>> =
                images.iter().map(|image| image.values.get(&column.name)).collect();
            value::column(column, &values)
        })
        .collect()
}

fn schema(name: &TableName, catalog: &Catalog) -> Result<Arc<TableSchema>, String> {
    let found = match name {
        TableName::Entity(entity) => {
            catalog.entities.get(entity.as_ref()).map(|entity| entity.schema.clone())
        }
        table => catalog.tables.get(table).map(|table| Arc::new(table.schema.clone())),
    };
    found.ok_or_else(|| format!("the catalog has no {name}"))
}

/// What an image speaks of. A new row speaks of everything; columns that the mapping does not use
/// need not be written for that.
fn mask(
    image: &Image<'_>,
    schema: &TableSchema,
    used: &BTreeSet<&str>,
) -> Result<ColumnMask, String> {
    let whole = matches!(image.op, Op::Insert | Op::Snapshot);
    let mut mask = ColumnMask::none(schema.columns().len());
    for (index, column) in schema.columns().iter().enumerate() {
        let said = image.values.contains_key(&column.name) || image.null.contains(&column.name);
        if whole && !said && used.contains(column.name.as_str()) {
            let (number, name) = (image.change + 1, &column.name);
            return Err(format!(
                "change {number} does not say what \"{name}\" is ({}): give it a value, or name it \
                 in null",
                value::type_name(column)
            ));
        }
        if said || whole {
            mask.set(index);
        }
    }
    Ok(mask)
}

fn committed_at(case: &Case) -> Result<i64, String> {
    let Some(at) = &case.committed_at else { return Ok(COMMITTED_AT) };
    let text = match at {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let at = chrono::DateTime::parse_from_rfc3339(&text).map_err(|_| {
        format!("committed_at: {text:?} is not a time such as 2026-01-01T12:00:00Z")
    })?;
    Ok(at.timestamp_micros())
}
