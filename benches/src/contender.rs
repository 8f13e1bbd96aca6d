//! Who is measured: a process that takes changes from the source to a database of its own.

use anyhow::{Context, Result};
use nix::unistd::Pid;
use std::fmt;
use std::path::Path;
use syncline_benches::project::{self, System};
use syncline_demo::{Cluster, Running};
use tokio_postgres::Client;

/// The contenders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Contender {
    /// PostgreSQL's own subscription.
    Native,
    /// Ours.
    Syncline,
    /// Ours, with its log at a Kafka broker.
    Kafka,
}

impl Contender {
    /// Who runs; Kafka only where it is asked for.
    pub(crate) fn all(with_kafka: bool) -> Vec<Self> {
        let kafka = with_kafka.then_some(Self::Kafka);
        [Self::Native, Self::Syncline].into_iter().chain(kafka).collect()
    }

    /// Its database at the target, and its slot at the source.
    pub(crate) fn database(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Syncline => "syncline",
            Self::Kafka => "kafka",
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.database())
    }
}

/// Creates the subscription. Streaming of large transactions stays off: none is large.
pub(crate) async fn subscribe(source: &Cluster, native: &Client) -> Result<()> {
    let subscribe = format!(
        "CREATE SUBSCRIPTION native CONNECTION '{}'
         PUBLICATION native WITH (binary = true, copy_data = false)",
        source.url("source")
    );
    native.batch_execute(&subscribe).await.context("can't subscribe")
}

/// Starts Syncline on tables that go over as they are, with this section for its log.
pub(crate) fn start_syncline(
    contender: Contender,
    (source, target): (&Cluster, &Cluster),
    project: &Path,
    log: &str,
) -> Result<Running> {
    let database = contender.database();
    let systems = [
        System { name: "source", cluster: source, database: "source", slot: Some(database) },
        System { name: "target", cluster: target, database, slot: None },
    ];
    let columns = "id, external_id, given_name, family_name, email, department, score, updated_at,
                   note";
    let copy = |table: &str, columns: &str| {
        format!(
            "INSERT INTO target.public.{table} ({columns})\n\
             SELECT {columns} FROM source.public.{table};\n"
        )
    };
    let files =
        [("people/people.sql", copy("people", columns)), ("people/marks.sql", copy("marks", "id"))];
    project::start(project, &systems, &files, log)
}

/// The apply worker of the subscription.
pub(crate) async fn apply_worker(native: &Client) -> Result<Option<Pid>> {
    let worker = "SELECT max(pid) FROM pg_stat_subscription
                  WHERE subname = 'native' AND relid IS NULL";
    let row = native.query_one(worker, &[]).await?;
    Ok(row.get::<_, Option<i32>>(0).map(Pid::from_raw))
}
