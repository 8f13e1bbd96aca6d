//! Appending: entries become records in the order in which they are accepted.

use super::acknowledge::{Pending, Sent, acknowledge};
use super::client::Producer;
use super::load::{Loaded, load};
use super::open::Shared;
use super::record::{digest, headers, tail_with};
use super::topic::{Topic, memory_bytes};
use fail::fail_point;
use rdkafka::producer::FutureRecord;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use syncline_core::codec::encode_entry;
use syncline_core::{
    Appended, Body, Digest, Entry, Error, Kind, Result, TableName, TableSchema, Tail,
};
use tokio::sync::{mpsc, oneshot};

/// What appenders of a topic share.
#[derive(Debug)]
pub(super) struct Writing {
    /// The end of the topic with all that was accepted.
    tail: Tail,
    /// The offset that the next record is meant to have. Behind `tail.next` where records that do not count
    /// are between.
    end: u64,
    session: Option<Session>,
    /// Alive while an appender has yet to hear that what it appended is lost.
    untold: Weak<Error>,
    /// Whether something was lost, so that the brokers have to be asked what is there.
    is_in_doubt: bool,
    schemas: HashMap<TableName, Vec<(Arc<TableSchema>, Digest)>>,
}

/// One producer, and who hears from it. Ends with the first record that is lost.
struct Session {
    producer: Producer,
    pending: mpsc::UnboundedSender<Pending>,
    /// Whether a record could not be sent: one behind it would take its place.
    is_over: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session")
    }
}

/// An entry ready to be sent.
struct Staged {
    entry: Arc<Entry>,
    schema: Option<Digest>,
    bytes: Vec<u8>,
}

impl Writing {
    pub(super) fn new(loaded: Loaded) -> Self {
        Self {
            tail: loaded.tail,
            end: loaded.end,
            session: None,
            untold: Weak::new(),
            is_in_doubt: false,
            schemas: HashMap::new(),
        }
    }

    /// Ends the session: nothing is accepted until every appender was told, and the brokers asked.
    pub(super) fn lose(&mut self, error: &Arc<Error>) {
        self.session = None;
        self.is_in_doubt = true;
        self.untold = Arc::downgrade(error);
    }

    /// Another may have appended. Where we do, it is found out by what becomes of that.
    pub(super) fn doubt(&mut self) {
        self.is_in_doubt |= self.session.is_none();
    }

    /// Whether nothing was lost since the brokers were asked.
    pub(super) fn is_certain(&self) -> bool {
        !self.is_in_doubt
    }

    /// Takes in what the brokers have.
    pub(super) fn reload(&mut self, loaded: Loaded) {
        (self.tail, self.end, self.is_in_doubt) = (loaded.tail, loaded.end, false);
    }

    fn known(&self, schema: &Arc<TableSchema>) -> Option<Digest> {
        let known = self.schemas.get(schema.name())?;
        known.iter().rev().find(|(it, _)| it == schema).map(|(_, digest)| *digest)
    }
}

/// Appends entries; see [`ChangeLog::append`](syncline_core::ChangeLog::append).
pub(super) async fn append(
    shared: &Arc<Shared>,
    topic: &Arc<Topic>,
    entries: Vec<Entry>,
) -> Result<Appended> {
    note_schemas(shared, topic, &entries).await?;
    let mut staged = Vec::with_capacity(entries.len());
    for entry in entries {
        stage(shared, topic, entry, &mut staged).await?;
    }
    let room = shared.room(staged.iter().map(|it| it.bytes.len()).sum()).await?;
    let mut writing = topic.writing.lock().await;
    if let Some(error) = writing.untold.upgrade() {
        return Err(again(&error));
    }
    if writing.session.as_ref().is_some_and(|session| session.is_over) {
        let error = Error::new(Kind::Unavailable, format!("can't append to {} now", topic.name));
        return Err(error.detail("a record before could not be sent, and is being given up"));
    }
    settle(shared, topic, &mut writing).await?;
    if staged.is_empty() {
        let next = writing.tail.next;
        return Ok(Appended { next, durable: Box::pin(async move { Ok(next) }) });
    }
    let (told, hear) = oneshot::channel();
    let sent = send(shared, topic, &mut writing, staged)?;
    fail_point!("kafka.sent");
    let next = writing.tail.next;
    let pending = Pending { sent, tail: writing.tail, room, told };
    let session = writing.session.as_ref().filter(|it| it.pending.send(pending).is_ok());
    if session.is_none() {
        return Err(Error::new(Kind::Closed, "the log was closed"));
    }
    let durable = async move {
        match hear.await {
            Ok(Ok(())) => Ok(next),
            Ok(Err(error)) => Err(again(&error)),
            Err(_) => Err(Error::new(Kind::Closed, "the log was closed")),
        }
    };
    Ok(Appended { next, durable: Box::pin(durable) })
}

