//! A private Kafka Connect worker with one of Debezium's connectors: that for PostgreSQL, which writes topics, or its
//! JDBC sink, which reads them. It lives as long as its [`Connect`].
//!
//! The jars are fetched by `./dev`; where they are is in the variable [`CONNECT_JARS_VARIABLE`], or else where
//! `./dev` puts them. Invariant: the only process ever signalled is the one started here.

use crate::broker::{Broker, LOGGING, free_ports, jars};
use crate::cluster::{Cluster, wait_until};
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Names the folder with the jars of Kafka Connect and its connector.
pub const CONNECT_JARS_VARIABLE: &str = "SYNCLINE_CONNECT_JARS";
/// The largest record that is written, in bytes.
const RECORD_BYTES_MAX: &str = "33554432";
const START_DEADLINE: Duration = Duration::from_secs(120);
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// Settings of the connector that keep values as they are. NULL stays NULL, a number its digits, an
/// interval its months, and the source says its columns' types.
const EXACT: [(&str, &str); 8] = [
    ("decimal.handling.mode", "string"),
    ("interval.handling.mode", "string"),
    ("hstore.handling.mode", "json"),
    ("include.unknown.datatypes", "true"),
    ("column.propagate.source.type", ".*"),
    ("datatype.propagate.source.type", ".*"),
    ("value.converter.replace.null.with.default", "false"),
    ("key.converter.replace.null.with.default", "false"),
];

/// What is read of a database, and what its topics are called.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    /// The database.
    pub database: &'a str,
    /// Its tables, with commas between: `public.students,public.courses`.
    pub tables: &'a str,
    /// What the topics' names begin with (`topic.prefix`).
    pub prefix: &'a str,
    /// The most that the worker's heap may be, in MiB.
    pub heap_mib: u32,
}

/// What a database is filled from.
#[derive(Debug, Clone, Copy)]
pub struct Filled<'a> {
    /// The database.
    pub database: &'a str,
    /// The topics, with commas between.
    pub topics: &'a str,
    /// The most that the worker's heap may be, in MiB.
    pub heap_mib: u32,
}

/// A running worker. Stops when dropped.
#[derive(Debug)]
pub struct Connect {
    jars: PathBuf,
    directory: TempDir,
    heap_mib: u32,
    worker: Option<Child>,
}

impl Connect {
    /// What the heap of a worker needs for the little that tests have, in MiB.
    pub const HEAP_MIB: u32 = 768;

    /// Starts a worker with the connector for PostgreSQL, which reads a database of a cluster of
    /// [`crate::Access::Loopback`] as the superuser. Further
    /// settings of the connector go before ours. Blocks until the worker has begun.
    ///
    /// # Errors
    /// When the jars are not there, or it won't start; the message has its last words.
    pub fn start(
        broker: &Broker,
        cluster: &Cluster,
        watched: Watched<'_>,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        Self::run(broker, &connector(cluster, watched, settings), watched.heap_mib)
    }

    /// Starts a worker with Debezium's JDBC sink, which writes what is committed to topics into the tables of a
    /// database of such a cluster; a table has its name from the records. Further settings of the connector go
    /// before ours. Blocks until the worker has begun.
    ///
    /// # Errors
    /// The same.
    pub fn fill(
        broker: &Broker,
        cluster: &Cluster,
        filled: Filled<'_>,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        Self::run(broker, &sink(cluster, filled, settings), filled.heap_mib)
    }

    fn run(broker: &Broker, connector: &str, heap_mib: u32) -> Result<Self> {
        let jars = jars(CONNECT_JARS_VARIABLE, "connect")?;
        let directory = tempfile::Builder::new().prefix("syncline-connect-").tempdir()?;
        let mut connect = Self { jars, directory, heap_mib, worker: None };
        let port = free_ports(1)?.first().copied().context("no port")?;
        std::fs::create_dir(connect.path("plugins"))?;
        std::fs::write(connect.path("log4j2.properties"), LOGGING)?;
        let worker = worker(connect.directory.path(), &broker.address(), port);
        std::fs::write(connect.path("worker.properties"), worker)?;
        std::fs::write(connect.path("connector.properties"), connector)?;
        connect.resume()?;
        Ok(connect)
    }

