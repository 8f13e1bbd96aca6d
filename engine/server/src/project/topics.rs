//! `[systems.NAME]` of `connector = "debezium"`: which topics, at which brokers, written how; those that are read
//! here, those that are written in [`super::feeds`].

use super::document::{Section, Value, Wrong};
use super::feeds::Feeds;
use super::kafka::Reach;
use super::limits::{positive, set};
use super::values::{ByteSize, Surroundings, one_of};
use crate::problem::{Place, Problem};
use std::collections::{BTreeMap, BTreeSet};
use syncline_core::{SystemName, TableName};
use syncline_debezium::{BinaryMode, Images, Settings, SinkSettings, SourceSettings};
use syncline_log::KafkaSettings;
use toml::de::DeValue;

/// Topics in Debezium's format, as the project says them.
#[derive(Debug)]
pub(crate) struct Topics {
    reach: Reach,
    /// Of those that are read, where any is; brokers and security are filled in when they are looked up.
    read: Option<SourceSettings>,
    /// Those that are written, where any is.
    written: Option<Feeds>,
}

impl Topics {
    /// `project` is what the consumer group and the state are named after where nothing is said.
    pub(super) fn from_section(
        name: &SystemName,
        section: &Section<'_>,
        project: &str,
    ) -> Option<Self> {
        let reach = Reach::from_section(section);
        let group = section.or("group", format!("{project}.capture.{name}"));
        let mut settings = SourceSettings::new(KafkaSettings::default(), &group);
        settings.format = format(section);
        settings.pass_over = section.optional("pass_over").map(listed).unwrap_or_default();
        if let Some(limits) = section.section("limits") {
            read_limits(&limits, &mut settings);
        }
        let written = Feeds::from_section(name, section, project, settings.kafka.clone());
        let topics = section.optional::<TopicOfTable>("topics").map(|it| it.0);
        if !section.has("topics") && !section.has("tables") {
            let wrong = Problem::new(format!(
                "{} has neither topics to read nor tables to write",
                section.name()
            ))
            .hint(format!(
                "[{0}.topics] names topics, [{0}.tables.\"schema.table\"] declares tables",
                section.name()
            ));
            section.report_here(wrong);
        }
        refuse_both(section, topics.as_ref(), written.as_ref());
        let read = topics.map(|topics| SourceSettings { topics, ..settings });
        if section.has("tables") && written.is_none() {
            return None;
        }
        Some(Self { reach: reach?, read, written })
    }

    /// Those that are written.
    pub(crate) fn written(&self) -> Option<&Feeds> {
        self.written.as_ref()
    }

    /// Whether any is read.
    pub(crate) fn is_read(&self) -> bool {
        self.read.is_some()
    }

    /// What the source needs, every text looked up; all that is missing at once. None where no topic is read.
    pub(crate) fn resolve(
        &self,
        from: &Surroundings,
    ) -> Result<Option<SourceSettings>, Vec<Problem>> {
        let Some(mut settings) = self.read.clone() else { return Ok(None) };
        (settings.kafka.brokers, settings.kafka.security) = self.reach.resolve(from)?;
        Ok(Some(settings))
    }

    /// What the sink needs, the same way. None where no topic is written.
    pub(crate) fn resolve_written(
        &self,
        from: &Surroundings,
    ) -> Result<Option<SinkSettings>, Vec<Problem>> {
        let Some(feeds) = &self.written else { return Ok(None) };
        let mut settings = feeds.settings.clone();
        (settings.kafka.brokers, settings.kafka.security) = self.reach.resolve(from)?;
        Ok(Some(settings))
    }
}

/// A table is read or written: what it has can't be both asked for and declared.
fn refuse_both(
    section: &Section<'_>,
    topics: Option<&BTreeMap<String, String>>,
    written: Option<&Feeds>,
) {
    let (Some(topics), Some(written)) = (topics, written) else { return };
    for table in &written.tables {
        let TableName::Table { schema, table, .. } = table.schema.name() else { continue };
        let name = format!("{schema}.{table}");
        if topics.contains_key(&name) {
            let wrong = Problem::new(format!("table {name} is both read and written"))
                .hint("give one of them another name".to_owned());
            section.report("tables", wrong);
        }
    }
}

