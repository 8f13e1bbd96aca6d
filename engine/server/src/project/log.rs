//! `[log]`: where changes rest on their way.

use super::document::{Section, Value, Wrong};
use super::kafka::Kafka;
use super::limits::embedded_settings;
use super::values::one_of;
use crate::problem::Place;
use toml::de::DeValue;

/// The log as the project writes it.
#[derive(Debug)]
pub(crate) enum Log {
    /// In the state directory.
    Embedded(syncline_log::Settings),
    /// At Kafka brokers.
    Kafka(Box<Kafka>),
}

impl Default for Log {
    fn default() -> Self {
        Self::Embedded(syncline_log::Settings::default())
    }
}

impl Log {
    /// `project` is the project's name. None where something is wrong.
    pub(super) fn from_section(section: &Section<'_>, project: &str) -> Option<Self> {
        let LogKind(kind) = section.or("kind", LogKind("embedded"));
        let log = match kind {
            "kafka" => Kafka::from_section(section, project).map(Box::new).map(Self::Kafka),
            _ => Some(Self::Embedded(embedded_settings(section))),
        };
        section.finish();
        log
    }
}

/// The word after `kind =`.
struct LogKind(&'static str);

impl Value for LogKind {
    fn read(value: &DeValue<'_>, _: &Place) -> Result<Self, Wrong> {
        one_of(value, &["embedded", "kafka"]).map(Self)
    }
}
