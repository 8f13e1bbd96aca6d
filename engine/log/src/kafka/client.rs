//! The clients of librdkafka, all set up in one place.

use super::error;
use super::settings::{KafkaSettings, Purpose, Sasl};
use crate::rules::lock;
use rdkafka::ClientContext;
use rdkafka::admin::AdminClient;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, ConsumerContext, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, ProducerContext, ThreadedProducer};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use syncline_core::Result;

/// Most that is in one request; as large as a record at least.
const REQUEST_BYTES: usize = 1 << 20;

/// Most that is in one request of several topics: what Kafka takes where a topic does not say more.
const MIXED_REQUEST_BYTES: usize = 1_000_000;

/// Longest that a transaction may take; brokers allow a quarter of an hour where nothing else is said.
const TRANSACTION_MAX: Duration = Duration::from_secs(600);

/// What clients tell beside their answers: why brokers can't be reached.
#[derive(Debug, Clone, Default)]
pub struct Context {
    last: Arc<Mutex<Option<(Instant, String)>>>,
}

/// What was said longer ago than this has another cause than what fails now.
const RECENT: Duration = Duration::from_secs(60);

impl Context {
    /// What was said last, not long ago, and not taken yet.
    fn take(&self) -> Option<String> {
        let (at, said) = lock(&self.last).take()?;
        (at.elapsed() < RECENT).then_some(said)
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // What matters comes back as an error of a call; these are for whoever looks closer.
        tracing::debug!(?level, facility, message, "librdkafka");
    }

    fn error(&self, _: KafkaError, reason: &str) {
        tracing::debug!(reason, "librdkafka");
        let mut last = lock(&self.last);
        // That all are down says nothing where it is known why one is.
        if last.is_none() || !reason.ends_with("brokers are down") {
            *last = Some((Instant::now(), reason.to_owned()));
        }
    }
}

impl ConsumerContext for Context {}

pub(super) type Producer = FutureProducer<Context>;
pub(super) type Consumer = StreamConsumer<Context>;
pub(super) type Reader = BaseConsumer<Context>;
pub(super) type Admin = AdminClient<Context>;

/// Makes clients, and turns their errors into ours.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) settings: KafkaSettings,
    used: Purpose,
    context: Context,
}

impl Clients {
    pub(super) fn new(settings: KafkaSettings) -> Self {
        Self { settings, used: Purpose::Log, context: Context::default() }
    }

    /// Clients for topics that others write.
    pub(super) fn of_topics(settings: KafkaSettings, section: String) -> Self {
        Self { used: Purpose::Topics { section }, ..Self::new(settings) }
    }

    /// Clients for topics that others read.
    pub(super) fn of_feeds(settings: KafkaSettings, section: String) -> Self {
        Self { used: Purpose::Feeds { section }, ..Self::new(settings) }
    }

    /// # Errors
    /// `Config` where the settings can't work.
    pub(super) fn check(&self) -> Result<()> {
        self.settings.check(&self.used)
    }

    /// The section of the project that has the brokers.
    pub(super) fn section(&self) -> &str {
        self.used.section()
    }

    /// One session of a writer. What it can't deliver ends it: there is never a gap in what it writes.
    pub(super) fn producer(&self) -> Result<Producer> {
        let mut config = self.producing();
        config.set("enable.gapless.guarantee", "true");
        self.create(&config, "a producer")
    }

    fn producing(&self) -> ClientConfig {
        let settings = &self.settings;
        let mut config = self.config();
        let queue_kbytes = (settings.unsynced_bytes + settings.message_bytes_max) / 512;
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", settings.compression.as_str())
            .set("linger.ms", settings.linger.as_millis().to_string())
            .set("message.timeout.ms", settings.delivery_timeout.as_millis().to_string())
            .set("message.max.bytes", self.request_bytes().to_string())
            .set("batch.size", REQUEST_BYTES.to_string())
            .set("queue.buffering.max.kbytes", queue_kbytes.max(1024).to_string());
        config
    }

