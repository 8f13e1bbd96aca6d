//! Rows set aside, kept in the target so that they come and go with the rows that are written.

use super::session::{Session, field};
use super::sqlstate;
use crate::connect::connect;
use crate::settings::Settings;
use std::collections::BTreeMap;
use syncline_core::codec::{decode_standalone, encode_standalone};
use syncline_core::{Error, Kind, Offset, ParkKey, ParkMark, Parked, ReaderName, Result, Stage};
use tokio_postgres::Row;

/// A row that is replaced stays as old as it was first set aside.
const PARK: &str = "
    INSERT INTO syncline.parked AS p (reader, mapping, key, stage, table_name, reason, culprit,
        hint, image, source_offset, attempts)
    SELECT $1, u.* FROM unnest($2::text[], $3::text[], $4::text[], $5::text[],
        $6::text[], $7::text[], $8::text[], $9::bytea[], $10::bigint[], $11::integer[]) AS u
    ON CONFLICT (reader, mapping, stage, key) DO UPDATE SET table_name = excluded.table_name,
        reason = excluded.reason, culprit = excluded.culprit, hint = excluded.hint,
        image = excluded.image, source_offset = excluded.source_offset,
        attempts = excluded.attempts, replay = false, tried_at = pg_catalog.clock_timestamp()";

const SETTLE: &str = "
    DELETE FROM syncline.parked AS p
    USING unnest($2::text[], $3::text[], $4::text[]) AS u(mapping, stage, key)
    WHERE (p.reader, p.mapping, p.stage, p.key) >= ($1, u.mapping, u.stage, u.key)
        AND (p.reader, p.mapping, p.stage, p.key) <= ($1, u.mapping, u.stage, u.key)";

const OF_READER: &str = "
    SELECT mapping, key, stage, table_name, reason, culprit, hint, source_offset, attempts, image
    FROM syncline.parked WHERE reader = $1
    ORDER BY parked_at, source_offset, mapping, key, stage";

/// The same without what is large.
const MARKS: &str = "
    SELECT mapping, key, stage, attempts FROM syncline.parked WHERE reader = $1";

const LIST: &str = "
    SELECT mapping, key, stage, table_name, reason, culprit, hint, source_offset, attempts, reader,
        replay, (extract(epoch FROM parked_at) * 1000000)::bigint,
        (extract(epoch FROM tried_at) * 1000000)::bigint
    FROM syncline.parked ORDER BY parked_at, reader, source_offset, mapping, key, stage";

const REPLAY: &str = "
    UPDATE syncline.parked SET attempts = 0, replay = true
    WHERE reader = coalesce($1, reader) AND mapping = coalesce($2, mapping)
        AND key = coalesce($3, key)";

const DROP: &str = "
    DELETE FROM syncline.parked
    WHERE reader = $1 AND mapping = $2 AND stage = $3 AND key = $4";

/// A row set aside, as the command line shows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ParkedRow {
    /// Who set it aside: [`syncline_core::ReaderName`].
    pub reader: String,
    /// The mapping's file.
    pub mapping: String,
    /// The row's key as a JSON array of texts.
    pub key: String,
    /// Where it was refused: `map` or `write`.
    pub stage: String,
    /// The table whose row it is.
    pub table: String,
    /// Why, in a sentence.
    pub reason: String,
    /// The expression or constraint that refused it, where known.
    pub culprit: Option<String>,
    /// What mends it.
    pub hint: Option<String>,
    /// The entry of the log it came with.
    pub offset: u64,
    /// How often it was tried again.
    pub attempts: u32,
    /// Whether somebody asked to have it tried again, and it was not yet.
    pub replay: bool,
    /// When it was set aside first, in µs since 1970 UTC.
    pub parked_at: i64,
    /// When it was last tried again, in µs since 1970 UTC.
    pub tried_at: Option<i64>,
}

/// The rows that all readers have set aside in one target, oldest first.
///
/// # Errors
/// `Unavailable` or `Config` when the target can't be asked.
pub async fn list_parked(settings: &Settings) -> Result<Vec<ParkedRow>> {
    let Some(mut session) = visit(settings).await? else { return Ok(Vec::new()) };
    session.query(LIST, &[]).await.map_err(unlisted)?.iter().map(parked_row).collect()
}

/// Forgets a row that was set aside, for good; `false` when there is none such.
///
/// # Errors
/// `Unavailable` or `Config` when the target can't be asked.
pub async fn drop_parked(settings: &Settings, reader: &str, key: &ParkKey) -> Result<bool> {
    let Some(mut session) = visit(settings).await? else { return Ok(false) };
    let ParkKey { mapping, stage, key } = key;
    let dropped =
        session.execute(DROP, &[&reader, &mapping.as_str(), &stage.as_str(), &key.as_str()]).await;
    Ok(dropped.map_err(|error| sqlstate::error("can't drop the parked row", error))? > 0)
}

/// Asks whoever writes for the reader to try rows again: their attempts count from 0 again. `None`
/// stands for all. Returns how many rows that concerns.
///
/// # Errors
/// `Unavailable` or `Config` when the target can't be asked.
pub async fn replay_parked(
    settings: &Settings,
    reader: Option<&str>,
    mapping: Option<&str>,
    key: Option<&str>,
) -> Result<u64> {
    let Some(mut session) = visit(settings).await? else { return Ok(0) };
    let marked = session.execute(REPLAY, &[&reader, &mapping, &key]).await;
    marked.map_err(|error| sqlstate::error("can't mark parked rows for replay", error))
}