    /// Starts it again where it was stopped: it goes on where it was.
    ///
    /// # Errors
    /// When it won't start.
    pub fn resume(&mut self) -> Result<()> {
        if self.worker.is_some() {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(self.path("worker.log"))?;
        let logging =
            format!("-Dlog4j2.configurationFile={}", self.path("log4j2.properties").display());
        let mut java = Command::new("java");
        let heap = format!("-Xmx{}m", self.heap_mib);
        java.args(["-Xms128m", &heap, "-XX:+UseSerialGC", &logging, "-cp"])
            .arg(self.jars.join("*"))
            .arg("org.apache.kafka.connect.cli.ConnectStandalone")
            .arg(self.path("worker.properties"))
            .arg(self.path("connector.properties"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A Ctrl-C at the terminal is for us; we stop the worker when we are done with it.
            .process_group(0);
        self.worker = Some(java.spawn().context("can't run java")?);
        wait_until(START_DEADLINE, || self.has_begun())
    }

    /// Fails where the connector gave up; with its last words.
    ///
    /// # Errors
    /// When it did.
    pub fn check(&mut self) -> Result<()> {
        let worker = self.worker.as_mut().context("it was not started")?;
        if let Some(status) = worker.try_wait()? {
            bail!("Kafka Connect ended with {status}\n{}", self.last_words());
        }
        let said = self.said();
        if let Some(at) = said.find("Task threw an uncaught and unrecoverable exception") {
            // Where it happened is of no use here; what happened is.
            let why = said[at..].lines().filter(|line| !line.trim_start().starts_with("at "));
            let why: String =
                why.take(60).collect::<Vec<_>>().join("\n").chars().take(4000).collect();
            bail!("the connector gave up\n{why}");
        }
        Ok(())
    }

    /// What it said so far.
    #[must_use]
    pub fn said(&self) -> String {
        let log = std::fs::read(self.path("worker.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Ends it in an orderly way.
    ///
    /// # Errors
    /// When it won't end.
    pub fn stop(&mut self) -> Result<()> {
        self.end_by(Signal::SIGTERM)
    }

    /// Its process, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.worker.as_ref().map(Child::id)
    }

    /// Its own directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn has_begun(&mut self) -> Result<bool> {
        self.check()?;
        Ok(self.said().contains("Created connector "))
    }

    fn last_words(&self) -> String {
        let said = self.said();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn end_by(&mut self, signal: Signal) -> Result<()> {
        let Some(mut worker) = self.worker.take() else { return Ok(()) };
        for signal in [signal, Signal::SIGKILL] {
            if worker.try_wait()?.is_some() {
                return Ok(());
            }
            kill(Pid::from_raw(i32::try_from(worker.id())?), signal)?;
            if wait_until(STOP_DEADLINE, || Ok(worker.try_wait()?.is_some())).is_ok() {
                return Ok(());
            }
        }
        bail!("Kafka Connect {} does not end", worker.id())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Drop for Connect {
    fn drop(&mut self) {
        if let Err(error) = self.end_by(Signal::SIGKILL) {
            tracing::warn!(%error, "a private Kafka Connect was left running");
        }
    }
}

fn worker(directory: &Path, brokers: &str, port: u16) -> String {
    let json = "org.apache.kafka.connect.json.JsonConverter";
    let file = |name: &str| directory.join(name).display().to_string();
    lines(&[
        ("bootstrap.servers", brokers.to_owned()),
        ("key.converter", json.to_owned()),
        ("value.converter", json.to_owned()),
        ("offset.storage.file.filename", file("offsets")),
        ("offset.flush.interval.ms", "1000".to_owned()),
        ("listeners", format!("HTTP://127.0.0.1:{port}")),
        // Its connectors are on the class path; the folder only has to be there.
        ("plugin.path", file("plugins")),
        ("plugin.discovery", "hybrid_warn".to_owned()),
        ("producer.max.request.size", RECORD_BYTES_MAX.to_owned()),
        ("consumer.isolation.level", "read_committed".to_owned()),
        ("consumer.auto.offset.reset", "earliest".to_owned()),
        ("consumer.metadata.max.age.ms", "1000".to_owned()),
    ])
}

fn connector(cluster: &Cluster, watched: Watched<'_>, given: &[(&str, &str)]) -> String {
    let json = "org.apache.kafka.connect.json.JsonConverter";
    let mut settings = vec![
        ("name", watched.prefix.to_owned()),
        ("connector.class", "io.debezium.connector.postgresql.PostgresConnector".to_owned()),
        ("tasks.max", "1".to_owned()),
        ("plugin.name", "pgoutput".to_owned()),
        ("database.hostname", "127.0.0.1".to_owned()),
        ("database.port", cluster.port().to_string()),
        ("database.user", "postgres".to_owned()),
        ("database.password", "none".to_owned()),
        ("database.dbname", watched.database.to_owned()),
        ("topic.prefix", watched.prefix.to_owned()),
        ("table.include.list", watched.tables.to_owned()),
        ("slot.name", "debezium".to_owned()),
        ("publication.name", "debezium".to_owned()),
        ("publication.autocreate.mode", "filtered".to_owned()),
        ("poll.interval.ms", "50".to_owned()),
        ("topic.creation.default.partitions", "1".to_owned()),
        ("topic.creation.default.replication.factor", "1".to_owned()),
        ("topic.creation.default.max.message.bytes", RECORD_BYTES_MAX.to_owned()),
        ("key.converter", json.to_owned()),
        ("key.converter.schemas.enable", "true".to_owned()),
        ("value.converter", json.to_owned()),
        ("value.converter.schemas.enable", "true".to_owned()),
    ];
    settings.extend(EXACT.map(|(name, value)| (name, value.to_owned())));
    over(settings, given)
}

fn sink(cluster: &Cluster, filled: Filled<'_>, given: &[(&str, &str)]) -> String {
    let json = "org.apache.kafka.connect.json.JsonConverter";
    let Filled { database, topics, .. } = filled;
    let port = cluster.port();
    let settings = vec![
        ("name", "sink".to_owned()),
        ("connector.class", "io.debezium.connector.jdbc.JdbcSinkConnector".to_owned()),
        ("tasks.max", "1".to_owned()),
        ("topics", topics.to_owned()),
        // Texts are of whatever type their column has.
        (
            "connection.url",
            format!("jdbc:postgresql://127.0.0.1:{port}/{database}?stringtype=unspecified"),
        ),
        ("connection.username", "postgres".to_owned()),
        ("connection.password", "none".to_owned()),
        ("insert.mode", "upsert".to_owned()),
        ("primary.key.mode", "record_key".to_owned()),
        ("delete.enabled", "true".to_owned()),
        ("truncate.enabled", "true".to_owned()),
        ("schema.evolution", "none".to_owned()),
        ("collection.name.format", "${source.schema}.${source.table}".to_owned()),
        ("key.converter", json.to_owned()),
        ("key.converter.schemas.enable", "true".to_owned()),
        ("value.converter", json.to_owned()),
        ("value.converter.schemas.enable", "true".to_owned()),
        ("value.converter.replace.null.with.default", "false".to_owned()),
    ];
    over(settings, given)
}

/// Settings, and those that go before them.
fn over<'a>(mut settings: Vec<(&'a str, String)>, given: &[(&'a str, &str)]) -> String {
    settings.retain(|(name, _)| given.iter().all(|(other, _)| other != name));
    settings.extend(given.iter().map(|(name, value)| (*name, (*value).to_owned())));
    lines(&settings)
}

fn lines(settings: &[(&str, String)]) -> String {
    settings.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}
