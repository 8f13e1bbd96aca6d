//! The embedded log on a disk that fails.

use crate::{open, read_all, small, topic};
use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use syncline_core::conformance::{same_entry, sample_entry};
use syncline_core::{
    Appended, Body, ChangeLog, Entry, Kind, Offset, ReaderName, SystemName, Topic,
};
use syncline_log::{EmbeddedLog, Settings};
use syncline_segment::Disk;
use tempfile::TempDir;

/// Fails as told, until told otherwise.
#[derive(Debug, Default)]
struct FaultyDisk {
    write: Mutex<Option<io::ErrorKind>>,
    sync_fails: AtomicBool,
    /// Held by a test while nothing may become durable.
    sync_gate: Mutex<()>,
}

impl Disk for FaultyDisk {
    fn write(&self, file: &mut File, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(kind) = *self.write.lock().unwrap() else { return file.write_vectored(pieces) };
        // Part of it gets through, as on a real disk.
        let half = &pieces[0][..pieces[0].len() / 2];
        file.write_all(half)?;
        Err(kind.into())
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let _open = self.sync_gate.lock().unwrap();
        match self.sync_fails.load(Ordering::Relaxed) {
            true => Err(io::Error::other("no such luck")),
            false => file.sync_data(),
        }
    }
}

struct Run {
    directory: TempDir,
    disk: Arc<FaultyDisk>,
    log: EmbeddedLog,
    topic: Topic,
}

impl Run {
    /// A log with the first five entries durable.
    async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let disk = Arc::new(FaultyDisk::default());
        let log = EmbeddedLog::open_on(disk.clone(), directory.path(), small()).unwrap();
        let run = Self { directory, disk, log, topic: topic("faulty") };
        assert_eq!(run.append(0..5).await.durable.await.unwrap(), Offset(5));
        run
    }

    async fn append(&self, range: std::ops::Range<u64>) -> Appended {
        self.log.append(&self.topic, range.map(sample_entry).collect()).await.unwrap()
    }

    fn fail_writes(&self, kind: Option<io::ErrorKind>) {
        *self.disk.write.lock().unwrap() = kind;
    }

    /// What is there after a restart on a disk that works.
    async fn after_restart(self) -> u64 {
        drop(self.log);
        let log = open(self.directory.path(), small());
        let records = read_all(&log, &self.topic, Offset(0)).await.unwrap();
        for record in &records {
            assert!(same_entry(&record.entry, &sample_entry(record.offset.0)));
        }
        records.len() as u64
    }
}

async fn is_pending<T>(future: impl Future<Output = T>) -> bool {
    tokio::time::timeout(Duration::from_millis(30), future).await.is_err()
}

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "the lock is what keeps the disk from syncing")]
async fn nothing_is_seen_before_it_is_durable_and_appending_waits_for_room() {
    let run = Run::new().await;
    let reader = ReaderName::apply(&SystemName::new("lms"), &run.topic);
    let gate = run.disk.sync_gate.lock().unwrap();
    let mut appended = run.append(5..8).await;
    assert_eq!(appended.next, Offset(8));
    assert!(is_pending(&mut appended.durable).await);
    assert!(is_pending(run.log.read(&run.topic, Offset(5), 1)).await);
    assert!(is_pending(run.log.commit(&reader, &run.topic, Offset(1))).await);
    assert_eq!(run.log.tail(&run.topic).await.unwrap().next, Offset(5));
    assert_eq!(run.log.progress(&reader, &run.topic).await.unwrap(), None);
    let mut next = 8;
    while !is_pending(run.log.append(&run.topic, vec![sample_entry(next)])).await {
        next += 1;
        assert!(next < 1000, "what is not durable is bounded");
    }
    drop(gate);
    assert_eq!(appended.durable.await.unwrap(), Offset(8));
    assert_eq!(run.append(next..next + 1).await.durable.await.unwrap(), Offset(next + 1));
    assert_eq!(run.after_restart().await, next + 1);
}

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "the lock is what keeps the disk from failing yet")]
async fn a_full_disk_loses_nothing_durable_and_appending_goes_on_once_there_is_room() {
    let run = Run::new().await;
    let mut fails = run.disk.write.lock().unwrap();
    *fails = Some(io::ErrorKind::StorageFull);
    let (first, second) = (run.append(5..8).await, run.append(8..9).await);
    drop(fails);
    let error = first.durable.await.err().unwrap();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.hint_text().unwrap().contains("free space"));
    run.fail_writes(None);
    let early = run.log.append(&run.topic, vec![sample_entry(9)]).await;
    assert_eq!(early.err().unwrap().kind(), Kind::Unavailable, "it would leave a gap");
    assert_eq!(second.durable.await.err().unwrap().kind(), Kind::Unavailable);
    assert_eq!(run.log.tail(&run.topic).await.unwrap().next, Offset(5));
    // The lost group held the first rows of their schema's second revision.
    assert_eq!(run.append(5..40).await.durable.await.unwrap(), Offset(40));
    assert_eq!(read_all(&run.log, &run.topic, Offset(0)).await.unwrap().len(), 40);
    assert_eq!(run.after_restart().await, 40);
}

