//! Topics at a broker, and a log that can crash.

use super::sent::Record;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use futures::executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use syncline_core::{
    Body, Captured, ChangeBatch, Entry, Kind, Op, Outlet, Position, Report, Result, Resume, Source,
    Stopped, SystemName, TableName,
};
use syncline_debezium::{DebeziumSource, SourceSettings};
use syncline_demo::Broker;
use syncline_log::KafkaSettings;

const DEADLINE: Duration = Duration::from_secs(60);

/// The broker that all tests share; it ends with the last of them.
fn shared() -> Arc<Broker> {
    static BROKER: Mutex<Weak<Broker>> = Mutex::new(Weak::new());
    let mut shared = BROKER.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let broker = Arc::new(Broker::start().unwrap());
        *shared = Arc::downgrade(&broker);
        broker
    })
}

/// Topics of its own, and the source's settings.
pub(crate) struct Scene {
    broker: Arc<Broker>,
    producer: BaseProducer,
    admin: AdminClient<DefaultClientContext>,
    prefix: String,
    pub(crate) settings: SourceSettings,
    pub(crate) tables: Vec<TableName>,
}

impl Scene {
    /// A topic a table, of so many partitions.
    pub(crate) fn new(name: &str, tables: &[(&str, i32)]) -> Self {
        let broker = shared();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", broker.address());
        let kafka = KafkaSettings { brokers: vec![broker.address()], ..KafkaSettings::default() };
        let mut scene = Self {
            producer: config.create().unwrap(),
            admin: config.create().unwrap(),
            broker,
            prefix: name.to_owned(),
            settings: SourceSettings::new(kafka, &format!("{name}.capture")),
            tables: Vec::new(),
        };
        for (table, partitions) in tables {
            scene.name(table);
            scene.make(table, *partitions);
        }
        scene
    }

    /// Reads a table whose topic need not be there.
    pub(crate) fn name(&mut self, table: &str) {
        self.tables.push(TableName::table(&sis(), "public", table));
        self.settings.topics.insert(format!("public.{table}"), self.topic(table));
    }

    pub(crate) fn topic(&self, table: &str) -> String {
        format!("{}.public.{table}", self.prefix)
    }

    pub(crate) fn make(&self, table: &str, partitions: i32) {
        let topic = self.topic(table);
        let topic = NewTopic::new(&topic, partitions, TopicReplication::Fixed(1));
        let made = block_on(self.admin.create_topics([&topic], &AdminOptions::new())).unwrap();
        made.into_iter().for_each(|it| drop(it.unwrap()));
    }

    /// Takes a topic away.
    pub(crate) fn drop_topic(&self, table: &str) {
        let topic = self.topic(table);
        let gone = block_on(self.admin.delete_topics(&[&topic], &AdminOptions::new())).unwrap();
        gone.into_iter().for_each(|it| drop(it.unwrap()));
    }

    /// Writes a record to a partition.
    pub(crate) fn write(&self, table: &str, partition: i32, (key, value): &Record) {
        let topic = self.topic(table);
        let mut record: BaseRecord<'_, str, str> = BaseRecord::to(&topic).partition(partition);
        if let Some(key) = key {
            record = record.key(key);
        }
        if let Some(value) = value {
            record = record.payload(value);
        }
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
        self.producer.flush(DEADLINE).unwrap();
    }

    /// Writes records in a transaction of Kafka's, and commits it or gives it up.
    pub(crate) fn transaction(&self, table: &str, records: &[Record], ends: Ends) {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.broker.address());
        config.set("transactional.id", &self.prefix);
        let producer: BaseProducer = config.create().unwrap();
        producer.init_transactions(DEADLINE).unwrap();
        producer.begin_transaction().unwrap();
        let topic = self.topic(table);
        for (key, value) in records {
            let (key, value) = (key.as_deref().unwrap(), value.as_deref().unwrap());
            let record = BaseRecord::to(&topic).partition(0).key(key).payload(value);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(DEADLINE).unwrap();
        match ends {
            Ends::Committed => producer.commit_transaction(DEADLINE).unwrap(),
            Ends::GivenUp => producer.abort_transaction(DEADLINE).unwrap(),
        }
    }

