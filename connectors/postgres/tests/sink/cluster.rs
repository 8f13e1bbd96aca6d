//! A private PostgreSQL server in a temporary directory, shared by the tests that run at the same
//! time, and a database of its own for each.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use syncline_postgres::Settings;
use tokio_postgres::{Client, NoTls};

static RUNNING: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// A server that ends with the last test that uses it.
pub(crate) struct Cluster {
    directory: tempfile::TempDir,
    options: String,
}

/// The role that servers run as: they refuse to run as root.
fn postgres_role() -> Option<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let mut fields = users.lines().find(|line| line.starts_with("postgres:"))?.split(':').skip(2);
    let role = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let am_root = std::fs::metadata("/proc/self")
        .is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0);
    am_root.then_some(role)
}

fn binaries() -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .unwrap()
        .map(|version| version.unwrap().path().join("bin"))
        .collect();
    versions.sort();
    versions.pop().expect("PostgreSQL is installed")
}

fn run(program: &str, arguments: &[&str], directory: &Path) {
    let mut command = Command::new(binaries().join(program));
    command.args(arguments).current_dir(directory);
    if let Some((user, group)) = postgres_role() {
        command.uid(user).gid(group);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Cluster {
    fn running() -> Arc<Self> {
        let mut running = RUNNING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(cluster) = running.upgrade() {
            return cluster;
        }
        let cluster = Arc::new(Self::start(""));
        *running = Arc::downgrade(&cluster);
        cluster
    }

    /// One of its own, with options for the server.
    pub(crate) fn start(more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).unwrap();
        if let Some((user, group)) = postgres_role() {
            chown(path, Some(user), Some(group)).unwrap();
        }
        run("initdb", &["-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"], path);
        let options = format!(
            "-c listen_addresses='' -c unix_socket_directories='{}' -c fsync=off -c wal_level=logical \
             -c max_connections=100 -c max_replication_slots=200 -c deadlock_timeout=100ms {more}",
            path.display()
        );
        let cluster = Self { directory, options };
        cluster.resume();
        cluster
    }

    /// Ends the server as a crash does: what it has not written yet is lost.
    pub(crate) fn crash(&self) {
        run("pg_ctl", &["-D", "data", "-m", "immediate", "stop"], self.directory.path());
    }

    pub(crate) fn resume(&self) {
        let arguments = ["-D", "data", "-w", "-l", "log", "-o", &self.options, "start"];
        run("pg_ctl", &arguments, self.directory.path());
    }

    fn host(&self) -> String {
        self.directory.path().display().to_string()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.crash();
    }
}

/// A database of its own.
pub(crate) struct Database {
    cluster: Arc<Cluster>,
    name: String,
    pub(crate) client: Client,
}

impl Database {
    /// A new database in which these statements were run.
    pub(crate) async fn new(statements: &str) -> Self {
        Self::on(Cluster::running(), statements).await
    }

    /// The same on this server.
    pub(crate) async fn on(cluster: Arc<Cluster>, statements: &str) -> Self {
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::SeqCst));
        let admin = connect(&cluster, "postgres", "postgres").await;
        admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        let client = connect(&cluster, &name, "postgres").await;
        client.batch_execute("SET TimeZone = 'UTC'").await.unwrap();
        client.batch_execute(statements).await.unwrap();
        Self { cluster, name, client }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings::new(&self.cluster.host(), 5432, &self.name, "postgres")
    }

    /// Connects anew, after the server was away.
    pub(crate) async fn again(self) -> Self {
        let client = connect(&self.cluster, &self.name, "postgres").await;
        Self { client, ..self }
    }

    pub(crate) async fn connect(&self, role: &str) -> Client {
        connect(&self.cluster, &self.name, role).await
    }

    /// The answer to a query, each row as its columns' texts joined by `|`.
    pub(crate) async fn texts(&self, query: &str) -> Vec<String> {
        let wrapped = format!("SELECT concat_ws('|', VARIADIC a) FROM ({query}) AS q(a)");
        let rows = self.client.query(&wrapped, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub(crate) async fn text(&self, query: &str) -> String {
        let row = self.client.query_one(&format!("SELECT ({query})::text"), &[]).await.unwrap();
        row.get::<_, Option<String>>(0).unwrap_or_else(|| "NULL".into())
    }
}

async fn connect(cluster: &Cluster, database: &str, role: &str) -> Client {
    let address = format!("host={} port=5432 dbname={database} user={role}", cluster.host());
    let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
