//! Who is measured: a process that takes changes from the source to a database of its own.

use crate::scene::{Path as Way, Scene};
use anyhow::{Context, Result};
use nix::unistd::Pid;
use std::fmt;
use std::path::Path;
use syncline_benches::project::{self, System};
use syncline_demo::{Broker, Cluster, Connect, Filled, Running, Watched};
use tokio_postgres::Client;

/// The contenders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Contender {
    /// PostgreSQL's own subscription.
    Native,
    /// The same a second time: what two equal ones differ by is noise.
    Control,
    /// Ours.
    Syncline,
    /// Ours, with its log at a Kafka broker.
    Kafka,
    /// Debezium's source for PostgreSQL and its JDBC sink, on Kafka Connect.
    Debezium,
}

/// Who takes part beside the subscription and ours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Others {
    pub(crate) control: bool,
    pub(crate) kafka: bool,
    pub(crate) debezium: bool,
}

/// What runs for a contender that is not a server's own.
#[derive(Debug)]
pub(crate) enum Runner {
    Ours(Running),
    Debezium { source: Connect, sink: Connect },
}

/// What Debezium's and Kafka Connect's documents say of throughput. A topic's records have their schemas in them,
/// as the sink needs: there is no registry here.
const DEBEZIUM_SOURCE: [(&str, &str); 6] = [
    ("snapshot.mode", "no_data"),
    ("max.batch.size", "20480"),
    ("max.queue.size", "81920"),
    ("producer.override.compression.type", "lz4"),
    ("producer.override.batch.size", "1048576"),
    ("producer.override.linger.ms", "5"),
];
const DEBEZIUM_SINK: [(&str, &str); 3] = [
    ("batch.size", "10000"),
    ("consumer.override.max.poll.records", "10000"),
    ("consumer.override.fetch.min.bytes", "100000"),
];
const DEBEZIUM_HEAP_MIB: u32 = 4096;

impl Runner {
    /// Fails where it ended by itself.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self {
            Self::Ours(running) => running.check(),
            Self::Debezium { source, sink } => source.check().and_then(|()| sink.check()),
        }
    }

    /// Its processes.
    pub(crate) fn processes(&self) -> Vec<u32> {
        match self {
            Self::Ours(running) => vec![running.id()],
            Self::Debezium { source, sink } => {
                [source, sink].into_iter().filter_map(Connect::id).collect()
            }
        }
    }
}

impl Contender {
    /// Who runs.
    pub(crate) fn all(others: Others) -> Vec<Self> {
        let control = others.control.then_some(Self::Control);
        let kafka = others.kafka.then_some(Self::Kafka);
        let debezium = others.debezium.then_some(Self::Debezium);
        let all = [Some(Self::Native), control, Some(Self::Syncline), kafka, debezium];
        all.into_iter().flatten().collect()
    }

    /// Its database at the target, and its slot at the source.
    pub(crate) fn database(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Control => "control",
            Self::Syncline => "syncline",
            Self::Kafka => "kafka",
            Self::Debezium => "debezium",
        }
    }

    /// Whether it needs a broker.
    pub(crate) fn is_on_kafka(self) -> bool {
        matches!(self, Self::Kafka | Self::Debezium)
    }

    /// Whether it copies rows, whatever the mapping says.
    pub(crate) fn copies(self) -> bool {
        self.is_native() || self == Self::Debezium
    }

    /// Whether it is a subscription.
    pub(crate) fn is_native(self) -> bool {
        matches!(self, Self::Native | Self::Control)
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.database())
    }
}

/// Creates a subscription. Streaming of large transactions stays off: it applies them at their end as well.
pub(crate) async fn subscribe(
    contender: Contender,
    scene: &Scene,
    source: &Cluster,
    target: &Client,
) -> Result<()> {
    let host = project::host(source, scene.is_tcp);
    let subscribe = format!(
        "CREATE SUBSCRIPTION {contender} CONNECTION 'host={host} port={} user={} dbname=source'
         PUBLICATION native WITH (binary = true, copy_data = false)",
        source.port(),
        source.superuser()
    );
    target.batch_execute(&subscribe).await.context("can't subscribe")
}

/// Starts Syncline, with this section for its log.
pub(crate) fn start_syncline(
    contender: Contender,
    scene: &Scene,
    (source, target): (&Cluster, &Cluster),
    project: &Path,
    log: &str,
) -> Result<Runner> {
    let database = contender.database();
    let staff = format!("{database}_staff");
    let is_tcp = scene.is_tcp;
    let system = |name, cluster, database, slot| System { name, cluster, database, slot, is_tcp };
    let mut systems = vec![
        system("source", source, "source", Some(database)),
        system("target", target, database, None),
    ];
    if scene.path == Way::Entity {
        systems.push(system("staff", source, "source", Some(&staff)));
    }
    let files = scene.files();
    let files: Vec<(&str, String)> =
        files.iter().map(|(file, text)| (file.as_str(), text.clone())).collect();
    project::start(project, &systems, &files, log).map(Runner::Ours)
}

/// Starts Debezium, from the source's tables to a database of the same ones.
pub(crate) fn start_debezium(
    scene: &Scene,
    (source, target): (&Cluster, &Cluster),
    broker: &Broker,
) -> Result<Runner> {
    let with_commas = |prefix: &str| {
        let names: Vec<String> =
            scene.shape.names().map(|name| format!("{prefix}{name}")).collect();
        names.join(",")
    };
    let (tables, topics) = (with_commas("public."), with_commas("measured.public."));
    let heap_mib = DEBEZIUM_HEAP_MIB;
    let watched = Watched { database: "source", tables: &tables, prefix: "measured", heap_mib };
    let filled = Filled { database: "debezium", topics: &topics, heap_mib };
    // Texts are of whatever type their column has.
    let url = format!(
        "jdbc:postgresql://127.0.0.1:{}/debezium?stringtype=unspecified&reWriteBatchedInserts=true",
        target.port()
    );
    let mut sink = vec![("connection.url", url.as_str())];
    sink.extend(DEBEZIUM_SINK);
    Ok(Runner::Debezium {
        source: Connect::start(broker, source, watched, &DEBEZIUM_SOURCE)?,
        sink: Connect::fill(broker, target, filled, &sink)?,
    })
}

/// The apply worker of a subscription.
pub(crate) async fn apply_worker(contender: Contender, target: &Client) -> Result<Option<Pid>> {
    let worker = "SELECT max(pid) FROM pg_stat_subscription WHERE subname = $1 AND relid IS NULL";
    let row = target.query_one(worker, &[&contender.database()]).await?;
    Ok(row.get::<_, Option<i32>>(0).map(Pid::from_raw))
}
