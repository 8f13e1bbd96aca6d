//! A private PostgreSQL server that lives as long as its [`Cluster`].
//!
//! ```text
//!  directory/        ours alone, removed with the cluster unless the caller chose it
//!    data/           the server's files
//!    server.log      what the server says
//!    .s.PGSQL.5432   its socket; elsewhere when the path would be too long
//! ```
//!
//! Invariants: a directory with anything in it is refused; the only process ever signalled is the
//! one started here, through its own handle.

use crate::Binaries;
use crate::program::processor_time_of_all;
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls};

/// Bytes of a unix socket's path that the kernel takes, its closing zero not counted.
const SOCKET_PATH_MAX: usize = 107;
const SOCKET_PORT: u16 = 5432;
const SUPERUSER: &str = "postgres";
const START_DEADLINE: Duration = Duration::from_secs(60);
const STOP_DEADLINE: Duration = Duration::from_secs(20);
/// Another process may take the free port before the server does.
const PORT_ATTEMPTS: usize = 5;

/// How the server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// By its unix socket alone.
    #[default]
    Socket,
    /// By its unix socket and a free port of 127.0.0.1.
    Loopback,
}

/// Whether commits survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// `fsync` on, as in production.
    #[default]
    Full,
    /// `fsync` off: for tests that never pull the plug.
    None,
}

/// What a server should be like.
#[derive(Debug, Clone, Default)]
pub struct ClusterOptions {
    /// Where it lives: a directory that is empty or not there yet. A temporary one by default.
    pub directory: Option<PathBuf>,
    /// How it is reached.
    pub access: Access,
    /// Whether commits survive a power cut.
    pub durability: Durability,
    /// The superuser's password; every connection then has to give it (SCRAM). None by default:
    /// whoever may open the socket is trusted.
    pub password: Option<String>,
    /// Further server settings by name; they go before ours.
    pub settings: Vec<(String, String)>,
}

/// A running server. Stops when dropped.
#[derive(Debug)]
pub struct Cluster {
    binaries: Binaries,
    // Fields drop in order: the temporary directories go last, after `Drop` stopped the server.
    server: Option<Child>,
    root: PathBuf,
    sockets: PathBuf,
    port: u16,
    access: Access,
    password: Option<String>,
    _temporary: Vec<TempDir>,
}

impl Cluster {
    /// Makes a server in its directory and starts it. Blocks until it takes connections.
    ///
    /// # Errors
    /// When PostgreSQL is not installed, the directory is in use, or the server won't start; the
    /// message has its last words.
    pub fn start(options: ClusterOptions) -> Result<Self> {
        let binaries = Binaries::find()?;
        let mut temporary = Vec::new();
        let root = own_directory(options.directory, &binaries, &mut temporary)?;
        let sockets = socket_directory(&root, &binaries, &mut temporary)?;
        let mut cluster = Self {
            binaries,
            server: None,
            root,
            sockets,
            port: SOCKET_PORT,
            access: options.access,
            password: options.password,
            _temporary: temporary,
        };
        cluster.initialize()?;
        cluster.configure(options.durability, &options.settings)?;
        for _ in 1..PORT_ATTEMPTS {
            match cluster.launch() {
                Err(error) if error.to_string().contains("could not bind") => {}
                launched => return launched.map(|()| cluster),
            }
        }
        cluster.launch().map(|()| cluster)
    }

