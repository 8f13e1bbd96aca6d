//! Which brokers, how to log in there, and how large things may grow.

use std::path::PathBuf;
use std::time::Duration;
use syncline_core::{Error, Kind, Result, Secret};

/// Settings of the log on Kafka. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    /// `host:port` of some brokers; the others are found through them.
    pub brokers: Vec<String>,
    /// What all names of topics begin with.
    pub prefix: String,
    /// How to log in.
    pub security: Security,
    /// How records are compressed by the producer.
    pub compression: Compression,
    /// Copies of each topic that is made; the brokers' default where nothing is said.
    pub replicas: Option<u16>,
    /// Copies that must have a record before it is durable; the brokers' default where nothing is said.
    pub replicas_in_sync_min: Option<u16>,
    /// Longest record. An entry that would be longer is cut into several, down to a single row.
    pub message_bytes_max: usize,
    /// How long the producer waits for more before it sends.
    pub linger: Duration,
    /// Most that may be accepted and not yet durable, over all topics; appending waits beyond.
    pub unsynced_bytes: usize,
    /// Most that recent entries of all topics may hold in memory, shared by the readers that keep up.
    pub cache_bytes: usize,
    /// Most that a reader which fell behind fetches ahead.
    pub fetch_bytes: usize,
    /// Longest that a question to the brokers may take.
    pub request_timeout: Duration,
    /// How long a worker may not be heard of before another takes its place. Brokers allow from
    /// `group.min.session.timeout.ms` on, which is 6 s where nothing else is said.
    pub session_timeout: Duration,
    /// Longest that a record may be on its way before it counts as lost.
    pub delivery_timeout: Duration,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            brokers: Vec::new(),
            prefix: "syncline".to_owned(),
            security: Security::default(),
            compression: Compression::default(),
            replicas: None,
            replicas_in_sync_min: None,
            message_bytes_max: 32 << 20,
            linger: Duration::from_millis(1),
            unsynced_bytes: 32 << 20,
            cache_bytes: 32 << 20,
            fetch_bytes: 4 << 20,
            request_timeout: Duration::from_secs(10),
            session_timeout: Duration::from_secs(6),
            delivery_timeout: Duration::from_secs(60),
        }
    }
}

/// How the brokers are reached and logged in to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Security {
    /// Encryption; none where nothing is said.
    pub tls: Option<Tls>,
    /// Who we are.
    pub sasl: Option<Sasl>,
}

/// TLS, always with the broker's name checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// Certificates to trust, in PEM; the system's where nothing is said.
    pub roots: Option<PathBuf>,
    /// Our own certificate and its key, in PEM, where the brokers ask for one.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// A login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sasl {
    /// SCRAM-SHA-256 (RFC 7677).
    Scram256 {
        /// Who.
        user: String,
        /// By what.
        password: Secret,
    },
    /// SCRAM-SHA-512.
    Scram512 {
        /// Who.
        user: String,
        /// By what.
        password: Secret,
    },
    /// PLAIN (RFC 4616): only together with TLS.
    Plain {
        /// Who.
        user: String,
        /// By what.
        password: Secret,
    },
    /// OAUTHBEARER (RFC 7628): tokens for client credentials, fetched and renewed at this address.
    OAuth {
        /// The token endpoint.
        token_url: String,
        /// The client.
        client: String,
        /// Its secret.
        secret: Secret,
        /// What to ask for.
        scope: Option<String>,
    },
}

/// How records are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    None,
    /// Fast.
    #[default]
    Lz4,
    /// Smaller.
    Zstd,
    /// For brokers that know nothing else.
    Gzip,
    /// The same.
    Snappy,
}

impl Compression {
    /// Its name, as Kafka spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
        }
    }
}

/// What brokers are used for; errors name the settings by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The log itself.
    Log,
    /// Topics that others write, set up in this section of the project.
    Topics { section: String },
    /// Topics that others read, set up in this section of the project.
    Feeds { section: String },
}

impl Purpose {
    /// The section of the project that has the brokers.
    pub(super) fn section(&self) -> &str {
        match self {
            Self::Log => "log",
            Self::Topics { section } | Self::Feeds { section } => section,
        }
    }
}

impl KafkaSettings {
    /// # Errors
    /// `Config` when there is no broker, a limit would let nothing through, or a password would go over
    /// the wire as it is.
    pub(super) fn check(&self, used: &Purpose) -> Result<()> {
        let wrong = |what: &str| Error::new(Kind::Config, what.to_owned());
        let section = used.section();
        if self.brokers.is_empty() {
            return Err(
                wrong(&format!("[{section}] has no broker")).hint("brokers = [\"host:9092\"]")
            );
        }
        let zero = [
            ("message_bytes_max", self.message_bytes_max == 0),
            ("unsynced_bytes", self.unsynced_bytes == 0),
            ("fetch_bytes", self.fetch_bytes == 0),
        ];
        if let Some((name, _)) = zero.into_iter().find(|(_, is_zero)| *is_zero) {
            return Err(
                wrong(&format!("{section}.{name} is 0")).hint("leave it out for the default")
            );
        }
        if matches!(self.security.sasl, Some(Sasl::Plain { .. })) && self.security.tls.is_none() {
            return Err(wrong("PLAIN without TLS sends the password readable for all")
                .hint("add tls, or use SCRAM"));
        }
        Ok(())
    }
}
