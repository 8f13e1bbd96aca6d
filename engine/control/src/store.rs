//! Opening a store, and who may write to it when.
//!
//! ```text
//!  applying  ── 1 connection, does not wait for the disk ──┐
//!  deciding  ── 1 connection, waits for the disk ──────────┼──▶ the database
//!  reading   ── a few connections, can't write ────────────┘
//! ```
//!
//! Invariant: a transaction that writes begins by locking the row of numbers. Writers, of this
//! process and of others, therefore come one after the other, and numbers become visible in order.

use crate::error::{Error, Result};
use crate::migrate;
use crate::statement::Statement;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions, Executor, Row, Transaction};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

const READERS_MAX: u32 = 4;
/// How long a call waits for a connection before it says that the store is unavailable.
const ACQUIRE_DEADLINE: Duration = Duration::from_secs(30);

/// The store of conflicts and decisions. Cheap to clone; all clones share its connections.
#[derive(Debug, Clone)]
pub struct Control {
    applying: AnyPool,
    deciding: AnyPool,
    reading: AnyPool,
    // SQLite's own queue of writers is a poll without order; this one is first come, first served.
    turn: Arc<Mutex<()>>,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    Applying,
    Deciding,
    Reading,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Database {
    Sqlite,
    Postgres,
}

impl Control {
    /// Opens the store at the path of an SQLite file, made when there is none, or at the address
    /// of a PostgreSQL database, `postgres://…`. Brings its schema up to date.
    ///
    /// # Errors
    /// When the database is away or refuses, or the store was written by a newer version.
    pub async fn open(address: &str) -> Result<Self> {
        let database = Database::of(address);
        let options = database.options(address, "rwc")?;
        // Order: the writer goes first, for it may have to make the file.
        let applying = pool(database, Purpose::Applying, &options).await?;
        migrate::bring_up_to_date(&applying).await?;
        Ok(Self {
            applying,
            deciding: pool(database, Purpose::Deciding, &options).await?,
            reading: pool(database, Purpose::Reading, &options).await?,
            turn: Arc::default(),
        })
    }

    /// Opens a store to read it, beside the process that writes it. `None` when there is none yet.
    ///
    /// # Errors
    /// As [`Control::open`], and when the store still has an older schema.
    pub async fn open_read_only(address: &str) -> Result<Option<Self>> {
        let database = Database::of(address);
        if database == Database::Sqlite && !Path::new(address).exists() {
            return Ok(None);
        }
        let options = database.options(address, "ro")?;
        let reading = pool(database, Purpose::Reading, &options).await?;
        match migrate::version(&mut *reading.acquire().await?).await? {
            // Another process is making it.
            None | Some(0) => return Ok(None),
            Some(version) => migrate::expect_current(version)?,
        }
        Ok(Some(Self {
            applying: reading.clone(),
            deciding: reading.clone(),
            reading,
            turn: Arc::default(),
        }))
    }

    /// Returns once all that was applied so far survives a power cut.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn make_durable(&self) -> Result<()> {
        // A commit that changes nothing would not be forced to disk: locking writes the row.
        let writing = self.deciding().await?;
        writing.commit().await
    }

    /// Closes all connections, and with the last of them an SQLite file is whole by itself.
    pub async fn close(&self) {
        for pool in [&self.reading, &self.deciding, &self.applying] {
            pool.close().await;
        }
    }

    pub(crate) async fn applying(&self) -> Result<Writing<'_>> {
        Writing::begin(&self.applying, &self.turn).await
    }

    pub(crate) async fn deciding(&self) -> Result<Writing<'_>> {
        Writing::begin(&self.deciding, &self.turn).await
    }

    pub(crate) fn reading(&self) -> &AnyPool {
        &self.reading
    }
}

/// A transaction that writes, and the numbers it gives. Undone unless committed.
pub(crate) struct Writing<'c> {
    transaction: Transaction<'static, Any>,
    pub(crate) numbers: Numbers,
    // Fields drop in order: the turn passes on after the transaction.
    _turn: MutexGuard<'c, ()>,
}

