//! A compacted topic that one process at a time writes: the last record of each key.
//!
//! What is written together is a transaction of Kafka. Its producer has the topic's name for an id: the brokers
//! let only the last one that took this id over commit, and give up what the one before left open. Compaction keeps
//! the last record of a key, also where nobody was to hear it; with transactions there is none that nobody was
//! to hear. Offsets that name themselves, as entries have them, would not do here.
//!
//! A transaction may have records of other topics too: they are heard with ours, or not at all.
//!
//! A record of its own says who took the topic over. By it a process whose session was lost tells whether it
//! still has the topic: it does not take it back from another.

use super::client::{Admin, Clients, Context, Reader};
use super::topics::Use;
use super::{load, topics};
use crate::rules::{lock, new_id};
use fail::fail_point;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use syncline_core::{Error, JournalPlace, Kind, Result};

/// How long one call of the producer may take before it is asked again.
const PATIENCE: Duration = Duration::from_secs(1);

/// A topic that is ours, or is to be.
pub(super) struct Owned {
    clients: Arc<Clients>,
    /// What is in it, for people.
    what: String,
    pub(super) name: String,
    of: Use,
    /// The key of the records that say whose it is.
    owner_key: &'static [u8],
    /// Who we are.
    owner: String,
    session: Option<Session>,
    /// Where we wrote first that it is ours; none before.
    owned_at: Option<JournalPlace>,
    is_fenced: bool,
}

/// A producer that has the topic, until another takes it.
struct Session {
    producer: ThreadedProducer<Deliveries>,
    delivered: Arc<Delivered>,
    /// Whether a transaction is open.
    is_open: bool,
}

/// What became of the records that were sent.
#[derive(Debug, Default)]
struct Delivered {
    /// How far the brokers have them, and how many are on their way.
    state: Mutex<(JournalPlace, usize)>,
    none_left: Condvar,
}

impl Delivered {
    fn place(&self) -> JournalPlace {
        lock(&self.state).0
    }

    fn sent(&self) {
        lock(&self.state).1 += 1;
    }

    /// Not every record that arrives has a place that is told.
    fn arrived(&self, place: Option<JournalPlace>) {
        let mut state = lock(&self.state);
        if let Some(place) = place.filter(|it| it.next > state.0.next) {
            state.0 = place;
        }
        state.1 = state.1.saturating_sub(1);
        if state.1 == 0 {
            self.none_left.notify_all();
        }
    }

    /// Waits until nothing is on its way, but not for ever. The client's own flush sleeps for long where another
    /// thread hears of deliveries.
    fn settle(&self) {
        let state = lock(&self.state);
        drop(
            self.none_left
                .wait_timeout_while(state, PATIENCE, |(_, on_their_way)| *on_their_way > 0),
        );
    }
}

/// Hears of deliveries.
struct Deliveries {
    context: Context,
    /// The topic that is ours: others have places of their own.
    topic: String,
    delivered: Arc<Delivered>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.context.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.context.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    /// What was not delivered fails its transaction: nobody has to hear of it here.
    fn delivery(&self, delivered: &DeliveryResult<'_>, (): ()) {
        let of_ours = delivered.as_ref().ok().filter(|it| it.topic() == self.topic);
        self.delivered.arrived(of_ours.and_then(place_behind));
    }
}

/// The place behind a record.
pub(super) fn place_behind(message: &impl Message) -> Option<JournalPlace> {
    let next = u64::try_from(message.offset()).ok()? + 1;
    Some(JournalPlace { next, written_at: message.timestamp().to_millis().unwrap_or_default() })
}

impl Owned {
    /// Nothing is asked of the brokers yet.
    pub(super) fn new(
        clients: &Arc<Clients>,
        what: String,
        name: String,
        of: Use,
        owner_key: &'static [u8],
    ) -> Self {
        let (clients, owner) = (clients.clone(), new_id().to_string());
        let (session, owned_at, is_fenced) = (None, None, false);
        Self { clients, what, name, of, owner_key, owner, session, owned_at, is_fenced }
    }

