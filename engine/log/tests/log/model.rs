//! Random operations on the embedded log and on the memory log, which is the specification.

use crate::{copy, open, read_all, small, topic};
use proptest::prelude::*;
use std::sync::Arc;
use syncline_core::conformance::{same_entry, sample_entry};
use syncline_core::{ChangeLog, Offset, ReaderName, SystemName, Topic};
use syncline_log::{EmbeddedLog, MemoryLog};
use tempfile::TempDir;

#[derive(Debug, Clone)]
enum Step {
    Append { topic: usize, seeds: Vec<u64> },
    Read { topic: usize, from: u64, bytes: usize },
    Commit { topic: usize, reader: usize, by: i64 },
    Forget { reader: usize },
    Trim { topic: usize },
    Reopen,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..2usize, prop::collection::vec(any::<u64>(), 0..12))
            .prop_map(|(topic, seeds)| Step::Append { topic, seeds }),
        4 => (0..2usize, any::<u64>(), 0..20_000usize)
            .prop_map(|(topic, from, bytes)| Step::Read { topic, from, bytes }),
        4 => (0..2usize, 0..3usize, -2..30i64)
            .prop_map(|(topic, reader, by)| Step::Commit { topic, reader, by }),
        1 => (0..3usize).prop_map(|reader| Step::Forget { reader }),
        2 => (0..2usize).prop_map(|topic| Step::Trim { topic }),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..60)
}

struct Run {
    directory: TempDir,
    log: Option<EmbeddedLog>,
    model: MemoryLog,
    topics: [Topic; 2],
    readers: Vec<ReaderName>,
    firsts: [Offset; 2],
}

