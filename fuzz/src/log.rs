//! A topic's segment, as the log opens and reads it.

use crate::{repair, same, scratch};
use std::fs;
use std::future::Future;
use std::sync::OnceLock;
use syncline_core::{Body, ChangeLog, Entry, Offset, SystemName, Topic};
use syncline_log::{EmbeddedLog, Settings};
use tokio::runtime::Runtime;

/// How many entries are read.
const READS_MAX: usize = 64;

/// A log opens or says why not; entries are read or said to be damaged; and where it opened once it does
/// so again, with what was appended.
pub(crate) fn run(data: &[u8]) {
    let directory = scratch::directory();
    let topic = Topic::changes(&SystemName::new("finance"));
    let folder = directory.path().join("topics").join(topic.as_str());
    fs::create_dir_all(&folder).expect("there is room for it");
    fs::write(folder.join(format!("{:020}.log", 0)), repair::file(data)).expect("there is room");
    let Ok(log) = EmbeddedLog::open(directory.path(), Settings::default()) else { return };
    let wait = waiting();
    let Ok(end) = wait.block_on(log.tail(&topic)).map(|tail| tail.next) else { return };
    let mut from = Offset(0);
    for _ in 0..READS_MAX {
        if from >= end {
            break;
        }
        let Ok(records) = wait.block_on(log.read(&topic, from, 1 << 16)) else { break };
        records.iter().for_each(|record| same::survives(&record.entry));
        let Some(last) = records.last() else { break };
        from = Offset(last.offset.0 + 1);
    }
    let entry = Entry { body: Body::Nothing, boundary: None };
    let appended = append(&log, &topic, entry);
    drop(log);
    let Some(next) = wait.block_on(appended) else { return };
    let log = EmbeddedLog::open(directory.path(), Settings::default()).expect("it opened before");
    assert_eq!(wait.block_on(log.tail(&topic)).expect("it is there").next, next);
}

/// The end of the topic once the entry is durable.
fn append(
    log: &EmbeddedLog,
    topic: &Topic,
    entry: Entry,
) -> impl Future<Output = Option<Offset>> + use<> {
    let appended = waiting().block_on(log.append(topic, vec![entry]));
    async move { appended.ok()?.durable.await.ok() }
}

fn waiting() -> &'static Runtime {
    static WAITING: OnceLock<Runtime> = OnceLock::new();
    WAITING.get_or_init(|| {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime without threads")
    })
}
