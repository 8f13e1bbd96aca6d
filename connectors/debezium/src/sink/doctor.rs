//! What is wrong with topics that are written, and what mends it.

use super::settings::{SinkSettings, section};
use crate::source::{encryption, failed, well};
use syncline_core::{Finding, Result, Severity, SystemName, TableName};
use syncline_log::{KafkaFeed, KafkaFeeds};

/// What no topic's name can be, as it is no topic of a reader.
const NO_READER: &str = "doctor";

/// Looks the topics of these tables over. Brokers that can't be reached are a finding too. Blocks.
#[must_use]
pub fn doctor_written(
    system: &SystemName,
    settings: &SinkSettings,
    writes: &[TableName],
) -> Vec<Finding> {
    let mut found = vec![encryption(system, &settings.kafka)];
    if let Err(error) = look(system, settings, writes, &mut found) {
        found.push(failed(&error));
    }
    found
}

fn look(
    system: &SystemName,
    settings: &SinkSettings,
    writes: &[TableName],
    found: &mut Vec<Finding>,
) -> Result<()> {
    let feeds = KafkaFeeds::new(settings.kafka.clone(), &section(system), NO_READER)?;
    for table in writes {
        let topic = settings.topic_of(table);
        found.push(match feeds.find(&topic)? {
            None => well(format!("topic {topic} of {table} is made with its first row")),
            Some(feed) => of_topic(&topic, table, &feed),
        });
    }
    Ok(())
}

fn of_topic(topic: &str, table: &TableName, feed: &KafkaFeed) -> Finding {
    let warning = |problem: String, detail: &str, mend: &str| Finding {
        severity: Severity::Warning,
        problem,
        detail: Some(detail.to_owned()),
        mend: Some(mend.to_owned()),
    };
    if let Some(kept) = feed.keeps_for {
        let hours = kept.as_secs() / 3600;
        return warning(
            format!("topic {topic} of {table} keeps its records for {hours} hours"),
            "a consumer that begins later does not have the rows that were not written since",
            "set retention.ms=-1 on it, or copy them again when one begins: syncline backfill",
        );
    }
    if feed.is_compacted || feed.partitions > 1 {
        return warning(
            format!("topic {topic} of {table} takes no truncate"),
            "it is compacted, or has several partitions; a truncate of the source stops its lane",
            "leave it so where the source's table is never truncated",
        );
    }
    well(format!("topic {topic} of {table} keeps all its records, in order"))
}