    /// Removes what is before an offset, as retention does.
    pub(crate) fn trim(&self, table: &str, partition: i32, before: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic(table), partition, Offset::Offset(before)).unwrap();
        block_on(self.admin.delete_records(&list, &AdminOptions::new())).unwrap();
    }

    /// How far the group has read a partition, as tools of Kafka show it.
    pub(crate) fn word_left(&self, table: &str, partition: i32) -> Option<i64> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.broker.address());
        config.set("group.id", &self.settings.group);
        let consumer: rdkafka::consumer::BaseConsumer = config.create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic(table), partition);
        let committed =
            rdkafka::consumer::Consumer::committed_offsets(&consumer, list, DEADLINE).unwrap();
        committed.elements().first().and_then(|it| it.offset().to_raw()).filter(|it| *it >= 0)
    }

    /// Runs the source on a log until the log has enough, or crashes.
    pub(crate) fn run(&self, log: &mut Log, resume: Ask, until: Until) -> Result<()> {
        let resume = Resume {
            position: log.position(),
            checkpoint: log.checkpoint.clone(),
            copy_again: resume.copy_again,
            anew: resume.anew,
        };
        let taking = Taking {
            released: Mutex::new(resume.position),
            log: Mutex::new(std::mem::take(log)),
            until,
            began: Instant::now(),
            is_over: AtomicBool::new(false),
            emits: AtomicUsize::new(0),
        };
        let tables = self.tables.clone();
        let outcome =
            DebeziumSource::new(sis(), self.settings.clone(), tables).run(resume, &taking);
        *log = taking.log.into_inner().unwrap();
        outcome
    }

    /// Runs until so many rows are in the log; again, as the runtime does, where a broker is not ready: who leads a
    /// new partition is not known at once.
    pub(crate) fn run_to(&self, log: &mut Log, rows: usize) {
        let began = Instant::now();
        loop {
            match self.run(log, Ask::default(), Until::rows(rows)) {
                Err(error) if error.kind() == Kind::Unavailable && began.elapsed() < DEADLINE => {}
                outcome => return outcome.unwrap(),
            }
        }
    }
}

pub(crate) fn sis() -> SystemName {
    SystemName::new("sis")
}

/// How a transaction of Kafka's ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ends {
    Committed,
    GivenUp,
}

/// What is asked of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    pub(crate) copy_again: BTreeSet<TableName>,
    pub(crate) anew: bool,
}

/// When a run ends.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Until {
    rows: usize,
    streaming: bool,
    crash: Option<(usize, Crash)>,
}

impl Until {
    pub(crate) fn rows(rows: usize) -> Self {
        Self { rows, ..Self::default() }
    }

    /// When all that was there is in the log.
    pub(crate) fn streaming() -> Self {
        Self { streaming: true, ..Self::default() }
    }

    /// Or when so many things were handed over.
    pub(crate) fn crash(self, after: usize, how: Crash) -> Self {
        Self { crash: Some((after, how)), ..self }
    }
}

/// What of the last thing that was handed over is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    Nothing,
    /// The entries, and not the note.
    Entries,
    /// The first entry, and not the note.
    FirstEntry,
    /// All.
    All,
}

/// What is durable.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) entries: Vec<Entry>,
    pub(crate) checkpoint: Option<Vec<u8>>,
    pub(crate) reports: Vec<Report>,
    pub(crate) crashed: bool,
}

impl Log {
    pub(crate) fn position(&self) -> Option<Position> {
        self.entries.iter().rev().find_map(|entry| entry.boundary).map(|it| it.position)
    }

    pub(crate) fn rows(&self) -> usize {
        self.entries.iter().map(Entry::rows).sum()
    }

