//! What people said, one after the other, for whoever hears all of it.

use crate::decide::{DECISION_COLUMNS, record};
use crate::decision::Decision;
use crate::error::{Error, Result};
use crate::statement::Statement;
use crate::store::Control;
use sqlx::Row;
use sqlx::any::AnyRow;

/// Something that a person said about a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its number; grows in the order in which it was said, and none is given later that is less.
    pub number: i64,
    /// When, in microseconds UTC.
    pub at: i64,
    /// What was done with the decision.
    pub what: SaidWhat,
    /// The decision, as it was made.
    pub decision: Decision,
    /// The entity of its conflict.
    pub entity: String,
    /// The key of its conflict, as a JSON array of texts.
    pub key: String,
    /// The field or group of its conflict, or `existence`.
    pub subject: String,
}

/// What a person does with a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaidWhat {
    /// Makes it.
    Decided,
    /// Takes it back.
    Undone,
}

impl Control {
    /// What was said after the event with this number, oldest first, at most so many. Nothing that is
    /// said later has a number between two that were given.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn feed(&self, after: i64, limit: u32) -> Result<Vec<Said>> {
        let mut select = Statement::new("SELECT ");
        select.push(DECISION_COLUMNS);
        select.push(
            ", e.id, e.at, e.what, c.entity, c.key_text, c.subject FROM control_event e \
             JOIN control_decision d ON d.id = e.decision_id \
             JOIN control_conflict c ON c.id = e.conflict_id \
             WHERE e.person IS NOT NULL AND e.id > ",
        );
        select.bind(after)?.push(" ORDER BY e.id LIMIT ").bind(i64::from(limit))?;
        self.read(select).await?.iter().map(said).collect()
    }

    /// The number of what was said last; 0 where nobody ever said anything.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn last_said(&self) -> Result<i64> {
        let select =
            Statement::new("SELECT MAX(e.id) FROM control_event e WHERE e.person IS NOT NULL");
        let rows = self.read(select).await?;
        let row = rows.first().ok_or_else(|| Error::corrupt("a greatest number has no row"))?;
        Ok(row.try_get::<Option<i64>, _>(0)?.unwrap_or_default())
    }
}

fn said(row: &AnyRow) -> Result<Said> {
    let what = match row.try_get(12)? {
        "decided" => SaidWhat::Decided,
        "undone" => SaidWhat::Undone,
        other => return Err(Error::unknown_word("thing to say", other)),
    };
    Ok(Said {
        number: row.try_get(10)?,
        at: row.try_get(11)?,
        what,
        decision: record(row)?.decision,
        entity: row.try_get(13)?,
        key: row.try_get(14)?,
        subject: row.try_get(15)?,
    })
}
