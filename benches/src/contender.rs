//! Who is measured: a process that takes changes from the source to a database of its own.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fmt;
use std::path::Path;
use syncline_demo::{Cluster, Program, Running};
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

/// Writes a project and starts Syncline on it.
pub(crate) fn start_syncline(
    source: &Cluster,
    target: &Cluster,
    project: &Path,
) -> Result<Running> {
    std::fs::create_dir_all(project.join("people"))?;
    let settings = format!(
        "[project]\nname = \"compare\"\n\n[http]\nlisten = \"127.0.0.1:0\"\n{}{}",
        system("source", source, "source"),
        system("target", target, Contender::Syncline.database())
    );
    std::fs::write(project.join("syncline.toml"), settings)?;
    let columns = "id, external_id, given_name, family_name, email, department, score, updated_at,
                   note";
    for (file, table, columns) in
        [("people/people.sql", "people", columns), ("people/marks.sql", "marks", "id")]
    {
        let statement = format!(
            "INSERT INTO target.public.{table} ({columns})\n\
             SELECT {columns} FROM source.public.{table};\n"
        );
        std::fs::write(project.join(file), statement)?;
    }
    let program = Program::beside_us()?;
    let locked = program.command(project).arg("lock").output()?;
    if !locked.status.success() {
        bail!("syncline lock failed\n{}", String::from_utf8_lossy(&locked.stderr));
    }
    program.run(project)
}

fn system(name: &str, cluster: &Cluster, database: &str) -> String {
    format!(
        "\n[systems.{name}]\nconnector = \"postgres\"\nhost = \"{}\"\nport = {}\n\
         database = \"{database}\"\nuser = \"{}\"\n",
        cluster.host(),
        cluster.port(),
        cluster.superuser()
    )
}

/// The apply worker of the subscription.
pub(crate) async fn apply_worker(native: &Client) -> Result<Option<Pid>> {
    let worker = "SELECT max(pid) FROM pg_stat_subscription
                  WHERE subname = 'native' AND relid IS NULL";
    let row = native.query_one(worker, &[]).await?;
    Ok(row.get::<_, Option<i32>>(0).map(Pid::from_raw))
}

/// Stops a process in its tracks.
pub(crate) fn pause(process: Pid) -> Result<()> {
    kill(process, Signal::SIGSTOP).context("can't pause a contender")
}

/// Lets it go on.
pub(crate) fn resume(process: Pid) -> Result<()> {
    kill(process, Signal::SIGCONT).context("can't resume a contender")
}
