//! Two codecs and a third word: rows of any table by snapshot, by stream, and in the server's own binary form.
//!
//! Snapshot and stream read what the server sends as text. What a value *is* the server is asked by the functions that
//! write its binary form, of which nothing here knows the way back: whoever misreads a text is found out although
//! both codecs misread it alike.

use crate::cluster::{Cluster, Database, table};
use crate::random::{self, Table};
use crate::recorder::Recorder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use syncline_core::{ChangeBatch, Column};

/// How many databases are made, with so many tables each; `PROPTEST_CASES` says another number.
const CASES: u32 = 60;
const TABLES: usize = 8;

/// Days and microseconds from 1970 to 2000, from which PostgreSQL counts.
const DAYS_TO_2000: i32 = 10_957;
const MICROS_TO_2000: i64 = 946_684_800_000_000;

#[test]
fn rows_of_any_table_are_the_same_by_snapshot_and_by_stream_and_what_the_server_means() {
    let said = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = Config {
        cases: said.unwrap_or(CASES),
        // Each try makes a database.
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let tables = prop::collection::vec(random::table(), 1..=TABLES);
    TestRunner::new(config).run(&tables, |tables| agree(&tables)).unwrap();
}

/// Reads tables both ways, and compares.
fn agree(tables: &[Table]) -> Result<(), TestCaseError> {
    let database = Cluster::shared().database();
    let mut names = Vec::new();
    for (at, of) in tables.iter().enumerate() {
        let (copied, streamed) = (format!("copied{at}"), format!("streamed{at}"));
        let columns = of.columns("");
        database.run(&format!("CREATE TABLE {copied} (id int PRIMARY KEY, {columns})"));
        let now = if of.late { String::new() } else { format!(", {columns}") };
        database.run(&format!("CREATE TABLE {streamed} (id int PRIMARY KEY{now})"));
        database.run(&of.insert(&copied));
        names.extend([table(&copied), table(&streamed)]);
    }
    let recorder = Recorder::new();
    let running = recorder.start(&database.settings(), &names);
    recorder.wait("streaming", |state| state.is_streaming());
    for (at, of) in tables.iter().enumerate() {
        if of.late {
            database.run(&format!("ALTER TABLE streamed{at} {}", of.columns("ADD COLUMN")));
        }
        database.run(&of.insert(&format!("streamed{at}")));
    }
    let wal = database.wal();
    recorder.wait("the stream", |state| state.is_past(wal));
    running.stop();
    drop_slot(&database);
    for (at, pair) in names.chunks_exact(2).enumerate() {
        let read = |name| ChangeBatch::concat(&recorder.with(|state| state.batches(name))).unwrap();
        let (copied, streamed) = (read(&pair[0]), read(&pair[1]));
        same(&copied, &streamed, &tables[at])?;
        means(&database, &copied, at, &tables[at])?;
    }
    Ok(())
}

/// A server has only so many slots; one is let go of a moment after its reader went.
fn drop_slot(database: &Database<'_>) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let sql = format!(
        "SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots \
         WHERE slot_name = 's_{}' AND NOT active",
        database.name
    );
    while database.value(&sql) != "1" {
        assert!(Instant::now() < deadline, "the slot is let go of");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// Schemas, values and presence are equal.
fn same(copied: &ChangeBatch, streamed: &ChangeBatch, of: &Table) -> Result<(), TestCaseError> {
    let (a, b) = (copied.schema(), streamed.schema());
    prop_assert_eq!((a.columns(), a.key()), (b.columns(), b.key()), "{:?}", of);
    prop_assert_eq!((copied.len(), streamed.len()), (of.rows.len(), of.rows.len()));
    for (at, column) in a.columns().iter().enumerate() {
        let (one, other) = (copied.columns().column(at), streamed.columns().column(at));
        prop_assert!(
            one.to_data() == other.to_data(),
            "{} of {:?}: {:?} {:?}",
            column.name,
            of,
            one,
            other
        );
        for row in 0..copied.len() {
            let (one, other) = (copied.presence().has(row, at), streamed.presence().has(row, at));
            prop_assert_eq!(one, other, "presence of {} in row {} of {:?}", column.name, row, of);
        }
    }
    Ok(())
}

/// Each value is what the server says it is.
fn means(
    database: &Database<'_>,
    batch: &ChangeBatch,
    at: usize,
    of: &Table,
) -> Result<(), TestCaseError> {
    let asked: Vec<String> = batch.schema().columns().iter().map(asked).collect();
    let sql = format!("SELECT {} FROM copied{at} ORDER BY id", asked.join(", "));
    database.run("SET TimeZone = 'UTC'");
    let rows = database.rows(&sql);
    for (row, told) in rows.iter().enumerate() {
        for (at, column) in batch.schema().columns().iter().enumerate() {
            let (array, told) = (batch.columns().column(at), told[at].as_deref());
            if batch.presence().has(row, at) {
                let held = held(array, row);
                prop_assert_eq!(
                    held.as_deref(),
                    told,
                    "{} in row {} of {:?}",
                    column.name,
                    row,
                    of
                );
            } else {
                prop_assert!(
                    told.is_some_and(|told| is_beyond(&column.data_type, told)),
                    "{} in row {} of {:?}",
                    column.name,
                    row,
                    of
                );
            }
        }
    }
    Ok(())
}

/// What tells a column's values without our help.
fn asked(column: &Column) -> String {
    let name = &column.name;
    match &column.data_type {
        DataType::Float32 => format!("encode(float4send({name}), 'hex')"),
        DataType::Float64 => format!("encode(float8send({name}), 'hex')"),
        DataType::Date32 => format!("encode(date_send({name}), 'hex')"),
        DataType::Time64(_) => format!("encode(time_send({name}), 'hex')"),
        DataType::Timestamp(_, None) => format!("encode(timestamp_send({name}), 'hex')"),
        DataType::Timestamp(_, Some(_)) => format!("encode(timestamptz_send({name}), 'hex')"),
        DataType::FixedSizeBinary(_) => format!("encode(uuid_send({name}), 'hex')"),
        DataType::Binary => format!("encode({name}, 'hex')"),
        // As the type's own output has it: casts to text cut the blanks of char(n), and more.
        _ => format!("CASE WHEN {name} IS NOT NULL THEN format('%s', {name}) END"),
    }
}

/// The same of what was read.
fn held(array: &ArrayRef, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Boolean => if array.as_boolean().value(row) { "t" } else { "f" }.to_owned(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float32 => hex(&array.as_primitive::<Float32Type>().value(row).to_be_bytes()),
        DataType::Float64 => hex(&array.as_primitive::<Float64Type>().value(row).to_be_bytes()),
        DataType::Decimal128(..) => {
            let array = array.as_primitive::<Decimal128Type>();
            match array.value(row) {
                syncline_postgres::NUMERIC_NAN => "NaN".to_owned(),
                _ => array.value_as_string(row),
            }
        }
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().value(row);
            let is_infinite = matches!(days, i32::MIN | i32::MAX);
            hex(&if is_infinite { days } else { days - DAYS_TO_2000 }.to_be_bytes())
        }
        DataType::Time64(_) => {
            hex(&array.as_primitive::<Time64MicrosecondType>().value(row).to_be_bytes())
        }
        DataType::Timestamp(..) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            let is_infinite = matches!(micros, i64::MIN | i64::MAX);
            hex(&if is_infinite { micros } else { micros - MICROS_TO_2000 }.to_be_bytes())
        }
        DataType::FixedSizeBinary(_) => hex(array.as_fixed_size_binary().value(row)),
        DataType::Binary => hex(array.as_binary::<i32>().value(row)),
        _ => array.as_string::<i32>().value(row).to_owned(),
    })
}

/// Whether a value is none that its column can carry: a moment after 294247-01-10 04:00:54.775806.
fn is_beyond(of: &DataType, told: &str) -> bool {
    let micros = i64::from_str_radix(told, 16).ok();
    let since_1970 = micros.and_then(|micros| micros.checked_add(MICROS_TO_2000));
    matches!(of, DataType::Timestamp(..)) && since_1970.is_none_or(|micros| micros == i64::MAX)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
