//! What every [`ChangeLog`] promises.

use super::sample::{Random, same_entry, sample_batch, sample_entry, sample_schema};
use crate::{
    Body, Boundary, ChangeLog, Entry, Kind, Offset, Position, ReaderName, Record, Result,
    SystemName, Tail, Topic,
};
use std::sync::Arc;
use std::time::Duration;

/// Longest that anything here may take.
const DEADLINE: Duration = Duration::from_secs(30);
const UNBOUNDED: usize = usize::MAX;

/// Runs everything a log promises while it is open.
///
/// # Panics
/// Where it does not keep a promise.
pub async fn change_log(log: Arc<dyn ChangeLog>) {
    within(a_topic_exists_from_its_first_use(&*log)).await;
    within(entries_are_read_as_they_were_appended(&*log)).await;
    within(a_read_is_bounded_and_never_empty(&*log)).await;
    within(a_read_waits_and_may_be_given_up(&*log)).await;
    within(offsets_that_are_not_there_are_corrupt(&*log)).await;
    within(the_tail_knows_the_boundary(&*log)).await;
    within(progress_only_goes_forward(&*log)).await;
    within(trimming_waits_for_every_reader(&*log)).await;
    within(a_forgotten_reader_is_not_waited_for(&*log)).await;
    within(topics_are_apart(&*log)).await;
    within(many_wait_for_durability_at_once(&log)).await;
}

/// Runs [`change_log`] on a durable log, then what must hold when it is opened again. `open` is
/// called again only after the log it gave before is dropped.
///
/// # Panics
/// Where it does not keep a promise.
pub async fn durable_change_log<L: ChangeLog + 'static>(open: impl Fn() -> L) {
    change_log(Arc::new(open())).await;
    within(everything_is_there_when_opened_again(&open)).await;
}

async fn within(case: impl Future<Output = ()>) {
    tokio::time::timeout(DEADLINE, case).await.expect("ends within its deadline");
}

fn topic(name: &str) -> Topic {
    Topic::changes(&SystemName::new(name))
}

fn reader(name: &str, topic: &Topic) -> ReaderName {
    ReaderName::apply(&SystemName::new(name), topic)
}

fn entries(seed: u64, count: u64) -> Vec<Entry> {
    let mut random = Random(seed);
    (0..count).map(|_| sample_entry(random.next())).collect()
}

fn boundary(commit: u64) -> Option<Boundary> {
    let position = Position { epoch: 1, commit, ordinal: 0 };
    Some(Boundary { position, committed_at: commit as i64 })
}

fn rows(boundary: Option<Boundary>) -> Entry {
    Entry { body: Body::Rows(sample_batch(&sample_schema(0), 3, 1)), boundary }
}

async fn append(log: &dyn ChangeLog, topic: &Topic, entries: Vec<Entry>) -> Offset {
    let appended = log.append(topic, entries).await.expect("appends");
    let next = appended.durable.await.expect("becomes durable");
    assert_eq!(next, appended.next, "durable resolves with the offset after the entries");
    next
}

/// Reads to the end, however many reads it takes.
async fn read_all(log: &dyn ChangeLog, topic: &Topic, from: Offset, bytes: usize) -> Vec<Record> {
    let end = log.tail(topic).await.expect("has a tail").next;
    let mut records: Vec<Record> = Vec::new();
    let mut next = from;
    while next < end {
        let read = log.read(topic, next, bytes).await.expect("reads");
        assert!(!read.is_empty(), "a read is never empty");
        for record in read {
            assert_eq!(record.offset, next, "offsets follow each other");
            next = Offset(next.0 + 1);
            records.push(record);
        }
    }
    records
}

fn assert_same(records: &[Record], entries: &[Entry]) {
    assert_eq!(records.len(), entries.len(), "every entry is read once");
    for (record, entry) in records.iter().zip(entries) {
        assert!(same_entry(&record.entry, entry), "entry {} is as appended", record.offset);
    }
}

fn assert_corrupt<T>(result: Result<T>, what: &str) {
    let error = result.err().unwrap_or_else(|| panic!("{what} is an error"));
    assert_eq!(error.kind(), Kind::Corrupt, "{what}");
}

async fn a_topic_exists_from_its_first_use(log: &dyn ChangeLog) {
    let topic = topic("new");
    assert_eq!(log.tail(&topic).await.expect("has a tail"), Tail::default());
    assert_eq!(log.progress(&reader("lms", &topic), &topic).await.expect("asks"), None);
    assert_eq!(log.trim(&topic).await.expect("trims"), Offset(0));
    assert_eq!(append(log, &topic, Vec::new()).await, Offset(0), "nothing is durable at once");
}

