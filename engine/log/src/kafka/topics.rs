//! Making topics, and refusing those that would lose what is in them.

use super::client::{Admin, Clients};
use fail::fail_point;
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::topic_partition_list::Offset;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use syncline_core::{Error, Kind, Result};

/// For how long it is listened to why nobody answers.
const TELLING: Duration = Duration::from_millis(500);

/// What a topic is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Entries, kept until we let go of them.
    Entries,
    /// The last note of each name.
    Notes,
    /// The last row of each key.
    Claims,
    /// Nothing.
    Work,
}

/// How long the brokers tell at least that a row of a journal was taken away.
const GONE_TOLD: &str = "86400000";

/// A copy that was whole so long ago may have missed nothing: half of [`GONE_TOLD`], as clocks differ.
pub(super) const GONE_FOR: Duration = Duration::from_secs(43_200);

impl Use {
    /// What a topic must be set to: its name, and the value.
    fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Entries => &[
                ("cleanup.policy", "delete"),
                // We let go ourselves, of what every reader has passed.
                ("retention.ms", "-1"),
                ("retention.bytes", "-1"),
            ],
            Self::Notes => &[("cleanup.policy", "compact")],
            Self::Work => &[],
            Self::Claims => &[("cleanup.policy", "compact"), ("delete.retention.ms", GONE_TOLD)],
        }
    }
}

/// Makes a topic, or checks the one that is there. Blocks.
///
/// # Errors
/// `Config` where it is set so that it would lose entries, or must not be made; `Unavailable` where the
/// brokers are away.
pub(super) fn ensure(clients: &Clients, admin: &Admin, name: &str, of: Use) -> Result<()> {
    match make(clients, admin, name, 1, of.settings())? {
        Made::New => Ok(()),
        Made::Before => check(clients, admin, name, of),
    }
}

/// Whether a topic was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    New,
    Before,
}

/// Makes a topic with these settings, where there is none of its name. Blocks.
///
/// # Errors
/// The same.
pub(super) fn make(
    clients: &Clients,
    admin: &Admin,
    name: &str,
    partitions: i32,
    with: &[(&str, &str)],
) -> Result<Made> {
    let settings = &clients.settings;
    let (message_bytes, in_sync) =
        ((settings.message_bytes_max + (1 << 16)).to_string(), settings.replicas_in_sync_min);
    let in_sync = in_sync.map(|it| it.to_string());
    let replicas = settings.replicas.map_or(-1, i32::from);
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replicas))
        .set("max.message.bytes", &message_bytes);
    for (key, value) in with {
        topic = topic.set(key, value);
    }
    if let Some(in_sync) = &in_sync {
        topic = topic.set("min.insync.replicas", in_sync);
    }
    let failed = |error: &KafkaError| clients.error(format!("can't make topic {name}"), error);
    let made = futures::executor::block_on(admin.create_topics([&topic], &options(clients)));
    match made.map_err(|error| failed(&error))?.pop() {
        None | Some(Ok(_)) => {
            fail_point!("kafka.topic_made");
            Ok(Made::New)
        }
        Some(Err((_, Code::TopicAlreadyExists))) => Ok(Made::Before),
        Some(Err((_, code))) => Err(failed(&KafkaError::AdminOp(code))),
    }
}

fn options(clients: &Clients) -> AdminOptions {
    let timeout = Some(clients.settings.request_timeout);
    AdminOptions::new().request_timeout(timeout).operation_timeout(timeout)
}

/// Whether a topic that is there keeps what it must.
fn check(clients: &Clients, admin: &Admin, name: &str, of: Use) -> Result<()> {
    let partitions = partitions(clients, admin, name)?.unwrap_or_default();
    if partitions > 1 {
        return Err(Error::new(Kind::Config, format!("topic {name} has {partitions} partitions"))
            .detail("source transactions are whole, and in order, in one partition only")
            .hint(format!("delete the topic {name}, or set another prefix in [log]")));
    }
    let values = set_to(clients, admin, name)?;
    let wrong = of
        .settings()
        .iter()
        .find(|(key, value)| values.get(*key).is_some_and(|found| found != value));
    match wrong {
        None => Ok(()),
        Some((key, value)) => {
            let found = values.get(*key).map(String::as_str).unwrap_or_default();
            Err(Error::new(Kind::Config, format!("topic {name} has {key} = {found}"))
                .detail("the brokers would delete what not every reader has read")
                .hint(format!("set {key} = {value} on it")))
        }
    }
}

