//! When what was committed is there for good: a commit need not wait for the server's disk, and whoever asks does.

use super::progress;
use super::session::{CommitError, Session, field};
use super::sqlstate;
use syncline_core::{ReaderName, Result};

/// How commits of a session wait for the server's disk.
#[derive(Debug)]
pub(super) struct Durability {
    /// The level at which a commit is durable.
    level: String,
    /// Whether a commit returns before it is.
    is_late: bool,
    /// Whether one returned so, and none since at that level.
    is_due: bool,
}

impl Durability {
    /// Sets the level of a session, `None` for what it has. What was committed before it began may not be durable.
    ///
    /// # Errors
    /// When the session can't be asked.
    pub(super) async fn set(session: &mut Session, wanted: Option<&str>) -> Result<Self> {
        let own = "SELECT pg_catalog.current_setting('synchronous_commit')";
        let answer = session.query(own, &[]).await;
        let answer =
            answer.map_err(|error| sqlstate::error("can't ask how commits wait", error))?;
        let own: String =
            answer.first().map_or_else(|| Ok("on".to_owned()), |row| field(row, 0))?;
        let now = wanted.unwrap_or(&own);
        if now != own {
            session.ahead(&format!("SET synchronous_commit = {now}"));
        }
        let is_late = now == "off";
        let level = match is_late {
            // What is usual at this server, as long as that waits for a disk.
            true if own != "off" => own,
            true => "on".to_owned(),
            false => now.to_owned(),
        };
        Ok(Self { level, is_late, is_due: true })
    }

    pub(super) fn committed(&mut self) {
        self.is_due |= self.is_late;
    }

    /// Waits until all that was committed is durable.
    pub(super) async fn sync(
        &mut self,
        session: &mut Session,
        reader: &ReaderName,
    ) -> std::result::Result<(), CommitError> {
        if !self.is_due {
            return Ok(());
        }
        session.ahead(&format!("BEGIN; SET LOCAL synchronous_commit = {}", self.level));
        progress::touch(session, reader).await?;
        self.is_due = false;
        Ok(())
    }
}
