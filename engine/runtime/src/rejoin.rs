//! How later changes of a target row that was refused join it, and how a refused row is parked.

use crate::isolate::Refused;
use crate::parking::{Parking, Shelf};
use arrow_array::{ArrayRef, new_null_array};
use std::collections::HashMap;
use std::sync::Arc;
use syncline_core::{
    ChangeBatch, ColumnMask, Error, KeyTexts, Kind, Offset, Op, ParkKey, Parked, Presence, Result,
    Stage, TableSchema, Transaction, TransactionRun,
};

/// A batch of target rows without those of parked keys, and these by themselves.
#[derive(Debug)]
pub(crate) struct Rejoined {
    pub(crate) others: Option<ChangeBatch>,
    /// One row a key: what it was parked with and all later changes of it.
    pub(crate) joined: ChangeBatch,
    pub(crate) keys: Vec<ParkKey>,
}

/// Lays all changes of each parked target row over its parked image. `None` when the batch speaks of
/// no parked row.
pub(crate) fn rejoin_target(
    parking: &Parking,
    mapping: &str,
    rows: &ChangeBatch,
) -> Result<Option<Rejoined>> {
    let Some(shelf) = parking.shelf(mapping, Stage::Write) else { return Ok(None) };
    let (images, others) = join(shelf, rows)?;
    if images.is_empty() {
        return Ok(None);
    }
    let mut images: Vec<_> = images.into_iter().collect();
    images.sort_unstable_by_key(|(_, (first, _))| *first);
    let (mut keys, mut joined) = (Vec::new(), Vec::new());
    for (key, (_, image)) in images {
        keys.push(ParkKey { mapping: mapping.to_owned(), stage: Stage::Write, key });
        joined.push(image);
    }
    let others = match others.is_empty() {
        true => None,
        false => Some(take(rows, &others)?),
    };
    Ok(Some(Rejoined { others, joined: crate::apply::concat(&joined)?, keys }))
}

/// Images by their keys, each with the place of its first change.
type Images = HashMap<String, (usize, ChangeBatch)>;

/// The joined images, and the places of all other rows.
fn join(shelf: Shelf<'_>, rows: &ChangeBatch) -> Result<(Images, Vec<u32>)> {
    let mut images = Images::new();
    let mut others = Vec::new();
    let (texts, single) = (KeyTexts::new(rows), Rows::new(rows));
    let mut key = String::new();
    for row in 0..rows.len() {
        texts.write(row, &mut key);
        if let Some((_, image)) = images.get_mut(&key) {
            *image = overlay(image, &single.get(row))?;
        } else if let Some(parked) = shelf.get(&key) {
            let image = overlay(&last_row(&parked.image), &single.get(row))?;
            images.insert(key.clone(), (row, image));
        } else {
            others.push(u32::try_from(row).expect("a batch has fewer than 2^32 rows"));
        }
    }
    Ok((images, others))
}

/// Single rows of a batch. Unlike slices they cost the same wherever they are.
pub(crate) struct Rows<'a> {
    batch: &'a ChangeBatch,
    transactions: Vec<Transaction>,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(batch: &'a ChangeBatch) -> Self {
        Self { batch, transactions: batch.row_transactions().copied().collect() }
    }

    pub(crate) fn get(&self, row: usize) -> ChangeBatch {
        let Self { batch, transactions } = self;
        let columns = batch.columns().slice(row, 1).columns().to_vec();
        let presence = batch.presence().mask(row).cloned();
        let width = batch.schema().columns().len();
        ChangeBatch::try_new(
            batch.schema().clone(),
            columns,
            batch.ops().slice(row, 1),
            batch.ordinals().slice(row, 1),
            vec![TransactionRun { transaction: transactions[row], rows: 1 }],
            presence
                .map_or_else(|| Presence::all(width), |mask| Presence::from_rows(width, [mask])),
        )
        .expect("a row has the columns of its batch")
    }
}

/// The rows at these places.
pub(crate) fn take(rows: &ChangeBatch, places: &[u32]) -> Result<ChangeBatch> {
    rows.take(places).map_err(|error| {
        Error::new(Kind::Internal, "rows could not be taken from a batch").caused_by(error)
    })
}

/// The row that an image is of, without what was before it.
pub(crate) fn last_row(image: &ChangeBatch) -> ChangeBatch {
    image.slice(image.len().saturating_sub(1)..image.len())
}

/// The newer of two images of one key, with what it does not speak of taken from the older. What a new
/// row lacks could not be carried: an older value must not stand for it, and the row stays a new one
/// until a change has it.
pub(crate) fn overlay(older: &ChangeBatch, newer: &ChangeBatch) -> Result<ChangeBatch> {
    let schema = newer.schema();
    let mask = newer.mask(0);
    let is_update = |row: &ChangeBatch| matches!(row.op(0), Op::Before | Op::Update);
    if !is_update(newer) || mask.is_all() {
        return Ok(newer.clone());
    }
    let older = align(older, schema)?;
    let mut joined = mask.clone();
    let columns = (0..schema.columns().len())
        .map(|column| {
            let from = if mask.has(column) { newer } else { &older };
            if from.presence().has(0, column) {
                joined.set(column);
            }
            from.columns().column(column).clone()
        })
        .collect();
    let op = if is_update(&older) || joined.is_all() { Op::Update } else { Op::Snapshot };
    one_row(schema, columns, op, newer, joined)
}

