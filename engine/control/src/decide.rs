//! Writing what people say. Each call is one transaction, on disk before it returns.

use crate::decision::{Decision, DecisionFilter, DecisionRecord, Undone};
use crate::error::{Error, Result};
use crate::kind::{ConflictKind, State};
use crate::statement::Statement;
use crate::store::{Control, Writing};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

pub(crate) const DECISION_COLUMNS: &str = "d.id, d.conflict_id, d.what, d.person, d.at, d.note, d.evidence, \
     d.number, d.undone_by, d.undone_at";

impl Control {
    /// Writes a person's decision. The same decision again changes nothing.
    ///
    /// # Errors
    /// When there is no such conflict, it is settled, it has other evidence than the person saw,
    /// or another decision has this id; and when the database is away.
    pub async fn decide(&self, decision: &Decision) -> Result<()> {
        let mut writing = self.deciding().await?;
        if let Some(known) = by_id(writing.connection(), &decision.id).await? {
            return match known.decision == *decision {
                true => Ok(()),
                false => Err(Error::DecisionTaken { decision: decision.id.clone() }),
            };
        }
        expect_open(writing.connection(), decision).await?;
        let number = writing.numbers.event();
        insert_decision(decision, number)?.execute(writing.connection()).await?;
        settle(decision)?.execute(writing.connection()).await?;
        let happened = Happening {
            number,
            conflict: decision.conflict,
            at: decision.at,
            what: "decided",
            by: &decision.by,
            decision: &decision.id,
        };
        happened.write(&mut writing).await?;
        writing.commit().await
    }

    /// Takes a decision back. Its conflict is open again, unless something else settled it since.
    /// `None` when there is no such decision, or it was taken back before.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn undo(&self, decision_id: &str, by: &str, at: i64) -> Result<Option<Decision>> {
        let mut writing = self.deciding().await?;
        let found = by_id(writing.connection(), decision_id).await?;
        let Some(decision) = found.filter(|record| record.undone.is_none()) else {
            return Ok(None);
        };
        let decision = decision.decision;
        mark_undone(decision_id, by, at)?.execute(writing.connection()).await?;
        unsettle(&decision, at)?.execute(writing.connection()).await?;
        let number = writing.numbers.event();
        let conflict = decision.conflict;
        let happened =
            Happening { number, conflict, at, what: "undone", by, decision: decision_id };
        happened.write(&mut writing).await?;
        writing.commit().await?;
        Ok(Some(decision))
    }

    /// The decisions that are meant, oldest first, with those that were taken back.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn decisions(&self, filter: &DecisionFilter) -> Result<Vec<DecisionRecord>> {
        let mut select = Statement::new("SELECT ");
        select.push(DECISION_COLUMNS).push(" FROM control_decision d");
        select.push(" JOIN control_conflict c ON c.id = d.conflict_id WHERE 1 = 1");
        let numbers = [("d.conflict_id = ", filter.conflict), ("d.number > ", filter.after)];
        for (condition, number) in numbers {
            if let Some(number) = number {
                select.push(" AND ").push(condition).bind(number)?;
            }
        }
        let texts = [("d.person = ", &filter.by), ("c.entity = ", &filter.entity)];
        for (condition, text) in texts {
            if let Some(text) = text {
                select.push(" AND ").push(condition).bind(text.as_str())?;
            }
        }
        select.push(" ORDER BY d.number LIMIT ").bind(i64::from(filter.limit))?;
        self.read(select).await?.iter().map(record).collect()
    }

    /// Says how many rows wait behind a conflict. Does not wait for the disk.
    ///
    /// # Errors
    /// When there is no such conflict, or the database is away.
    pub async fn set_waiting(&self, conflict: i64, rows: u64) -> Result<()> {
        let mut writing = self.applying().await?;
        let mut update = Statement::new("UPDATE control_conflict SET waiting = ");
        update.bind(i64::try_from(rows).unwrap_or(i64::MAX))?;
        update.push(" WHERE id = ").bind(conflict)?;
        match update.execute(writing.connection()).await? {
            0 => Err(Error::UnknownConflict { conflict }),
            _ => writing.commit().await,
        }
    }

    /// Counts conflicts of a kind, also those that a policy decided by itself. Counting again
    /// counts again. Does not wait for the disk.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn count_kind(&self, kind: ConflictKind, n: u64) -> Result<()> {
        let mut writing = self.applying().await?;
        let mut add = Statement::new("INSERT INTO control_kind_count (kind, total) VALUES (");
        add.bind(kind.as_str())?.push(", ").bind(i64::try_from(n).unwrap_or(i64::MAX))?;
        add.push(
            ") ON CONFLICT (kind) DO UPDATE SET total = control_kind_count.total + excluded.total",
        );
        add.execute(writing.connection()).await?;
        writing.commit().await
    }
}

