//! The log on a real Kafka broker, which this binary starts for itself.

use crate::topic;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use syncline_core::conformance::{self, same_entry, sample_batch, sample_entry, sample_schema};
use syncline_core::{
    Body, Boundary, ChangeLog, Entry, Kind, Offset, Position, Record, Tail, Topic,
};
use syncline_demo::Broker;
use syncline_log::{Compression, KafkaLog, KafkaSettings};

/// Longest that a broker may take to be ready.
const READY_MAX: Duration = Duration::from_secs(30);

/// The broker that tests share which leave it alone; it ends with the last of them.
pub(crate) fn shared() -> Arc<Broker> {
    static BROKER: Mutex<Weak<Broker>> = Mutex::new(Weak::new());
    let mut shared = BROKER.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let broker = Arc::new(Broker::start().unwrap());
        *shared = Arc::downgrade(&broker);
        broker
    })
}

pub(crate) fn settings(broker: &Broker, prefix: &str) -> KafkaSettings {
    let brokers = vec![broker.address()];
    KafkaSettings { brokers, prefix: prefix.to_owned(), ..KafkaSettings::default() }
}

/// Opens it; again, as the program does, where a broker is not ready: who coordinates a transaction is not known at
/// once.
pub(crate) fn open(settings: &KafkaSettings) -> KafkaLog {
    let began = Instant::now();
    loop {
        match KafkaLog::open(settings.clone()) {
            Err(error) if error.kind() == Kind::Unavailable && began.elapsed() < READY_MAX => {}
            opened => return opened.unwrap(),
        }
    }
}

async fn append(log: &KafkaLog, topic: &Topic, range: std::ops::Range<u64>) -> Offset {
    let entries = range.map(sample_entry).collect();
    log.append(topic, entries).await.unwrap().durable.await.unwrap()
}

/// All that counts, however many reads it takes.
async fn read_all(log: &KafkaLog, topic: &Topic) -> Vec<Record> {
    let end = log.tail(topic).await.unwrap().next;
    let (mut records, mut next) = (Vec::new(), Offset(0));
    while next < end {
        let read = log.read(topic, next, 1 << 14).await.unwrap();
        next = Offset(read.last().unwrap().offset.0 + 1);
        records.extend(read);
    }
    records
}