#[tokio::test]
async fn a_full_disk_fails_commits_and_new_topics_until_there_is_room() {
    let run = Run::new().await;
    let reader = ReaderName::apply(&SystemName::new("lms"), &run.topic);
    run.fail_writes(Some(io::ErrorKind::StorageFull));
    let other = Topic::entity("person");
    let error = run.log.commit(&reader, &run.topic, Offset(3)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(run.log.progress(&reader, &run.topic).await.unwrap(), None);
    let appended = run.log.append(&other, vec![sample_entry(0)]).await.unwrap();
    assert_eq!(appended.durable.await.err().unwrap().kind(), Kind::Unavailable);
    run.fail_writes(None);
    run.log.commit(&reader, &run.topic, Offset(3)).await.unwrap();
    let appended = run.log.append(&other, vec![sample_entry(0)]).await.unwrap();
    assert_eq!(appended.durable.await.unwrap(), Offset(1));
    assert_eq!(run.after_restart().await, 5);
}

#[tokio::test]
async fn a_failed_sync_poisons_every_later_call() {
    let run = Run::new().await;
    let reader = ReaderName::apply(&SystemName::new("lms"), &run.topic);
    let waiting = run.log.read(&run.topic, Offset(5), 1);
    run.disk.sync_fails.store(true, Ordering::Relaxed);
    let appended = run.append(5..8);
    let (waiting, appended) = tokio::join!(waiting, async { appended.await.durable.await });
    run.disk.sync_fails.store(false, Ordering::Relaxed);
    let other = Topic::entity("person");
    let errors = [
        waiting.err(),
        appended.err(),
        run.log.append(&run.topic, vec![]).await.err(),
        run.log.append(&other, vec![]).await.err(),
        run.log.read(&run.topic, Offset(0), 1).await.err(),
        run.log.tail(&run.topic).await.err(),
        run.log.progress(&reader, &run.topic).await.err(),
        run.log.commit(&reader, &run.topic, Offset(1)).await.err(),
        run.log.trim(&run.topic).await.err(),
    ];
    for (call, error) in errors.into_iter().enumerate() {
        assert_eq!(error.unwrap().kind(), Kind::Corrupt, "call {call}");
    }
    assert!((5..=8).contains(&run.after_restart().await));
}

#[tokio::test]
async fn a_failed_write_poisons_too_and_what_was_durable_is_there_after_a_restart() {
    let run = Run::new().await;
    run.fail_writes(Some(io::ErrorKind::BrokenPipe));
    let appended = run.append(5..8).await;
    assert_eq!(appended.durable.await.err().unwrap().kind(), Kind::Corrupt);
    run.fail_writes(None);
    assert_eq!(run.log.tail(&run.topic).await.unwrap_err().kind(), Kind::Corrupt);
    assert_eq!(run.after_restart().await, 5);
}

#[tokio::test]
async fn what_systems_commit_waits_at_the_limit_and_nothing_else_does() {
    let directory = TempDir::new().unwrap();
    let log = open(directory.path(), Settings { bytes_max: Some(60_000), ..small() });
    let (changes, golden) = (topic("sis"), Topic::entity("person"));
    let slow = ReaderName::apply(&SystemName::new("lms"), &changes);
    let append =
        async |topic: &Topic, entry: Entry| log.append(topic, vec![entry]).await?.durable.await;
    log.append(&changes, Vec::new()).await.unwrap();
    log.commit(&slow, &changes, Offset(0)).await.unwrap();
    // Whoever is refused comes again from where it was.
    let mut next = 0;
    let error = loop {
        match append(&changes, sample_entry(next)).await {
            Ok(offset) => next = offset.0,
            Err(error) => break error,
        }
        assert!(next < 10_000, "there is an end");
    };
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.detail_text().unwrap().contains(slow.as_str()), "{error:?}");
    assert!(append(&topic("hr"), sample_entry(0)).await.is_err(), "all systems wait");
    append(&golden, sample_entry(0)).await.unwrap();
    assert!(append(&changes, sample_entry(next)).await.is_err(), "still");
    // Half of it read is not enough for all of it to go, but for something.
    log.commit(&slow, &changes, Offset(next / 2)).await.unwrap();
    let part = Entry { boundary: None, body: Body::Truncate(Vec::new()) };
    append(&changes, part.clone()).await.unwrap();
    while directory_bytes(directory.path()) < 200_000 {
        append(&changes, part.clone()).await.expect("a transaction is taken to its end");
    }
    let end = append(&changes, sample_entry(next)).await.unwrap();
    assert!(append(&changes, sample_entry(next)).await.is_err(), "and nothing behind it");
    drop(log);
    let log = EmbeddedLog::open(directory.path(), small()).unwrap();
    log.commit(&slow, &changes, end).await.unwrap();
    drop(log);
    let log = open(directory.path(), Settings { bytes_max: Some(60_000), ..small() });
    let appended = log.append(&changes, vec![sample_entry(next)]).await.unwrap();
    assert_eq!(appended.durable.await.unwrap(), Offset(end.0 + 1));
}

fn directory_bytes(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).unwrap();
    entries
        .map(|entry| match entry.unwrap() {
            entry if entry.path().is_dir() => directory_bytes(&entry.path()),
            entry => entry.metadata().unwrap().len(),
        })
        .sum()
}
