//! Which kind of record it is, and its parts.

use super::{
    Event, Image, Message, RowChange, SourceInfo, TransactionMark, TransactionPlace, Truncated,
};
use crate::fault::corrupt;
use crate::json::{self, Object, Shape};
use crate::schema::ConnectSchema;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::Arc;
use syncline_core::{Error, Op, Result};

/// Most schemas that are remembered; connectors have a few a table.
const SCHEMAS_MAX: usize = 1_024;

/// A record of Kafka, as Kafka Connect's JSON converter wrote it.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The key's bytes; `None` for Kafka's null.
    pub key: Option<&'a [u8]>,
    /// The value's bytes; `None` for Kafka's null.
    pub value: Option<&'a [u8]>,
}

/// Reads the records of one connector's topics. Schemas are read once, however often they are sent.
#[derive(Debug, Default)]
pub struct Reader {
    /// By their text: of keys, and of the images in envelopes.
    schemas: HashMap<Box<str>, Arc<ConnectSchema>>,
    images: HashMap<Box<str>, Arc<ConnectSchema>>,
    /// What the last row's value began with, up to its payload: nearly all of a record, and the same
    /// in the next.
    last: Option<(Box<[u8]>, Arc<ConnectSchema>)>,
}

/// The schema of a value's rows.
enum Sent<'a> {
    None,
    /// Not yet looked at; the value's bytes, its schema and its payload.
    Raw(&'a [u8], &'a RawValue, &'a RawValue),
    Known(Arc<ConnectSchema>),
}

impl Reader {
    /// A reader that has seen no schema.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Understands one record, but for the values in it.
    ///
    /// # Errors
    /// `Corrupt` when it is none that Debezium writes.
    pub fn read<'a>(&mut self, record: Record<'a>) -> Result<Event<'a>> {
        let Some(bytes) = record.value else { return Ok(Event::Tombstone) };
        let (schema, payload) = match self.known_beginning(bytes) {
            Some((schema, payload)) => (Sent::Known(schema), payload),
            None => match parts("the value", bytes)? {
                (Some(schema), payload) => (Sent::Raw(bytes, schema, payload), payload),
                (None, payload) => (Sent::None, payload),
            },
        };
        if Shape::of(payload) == Shape::Null {
            return Ok(Event::Tombstone);
        }
        let Some(value) = Object::parse(payload) else {
            return Err(corrupt("the value", "an envelope", Shape::of(payload)));
        };
        match value.text("op").as_deref() {
            Some("c") => self.row(Op::Insert, record.key, schema, &value),
            Some("u") => self.row(Op::Update, record.key, schema, &value),
            Some("d") => self.row(Op::Delete, record.key, schema, &value),
            Some("r") => self.row(Op::Snapshot, record.key, schema, &value),
            Some("t") => {
                let (source, transaction) = (source(&value)?, place(&value)?);
                Ok(Event::Truncate(Truncated { source, transaction }))
            }
            Some("m") => message(&value),
            Some(_) => Err(corrupt("the operation", "one of c, u, d, r, t and m", "another")),
            None => without_operation(&value),
        }
    }

    fn row<'a>(
        &mut self,
        op: Op,
        key: Option<&'a [u8]>,
        schema: Sent<'a>,
        value: &Object<'a>,
    ) -> Result<Event<'a>> {
        let schema = self.sent(schema)?;
        let before = Image::new(value.get("before"), schema.clone());
        let after = Image::new(value.get("after"), schema.clone());
        if after.is_none() && matches!(op, Op::Insert | Op::Snapshot) {
            return Err(corrupt("a new row's envelope", "an image after", "none"));
        }
        let key = match key {
            Some(bytes) => self.key(bytes)?,
            None => None,
        };
        let (source, transaction) = (source(value)?, place(value)?);
        Ok(Event::Row(RowChange { op, key, before, after, source, transaction, schema }))
    }

    fn key<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<Image<'a>>> {
        let (schema, payload) = parts("the key", bytes)?;
        let schema = schema.map(|schema| self.schema("the key's schema", schema)).transpose()?;
        Ok(Image::new(Some(payload), schema))
    }

    /// Schema and payload of a value that begins as the last one did.
    fn known_beginning<'a>(&self, bytes: &'a [u8]) -> Option<(Arc<ConnectSchema>, &'a RawValue)> {
        let (beginning, schema) = self.last.as_ref()?;
        let payload = bytes.strip_prefix(beginning.as_ref())?.strip_suffix(b"}")?;
        Some((schema.clone(), json::parse(payload)?))
    }

    fn sent(&mut self, sent: Sent<'_>) -> Result<Option<Arc<ConnectSchema>>> {
        let (bytes, raw, payload) = match sent {
            Sent::None => return Ok(None),
            Sent::Known(schema) => return Ok(Some(schema)),
            Sent::Raw(bytes, raw, payload) => (bytes, raw, payload),
        };
        let schema = self.image_schema(raw)?;
        let place = |part: &RawValue| part.get().as_ptr().addr() - bytes.as_ptr().addr();
        // Before the payload there is nothing but the schema, where it comes first.
        self.last = bytes
            .get(..place(payload))
            .filter(|_| place(raw) < place(payload))
            .map(|beginning| (beginning.into(), schema.clone()));
        Ok(Some(schema))
    }

    /// The schema of the rows in an envelope.
    fn image_schema(&mut self, raw: &RawValue) -> Result<Arc<ConnectSchema>> {
        if let Some(known) = self.images.get(raw.get()) {
            return Ok(known.clone());
        }
        let envelope = parse_schema("the value's schema", raw)?;
        let Some(image) = envelope.field("after").or_else(|| envelope.field("before")) else {
            return Err(corrupt("the value's schema", "a field \"after\"", "none"));
        };
        Ok(remember(&mut self.images, raw, image.clone()))
    }

    fn schema(&mut self, part: &str, raw: &RawValue) -> Result<Arc<ConnectSchema>> {
        if let Some(known) = self.schemas.get(raw.get()) {
            return Ok(known.clone());
        }
        let schema = parse_schema(part, raw)?;
        Ok(remember(&mut self.schemas, raw, schema))
    }
}

