//! One connection, its prepared statements, and what waits to be sent ahead of the next request.
//!
//! `BEGIN`, `SAVEPOINT` and their like have nothing to answer that we must wait for. They are kept
//! back and go out together with the request after them, so that they cost no round trip:
//!
//! ```text
//!  ahead("BEGIN; SAVEPOINT write")      nothing is sent
//!  execute(UPDATE …)                    BEGIN; SAVEPOINT write │ UPDATE …      one round trip
//! ```

use super::sqlstate;
use crate::values::encode::Unfit;
use bytes::{Bytes, BytesMut};
use futures::SinkExt as _;
use futures::future::join;
use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::pin::pin;
use syncline_core::{Error, Kind, Result};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Row, Statement};

/// Most statements kept prepared; more distinct ones than this start afresh.
const STATEMENTS_MAX: usize = 512;

type PgResult<T> = std::result::Result<T, tokio_postgres::Error>;

/// A parameter already in its binary form.
pub(crate) struct Encoded(pub(crate) Vec<u8>);

impl fmt::Debug for Encoded {
    /// Shows no values: the connection's library prints parameters when it logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl ToSql for Encoded {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// One connection.
pub(super) struct Session {
    client: Client,
    ahead: String,
    statements: HashMap<String, Statement>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("ahead", &self.ahead).finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(client: Client) -> Self {
        Self { client, ahead: String::new(), statements: HashMap::new() }
    }

    /// The connection itself, for questions that are asked outside the flow of statements.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The server process at the other end.
    pub(super) async fn process(&mut self) -> Result<i32> {
        let answer = self.query("SELECT pg_catalog.pg_backend_pid()", &[]).await;
        let answer = answer.map_err(|error| sqlstate::error("can't ask who serves us", error))?;
        answer.first().map_or(Ok(0), |row| field(row, 0))
    }

    /// Keeps commands back until the next request. They must be such as can't fail where what is
    /// before them went well.
    pub(super) fn ahead(&mut self, commands: &str) {
        if !self.ahead.is_empty() {
            self.ahead.push_str("; ");
        }
        self.ahead.push_str(commands);
    }

    /// Forgets what was kept back.
    pub(super) fn forget_ahead(&mut self) {
        self.ahead.clear();
    }

    /// Sends commands without parameters, and what is kept back before them.
    pub(super) async fn run(&mut self, commands: &str) -> PgResult<()> {
        self.ahead(commands);
        self.flush().await
    }

    /// Runs a statement; returns how many rows it touched.
    pub(super) async fn execute(
        &mut self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> PgResult<u64> {
        let statement = self.statement(sql).await?;
        let Self { client, ahead, .. } = self;
        carrying(client, ahead, client.execute(&statement, parameters)).await
    }

    /// Asks for rows.
    pub(super) async fn query(
        &mut self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> PgResult<Vec<Row>> {
        let statement = self.statement(sql).await?;
        let Self { client, ahead, .. } = self;
        carrying(client, ahead, client.query(&statement, parameters)).await
    }

    /// Runs a statement and commits, in one round trip. Where the statement fails the server rolls
    /// back instead.
    pub(super) async fn execute_and_commit(
        &mut self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> std::result::Result<(), CommitError> {
        let statement = self.statement(sql).await.map_err(CommitError::Statement)?;
        let Self { client, ahead, .. } = self;
        let statement = carrying(client, ahead, client.execute(&statement, parameters));
        // Order: joined futures send in the order they are polled first.
        let (done, committed) = join(statement, client.batch_execute("COMMIT")).await;
        done.map_err(CommitError::Statement)?;
        committed.map_err(CommitError::Commit)
    }

    /// Sends what is kept back.
    pub(super) async fn flush(&mut self) -> PgResult<()> {
        if self.ahead.is_empty() {
            return Ok(());
        }
        let commands = std::mem::take(&mut self.ahead);
        self.client.batch_execute(&commands).await
    }

    /// Runs a `COPY … FROM STDIN` over the chunks that `chunks` makes until there is none.
    pub(super) async fn copy(
        &mut self,
        sql: &str,
        mut chunks: impl FnMut() -> std::result::Result<Option<Vec<u8>>, Unfit>,
    ) -> std::result::Result<u64, CopyError> {
        let statement = self.statement(sql).await?;
        let Self { client, ahead, .. } = self;
        let sink = carrying(client, ahead, client.copy_in::<_, Bytes>(&statement)).await?;
        let mut sink = pin!(sink);
        // Dropping the sink half-way, as an unfit value does, makes the server end the copy.
        while let Some(chunk) = chunks()? {
            if sink.feed(chunk.into()).await.is_err() {
                // The server ended the copy; `finish` has its reason.
                break;
            }
        }
        Ok(sink.finish().await?)
    }

    async fn statement(&mut self, sql: &str) -> PgResult<Statement> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        if self.statements.len() >= STATEMENTS_MAX {
            self.statements.clear();
        }
        let Self { client, ahead, statements } = self;
        let statement = carrying(client, ahead, client.prepare(sql)).await?;
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

/// Sends what is kept back and then `request`; waits for both.
async fn carrying<T>(
    client: &Client,
    ahead: &mut String,
    request: impl Future<Output = PgResult<T>>,
) -> PgResult<T> {
    if ahead.is_empty() {
        return request.await;
    }
    let commands = std::mem::take(ahead);
    // Order: joined futures send in the order they are polled first.
    let (before, answer) = join(client.batch_execute(&commands), request).await;
    before?;
    answer
}

/// Why a copy failed.
#[derive(Debug)]
pub(super) enum CopyError {
    /// The server or the connection.
    Postgres(tokio_postgres::Error),
    /// A value that can't be sent.
    Unfit(Unfit),
}

impl From<tokio_postgres::Error> for CopyError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<Unfit> for CopyError {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit)
    }
}

/// Which part of a commit failed.
#[derive(Debug)]
pub(super) enum CommitError {
    /// What came before `COMMIT`.
    Statement(tokio_postgres::Error),
    /// `COMMIT` itself.
    Commit(tokio_postgres::Error),
}

/// A value that its type can't hold refuses its row.
pub(super) fn unfit_error(failed: &str, unfit: &Unfit) -> Error {
    Error::new(Kind::Rejected, format!("{failed}: {unfit}"))
}

/// Reads a column of an answer of ours.
pub(super) fn field<'a, T: tokio_postgres::types::FromSql<'a>>(
    row: &'a Row,
    column: usize,
) -> Result<T> {
    row.try_get(column).map_err(|error| sqlstate::error("PostgreSQL's answer can't be read", error))
}
