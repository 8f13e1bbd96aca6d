//! Writing what resolving says, a batch in one transaction and a few rows a statement.
//!
//! ```text
//!  changes ─▶ one group a conflict ─▶ what stands (read) ─▶ fold ─▶ rows to write
//! ```

use crate::change::{Change, ConflictChange, Raise};
use crate::error::{Error, Result};
use crate::fold::{Standing, Step, fold};
use crate::kind::{CloseReason, State};
use crate::statement::{Statement, rows_per_statement};
use crate::store::{Control, Numbers};
use fail::fail_point;
use sqlx::{AnyConnection, Row};
use std::collections::{BTreeSet, HashMap};

const CONFLICT_COLUMNS: usize = 18;
const EVENT_COLUMNS: usize = 9;

impl Control {
    /// Writes what resolving says, all of it or nothing. Applying the same changes again changes
    /// nothing. `now_micros` is when it happened, in microseconds UTC. Does not wait for the disk;
    /// see [`Control::make_durable`].
    ///
    /// # Errors
    /// When the database is away, or a key is not a JSON array of texts.
    pub async fn apply(&self, changes: &[ConflictChange], now_micros: i64) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let groups = grouped(changes);
        let mut writing = self.applying().await?;
        let standing = standing(writing.connection(), &groups).await?;
        let mut rows = Rows::default();
        for group in groups {
            let stands = standing.get(&group.identity()).cloned();
            rows.add(&group, stands, &mut writing.numbers)?;
        }
        if rows.events.is_empty() {
            return Ok(());
        }
        rows.write(writing.connection(), now_micros).await?;
        fail_point!("control.written");
        writing.commit().await?;
        fail_point!("control.noted");
        Ok(())
    }
}

type Identity = (String, String, String);

/// What a batch says about one conflict, in order.
struct Group<'a> {
    of: &'a ConflictChange,
    changes: Vec<&'a Change>,
}

impl Group<'_> {
    fn identity(&self) -> Identity {
        (self.of.entity.clone(), self.of.key.clone(), self.of.subject.clone())
    }
}

fn grouped(changes: &[ConflictChange]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places = HashMap::new();
    for of in changes {
        let identity = (of.entity.as_str(), of.key.as_str(), of.subject.as_str());
        let place = *places.entry(identity).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.changes.push(&of.state),
            None => groups.push(Group { of, changes: vec![&of.state] }),
        }
    }
    groups
}

async fn standing(
    connection: &mut AnyConnection,
    groups: &[Group<'_>],
) -> Result<HashMap<Identity, (i64, Standing)>> {
    let mut found = HashMap::new();
    for chunk in groups.chunks(rows_per_statement(3)) {
        let mut select = Statement::new("WITH wanted (entity, key_text, subject) AS (VALUES ");
        select.rows(chunk, |row, group| {
            row.value(group.of.entity.as_str())?.value(group.of.key.as_str())?;
            row.value(group.of.subject.as_str()).map(drop)
        })?;
        select.push(
            ") SELECT c.entity, c.key_text, c.subject, c.id, c.evidence, c.state, c.settled, \
             c.decision_id, c.times_reopened FROM wanted w JOIN control_conflict c \
             ON c.entity = w.entity AND c.key_text = w.key_text AND c.subject = w.subject",
        );
        for row in select.fetch(connection).await? {
            let state = State::stored(row.try_get(5)?)?;
            let settled: Option<String> = row.try_get(6)?;
            let decision: Option<String> = row.try_get(7)?;
            let standing = Standing {
                evidence: row.try_get(4)?,
                state,
                settled: settled.map(|text| CloseReason::stored(&text, decision)).transpose()?,
                times_reopened: row.try_get(8)?,
            };
            let identity = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            found.insert(identity, (row.try_get(3)?, standing));
        }
    }
    Ok(found)
}

/// What a batch writes.
#[derive(Default)]
struct Rows<'a> {
    raised: Vec<RaisedRow<'a>>,
    closed: Vec<(i64, CloseReason)>,
    events: Vec<EventRow<'a>>,
    /// Conflicts that were there before and have other claims now.
    claimed_anew: Vec<i64>,
}

