//! What the project says of a PostgreSQL system.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use syncline_core::{ReaderName, Secret};

/// How to reach one PostgreSQL database, and the limits of reading and writing it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Host name, address, or the directory of a unix socket (begins with `/`).
    pub host: String,
    /// Port.
    pub port: u16,
    /// Database.
    pub database: String,
    /// Role.
    pub user: String,
    /// Its password, where one is asked for.
    pub password: Option<Secret>,
    /// Whether and how to use TLS.
    pub tls: Tls,
    /// Name of the replication slot.
    pub slot: String,
    /// Name of the publication.
    pub publication: String,
    /// When a commit of the sink returns, in the words of PostgreSQL's setting of this name; `None` for what the
    /// role's sessions do otherwise. With `off` a commit waits for no disk: what a crash of the server takes back is
    /// written again from the log.
    pub synchronous_commit: Option<&'static str>,
    /// How long to try to connect.
    pub connect_timeout: Duration,
    /// Longest time a statement of the sink may take; `None` for no limit.
    pub statement_timeout: Option<Duration>,
    /// Connections that copy at the same time during a snapshot.
    pub snapshot_connections: usize,
    /// Rows a snapshot chunk should have, about.
    pub snapshot_chunk_rows: u64,
    /// Most rows of one batch.
    pub batch_rows_max: usize,
    /// Most bytes of one batch's values.
    pub batch_bytes_max: usize,
    /// Where streamed transactions in progress are spilled to.
    pub spill_directory: PathBuf,
    /// How often an idle source is nudged forward by a logical message.
    pub heartbeat: Duration,
    /// The readers of ours that write this database: what they write is known when it comes back.
    pub written_for: BTreeSet<ReaderName>,
    /// Most WAL, in bytes, the source may hold back for us before capture says so as a problem.
    pub wal_bytes_max: Option<u64>,
    /// Says, where several processes share the work and one has it at a time, whether it is this one's now.
    /// Then sessions of ours that still read the slot, or have the place of a reader, are ended: they are
    /// those of a process that was thought dead. Without it they are waited for.
    pub takes_over: Option<Arc<AtomicBool>>,
}

/// Whether and how to use TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Never.
    Disable,
    /// Always, without checking the certificate.
    Require,
    /// Always; the certificate must be good for the host name, by these roots or the system's.
    VerifyFull {
        /// A file of PEM certificates to trust instead of the system's.
        roots: Option<PathBuf>,
    },
}

impl Settings {
    /// Settings with the defaults for everything but where the database is.
    #[must_use]
    pub fn new(host: &str, port: u16, database: &str, user: &str) -> Self {
        Self {
            host: host.into(),
            port,
            database: database.into(),
            user: user.into(),
            password: None,
            tls: Tls::Disable,
            slot: "syncline".into(),
            publication: "syncline".into(),
            synchronous_commit: None,
            connect_timeout: Duration::from_secs(10),
            statement_timeout: None,
            snapshot_connections: 2,
            snapshot_chunk_rows: 100_000,
            batch_rows_max: 8192,
            batch_bytes_max: 8 << 20,
            spill_directory: std::env::temp_dir(),
            heartbeat: Duration::from_secs(10),
            written_for: BTreeSet::new(),
            wal_bytes_max: None,
            takes_over: None,
        }
    }

    /// Whether sessions of other processes of ours are to be ended.
    pub(crate) fn takes_over(&self) -> bool {
        self.takes_over.as_ref().is_some_and(|it| it.load(Ordering::Relaxed))
    }
}
