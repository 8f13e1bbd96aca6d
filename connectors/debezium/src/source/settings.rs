//! What the project says of topics that Debezium writes.

use crate::settings::Settings;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use syncline_core::{Error, Kind, Result, SystemName, TableName};
use syncline_log::KafkaSettings;

/// Which topics to read, where, and the limits of reading them.
#[derive(Debug, Clone)]
pub struct SourceSettings {
    /// The brokers and the way in. What is said of writing has no meaning here.
    pub kafka: KafkaSettings,
    /// The consumer group at which is left how far the log is.
    pub group: String,
    /// The topic of each table, by `schema.table`.
    pub topics: BTreeMap<String, String>,
    /// How the connector that writes them is set up.
    pub format: Settings,
    /// Records to pass over, as `topic/partition/offset`.
    pub pass_over: BTreeSet<String>,
    /// Most records of a chunk.
    pub chunk_records_max: usize,
    /// Most bytes of a chunk's records.
    pub chunk_bytes_max: usize,
    /// How long a chunk waits for more records after its first.
    pub linger: Duration,
    /// Most rows of one batch.
    pub batch_rows_max: usize,
    /// Most bytes of one batch, as its records were sent.
    pub batch_bytes_max: usize,
    /// Most keys that a copy looks for in one pass over a topic; where there are more, it takes several.
    pub copy_keys_max: usize,
    /// Most bytes of the records that a copy has to put together.
    pub copy_bytes_max: usize,
    /// How often topics and partitions that are new are looked for.
    pub look: Duration,
}

impl SourceSettings {
    /// Settings with the defaults for everything but where the topics are.
    #[must_use]
    pub fn new(kafka: KafkaSettings, group: &str) -> Self {
        Self {
            kafka,
            group: group.into(),
            topics: BTreeMap::new(),
            format: Settings::default(),
            pass_over: BTreeSet::new(),
            chunk_records_max: 20_000,
            chunk_bytes_max: 16 << 20,
            linger: Duration::from_millis(20),
            batch_rows_max: 8192,
            batch_bytes_max: 8 << 20,
            copy_keys_max: 4_000_000,
            copy_bytes_max: 256 << 20,
            look: Duration::from_secs(10),
        }
    }

    /// The tables of a system that have a topic, with it.
    pub(crate) fn tables(&self, system: &SystemName) -> Vec<(TableName, &str)> {
        let named = self.topics.iter().filter_map(|(table, topic)| {
            let (schema, table) = table.split_once('.')?;
            Some((TableName::table(system, schema, table), topic.as_str()))
        });
        named.collect()
    }

    /// The topic of a table.
    ///
    /// # Errors
    /// `Config` where none is said.
    pub(crate) fn topic_of(&self, table: &TableName) -> Result<&str> {
        let TableName::Table { system, schema, table: name } = table else {
            return Err(Error::new(Kind::Internal, format!("{table} is in no system")));
        };
        let local = format!("{schema}.{name}");
        self.topics.get(&local).map(String::as_str).ok_or_else(|| {
            Error::new(Kind::Config, format!("nothing says which topic has {table}"))
                .hint(format!("\"{local}\" = \"its topic\" in [systems.{system}.topics]"))
        })
    }
}
