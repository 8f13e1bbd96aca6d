//! What the sink keeps in its target beside the rows: how far each reader is, and who writes for it.
//!
//! All SQL names of ours are spelled here and in `parked.rs`.

use super::session::{CommitError, Encoded, Session, field};
use super::sqlstate;
use super::target::quoted;
use crate::connect::APPLICATION_NAME;
use crate::mark;
use crate::settings::Settings;
use crate::values::encode::timestamptz;
use std::time::Duration;
use syncline_core::{Error, Kind, LogId, Offset, Progress, ReaderName, Result, SystemName, Topic};
use tokio_postgres::types::Type;

/// Makes what is missing. Two readers may begin at the same time, so one waits for the other.
const CREATE: &str = "
    BEGIN;
    SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('syncline', 0));
    CREATE SCHEMA IF NOT EXISTS syncline;
    CREATE TABLE IF NOT EXISTS syncline.progress (
        reader text PRIMARY KEY,
        topic text NOT NULL,
        next_offset bigint NOT NULL,
        committed_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL);
    ALTER TABLE syncline.progress ADD COLUMN IF NOT EXISTS log_id bigint NOT NULL DEFAULT 0;
    CREATE TABLE IF NOT EXISTS syncline.parked (
        reader text NOT NULL,
        mapping text NOT NULL,
        key text NOT NULL,
        stage text NOT NULL,
        table_name text NOT NULL,
        reason text NOT NULL,
        culprit text,
        hint text,
        image bytea NOT NULL,
        source_offset bigint NOT NULL,
        attempts integer NOT NULL,
        replay boolean NOT NULL DEFAULT false,
        parked_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
        tried_at timestamptz,
        PRIMARY KEY (reader, mapping, stage, key));
    ALTER TABLE syncline.parked DROP CONSTRAINT IF EXISTS parked_pkey,
        ADD CONSTRAINT parked_pkey PRIMARY KEY (reader, mapping, stage, key);
    COMMIT";

/// Whether both tables are there, and the stage is part of a parked row's key: it was not always.
const EXISTS: &str = "
    SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute
            WHERE attrelid = pg_catalog.to_regclass('syncline.progress') AND attname = 'log_id')
        AND EXISTS (
            SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a
                ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
            WHERE i.indrelid = pg_catalog.to_regclass('syncline.parked')
                AND i.indisprimary AND a.attname = 'stage')";

const LOCK: &str = "SELECT pg_catalog.pg_advisory_lock(pg_catalog.hashtextextended($1, 0))";

/// Who holds the lock of a reader.
const HOLDER: &str = "
    SELECT a.pid, a.application_name, a.usename::text,
        coalesce(pg_catalog.host(a.client_addr), 'a unix socket'), a.backend_start::text
    FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
        AND l.database = (SELECT oid FROM pg_catalog.pg_database
                          WHERE datname = pg_catalog.current_database())
        AND (l.classid::bigint << 32 | l.objid::bigint) = pg_catalog.hashtextextended($1, 0)";

const READ: &str = "
    SELECT topic, next_offset, (extract(epoch FROM committed_at) * 1000000)::bigint, log_id
    FROM syncline.progress WHERE reader = $1";

/// Moves a reader on. Divides by zero, so that nothing can commit, unless the reader is still where
/// this sink left it.
const MOVE: &str = "
    WITH moved AS (
        INSERT INTO syncline.progress AS p
            (reader, topic, next_offset, committed_at, updated_at, log_id)
        VALUES ($1, $2, $3, $4, pg_catalog.clock_timestamp(), $6)
        ON CONFLICT (reader) DO UPDATE SET topic = excluded.topic,
            next_offset = excluded.next_offset, committed_at = excluded.committed_at,
            updated_at = excluded.updated_at, log_id = excluded.log_id
        WHERE p.next_offset = $5
            AND (p.log_id <> excluded.log_id OR p.next_offset <= excluded.next_offset)
        RETURNING 1)
    SELECT 1 / pg_catalog.count(*) FROM moved";