/// A single row brought to another revision of its table, by column name; columns that it lacks,
/// or has with another type, are absent.
pub(crate) fn align(row: &ChangeBatch, schema: &Arc<TableSchema>) -> Result<ChangeBatch> {
    if row.schema() == schema {
        return Ok(row.clone());
    }
    let mut mask = ColumnMask::none(schema.columns().len());
    let columns = schema
        .columns()
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let from = row.schema().index_of(&column.name).filter(|&from| {
                row.schema().columns().get(from).is_some_and(|it| it.data_type == column.data_type)
            });
            match from {
                Some(from) if row.presence().has(0, from) => {
                    mask.set(index);
                    row.columns().column(from).clone()
                }
                _ => new_null_array(&column.data_type, 1),
            }
        })
        .collect();
    one_row(schema, columns, row.op(0), row, mask)
}

/// A row as another operation, at the place in its source that another row has.
pub(crate) fn moved_to(row: &ChangeBatch, op: Op, like: &ChangeBatch) -> Result<ChangeBatch> {
    one_row(row.schema(), row.columns().columns().to_vec(), op, like, row.mask(0))
}

fn one_row(
    schema: &Arc<TableSchema>,
    columns: Vec<ArrayRef>,
    op: Op,
    like: &ChangeBatch,
    mask: ColumnMask,
) -> Result<ChangeBatch> {
    let presence = Presence::from_rows(schema.columns().len(), [mask]);
    ChangeBatch::try_new(
        schema.clone(),
        columns,
        vec![op as u8].into(),
        like.ordinals().clone(),
        like.transactions().to_vec(),
        presence,
    )
    .map_err(|error| Error::new(Kind::Internal, "a row could not be put together").caused_by(error))
}

/// A target row that its target refused.
pub(crate) fn parked_target(
    mapping: &str,
    refused: Refused,
    offset: Offset,
    attempts: u32,
) -> Parked {
    let Refused { key, row, error, .. } = refused;
    let reason = match error.detail_text() {
        Some(detail) => format!("{error}: {detail}"),
        None => error.to_string(),
    };
    Parked {
        key: ParkKey { mapping: mapping.to_owned(), stage: Stage::Write, key },
        table: row.schema().name().to_string(),
        image: row,
        reason,
        culprit: error.constraint_name().map(Into::into),
        hint: error.hint_text().map(Into::into),
        offset,
        attempts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::StringArray;
    use arrow_schema::DataType;
    use syncline_core::{Column, SystemName, TableName, Transaction, TransactionRun};

    /// A row of columns `a` and `b`; what is `None` it lacks.
    fn row(op: Op, values: [Option<&str>; 2]) -> ChangeBatch {
        let column = |name: &str, id| Column {
            name: name.into(),
            id,
            data_type: DataType::Utf8,
            native_type: "text".into(),
            nullable: true,
            has_default: false,
            generated: false,
        };
        let name = TableName::table(&SystemName::new("sis"), "public", "t");
        let columns = vec![column("a", 1), column("b", 2)];
        let schema = Arc::new(TableSchema::new(name, 1, columns, vec![0]));
        let mut mask = ColumnMask::none(2);
        for (at, _) in values.iter().enumerate().filter(|(_, value)| value.is_some()) {
            mask.set(at);
        }
        let arrays = values.map(|value| Arc::new(StringArray::from(vec![value])) as ArrayRef);
        let transaction = Transaction { epoch: 1, commit: 1, committed_at: 0, ours: false };
        ChangeBatch::try_new(
            schema,
            arrays.to_vec(),
            vec![op as u8].into(),
            vec![0].into(),
            vec![TransactionRun { transaction, rows: 1 }],
            Presence::from_rows(2, [mask]),
        )
        .unwrap()
    }

    fn shape(row: &ChangeBatch) -> (Op, [bool; 2]) {
        (row.op(0), [0, 1].map(|column| row.presence().has(0, column)))
    }

    #[test]
    fn what_a_new_row_could_not_carry_is_neither_taken_from_before_nor_forgotten() {
        let before = row(Op::Update, [Some("x"), Some("y")]);
        let not_carried = row(Op::Snapshot, [Some("x"), None]);
        let unchanged = row(Op::Update, [Some("z"), None]);
        let mended = row(Op::Update, [None, Some("w")]);
        let over = |older, newer| shape(&overlay(older, newer).unwrap());
        assert_eq!(over(&before, &not_carried), (Op::Snapshot, [true, false]));
        assert_eq!(over(&not_carried, &unchanged), (Op::Snapshot, [true, false]));
        assert_eq!(over(&not_carried, &mended), (Op::Update, [true, true]));
        assert_eq!(over(&before, &unchanged), (Op::Update, [true, true]));
    }
}
