//! Writes batches into a PostgreSQL database, and with them how far the reader is.
//!
//! ```text
//!  changes ─▶ steps ─▶ reduce ─▶ order of tables ─▶ lanes ─▶ one transaction ─▶ COMMIT
//!             steps.rs core      order.rs           lanes.rs  transaction.rs    progress.rs
//! ```
//!
//! Invariant: one connection; nothing here retries or sleeps. A connection that is lost takes its
//! transaction with it, and the lock that lets only one process write for a reader.

mod copy_rows;
mod durability;
mod lanes;
mod order;
mod parked;
mod plan;
mod progress;
pub(crate) mod session;
pub(crate) mod sqlstate;
mod steps;
pub(crate) mod target;
mod transaction;

pub use parked::{ParkedRow, drop_parked, list_parked, replay_parked};

use crate::connect::connect;
use crate::mark;
use crate::settings::Settings;
use async_trait::async_trait;
use durability::Durability;
use fail::fail_point;
use lanes::Limits;
use progress::Move;
use session::{CommitError, Session, field};
use steps::steps;
use syncline_core::{
    Error, Kind, Offset, ParkKey, ParkMark, Parked, Progress, ReaderName, Result, Sink, SystemName,
    TableName, TableSchema, TargetChange, Written,
};
use target::quoted;
use transaction::Open;

/// Session settings of a sink.
///
/// Statements find rows by their key through an index, whatever the statistics say: a table that is
/// being filled has none yet, and a plan that reads all of it would be kept. The cost that keeps it
/// from such a plan is no reason to compile the statement. A server process whose client is gone ends
/// soon, and with it the lock it holds.
const OPTIONS: &str = "-c plan_cache_mode=force_generic_plan -c enable_hashjoin=off \
    -c enable_mergejoin=off -c enable_seqscan=off -c enable_bitmapscan=off -c jit=off \
    -c client_connection_check_interval=5000 -c tcp_user_timeout=25000 \
    -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3";

/// How often the time to connect a former session, whose client vanished, has to be found dead by
/// its server before its place is taken to be another's.
const PATIENCE: u32 = 4;

/// Writes to one PostgreSQL database for one reader.
///
/// Beside the rows it keeps the schema `syncline` there with the progress of its readers and the
/// rows set aside. An identity column that is always generated is written on insert and stays as it
/// is on update.
#[derive(Debug)]
pub struct PostgresSink {
    system: SystemName,
    settings: Settings,
    open: Option<Open>,
    /// The server process of the last session.
    former: Option<i32>,
}

impl PostgresSink {
    /// A sink that is not open yet.
    #[must_use]
    pub fn new(system: SystemName, settings: Settings) -> Self {
        Self { system, settings, open: None, former: None }
    }

    fn opened(&mut self) -> Result<&mut Open> {
        let system = &self.system;
        self.open.as_mut().ok_or_else(|| {
            Error::new(Kind::Unavailable, format!("not connected to {system}"))
                .hint("open the sink again")
        })
    }

    /// Marks what is written as ours; the statement that has to begin each transaction where the session
    /// can't carry the mark.
    async fn mark(&self, session: &mut Session, reader: &ReaderName) -> Option<String> {
        let error = progress::set_origin(session, reader, &self.settings).await.err()?;
        tracing::debug!(
            system = %self.system,
            detail = error.detail_text().unwrap_or_default(),
            hint = error.hint_text().unwrap_or_default(),
            "writes carry no replication origin: a message marks each transaction"
        );
        Some(mark::statement(&mark::name(reader, &self.settings.database)))
    }
}

#[async_trait]
impl Sink for PostgresSink {
    async fn open(&mut self, reader: &ReaderName) -> Result<Option<Progress>> {
        self.open = None;
        let mut session = Session::new(connect(&self.settings, OPTIONS).await?);
        let patience = self.settings.connect_timeout * PATIENCE;
        let former = progress::Former { process: self.former, any: self.settings.takes_over() };
        progress::take_place(&mut session, reader, former, patience).await?;
        fail_point!("sink.placed");
        self.former = Some(session.process().await?);
        progress::create(&mut session, &self.settings).await?;
        fail_point!("sink.prepared");
        let mark = self.mark(&mut session, reader).await;
        let mut durability =
            Durability::set(&mut session, self.settings.synchronous_commit).await?;
        let progress = progress::read(&mut session, reader).await?;
        if let Some(progress) = &progress {
            let synced = durability.sync(&mut session, reader).await;
            synced.map_err(|error| commit_failed(error, reader, Some(progress.next)))?;
        }
        let Settings { batch_rows_max: rows, batch_bytes_max: bytes, .. } = self.settings;
        let mut open =
            Open::new(session, durability, reader, &self.settings.user, Limits { rows, bytes })
                .await?;
        open.mark = mark;
        open.next = progress.as_ref().map(|progress| progress.next);
        self.open = Some(open);
        Ok(progress)
    }