    /// A producer of transactions: of all with the same id the last one alone can commit.
    pub(super) fn transactional<C: ProducerContext + 'static>(
        &self,
        id: &str,
        context: impl FnOnce(Context) -> C,
    ) -> Result<ThreadedProducer<C>> {
        let settings = &self.settings;
        let mut config = self.producing();
        let longest = settings.delivery_timeout.min(TRANSACTION_MAX).as_millis().to_string();
        // Whoever writes waits where it is full, and there may be many of these.
        let queue_kbytes = settings.message_bytes_max / 512 + 8192;
        config
            .set("transactional.id", id)
            .set("batch.size", MIXED_REQUEST_BYTES.to_string())
            // As Kafka's own producers do it, so that a key stays where they would put it.
            .set("partitioner", "murmur2_random")
            .set("transaction.timeout.ms", TRANSACTION_MAX.as_millis().to_string())
            .set("message.timeout.ms", longest)
            .set("queue.buffering.max.messages", "1000000")
            .set("queue.buffering.max.kbytes", queue_kbytes.to_string());
        let created = config.create_with_context(context(self.context.clone()));
        created.map_err(|error| self.error("can't set up a producer for Kafka", &error))
    }

    /// A consumer for whoever waits.
    pub(super) fn consumer(&self) -> Result<Consumer> {
        let mut config = self.consuming();
        config.set("fetch.wait.max.ms", "100");
        self.create(&config, "a consumer")
    }

    /// A consumer that blocks, and is told where topics end.
    pub(super) fn reader(&self) -> Result<Reader> {
        let mut config = self.consuming();
        config.set("enable.partition.eof", "true").set("fetch.wait.max.ms", "10");
        self.create(&config, "a consumer")
    }

    /// The same under the name of a group, at which it leaves word of how far it is.
    pub(super) fn reader_of(&self, group: &str) -> Result<Reader> {
        let mut config = self.consuming();
        config
            .set("group.id", group)
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "100");
        self.create(&config, "a consumer")
    }

    /// A member of a group that is told of each change in it.
    pub(super) fn member<C: ConsumerContext + 'static>(
        &self,
        group: &str,
        member: &str,
        context: impl FnOnce(Context) -> C,
    ) -> Result<BaseConsumer<C>> {
        let session = self.settings.session_timeout;
        let mut config = self.consuming();
        config
            .set("group.id", group)
            .set("group.instance.id", member)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("auto.offset.reset", "latest")
            .set("session.timeout.ms", session.as_millis().to_string())
            .set("heartbeat.interval.ms", (session / 12).as_millis().to_string());
        let created = config.create_with_context(context(self.context.clone()));
        created.map_err(|error| self.error("can't set up a worker at Kafka", &error))
    }

    pub(super) fn admin(&self) -> Result<Admin> {
        self.create(&self.config(), "an administrator")
    }

    /// An error of a client as ours; `what` is what was wanted.
    pub(super) fn error(
        &self,
        what: impl Into<String>,
        error: &KafkaError,
    ) -> syncline_core::Error {
        error::of(what.into(), error, &self.settings, &self.used, self.context.take())
    }

    fn create<T: FromClientConfigAndContext<Context>>(
        &self,
        config: &ClientConfig,
        what: &str,
    ) -> Result<T> {
        let created = config.create_with_context(self.context.clone());
        created.map_err(|error| self.error(format!("can't set up {what} for Kafka"), &error))
    }

    /// The longest request: a record with all that goes with it.
    fn request_bytes(&self) -> usize {
        self.settings.message_bytes_max.max(REQUEST_BYTES) + (1 << 16)
    }

    fn consuming(&self) -> ClientConfig {
        let mut config = self.config();
        let fetch = self.settings.fetch_bytes;
        config
            // Nobody joins it: librdkafka gives places to no consumer without a group.
            .set("group.id", format!("{}.readers", self.settings.prefix))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("check.crcs", "true")
            .set("fetch.message.max.bytes", fetch.to_string())
            .set("fetch.max.bytes", fetch.max(REQUEST_BYTES).to_string())
            .set("queued.max.messages.kbytes", (fetch / 1024).max(1).to_string())
            .set("receive.message.max.bytes", (2 * self.request_bytes() + fetch).to_string());
        config
    }

    fn config(&self) -> ClientConfig {
        let settings = &self.settings;
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", settings.brokers.join(","))
            .set("client.id", "syncline")
            .set("socket.nagle.disable", "true")
            .set("allow.auto.create.topics", "false")
            .set("reconnect.backoff.max.ms", "1000")
            .set("log.connection.close", "false");
        self.secure(&mut config);
        config
    }

    fn secure(&self, config: &mut ClientConfig) {
        let security = &self.settings.security;
        let protocol = match (&security.tls, &security.sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if let Some(tls) = &security.tls {
            config.set("ssl.endpoint.identification.algorithm", "https");
            if let Some(roots) = &tls.roots {
                config.set("ssl.ca.location", roots.display().to_string());
            }
            if let Some((certificate, key)) = &tls.certificate {
                config.set("ssl.certificate.location", certificate.display().to_string());
                config.set("ssl.key.location", key.display().to_string());
            }
        }
        if let Some(sasl) = &security.sasl {
            log_in(config, sasl);
        }
    }
}

fn log_in(config: &mut ClientConfig, sasl: &Sasl) {
    let mut by_password = |mechanism: &str, user: &str, password: &syncline_core::Secret| {
        config
            .set("sasl.mechanism", mechanism)
            .set("sasl.username", user)
            .set("sasl.password", password.reveal());
    };
    match sasl {
        Sasl::Scram256 { user, password } => by_password("SCRAM-SHA-256", user, password),
        Sasl::Scram512 { user, password } => by_password("SCRAM-SHA-512", user, password),
        Sasl::Plain { user, password } => by_password("PLAIN", user, password),
        Sasl::OAuth { token_url, client, secret, scope } => {
            config
                .set("sasl.mechanism", "OAUTHBEARER")
                .set("sasl.oauthbearer.method", "oidc")
                .set("sasl.oauthbearer.token.endpoint.url", token_url)
                .set("sasl.oauthbearer.client.id", client)
                .set("sasl.oauthbearer.client.secret", secret.reveal());
            if let Some(scope) = scope {
                config.set("sasl.oauthbearer.scope", scope);
            }
        }
    }
}
