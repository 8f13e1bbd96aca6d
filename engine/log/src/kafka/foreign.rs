//! Topics that others write: reached, logged in to and told about in errors as the log's are.

use super::client::{Clients, Context};
use super::settings::KafkaSettings;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use syncline_core::{Error, Result};

/// A consumer of topics that others write. It is told where they end.
pub type KafkaConsumer = BaseConsumer<Context>;

/// Topics that others write.
#[derive(Debug)]
pub struct KafkaTopics {
    clients: Clients,
}

impl KafkaTopics {
    /// Topics at these brokers; `section` is where the project has the settings, such as `systems.sis`.
    ///
    /// # Errors
    /// `Config` where the settings can't work.
    pub fn new(settings: KafkaSettings, section: impl Into<String>) -> Result<Self> {
        let clients = Clients::of_topics(settings, section.into());
        clients.check()?;
        Ok(Self { clients })
    }

    /// A consumer that blocks, under the name of a group.
    ///
    /// # Errors
    /// `Config` where the client refuses the settings.
    pub fn consumer(&self, group: &str) -> Result<KafkaConsumer> {
        self.clients.reader_of(group)
    }

    /// An error of a client as ours; `what` is what was wanted.
    #[must_use]
    pub fn error(&self, what: impl Into<String>, error: &KafkaError) -> Error {
        self.clients.error(what, error)
    }
}