async fn by_id(connection: &mut AnyConnection, id: &str) -> Result<Option<DecisionRecord>> {
    let mut select = Statement::new("SELECT ");
    select.push(DECISION_COLUMNS).push(" FROM control_decision d WHERE d.id = ").bind(id)?;
    select.fetch_first(connection).await?.as_ref().map(record).transpose()
}

/// Refuses a decision on what is not there, not open, or not what the person saw.
async fn expect_open(connection: &mut AnyConnection, decision: &Decision) -> Result<()> {
    let conflict = decision.conflict;
    let mut select = Statement::new("SELECT state, evidence FROM control_conflict WHERE id = ");
    select.bind(conflict)?;
    let row = select.fetch_first(connection).await?.ok_or(Error::UnknownConflict { conflict })?;
    let state = State::stored(row.try_get(0)?)?;
    let evidence: &str = row.try_get(1)?;
    match state {
        State::Open if evidence == decision.evidence => Ok(()),
        State::Open => Err(Error::EvidenceChanged { conflict }),
        State::Decided | State::Closed => Err(Error::Settled { conflict, state }),
    }
}

fn insert_decision(decision: &Decision, number: i64) -> Result<Statement> {
    let mut insert = Statement::new(
        "INSERT INTO control_decision (id, number, conflict_id, what, person, at, note, evidence) \
         VALUES ",
    );
    insert.rows([decision], |row, decision| {
        row.value(decision.id.as_str())?.value(number)?.value(decision.conflict)?;
        row.value(decision.what.as_str())?.value(decision.by.as_str())?.value(decision.at)?;
        row.value(decision.note.as_deref())?.value(decision.evidence.as_str()).map(drop)
    })?;
    Ok(insert)
}

fn settle(decision: &Decision) -> Result<Statement> {
    let mut update = Statement::new("UPDATE control_conflict SET settled = 'decided', state = ");
    update.bind(State::Decided.as_str())?;
    update.push(", decision_id = ").bind(decision.id.as_str())?;
    update.push(", changed_at = ").bind(decision.at)?;
    update.push(" WHERE id = ").bind(decision.conflict)?;
    Ok(update)
}

fn mark_undone(id: &str, by: &str, at: i64) -> Result<Statement> {
    let mut update = Statement::new("UPDATE control_decision SET undone_by = ");
    update.bind(by)?.push(", undone_at = ").bind(at)?.push(" WHERE id = ").bind(id)?;
    Ok(update)
}

/// Opens the conflict again if it is this decision that settled it.
fn unsettle(decision: &Decision, at: i64) -> Result<Statement> {
    let mut update =
        Statement::new("UPDATE control_conflict SET settled = NULL, decision_id = NULL, state = ");
    update.bind(State::Open.as_str())?.push(", changed_at = ").bind(at)?;
    update.push(" WHERE id = ").bind(decision.conflict)?;
    update.push(" AND decision_id = ").bind(decision.id.as_str())?;
    Ok(update)
}

/// What a person did, as an event.
struct Happening<'a> {
    number: i64,
    conflict: i64,
    at: i64,
    what: &'static str,
    by: &'a str,
    decision: &'a str,
}

impl Happening<'_> {
    async fn write(&self, writing: &mut Writing<'_>) -> Result<()> {
        let mut insert = Statement::new(
            "INSERT INTO control_event (id, conflict_id, at, what, person, decision_id) VALUES ",
        );
        insert.rows([self], |row, event| {
            row.value(event.number)?.value(event.conflict)?.value(event.at)?.value(event.what)?;
            row.value(event.by)?.value(event.decision).map(drop)
        })?;
        insert.execute(writing.connection()).await?;
        Ok(())
    }
}

/// A decision from a row that begins with its columns.
pub(crate) fn record(row: &AnyRow) -> Result<DecisionRecord> {
    let decision = Decision {
        id: row.try_get(0)?,
        conflict: row.try_get(1)?,
        what: row.try_get(2)?,
        by: row.try_get(3)?,
        at: row.try_get(4)?,
        note: row.try_get(5)?,
        evidence: row.try_get(6)?,
    };
    let by: Option<String> = row.try_get(8)?;
    let at: Option<i64> = row.try_get(9)?;
    let undone = by.zip(at).map(|(by, at)| Undone { by, at });
    Ok(DecisionRecord { number: row.try_get(7)?, decision, undone })
}