/// How the connector is set up, under the names of its own settings.
fn format(section: &Section<'_>) -> Settings {
    let mut settings = Settings::default();
    set(&mut settings.placeholder, section.optional("unavailable_value_placeholder"));
    set(&mut settings.binary, section.optional("binary_handling_mode"));
    set(&mut settings.images, section.optional("images"));
    settings.our_origin = section.optional("our_origin");
    settings
}

fn listed(records: Vec<String>) -> BTreeSet<String> {
    records.into_iter().collect()
}

/// `[systems.NAME.limits]`.
fn read_limits(section: &Section<'_>, settings: &mut SourceSettings) {
    let memory = |key| positive::<ByteSize>(section, key).map(ByteSize::in_memory);
    set(&mut settings.chunk_records_max, positive(section, "chunk_records_max"));
    set(&mut settings.chunk_bytes_max, memory("chunk_bytes_max"));
    set(&mut settings.linger, section.optional("linger"));
    set(&mut settings.batch_rows_max, positive(section, "batch_rows_max"));
    set(&mut settings.batch_bytes_max, memory("batch_bytes_max"));
    set(&mut settings.copy_keys_max, positive(section, "copy_keys_max"));
    set(&mut settings.copy_bytes_max, memory("copy_bytes_max"));
    set(&mut settings.look, positive(section, "look"));
    set(&mut settings.kafka.fetch_bytes, memory("fetch_bytes"));
    set(&mut settings.kafka.message_bytes_max, memory("message_bytes_max"));
    set(&mut settings.kafka.unsynced_bytes, memory("unsynced_bytes"));
    set(&mut settings.kafka.request_timeout, positive(section, "request_timeout"));
    set(&mut settings.kafka.delivery_timeout, positive(section, "delivery_timeout"));
    section.finish();
}

/// `"schema.table" = "topic"`.
struct TopicOfTable(BTreeMap<String, String>);

impl Value for TopicOfTable {
    fn read(value: &DeValue<'_>, _: &Place) -> Result<Self, Wrong> {
        let wrong = || {
            Wrong::expected(
                "a table of topics such as \"public.students\" = \"sis.public.students\"",
            )
        };
        let DeValue::Table(table) = value else { return Err(wrong()) };
        let mut topics = BTreeMap::new();
        for (key, value) in table.iter() {
            let name: &str = key.get_ref();
            let is_table = name
                .split_once('.')
                .is_some_and(|(schema, table)| !schema.is_empty() && !table.is_empty());
            match value.get_ref() {
                DeValue::String(topic) if is_table => {
                    topics.insert(name.to_owned(), topic.to_string());
                }
                _ => {
                    return Err(Wrong {
                        detail: Some(format!(
                            "found {name:?}, or something else than a text for it"
                        )),
                        hint: Some("a table is named with its schema, in quotes".to_owned()),
                        ..wrong()
                    });
                }
            }
        }
        if topics.is_empty() { Err(wrong()) } else { Ok(Self(topics)) }
    }
}

impl Value for BinaryMode {
    fn read(value: &DeValue<'_>, _: &Place) -> Result<Self, Wrong> {
        let word = one_of(value, &["bytes", "base64", "base64-url-safe", "hex"])?;
        Ok(match word {
            "base64" => Self::Base64,
            "base64-url-safe" => Self::Base64UrlSafe,
            "hex" => Self::Hex,
            _ => Self::Bytes,
        })
    }
}

impl Value for Images {
    fn read(value: &DeValue<'_>, _: &Place) -> Result<Self, Wrong> {
        Ok(match one_of(value, &["by-connector", "whole", "key-only"])? {
            "whole" => Self::Whole,
            "key-only" => Self::KeyOnly,
            _ => Self::ByConnector,
        })
    }
}
