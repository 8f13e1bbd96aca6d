//! What was sent becomes durable, in order; the first record that is lost ends the session.

use super::open::Shared;
use super::topic::{Topic, bound_recent};
use fail::fail_point;
use rdkafka::producer::DeliveryFuture;
use std::sync::{Arc, Weak};
use syncline_core::{Entry, Error, Kind, Offset, Record, Result, Tail};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// Entries that were appended together.
pub(super) struct Pending {
    pub(super) sent: Vec<Sent>,
    /// The end of the topic with them.
    pub(super) tail: Tail,
    pub(super) room: OwnedSemaphorePermit,
    pub(super) told: oneshot::Sender<std::result::Result<(), Arc<Error>>>,
}

/// One record on its way.
pub(super) struct Sent {
    pub(super) entry: Arc<Entry>,
    /// The offset that it is meant to have.
    pub(super) at: u64,
    /// Where it was not even sent: why.
    pub(super) delivery: Result<DeliveryFuture>,
    pub(super) memory_bytes: usize,
}

/// Hears of what was sent until the session ends. After a loss all that was sent behind it is lost too.
pub(super) async fn acknowledge(
    shared: Weak<Shared>,
    topic: Arc<Topic>,
    mut pending: mpsc::UnboundedReceiver<Pending>,
) {
    while let Some(Pending { sent, tail, room, told }) = pending.recv().await {
        let Some(shared) = shared.upgrade() else { return };
        match delivered(&shared, &topic, sent).await {
            Ok(records) => {
                fail_point!("kafka.delivered");
                topic.advance(records, tail);
                drop(room);
                bound_recent(&shared.topics(), shared.clients.settings.cache_bytes);
                let _ = told.send(Ok(()));
            }
            Err(error) => {
                tracing::warn!(topic = %topic.name, detail = error.detail_text(), "{error}");
                let error = Arc::new(error);
                // Order: nothing is sent behind what is lost, so that all of it is in the queue by now.
                topic.writing.lock().await.lose(&error);
                drop(room);
                let _ = told.send(Err(error.clone()));
                pending.close();
                while let Some(lost) = pending.recv().await {
                    let _ = lost.told.send(Err(error.clone()));
                }
                return;
            }
        }
    }
}

async fn delivered(
    shared: &Shared,
    topic: &Topic,
    sent: Vec<Sent>,
) -> Result<Vec<(Record, usize)>> {
    let mut records = Vec::with_capacity(sent.len());
    for Sent { entry, at, delivery, memory_bytes } in sent {
        let delivered = match delivery?.await {
            Ok(Ok(delivered)) => delivered,
            Ok(Err((error, _))) => {
                let what = format!("what was appended to {} may be lost", topic.name);
                return Err(shared.clients.error(what, &error));
            }
            Err(_) => return Err(Error::new(Kind::Closed, "the log was closed")),
        };
        if u64::try_from(delivered.offset) != Ok(at) {
            return Err(Error::new(
                Kind::Unavailable,
                format!("another process writes to topic {}", topic.at_brokers),
            )
            .detail(format!(
                "a record meant for offset {at} is at {}: it does not count",
                delivered.offset
            ))
            .hint("one process at a time writes a topic; set another prefix for another project"));
        }
        records.push((Record { offset: Offset(at), entry }, memory_bytes));
    }
    Ok(records)
}