/// Makes our schema and tables where they are missing.
pub(super) async fn create(session: &mut Session, settings: &Settings) -> Result<()> {
    let failed = "can't make the schema \"syncline\" in the target";
    let exists = session.query(EXISTS, &[]).await.map_err(|e| sqlstate::error(failed, e))?;
    if exists.first().map_or(Ok(false), |row| field(row, 0))? {
        return Ok(());
    }
    let Err(error) = session.run(CREATE).await else { return Ok(()) };
    // Its outcome doesn't matter: what failed is told either way.
    let _ = session.run("ROLLBACK").await;
    let error = sqlstate::error(failed, error);
    if sqlstate::code(&error) != Some(sqlstate::INSUFFICIENT_PRIVILEGE) {
        return Err(error);
    }
    let (database, role) = (quoted(&settings.database), quoted(&settings.user));
    Err(error.hint(format!("GRANT CREATE ON DATABASE {database} TO {role}")))
}

/// Writes something of no meaning: whoever waits for it to be durable has waited for all before it.
const TOUCH: &str = "
    UPDATE syncline.progress SET updated_at = pg_catalog.clock_timestamp() WHERE reader = $1";

/// Commits a transaction that says nothing new of a reader.
pub(super) async fn touch(
    session: &mut Session,
    reader: &ReaderName,
) -> std::result::Result<(), CommitError> {
    session.execute_and_commit(TOUCH, &[&reader.as_str()]).await
}

/// Which sessions give way to us.
#[derive(Debug, Clone, Copy)]
pub(super) struct Former {
    /// The server process that an earlier session of this same sink had.
    pub(super) process: Option<i32>,
    /// Whether all that call themselves as we do give way: they are of a process that has not the work any
    /// more.
    pub(super) any: bool,
}

/// Takes the place of a reader for as long as the session lives. `former` sessions that live on are ended.
///
/// # Errors
/// `Fenced` when another holds it and goes on holding it for `patience`.
pub(super) async fn take_place(
    session: &mut Session,
    reader: &ReaderName,
    former: Former,
    patience: Duration,
) -> Result<()> {
    let failed = format!("can't take the place of reader {reader}");
    let unanswered = |error| sqlstate::error(failed.clone(), error);
    let holders = session.query(HOLDER, &[&reader.as_str()]).await.map_err(unanswered)?;
    for holder in &holders {
        let (process, application): (i32, String) = (field(holder, 0)?, field(holder, 1)?);
        let is_of_ours = application == APPLICATION_NAME;
        if former.process == Some(process) || former.any && is_of_ours {
            let end = "SELECT pg_catalog.pg_terminate_backend($1, 5000)";
            session.query(end, &[&process]).await.map_err(unanswered)?;
        }
    }
    // A process that was killed lets go as soon as its server notices, so wait a little.
    let patience = patience.as_millis().max(1);
    session.ahead(&format!("SET lock_timeout = {patience}; SET statement_timeout = 0"));
    let Err(error) = session.query(LOCK, &[&reader.as_str()]).await else {
        session.ahead("RESET lock_timeout; RESET statement_timeout");
        return Ok(());
    };
    let error = sqlstate::error(failed.clone(), error);
    if sqlstate::code(&error) != Some(sqlstate::LOCK_NOT_AVAILABLE) {
        return Err(error);
    }
    let holders = session.query(HOLDER, &[&reader.as_str()]).await.map_err(unanswered)?;
    let who = holders.first().map_or(Ok(String::from("it has just gone")), |row| {
        let (process, application, role): (i32, String, String) =
            (field(row, 0)?, field(row, 1)?, field(row, 2)?);
        let (client, since): (String, String) = (field(row, 3)?, field(row, 4)?);
        Ok::<_, Error>(format!(
            "server process {process}, application {application:?}, role {role:?}, \
             from {client}, since {since}"
        ))
    })?;
    Err(Error::new(Kind::Fenced, format!("another process writes for reader {reader}"))
        .detail(who)
        .hint("stop it, or give this project other system names if it is another project"))
}

