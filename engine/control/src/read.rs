//! What people see: lists, numbers, one conflict and its history.

use crate::change::ClaimView;
use crate::conflict::{Conflict, Event, Happened};
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::kind::{CloseReason, ConflictKind, State};
use crate::statement::Statement;
use crate::store::Control;
use sqlx::Row;
use sqlx::any::AnyRow;

const CONFLICT_COLUMNS: &str = "c.id, c.entity, c.key_text, c.subject, c.kind, c.state, c.settled, \
     c.decision_id, c.evidence, c.claims, c.in_force, c.policy, c.policy_revision, c.raised_at, \
     c.changed_at, c.times_reopened, c.waiting";

impl Control {
    /// A page of the conflicts that are meant.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn list(&self, filter: &Filter) -> Result<Vec<Conflict>> {
        let mut select = Statement::new("SELECT ");
        select.push(CONFLICT_COLUMNS);
        filter.write_where(&mut select)?;
        filter.write_page(&mut select)?;
        self.read(select).await?.iter().map(conflict).collect()
    }

    /// How many conflicts are meant, whatever the page.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn count(&self, filter: &Filter) -> Result<u64> {
        let mut select = Statement::new("SELECT COUNT(*)");
        filter.write_where(&mut select)?;
        let rows = self.read(select).await?;
        let row = rows.first().ok_or_else(|| Error::corrupt("a count has no row"))?;
        unsigned(row.try_get(0)?)
    }

    /// How many conflicts of each kind are meant, whatever the page; kinds without any are left
    /// out.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn counts_by_kind(&self, filter: &Filter) -> Result<Vec<(ConflictKind, u64)>> {
        let mut select = Statement::new("SELECT c.kind, COUNT(*)");
        filter.write_where(&mut select)?;
        select.push(" GROUP BY c.kind ORDER BY c.kind");
        self.read(select).await?.iter().map(counted).collect()
    }

    /// How many conflicts of each kind were ever counted, those decided automatically among them.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn kind_totals(&self) -> Result<Vec<(ConflictKind, u64)>> {
        let select = Statement::new("SELECT kind, total FROM control_kind_count ORDER BY kind");
        self.read(select).await?.iter().map(counted).collect()
    }

    /// A conflict by its id.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn get(&self, id: i64) -> Result<Option<Conflict>> {
        let mut select = Statement::new("SELECT ");
        select.push(CONFLICT_COLUMNS).push(" FROM control_conflict c WHERE c.id = ").bind(id)?;
        self.read(select).await?.first().map(conflict).transpose()
    }

    /// What happened to a conflict, in order.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn history(&self, id: i64) -> Result<Vec<Event>> {
        let mut select = Statement::new(
            "SELECT id, at, what, person, decision_id, reason, evidence, claims \
             FROM control_event WHERE conflict_id = ",
        );
        select.bind(id)?.push(" ORDER BY id");
        self.read(select).await?.iter().map(event).collect()
    }

    pub(crate) async fn read(&self, select: Statement) -> Result<Vec<AnyRow>> {
        select.fetch(&mut *self.reading().acquire().await?).await
    }
}

fn conflict(row: &AnyRow) -> Result<Conflict> {
    let settled: Option<String> = row.try_get(6)?;
    let decision: Option<String> = row.try_get(7)?;
    Ok(Conflict {
        id: row.try_get(0)?,
        entity: row.try_get(1)?,
        key: row.try_get(2)?,
        subject: row.try_get(3)?,
        kind: ConflictKind::stored(row.try_get(4)?)?,
        state: State::stored(row.try_get(5)?)?,
        settled: settled.map(|text| CloseReason::stored(&text, decision)).transpose()?,
        evidence: row.try_get(8)?,
        claims: claims(row.try_get(9)?)?,
        in_force: row.try_get(10)?,
        policy: row.try_get(11)?,
        policy_revision: row.try_get(12)?,
        raised_at: row.try_get(13)?,
        changed_at: row.try_get(14)?,
        times_reopened: unsigned(row.try_get(15)?)?,
        waiting: unsigned(row.try_get(16)?)?,
    })
}

fn event(row: &AnyRow) -> Result<Event> {
    let what: &str = row.try_get(2)?;
    let happened = match what {
        "raised" => Happened::Raised { evidence: row.try_get(6)?, claims: event_claims(row)? },
        "evidence_changed" => {
            Happened::EvidenceChanged { evidence: row.try_get(6)?, claims: event_claims(row)? }
        }
        "decided" => Happened::Decided { decision: row.try_get(4)?, by: row.try_get(3)? },
        "undone" => Happened::Undone { decision: row.try_get(4)?, by: row.try_get(3)? },
        "reopened" => Happened::Reopened {
            after: event_reason(row)?,
            evidence: row.try_get(6)?,
            claims: event_claims(row)?,
        },
        "closed" => Happened::Closed { reason: event_reason(row)? },
        other => return Err(Error::unknown_word("event", other)),
    };
    Ok(Event { id: row.try_get(0)?, at: row.try_get(1)?, happened })
}

fn event_reason(row: &AnyRow) -> Result<CloseReason> {
    CloseReason::stored(row.try_get(5)?, row.try_get(4)?)
}

fn event_claims(row: &AnyRow) -> Result<Vec<ClaimView>> {
    claims(row.try_get(7)?)
}

fn claims(text: &str) -> Result<Vec<ClaimView>> {
    // The parser's own message may quote a value.
    serde_json::from_str(text).map_err(|_| Error::corrupt("claims are not as this version writes"))
}

fn counted(row: &AnyRow) -> Result<(ConflictKind, u64)> {
    Ok((ConflictKind::stored(row.try_get(0)?)?, unsigned(row.try_get(1)?)?))
}

fn unsigned(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| Error::corrupt("a number is negative"))
}
