//! Who is measured: a process that takes changes from the source to a database of its own.

use anyhow::{Context, Result};
use nix::unistd::Pid;
use std::fmt;
use std::path::Path;
use syncline_benches::project::{self, System};
use syncline_demo::{Cluster, Running};
use tokio_postgres::Client;

/// The two contenders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    /// PostgreSQL's own subscription.
    Native,
    /// Ours.
    Syncline,
}

impl Contender {
    pub(crate) const ALL: [Self; 2] = [Self::Native, Self::Syncline];

    /// Its database at the target.
    pub(crate) fn database(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Syncline => "syncline",
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

/// Starts Syncline on tables that go over as they are.
pub(crate) fn start_syncline(
    source: &Cluster,
    target: &Cluster,
    project: &Path,
) -> Result<Running> {
    let systems = [
        System { name: "source", cluster: source, database: "source" },
        System { name: "target", cluster: target, database: Contender::Syncline.database() },
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
    project::start(project, &systems, &files)
}

/// The apply worker of the subscription.
pub(crate) async fn apply_worker(native: &Client) -> Result<Option<Pid>> {
    let worker = "SELECT max(pid) FROM pg_stat_subscription
                  WHERE subname = 'native' AND relid IS NULL";
    let row = native.query_one(worker, &[]).await?;
    Ok(row.get::<_, Option<i32>>(0).map(Pid::from_raw))
}
