//! What the project says of topics that are written.

use crate::settings::{Absent, DecimalMode, Settings};
use crate::write::Writer;
use syncline_core::{ReaderName, SystemName, TableName};
use syncline_log::KafkaSettings;

/// Which topics to write, where, and how.
#[derive(Debug, Clone)]
pub struct SinkSettings {
    /// The brokers and the way in; its prefix is what the topics of our own state begin with.
    pub kafka: KafkaSettings,
    /// What the topics' names begin with, and those of their schemas (`topic.prefix`).
    pub topic_prefix: String,
    /// How many partitions a topic gets that is made.
    pub partitions: u16,
    /// `decimal.handling.mode`: exact bytes, or texts.
    pub decimals: DecimalMode,
    /// What is done about rows that are not whole.
    pub absent: Absent,
    /// `unavailable.value.placeholder`: what stands for a value that was not sent.
    pub placeholder: String,
    /// Whether each record has its schema (`schemas.enable`).
    pub with_schema: bool,
}

impl SinkSettings {
    /// Settings with the defaults for everything but where the topics are.
    #[must_use]
    pub fn new(kafka: KafkaSettings, topic_prefix: &str) -> Self {
        Self {
            kafka,
            topic_prefix: topic_prefix.into(),
            partitions: 1,
            decimals: DecimalMode::Precise,
            absent: Absent::Refused,
            placeholder: Settings::default().placeholder,
            with_schema: true,
        }
    }

    /// The topic of a table, as Debezium names it.
    #[must_use]
    pub fn topic_of(&self, table: &TableName) -> String {
        match table {
            TableName::Table { schema, table, .. } => {
                format!("{}.{schema}.{table}", self.topic_prefix)
            }
            TableName::Entity(name) => format!("{}.{name}", self.topic_prefix),
        }
    }

    pub(crate) fn writer(&self) -> Writer {
        let writer =
            Writer::new(&self.topic_prefix).absent(self.absent).placeholder(&self.placeholder);
        let writer = match self.decimals {
            DecimalMode::String => writer.decimals_as_text(),
            DecimalMode::Precise | DecimalMode::Double => writer,
        };
        if self.with_schema { writer } else { writer.without_schema() }
    }
}

/// The section of the project that has the settings of a system.
pub(super) fn section(system: &SystemName) -> String {
    format!("systems.{system}")
}

/// What the topic of a reader's state ends with.
pub(super) fn state_of(reader: &ReaderName) -> String {
    reader.as_str().replace('/', ".")
}