impl Run {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let topics = [topic("sis"), Topic::entity("person")];
        let reader = |name: &&str| ReaderName::apply(&SystemName::new(name), &topics[0]);
        let readers = ["lms", "hr", "finance"].iter().map(reader).collect();
        let log = Some(open(directory.path(), small()));
        Self {
            directory,
            log,
            model: MemoryLog::new(),
            topics,
            readers,
            firsts: Default::default(),
        }
    }

    fn log(&self) -> &EmbeddedLog {
        self.log.as_ref().unwrap()
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Append { topic, seeds } => self.append(*topic, seeds).await,
            Step::Read { topic, from, bytes } => self.read(*topic, *from, *bytes).await,
            Step::Commit { topic, reader, by } => self.commit(*topic, *reader, *by).await,
            Step::Forget { reader } => {
                self.log().forget(&self.readers[*reader]).await.unwrap();
                self.model.forget(&self.readers[*reader]).await.unwrap();
            }
            Step::Trim { topic } => self.trim(*topic).await,
            Step::Reopen => {
                drop(self.log.take());
                self.log = Some(open(self.directory.path(), small()));
            }
            Step::Crash => {
                let image = TempDir::new().unwrap();
                copy(self.directory.path(), image.path());
                drop(self.log.take());
                self.log = Some(open(image.path(), small()));
                self.directory = image;
            }
        }
        self.compare().await;
    }

    async fn append(&self, topic: usize, seeds: &[u64]) {
        let topic = &self.topics[topic];
        let entries: Vec<_> = seeds.iter().map(|&seed| sample_entry(seed)).collect();
        let ours = self.log().append(topic, entries.clone()).await.unwrap();
        let model = self.model.append(topic, entries).await.unwrap();
        assert_eq!(ours.next, model.next);
        assert_eq!(ours.durable.await.unwrap(), model.next);
    }

    async fn read(&self, topic: usize, from: u64, bytes: usize) {
        let (first, topic) = (self.firsts[topic], &self.topics[topic]);
        let end = self.model.tail(topic).await.unwrap().next;
        let from = Offset(first.0 + from % (end.0 - first.0 + 2));
        if from == end {
            return;
        }
        let ours = self.log().read(topic, from, bytes).await;
        let model = self.model.read(topic, from, usize::MAX).await;
        match (ours, model) {
            (Ok(ours), Ok(model)) => {
                assert!(!ours.is_empty());
                for (ours, model) in ours.iter().zip(&model) {
                    assert_eq!(ours.offset, model.offset);
                    assert!(same_entry(&ours.entry, &model.entry));
                }
            }
            (ours, model) => assert_eq!(ours.unwrap_err().kind(), model.unwrap_err().kind()),
        }
    }

    async fn commit(&self, topic: usize, reader: usize, by: i64) {
        let first = self.firsts[topic];
        let (topic, reader) = (&self.topics[topic], &self.readers[reader]);
        let current = self.model.progress(reader, topic).await.unwrap();
        let next = Offset(current.unwrap_or_default().0.saturating_add_signed(by));
        if current.is_none() && next < first {
            // Whole segments are trimmed: the offset may still be there.
            return;
        }
        let ours = self.log().commit(reader, topic, next).await.map_err(|error| error.kind());
        let model = self.model.commit(reader, topic, next).await.map_err(|error| error.kind());
        assert_eq!(ours, model);
    }

    async fn trim(&mut self, topic: usize) {
        let ours = self.log().trim(&self.topics[topic]).await.unwrap();
        let model = self.model.trim(&self.topics[topic]).await.unwrap();
        assert!(ours <= model, "whole segments at most");
        self.firsts[topic] = model;
    }

    async fn compare(&self) {
        for topic in &self.topics {
            let (ours, model) = (self.log().tail(topic).await, self.model.tail(topic).await);
            assert_eq!(ours.unwrap(), model.unwrap());
            for reader in &self.readers {
                let ours = self.log().progress(reader, topic).await.unwrap();
                assert_eq!(ours, self.model.progress(reader, topic).await.unwrap());
            }
        }
    }

    async fn compare_all(&self) {
        for (topic, first) in self.topics.iter().zip(self.firsts) {
            let ours = read_all(self.log(), topic, first).await.unwrap();
            let model = read_all(&self.model, topic, first).await.unwrap();
            assert_eq!(ours.len(), model.len());
            assert!(ours.iter().zip(&model).all(|(a, b)| same_entry(&a.entry, &b.entry)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn the_embedded_log_does_what_the_memory_log_does(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let mut run = Run::new();
        runtime.block_on(async {
            for step in &steps {
                run.take(step).await;
            }
            run.compare_all().await;
        });
        drop(run);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_and_fast_readers_see_the_same_while_it_is_written_and_trimmed() {
    let directory = TempDir::new().unwrap();
    let log = Arc::new(open(directory.path(), small()));
    let topic = topic("busy");
    const ENTRIES: u64 = 3000;
    let reader = |name: &str, bytes: usize| {
        let (log, topic, name) =
            (log.clone(), topic.clone(), ReaderName::apply(&SystemName::new(name), &topic));
        tokio::spawn(async move {
            log.commit(&name, &topic, Offset(0)).await.unwrap();
            let mut next = 0;
            while next < ENTRIES {
                for record in log.read(&topic, Offset(next), bytes).await.unwrap() {
                    assert_eq!(record.offset, Offset(next));
                    assert!(same_entry(&record.entry, &sample_entry(next)), "entry {next}");
                    next += 1;
                }
                log.commit(&name, &topic, Offset(next)).await.unwrap();
                log.trim(&topic).await.unwrap();
            }
        })
    };
    let readers = [reader("slow", 1), reader("middle", 2_000), reader("fast", 100_000)];
    while log
        .progress(&ReaderName::apply(&SystemName::new("slow"), &topic), &topic)
        .await
        .unwrap()
        .is_none()
    {
        tokio::task::yield_now().await;
    }
    for first in (0..ENTRIES).step_by(10) {
        let entries = (first..first + 10).map(sample_entry).collect();
        log.append(&topic, entries).await.unwrap();
    }
    for reader in readers {
        tokio::time::timeout(std::time::Duration::from_secs(60), reader).await.unwrap().unwrap();
    }
    assert!(log.trim(&topic).await.unwrap() > Offset(0), "what all have read is gone");
}
