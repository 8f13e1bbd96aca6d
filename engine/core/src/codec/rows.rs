//! The rows section: a batch without its schema.

use super::columns;
use super::sections::{Numbers, Sections, corrupt, length, pad};
use crate::{ChangeBatch, ColumnMask, Op, Presence, Result, TableSchema, Transaction};
use crate::{TransactionRun, codec::entry::Encoded};
use arrow_buffer::ScalarBuffer;
use std::sync::Arc;

const PRELUDE_BYTES: usize = 16;
const RUN_BYTES: usize = 24;
/// In a run's number of rows: a write of ours.
const OURS: u32 = 1 << 31;

/// Writes a batch behind `head`, which ends at a section's start.
pub(super) fn encode(batch: &ChangeBatch, mut head: Vec<u8>) -> Result<Encoded> {
    let columns = columns::encode(batch.columns())?;
    let presence = batch.presence();
    let runs = batch.transactions();
    head.reserve(PRELUDE_BYTES * 6 + runs.len() * RUN_BYTES + batch.len() * 7);
    head.reserve(columns.ipc_message.len());
    let masks = presence.masks().len();
    for number in [batch.len(), runs.len(), masks, columns.ipc_message.len()] {
        head.extend(length(number).to_le_bytes());
    }
    for run in runs {
        head.extend(run.transaction.epoch.to_le_bytes());
        let ours = if run.transaction.ours { OURS } else { 0 };
        head.extend((run.rows | ours).to_le_bytes());
        head.extend(run.transaction.commit.to_le_bytes());
        head.extend(run.transaction.committed_at.to_le_bytes());
    }
    pad(&mut head);
    head.extend_from_slice(batch.ops());
    pad(&mut head);
    head.extend_from_slice(batch.ordinals().inner());
    pad(&mut head);
    if let Some(rows) = presence.rows() {
        presence.masks().iter().for_each(|mask| encode_mask(mask, &mut head));
        pad(&mut head);
        head.extend(rows.iter().flat_map(|row| row.to_le_bytes()));
        pad(&mut head);
    }
    head.extend_from_slice(&columns.ipc_message);
    pad(&mut head);
    Ok(Encoded { head, body: columns.arrow_data })
}

/// Reads a batch of this schema from the sections that are left.
pub(super) fn decode(mut sections: Sections, schema: Arc<TableSchema>) -> Result<ChangeBatch> {
    let prelude = sections.take(PRELUDE_BYTES)?;
    let mut prelude = Numbers(&prelude);
    let [rows, runs, masks, message] =
        [prelude.u32()?, prelude.u32()?, prelude.u32()?, prelude.u32()?].map(|n| n as usize);
    let transactions = decode_runs(&sections.take(runs * RUN_BYTES)?, rows)?;
    let ops = sections.take(rows)?;
    if !ops.iter().all(|&op| Op::from_u8(op).is_some()) {
        return Err(corrupt("an operation that is none"));
    }
    let ordinals = sections.take(rows * size_of::<u32>())?;
    let presence = decode_presence(&mut sections, schema.columns().len(), masks, rows)?;
    let message = sections.take(message)?;
    let columns = columns::decode(&message, &sections.rest()?, schema.arrow(), rows)?;
    ChangeBatch::try_new(
        schema,
        columns.columns().to_vec(),
        ScalarBuffer::from(ops),
        ScalarBuffer::from(ordinals),
        transactions,
        presence,
    )
    .map_err(|error| corrupt("columns that are not the schema's").caused_by(error))
}

fn decode_runs(bytes: &[u8], rows: usize) -> Result<Vec<TransactionRun>> {
    let mut runs = Vec::with_capacity(bytes.len() / RUN_BYTES);
    for run in bytes.chunks_exact(RUN_BYTES) {
        let mut run = Numbers(run);
        let (epoch, marked) = (run.u32()?, run.u32()?);
        let (rows, ours) = (marked & !OURS, marked & OURS != 0);
        let (commit, committed_at) = (run.u64()?, run.i64()?);
        runs.push(TransactionRun {
            transaction: Transaction { epoch, commit, committed_at, ours },
            rows,
        });
    }
    match runs.iter().map(|run| run.rows as usize).sum::<usize>() == rows {
        true => Ok(runs),
        false => Err(corrupt("transactions that don't add up to the rows")),
    }
}

fn encode_mask(mask: &ColumnMask, to: &mut Vec<u8>) {
    let mut words = vec![0_u64; mask.len().div_ceil(64)];
    for column in mask.iter() {
        if let Some(word) = words.get_mut(column / 64) {
            *word |= 1 << (column % 64);
        }
    }
    to.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

fn decode_presence(
    sections: &mut Sections,
    columns: usize,
    masks: usize,
    rows: usize,
) -> Result<Presence> {
    if masks == 0 {
        return Ok(Presence::all(columns));
    }
    let mask_bytes = columns.div_ceil(64) * size_of::<u64>();
    if mask_bytes == 0 || masks > Presence::MASKS_MAX {
        return Err(corrupt("more masks than a batch can have"));
    }
    let words = sections.take(masks * mask_bytes)?;
    let masks = words
        .chunks_exact(mask_bytes)
        .map(|words| decode_mask(words, columns))
        .collect::<Result<Vec<_>>>()?;
    let of_rows = ScalarBuffer::<u16>::from(sections.take(rows * size_of::<u16>())?);
    if of_rows.iter().any(|&row| usize::from(row) >= masks.len()) {
        return Err(corrupt("a row with a mask that is not there"));
    }
    Ok(Presence::from_parts(columns, masks, of_rows))
}

fn decode_mask(words: &[u8], columns: usize) -> Result<ColumnMask> {
    let mut mask = ColumnMask::none(columns);
    let mut numbers = Numbers(words);
    for first in (0..columns).step_by(64) {
        let mut word = numbers.u64()?;
        while word != 0 {
            let column = first + word.trailing_zeros() as usize;
            if column >= columns {
                return Err(corrupt("a mask over more columns than there are"));
            }
            mask.set(column);
            word &= word - 1;
        }
    }
    Ok(mask)
}
