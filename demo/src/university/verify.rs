//! Does every target hold exactly what its mapping says, row by row?
//!
//! Both sides are asked for the same two columns, the key and the whole row as PostgreSQL prints
//! them, ordered by the key's bytes; the two streams are merged. Memory stays small whatever the
//! size. A key that is parked at the target may differ, and is counted.

use super::build::TIME_ZONE;
use super::{Expectation, System, University, expectations};
use anyhow::{Context, Result};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use tokio_postgres::Client;

/// Differences that are kept as samples.
const SAMPLES: usize = 5;

/// How one key differs. Rows are as PostgreSQL prints them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The target lacks the row.
    Missing {
        /// The key, a JSON array of texts.
        key: String,
        /// The row that should be there.
        expected: String,
    },
    /// The target has a row too many.
    Extra {
        /// The key.
        key: String,
        /// The row that should not be there.
        found: String,
    },
    /// The target has other values.
    Different {
        /// The key.
        key: String,
        /// The row that should be there.
        expected: String,
        /// The row that is there.
        found: String,
    },
}

/// What was found of one table.
#[derive(Debug, Clone, Default)]
pub struct TableReport {
    /// The mapping.
    pub mapping: &'static str,
    /// The table, with its system.
    pub table: String,
    /// Rows that should be there.
    pub rows: u64,
    /// Keys the target lacks.
    pub missing: u64,
    /// Keys the target has too many.
    pub extra: u64,
    /// Keys with other values.
    pub different: u64,
    /// Keys that differ and are parked: none of these is in the counts before.
    pub parked: u64,
    /// The first differences.
    pub samples: Vec<Difference>,
}

impl TableReport {
    /// Whether the target holds what the mapping says, but for parked rows.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.missing + self.extra + self.different == 0
    }
}

impl fmt::Display for TableReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, rows, missing, extra, different, parked, .. } = self;
        write!(f, "{table}: {rows} rows")?;
        if !self.is_equal() {
            write!(f, ", {missing} missing, {extra} extra, {different} different")?;
        }
        if *parked > 0 {
            write!(f, ", {parked} parked")?;
        }
        Ok(())
    }
}

/// What was found of all tables.
#[derive(Debug, Clone)]
pub struct VerifyReport {
    /// One report a table.
    pub tables: Vec<TableReport>,
}

impl VerifyReport {
    /// Whether every target holds what the mappings say, but for parked rows.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.tables.iter().all(TableReport::is_equal)
    }

    /// Rows compared.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// Keys that differ and are parked.
    #[must_use]
    pub fn parked(&self) -> u64 {
        self.tables.iter().map(|table| table.parked).sum()
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            writeln!(f, "{table}")?;
            for sample in &table.samples {
                writeln!(f, "    {sample:?}")?;
            }
        }
        Ok(())
    }
}

/// Compares all of the university's targets with their sources.
///
/// # Errors
/// When a server refuses.
pub async fn verify(university: &University) -> Result<VerifyReport> {
    let mut tables = Vec::new();
    for expectation in expectations() {
        tables.push(verify_table(university, expectation).await?);
    }
    Ok(VerifyReport { tables })
}

/// Compares one target with its source.
///
/// # Errors
/// When a server refuses.
pub async fn verify_table(
    university: &University,
    expectation: &Expectation,
) -> Result<TableReport> {
    let source = session(university, expectation.source).await?;
    if let Some(beside) = expectation.beside {
        beside.bring(university, &source).await?;
    }
    let target = session(university, expectation.target).await?;
    let parked = parked_keys(&target, expectation.mapping).await?;
    let found = format!("SELECT {} FROM {}", expectation.columns.join(", "), expectation.table);
    let mut expected = Rows::open(&source, &ordered(expectation, expectation.sql)).await?;
    let mut found = Rows::open(&target, &ordered(expectation, &found)).await?;
    let mut tally = Tally {
        parked,
        report: TableReport {
            mapping: expectation.mapping,
            table: format!("{}.{}", expectation.target, expectation.table),
            ..TableReport::default()
        },
    };
    loop {
        let order = match (&expected.head, &found.head) {
            (None, None) => return Ok(tally.report),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(expected), Some(found)) => key_of(expected).cmp(key_of(found)),
        };
        let wanted = if order == Ordering::Greater { None } else { expected.next().await? };
        let there = if order == Ordering::Less { None } else { found.next().await? };
        tally.add(wanted.as_deref(), there.as_deref());
    }
}

