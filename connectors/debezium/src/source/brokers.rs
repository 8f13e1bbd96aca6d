//! Topics at the brokers: which partitions there are, where they begin and end, and what is in them.

use super::settings::SourceSettings;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::topic_partition_list::Offset as At;
use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};
use syncline_core::{Error, Kind, Result, SystemName};
use syncline_log::{KafkaConsumer, KafkaTopics};

/// How long one poll of a scan waits.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A record as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) offset: u64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
}

impl Sent {
    /// Its size in bytes.
    pub(crate) fn bytes(&self) -> usize {
        [&self.key, &self.value].into_iter().flatten().map(Vec::len).sum()
    }
}

/// Where a record was, and when it was written, in ms since 1970 UTC.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) at_ms: Option<i64>,
    pub(crate) sent: Sent,
}

/// The brokers of one system, and consumers at them: one that follows what comes, and one that goes back.
///
/// Invariant: all that the follower was given is gathered, so its positions never are beyond what is known.
pub(crate) struct Brokers {
    topics: KafkaTopics,
    consumer: KafkaConsumer,
    scanner: KafkaConsumer,
    timeout: Duration,
}

impl Brokers {
    /// # Errors
    /// `Config` where the settings can't work.
    pub(crate) fn new(system: &SystemName, settings: &SourceSettings) -> Result<Self> {
        let topics = KafkaTopics::new(settings.kafka.clone(), format!("systems.{system}"))?;
        let (consumer, scanner) =
            (topics.consumer(&settings.group)?, topics.consumer(&settings.group)?);
        Ok(Self { timeout: settings.kafka.request_timeout, topics, consumer, scanner })
    }

    /// What the brokers call themselves together; `None` where they don't say.
    pub(crate) fn cluster(&self) -> Option<String> {
        self.consumer.client().fetch_cluster_id(self.timeout)
    }

    /// The partitions of a topic; `None` where there is no such topic.
    pub(crate) fn partitions(&self, topic: &str) -> Result<Option<Vec<i32>>> {
        let failed = |error: &KafkaError| self.failed("look at", topic, error);
        let metadata = self
            .consumer
            .fetch_metadata(Some(topic), self.timeout)
            .map_err(|error| failed(&error))?;
        let Some(found) = metadata.topics().iter().find(|it| it.name() == topic) else {
            return Ok(None);
        };
        match found.error().map(Code::from) {
            None => {}
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => return Ok(None),
            Some(code) => return Err(failed(&KafkaError::MetadataFetch(code))),
        }
        let mut partitions: Vec<i32> = found.partitions().iter().map(|it| it.id()).collect();
        partitions.sort_unstable();
        Ok(Some(partitions).filter(|it| !it.is_empty()))
    }

    /// The offsets that a partition has.
    pub(crate) fn range(&self, topic: &str, partition: i32) -> Result<Range<u64>> {
        let (low, high) = self
            .consumer
            .fetch_watermarks(topic, partition, self.timeout)
            .map_err(|error| self.failed("look at", topic, &error))?;
        let offset = |of: i64| u64::try_from(of).unwrap_or_default();
        Ok(offset(low)..offset(high))
    }

    /// Reads on from these places, and nothing else.
    pub(crate) fn follow<'p>(
        &self,
        places: impl IntoIterator<Item = (&'p str, i32, u64)>,
    ) -> Result<()> {
        self.assign(&self.consumer, places)
    }

    fn assign<'p>(
        &self,
        consumer: &KafkaConsumer,
        places: impl IntoIterator<Item = (&'p str, i32, u64)>,
    ) -> Result<()> {
        let list = list(places);
        list.and_then(|list| consumer.assign(&list))
            .map_err(|error| self.topics.error("can't read topics", &error))
    }

    /// The next record; `None` where none came in this time.
    pub(crate) fn next(&self, wait: Duration) -> Result<Option<Arrived>> {
        match self.consumer.poll(wait) {
            Some(Ok(message)) => Ok(Some(arrived(&message))),
            None | Some(Err(KafkaError::PartitionEOF(_))) => Ok(None),
            Some(Err(error)) => Err(self.unread(&error)),
        }
    }

    /// The places behind what was read, also where something was read that is no record: marks of
    /// transactions.
    pub(crate) fn positions(&self) -> Vec<(String, i32, u64)> {
        let list = self.consumer.position().unwrap_or_default();
        let known = |offset: At| match offset {
            At::Offset(next) => u64::try_from(next).ok(),
            _ => None,
        };
        let elements = list.elements();
        let places = elements
            .iter()
            .filter_map(|it| Some((it.topic().to_owned(), it.partition(), known(it.offset())?)));
        places.collect()
    }

    /// Goes through the records of a range of one partition, as far as they are there and wanted.
    pub(crate) fn scan(
        &self,
        topic: &str,
        partition: i32,
        range: Range<u64>,
        mut visit: impl FnMut(Sent) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        self.assign(&self.scanner, [(topic, partition, range.start)])?;
        let mut heard = Instant::now();
        loop {
            match self.scanner.poll(LOOK_AGAIN) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    let Arrived { sent, .. } = arrived(&message);
                    let offset = sent.offset;
                    if offset < range.end && visit(sent)?.is_break() {
                        return Ok(());
                    }
                    if offset + 1 >= range.end {
                        return Ok(());
                    }
                }
                // Behind the last record there may be what was compacted away.
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                Some(Err(error)) => return Err(self.unread(&error)),
                None if heard.elapsed() > self.timeout => {
                    let wait = self.timeout.as_secs();
                    return Err(Error::new(Kind::Unavailable, format!("can't read topic {topic}"))
                        .detail(format!("no broker gave a record within {wait} s")));
                }
                None => {}
            }
        }
    }

    /// Leaves word at the group of how far the log is. For people's tools: nothing of ours reads it, and what
    /// keeps it from being written is told nobody.
    pub(crate) fn leave_word<'p>(&self, places: impl IntoIterator<Item = (&'p str, i32, u64)>) {
        let list = list(places);
        if let Err(error) = list.and_then(|list| self.consumer.commit(&list, CommitMode::Async)) {
            tracing::debug!(%error, "no word was left at the consumer group");
        }
    }

    /// A place that is no longer there is named by the run that begins next.
    fn unread(&self, error: &KafkaError) -> Error {
        match error.rdkafka_error_code() {
            Some(Code::OffsetOutOfRange | Code::AutoOffsetReset) => {
                Error::new(Kind::Unavailable, "records went away before they were read")
                    .detail("capture begins again, and says which")
            }
            _ => self.topics.error("can't read topics", error),
        }
    }

    fn failed(&self, what: &str, topic: &str, error: &KafkaError) -> Error {
        self.topics.error(format!("can't {what} topic {topic}"), error)
    }
}

fn list<'p>(
    places: impl IntoIterator<Item = (&'p str, i32, u64)>,
) -> std::result::Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for (topic, partition, next) in places {
        let at = At::Offset(i64::try_from(next).unwrap_or(i64::MAX));
        list.add_partition_offset(topic, partition, at)?;
    }
    Ok(list)
}

fn arrived(message: &BorrowedMessage<'_>) -> Arrived {
    Arrived {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        at_ms: message.timestamp().to_millis(),
        sent: Sent {
            offset: u64::try_from(message.offset()).unwrap_or_default(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
        },
    }
}
