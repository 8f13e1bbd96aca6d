//! What a record can say.

use super::{Image, SourceInfo};
use crate::schema::ConnectSchema;
use std::sync::Arc;
use syncline_core::Op;

/// One record, understood.
#[derive(Debug)]
pub enum Event<'a> {
    /// A row was changed, or found by a snapshot.
    Row(RowChange<'a>),
    /// A table was emptied (`op` is `t`).
    Truncate(Truncated),
    /// The value is null: the key's delete came before; it is there for compaction.
    Tombstone,
    /// The connector is alive (`heartbeat.interval.ms`).
    Heartbeat {
        /// When it was sent, in ms since 1970 UTC.
        at_ms: i64,
    },
    /// A transaction began or ended (`provide.transaction.metadata`).
    Transaction(TransactionMark),
    /// Tables were changed: said again, better, by the schemas of the rows.
    SchemaChange,
    /// A message in the database's log (`op` is `m`, `pg_logical_emit_message`).
    Message(Message),
}

/// A change of a row, its values still as they were sent.
#[derive(Debug)]
pub struct RowChange<'a> {
    /// [`Op::Insert`], [`Op::Update`], [`Op::Delete`] or [`Op::Snapshot`].
    pub op: Op,
    /// The record's key; `None` for a table without one.
    pub key: Option<Image<'a>>,
    /// The row before. What can be believed of it: [`crate::Images`].
    pub before: Option<Image<'a>>,
    /// The row after; `None` for a delete, and for an update of a MongoDB document that was sent as
    /// its differences alone.
    pub after: Option<Image<'a>>,
    /// Where it comes from.
    pub source: SourceInfo,
    /// Its place in a transaction, where the connector says so.
    pub transaction: Option<TransactionPlace>,
    /// The schema of its images, where records have one.
    pub(super) schema: Option<Arc<ConnectSchema>>,
}

/// A table was emptied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truncated {
    /// Which, and where it was.
    pub source: SourceInfo,
    /// Its place in a transaction, where the connector says so.
    pub transaction: Option<TransactionPlace>,
}

/// A row's place in its transaction (the envelope's block `transaction`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionPlace {
    /// The transaction, as its BEGIN and END name it.
    pub id: String,
    /// Among all of its events, from 1.
    pub total_order: u64,
    /// Among those of the same table, from 1.
    pub data_collection_order: u64,
}

/// A record of the topic `<prefix>.transaction`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionMark {
    /// It begins.
    Begin {
        /// Which.
        id: String,
    },
    /// It ended.
    End {
        /// Which.
        id: String,
        /// How many events it has in all topics.
        event_count: u64,
        /// How many by table, named as the connector does (`public.students`).
        tables: Vec<(String, u64)>,
    },
}

/// A message in the database's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is about.
    pub prefix: String,
    /// As it was sent: the form is `binary.handling.mode`'s.
    pub content: Option<String>,
    /// Where it was.
    pub source: SourceInfo,
}

/// Whether a row was read by a snapshot (`source.snapshot`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Snapshot {
    /// It was streamed.
    No,
    /// It was read by a snapshot.
    Yes,
    /// It is a snapshot's last row (`last`).
    Last,
    /// It was read by an incremental snapshot, among the stream.
    Incremental,
}