    fn failed(&self, doing: &str, error: &KafkaError) -> Error {
        self.clients.error(format!("can't {doing} {}", self.what), error)
    }

    fn fenced(&mut self) -> Error {
        (self.session, self.is_fenced) = (None, true);
        Error::new(Kind::Fenced, format!("another process took over {}", self.what))
            .detail(format!("topic {} has another owner", self.name))
    }

    /// An error as ours; where it says that another has the topic, it is remembered.
    fn of(&mut self, doing: &str, error: &KafkaError) -> Error {
        if is_fencing(error) { self.fenced() } else { self.failed(doing, error) }
    }

    /// Whether another has the topic for good.
    pub(super) fn is_fenced(&self) -> bool {
        self.is_fenced
    }

    /// Whether there is something that a commit would tell.
    pub(super) fn is_open(&self) -> bool {
        self.session.as_ref().is_some_and(|it| it.is_open)
    }

    /// Whether it can be written to without taking it over again.
    pub(super) fn has_session(&self) -> bool {
        self.session.is_some()
    }

    /// Takes the topic over; makes it if need be. Blocks.
    ///
    /// # Errors
    /// `Fenced` where another has taken it from us: it is not taken back. `Unavailable` where the brokers are
    /// away, `Config` where they refuse us.
    pub(super) fn take_over(&mut self, admin: &Admin) -> Result<()> {
        self.session = None;
        if self.is_fenced || self.is_taken()? {
            return Err(self.fenced());
        }
        topics::ensure(&self.clients, admin, &self.name, self.of)?;
        self.begin()?;
        // Between the question and the answer somebody may have taken it.
        if self.is_taken()? {
            return Err(self.fenced());
        }
        self.prove()
    }

    /// Begins a session: from here on nobody before us can commit.
    fn begin(&mut self) -> Result<()> {
        let delivered = Arc::<Delivered>::default();
        let topic = self.name.clone();
        let context = |context| Deliveries { context, topic, delivered: delivered.clone() };
        let producer = self.clients.transactional(&self.name, context)?;
        let began = Instant::now();
        while let Err(error) = producer.init_transactions(PATIENCE) {
            if !is_retriable(&error) || began.elapsed() > self.clients.settings.request_timeout {
                return Err(self.failed("take over", &error));
            }
        }
        self.session = Some(Session { producer, delivered, is_open: false });
        Ok(())
    }

    /// Writes that it is ours: an error where it is not any more.
    fn prove(&mut self) -> Result<()> {
        let owner = self.owner.clone();
        self.send(self.owner_key, Some(owner.as_bytes()))?;
        let place = self.commit()?;
        self.owned_at.get_or_insert(place);
        Ok(())
    }

    /// Whether somebody else took it over since we did.
    fn is_taken(&mut self) -> Result<bool> {
        let Some(owned_at) = self.owned_at else { return Ok(false) };
        let mut is_taken = false;
        self.scan(owned_at.next, |message| {
            is_taken |= message.key() == Some(self.owner_key)
                && message.payload().is_some_and(|it| it != self.owner.as_bytes());
            Ok(())
        })?;
        Ok(is_taken)
    }

    /// Whether a record says whose the topic is.
    pub(super) fn is_of_owner(&self, message: &BorrowedMessage<'_>) -> bool {
        message.key() == Some(self.owner_key)
    }

    /// How far the brokers have what we wrote, and when that was.
    pub(super) fn written(&self) -> JournalPlace {
        self.session.as_ref().map_or_else(JournalPlace::default, |it| it.delivered.place())
    }

    /// The first offset of the topic, and the one behind the last. Blocks.
    pub(super) fn bounds(&self) -> Result<(u64, u64)> {
        load::watermarks(&self.clients, &self.clients.reader()?, &self.name)
    }

