//! What a consumer of committed records hears.

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use syncline_core::conformance::sink::Items;

const DEADLINE: Duration = Duration::from_secs(30);

/// A record as it was heard.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) partition: i32,
    pub(crate) key: Option<Value>,
    pub(crate) key_bytes: Vec<u8>,
    /// `None` for a tombstone.
    pub(crate) value: Option<Value>,
}

impl Heard {
    /// A letter of Debezium's, or `-` for a tombstone.
    pub(crate) fn op(&self) -> &str {
        self.value.as_ref().map_or("-", |value| value["op"].as_str().unwrap())
    }
}

/// All that was committed to a topic, a partition after the other; nothing where there is no such topic.
pub(crate) fn heard(brokers: &str, topic: &str) -> Vec<Heard> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "consumer")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), DEADLINE).unwrap();
    let found = metadata.topics().first().unwrap();
    if found.error().is_some() {
        return Vec::new();
    }
    let mut waits: BTreeSet<i32> = found.partitions().iter().map(|it| it.id()).collect();
    let mut list = TopicPartitionList::new();
    for &partition in &waits {
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let (mut heard, began) = (Vec::new(), Instant::now());
    while !waits.is_empty() {
        assert!(began.elapsed() < DEADLINE, "topic {topic} has no end");
        match consumer.poll(Duration::from_millis(50)) {
            Some(Ok(message)) => heard.push(as_heard(&message)),
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(waits.remove(&partition)),
            Some(Err(error)) => panic!("{error}"),
            None => {}
        }
    }
    heard.sort_by_key(|it: &Heard| it.partition);
    heard
}

fn as_heard(message: &BorrowedMessage<'_>) -> Heard {
    let payload = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap()["payload"].take();
    Heard {
        partition: message.partition(),
        key: message.key().map(payload),
        key_bytes: message.key().unwrap_or_default().to_vec(),
        value: message.payload().map(payload),
    }
}

/// The rows that a consumer has in the end, of [`syncline_core::conformance::sink::items`].
pub(crate) fn items(records: &[Heard]) -> Items {
    let mut items = Items::new();
    for record in records {
        let id = record.key.as_ref().map(|key| key["id"].as_i64().unwrap());
        match (record.op(), id) {
            ("t", None) => items.clear(),
            ("d", Some(id)) => drop(items.remove(&id)),
            ("-", Some(id)) => assert!(!items.contains_key(&id), "a tombstone follows its delete"),
            (_, Some(id)) => {
                let after = &record.value.as_ref().unwrap()["after"];
                let name = after["name"].as_str().map(str::to_owned);
                items.insert(id, (name, after["amount"].as_i64()));
            }
            (op, None) => panic!("{op} without key"),
        }
    }
    items
}
