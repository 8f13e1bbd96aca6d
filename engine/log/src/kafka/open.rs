//! Opening, and what all topics share.

use super::client::{Admin, Clients};
use super::cursor::Cursors;
use super::load::load;
use super::notes::Notes;
use super::settings::{KafkaSettings, Purpose};
use super::topic::Topic;
use super::{names, topics};
use crate::rules::{lock, new_id};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use syncline_core::codec::{decode_schema, encode_schema};
use syncline_core::{Digest, Error, Kind, LogId, Result, TableSchema, Topic as TopicName};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

/// The note that says which log this is.
const ID: &str = "id";

/// Keeps entries and checkpoints at Kafka brokers. Methods that wait need a Tokio runtime.
#[derive(Debug)]
pub struct KafkaLog {
    pub(super) shared: Arc<Shared>,
    pub(super) id: LogId,
}

/// What the callers of one log share.
pub(super) struct Shared {
    pub(super) clients: Arc<Clients>,
    pub(super) admin: Arc<Admin>,
    pub(super) notes: Arc<Notes>,
    pub(super) schemas: Schemas,
    pub(super) cursors: Cursors,
    /// Each is looked up at the brokers once, several side by side.
    topics: Mutex<HashMap<TopicName, Arc<OnceCell<Arc<Topic>>>>>,
    /// A permit for each byte that may be accepted and not durable.
    room: Arc<Semaphore>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("clients", &self.clients).finish_non_exhaustive()
    }
}

/// Schemas by their digests.
#[derive(Debug, Default)]
pub(super) struct Schemas(Mutex<HashMap<Digest, Arc<TableSchema>>>);

impl KafkaLog {
    /// Opens the log of a prefix, or begins one. Blocks.
    ///
    /// # Errors
    /// `Unavailable` where no broker answers; `Config` where they refuse us, or a setting can't be.
    pub fn open(settings: KafkaSettings) -> Result<Self> {
        settings.check(&Purpose::Log)?;
        let room = settings.unsynced_bytes.min(Semaphore::MAX_PERMITS);
        let clients = Arc::new(Clients::new(settings));
        let admin = Arc::new(clients.admin()?);
        topics::greet(&clients)?;
        let notes = Arc::new(Notes::open(&clients, &admin)?);
        let id = identity(&notes)?;
        let shared = Shared {
            clients,
            admin,
            notes,
            schemas: Schemas::default(),
            cursors: Cursors::default(),
            topics: Mutex::default(),
            room: Arc::new(Semaphore::new(room)),
        };
        Ok(Self { shared: Arc::new(shared), id })
    }
}

/// Which log it is, by the first note of it.
fn identity(notes: &Notes) -> Result<LogId> {
    let read = |notes: &Notes| {
        let text = notes.get(ID)?;
        std::str::from_utf8(&text).ok()?.parse().ok().map(LogId)
    };
    if let Some(id) = read(notes) {
        return Ok(id);
    }
    let id = new_id();
    futures::executor::block_on(notes.put(ID, Some(id.0.to_string().as_bytes())))?;
    Ok(id)
}

impl Shared {
    /// A topic, made at the brokers when it is used first.
    pub(super) async fn topic(self: &Arc<Self>, name: &TopicName) -> Result<Arc<Topic>> {
        let known = lock(&self.topics).get(name).cloned();
        let topic =
            known.unwrap_or_else(|| lock(&self.topics).entry(name.clone()).or_default().clone());
        topic.get_or_try_init(|| self.look_up(name)).await.cloned()
    }

    async fn look_up(self: &Arc<Self>, name: &TopicName) -> Result<Arc<Topic>> {
        let at_brokers = names::of(&self.clients.settings.prefix, name)?;
        let (shared, wanted) = (self.clone(), at_brokers.clone());
        let loaded = blocking(move || {
            topics::ensure(&shared.clients, &shared.admin, &wanted, topics::Use::Entries)?;
            load(&shared.clients, &wanted)
        });
        Ok(Arc::new(Topic::new(name.clone(), at_brokers, loaded.await?)))
    }

    /// All topics in use.
    pub(super) fn topics(&self) -> Vec<Arc<Topic>> {
        lock(&self.topics).values().filter_map(|topic| topic.get().cloned()).collect()
    }

    /// Waits until so many bytes may be accepted; more than all there may ever be counts as all.
    pub(super) async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit> {
        let most = self.clients.settings.unsynced_bytes;
        let bytes = u32::try_from(bytes.min(most)).unwrap_or(u32::MAX);
        let room = self.room.clone().acquire_many_owned(bytes).await;
        room.map_err(|_| Error::new(Kind::Closed, "the log was closed"))
    }

    /// Runs what waits for the brokers where it holds up no other task.
    pub(super) async fn blocking<R: Send + 'static>(
        &self,
        topic: &Topic,
        work: impl FnOnce(&Clients, &str) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        let (clients, name) = (self.clients.clone(), topic.at_brokers.clone());
        blocking(move || work(&clients, &name)).await
    }
}

async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R> + Send + 'static,
) -> Result<R> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        Err(Error::new(Kind::Internal, "asking Kafka failed").caused_by(error))
    })
}

impl Schemas {
    /// Makes sure that a schema is noted.
    pub(super) async fn note(
        &self,
        notes: &Notes,
        schema: &Arc<TableSchema>,
        digest: Digest,
    ) -> Result<()> {
        let key = key(digest);
        if notes.get(&key).is_none() {
            notes.put(&key, Some(&encode_schema(schema))).await?;
        }
        lock(&self.0).insert(digest, schema.clone());
        Ok(())
    }

    /// The schema of a digest; others may have noted it since.
    pub(super) async fn find(&self, shared: &Shared, digest: Digest) -> Result<Arc<TableSchema>> {
        if let Some(schema) = lock(&self.0).get(&digest) {
            return Ok(schema.clone());
        }
        let key = key(digest);
        let text = match shared.notes.get(&key) {
            Some(text) => Some(text),
            None => {
                let notes = shared.notes.clone();
                blocking(move || notes.refresh()).await?;
                shared.notes.get(&key)
            }
        };
        let missing = || Error::new(Kind::Corrupt, format!("schema {digest} is in no note"));
        let schema = Arc::new(decode_schema(&text.ok_or_else(missing)?)?);
        lock(&self.0).insert(digest, schema.clone());
        Ok(schema)
    }
}

fn key(digest: Digest) -> String {
    format!("schema/{digest}")
}
