//! The messages of pgoutput, protocol 2, in text format (PostgreSQL documentation, "Logical
//! Replication Message Formats").
//!
//! ```text
//!  whole transaction:  Begin (Relation | Insert | Update | Delete | Truncate)* Commit
//!  in progress:        StreamStart (the same, each with its subtransaction)* StreamStop, repeated;
//!                      then StreamCommit or StreamAbort
//! ```

use crate::mark;
use crate::rows::Field;

/// Microseconds from 1970 to 2000.
const EPOCH_2000_MICROS: i64 = 946_684_800_000_000;

/// One message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    Begin {
        commit_lsn: u64,
        committed_at: i64,
    },
    Commit {
        end_lsn: u64,
    },
    /// Boxed: the others are a third of its size, and there is one for each row.
    Relation(Box<RelationMessage>),
    Insert {
        relation: u32,
        new: Tuple<'a>,
    },
    Update {
        relation: u32,
        old: Option<(OldKind, Tuple<'a>)>,
        new: Tuple<'a>,
    },
    Delete {
        relation: u32,
        kind: OldKind,
        old: Tuple<'a>,
    },
    Truncate {
        relations: Vec<u32>,
    },
    StreamStart {
        xid: u32,
        first: bool,
    },
    StreamStop,
    StreamCommit {
        xid: u32,
        commit_lsn: u64,
        end_lsn: u64,
        committed_at: i64,
    },
    StreamAbort {
        xid: u32,
        subtransaction: u32,
    },
    /// Where the transaction comes from, where it is not of this database.
    Origin {
        name: &'a str,
    },
    /// A logical message of ours that marks its transaction.
    Mark {
        name: &'a str,
    },
    /// Types and other logical messages: nothing to do.
    Other,
}

/// What a row's image before is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OldKind {
    /// The replica identity's columns; the others are sent as NULL and mean nothing.
    Key,
    /// The whole row.
    Whole,
}

/// A table as the stream describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RelationMessage {
    pub(crate) oid: u32,
    pub(crate) schema: String,
    pub(crate) table: String,
    /// Whether images before are whole rows.
    pub(crate) identity_full: bool,
    pub(crate) columns: Vec<SentColumn>,
}

/// A column as the stream describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SentColumn {
    pub(crate) name: String,
    pub(crate) type_oid: u32,
    pub(crate) modifier: i32,
    /// Whether it is part of the replica identity.
    pub(crate) identity: bool,
}

/// The values of a row: a count, then per value a kind and for texts a length and the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tuple<'a>(&'a [u8]);

impl<'a> Tuple<'a> {
    /// The values, up to the first that is torn.
    #[inline]
    pub(super) fn fields(self) -> Fields<'a> {
        match self.0.split_first_chunk::<2>() {
            Some((count, rest)) => Fields { left: u16::from_be_bytes(*count), rest },
            None => Fields { left: 0, rest: &[] },
        }
    }

    /// The tuple at the start of these bytes, and what follows it.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let tuple = Self(bytes);
        let mut fields = tuple.fields();
        while fields.left > 0 {
            fields.next()?;
        }
        bytes.len().checked_sub(fields.rest.len()).filter(|&used| used >= 2)?;
        Some((tuple, fields.rest))
    }
}

/// Walks a tuple.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    left: u16,
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (&kind, rest) = self.rest.split_first()?;
        match kind {
            b't' => {
                let (length, rest) = rest.split_first_chunk::<4>()?;
                let (text, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
                self.rest = rest;
                Some(Field::Text(text))
            }
            b'n' => {
                self.rest = rest;
                Some(Field::Null)
            }
            b'u' => {
                self.rest = rest;
                Some(Field::Absent)
            }
            _ => None,
        }
    }
}

/// Where a message stands, which decides whether rows name their transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    /// A transaction sent whole.
    Whole,
    /// A block of a transaction in progress.
    Stream,
}