/// A session, unless nothing was ever set aside there.
async fn visit(settings: &Settings) -> Result<Option<Session>> {
    let mut session = Session::new(connect(settings, "").await?);
    let exists = "SELECT pg_catalog.to_regclass('syncline.parked') IS NOT NULL";
    let answer = session.query(exists, &[]).await.map_err(unlisted)?;
    let exists = answer.first().map_or(Ok(false), |row| field(row, 0))?;
    Ok(exists.then_some(session))
}

fn unlisted(error: tokio_postgres::Error) -> Error {
    sqlstate::error("can't read the parked rows", error)
}

/// Sets rows aside within the open transaction.
pub(super) async fn park(
    session: &mut Session,
    reader: &ReaderName,
    parked: &[Parked],
) -> Result<()> {
    // One statement can't touch a row twice: the last word on a key counts.
    let parked: BTreeMap<&ParkKey, &Parked> = parked.iter().map(|row| (&row.key, row)).collect();
    let rows: Vec<&Parked> = parked.into_values().collect();
    let images =
        rows.iter().map(|row| encode_standalone(&row.image)).collect::<Result<Vec<Vec<u8>>>>()?;
    let texts = |text: fn(&Parked) -> &str| rows.iter().map(|row| text(row)).collect::<Vec<_>>();
    let optional = |text: fn(&Parked) -> Option<&String>| {
        rows.iter().map(|row| text(row).map(|text| storable(text))).collect::<Vec<_>>()
    };
    let reasons: Vec<String> = rows.iter().map(|row| storable(&row.reason)).collect();
    let offsets: Vec<i64> = rows.iter().map(|row| row.offset.0.cast_signed()).collect();
    let attempts: Vec<i32> =
        rows.iter().map(|row| i32::try_from(row.attempts).unwrap_or(i32::MAX)).collect();
    let stored = session
        .execute(
            PARK,
            &[
                &reader.as_str(),
                &texts(|row| &row.key.mapping),
                &texts(|row| &row.key.key),
                &texts(|row| row.key.stage.as_str()),
                &texts(|row| &row.table),
                &reasons,
                &optional(|row| row.culprit.as_ref()),
                &optional(|row| row.hint.as_ref()),
                &images,
                &offsets,
                &attempts,
            ],
        )
        .await;
    stored.map(|_| ()).map_err(|error| sqlstate::error("can't set rows aside", error))
}

/// `text` of PostgreSQL has no NUL.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// Takes settled rows back within the open transaction.
pub(super) async fn settle(
    session: &mut Session,
    reader: &ReaderName,
    settled: &[ParkKey],
) -> Result<()> {
    let mappings: Vec<&str> = settled.iter().map(|key| key.mapping.as_str()).collect();
    let stages: Vec<&str> = settled.iter().map(|key| key.stage.as_str()).collect();
    let keys: Vec<&str> = settled.iter().map(|key| key.key.as_str()).collect();
    let deleted = session.execute(SETTLE, &[&reader.as_str(), &mappings, &stages, &keys]).await;
    deleted.map(|_| ()).map_err(|error| sqlstate::error("can't take parked rows back", error))
}

/// The rows set aside for a reader, oldest first.
pub(super) async fn of_reader(session: &mut Session, reader: &ReaderName) -> Result<Vec<Parked>> {
    let rows = session.query(OF_READER, &[&reader.as_str()]).await.map_err(unlisted)?;
    rows.iter().map(parked).collect()
}

/// What a person may have changed of these rows.
pub(super) async fn marks(session: &mut Session, reader: &ReaderName) -> Result<Vec<ParkMark>> {
    let rows = session.query(MARKS, &[&reader.as_str()]).await.map_err(unlisted)?;
    let mark = |row: &Row| Ok(ParkMark { key: park_key(row)?, attempts: attempts(row, 3)? });
    rows.iter().map(mark).collect()
}

/// From the first three columns.
fn park_key(row: &Row) -> Result<ParkKey> {
    let word: String = field(row, 2)?;
    let stage = Stage::parse(&word).ok_or_else(|| {
        Error::new(Kind::Corrupt, format!("syncline.parked has a row of unknown stage {word:?}"))
    })?;
    Ok(ParkKey { mapping: field(row, 0)?, stage, key: field(row, 1)? })
}

fn parked(row: &Row) -> Result<Parked> {
    Ok(Parked {
        key: park_key(row)?,
        table: field(row, 3)?,
        image: decode_standalone(field::<&[u8]>(row, 9)?)?,
        reason: field(row, 4)?,
        culprit: field(row, 5)?,
        hint: field(row, 6)?,
        offset: Offset(field::<i64>(row, 7)?.cast_unsigned()),
        attempts: attempts(row, 8)?,
    })
}

fn parked_row(row: &Row) -> Result<ParkedRow> {
    Ok(ParkedRow {
        reader: field(row, 9)?,
        mapping: field(row, 0)?,
        key: field(row, 1)?,
        stage: field(row, 2)?,
        table: field(row, 3)?,
        reason: field(row, 4)?,
        culprit: field(row, 5)?,
        hint: field(row, 6)?,
        offset: field::<i64>(row, 7)?.cast_unsigned(),
        attempts: attempts(row, 8)?,
        replay: field(row, 10)?,
        parked_at: field(row, 11)?,
        tried_at: field(row, 12)?,
    })
}

fn attempts(row: &Row, column: usize) -> Result<u32> {
    Ok(u32::try_from(field::<i32>(row, column)?).unwrap_or_default())
}
