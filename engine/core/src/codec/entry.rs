//! One entry of a log.

use super::rows;
use super::sections::{Numbers, Sections, corrupt};
use crate::{Body, Boundary, Entry, Position, Result, TableSchema};
use arrow_buffer::Buffer;
use std::sync::Arc;

const HEAD_BYTES: usize = 32;

/// An entry as bytes: `body` follows `head` directly. Apart, so that the values are copied once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// What was encoded for this entry alone.
    pub head: Vec<u8>,
    /// The value columns.
    pub body: Vec<u8>,
}

impl Encoded {
    /// Length of both parts.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

/// What kind of entry it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// [`Body::Rows`] of the schema known by this number.
    Rows(u32),
    /// [`Body::Truncate`].
    Truncate,
    /// [`Body::Abandoned`].
    Abandoned,
    /// [`Body::Nothing`].
    Nothing,
}

/// What can be read of an entry without its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryHead {
    /// Its kind.
    pub kind: BodyKind,
    /// Its boundary.
    pub boundary: Option<Boundary>,
}

impl EntryHead {
    /// The head of an entry whose rows' schema is known by this number.
    #[must_use]
    pub fn of(entry: &Entry, schema: u32) -> Self {
        let kind = match &entry.body {
            Body::Rows(_) => BodyKind::Rows(schema),
            Body::Truncate(_) => BodyKind::Truncate,
            Body::Abandoned => BodyKind::Abandoned,
            Body::Nothing => BodyKind::Nothing,
        };
        Self { kind, boundary: entry.boundary }
    }

    fn encode(self) -> Vec<u8> {
        let (kind, schema) = match self.kind {
            BodyKind::Rows(schema) => (1, schema),
            BodyKind::Truncate => (2, 0),
            BodyKind::Abandoned => (3, 0),
            BodyKind::Nothing => (4, 0),
        };
        let position = self.boundary.map_or(Position::default(), |boundary| boundary.position);
        let committed_at = self.boundary.map_or(0, |boundary| boundary.committed_at);
        let mut head = Vec::with_capacity(HEAD_BYTES);
        head.extend([kind, u8::from(self.boundary.is_some()), 0, 0]);
        head.extend(schema.to_le_bytes());
        head.extend(position.to_bytes());
        head.extend(committed_at.to_le_bytes());
        head
    }
}

/// Writes an entry. `schema` is the number that its rows' schema is known by; unused without rows.
///
/// # Errors
/// `Internal` when a column's type has no stored form (dictionaries, unions, maps).
pub fn encode_entry(entry: &Entry, schema: u32) -> Result<Encoded> {
    let mut head = EntryHead::of(entry, schema).encode();
    match &entry.body {
        Body::Rows(batch) => return rows::encode(batch, head),
        Body::Truncate(tables) => {
            head.extend(serde_json::to_vec(tables).expect("names are JSON"));
        }
        Body::Abandoned | Body::Nothing => {}
    }
    Ok(Encoded { head, body: Vec::new() })
}

/// Reads what stands at the front of an entry.
///
/// # Errors
/// `Corrupt` when it is no entry.
pub fn decode_head(bytes: &[u8]) -> Result<EntryHead> {
    let mut numbers = Numbers(bytes);
    let [kind, has_boundary, _, _] = numbers.array()?;
    let schema = numbers.u32()?;
    let position = Position::from_bytes(&numbers.array::<{ Position::BYTES }>()?);
    let committed_at = numbers.i64()?;
    let kind = match kind {
        1 => BodyKind::Rows(schema),
        2 => BodyKind::Truncate,
        3 => BodyKind::Abandoned,
        4 => BodyKind::Nothing,
        other => return Err(corrupt(format!("an entry of unknown kind {other}"))),
    };
    let boundary = match has_boundary {
        0 => None,
        1 => position.map(|position| Boundary { position, committed_at }),
        other => return Err(corrupt(format!("a boundary flag of {other}"))),
    };
    Ok(EntryHead { kind, boundary })
}

/// Reads an entry whose bytes are all of `bytes`. `schema_of` gives the schema for a number.
///
/// # Errors
/// `Corrupt` when it is no entry, or its schema is not known.
pub fn decode_entry(
    bytes: &Buffer,
    schema_of: impl FnOnce(u32) -> Option<Arc<TableSchema>>,
) -> Result<Entry> {
    let mut sections = Sections::new(bytes);
    let EntryHead { kind, boundary } = decode_head(&sections.take(HEAD_BYTES)?)?;
    let body = match kind {
        BodyKind::Rows(number) => {
            let schema = schema_of(number)
                .ok_or_else(|| corrupt(format!("rows of schema {number}, which is not there")))?;
            Body::Rows(rows::decode(sections, schema)?)
        }
        BodyKind::Truncate => {
            let tables = serde_json::from_slice(&sections.rest()?)
                .map_err(|error| corrupt("names of no table").caused_by(error))?;
            Body::Truncate(tables)
        }
        BodyKind::Abandoned => Body::Abandoned,
        BodyKind::Nothing => Body::Nothing,
    };
    Ok(Entry { body, boundary })
}
