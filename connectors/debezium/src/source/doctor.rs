//! What is wrong with the topics of a system, and what mends it.

use super::brokers::Brokers;
use super::settings::SourceSettings;
use syncline_core::{Error, Finding, Result, Severity, SystemName, TableName};
use syncline_log::KafkaSettings;

/// Looks the topics of these tables over. Brokers that can't be reached are a finding too. Blocks.
#[must_use]
pub fn doctor(system: &SystemName, settings: &SourceSettings, reads: &[TableName]) -> Vec<Finding> {
    let mut found = vec![encryption(system, &settings.kafka)];
    let looked = Brokers::new(system, settings).and_then(|brokers| {
        reads.iter().try_for_each(|table| look(&brokers, settings, table, &mut found))
    });
    if let Err(error) = looked {
        found.push(failed(&error));
    }
    found
}

/// What could not be looked at.
pub(crate) fn failed(error: &Error) -> Finding {
    Finding {
        severity: Severity::Error,
        problem: error.to_string(),
        detail: error.detail_text().map(str::to_owned),
        mend: error.hint_text().map(str::to_owned),
    }
}

/// Whether others can read along.
pub(crate) fn encryption(system: &SystemName, kafka: &KafkaSettings) -> Finding {
    let is_near = |broker: &String| {
        let host = broker.rsplit_once(':').map_or(broker.as_str(), |it| it.0);
        let host = host.trim_matches(['[', ']']);
        host == "localhost"
            || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    };
    if kafka.security.tls.is_some() {
        return well("the connection is encrypted and verified");
    }
    if kafka.brokers.iter().all(is_near) {
        return well("the connection stays on this machine");
    }
    Finding {
        severity: Severity::Warning,
        problem: "the connection is not encrypted".into(),
        detail: Some("what is in the topics travels in clear text".into()),
        mend: Some(format!("set tls = \"verify-full\" in [systems.{system}]")),
    }
}

fn look(
    brokers: &Brokers,
    settings: &SourceSettings,
    table: &TableName,
    found: &mut Vec<Finding>,
) -> Result<()> {
    let topic = settings.topic_of(table)?;
    let Some(partitions) = brokers.partitions(topic)? else {
        found.push(Finding {
            severity: Severity::Warning,
            problem: format!("there is no topic {topic}"),
            detail: Some(format!("nothing of {table} is read until it is there")),
            mend: Some("correct its name, or wait until the table has a row".into()),
        });
        return Ok(());
    };
    let mut trimmed = Vec::new();
    for &partition in &partitions {
        let there = brokers.range(topic, partition)?;
        if there.start > 0 {
            trimmed.push(format!("partition {partition} begins at offset {}", there.start));
        }
    }
    found.push(match trimmed.is_empty() {
        true => well(format!("topic {topic} of {table} has all its records, in {} partitions", partitions.len())),
        false => Finding {
            severity: Severity::Warning,
            problem: format!("topic {topic} of {table} no longer has its first records"),
            detail: Some(trimmed.join(", ")),
            mend: Some(
                "set retention.ms=-1 for the topic; for rows that are missing, ask Debezium for an \
                 incremental snapshot"
                    .into(),
            ),
        },
    });
    Ok(())
}

/// That all is well.
pub(crate) fn well(what: impl Into<String>) -> Finding {
    Finding { severity: Severity::Ok, problem: what.into(), detail: None, mend: None }
}
