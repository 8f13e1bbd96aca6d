//! Topics that others read: records of several topics and a state of our own, in one transaction.
//!
//! The state is the last record of each key in a compacted topic that one process at a time writes: see
//! [`super::owned`]. Whoever has it last is the only one whose transactions are heard, by consumers that read what
//! is committed (`isolation.level=read_committed`).

use super::client::{Admin, Clients};
use super::names;
use super::owned::Owned;
use super::settings::KafkaSettings;
use super::topics::{self, Made, Use};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, FutureRecord};
use std::sync::Arc;
use std::time::Duration;
use syncline_core::{Error, Kind, Result};

/// Whose the state is.
const OWNER: &[u8] = b"o";

/// What every key of the state begins with, to be told from [`OWNER`].
const STATE: u8 = b's';

/// The same of what others ask for.
const ASKED: u8 = b'a';

/// Beside its bytes a record takes less than this in a request.
const RECORD_OVERHEAD: usize = 512;

/// What Kafka takes in a request where a topic does not say.
const MESSAGE_BYTES_DEFAULT: usize = 1_048_588;

/// What a topic is set to that we make: whoever reads it, and from when on, hears all of it.
const KEEPS: [(&str, &str); 3] =
    [("cleanup.policy", "delete"), ("retention.ms", "-1"), ("retention.bytes", "-1")];

/// A writer of topics that others read, and of its own state.
pub struct KafkaFeeds {
    clients: Arc<Clients>,
    admin: Admin,
    owned: Owned,
    /// Set while what was written is not all that was to be.
    is_torn: bool,
}

/// A topic that others read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KafkaFeed {
    /// How many partitions it has.
    pub partitions: usize,
    /// Longest record that it takes.
    pub record_bytes_max: usize,
    /// Whether it keeps the last record of each key alone, and takes none without key.
    pub is_compacted: bool,
    /// How long it keeps records; `None` where none is taken away for its age.
    pub keeps_for: Option<Duration>,
}

/// What is found in the state's topic.
#[derive(Debug, Clone, Copy)]
pub enum KafkaTold<'m> {
    /// Key and value that were put there, or that it was taken away.
    Put(&'m [u8], Option<&'m [u8]>),
    /// What was asked under a key.
    Asked(&'m [u8], &'m [u8]),
}

/// A record to be sent.
#[derive(Debug, Clone, Copy)]
pub struct KafkaRecord<'r> {
    /// Its key; the partition is chosen by it.
    pub key: Option<&'r [u8]>,
    /// Its value.
    pub value: Option<&'r [u8]>,
    /// Names and values.
    pub headers: &'r [(&'static str, Vec<u8>)],
}

impl KafkaRecord<'_> {
    /// What it takes in a request at most, before compression.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len());
        let parts = [self.key, self.value].into_iter().flatten().map(<[u8]>::len);
        parts.chain(headers).sum::<usize>() + RECORD_OVERHEAD
    }
}

impl KafkaFeeds {
    /// Nothing is asked of the brokers yet. The topic of the state begins with the settings' prefix and ends with
    /// `state`; `section` is where the project has the settings, such as `systems.lms`.
    ///
    /// # Errors
    /// `Config` where the settings can't work.
    pub fn new(settings: KafkaSettings, section: &str, state: &str) -> Result<Self> {
        let name = format!("{}.{state}", settings.prefix);
        let name = names::given(name, &format!("state_prefix in [{section}]"))?;
        let clients = Arc::new(Clients::of_feeds(settings, section.to_owned()));
        clients.check()?;
        let admin = clients.admin()?;
        let owned =
            Owned::new(&clients, format!("the topics of {section}"), name, Use::Claims, OWNER);
        Ok(Self { clients, admin, owned, is_torn: false })
    }

    /// Takes the state over, and with it the right to commit; gives up what was left open. Blocks.
    ///
    /// # Errors
    /// `Fenced` where another has taken it from us: it is not taken back. `Unavailable` where the brokers are
    /// away, `Config` where they refuse us.
    pub fn take_over(&mut self) -> Result<()> {
        self.owned.take_over(&self.admin)?;
        self.is_torn = false;
        Ok(())
    }

    /// A topic that others read; it is made with so many partitions where there is none, and then keeps all its
    /// records. Blocks.
    ///
    /// # Errors
    /// The same; `Config` for what can't be a name at Kafka.
    pub fn feed(&self, topic: &str, partitions: u16) -> Result<KafkaFeed> {
        let section = self.clients.section();
        names::given(topic.to_owned(), &format!("topic_prefix in [{section}]"))?;
        if let Some(found) = self.find(topic)? {
            return Ok(found);
        }
        let partitions = partitions.max(1);
        match topics::make(&self.clients, &self.admin, topic, partitions.into(), &KEEPS)? {
            Made::New => Ok(KafkaFeed {
                partitions: partitions.into(),
                record_bytes_max: self.clients.settings.message_bytes_max,
                is_compacted: false,
                keeps_for: None,
            }),
            Made::Before => self.find(topic)?.ok_or_else(|| {
                Error::new(
                    Kind::Unavailable,
                    format!("topic {topic} is there, and can't be seen yet"),
                )
            }),
        }
    }