/// Reads a message; `None` when it is torn or unknown.
#[inline]
pub(super) fn parse(bytes: &[u8], within: Within) -> Option<Message<'_>> {
    let (&tag, rest) = bytes.split_first()?;
    let mut read = Reader(rest);
    if within == Within::Stream && matches!(tag, b'R' | b'Y' | b'I' | b'U' | b'D' | b'T' | b'M') {
        read.u32()?;
    }
    Some(match tag {
        b'I' => Message::Insert { relation: read.u32()?, new: read.new_tuple()? },
        b'U' => update(&mut read)?,
        b'D' => delete(&mut read)?,
        b'B' => Message::Begin { commit_lsn: read.u64()?, committed_at: read.time()? },
        b'C' => {
            let (_flags, _commit_lsn) = (read.u8()?, read.u64()?);
            Message::Commit { end_lsn: read.u64()? }
        }
        b'R' => Message::Relation(Box::new(relation(&mut read)?)),
        b'T' => {
            let (count, _flags) = (read.u32()?, read.u8()?);
            let relations = (0..count).map(|_| read.u32()).collect::<Option<_>>()?;
            Message::Truncate { relations }
        }
        b'S' => Message::StreamStart { xid: read.u32()?, first: read.u8()? == 1 },
        b'E' => Message::StreamStop,
        b'c' => {
            let (xid, _flags) = (read.u32()?, read.u8()?);
            Message::StreamCommit {
                xid,
                commit_lsn: read.u64()?,
                end_lsn: read.u64()?,
                committed_at: read.time()?,
            }
        }
        b'A' => Message::StreamAbort { xid: read.u32()?, subtransaction: read.u32()? },
        b'O' => {
            read.u64()?;
            Message::Origin { name: read.text()? }
        }
        b'M' => logical_message(&mut read)?,
        b'Y' => Message::Other,
        _ => return None,
    })
}

/// The subtransaction that a message of a stream block belongs to.
pub(super) fn subtransaction(bytes: &[u8]) -> Option<u32> {
    Reader(bytes.get(1..)?).u32()
}

fn logical_message<'a>(read: &mut Reader<'a>) -> Option<Message<'a>> {
    let (transactional, _lsn) = (read.u8()? & 1 == 1, read.u64()?);
    let (prefix, length) = (read.text(), read.u32()?);
    let content = read.0.get(..length as usize)?;
    if !transactional || prefix != Some(mark::PREFIX) {
        return Some(Message::Other);
    }
    Some(std::str::from_utf8(content).map_or(Message::Other, |name| Message::Mark { name }))
}

fn update<'a>(read: &mut Reader<'a>) -> Option<Message<'a>> {
    let relation = read.u32()?;
    let old = match read.old_kind() {
        Some(kind) => {
            read.u8()?;
            Some((kind, read.tuple()?))
        }
        None => None,
    };
    Some(Message::Update { relation, old, new: read.new_tuple()? })
}

fn delete<'a>(read: &mut Reader<'a>) -> Option<Message<'a>> {
    let relation = read.u32()?;
    let kind = read.old_kind()?;
    read.u8()?;
    Some(Message::Delete { relation, kind, old: Tuple(read.0) })
}

fn relation(read: &mut Reader<'_>) -> Option<RelationMessage> {
    let oid = read.u32()?;
    let schema = match read.text()? {
        // The system catalog's name is left out on the wire.
        "" => "pg_catalog".to_owned(),
        schema => schema.to_owned(),
    };
    let table = read.text()?.to_owned();
    let identity_full = read.u8()? == b'f';
    let count = read.u16()?;
    let columns = (0..count)
        .map(|_| {
            let identity = read.u8()? & 1 == 1;
            let name = read.text()?.to_owned();
            let (type_oid, modifier) = (read.u32()?, read.u32()?.cast_signed());
            Some(SentColumn { name, type_oid, modifier, identity })
        })
        .collect::<Option<_>>()?;
    Some(RelationMessage { oid, schema, table, identity_full, columns })
}

/// Takes values from the front of a message.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*chunk)
    }

    fn u8(&mut self) -> Option<u8> {
        self.chunk().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.chunk().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.chunk().map(u64::from_be_bytes)
    }

    /// A time of the server as µs since 1970 UTC.
    fn time(&mut self) -> Option<i64> {
        self.chunk().map(|bytes| i64::from_be_bytes(bytes).saturating_add(EPOCH_2000_MICROS))
    }

    fn text(&mut self) -> Option<&'a str> {
        let end = memchr::memchr(0, self.0)?;
        let (text, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.get(1..)?;
        std::str::from_utf8(text).ok()
    }

    fn old_kind(&self) -> Option<OldKind> {
        match self.0.first()? {
            b'K' => Some(OldKind::Key),
            b'O' => Some(OldKind::Whole),
            _ => None,
        }
    }

    fn tuple(&mut self) -> Option<Tuple<'a>> {
        let (tuple, rest) = Tuple::split(self.0)?;
        self.0 = rest;
        Some(tuple)
    }

    /// The new row, which ends the message.
    #[inline]
    fn new_tuple(&mut self) -> Option<Tuple<'a>> {
        (self.u8()? == b'N').then_some(Tuple(self.0))
    }
}

