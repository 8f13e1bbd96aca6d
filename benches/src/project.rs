//! Projects that are measured, and the processes that run them.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;
use std::time::Duration;
use syncline_demo::{Access, Cluster, ClusterOptions, Program, Running};
use tokio_postgres::{Client, Statement};

/// A system of a project: a database on one of our servers.
#[derive(Debug)]
pub struct System<'a> {
    /// As the project names it.
    pub name: &'a str,
    /// Its server.
    pub cluster: &'a Cluster,
    /// Its database.
    pub database: &'a str,
    /// The replication slot and the publication; what the project makes of its name where there is none.
    pub slot: Option<&'a str>,
    /// Reached by 127.0.0.1 in place of a unix socket.
    pub is_tcp: bool,
}

/// Writes a project and starts Syncline on it. Files are given by their path in it and their text; `log` is
/// the settings' section of that name, empty where the log is embedded.
///
/// # Errors
/// When a file can't be written, or the project is refused.
pub fn start(
    project: &Path,
    systems: &[System<'_>],
    files: &[(&str, String)],
    log: &str,
) -> Result<Running> {
    let systems: String = systems.iter().map(System::section).collect();
    // Whole tables go here, and nobody is there to be asked.
    let settings = format!(
        "[project]\nname = \"measured\"\n\n[http]\nlisten = \"127.0.0.1:0\"\n\n\
         [gates]\ndeletes_percent = 100\n{systems}{log}"
    );
    std::fs::create_dir_all(project)?;
    std::fs::write(project.join("syncline.toml"), settings)?;
    for (file, text) in files {
        let file = project.join(file);
        std::fs::create_dir_all(file.parent().context("a file is in a folder")?)?;
        std::fs::write(file, text)?;
    }
    let program = Program::beside_us()?;
    let locked = program.command(project).arg("lock").output()?;
    if !locked.status.success() {
        bail!("syncline lock failed\n{}", String::from_utf8_lossy(&locked.stderr));
    }
    program.run(project)
}

impl<'a> System<'a> {
    /// By its unix socket, with a slot of the project's own.
    #[must_use]
    pub fn new(name: &'a str, cluster: &'a Cluster, database: &'a str) -> Self {
        Self { name, cluster, database, slot: None, is_tcp: false }
    }

    fn section(&self) -> String {
        let Self { name, cluster, database, slot, is_tcp } = self;
        let slot = slot.map_or_else(String::new, |slot| {
            format!("slot = \"{slot}\"\npublication = \"{slot}\"\n")
        });
        format!(
            "\n[systems.{name}]\nconnector = \"postgres\"\nhost = \"{}\"\nport = {}\n\
             database = \"{database}\"\nuser = \"{}\"\n{slot}",
            host(cluster, *is_tcp),
            cluster.port(),
            cluster.superuser()
        )
    }
}

/// What to give as the host of a server.
#[must_use]
pub fn host(cluster: &Cluster, is_tcp: bool) -> &str {
    if is_tcp { "127.0.0.1" } else { cluster.host() }
}

/// Makes a database of these tables.
///
/// # Errors
/// When the server refuses.
pub async fn database(cluster: &Cluster, name: &str, tables: &[&str]) -> Result<Client> {
    let server = cluster.connect("postgres").await?;
    server.batch_execute(&format!("CREATE DATABASE {name}")).await?;
    let client = cluster.connect(name).await?;
    for tables in tables {
        client.batch_execute(tables).await?;
    }
    client.batch_execute("SET extra_float_digits = 1").await?;
    Ok(client)
}

/// Prepares what is asked again and again. Its plan is made once, perhaps of a table that is empty still: from now on
/// the session goes by an index wherever it can, so that nobody goes through all of a table that has grown.
///
/// # Errors
/// When the server refuses.
pub async fn prepare_to_poll(client: &Client, question: &str) -> Result<Statement> {
    client.batch_execute("SET enable_seqscan = off").await?;
    Ok(client.prepare(question).await?)
}

/// How servers are set up. Commits are as durable as PostgreSQL makes them.
#[must_use]
pub fn tuned() -> ClusterOptions {
    let settings = [
        ("shared_buffers", "1GB"),
        ("max_wal_size", "16GB"),
        ("checkpoint_timeout", "1h"),
        // Nobody vacuums while the clock runs, and a stopped contender is not given up.
        ("autovacuum", "off"),
        ("wal_sender_timeout", "0"),
        ("wal_receiver_timeout", "0"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    ClusterOptions {
        settings: settings.to_vec(),
        access: Access::Loopback,
        ..ClusterOptions::default()
    }
}

/// The process of a run.
///
/// # Errors
/// When its number is none.
pub fn process(running: &Running) -> Result<Pid> {
    Ok(Pid::from_raw(i32::try_from(running.id())?))
}

/// Stops a process in its tracks.
///
/// # Errors
/// When the system refuses.
pub fn pause(process: Pid) -> Result<()> {
    kill(process, Signal::SIGSTOP).context("can't pause a contender")
}

/// Lets it go on.
///
/// # Errors
/// When the system refuses.
pub fn resume(process: Pid) -> Result<()> {
    kill(process, Signal::SIGCONT).context("can't resume a contender")
}

/// The processor time that it has had so far.
///
/// # Errors
/// When there is no such process.
pub fn processor_time(process: Pid) -> Result<Duration> {
    syncline_demo::processor_time(u32::try_from(process.as_raw())?)
}