struct RaisedRow<'a> {
    id: i64,
    of: &'a ConflictChange,
    raise: &'a Raise,
    search: String,
    claims: String,
    standing: Standing,
}

struct EventRow<'a> {
    id: i64,
    conflict: i64,
    what: &'static str,
    reason: Option<CloseReason>,
    evidence: Option<&'a str>,
    claims: Option<String>,
}

impl<'a> Rows<'a> {
    fn add(
        &mut self,
        group: &Group<'a>,
        stands: Option<(i64, Standing)>,
        numbers: &mut Numbers,
    ) -> Result<()> {
        let (known, before) = stands.unzip();
        let (after, steps) = fold(before, &group.changes);
        let (Some(standing), false) = (after, steps.is_empty()) else { return Ok(()) };
        let id = known.unwrap_or_else(|| numbers.conflict());
        for step in &steps {
            self.events.push(EventRow::of(numbers.event(), id, step)?);
        }
        match steps.iter().rev().find_map(Step::raise) {
            Some(raise) => {
                if known.is_some() {
                    self.claimed_anew.push(id);
                }
                let (search, claims) = (search_text(&group.of.key)?, claims_text(raise)?);
                self.raised.push(RaisedRow { id, of: group.of, raise, search, claims, standing });
            }
            None => self.closed.extend(standing.settled.map(|reason| (id, reason))),
        }
        Ok(())
    }

    async fn write(&self, connection: &mut AnyConnection, now: i64) -> Result<()> {
        for chunk in self.raised.chunks(rows_per_statement(CONFLICT_COLUMNS)) {
            upsert(chunk, now)?.execute(connection).await?;
        }
        for chunk in self.closed.chunks(rows_per_statement(3)) {
            close(chunk, now)?.execute(connection).await?;
        }
        for chunk in self.claimed_anew.chunks(rows_per_statement(1)) {
            forget_sources(chunk)?.execute(connection).await?;
        }
        let sources: Vec<(&str, i64)> = self.raised.iter().flat_map(RaisedRow::sources).collect();
        for chunk in sources.chunks(rows_per_statement(2)) {
            insert_sources(chunk)?.execute(connection).await?;
        }
        for chunk in self.events.chunks(rows_per_statement(EVENT_COLUMNS)) {
            insert_events(chunk, now)?.execute(connection).await?;
        }
        Ok(())
    }
}

impl RaisedRow<'_> {
    fn sources(&self) -> impl Iterator<Item = (&str, i64)> {
        let names: BTreeSet<&str> = self.raise.claims.iter().map(|c| c.source.as_str()).collect();
        names.into_iter().map(|name| (name, self.id))
    }
}

impl<'a> EventRow<'a> {
    fn of(id: i64, conflict: i64, step: &Step<'a>) -> Result<Self> {
        let (what, reason) = match step {
            Step::Raised(_) => ("raised", None),
            Step::EvidenceChanged(_) => ("evidence_changed", None),
            Step::Reopened { after, .. } => ("reopened", Some(after.clone())),
            Step::Closed(reason) => ("closed", Some((*reason).clone())),
        };
        let evidence = step.raise().map(|raise| raise.evidence.as_str());
        let claims = step.raise().map(claims_text).transpose()?;
        Ok(Self { id, conflict, what, reason, evidence, claims })
    }
}

