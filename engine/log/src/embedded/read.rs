//! Reads entries from segment files.

use super::format::{ENTRY, damaged};
use super::index::Index;
use arrow_buffer::Buffer;
use std::sync::Arc;
use syncline_core::codec::decode_entry;
use syncline_core::{Offset, Record, Result};

/// Least that is read at a time, however little the caller asks for.
const READ_BYTES_MIN: usize = 64 << 10;

/// Reads entries of one segment from an offset on: at least one, else about `bytes_max`. Values
/// share the memory they were read into. Blocks.
pub(super) fn read_segment(
    index: &Index,
    from: Offset,
    bytes_max: usize,
    read_bytes: usize,
) -> Result<Vec<Record>> {
    let plan = index.plan(from.0, read_bytes)?;
    let read_bytes = read_bytes.min(bytes_max.max(READ_BYTES_MIN));
    let mut records = Vec::new();
    let (mut next, mut stopped_at, mut bytes) = (from.0, plan.until, 0);
    for frame in plan.segment.frames(plan.from, plan.until, read_bytes) {
        let frame = frame?;
        if frame.kind != ENTRY || frame.number < from.0 {
            continue;
        }
        bytes += frame.payload.len();
        if !records.is_empty() && bytes > bytes_max {
            stopped_at = frame.at;
            break;
        }
        if frame.number != next {
            return Err(missing(index, next));
        }
        let payload = Buffer::from(frame.payload);
        let entry = decode_entry(&payload, |number| plan.schemas.get(&number).cloned())?;
        records.push(Record { offset: Offset(next), entry: Arc::new(entry) });
        next += 1;
    }
    if records.is_empty() {
        return Err(missing(index, next));
    }
    index.remember(next, stopped_at);
    Ok(records)
}

fn missing(index: &Index, offset: u64) -> syncline_core::Error {
    damaged(&index.path, format!("offset {offset} is not there"), "an entry is missing")
}
