//! What a crash, a damaged disk or a second process can do to the embedded log.

use crate::{copy, open, read_all, segments, small, topic};
use std::path::Path;
use syncline_core::conformance::{same_entry, sample_entry};
use syncline_core::{Body, ChangeLog, Entry, Kind, Offset, ReaderName, Result, SystemName, Topic};
use syncline_log::{EmbeddedLog, Settings};
use tempfile::TempDir;

async fn append(log: &EmbeddedLog, topic: &Topic, range: std::ops::Range<u64>) -> Offset {
    let entries = range.map(sample_entry).collect();
    log.append(topic, entries).await.unwrap().durable.await.unwrap()
}

/// Opens and reads everything. Whatever was wrong with the bytes, what is read was written.
async fn survey(directory: &Path, topic: &Topic) -> Result<u64> {
    let log = EmbeddedLog::open(directory, small())?;
    for record in read_all(&log, topic, Offset(0)).await? {
        assert!(same_entry(&record.entry, &sample_entry(record.offset.0)), "{}", record.offset);
    }
    Ok(log.tail(topic).await?.next.0)
}

#[tokio::test]
async fn an_end_torn_anywhere_keeps_what_was_durable_before() {
    let (original, image) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let topic = topic("torn");
    let log = open(original.path(), Settings::default());
    append(&log, &topic, 0..20).await;
    let path = segments(original.path(), &topic).pop().unwrap();
    let durable = std::fs::metadata(&path).unwrap().len();
    append(&log, &topic, 20..23).await;
    copy(original.path(), image.path());
    let path = segments(image.path(), &topic).pop().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for cut in (durable..=bytes.len() as u64).step_by(7) {
        std::fs::write(&path, &bytes[..cut as usize]).unwrap();
        let next = survey(image.path(), &topic).await.unwrap();
        assert!((20..=23).contains(&next), "cut at {cut}: {next}");
    }
}

#[tokio::test]
async fn a_flipped_byte_gives_a_prefix_or_corrupt_never_wrong_data() {
    let (original, image) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let topic = topic("flipped");
    let log = open(original.path(), small());
    for first in (0..60).step_by(6) {
        append(&log, &topic, first..first + 6).await;
    }
    copy(original.path(), image.path());
    let paths = segments(image.path(), &topic);
    assert!(paths.len() > 1, "several segments");
    let whole: Vec<_> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let (mut corrupt, mut shortened) = (0, 0);
    for (path, bytes) in paths.iter().zip(&whole) {
        for place in (0..bytes.len()).step_by(211) {
            // Opening and closing changes the last segment: each run begins with all as copied.
            paths.iter().zip(&whole).for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
            let mut flipped = bytes.clone();
            flipped[place] ^= 0x08;
            std::fs::write(path, &flipped).unwrap();
            match survey(image.path(), &topic).await {
                Ok(60) => {}
                Ok(next) => {
                    // Only the last group could be taken for torn: nothing behind it vouches for it.
                    assert_eq!(Some(path), paths.last());
                    assert!(next >= 54, "{next}");
                    shortened += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind(), Kind::Corrupt);
                    corrupt += 1;
                }
            }
        }
    }
    assert!(corrupt > 50 && shortened > 0, "both were seen: {corrupt}, {shortened}");
}

#[tokio::test]
async fn damage_behind_an_orderly_close_is_never_taken_for_a_torn_end() {
    let directory = TempDir::new().unwrap();
    let topic = topic("closed");
    let log = open(directory.path(), small());
    append(&log, &topic, 0..3).await;
    drop(log);
    let path = segments(directory.path(), &topic).pop().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let place = bytes.len() - 60;
    bytes[place] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(survey(directory.path(), &topic).await.unwrap_err().kind(), Kind::Corrupt);
}

#[tokio::test]
async fn a_missing_segment_is_corrupt() {
    let directory = TempDir::new().unwrap();
    let topic = topic("gap");
    let log = open(directory.path(), small());
    for first in (0..120).step_by(6) {
        append(&log, &topic, first..first + 6).await;
    }
    drop(log);
    let paths = segments(directory.path(), &topic);
    assert!(paths.len() > 2);
    std::fs::remove_file(&paths[1]).unwrap();
    assert_eq!(survey(directory.path(), &topic).await.unwrap_err().kind(), Kind::Corrupt);
}

#[tokio::test]
async fn a_half_transaction_at_the_end_is_kept_and_seen() {
    let directory = TempDir::new().unwrap();
    let topic = topic("half");
    let log = open(directory.path(), small());
    let whole =
        Entry { boundary: (0..).find_map(|n| sample_entry(n).boundary), body: Body::Nothing };
    let half = Entry { body: Body::Truncate(Vec::new()), boundary: None };
    let appended = log.append(&topic, vec![whole.clone(), half]).await.unwrap();
    appended.durable.await.unwrap();
    let image = TempDir::new().unwrap();
    copy(directory.path(), image.path());
    let tail = open(image.path(), small()).tail(&topic).await.unwrap();
    assert_eq!((tail.next, tail.boundary, tail.open), (Offset(2), whole.boundary, true));
}

#[tokio::test]
async fn boundary_and_readers_outlive_the_segments_they_were_written_to() {
    let directory = TempDir::new().unwrap();
    let topic = topic("trimmed");
    let reader = ReaderName::apply(&SystemName::new("lms"), &topic);
    let log = open(directory.path(), small());
    for first in (0..100).step_by(10) {
        append(&log, &topic, first..first + 10).await;
    }
    log.commit(&reader, &topic, Offset(100)).await.unwrap();
    let whole = log.tail(&topic).await.unwrap().boundary;
    for first in (100..200).step_by(10) {
        let inside = |n| Entry { boundary: None, ..sample_entry(n) };
        let entries = (first..first + 10).map(inside).collect();
        log.append(&topic, entries).await.unwrap().durable.await.unwrap();
    }
    let (tail, first) = (log.tail(&topic).await.unwrap(), log.trim(&topic).await.unwrap());
    assert_eq!((tail.next, tail.boundary), (Offset(200), whole));
    assert!((Offset(50)..=Offset(100)).contains(&first));
    drop(log);
    let paths = segments(directory.path(), &topic);
    paths.iter().rev().skip(1).for_each(|path| std::fs::remove_file(path).unwrap());
    let log = open(directory.path(), small());
    assert_eq!(log.tail(&topic).await.unwrap(), tail);
    assert_eq!(log.progress(&reader, &topic).await.unwrap(), Some(Offset(100)));
    assert_eq!(log.read(&topic, Offset(0), 1).await.unwrap_err().kind(), Kind::Corrupt);
    assert_eq!(append(&log, &topic, 200..201).await, Offset(201));
}

#[tokio::test]
async fn a_second_opener_is_told_who_has_it() {
    let directory = TempDir::new().unwrap();
    let log = open(directory.path(), small());
    let error = EmbeddedLog::open(directory.path(), small()).unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.detail_text().unwrap().contains(&std::process::id().to_string()));
    drop(log);
    open(directory.path(), small());
}

#[test]
fn impossible_settings_and_directories_are_refused_with_a_hint() {
    let directory = TempDir::new().unwrap();
    let settings = Settings { group_bytes: 0, ..small() };
    let error = EmbeddedLog::open(directory.path(), settings).unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.to_string().contains("group_bytes"));
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = EmbeddedLog::open(&file.join("log"), small()).unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.hint_text().is_some());
}
