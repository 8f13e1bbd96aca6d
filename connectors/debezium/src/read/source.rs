//! The block `source`: which table a change is of, and where the source has it.

use super::Snapshot;
use crate::fault::corrupt;
use crate::json::{self, Object, Shape};
use serde_json::value::RawValue;
use syncline_core::Result;

/// Where a change comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceInfo {
    /// The connector's logical name (`topic.prefix`).
    pub name: String,
    /// The database; the keyspace.
    pub database: String,
    /// The schema in it; `None` for systems that have none.
    pub schema: Option<String>,
    /// The table or collection; empty where the event is of none.
    pub table: String,
    /// Whether a snapshot read it.
    pub snapshot: Snapshot,
    /// When the source committed it, in µs since 1970 UTC: as fine as the connector says it.
    pub at_us: i64,
    /// Its place in the source.
    pub coordinates: Coordinates,
}

/// A place in a source, in its own terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coordinates {
    /// PostgreSQL.
    PostgreSql {
        /// Of the change itself.
        lsn: Option<u64>,
        /// Of the commit that came before this transaction (`sequence`).
        committed_before: Option<u64>,
        /// The transaction.
        transaction: Option<u64>,
        /// The replication origin, where the change was replicated into the source.
        origin: Option<String>,
    },
    /// MySQL and MariaDB.
    Binlog {
        /// Such as `mysql-bin.000003`.
        file: String,
        /// In the file, in bytes.
        pos: u64,
        /// Row in the event.
        row: u32,
        /// The transaction, where there are GTIDs.
        gtid: Option<String>,
    },
    /// SQL Server: `00000027:00000758:0005`.
    SqlServer {
        /// Of the transaction.
        commit_lsn: Option<String>,
        /// Of the change; `None` in a snapshot.
        change_lsn: Option<String>,
        /// Among the changes of one LSN.
        event_serial_no: Option<u64>,
    },
    /// Oracle.
    Oracle {
        /// Of the change.
        scn: Option<String>,
        /// Of the transaction.
        commit_scn: Option<String>,
        /// The transaction.
        transaction: Option<String>,
    },
    /// MongoDB.
    MongoDb {
        /// Among the changes of one second.
        ord: u32,
    },
    /// Written by Syncline: its own positions.
    Syncline {
        /// The position's epoch.
        epoch: u32,
        /// Its commit.
        commit: u64,
        /// Its ordinal; and that of the image before.
        ordinal: u32,
        /// Ordinal of the image before.
        before_ordinal: u32,
        /// Whether it was a write of ours.
        ours: bool,
        /// Columns that the image before does not speak of.
        absent: Vec<String>,
    },
}

impl SourceInfo {
    pub(super) fn parse(raw: &RawValue) -> Result<Self> {
        let Some(block) = Object::parse(raw) else {
            return Err(corrupt("the block source", "an object", Shape::of(raw)));
        };
        let Some(connector) = block.text("connector") else {
            return Err(corrupt("the block source", "the connector's kind", "none"));
        };
        let text = |name: &str| block.text(name).map(|text| text.into_owned());
        Ok(Self {
            name: text("name").unwrap_or_default(),
            database: text("db").unwrap_or_default(),
            schema: text("schema"),
            table: text("table").or_else(|| text("collection")).unwrap_or_default(),
            snapshot: snapshot(&block),
            at_us: committed_at(&block)?,
            coordinates: coordinates(&connector, &block)?,
        })
    }
}

/// A text since version 1.9, a boolean before.
fn snapshot(block: &Object<'_>) -> Snapshot {
    match block.given("snapshot").map(RawValue::get) {
        None | Some("false" | "\"false\"") => Snapshot::No,
        Some("\"last\"") => Snapshot::Last,
        Some("\"incremental\"") => Snapshot::Incremental,
        Some(_) => Snapshot::Yes,
    }
}

fn committed_at(block: &Object<'_>) -> Result<i64> {
    let from = |name, multiply: i64, divide: i64| {
        block.integer::<i64>(name).and_then(|at| Some(at.checked_mul(multiply)?.div_euclid(divide)))
    };
    from("ts_us", 1, 1)
        .or_else(|| from("ts_ns", 1, 1_000))
        .or_else(|| from("ts_ms", 1_000, 1))
        .ok_or_else(|| corrupt("the block source", "a time of commit", "none"))
}

fn coordinates(connector: &str, block: &Object<'_>) -> Result<Coordinates> {
    let text = |name: &str| block.text(name).map(|text| text.into_owned());
    let missing = |name: &str| corrupt("the block source", format!("\"{name}\""), "none");
    Ok(match connector {
        "postgresql" => Coordinates::PostgreSql {
            lsn: block.integer("lsn"),
            committed_before: sequence(block),
            transaction: block.integer("txId"),
            origin: text("origin"),
        },
        "mysql" | "mariadb" => Coordinates::Binlog {
            file: text("file").ok_or_else(|| missing("file"))?,
            pos: block.integer("pos").ok_or_else(|| missing("pos"))?,
            row: block.integer("row").unwrap_or(0),
            gtid: text("gtid"),
        },
        "sqlserver" => Coordinates::SqlServer {
            commit_lsn: text("commit_lsn"),
            change_lsn: text("change_lsn"),
            event_serial_no: block.integer("event_serial_no"),
        },
        "oracle" => Coordinates::Oracle {
            scn: text("scn"),
            commit_scn: text("commit_scn"),
            transaction: text("txId"),
        },
        "mongodb" => {
            Coordinates::MongoDb { ord: block.integer("ord").ok_or_else(|| missing("ord"))? }
        }
        "syncline" => own(block)?,
        other => {
            let known = "postgresql, mysql, mariadb, sqlserver, oracle, mongodb or syncline";
            return Err(corrupt("the connector's kind", known, format!("\"{other}\"")));
        }
    })
}

fn own(block: &Object<'_>) -> Result<Coordinates> {
    let missing = |name: &str| corrupt("the block source", format!("\"{name}\""), "none");
    let absent = block.given("absent").and_then(json::array).unwrap_or_default();
    Ok(Coordinates::Syncline {
        epoch: block.integer("epoch").ok_or_else(|| missing("epoch"))?,
        commit: block.integer("commit").ok_or_else(|| missing("commit"))?,
        ordinal: block.integer("ordinal").ok_or_else(|| missing("ordinal"))?,
        before_ordinal: block.integer("before_ordinal").unwrap_or(0),
        ours: block.given("ours").is_some_and(|it| it.get() == "true"),
        absent: absent.iter().filter_map(|it| json::text(it)).map(|it| it.into_owned()).collect(),
    })
}

/// The first of `["<last commit>","<this change>"]`, a JSON text in a text.
fn sequence(block: &Object<'_>) -> Option<u64> {
    let text = block.text("sequence")?;
    let raw = json::parse(text.as_bytes())?;
    json::array(raw)?.first().and_then(|first| json::integer(first))
}