/// A frame of the stream around the messages.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Envelope<'a> {
    /// A message of pgoutput.
    Data(&'a [u8]),
    /// How far the server has read its log.
    Keepalive { wal_end: u64, sent_at: i64, reply_requested: bool },
}

/// Reads the body of a copy frame; `None` when it is torn or unknown.
#[inline]
pub(super) fn envelope(body: &[u8]) -> Option<Envelope<'_>> {
    let (&tag, rest) = body.split_first()?;
    match tag {
        b'w' => rest.get(24..).map(Envelope::Data),
        b'k' => {
            let mut read = Reader(rest);
            let (wal_end, sent_at) = (read.u64()?, read.time()?);
            Some(Envelope::Keepalive { wal_end, sent_at, reply_requested: read.u8()? == 1 })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INSERT: &[u8] = b"I\0\0\0\x07N\0\x03t\0\0\0\x02hinu";

    #[test]
    fn a_row_has_texts_nulls_and_absent_values() {
        let Some(Message::Insert { relation: 7, new }) = parse(INSERT, Within::Whole) else {
            panic!("an insert into relation 7")
        };
        let fields: Vec<_> = new.fields().collect();
        assert_eq!(fields, [Field::Text(b"hi"), Field::Null, Field::Absent]);
    }

    #[test]
    fn an_update_has_the_old_row_before_the_new() {
        let bytes = b"U\0\0\0\x09\0\0\0\x07K\0\x01t\0\0\0\x011N\0\x01t\0\0\0\x012";
        let Some(Message::Update { old: Some((kind, old)), new, .. }) =
            parse(bytes, Within::Stream)
        else {
            panic!("an update with an old row")
        };
        assert_eq!(kind, OldKind::Key);
        assert_eq!(old.fields().collect::<Vec<_>>(), [Field::Text(b"1")]);
        assert_eq!(new.fields().collect::<Vec<_>>(), [Field::Text(b"2")]);
        assert_eq!(subtransaction(bytes), Some(9));
    }

    #[test]
    fn a_relation_names_its_columns_and_identity() {
        let bytes = b"R\0\0\0\x07public\0t\0d\0\x02\x01id\0\0\0\0\x17\xff\xff\xff\xff\0n\0\0\0\x06\xa4\0\x0a\0\x06";
        let Some(Message::Relation(relation)) = parse(bytes, Within::Whole) else {
            panic!("a relation")
        };
        assert_eq!((relation.schema.as_str(), relation.table.as_str()), ("public", "t"));
        assert!(!relation.identity_full && relation.columns[0].identity);
        assert_eq!(relation.columns[1].modifier, 10 << 16 | 6);
    }

    #[test]
    fn a_transaction_says_whose_it_is() {
        let origin = b"O\0\0\0\0\0\0\0\x01syncline_a@b\0";
        let message = parse(origin, Within::Stream);
        assert_eq!(message, Some(Message::Origin { name: "syncline_a@b" }));
        let mark = |transactional: u8, prefix: &str| {
            let head = [&[b'M', transactional][..], &[0; 8], prefix.as_bytes(), b"\0"].concat();
            [&head[..], &[0, 0, 0, 3], b"a@b"].concat()
        };
        let ours = mark(1, mark::PREFIX);
        assert_eq!(parse(&ours, Within::Whole), Some(Message::Mark { name: "a@b" }));
        for other in [mark(0, mark::PREFIX), mark(1, "another")] {
            assert_eq!(parse(&other, Within::Whole), Some(Message::Other));
        }
    }

    proptest! {
        #[test]
        fn torn_and_random_bytes_are_no_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..60), cut in 0..INSERT.len(),
        ) {
            for within in [Within::Whole, Within::Stream] {
                if let Some(Message::Insert { new, .. }) = parse(&bytes, within) {
                    new.fields().count();
                }
            }
            let _ = (envelope(&bytes), subtransaction(&bytes), Tuple::split(&bytes));
            if let Some(Message::Insert { new, .. }) = parse(&INSERT[..cut], Within::Whole) {
                prop_assert!(new.fields().count() < 3);
            }
        }
    }
}