/// Asks the brokers what is there, where something was lost.
pub(super) async fn settle(
    shared: &Arc<Shared>,
    topic: &Arc<Topic>,
    writing: &mut Writing,
) -> Result<()> {
    if writing.is_certain() {
        return Ok(());
    }
    let loaded = shared.blocking(topic, load).await?;
    writing.reload(loaded);
    topic.reload(loaded);
    Ok(())
}

/// Sends records one behind the other, each with the offset it is meant to have.
fn send(
    shared: &Arc<Shared>,
    topic: &Arc<Topic>,
    writing: &mut Writing,
    staged: Vec<Staged>,
) -> Result<Vec<Sent>> {
    if writing.session.is_none() {
        let (pending, receiver) = mpsc::unbounded_channel();
        tokio::spawn(acknowledge(Arc::downgrade(shared), topic.clone(), receiver));
        let producer = shared.clients.producer()?;
        writing.session = Some(Session { producer, pending, is_over: false });
    }
    let Writing { tail, end, session, .. } = writing;
    let Some(session) = session.as_mut() else { return Ok(Vec::new()) };
    let mut sent = Vec::with_capacity(staged.len());
    for Staged { entry, schema, bytes } in staged {
        let with = tail_with(*tail, *end, &entry);
        let record = FutureRecord::<(), [u8]>::to(&topic.at_brokers)
            .partition(0)
            .headers(headers(&entry, &with, schema))
            .payload(&bytes);
        let delivery = match session.producer.send_result(record) {
            Ok(delivery) => Ok(delivery),
            Err((error, _)) => {
                Err(shared.clients.error(format!("can't append to {}", topic.name), &error))
            }
        };
        let memory_bytes = memory_bytes(&entry, bytes.len());
        session.is_over = delivery.is_err();
        sent.push(Sent { entry, at: *end, delivery, memory_bytes });
        (*tail, *end) = (with, *end + 1);
        if session.is_over {
            break;
        }
    }
    Ok(sent)
}

/// Notes schemas before the first entry that needs them.
async fn note_schemas(shared: &Arc<Shared>, topic: &Topic, entries: &[Entry]) -> Result<()> {
    for entry in entries {
        let Body::Rows(batch) = &entry.body else { continue };
        let schema = batch.schema();
        let mut writing = topic.writing.lock().await;
        if writing.known(schema).is_none() {
            let digest = digest(schema);
            shared.schemas.note(&shared.notes, schema, digest).await?;
            let known = writing.schemas.entry(schema.name().clone()).or_default();
            known.push((schema.clone(), digest));
        }
    }
    Ok(())
}

/// Encodes an entry; one that is too long for a record is cut in two, and its halves likewise.
async fn stage(
    shared: &Arc<Shared>,
    topic: &Topic,
    entry: Entry,
    staged: &mut Vec<Staged>,
) -> Result<()> {
    let schema = match &entry.body {
        Body::Rows(batch) => topic.writing.lock().await.known(batch.schema()),
        _ => None,
    };
    let bytes_max = shared.clients.settings.message_bytes_max;
    let mut waiting = vec![entry];
    while let Some(entry) = waiting.pop() {
        let encoded = encode_entry(&entry, 0)?;
        match &entry.body {
            Body::Rows(batch) if encoded.bytes() > bytes_max => {
                let Some(middle) = cut(batch) else {
                    return Err(too_long(topic, encoded.bytes(), bytes_max));
                };
                let (first, rest) = (batch.slice(0..middle), batch.slice(middle..batch.len()));
                // The last first: they are taken from the end.
                waiting.push(Entry { body: Body::Rows(rest), boundary: entry.boundary });
                waiting.push(Entry { body: Body::Rows(first), boundary: None });
            }
            _ => {
                let mut bytes = encoded.head;
                bytes.extend_from_slice(&encoded.body);
                staged.push(Staged { entry: Arc::new(entry), schema, bytes });
            }
        }
    }
    Ok(())
}

/// Where to cut a batch, so that no image before is apart from its update; none where it can't be.
fn cut(batch: &syncline_core::ChangeBatch) -> Option<usize> {
    let is_cut = |at: &usize| batch.op(*at - 1) != syncline_core::Op::Before;
    let middle = batch.len() / 2;
    (middle.max(1)..batch.len()).find(is_cut).or_else(|| (1..middle).rev().find(is_cut))
}

fn too_long(topic: &Topic, bytes: usize, bytes_max: usize) -> Error {
    Error::new(Kind::Config, format!("a row is too large for topic {}", topic.at_brokers))
        .detail(format!("it has {bytes} bytes, and message_bytes_max is {bytes_max}"))
        .hint("raise message_bytes_max in [log], and max.message.bytes of the topic")
}

/// An error that several are told.
pub(super) fn again(error: &Error) -> Error {
    let mut same = Error::new(error.kind(), error.to_string());
    if let Some(detail) = error.detail_text() {
        same = same.detail(detail);
    }
    if let Some(hint) = error.hint_text() {
        same = same.hint(hint);
    }
    same.indeterminate()
}