    /// Stops the server in an orderly way and starts it again, on the same port and directory.
    ///
    /// # Errors
    /// When it won't stop or start.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.resume()
    }

    /// Ends the server at once, as a crash would: without a checkpoint, to recover from its
    /// write-ahead log at the next [`Cluster::resume`].
    ///
    /// # Errors
    /// When it won't end.
    pub fn kill(&mut self) -> Result<()> {
        self.end_by(Signal::SIGQUIT)
    }

    /// Stops the server in an orderly way; sessions are cut off.
    ///
    /// # Errors
    /// When it won't stop.
    pub fn stop(&mut self) -> Result<()> {
        self.end_by(Signal::SIGINT)
    }

    /// Starts a server that was stopped or killed.
    ///
    /// # Errors
    /// When it won't start.
    pub fn resume(&mut self) -> Result<()> {
        if self.server.is_some() {
            return Ok(());
        }
        self.spawn()
    }

    /// Stops all of its processes where they are, as a machine that hangs.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn freeze(&self) -> Result<()> {
        self.signal_all(Signal::SIGSTOP)
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn thaw(&self) -> Result<()> {
        self.signal_all(Signal::SIGCONT)
    }

    /// Of the server and all that it started: each has a session of its own.
    fn signal_all(&self, signal: Signal) -> Result<()> {
        let Some(server) = &self.server else { return Ok(()) };
        let server = i32::try_from(server.id())?;
        let children = std::fs::read_to_string(format!("/proc/{server}/task/{server}/children"))?;
        let children = children.split_ascii_whitespace().filter_map(|id| id.parse().ok());
        for process in std::iter::once(server).chain(children) {
            match kill(Pid::from_raw(process), signal) {
                // It ended meanwhile.
                Err(nix::errno::Errno::ESRCH) => {}
                sent => sent?,
            }
        }
        Ok(())
    }

    /// The processor time that it and all that it started have had so far.
    ///
    /// # Errors
    /// When it does not run.
    pub fn processor_time(&self) -> Result<Duration> {
        let server = self.server.as_ref().context("the server does not run")?;
        processor_time_of_all(server.id())
    }

    /// Hands a folder to whoever runs the server.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn own(&self, path: &Path) -> Result<()> {
        self.binaries.own(path)
    }

    /// Connects as the superuser. The connection is driven by a task of its own.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn connect(&self, database: &str) -> Result<Client> {
        self.connect_as(SUPERUSER, database).await
    }

    /// Connects as a role, with the cluster's password where there is one.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn connect_as(&self, user: &str, database: &str) -> Result<Client> {
        connect(self.config(database).user(user))
            .await
            .with_context(|| format!("can't connect to database {database}"))
    }

    /// How a client connects to a database as the superuser.
    #[must_use]
    pub fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.host_path(&self.sockets).port(self.port).user(SUPERUSER).dbname(database);
        if let Some(password) = &self.password {
            config.password(password);
        }
        config
    }

    /// What to give as the host: the directory of the socket.
    #[must_use]
    pub fn host(&self) -> &str {
        self.sockets.to_str().expect("own_directory refuses other paths")
    }

    /// The port, of the socket and of 127.0.0.1 alike.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The superuser's name.
    #[must_use]
    pub fn superuser(&self) -> &'static str {
        SUPERUSER
    }

    /// The directory that is ours alone.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.root
    }

    /// A connection string for a database, by the socket and without a password: for
    /// `psql`, or `CREATE SUBSCRIPTION`.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("host={} port={} user={SUPERUSER} dbname={database}", self.host(), self.port)
    }

    /// The same as an address, for what knows no other form.
    #[must_use]
    pub fn address(&self, database: &str) -> String {
        let host = self.host().replace('/', "%2F");
        format!("postgres://{SUPERUSER}@{host}:{}/{database}", self.port)
    }

    fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    fn initialize(&self) -> Result<()> {
        let mut initdb = self.binaries.command("initdb");
        initdb
            .arg("--pgdata")
            .arg(self.data())
            .args(["--username", SUPERUSER, "--encoding", "UTF8", "--locale", "C.UTF-8"])
            .args(["--no-sync", "--no-instructions"]);
        match &self.password {
            None => initdb.args(["--auth-local", "trust", "--auth-host", "trust"]),
            Some(password) => {
                let file = self.root.join("password");
                write_secret(&file, password)?;
                self.binaries.own(&file)?;
                initdb.args(["--auth", "scram-sha-256", "--pwfile"]).arg(file)
            }
        };
        let output = initdb.stdin(Stdio::null()).output().context("can't run initdb")?;
        if self.password.is_some() {
            std::fs::remove_file(self.root.join("password"))?;
        }
        if !output.status.success() {
            bail!("initdb failed\n  detail: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    fn configure(&self, durability: Durability, settings: &[(String, String)]) -> Result<()> {
        let mut file = OpenOptions::new().append(true).open(self.data().join("postgresql.conf"))?;
        let durable = match durability {
            Durability::Full => "on",
            Durability::None => "off",
        };
        let ours = [
            ("wal_level", "logical"),
            ("max_replication_slots", "20"),
            ("max_wal_senders", "20"),
            ("max_logical_replication_workers", "8"),
            ("max_worker_processes", "16"),
            ("max_connections", "100"),
            ("shared_buffers", "128MB"),
            ("max_wal_size", "4GB"),
            ("fsync", durable),
            ("log_min_messages", "warning"),
            ("log_timezone", "UTC"),
            ("timezone", "UTC"),
        ];
        let given = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        // The last line for a name wins.
        for (name, value) in ours.into_iter().chain(given) {
            writeln!(file, "{name} = '{}'", value.replace('\'', "''"))?;
        }
        Ok(())
    }

    fn launch(&mut self) -> Result<()> {
        if self.access == Access::Loopback {
            self.port = free_port()?;
        }
        self.spawn()
    }

    fn spawn(&mut self) -> Result<()> {
        let log = File::create(self.root.join("server.log"))?;
        let addresses = match self.access {
            Access::Socket => "",
            Access::Loopback => "127.0.0.1",
        };
        let server = self
            .binaries
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string()])
            .args(["-c", &format!("listen_addresses={addresses}")])
            .args(["-c", &format!("unix_socket_directories={}", self.host())])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A Ctrl-C at the terminal is for us; we stop the server when we are done with it.
            .process_group(0)
            .spawn()
            .context("can't run postgres")?;
        self.server = Some(server);
        let started = wait_until(START_DEADLINE, || self.is_ready());
        if started.is_err() {
            self.end_by(Signal::SIGQUIT)?;
        }
        started
    }

    /// Whether the server takes connections, by the status line of its own lock file.
    fn is_ready(&mut self) -> Result<bool> {
        let server = self.server.as_mut().expect("spawned before it is waited for");
        if let Some(status) = server.try_wait()? {
            bail!("the PostgreSQL server ended with {status}\n  detail: {}", self.last_words());
        }
        let lock = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        Ok(lock.lines().nth(7).is_some_and(|line| line.trim() == "ready"))
    }

    fn last_words(&self) -> String {
        let log = std::fs::read(self.root.join("server.log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n          ")
    }

    fn end_by(&mut self, signal: Signal) -> Result<()> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        for signal in [signal, Signal::SIGQUIT, Signal::SIGKILL] {
            if server.try_wait()?.is_some() {
                return Ok(());
            }
            kill(Pid::from_raw(i32::try_from(server.id())?), signal)?;
            if wait_until(STOP_DEADLINE, || Ok(server.try_wait()?.is_some())).is_ok() {
                return Ok(());
            }
        }
        bail!("the PostgreSQL server {} does not end", server.id())
    }
}

