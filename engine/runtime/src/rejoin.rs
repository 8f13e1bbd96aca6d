//! How later changes of parked rows join them, and how refused rows are made into parked ones.

use crate::apply::run_transform;
use crate::isolate::Refused;
use crate::parking::Parking;
use arrow_array::{ArrayRef, new_null_array};
use std::collections::HashMap;
use std::sync::Arc;
use syncline_core::{
    ChangeBatch, ColumnMask, Error, Kind, Offset, Op, ParkKey, Parked, Presence, RejectedRow,
    Result, Stage, TableSchema, Transform, Transformed, key_text,
};

/// Parks what a mapping refused, and joins changes with the parked source rows of their keys; gives
/// the rows that are to be written.
pub(crate) async fn settle_source(
    parking: &mut Parking,
    transform: &Arc<dyn Transform>,
    mut input: ChangeBatch,
    mut output: Transformed,
    offset: Offset,
) -> Result<ChangeBatch> {
    let name = transform.name();
    if parking.has(name, Stage::Map)
        && let Some(joined) = rejoin_source(parking, name, &input)?
    {
        output = run_transform(transform, &joined.input).await?;
        input = joined.input;
        joined.keys.into_iter().for_each(|key| parking.settle(key));
    }
    for rejected in &output.rejected {
        parking.park(parked_source(name, &input, rejected, offset));
    }
    Ok(output.rows)
}

/// A batch of source changes in which partial images of parked rows are made whole, and the parked
/// rows that it speaks of.
#[derive(Debug)]
pub(crate) struct Rejoined {
    pub(crate) input: ChangeBatch,
    pub(crate) keys: Vec<ParkKey>,
}

/// Lays the changes of parked source rows over their parked images. `None` when the batch speaks of
/// no parked row.
fn rejoin_source(
    parking: &Parking,
    mapping: &str,
    input: &ChangeBatch,
) -> Result<Option<Rejoined>> {
    let mut images: HashMap<String, Option<ChangeBatch>> = HashMap::new();
    let mut pieces = Vec::new();
    let mut untouched = 0;
    for row in (0..input.len()).filter(|&row| input.op(row) != Op::Before) {
        let key = key_text(input, row);
        let Some(parked) = parking.get(mapping, &key, Stage::Map) else { continue };
        let image = images.entry(key).or_insert_with(|| Some(last_row(&parked.image)));
        let whole = input.presence().mask(row).is_none_or(ColumnMask::is_all);
        let Some(older) = image.take_if(|_| !whole && input.op(row) != Op::Delete) else {
            *image = None;
            continue;
        };
        let joined = overlay(&older, &input.slice(row..row + 1))?;
        pieces.push(input.slice(untouched..row));
        pieces.push(joined.clone());
        untouched = row + 1;
        *image = Some(joined);
    }
    if images.is_empty() {
        return Ok(None);
    }
    pieces.push(input.slice(untouched..input.len()));
    pieces.retain(|piece| !piece.is_empty());
    let input = match pieces.is_empty() {
        true => input.clone(),
        false => crate::apply::concat(&pieces)?,
    };
    let park_key = |key| ParkKey { mapping: mapping.to_owned(), key };
    Ok(Some(Rejoined { input, keys: images.into_keys().map(park_key).collect() }))
}

/// Puts the parked images of target rows before the later changes of their keys. `None` when the
/// batch speaks of no parked row.
pub(crate) fn rejoin_target(
    parking: &Parking,
    mapping: &str,
    rows: &ChangeBatch,
) -> Result<Option<Rejoined>> {
    let mut found: HashMap<String, ChangeBatch> = HashMap::new();
    for row in 0..rows.len() {
        let key = key_text(rows, row);
        if let Some(parked) = parking.get(mapping, &key, Stage::Write) {
            found.entry(key).or_insert_with(|| parked.image.clone());
        }
    }
    if found.is_empty() {
        return Ok(None);
    }
    let mut pieces = Vec::new();
    for image in found.values() {
        pieces.push(align(&last_row(image), rows.schema())?);
    }
    pieces.push(rows.clone());
    let park_key = |key| ParkKey { mapping: mapping.to_owned(), key };
    let keys = found.into_keys().map(park_key).collect();
    Ok(Some(Rejoined { input: crate::apply::concat(&pieces)?, keys }))
}

fn last_row(image: &ChangeBatch) -> ChangeBatch {
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
fn align(row: &ChangeBatch, schema: &Arc<TableSchema>) -> Result<ChangeBatch> {
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

/// A source row that its mapping refused, with its image before where there is one.
pub(crate) fn parked_source(
    mapping: &str,
    input: &ChangeBatch,
    rejected: &RejectedRow,
    offset: Offset,
) -> Parked {
    let row = rejected.row;
    let first = match row.checked_sub(1) {
        Some(before) if input.op(before) == Op::Before => before,
        _ => row,
    };
    Parked {
        key: ParkKey { mapping: mapping.to_owned(), key: key_text(input, row) },
        stage: Stage::Map,
        table: input.schema().name().to_string(),
        image: input.slice(first..row + 1),
        reason: rejected.reason.clone(),
        culprit: rejected.expression.clone(),
        hint: rejected.hint.clone(),
        offset,
        attempts: 0,
    }
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
        key: ParkKey { mapping: mapping.to_owned(), key },
        stage: Stage::Write,
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
        let transaction = Transaction { epoch: 1, commit: 1, committed_at: 0 };
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