    /// The rows as texts, such as `Insert students: 7 | Ada | ·`.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.entries.iter().flat_map(lines).collect()
    }

    /// That positions only ever go on.
    #[track_caller]
    pub(crate) fn check_order(&self) {
        let mut before = Position::default();
        let mut row_before = Position::default();
        for entry in &self.entries {
            let boundary = entry.boundary.expect("each entry is whole").position;
            assert!(boundary >= before, "{boundary} after {before}");
            if let Body::Rows(batch) = &entry.body {
                for (transaction, ordinal) in batch.row_transactions().zip(batch.ordinals().iter())
                {
                    let (epoch, commit) = (transaction.epoch, transaction.commit);
                    let row = Position { epoch, commit, ordinal: *ordinal };
                    assert!(
                        row >= row_before && row > before || is_copied(batch),
                        "{row} after {before}"
                    );
                    assert!(row <= boundary, "{row} behind {boundary}");
                    row_before = row;
                }
            }
            before = boundary;
        }
    }
}

fn is_copied(batch: &ChangeBatch) -> bool {
    batch.op(0) == Op::Snapshot
}

fn lines(entry: &Entry) -> Vec<String> {
    let batch = match &entry.body {
        Body::Rows(batch) => batch,
        Body::Truncate(tables) => return vec![format!("Truncate {}", tables[0])],
        _ => return Vec::new(),
    };
    let table = batch.schema().name().to_string();
    let table = table.rsplit('.').next().unwrap_or_default().to_owned();
    let options = FormatOptions::default().with_null("NULL");
    let cell = |row: usize, column: usize| {
        if !batch.presence().has(row, column) {
            return "·".to_owned();
        }
        let values = batch.columns().column(column);
        ArrayFormatter::try_new(values, &options).unwrap().value(row).to_string()
    };
    let columns = batch.schema().columns().len();
    let line = |row: usize| {
        let cells: Vec<String> = (0..columns).map(|column| cell(row, column)).collect();
        format!("{:?} {table}: {}", batch.op(row), cells.join(" | "))
    };
    (0..batch.len()).map(line).collect()
}

struct Taking {
    log: Mutex<Log>,
    released: Mutex<Option<Position>>,
    until: Until,
    began: Instant,
    is_over: AtomicBool,
    emits: AtomicUsize,
}

impl Outlet for Taking {
    fn emit(&self, captured: Captured) -> std::result::Result<(), Stopped> {
        if self.is_over.load(Ordering::Relaxed) {
            return Err(Stopped);
        }
        let mut log = self.log.lock().unwrap();
        let number = self.emits.fetch_add(1, Ordering::Relaxed);
        let crash = self.until.crash.filter(|(after, _)| *after == number).map(|it| it.1);
        let Captured { mut entries, checkpoint } = captured;
        match crash {
            Some(Crash::Nothing) => entries.clear(),
            Some(Crash::FirstEntry) => entries.truncate(1),
            _ => {}
        }
        log.entries.append(&mut entries);
        if let Some(note) = checkpoint.filter(|_| crash.is_none_or(|it| it == Crash::All)) {
            log.checkpoint = Some(note);
        }
        if crash.is_some() {
            log.crashed = true;
            self.is_over.store(true, Ordering::Relaxed);
            return Err(Stopped);
        }
        *self.released.lock().unwrap() = log.position();
        Ok(())
    }

    fn released(&self) -> Option<Position> {
        *self.released.lock().unwrap()
    }

    fn stopping(&self) -> bool {
        assert!(self.began.elapsed() < DEADLINE, "{:#?}", self.log.lock().unwrap().lines());
        let log = self.log.lock().unwrap();
        let is_streaming = || log.reports.iter().any(|it| matches!(it, Report::Streaming));
        let is_enough =
            if self.until.streaming { is_streaming() } else { log.rows() >= self.until.rows };
        self.is_over.load(Ordering::Relaxed) || is_enough
    }

    fn report(&self, report: Report) {
        self.log.lock().unwrap().reports.push(report);
    }
}
