//! Reading what is no longer in memory: consumers that stand where somebody reads on.

use super::client::{Clients, Consumer};
use super::load::place;
use super::open::Shared;
use super::record::{self, Head};
use super::topic::Topic;
use crate::rules::lock;
use arrow_buffer::{Buffer, MutableBuffer};
use futures::FutureExt;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use syncline_core::codec::decode_entry;
use syncline_core::{Entry, Error, Kind, Offset, Record, Result};

/// Consumers that are kept, of all topics.
const IDLE_MAX: usize = 8;

/// Consumers without work.
#[derive(Default)]
pub(super) struct Cursors(Mutex<Vec<Cursor>>);

/// A consumer, and where it stands.
struct Cursor {
    consumer: Consumer,
    /// The topic, and the offset that it gives next; none where it has to be told.
    at: Option<(String, u64)>,
}

/// A consumer at work. However the work ends, it is kept for the next.
struct Working<'a> {
    cursors: &'a Cursors,
    cursor: Option<Cursor>,
}

impl std::fmt::Debug for Cursors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cursors")
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        if let Some(cursor) = self.cursor.take() {
            let mut idle = lock(&self.cursors.0);
            if idle.len() >= IDLE_MAX {
                idle.remove(0);
            }
            idle.push(cursor);
        }
    }
}

impl Cursors {
    /// A consumer that stands at an offset of a topic.
    fn at(&self, clients: &Clients, topic: &str, from: u64) -> Result<Working<'_>> {
        let mut idle = lock(&self.0);
        let stands = |cursor: &Cursor| {
            cursor.at.as_ref().is_some_and(|it| (it.0.as_str(), it.1) == (topic, from))
        };
        let place_of = idle.iter().position(stands);
        let full = idle.len() >= IDLE_MAX;
        let taken = place_of.or_else(|| full.then_some(0)).map(|it| idle.remove(it));
        drop(idle);
        let mut cursor = match taken {
            Some(cursor) => cursor,
            None => Cursor { consumer: clients.consumer()?, at: None },
        };
        if place_of.is_none() {
            let assigned = place(topic, from).and_then(|it| cursor.consumer.assign(&it));
            assigned.map_err(|error| clients.error(format!("can't read topic {topic}"), &error))?;
        }
        cursor.at = None;
        Ok(Working { cursors: self, cursor: Some(cursor) })
    }
}

/// Reads entries from an offset on, before another: at least one, else about `bytes_max`. Cancel-safe.
pub(super) async fn fetch(
    shared: &Shared,
    topic: &Arc<Topic>,
    (from, until): (Offset, Offset),
    bytes_max: usize,
) -> Result<Vec<Record>> {
    let clients = &shared.clients;
    let mut working = shared.cursors.at(clients, &topic.at_brokers, from.0)?;
    let Some(cursor) = working.cursor.as_mut() else { return Ok(Vec::new()) };
    let failed =
        |error: &KafkaError| clients.error(format!("can't read topic {}", topic.at_brokers), error);
    let (mut records, mut bytes, mut next) = (Vec::new(), 0, from.0);
    while next < until.0 && (bytes < bytes_max || records.is_empty()) {
        let message = match records.is_empty() {
            true => first(&cursor.consumer, clients, &topic.at_brokers).await?,
            false => match cursor.consumer.recv().now_or_never() {
                Some(message) => message,
                None => break,
            },
        };
        let message = message.map_err(|error| failed(&error))?;
        let offset = u64::try_from(message.offset()).unwrap_or_default();
        next = offset + 1;
        if let Some(head) = record::head(&message) {
            bytes += message.payload_len();
            let entry = entry(shared, head, &message).await?;
            records.push(Record { offset: Offset(offset), entry: Arc::new(entry) });
        }
    }
    cursor.at = Some((topic.at_brokers.clone(), next));
    Ok(records)
}

async fn first<'c>(
    consumer: &'c Consumer,
    clients: &Clients,
    topic: &str,
) -> Result<std::result::Result<BorrowedMessage<'c>, KafkaError>> {
    let patience: Duration = clients.settings.request_timeout;
    tokio::time::timeout(patience, consumer.recv()).await.map_err(|_| {
        Error::new(Kind::Unavailable, format!("topic {topic} can't be read"))
            .detail(format!("no broker gave a record within {} s", patience.as_secs()))
    })
}

async fn entry(shared: &Shared, head: Head, message: &BorrowedMessage<'_>) -> Result<Entry> {
    let schema = match head.schema {
        Some(digest) => Some(shared.schemas.find(shared, digest).await?),
        None => None,
    };
    // Arrays are used where they lie: the buffer is aligned as they must be.
    let payload = message.payload().unwrap_or_default();
    let mut bytes = MutableBuffer::with_capacity(payload.len());
    bytes.extend_from_slice(payload);
    decode_entry(&Buffer::from(bytes), |_| schema)
}
