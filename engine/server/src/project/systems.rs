//! `[systems.NAME]`: how each of the institution's systems is reached.
//!
//! Texts that live in the environment or in files are resolved only when the system is used, so
//! that `check` and `explain` work where the passwords are not.

use super::document::{Section, Value, Wrong};
use super::limits::{positive, set};
use super::topics::Topics;
use super::values::{ByteSize, Port, Surroundings, Text, one_of};
use crate::problem::{Place, Problem};
use std::path::PathBuf;
use std::time::Duration;
use syncline_core::{Secret, SystemName};
use syncline_generator as generator;
use syncline_postgres as postgres;
use toml::de::DeValue;

/// One system of the project.
#[derive(Debug)]
pub(crate) enum System {
    /// A PostgreSQL database.
    Postgres(Box<Postgres>),
    /// Topics in Debezium's format.
    Debezium(Box<Topics>),
    /// Rows that are made up; only read.
    Generator(generator::Settings),
    /// Takes everything and keeps nothing; only written. Its tables are those that the lock has.
    Discard,
}

/// The connectors by their names in `connector = "…"`.
const CONNECTORS: [&str; 4] = ["postgres", "debezium", "generator", "discard"];

impl System {
    /// Reads `[systems.NAME]` of a project.
    pub(crate) fn from_section(
        name: &SystemName,
        section: &Section<'_>,
        project: &str,
    ) -> Option<Self> {
        let connector: Option<Connector> = section.required("connector");
        match connector {
            Some(Connector("debezium")) => {
                Topics::from_section(name, section, project).map(Box::new).map(Self::Debezium)
            }
            Some(Connector("generator")) => Some(Self::Generator(made_up(name, section))),
            Some(Connector("discard")) => Some(Self::Discard),
            // What else is wrong is told too.
            connector => {
                let postgres = Postgres::from_section(name, section);
                connector.and(postgres).map(Box::new).map(Self::Postgres)
            }
        }
    }

    /// The word for it, with its article.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "a PostgreSQL database",
            Self::Debezium(_) => "topics of Debezium",
            Self::Generator(_) => "a generator",
            Self::Discard => "a discard",
        }
    }
}

/// The name of a connector that there is.
struct Connector(&'static str);

impl Value for Connector {
    fn read(value: &DeValue<'_>, _: &Place) -> Result<Self, Wrong> {
        one_of(value, &CONNECTORS).map(Self)
    }
}

/// The settings of a generator.
fn made_up(name: &SystemName, section: &Section<'_>) -> generator::Settings {
    let mut settings = generator::Settings::new(name.clone());
    set(&mut settings.seed, section.optional("seed"));
    set(&mut settings.transaction_rows, positive(section, "transaction_rows"));
    settings.rows = section.optional("rows");
    settings.rows_per_second = positive(section, "rows_per_second");
    settings
}

/// A PostgreSQL system as the project writes it.
#[derive(Debug)]
pub(crate) struct Postgres {
    host: Text,
    port: Port,
    database: Text,
    user: Text,
    password: Option<Text>,
    tls: postgres::Tls,
    slot: String,
    publication: String,
    synchronous_commit: Option<CommitWord>,
    limits: Limits,
}

impl Postgres {
    fn from_section(name: &SystemName, section: &Section<'_>) -> Option<Self> {
        let host = section.required("host");
        let port = section.or("port", Port(Text::Plain("5432".into())));
        let database = section.required("database");
        let user = section.required("user");
        let password = section.optional("password");
        let tls = read_tls(section);
        let slot = section.or("slot", format!("syncline_{name}"));
        let publication = section.or("publication", format!("syncline_{name}"));
        let synchronous_commit = section.optional("synchronous_commit");
        let limits = Limits::from_section(section.section("limits").as_ref());
        Some(Self {
            host: host?,
            port,
            database: database?,
            user: user?,
            password,
            tls,
            slot,
            publication,
            synchronous_commit,
            limits,
        })
    }

    /// What the connector needs, every text looked up; all that is missing at once.
    pub(crate) fn resolve(&self, from: &Surroundings) -> Result<postgres::Settings, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut look_up = |text: &Text| {
            text.resolve(from).map_err(|problem| problems.push(problem)).unwrap_or_default()
        };
        let host = look_up(&self.host);
        let database = look_up(&self.database);
        let user = look_up(&self.user);
        let password = self.password.as_ref().map(look_up).map(Secret::new);
        let port = self.port.0.resolve_port(from).map_err(|problem| problems.push(problem));
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut settings =
            postgres::Settings::new(&host, port.unwrap_or_default(), &database, &user);
        settings.password = password;
        settings.tls = self.tls_in(from);
        settings.slot.clone_from(&self.slot);
        settings.publication.clone_from(&self.publication);
        settings.synchronous_commit = self.synchronous_commit.as_ref().map(|it| it.0);
        self.limits.apply(&mut settings);
        Ok(settings)
    }

    fn tls_in(&self, from: &Surroundings) -> postgres::Tls {
        match &self.tls {
            postgres::Tls::VerifyFull { roots: Some(roots) } => {
                postgres::Tls::VerifyFull { roots: Some(from.directory.join(roots)) }
            }
            other => other.clone(),
        }
    }
}