/// Marks what the session writes as ours, so that a source that reads this database can tell.
/// Each origin can be used by one session at a time.
///
/// # Errors
/// When the role may not, among others: writing works without.
pub(super) async fn set_origin(
    session: &mut Session,
    reader: &ReaderName,
    settings: &Settings,
) -> Result<()> {
    let name = mark::name(reader, &settings.database);
    let failed = "can't set a replication origin";
    let create = "SELECT pg_catalog.pg_replication_origin_create($1) WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_replication_origin WHERE roname = $1)";
    let setup = "SELECT pg_catalog.pg_replication_origin_session_setup($1)";
    let refused = |error| {
        let error = sqlstate::error(failed, error);
        match sqlstate::code(&error) {
            Some(sqlstate::INSUFFICIENT_PRIVILEGE) => error.hint(format!(
                "GRANT EXECUTE ON FUNCTION pg_replication_origin_create(text), \
                 pg_replication_origin_session_setup(text) TO {}",
                quoted(&settings.user)
            )),
            Some(sqlstate::CONFIGURATION_LIMIT) => {
                error.hint("raise max_replication_slots: each origin takes one")
            }
            _ => error,
        }
    };
    session.flush().await.map_err(refused)?;
    for query in [create, setup] {
        let asked = session.client().query_typed(query, &[(&name, Type::TEXT)]).await;
        asked.map_err(refused)?;
    }
    Ok(())
}

/// How far a reader is.
pub(super) async fn read(session: &mut Session, reader: &ReaderName) -> Result<Option<Progress>> {
    let answer = session.query(READ, &[&reader.as_str()]).await;
    let answer = answer.map_err(|error| sqlstate::error("can't read the progress", error))?;
    let Some(row) = answer.first() else { return Ok(None) };
    let topic: String = field(row, 0)?;
    let (next, log): (i64, i64) = (field(row, 1)?, field(row, 3)?);
    let topic = topic_named(&topic).ok_or_else(|| {
        Error::new(Kind::Corrupt, format!("the progress of {reader} names no topic"))
            .detail(format!("syncline.progress has topic {topic:?}"))
    })?;
    let (log, next) = (LogId(log.cast_unsigned()), Offset(next.cast_unsigned()));
    Ok(Some(Progress { log, topic, next, committed_at: field(row, 2)? }))
}

fn topic_named(name: &str) -> Option<Topic> {
    match name.split_once('.')? {
        ("changes", system) => Some(Topic::changes(&SystemName::new(system))),
        ("entity", entity) => Some(Topic::entity(entity)),
        _ => None,
    }
}

/// The statement that moves a reader on, and its parameters.
pub(super) struct Move<'a> {
    reader: &'a str,
    topic: &'a str,
    next: i64,
    committed_at: Encoded,
    known: i64,
    log: i64,
}

impl<'a> Move<'a> {
    /// From where this sink left it.
    pub(super) fn new(reader: &'a ReaderName, to: &'a Progress, known: Option<Offset>) -> Self {
        Self {
            reader: reader.as_str(),
            topic: to.topic.as_str(),
            next: to.next.0.cast_signed(),
            committed_at: Encoded(timestamptz(to.committed_at).to_vec()),
            known: known.map_or(-1, |offset| offset.0.cast_signed()),
            log: to.log.0.cast_signed(),
        }
    }

    /// Moves, and commits all that the transaction wrote.
    pub(super) async fn commit(
        &self,
        session: &mut Session,
    ) -> std::result::Result<(), CommitError> {
        let Self { reader, topic, next, committed_at, known, log } = self;
        session.execute_and_commit(MOVE, &[reader, topic, next, committed_at, known, log]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_found_by_their_names() {
        for topic in [Topic::changes(&SystemName::new("a.b")), Topic::entity("person")] {
            assert_eq!(topic_named(topic.as_str()), Some(topic));
        }
        assert_eq!(topic_named("elsewhere"), None);
    }
}