fn assert_samples(records: &[Record], range: std::ops::Range<u64>) {
    assert_eq!(records.len() as u64, range.end - range.start);
    for (record, sample) in records.iter().zip(range) {
        assert!(same_entry(&record.entry, &sample_entry(sample)), "{}", record.offset);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() {
    let broker = shared();
    let settings = settings(&broker, "contract");
    conformance::durable_change_log(|| open(&settings)).await;
    conformance::durable_checkpoints(|| open(&settings));
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract_with_hardly_any_memory() {
    let broker = shared();
    let settings = KafkaSettings {
        cache_bytes: 0,
        unsynced_bytes: 50_000,
        fetch_bytes: 4_096,
        compression: Compression::Zstd,
        ..settings(&broker, "small")
    };
    conformance::durable_change_log(|| open(&settings)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_was_overtaken_writes_nothing_that_counts() {
    let broker = shared();
    let settings = settings(&broker, "overtaken");
    let topic = topic("sis");
    let former = open(&settings);
    append(&former, &topic, 0..5).await;
    let later = open(&settings);
    assert_eq!(later.tail(&topic).await.unwrap().next, Offset(5));
    append(&later, &topic, 5..10).await;
    // The former one was thought dead, and goes on.
    let late = former.append(&topic, vec![sample_entry(0), sample_entry(1)]).await.unwrap();
    let error = late.durable.await.err().unwrap();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.to_string().contains("another process"), "{error}");
    assert_samples(&read_all(&later, &topic).await, 0..10);
    // The later one is in the way of the late ones only once, and goes on behind them.
    let lost = later.append(&topic, vec![sample_entry(10)]).await.unwrap();
    assert_eq!(lost.durable.await.err().unwrap().kind(), Kind::Unavailable);
    assert_eq!(later.tail(&topic).await.unwrap().next, Offset(10));
    append(&later, &topic, 10..15).await;
    assert_samples(&read_all(&later, &topic).await, 0..15);
    // Whoever comes new sees the same, and so does the one that was overtaken.
    assert_samples(&read_all(&open(&settings), &topic).await, 0..15);
    assert_samples(&read_all(&former, &topic).await, 0..15);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_appended_last_is_asked_for() {
    let broker = shared();
    let settings = settings(&broker, "anew");
    let topic = topic("sis");
    let former = open(&settings);
    append(&former, &topic, 0..5).await;
    let later = open(&settings);
    assert_eq!(later.tail(&topic).await.unwrap().next, Offset(5));
    // The former one can note no schemas any more, so it repeats itself.
    append(&former, &topic, 0..2).await;
    assert_eq!(later.tail(&topic).await.unwrap().next, Offset(5), "it was not told");
    assert_eq!(later.tail_anew(&topic).await.unwrap().next, Offset(7));
    append(&later, &topic, 7..9).await;
    assert_eq!(later.tail_anew(&topic).await.unwrap().next, Offset(9));
    let records = read_all(&later, &topic).await;
    let (first, last) = records.split_at(5);
    assert_samples(first, 0..5);
    assert_samples(&last[..2], 0..2);
    assert_samples(&last[2..], 7..9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_at_the_end_goes_on_past_what_does_not_count() {
    let broker = shared();
    let settings = settings(&broker, "past");
    let topic = topic("sis");
    let former = open(&settings);
    append(&former, &topic, 0..2).await;
    append(&open(&settings), &topic, 2..5).await;
    // It remembers nothing of before.
    let later = open(&settings);
    assert_eq!(later.tail(&topic).await.unwrap().next, Offset(5));
    let late = former.append(&topic, vec![sample_entry(0), sample_entry(1)]).await.unwrap();
    assert!(late.durable.await.is_err());
    let lost = later.append(&topic, vec![sample_entry(5)]).await.unwrap();
    assert!(lost.durable.await.is_err());
    append(&later, &topic, 5..7).await;
    let read = later.read(&topic, Offset(5), 1 << 20);
    let read = tokio::time::timeout(Duration::from_secs(10), read).await.expect("it is read");
    assert_samples(&read.unwrap(), 5..7);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_too_long_for_a_record_is_cut_and_stays_in_order() {
    let broker = shared();
    let settings = KafkaSettings { message_bytes_max: 20_000, ..settings(&broker, "long") };
    let (log, topic) = (open(&settings), topic("sis"));
    let batch = sample_batch(&sample_schema(0), 2_000, 1);
    let position = Position { epoch: 1, commit: 9, ordinal: 0 };
    let boundary = Some(Boundary { position, committed_at: 1 });
    let long = Entry { body: Body::Rows(batch.clone()), boundary };
    let next = log.append(&topic, vec![long]).await.unwrap().durable.await.unwrap();
    assert!(next > Offset(1), "it is several");
    let records = read_all(&open(&settings), &topic).await;
    let batches: Vec<_> = records
        .iter()
        .map(|record| match &record.entry.body {
            Body::Rows(batch) => batch.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    let joined = syncline_core::ChangeBatch::concat(&batches).unwrap();
    let whole = |batch| Entry { body: Body::Rows(batch), boundary };
    assert!(same_entry(&whole(joined), &whole(batch)));
    let (last, before) = records.split_last().unwrap();
    assert_eq!(last.entry.boundary, boundary);
    assert!(before.iter().all(|record| record.entry.boundary.is_none()));
    let row = KafkaSettings { message_bytes_max: 100, ..settings.clone() };
    let error = open(&row).append(&topic, vec![whole(sample_batch(&sample_schema(0), 1, 1))]).await;
    let error = error.err().unwrap();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.hint_text().unwrap().contains("message_bytes_max"));
}

/// The end of a topic, once the broker has found its feet again.
async fn settled(log: &KafkaLog, topic: &Topic) -> Tail {
    for _ in 0..5 {
        match log.tail(topic).await {
            Err(error) if error.kind() == Kind::Unavailable => {}
            other => return other.unwrap(),
        }
    }
    log.tail(topic).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_loses_nothing_that_was_durable() {
    let mut broker = Broker::start().unwrap();
    let settings =
        KafkaSettings { delivery_timeout: Duration::from_secs(5), ..settings(&broker, "killed") };
    let (log, topic) = (open(&settings), topic("sis"));
    append(&log, &topic, 0..20).await;
    broker.kill().unwrap();
    let away = log.append(&topic, (20..23).map(sample_entry).collect()).await.unwrap();
    let error = away.durable.await.err().unwrap();
    assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
    assert!(error.hint_text().is_some_and(|hint| hint.contains("brokers")), "{error:?}");
    let unopened = KafkaLog::open(settings.clone()).unwrap_err();
    assert_eq!(unopened.kind(), Kind::Unavailable, "{unopened:?}");
    assert!(unopened.to_string().contains("no broker"), "{unopened}");
    broker.resume().unwrap();
    // What was sent to a broker that was away may be there after all.
    let tail = settled(&log, &topic).await;
    let first = tail.next.0;
    assert!((20..=23).contains(&first), "{tail:?}");
    append(&log, &topic, first..40).await;
    assert_samples(&read_all(&log, &topic).await, 0..40);
    assert_samples(&read_all(&open(&settings), &topic).await, 0..40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_would_lose_entries_is_refused() {
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    let broker = shared();
    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", broker.address());
    let admin: AdminClient<_> = config.create().unwrap();
    for (prefix, partitions, key, value, told) in [
        ("short", 1, "retention.ms", "60000", "retention.ms = 60000"),
        ("wide", 3, "retention.ms", "-1", "3 partitions"),
    ] {
        let name = format!("{prefix}.changes.sis");
        let made = NewTopic::new(&name, partitions, TopicReplication::Fixed(1)).set(key, value);
        admin.create_topics([&made], &AdminOptions::new()).await.unwrap();
        let error = open(&settings(&broker, prefix)).tail(&topic("sis")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.to_string().contains(told), "{error}");
        assert!(error.hint_text().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_topic_ends_where_it_begins() {
    let broker = shared();
    let log = Arc::new(open(&settings(&broker, "new")));
    assert_eq!(log.tail(&topic("sis")).await.unwrap(), Tail::default());
    assert_eq!(log.read(&topic("sis"), Offset(1), 1).await.unwrap_err().kind(), Kind::Corrupt);
}
