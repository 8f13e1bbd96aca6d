//! A private PostgreSQL server, gone when this process is gone.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use syncline_core::{SystemName, TableName};
use syncline_postgres::Settings;

const BIN: &str = "/usr/lib/postgresql/15/bin";

/// A running server. Its watcher ends it and removes its files when the pipe to it closes, which a
/// killed test does too.
pub(crate) struct Cluster {
    directory: PathBuf,
    pub(crate) port: u16,
    watcher: Child,
}

impl Cluster {
    /// The server that most tests share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// Makes and starts a server with these settings beside the usual ones.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let directory =
            tempfile::Builder::new().prefix("syncline-source-").tempdir().unwrap().keep();
        give(&directory);
        let data = directory.join("data");
        let made = as_postgres(&format!("{BIN}/initdb"))
            .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale", "-N", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut configuration = String::from(
            "wal_level = logical\nmax_replication_slots = 60\nmax_wal_senders = 60\n\
             max_connections = 200\nfsync = off\nautovacuum = off\nshared_buffers = 64MB\n\
             log_min_messages = warning\nlisten_addresses = '127.0.0.1'\n",
        );
        for setting in settings {
            configuration += setting;
            configuration.push('\n');
        }
        let file = data.join("postgresql.auto.conf");
        std::fs::write(&file, configuration).unwrap();
        let port = free_port();
        let watcher = launch(&directory, port);
        let cluster = Self { directory, port, watcher };
        cluster.await_ready();
        cluster
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Runs `pg_ctl` on this server and waits for it.
    pub(crate) fn control(&self, arguments: &[&str]) {
        let log = self.directory.join("log");
        let done = as_postgres(&format!("{BIN}/pg_ctl"))
            .arg("-D")
            .arg(self.data())
            .args(["-w", "-l"])
            .arg(&log)
            .args(arguments)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(done.success(), "pg_ctl {arguments:?}");
    }

    /// Starts it again after `stop`.
    pub(crate) fn start_again(&mut self) {
        let _ = self.watcher.wait();
        self.watcher = launch(&self.directory, self.port);
        self.await_ready();
    }

    /// Settings for a database of this server, by its unix socket.
    pub(crate) fn settings(&self, database: &str) -> Settings {
        let host = self.directory.to_str().unwrap();
        let mut settings = Settings::new(host, self.port, database, "postgres");
        settings.slot = format!("s_{database}");
        settings.publication = format!("p_{database}");
        settings.spill_directory = self.directory.join("spill");
        settings.heartbeat = Duration::from_millis(200);
        settings
    }

    /// A new database.
    pub(crate) fn database(&self) -> Database<'_> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("d{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.connect("postgres").run(&format!("CREATE DATABASE {name}"));
        let client = self.connect(&name);
        Database { cluster: self, name, client }
    }

    pub(crate) fn connect(&self, database: &str) -> Client {
        let text = format!(
            "host={} port={} user=postgres dbname={database}",
            self.directory.display(),
            self.port
        );
        Client::connect(&text)
    }

    fn await_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let ready = Command::new(format!("{BIN}/pg_isready"))
                .arg("-h")
                .arg(&self.directory)
                .args(["-p", &self.port.to_string()])
                .stdout(Stdio::null())
                .status()
                .unwrap();
            if ready.success() {
                return;
            }
            assert!(Instant::now() < deadline, "the server does not start");
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A shell that runs the server until its input ends.
fn launch(directory: &Path, port: u16) -> Child {
    let script = format!(
        "exec 3<&0; {BIN}/postgres -D {0}/data -k {0} -p {port} >>{0}/log 2>&1 3<&- & pid=$!; \
         (read _ <&3; trap '' TERM; kill -QUIT $pid; while kill -0 $pid; do sleep 0.05; done; \
         rm -rf {0}) 2>/dev/null & watch=$!; wait $pid; kill $watch 2>/dev/null",
        directory.display()
    );
    as_postgres("sh")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A command as the user `postgres`, where we are root: the server refuses root.
fn as_postgres(program: &str) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(program);
    command.current_dir("/");
    if number("-u", &[]) == 0 {
        command.uid(number("-u", &["postgres"])).gid(number("-g", &["postgres"]));
    }
    command
}

fn give(path: &Path) {
    if number("-u", &[]) == 0 {
        let (user, group) = (number("-u", &["postgres"]), number("-g", &["postgres"]));
        std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    }
}

fn number(which: &str, of: &[&str]) -> u32 {
    let output = Command::new("id").arg(which).args(of).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
}

fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// A database of one test.
pub(crate) struct Database<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) name: String,
    client: Client,
}

impl Database<'_> {
    pub(crate) fn settings(&self) -> Settings {
        self.cluster.settings(&self.name)
    }

    pub(crate) fn client(&self) -> Client {
        self.cluster.connect(&self.name)
    }

    pub(crate) fn run(&self, sql: &str) {
        self.client.run(sql);
    }

    pub(crate) fn value(&self, sql: &str) -> String {
        self.client.value(sql)
    }

    pub(crate) fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.client.rows(sql)
    }

    /// The place in the log that all commits so far are before.
    pub(crate) fn wal(&self) -> u64 {
        let text = self.value("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint");
        text.parse().unwrap()
    }
}

pub(crate) fn system() -> SystemName {
    SystemName::new("sis")
}

/// A table in `public`.
pub(crate) fn table(name: &str) -> TableName {
    TableName::table(&system(), "public", name)
}

pub(crate) fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    })
}

/// A plain client.
pub(crate) struct Client(tokio_postgres::Client);

impl Client {
    pub(crate) fn connect(text: &str) -> Self {
        let connecting = tokio_postgres::connect(text, tokio_postgres::NoTls);
        let (client, connection) = runtime().block_on(connecting).unwrap();
        runtime().spawn(connection);
        Self(client)
    }

    /// Runs statements; several are one transaction.
    pub(crate) fn run(&self, sql: &str) {
        runtime().block_on(self.0.batch_execute(sql)).unwrap_or_else(|error| {
            panic!("{sql}: {:?}", error.as_db_error().map(ToString::to_string))
        });
    }

    /// The first value of the first row, or nothing.
    pub(crate) fn value(&self, sql: &str) -> String {
        let messages = runtime().block_on(self.0.simple_query(sql)).unwrap();
        let row = messages.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        row.and_then(|row| row.get(0)).unwrap_or_default().to_owned()
    }

    /// All rows, as texts.
    pub(crate) fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let messages = runtime().block_on(self.0.simple_query(sql)).unwrap();
        let rows = messages.iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        rows.map(|row| (0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()).collect()
    }
}
