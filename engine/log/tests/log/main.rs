//! The logs against their contract: conformance, the model, crashes, faults.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conforms;
mod crash;
mod faults;
mod guarded;
mod journal;
mod kafka;
mod lease;
mod model;

use std::path::Path;
use syncline_core::{ChangeLog, Offset, Record, SystemName, Topic};
use syncline_log::{EmbeddedLog, Settings};

/// Segments and memory so small that every path is taken.
fn small() -> Settings {
    Settings {
        segment_bytes: 20_000,
        cache_bytes: 10_000,
        unsynced_bytes: 50_000,
        group_bytes: 8_000,
        read_bytes: 4_096,
        ..Settings::default()
    }
}

fn open(directory: &Path, settings: Settings) -> EmbeddedLog {
    EmbeddedLog::open(directory, settings).unwrap()
}

fn topic(name: &str) -> Topic {
    Topic::changes(&SystemName::new(name))
}

/// Reads from an offset to the end.
async fn read_all(
    log: &dyn ChangeLog,
    topic: &Topic,
    from: Offset,
) -> syncline_core::Result<Vec<Record>> {
    let end = log.tail(topic).await?.next;
    let mut records: Vec<Record> = Vec::new();
    let mut next = from;
    while next < end {
        records.extend(log.read(topic, next, 3000).await?);
        next = Offset(records.last().unwrap().offset.0 + 1);
    }
    Ok(records)
}

/// Copies a log's directory as it lies there now, as a crash of the process would leave it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// The segments of a topic, oldest first.
fn segments(directory: &Path, topic: &Topic) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory.join("topics").join(topic.as_str())).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