/// How many partitions a topic has; `None` where there is no such topic. Blocks.
///
/// # Errors
/// `Unavailable` where the brokers are away, `Config` where they refuse us.
pub(super) fn partitions(clients: &Clients, admin: &Admin, name: &str) -> Result<Option<usize>> {
    let failed = |error: &KafkaError| clients.error(format!("can't look at topic {name}"), error);
    let timeout = clients.settings.request_timeout;
    let metadata = admin.inner().fetch_metadata(Some(name), timeout).map_err(|it| failed(&it))?;
    let Some(topic) = metadata.topics().first() else { return Ok(None) };
    match topic.error().map(Code::from) {
        None => Ok(Some(topic.partitions().len())),
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Ok(None),
        // It was made just now.
        Some(Code::LeaderNotAvailable) => Ok(Some(topic.partitions().len())),
        Some(code) => Err(failed(&KafkaError::MetadataFetch(code))),
    }
}

/// What a topic is set to, by the names of its settings. Blocks.
///
/// # Errors
/// The same.
pub(super) fn set_to(
    clients: &Clients,
    admin: &Admin,
    name: &str,
) -> Result<HashMap<String, String>> {
    let failed = |error: &KafkaError| clients.error(format!("can't look at topic {name}"), error);
    let asked = ResourceSpecifier::Topic(name);
    let found = futures::executor::block_on(admin.describe_configs([&asked], &options(clients)));
    match found.map_err(|error| failed(&error))?.pop() {
        Some(Ok(found)) => {
            let entries = found.entries.into_iter();
            Ok(entries.filter_map(|entry| Some((entry.name, entry.value?))).collect())
        }
        Some(Err(code)) => Err(failed(&KafkaError::AdminOp(code))),
        None => Ok(HashMap::new()),
    }
}

/// Lets go of everything before an offset; returns what the topic begins with then. Blocks.
///
/// # Errors
/// `Unavailable` where the brokers are away.
pub(super) fn delete_before(
    clients: &Clients,
    admin: &Admin,
    name: &str,
    offset: u64,
) -> Result<u64> {
    let failed = |error: &KafkaError| clients.error(format!("can't trim topic {name}"), error);
    let mut wanted = TopicPartitionList::new();
    let at = Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
    wanted.add_partition_offset(name, 0, at).map_err(|error| failed(&error))?;
    let deleted = futures::executor::block_on(admin.delete_records(&wanted, &options(clients)));
    let deleted = deleted.map_err(|error| failed(&error))?;
    let elements = deleted.elements();
    let Some(element) = elements.first() else { return Ok(offset) };
    element.error().map_err(|error| failed(&error))?;
    Ok(match element.offset() {
        Offset::Offset(first) => u64::try_from(first).unwrap_or(offset),
        _ => offset,
    })
}

/// Asks the brokers for anything, so that what is wrong is known before there is work.
///
/// # Errors
/// `Unavailable` where they are away, `Config` where they refuse us.
pub(super) fn greet(clients: &Clients) -> Result<()> {
    let reader = clients.reader()?;
    let Err(error) = reader.fetch_metadata(None, clients.settings.request_timeout) else {
        return Ok(());
    };
    // Why nobody answers is told by another way, and maybe a little later.
    let began = Instant::now();
    while began.elapsed() < TELLING {
        drop(reader.poll(TELLING / 10));
    }
    Err(clients
        .error(format!("no broker of {} answers", clients.settings.brokers.join(", ")), &error))
}