    /// A topic that others read; `None` where there is none of that name. Blocks.
    ///
    /// # Errors
    /// `Unavailable` where the brokers are away, `Config` where they refuse us.
    pub fn find(&self, topic: &str) -> Result<Option<KafkaFeed>> {
        let Some(partitions) = topics::partitions(&self.clients, &self.admin, topic)? else {
            return Ok(None);
        };
        let set_to = topics::set_to(&self.clients, &self.admin, topic)?;
        let number = |name: &str| set_to.get(name).and_then(|it| it.parse::<u64>().ok());
        let takes = number("max.message.bytes").and_then(|it| usize::try_from(it).ok());
        let ours = self.clients.settings.message_bytes_max;
        let policy = set_to.get("cleanup.policy").map_or("delete", String::as_str);
        // What is kept for ever is -1.
        let kept = number("retention.ms").filter(|_| policy.contains("delete"));
        Ok(Some(KafkaFeed {
            partitions,
            record_bytes_max: ours.min(takes.unwrap_or(MESSAGE_BYTES_DEFAULT)),
            is_compacted: policy.contains("compact"),
            keeps_for: kept.map(Duration::from_millis),
        }))
    }

    /// Whether anybody has the state, or had it. Blocks.
    ///
    /// # Errors
    /// `Unavailable` where the brokers are away, `Config` where they refuse us.
    pub fn is_there(&self) -> Result<bool> {
        Ok(topics::partitions(&self.clients, &self.admin, &self.owned.name)?.is_some())
    }

    /// Goes through the state as it was committed, and what was asked of whoever has it, from an offset on; says where
    /// that ends. Blocks.
    ///
    /// # Errors
    /// `Unavailable` where the brokers are away.
    pub fn read(
        &self,
        from: u64,
        mut visit: impl FnMut(KafkaTold<'_>) -> Result<()>,
    ) -> Result<u64> {
        let mut next = from;
        self.owned.scan(from, |message| {
            // Not where the topic ends: what is behind an open transaction is told later.
            next = u64::try_from(message.offset()).unwrap_or_default() + 1;
            match (message.key().and_then(<[u8]>::split_first), message.payload()) {
                (Some((&STATE, key)), value) => visit(KafkaTold::Put(key, value)),
                (Some((&ASKED, key)), Some(what)) => visit(KafkaTold::Asked(key, what)),
                _ => Ok(()),
            }
        })?;
        Ok(next)
    }

    /// Puts a value into the state, or takes it away, within the open transaction. Blocks while there is no room.
    ///
    /// # Errors
    /// `Fenced` where another has taken it over, `Unavailable` where the brokers are away.
    pub fn put(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        self.put_under(STATE, key, value)
    }

    /// Forgets what was asked under a key, the same way.
    ///
    /// # Errors
    /// The same.
    pub fn answer(&mut self, key: &[u8]) -> Result<()> {
        self.put_under(ASKED, key, None)
    }

    fn put_under(&mut self, kind: u8, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        self.whole()?;
        let sent = self.owned.send(&[&[kind], key].concat(), value);
        self.is_torn = sent.is_err();
        sent
    }

    /// Asks whoever has the state for something. What it has is not touched, so it is not taken over. Blocks.
    ///
    /// # Errors
    /// `Unavailable` where the brokers are away, `Config` where they refuse us.
    pub fn ask(&self, key: &[u8], what: &[u8]) -> Result<()> {
        let name = &self.owned.name;
        let failed =
            |error: &KafkaError| self.clients.error(format!("can't write to {name}"), error);
        let key = [&[ASKED], key].concat();
        let record = FutureRecord::to(name).partition(0).key(&key).payload(what);
        let producer = self.clients.producer()?;
        let sent = producer.send_result(record).map_err(|(error, _)| failed(&error))?;
        match futures::executor::block_on(sent) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => Err(failed(&error)),
            Err(_) => Err(failed(&KafkaError::Canceled)),
        }
    }

    /// Sends a record within the open transaction: to the partition of its key, or to the first. Blocks while there
    /// is no room.
    ///
    /// # Errors
    /// The same. Nothing is committed then but after [`Self::rollback`].
    pub fn send(&mut self, topic: &str, record: KafkaRecord<'_>) -> Result<()> {
        self.whole()?;
        let mut sent: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic);
        (sent.key, sent.payload) = (record.key, record.value);
        if record.key.is_none() {
            sent = sent.partition(0);
        }
        if !record.headers.is_empty() {
            let none = OwnedHeaders::new_with_capacity(record.headers.len());
            let with = |headers: OwnedHeaders, (key, value): &(&'static str, Vec<u8>)| {
                headers.insert(Header { key, value: Some(value) })
            };
            sent = sent.headers(record.headers.iter().fold(none, with));
        }
        let sent = self.owned.send_along(sent);
        self.is_torn = sent.is_err();
        sent
    }

    /// Commits the open transaction. Blocks.
    ///
    /// # Errors
    /// See [`Journal::commit`](syncline_core::Journal::commit). What is sent after that is a transaction of its own
    /// only once it was rolled back, or the state taken over again.
    pub fn commit(&mut self) -> Result<()> {
        self.whole()?;
        let committed = self.owned.commit().map(|_| ());
        self.is_torn = committed.is_err();
        committed
    }

    /// Refuses to go on with a transaction of which a part is missing.
    fn whole(&self) -> Result<()> {
        if self.owned.is_fenced() || !self.is_torn {
            return Ok(());
        }
        Err(Error::new(Kind::Unavailable, "not all of the transaction was sent")
            .detail("it has to be given up"))
    }

    /// Gives up the open transaction, and proves that the state is still ours. Blocks.
    ///
    /// # Errors
    /// See [`Self::take_over`].
    pub fn rollback(&mut self) -> Result<()> {
        if self.owned.is_open() || self.is_torn {
            self.owned.rollback(&self.admin)?;
        }
        self.is_torn = false;
        Ok(())
    }
}
