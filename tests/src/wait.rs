//! Waiting for something to become true.

use anyhow::{Result, bail};
use std::time::Duration;
use tokio::time::Instant;

const PAUSE: Duration = Duration::from_millis(50);

/// Asks again and again until the answer is yes.
///
/// # Errors
/// When the question fails, or the deadline is past.
pub async fn until(
    what: &str,
    deadline: Duration,
    mut question: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let started = Instant::now();
    while !question().await? {
        if started.elapsed() > deadline {
            bail!("after {} s still waiting until {what}", deadline.as_secs());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