    async fn write(&mut self, changes: &[TargetChange]) -> Result<Written> {
        let open = self.opened()?;
        open.begin()?;
        let written = open.write(&steps(changes)).await;
        open.settle(written)
    }

    async fn park(&mut self, parked: &[Parked], settled: &[ParkKey]) -> Result<()> {
        let open = self.opened()?;
        open.begin()?;
        if !settled.is_empty() {
            parked::settle(&mut open.session, &open.reader, settled).await?;
        }
        if !parked.is_empty() {
            parked::park(&mut open.session, &open.reader, parked).await?;
        }
        open.in_doubt = false;
        Ok(())
    }

    async fn parked(&mut self) -> Result<Vec<Parked>> {
        let open = self.opened()?;
        parked::of_reader(&mut open.session, &open.reader).await
    }

    async fn park_marks(&mut self) -> Result<Vec<ParkMark>> {
        let open = self.opened()?;
        parked::marks(&mut open.session, &open.reader).await
    }

    async fn count(&mut self, table: &TableSchema) -> Result<Option<u64>> {
        let TableName::Table { schema, table, .. } = table.name() else { return Ok(None) };
        let question =
            format!("SELECT pg_catalog.count(*) FROM {}.{}", quoted(schema), quoted(table));
        let open = self.opened()?;
        let answer = open.session.query(&question, &[]).await;
        let answer = answer.map_err(|error| sqlstate::error("can't count rows", error))?;
        let rows: Option<i64> = answer.first().map(|row| field(row, 0)).transpose()?;
        Ok(rows.and_then(|rows| u64::try_from(rows).ok()))
    }

    async fn commit(&mut self, progress: &Progress) -> Result<()> {
        let open = self.opened()?;
        open.begin()?;
        let moved = Move::new(&open.reader, progress, open.next);
        let committed = moved.commit(&mut open.session).await;
        committed.map_err(|error| commit_failed(error, &open.reader, open.next))?;
        open.durability.committed();
        open.next = Some(progress.next);
        open.in_transaction = false;
        open.in_doubt = false;
        Ok(())
    }

    async fn sync(&mut self) -> Result<()> {
        let open = self.opened()?;
        if open.in_transaction {
            return Err(Error::new(Kind::Internal, "a sink is synced within a transaction"));
        }
        let synced = open.durability.sync(&mut open.session, &open.reader).await;
        synced.map_err(|error| commit_failed(error, &open.reader, open.next))
    }

    async fn rollback(&mut self) -> Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        if open.in_transaction {
            open.session.forget_ahead();
            if let Err(error) = open.session.run("ROLLBACK").await {
                // The transaction ended with its connection.
                tracing::debug!(%error, "the connection ended before its transaction");
                self.open = None;
                return Ok(());
            }
        }
        open.in_transaction = false;
        open.in_doubt = false;
        Ok(())
    }
}

fn commit_failed(error: CommitError, reader: &ReaderName, known: Option<Offset>) -> Error {
    let failed = "can't commit what was written";
    let error = match error {
        CommitError::Statement(error) => {
            let error = sqlstate::error(failed, error);
            if sqlstate::code(&error) == Some(sqlstate::DIVISION_BY_ZERO) {
                let known = known.map_or("none".into(), |offset| offset.to_string());
                return Error::new(Kind::Fenced, format!("another moved reader {reader} on"))
                    .detail(format!("syncline.progress no longer has offset {known}"))
                    .hint("stop the other process, then start this one again");
            }
            error
        }
        CommitError::Commit(error) => sqlstate::error(failed, error),
    };
    let rolled_back = sqlstate::code(&error).is_some_and(|code| code.starts_with("40"));
    // `COMMIT` was sent with the rest, so whoever loses the connection can't know.
    if error.kind() == Kind::Unavailable && !rolled_back { error.indeterminate() } else { error }
}