struct Tally {
    /// Keys as COPY prints them, dashes left out.
    parked: BTreeSet<String>,
    report: TableReport,
}

impl Tally {
    fn add(&mut self, expected: Option<&[u8]>, found: Option<&[u8]>) {
        let report = &mut self.report;
        report.rows += u64::from(expected.is_some());
        if expected == found {
            return;
        }
        let key = text(key_of(expected.or(found).unwrap_or_default()));
        if self.parked.contains(&undashed(&key)) {
            report.parked += 1;
            return;
        }
        let difference = match (expected.map(text), found.map(text)) {
            (Some(expected), None) => {
                report.missing += 1;
                Difference::Missing { key, expected }
            }
            (None, Some(found)) => {
                report.extra += 1;
                Difference::Extra { key, found }
            }
            (expected, found) => {
                report.different += 1;
                Difference::Different {
                    key,
                    expected: expected.unwrap_or_default(),
                    found: found.unwrap_or_default(),
                }
            }
        };
        if report.samples.len() < SAMPLES {
            report.samples.push(difference);
        }
    }
}

/// Rows of a COPY, one ahead.
struct Rows {
    stream: Pin<Box<dyn Stream<Item = Result<Bytes, tokio_postgres::Error>> + Send>>,
    head: Option<Bytes>,
}

impl Rows {
    async fn open(client: &Client, query: &str) -> Result<Self> {
        let copy = format!("COPY ({query}) TO STDOUT");
        let stream = client.copy_out(&copy).await.with_context(|| format!("can't run {copy}"))?;
        let mut rows = Self { stream: stream.fuse().boxed(), head: None };
        rows.next().await?;
        Ok(rows)
    }

    /// The row at the head, which then moves on. PostgreSQL sends one row a message.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let following = self.stream.try_next().await?;
        Ok(std::mem::replace(&mut self.head, following))
    }
}

async fn session(university: &University, system: System) -> Result<Client> {
    let client = university.connect(system).await?;
    client
        .batch_execute(&format!(
            "SET TimeZone = '{TIME_ZONE}'; SET DateStyle = 'ISO, YMD'; \
             SET IntervalStyle = 'postgres'; SET bytea_output = 'hex'; SET extra_float_digits = 1"
        ))
        .await?;
    Ok(client)
}

/// The key as a JSON array of texts, and the row; by the key's bytes.
fn ordered(expectation: &Expectation, rows: &str) -> String {
    let parts: Vec<String> = expectation
        .key
        .iter()
        .map(|column| format!("coalesce(to_json({column}::text)::text, 'null')"))
        .collect();
    let key = parts.join(" || ',' || ");
    format!(
        "SELECT '[' || {key} || ']' AS key, expected::text FROM ({rows}) AS expected \
         ORDER BY ('[' || {key} || ']') COLLATE \"C\""
    )
}

async fn parked_keys(target: &Client, mapping: &str) -> Result<BTreeSet<String>> {
    let there = target.query_one("SELECT to_regclass('syncline.parked') IS NOT NULL", &[]).await?;
    if !there.get::<_, bool>(0) {
        return Ok(BTreeSet::new());
    }
    let mapping = mapping.replace('\'', "''");
    let query = format!("SELECT key FROM syncline.parked WHERE mapping = '{mapping}'");
    let mut rows = Rows::open(target, &query).await?;
    let mut keys = BTreeSet::new();
    while let Some(row) = rows.next().await? {
        keys.insert(undashed(text(&row).trim_end()));
    }
    Ok(keys)
}

/// Without dashes: parked keys spell a uuid without.
fn undashed(key: &str) -> String {
    key.replace('-', "")
}

/// What is before the first tab: COPY escapes those within values.
fn key_of(row: &[u8]) -> &[u8] {
    row.split(|&byte| byte == b'\t').next().unwrap_or(row)
}

fn text(row: &[u8]) -> String {
    String::from_utf8_lossy(row).trim_end_matches('\n').to_owned()
}
