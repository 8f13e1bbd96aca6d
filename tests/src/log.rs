//! Where the log of the projects rests: embedded, or at a broker.

use std::sync::atomic::{AtomicUsize, Ordering};
use syncline_demo::{KAFKA_VARIABLE, log_section};

/// The log of one project.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// Where the brokers are, and what the topics begin with.
    kafka: Option<(String, String)>,
}

impl Log {
    /// For a project of its own: at the broker of [`KAFKA_VARIABLE`] where there is one, else embedded.
    #[must_use]
    pub fn of_test() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let brokers = std::env::var(KAFKA_VARIABLE).ok();
        let prefix = || {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            format!("test-{}-{number}", std::process::id())
        };
        Self { kafka: brokers.map(|brokers| (brokers, prefix())) }
    }

    /// In the state directory.
    #[must_use]
    pub fn embedded() -> Self {
        Self::default()
    }

    /// At a broker, for a project that is alone there.
    #[must_use]
    pub fn at(brokers: &str) -> Self {
        Self { kafka: Some((brokers.to_owned(), "test".to_owned())) }
    }

    /// The section of `syncline.toml`; nothing where the log is embedded.
    #[must_use]
    pub fn section(&self) -> String {
        self.kafka
            .as_ref()
            .map_or_else(String::new, |(brokers, prefix)| log_section(brokers, Some(prefix)))
    }
}
