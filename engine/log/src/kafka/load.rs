//! Where a topic begins and ends, as the brokers have it.

use super::client::{Clients, Reader};
use super::record;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::Offset as At;
use std::time::{Duration, Instant};
use syncline_core::{Error, Kind, Result, Tail};

/// How many records are looked at first, to find the last that counts.
const FIRST_LOOK: u64 = 4;

/// How often a topic that was made just now is asked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A topic as it rests at the brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loaded {
    /// The first offset that is there.
    pub(super) first: u64,
    /// The end of what counts.
    pub(super) tail: Tail,
    /// The offset that the next record gets.
    pub(super) end: u64,
}

/// Looks at a topic. Blocks.
///
/// # Errors
/// `Unavailable` where the brokers are away.
pub(super) fn load(clients: &Clients, name: &str) -> Result<Loaded> {
    let reader = clients.reader()?;
    let (first, end) = watermarks(clients, &reader, name)?;
    let (mut look, mut from) = (FIRST_LOOK, end);
    while from > first {
        from = end.saturating_sub(look).max(first);
        let mut last = None;
        scan(clients, &reader, name, from..end, |message| {
            last = record::head(message).map(|head| head.tail).or(last);
            Ok(())
        })?;
        if let Some(tail) = last {
            return Ok(Loaded { first, tail, end });
        }
        look = look.saturating_mul(16);
    }
    // Nothing that counts: offsets begin where the brokers say.
    let next = syncline_core::Offset(first);
    Ok(Loaded { first, tail: Tail { next, ..Tail::default() }, end })
}

/// The first offset that is there, and the one behind the last. A topic that was made just now may not be
/// known to all brokers yet.
pub(super) fn watermarks(clients: &Clients, reader: &Reader, name: &str) -> Result<(u64, u64)> {
    let timeout = clients.settings.request_timeout;
    let began = Instant::now();
    loop {
        match reader.fetch_watermarks(name, 0, timeout) {
            Ok((low, high)) => {
                let offset = |of: i64| u64::try_from(of).unwrap_or_default();
                return Ok((offset(low), offset(high)));
            }
            Err(error) if is_new(&error) && began.elapsed() < timeout => {
                std::thread::park_timeout(LOOK_AGAIN);
            }
            Err(error) => return Err(clients.error(format!("can't look at topic {name}"), &error)),
        }
    }
}

fn is_new(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::UnknownTopicOrPartition
                | Code::UnknownPartition
                | Code::UnknownTopic
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
        )
    )
}

/// Goes through the records of a range. Blocks.
pub(super) fn scan(
    clients: &Clients,
    reader: &Reader,
    name: &str,
    range: std::ops::Range<u64>,
    mut visit: impl FnMut(&BorrowedMessage<'_>) -> Result<()>,
) -> Result<()> {
    let failed = |error: &KafkaError| clients.error(format!("can't read topic {name}"), error);
    if range.is_empty() {
        return Ok(());
    }
    reader
        .assign(&place(name, range.start).map_err(|it| failed(&it))?)
        .map_err(|it| failed(&it))?;
    let timeout = clients.settings.request_timeout;
    let mut heard = Instant::now();
    loop {
        match reader.poll(LOOK_AGAIN) {
            Some(Ok(message)) => {
                heard = Instant::now();
                let offset = u64::try_from(message.offset()).unwrap_or_default();
                if offset < range.end {
                    visit(&message)?;
                }
                if offset + 1 >= range.end {
                    return Ok(());
                }
            }
            // Behind the last record there may be what was compacted away.
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
            Some(Err(error)) => return Err(failed(&error)),
            None if heard.elapsed() > timeout => {
                return Err(Error::new(Kind::Unavailable, format!("topic {name} can't be read"))
                    .detail(format!("no broker gave a record within {} s", timeout.as_secs())));
            }
            None => {}
        }
    }
}

/// A place in a topic.
pub(super) fn place(
    name: &str,
    offset: u64,
) -> std::result::Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    let at = At::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
    list.add_partition_offset(name, 0, at)?;
    Ok(list)
}
