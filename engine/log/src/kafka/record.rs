//! What goes with each entry in the headers of its record.
//!
//! ```text
//! at        8 B    the offset it is meant to have, little-endian
//! tail     26 B    how the topic ends with it: u8 boundary, u8 open, position (16 B, big-endian), committed i64
//! schema   16 B    rows: which columns, by the digest of the schema's JSON
//! table, revision  rows: for people
//! position         where a source may resume: for people
//! ```
//! The value is the entry ([`syncline_core::codec`]); its own number of a schema is not used.

use crate::rules::advance;
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use syncline_core::codec::{EntryHead, encode_schema};
use syncline_core::{Body, Boundary, Digest, Entry, Offset, Position, TableSchema, Tail};

const AT: &str = "at";
const TAIL: &str = "tail";
const SCHEMA: &str = "schema";
const TAIL_BYTES: usize = 26;

/// What the headers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// How the topic ends with it, where it is where it was meant to be.
    pub(super) tail: Tail,
    /// The digest of its schema.
    pub(super) schema: Option<Digest>,
}

/// The digest that a schema is known by.
pub(super) fn digest(schema: &TableSchema) -> Digest {
    Digest::default().with(&encode_schema(schema))
}

/// The end of a topic with an entry that is meant for an offset.
pub(super) fn tail_with(tail: Tail, at: u64, entry: &Entry) -> Tail {
    let mut tail = Tail { next: Offset(at), ..tail };
    advance(&mut tail, &EntryHead::of(entry, 0));
    tail
}

/// The headers of an entry with which the topic ends so.
pub(super) fn headers(entry: &Entry, tail: &Tail, schema: Option<Digest>) -> OwnedHeaders {
    let at = tail.next.0.saturating_sub(1).to_le_bytes();
    let bytes = tail_bytes(tail);
    let mut headers = OwnedHeaders::new_with_capacity(6)
        .insert(Header { key: AT, value: Some(&at) })
        .insert(Header { key: TAIL, value: Some(&bytes) });
    if let (Body::Rows(batch), Some(schema)) = (&entry.body, schema) {
        let (table, revision) =
            (batch.schema().name().to_string(), batch.schema().revision().to_string());
        headers = headers
            .insert(Header { key: SCHEMA, value: Some(&schema.to_bytes()) })
            .insert(Header { key: "table", value: Some(&table) })
            .insert(Header { key: "revision", value: Some(&revision) });
    }
    match entry.boundary {
        Some(boundary) => {
            let position = boundary.position.to_string();
            headers.insert(Header { key: "position", value: Some(&position) })
        }
        None => headers,
    }
}

/// What a record says; none where it is not where it was meant to be, or no entry at all.
pub(super) fn head(message: &BorrowedMessage<'_>) -> Option<Head> {
    let offset = u64::try_from(message.offset()).ok()?;
    let headers = message.headers()?;
    let find = |key: &str| headers.iter().find(|header| header.key == key)?.value;
    let at = u64::from_le_bytes(find(AT)?.try_into().ok()?);
    if at != offset {
        return None;
    }
    let tail = read_tail(find(TAIL)?, Offset(offset + 1))?;
    let schema = match find(SCHEMA) {
        Some(bytes) => Some(Digest::from_bytes(bytes)?),
        None => None,
    };
    Some(Head { tail, schema })
}

fn tail_bytes(tail: &Tail) -> Vec<u8> {
    let boundary = tail.boundary;
    let position = boundary.map_or(Position::default(), |it| it.position);
    let committed_at = boundary.map_or(0, |it| it.committed_at);
    let mut bytes = Vec::with_capacity(TAIL_BYTES);
    bytes.extend([u8::from(boundary.is_some()), u8::from(tail.open)]);
    bytes.extend(position.to_bytes());
    bytes.extend(committed_at.to_le_bytes());
    bytes
}

fn read_tail(bytes: &[u8], next: Offset) -> Option<Tail> {
    let (&[has_boundary, open], rest) = bytes.split_first_chunk()?;
    let (position, committed_at) = rest.split_at_checked(Position::BYTES)?;
    let position = Position::from_bytes(position)?;
    let committed_at = i64::from_le_bytes(committed_at.try_into().ok()?);
    let boundary = (has_boundary == 1).then_some(Boundary { position, committed_at });
    Some(Tail { next, boundary, open: open == 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_topic_is_read_as_it_was_written() {
        let position = Position { epoch: 3, commit: 77, ordinal: 2 };
        for boundary in [None, Some(Boundary { position, committed_at: -5 })] {
            for open in [false, true] {
                let tail = Tail { next: Offset(9), boundary, open };
                let bytes = tail_bytes(&tail);
                assert_eq!(bytes.len(), TAIL_BYTES);
                assert_eq!(read_tail(&bytes, Offset(9)), Some(tail));
                assert_eq!(read_tail(&bytes[1..], Offset(9)), None);
            }
        }
    }

    #[test]
    fn an_entry_ends_the_topic_where_it_is_meant_to_be() {
        let position = Position { epoch: 1, commit: 5, ordinal: 0 };
        let boundary = Some(Boundary { position, committed_at: 1 });
        let whole = Entry { body: Body::Nothing, boundary };
        let tail = tail_with(Tail::default(), 12, &whole);
        assert_eq!(tail, Tail { next: Offset(13), boundary, open: false });
        let part = Entry { body: Body::Truncate(Vec::new()), boundary: None };
        assert_eq!(tail_with(tail, 13, &part), Tail { next: Offset(14), boundary, open: true });
    }
}
