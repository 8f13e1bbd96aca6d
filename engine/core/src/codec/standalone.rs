//! A schema alone, and a batch together with its schema.

use super::rows;
use super::sections::{Numbers, Sections, corrupt, length, pad};
use crate::{ChangeBatch, Result, TableSchema};
use arrow_buffer::Buffer;
use std::sync::Arc;

const MAGIC: [u8; 4] = *b"SLB1";
const PRELUDE_BYTES: usize = 16;
/// The checksum covers everything from here on.
const CHECKED_FROM: usize = 8;

/// Writes a schema.
///
/// # Panics
/// Never: names and types are JSON.
#[must_use]
pub fn encode_schema(schema: &TableSchema) -> Vec<u8> {
    serde_json::to_vec(schema).expect("names and types are JSON")
}

/// Reads a schema.
///
/// # Errors
/// `Corrupt` when it is none.
pub fn decode_schema(bytes: &[u8]) -> Result<TableSchema> {
    serde_json::from_slice(bytes).map_err(|error| corrupt("no schema").caused_by(error))
}

/// Writes a batch with its schema and a checksum, to be kept where no log is.
///
/// # Errors
/// `Internal` when a column's type has no stored form (dictionaries, unions, maps).
pub fn encode_standalone(batch: &ChangeBatch) -> Result<Vec<u8>> {
    let schema = encode_schema(batch.schema());
    let mut head = Vec::with_capacity(PRELUDE_BYTES + schema.len());
    head.extend(MAGIC);
    head.extend([0; 4]);
    head.extend(length(schema.len()).to_le_bytes());
    head.extend([0; 4]);
    head.extend(schema);
    pad(&mut head);
    let mut encoded = rows::encode(batch, head)?;
    let mut bytes = encoded.head;
    bytes.append(&mut encoded.body);
    let checksum = crc32c::crc32c(bytes.get(CHECKED_FROM..).unwrap_or_default());
    if let Some(place) = bytes.get_mut(MAGIC.len()..CHECKED_FROM) {
        place.copy_from_slice(&checksum.to_le_bytes());
    }
    Ok(bytes)
}

/// Reads what [`encode_standalone`] wrote.
///
/// # Errors
/// `Corrupt` when the bytes are not whole.
pub fn decode_standalone(bytes: &[u8]) -> Result<ChangeBatch> {
    let mut sections = Sections::new(&Buffer::from(bytes));
    let prelude = sections.take(PRELUDE_BYTES)?;
    let mut prelude = Numbers(&prelude);
    if prelude.array()? != MAGIC {
        return Err(corrupt("not a batch with its schema"));
    }
    if prelude.u32()? != crc32c::crc32c(bytes.get(CHECKED_FROM..).unwrap_or_default()) {
        return Err(corrupt("the checksum does not hold"));
    }
    let schema_length = prelude.u32()? as usize;
    let schema = decode_schema(&sections.take(schema_length)?)?;
    rows::decode(sections, Arc::new(schema))
}