fn remember(
    known: &mut HashMap<Box<str>, Arc<ConnectSchema>>,
    raw: &RawValue,
    schema: ConnectSchema,
) -> Arc<ConnectSchema> {
    if known.len() >= SCHEMAS_MAX {
        known.clear();
    }
    let schema = Arc::new(schema);
    known.insert(raw.get().into(), schema.clone());
    schema
}

fn parse_schema(part: &str, raw: &RawValue) -> Result<ConnectSchema> {
    serde_json::from_str(raw.get())
        .map_err(|_| corrupt(part, "a schema of Kafka Connect", Shape::of(raw)))
}

/// Schema and payload. An object of just these two members has a schema; all else has none.
fn parts<'a>(part: &str, bytes: &'a [u8]) -> Result<(Option<&'a RawValue>, &'a RawValue)> {
    let Some(raw) = json::parse(bytes) else {
        return Err(corrupt(part, "one value of JSON", format!("{} other bytes", bytes.len())));
    };
    let Some(object) = Object::parse(raw).filter(|object| object.len() == 2) else {
        return Ok((None, raw));
    };
    match (object.get("schema"), object.get("payload")) {
        (Some(schema), Some(payload)) => {
            Ok((Some(schema).filter(|schema| Shape::of(schema) != Shape::Null), payload))
        }
        _ => Ok((None, raw)),
    }
}

fn source(value: &Object<'_>) -> Result<SourceInfo> {
    match value.given("source") {
        Some(raw) => SourceInfo::parse(raw),
        None => Err(corrupt("the envelope", "a block \"source\"", "none")),
    }
}

fn place(value: &Object<'_>) -> Result<Option<TransactionPlace>> {
    let Some(raw) = value.given("transaction") else { return Ok(None) };
    let whole = |block: Object<'_>| {
        Some(TransactionPlace {
            id: block.text("id")?.into_owned(),
            total_order: block.integer("total_order")?,
            data_collection_order: block.integer("data_collection_order")?,
        })
    };
    Object::parse(raw).and_then(whole).map(Some).ok_or_else(|| {
        corrupt("the block transaction", "id, total_order and data_collection_order", "others")
    })
}

fn message<'a>(value: &Object<'a>) -> Result<Event<'a>> {
    let Some(message) = value.given("message").and_then(Object::parse) else {
        return Err(corrupt("a message's envelope", "a block \"message\"", "none"));
    };
    Ok(Event::Message(Message {
        prefix: message.text("prefix").unwrap_or_default().into_owned(),
        content: message.text("content").map(|text| text.into_owned()),
        source: source(value)?,
    }))
}

/// A record that is no envelope of a change.
fn without_operation<'a>(value: &Object<'a>) -> Result<Event<'a>> {
    if let (Some(status), Some(id)) = (value.text("status"), value.text("id")) {
        return transaction(&status, id.into_owned(), value).map(Event::Transaction);
    }
    let is_schema_change = value.get("source").is_some()
        && (value.get("tableChanges").is_some() || value.get("ddl").is_some());
    if is_schema_change {
        return Ok(Event::SchemaChange);
    }
    match value.integer("ts_ms") {
        Some(at_ms) if value.len() == 1 => Ok(Event::Heartbeat { at_ms }),
        _ => Err(unknown(value)),
    }
}

#[cold]
fn unknown(value: &Object<'_>) -> Error {
    let names: Vec<String> = value.members().take(8).map(|it| format!("\"{}\"", it.0)).collect();
    let found = if names.is_empty() { "no member".into() } else { names.join(", ") };
    corrupt("the value", "an envelope, a transaction's mark, a heartbeat or a schema change", found)
        .hint("take the transform ExtractNewRecordState out of the connector, if it is there")
}

fn transaction(status: &str, id: String, value: &Object<'_>) -> Result<TransactionMark> {
    match status {
        "BEGIN" => Ok(TransactionMark::Begin { id }),
        "END" => {
            let tables = value.given("data_collections").and_then(json::array).unwrap_or_default();
            let counted = |raw: &&RawValue| {
                let object = Object::parse(raw)?;
                Some((object.text("data_collection")?.into_owned(), object.integer("event_count")?))
            };
            let tables = tables.iter().map(counted).collect::<Option<Vec<_>>>();
            match (value.integer("event_count"), tables) {
                (Some(event_count), Some(tables)) => {
                    Ok(TransactionMark::End { id, event_count, tables })
                }
                _ => Err(corrupt("the end of a transaction", "counts of its events", "others")),
            }
        }
        _ => Err(corrupt("a transaction's status", "BEGIN or END", "another")),
    }
}