fn upsert(rows: &[RaisedRow<'_>], now: i64) -> Result<Statement> {
    let mut insert = Statement::new(
        "INSERT INTO control_conflict (id, entity, key_text, key_search, subject, kind, state, \
         settled, decision_id, evidence, claims, in_force, policy, policy_revision, raised_at, \
         changed_at, times_reopened, waiting) VALUES ",
    );
    insert.rows(rows, |row, conflict| {
        let (of, raise, standing) = (conflict.of, conflict.raise, &conflict.standing);
        let settled = standing.settled.as_ref();
        row.value(conflict.id)?.value(of.entity.as_str())?.value(of.key.as_str())?;
        row.value(conflict.search.as_str())?.value(of.subject.as_str())?;
        row.value(raise.kind.as_str())?.value(standing.state.as_str())?;
        row.value(settled.map(CloseReason::as_str))?;
        row.value(settled.and_then(CloseReason::decision))?;
        row.value(raise.evidence.as_str())?.value(conflict.claims.as_str())?;
        row.value(raise.in_force.as_deref().map(storable))?.value(raise.policy.as_str())?;
        row.value(raise.policy_revision.as_str())?.value(now)?.value(now)?;
        row.value(standing.times_reopened)?.value(0_i64).map(drop)
    })?;
    insert.push(
        " ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, state = excluded.state, \
         settled = excluded.settled, decision_id = excluded.decision_id, \
         evidence = excluded.evidence, claims = excluded.claims, in_force = excluded.in_force, \
         policy = excluded.policy, policy_revision = excluded.policy_revision, \
         changed_at = excluded.changed_at, times_reopened = excluded.times_reopened",
    );
    Ok(insert)
}

fn close(rows: &[(i64, CloseReason)], now: i64) -> Result<Statement> {
    let mut update = Statement::new("WITH closing (id, settled, decision_id) AS (VALUES ");
    update.rows(rows, |row, (id, reason)| {
        row.value(*id)?.value(reason.as_str())?.value(reason.decision()).map(drop)
    })?;
    update.push(") UPDATE control_conflict SET state = ").bind(State::Closed.as_str())?;
    update.push(", changed_at = ").bind(now)?;
    update.push(
        ", settled = closing.settled, decision_id = closing.decision_id \
         FROM closing WHERE control_conflict.id = closing.id",
    );
    Ok(update)
}

fn forget_sources(conflicts: &[i64]) -> Result<Statement> {
    let mut delete = Statement::new("WITH changed (id) AS (VALUES ");
    delete.rows(conflicts, |row, id| row.value(*id).map(drop))?;
    delete.push(
        ") DELETE FROM control_conflict_source WHERE conflict_id IN (SELECT id FROM changed)",
    );
    Ok(delete)
}

fn insert_sources(rows: &[(&str, i64)]) -> Result<Statement> {
    let mut insert =
        Statement::new("INSERT INTO control_conflict_source (source, conflict_id) VALUES ");
    insert.rows(rows, |row, (source, id)| row.value(*source)?.value(*id).map(drop))?;
    Ok(insert)
}

fn insert_events(rows: &[EventRow<'_>], now: i64) -> Result<Statement> {
    let mut insert = Statement::new(
        "INSERT INTO control_event (id, conflict_id, at, what, person, decision_id, reason, \
         evidence, claims) VALUES ",
    );
    insert.rows(rows, |row, event| {
        let reason = event.reason.as_ref();
        row.value(event.id)?.value(event.conflict)?.value(now)?.value(event.what)?;
        row.value(None::<&str>)?.value(reason.and_then(CloseReason::decision))?;
        row.value(reason.map(CloseReason::as_str))?.value(event.evidence)?;
        row.value(event.claims.as_deref()).map(drop)
    })?;
    Ok(insert)
}

/// A key as people look for it: its texts in lower case.
fn search_text(key: &str) -> Result<String> {
    let texts: Vec<String> = serde_json::from_str(key)
        .map_err(|_| Error::corrupt("a conflict's key is not a JSON array of texts"))?;
    Ok(storable(&texts.join(" ")).to_lowercase())
}

fn claims_text(raise: &Raise) -> Result<String> {
    serde_json::to_string(&raise.claims).map_err(|_| Error::corrupt("claims have no JSON form"))
}

/// PostgreSQL's texts can't hold U+0000.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
