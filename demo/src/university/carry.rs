//! Rows of one system brought to another, without a word of it reaching the engine.

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::{SinkExt, pin_mut};
use tokio_postgres::Client;

/// Copies what a query gives at one server into a table at another; `table` may name columns.
///
/// # Errors
/// When one of them refuses.
pub(super) async fn carry(from: &Client, query: &str, to: &Client, table: &str) -> Result<()> {
    let copy = format!("COPY ({query}) TO STDOUT");
    let rows = from.copy_out(&copy).await.with_context(|| format!("can't run {copy}"))?;
    let copy = format!("COPY {table} FROM STDIN");
    let into = to.copy_in::<_, Bytes>(&copy).await;
    let into = into.with_context(|| format!("can't run {copy}"))?;
    pin_mut!(rows);
    pin_mut!(into);
    into.send_all(&mut rows).await?;
    into.close().await?;
    Ok(())
}
