//! A broker that all tests share, and a target at it.

use super::heard::{Heard, heard, items};
use async_trait::async_trait;
use futures::executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use syncline_core::conformance::sink::{Items, SinkTarget, system};
use syncline_core::{LogId, Offset, Progress, ReaderName, Sink, SystemName, Topic};
use syncline_debezium::{DebeziumSink, SinkSettings};
use syncline_demo::Broker;
use syncline_log::KafkaSettings;

/// The broker that all tests share; it ends with the last of them.
pub(crate) fn shared() -> Arc<Broker> {
    static BROKER: Mutex<Weak<Broker>> = Mutex::new(Weak::new());
    let mut shared = BROKER.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let broker = Arc::new(Broker::start().unwrap());
        *shared = Arc::downgrade(&broker);
        broker
    })
}

/// Topics with names of their own.
pub(crate) struct Target {
    broker: Arc<Broker>,
    pub(crate) settings: SinkSettings,
}

impl Target {
    pub(crate) fn new(name: &str) -> Self {
        let broker = shared();
        let kafka = KafkaSettings {
            brokers: vec![broker.address()],
            prefix: format!("{name}.state"),
            request_timeout: Duration::from_secs(20),
            ..KafkaSettings::default()
        };
        Self { settings: SinkSettings::new(kafka, name), broker }
    }

    pub(crate) fn topic(&self) -> String {
        format!("{}.public.items", self.settings.topic_prefix)
    }

    /// Makes the topic before the sink does.
    pub(crate) fn make(&self, partitions: i32, with: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", self.broker.address()).create().unwrap();
        let name = self.topic();
        let mut topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        for (key, value) in with {
            topic = topic.set(key, value);
        }
        let made = block_on(admin.create_topics([&topic], &AdminOptions::new())).unwrap();
        made.into_iter().for_each(|it| drop(it.unwrap()));
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        heard(&self.broker.address(), &self.topic())
    }

    pub(crate) fn items(&self) -> Items {
        items(&self.heard())
    }

    pub(crate) fn new_sink(&self) -> DebeziumSink {
        DebeziumSink::new(system(), self.settings.clone())
    }

    pub(crate) async fn opened(&self) -> DebeziumSink {
        let mut sink = self.new_sink();
        sink.open(&reader()).await.unwrap();
        sink
    }
}

#[async_trait]
impl SinkTarget for Target {
    fn sink(&self) -> Box<dyn Sink> {
        Box::new(self.new_sink())
    }

    async fn visible(&self) -> Items {
        self.items()
    }
}

pub(crate) fn reader() -> ReaderName {
    ReaderName::apply(&system(), &topic())
}

fn topic() -> Topic {
    Topic::changes(&SystemName::new("source"))
}

pub(crate) fn progress(next: u64) -> Progress {
    Progress { log: LogId(5), topic: topic(), next: Offset(next), committed_at: 9 }
}