    /// Goes through what was committed from an offset on; says where that ends. Blocks.
    pub(super) fn scan(
        &self,
        from: u64,
        visit: impl FnMut(&BorrowedMessage<'_>) -> Result<()>,
    ) -> Result<u64> {
        let reader: Reader = self.clients.reader()?;
        let (first, end) = load::watermarks(&self.clients, &reader, &self.name)?;
        load::scan(&self.clients, &reader, &self.name, from.max(first)..end, visit)?;
        Ok(end)
    }

    /// Writes a record of the open transaction; begins one where none is. Blocks while there is no room.
    pub(super) fn send(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let name = self.name.clone();
        let mut record = BaseRecord::<[u8], [u8]>::to(&name).partition(0).key(key);
        record.payload = value;
        self.send_along(record)
    }

    /// Writes a record of the open transaction to whatever topic; begins one where none is. Blocks while there is
    /// no room.
    pub(super) fn send_along(&mut self, mut record: BaseRecord<'_, [u8], [u8]>) -> Result<()> {
        self.begin_transaction()?;
        let Some(session) = &self.session else { return Err(self.lost()) };
        let (longest, began) = (self.clients.settings.delivery_timeout, Instant::now());
        loop {
            // Order: counted before it can arrive.
            session.delivered.sent();
            let Err((error, again)) = session.producer.send(record) else { return Ok(()) };
            session.delivered.arrived(None);
            let is_full = error.rdkafka_error_code() == Some(Code::QueueFull);
            if !is_full || began.elapsed() > longest {
                return Err(self.of("write", &error));
            }
            session.delivered.settle();
            record = again;
        }
    }

    fn begin_transaction(&mut self) -> Result<()> {
        let Some(session) = self.session.as_mut() else { return Err(self.lost()) };
        if session.is_open {
            return Ok(());
        }
        match session.producer.begin_transaction() {
            Ok(()) => session.is_open = true,
            Err(error) => return Err(self.of("write", &error)),
        }
        Ok(())
    }

    /// Commits the open transaction; says how far the brokers have what we wrote. Blocks.
    ///
    /// # Errors
    /// See [`Journal::commit`](syncline_core::Journal::commit).
    pub(super) fn commit(&mut self) -> Result<JournalPlace> {
        let (longest, began) = (self.clients.settings.delivery_timeout, Instant::now());
        loop {
            let Some(session) = self.session.as_mut() else { return Err(self.lost()) };
            if !session.is_open {
                return Ok(session.delivered.place());
            }
            session.delivered.settle();
            fail_point!("kafka.whole");
            let Err(error) = session.producer.commit_transaction(PATIENCE) else {
                fail_point!("kafka.committed");
                session.is_open = false;
                return Ok(session.delivered.place());
            };
            if is_fencing(&error) {
                return Err(self.fenced());
            }
            if requires_abort(&error) {
                self.abort();
                let failed = self.failed("commit", &error);
                return Err(if self.session.is_some() { failed } else { failed.indeterminate() });
            }
            if !is_retriable(&error) || began.elapsed() > longest {
                self.session = None;
                return Err(self.failed("commit", &error).indeterminate());
            }
        }
    }

    /// Gives up the open transaction. Where that can't be done, the session is over.
    fn abort(&mut self) {
        let Some(session) = self.session.as_mut().filter(|it| it.is_open) else { return };
        match session.producer.abort_transaction(self.clients.settings.request_timeout) {
            Ok(()) => session.is_open = false,
            Err(error) if is_fencing(&error) => drop(self.fenced()),
            Err(_) => self.session = None,
        }
    }

    /// Gives up the open transaction, and proves that the topic is still ours. Blocks.
    ///
    /// # Errors
    /// See [`Owned::take_over`].
    pub(super) fn rollback(&mut self, admin: &Admin) -> Result<()> {
        self.abort();
        match &self.session {
            Some(_) => self.prove(),
            None => self.take_over(admin),
        }
    }

    fn lost(&self) -> Error {
        match self.is_fenced {
            true => Error::new(Kind::Fenced, format!("another process took over {}", self.what)),
            false => {
                Error::new(Kind::Unavailable, format!("{} have to be taken over again", self.what))
            }
        }
    }
}

fn is_fencing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch)
    )
}

fn is_retriable(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => error.is_retriable(),
        // What is under way was not all sent in time.
        KafkaError::Flush(_) => true,
        _ => false,
    }
}

fn requires_abort(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.txn_requires_abort())
}