/// `tls` and `tls_roots`.
fn read_tls(section: &Section<'_>) -> postgres::Tls {
    let roots: Option<PathBuf> = section.optional("tls_roots");
    let TlsWord(word) = section.or("tls", TlsWord("disable"));
    if roots.is_some() && word != "verify-full" {
        let wrong = Problem::new(format!("tls = {word:?} does not use tls_roots"))
            .hint("set tls = \"verify-full\"".to_owned());
        section.report("tls_roots", wrong);
    }
    match word {
        "require" => postgres::Tls::Require,
        "verify-full" => postgres::Tls::VerifyFull { roots },
        _ => postgres::Tls::Disable,
    }
}

/// The word after `tls =`.
struct TlsWord(&'static str);

impl Value for TlsWord {
    fn read(value: &DeValue<'_>, _: &Place) -> Result<Self, Wrong> {
        one_of(value, &["disable", "require", "verify-full"]).map(Self)
    }
}

/// The word after `synchronous_commit =`.
#[derive(Debug)]
struct CommitWord(&'static str);

impl Value for CommitWord {
    fn read(value: &DeValue<'_>, _: &Place) -> Result<Self, Wrong> {
        one_of(value, &["off", "local", "remote_write", "on", "remote_apply"]).map(Self)
    }
}

/// `[systems.NAME.limits]`: what is not said keeps the connector's default.
#[derive(Debug, Default)]
struct Limits {
    connect_timeout: Option<Duration>,
    statement_timeout: Option<Duration>,
    snapshot_connections: Option<usize>,
    snapshot_chunk_rows: Option<u64>,
    batch_rows_max: Option<usize>,
    batch_bytes_max: Option<ByteSize>,
    heartbeat: Option<Duration>,
    wal_bytes_max: Option<ByteSize>,
}

impl Limits {
    fn from_section(section: Option<&Section<'_>>) -> Self {
        let Some(section) = section else { return Self::default() };
        let limits = Self {
            connect_timeout: section.optional("connect_timeout"),
            statement_timeout: section.optional("statement_timeout"),
            snapshot_connections: positive(section, "snapshot_connections"),
            snapshot_chunk_rows: positive(section, "snapshot_chunk_rows"),
            batch_rows_max: positive(section, "batch_rows_max"),
            batch_bytes_max: positive(section, "batch_bytes_max"),
            heartbeat: section.optional("heartbeat"),
            wal_bytes_max: positive(section, "wal_bytes_max"),
        };
        section.finish();
        limits
    }

    fn apply(&self, settings: &mut postgres::Settings) {
        set(&mut settings.connect_timeout, self.connect_timeout);
        set(&mut settings.snapshot_connections, self.snapshot_connections);
        set(&mut settings.snapshot_chunk_rows, self.snapshot_chunk_rows);
        set(&mut settings.batch_rows_max, self.batch_rows_max);
        set(&mut settings.batch_bytes_max, self.batch_bytes_max.map(ByteSize::in_memory));
        set(&mut settings.heartbeat, self.heartbeat);
        settings.statement_timeout = self.statement_timeout.or(settings.statement_timeout);
        settings.wal_bytes_max = self.wal_bytes_max.map(|it| it.0).or(settings.wal_bytes_max);
    }
}