async fn entries_are_read_as_they_were_appended(log: &dyn ChangeLog) {
    let topic = topic("order");
    let entries = entries(1, 60);
    let mut end = Offset(0);
    for (part, size) in entries.chunks(7).zip(1_u64..) {
        let next = append(log, &topic, part.to_vec()).await;
        assert_eq!(next.0, end.0 + part.len() as u64, "part {size} has its offsets");
        end = next;
    }
    assert_same(&read_all(log, &topic, Offset(0), UNBOUNDED).await, &entries);
    for from in [1_usize, 30, 59] {
        let records = read_all(log, &topic, Offset(from as u64), 1 << 14).await;
        assert_same(&records, entries.get(from..).expect("in range"));
    }
}

async fn a_read_is_bounded_and_never_empty(log: &dyn ChangeLog) {
    let topic = topic("bounded");
    append(log, &topic, vec![rows(None), rows(None), rows(boundary(1))]).await;
    let one = log.read(&topic, Offset(0), 1).await.expect("reads");
    assert_eq!(one.len(), 1, "one entry is read even where it is larger than allowed");
    assert_eq!(read_all(log, &topic, Offset(0), 1).await.len(), 3);
}

async fn a_read_waits_and_may_be_given_up(log: &dyn ChangeLog) {
    let topic = topic("waits");
    let early = log.read(&topic, Offset(0), UNBOUNDED);
    let given_up = tokio::time::timeout(Duration::from_millis(20), early).await;
    assert!(given_up.is_err(), "a read at the end waits");
    let (read, next) = tokio::join!(
        log.read(&topic, Offset(0), UNBOUNDED),
        append(log, &topic, vec![rows(boundary(1))]),
    );
    assert_eq!(next, Offset(1));
    assert_eq!(read.expect("reads").len(), 1, "a read that was given up took nothing");
}

async fn offsets_that_are_not_there_are_corrupt(log: &dyn ChangeLog) {
    let topic = topic("missing");
    append(log, &topic, vec![rows(boundary(1))]).await;
    assert_corrupt(log.read(&topic, Offset(2), UNBOUNDED).await, "a read beyond the end");
}

async fn the_tail_knows_the_boundary(log: &dyn ChangeLog) {
    let topic = topic("tail");
    append(log, &topic, vec![rows(None), rows(boundary(5)), rows(None)]).await;
    let tail = log.tail(&topic).await.expect("has a tail");
    assert_eq!(tail, Tail { next: Offset(3), boundary: boundary(5), open: true });
    let abandoned = Entry { body: Body::Abandoned, boundary: None };
    append(log, &topic, vec![abandoned]).await;
    let tail = log.tail(&topic).await.expect("has a tail");
    assert_eq!(tail, Tail { next: Offset(4), boundary: boundary(5), open: false });
    append(log, &topic, vec![Entry { body: Body::Nothing, boundary: boundary(9) }]).await;
    let tail = log.tail(&topic).await.expect("has a tail");
    assert_eq!(tail, Tail { next: Offset(5), boundary: boundary(9), open: false });
}

async fn progress_only_goes_forward(log: &dyn ChangeLog) {
    let topic = topic("progress");
    let (lms, finance) = (reader("lms", &topic), reader("finance", &topic));
    append(log, &topic, entries(2, 10)).await;
    for next in [Offset(0), Offset(4), Offset(4), Offset(10)] {
        log.commit(&lms, &topic, next).await.expect("commits");
        assert_eq!(log.progress(&lms, &topic).await.expect("asks"), Some(next));
    }
    assert_eq!(log.progress(&finance, &topic).await.expect("asks"), None, "readers are apart");
    assert_corrupt(log.commit(&lms, &topic, Offset(9)).await, "a reader that goes back");
    assert_corrupt(log.commit(&finance, &topic, Offset(11)).await, "a reader beyond the end");
    assert_eq!(log.progress(&lms, &topic).await.expect("asks"), Some(Offset(10)));
}