/// Connects; the connection is driven by a task of its own.
pub(crate) async fn connect(config: &Config) -> Result<Client> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection ended");
        }
    });
    Ok(client)
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::warn!(%error, "a private PostgreSQL server was left running");
        }
    }
}

/// The directory for a new server, empty and owned by whoever runs it.
fn own_directory(
    wanted: Option<PathBuf>,
    binaries: &Binaries,
    temporary: &mut Vec<TempDir>,
) -> Result<PathBuf> {
    let root = match wanted {
        Some(directory) => {
            std::fs::create_dir_all(&directory)?;
            directory.canonicalize()?
        }
        None => temporary_directory(temporary)?,
    };
    if std::fs::read_dir(&root)?.next().is_some() {
        bail!("{} is not empty\n  hint: a new server wants a directory of its own", root.display());
    }
    if root.to_str().is_none() {
        bail!("{} is not UTF-8\n  hint: choose another directory", root.display());
    }
    binaries.own(&root)?;
    Ok(root)
}

/// Where the socket goes: beside the data, or under `/tmp` where that path would be too long.
fn socket_directory(
    root: &Path,
    binaries: &Binaries,
    temporary: &mut Vec<TempDir>,
) -> Result<PathBuf> {
    // The longest name is that of the lock file with a port of five digits.
    let longest = root.join(".s.PGSQL.65535.lock");
    if longest.as_os_str().len() <= SOCKET_PATH_MAX {
        return Ok(root.to_owned());
    }
    let sockets = tempfile::Builder::new().prefix("syncline-").tempdir_in("/tmp")?;
    binaries.own(sockets.path())?;
    let path = sockets.path().to_owned();
    temporary.push(sockets);
    Ok(path)
}

fn temporary_directory(temporary: &mut Vec<TempDir>) -> Result<PathBuf> {
    let directory = tempfile::Builder::new().prefix("syncline-").tempdir()?;
    let path = directory.path().canonicalize()?;
    temporary.push(directory);
    Ok(path)
}

fn write_secret(path: &Path, secret: &str) -> Result<()> {
    let mut file = File::create(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    Ok(writeln!(file, "{secret}")?)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Asks again and again until the condition holds or the deadline is past.
pub(crate) fn wait_until(
    deadline: Duration,
    mut condition: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let started = Instant::now();
    while !condition()? {
        if started.elapsed() > deadline {
            bail!("still waiting after {} s", deadline.as_secs());
        }
        pause();
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "another process is waited for, with a deadline")]
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}