/// The next numbers of conflicts and of events.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    next_conflict: i64,
    next_event: i64,
}

impl Numbers {
    pub(crate) fn conflict(&mut self) -> i64 {
        self.next_conflict += 1;
        self.next_conflict - 1
    }

    pub(crate) fn event(&mut self) -> i64 {
        self.next_event += 1;
        self.next_event - 1
    }
}

impl<'c> Writing<'c> {
    async fn begin(pool: &AnyPool, turn: &'c Mutex<()>) -> Result<Self> {
        let turn = turn.lock().await;
        let mut transaction = pool.begin().await?;
        let lock = Statement::new(
            "UPDATE control_numbers SET next_event = next_event \
             RETURNING next_conflict, next_event",
        );
        let row = lock.fetch_first(&mut transaction).await?;
        let row = row.ok_or_else(|| Error::corrupt("there is no row of numbers"))?;
        let numbers = Numbers { next_conflict: row.try_get(0)?, next_event: row.try_get(1)? };
        Ok(Self { transaction, numbers, _turn: turn })
    }

    pub(crate) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }

    pub(crate) async fn commit(mut self) -> Result<()> {
        let mut advance = Statement::new("UPDATE control_numbers SET next_conflict = ");
        advance.bind(self.numbers.next_conflict)?;
        advance.push(", next_event = ").bind(self.numbers.next_event)?;
        advance.execute(&mut self.transaction).await?;
        Ok(self.transaction.commit().await?)
    }
}

impl Database {
    fn of(address: &str) -> Self {
        let is_postgres = ["postgres://", "postgresql://"].iter().any(|p| address.starts_with(p));
        if is_postgres { Self::Postgres } else { Self::Sqlite }
    }

    fn options(self, address: &str, mode: &str) -> Result<AnyConnectOptions> {
        let options = match self {
            Self::Sqlite => {
                AnyConnectOptions::from_str(&format!("sqlite:{}?mode={mode}", escaped(address)))
            }
            Self::Postgres => AnyConnectOptions::from_str(address),
        };
        // A slow statement would be logged in full, and is as long as its batch.
        Ok(options?.disable_statement_logging())
    }

    /// What a connection is told first.
    fn preamble(self, purpose: Purpose) -> &'static str {
        match (self, purpose) {
            (Self::Sqlite, Purpose::Applying) => {
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL"
            }
            (Self::Sqlite, Purpose::Deciding) => {
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL"
            }
            (Self::Sqlite, Purpose::Reading) => "PRAGMA query_only = ON",
            // All that is written is found by its key. The planner, asked when the store was still
            // empty, would keep to reading whole tables.
            (Self::Postgres, Purpose::Applying) => {
                "SET synchronous_commit = off; SET enable_seqscan = off; \
                 SET enable_hashjoin = off; SET enable_mergejoin = off"
            }
            (Self::Postgres, Purpose::Deciding) => "SET synchronous_commit = on",
            (Self::Postgres, Purpose::Reading) => "SET default_transaction_read_only = on",
        }
    }
}

async fn pool(
    database: Database,
    purpose: Purpose,
    options: &AnyConnectOptions,
) -> Result<AnyPool> {
    sqlx::any::install_default_drivers();
    let connections_max = match purpose {
        Purpose::Applying | Purpose::Deciding => 1,
        Purpose::Reading => READERS_MAX,
    };
    let preamble = database.preamble(purpose);
    let pool = AnyPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(ACQUIRE_DEADLINE)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                for setting in preamble.split("; ") {
                    connection.execute(setting).await?;
                }
                Ok(())
            })
        });
    Ok(pool.connect_with(options.clone()).await?)
}

/// A path as part of a URL.
fn escaped(path: &str) -> String {
    let mut url = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                url.push(char::from(byte));
            }
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_path_of_any_characters_is_a_url() {
        assert_eq!(escaped("/var/lib/a b?/é.db"), "/var/lib/a%20b%3F/%C3%A9.db");
    }
}