async fn trimming_waits_for_every_reader(log: &dyn ChangeLog) {
    let topic = topic("trim");
    let entries = entries(3, 400);
    for part in entries.chunks(20) {
        append(log, &topic, part.to_vec()).await;
    }
    assert_eq!(log.trim(&topic).await.expect("trims"), Offset(0), "nobody has read anything");
    let (fast, slow) = (reader("fast", &topic), reader("slow", &topic));
    log.commit(&slow, &topic, Offset(150)).await.expect("commits");
    log.commit(&fast, &topic, Offset(400)).await.expect("commits");
    let tail = log.tail(&topic).await.expect("has a tail");
    let first = log.trim(&topic).await.expect("trims");
    assert!(first <= Offset(150), "the slow reader still needs what is behind it");
    let rest = entries.get(first.0 as usize..).expect("in range");
    assert_same(&read_all(log, &topic, first, UNBOUNDED).await, rest);
    if let Some(before) = first.0.checked_sub(1) {
        assert_corrupt(log.read(&topic, Offset(before), UNBOUNDED).await, "a trimmed offset");
    }
    assert_eq!(log.tail(&topic).await.expect("has a tail"), tail, "trimming keeps the tail");
}

async fn a_forgotten_reader_is_not_waited_for(log: &dyn ChangeLog) {
    let topic = topic("forget");
    let (fast, slow) = (reader("fast", &topic), reader("slow", &topic));
    let entries = entries(6, 400);
    for part in entries.chunks(20) {
        append(log, &topic, part.to_vec()).await;
    }
    log.commit(&slow, &topic, Offset(0)).await.expect("commits");
    log.commit(&fast, &topic, Offset(400)).await.expect("commits");
    assert_eq!(log.trim(&topic).await.expect("trims"), Offset(0), "the slow reader is waited for");
    log.forget(&slow).await.expect("forgets");
    log.forget(&slow).await.expect("forgets again");
    assert_eq!(log.progress(&slow, &topic).await.expect("asks"), None);
    let first = log.trim(&topic).await.expect("trims");
    if let Some(before) = first.0.checked_sub(1) {
        let gone = log.commit(&slow, &topic, Offset(before)).await;
        assert_corrupt(gone, "a reader that is registered at what was trimmed");
    }
    log.commit(&slow, &topic, first).await.expect("registers where the log still is");
    assert_eq!(log.trim(&topic).await.expect("trims"), first);
    let rest = entries.get(first.0 as usize..).expect("in range");
    assert_same(&read_all(log, &topic, first, UNBOUNDED).await, rest);
}

async fn topics_are_apart(log: &dyn ChangeLog) {
    let (sis, hr) = (topic("apart.sis"), topic("apart.hr"));
    append(log, &sis, entries(4, 5)).await;
    append(log, &hr, entries(5, 3)).await;
    assert_same(&read_all(log, &sis, Offset(0), UNBOUNDED).await, &entries(4, 5));
    assert_same(&read_all(log, &hr, Offset(0), UNBOUNDED).await, &entries(5, 3));
    assert_eq!(log.tail(&Topic::entity("apart")).await.expect("has a tail"), Tail::default());
}

async fn many_wait_for_durability_at_once(log: &Arc<dyn ChangeLog>) {
    let topic = topic("many");
    let mut waiting = Vec::new();
    for seed in 0..200 {
        let appended = log.append(&topic, vec![sample_entry(seed)]).await.expect("appends");
        assert_eq!(appended.next, Offset(seed + 1), "the order is fixed when accepted");
        waiting.push(appended.durable);
    }
    let reading = {
        let (log, topic) = (log.clone(), topic.clone());
        tokio::spawn(async move {
            let mut next = 0;
            while next < 200 {
                let read = log.read(&topic, Offset(next), UNBOUNDED).await.expect("reads");
                next += read.len() as u64;
            }
        })
    };
    for (durable, next) in waiting.into_iter().zip(1..) {
        assert_eq!(durable.await.expect("becomes durable"), Offset(next));
    }
    reading.await.expect("the reader sees all");
}

async fn everything_is_there_when_opened_again<L: ChangeLog>(open: &impl Fn() -> L) {
    let topic = topic("again");
    let lms = reader("lms", &topic);
    let mut all = Vec::new();
    let id = open().id();
    for round in 0..5 {
        let log = open();
        assert_eq!(log.id(), id, "it is the same log");
        assert_same(&read_all(&log, &topic, Offset(0), 1 << 14).await, &all);
        let more = entries(round, 37);
        all.extend(more.clone());
        append(&log, &topic, more).await;
        log.commit(&lms, &topic, Offset(round * 30)).await.expect("commits");
        let before = log.tail(&topic).await.expect("has a tail");
        drop(log);
        let log = open();
        assert_eq!(log.tail(&topic).await.expect("has a tail"), before, "the tail is durable");
        let progress = log.progress(&lms, &topic).await.expect("asks");
        assert_eq!(progress, Some(Offset(round * 30)), "progress is durable");
    }
}
