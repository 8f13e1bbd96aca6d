//! What appending costs: `cargo run --release -p syncline-log --example append [DIRECTORY]`.
//!
//! Rows of nine columns, about 110 bytes each, every append durable, in three sizes of entry; then
//! the same entries read back from memory and from the files.
#![expect(clippy::disallowed_macros, reason = "a program for a person at a terminal")]

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int32Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use syncline_core::{
    Body, Boundary, ChangeBatch, ChangeLog, Column, Entry, Offset, Position, Presence, SystemName,
    TableName, TableSchema, Topic, Transaction, TransactionRun,
};
use syncline_log::{EmbeddedLog, Settings};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let given = std::env::args().nth(1);
    let temporary = tempfile::tempdir()?;
    let directory = given.as_deref().map_or(temporary.path(), Path::new);
    for (rows, count, in_flight) in [
        (8192, 488, 4),
        (8192, 488, 1),
        (1000, 2000, 4),
        (100, 4000, 16),
        (1, 20_000, 64),
        (1, 5000, 1),
    ] {
        measure(directory, rows, count, in_flight).await?;
    }
    Ok(())
}

async fn measure(
    directory: &Path,
    rows: u32,
    count: u64,
    in_flight: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let topic = Topic::entity(&format!("rows{rows}by{in_flight}"));
    let log = EmbeddedLog::open(directory, Settings::default())?;
    let batch = batch(rows)?;
    let bytes = batch.bytes() as f64 / f64::from(rows);
    let started = Instant::now();
    let cpu = cpu_seconds();
    let mut waiting = std::collections::VecDeque::new();
    let mut slowest = 0.0_f64;
    for commit in 0..count {
        let position = Position { epoch: 1, commit, ordinal: 0 };
        let boundary = Some(Boundary { position, committed_at: 0 });
        let entry = Entry { body: Body::Rows(batch.clone()), boundary };
        let appended = log.append(&topic, vec![entry]).await?;
        waiting.push_back((Instant::now(), appended.durable));
        if waiting.len() >= in_flight {
            let (since, durable) = waiting.pop_front().ok_or("just pushed")?;
            durable.await?;
            slowest = slowest.max(since.elapsed().as_secs_f64());
        }
    }
    for (_, durable) in waiting {
        durable.await?;
    }
    report("append", rows, count, started, cpu);
    println!(
        "       {bytes:.0} bytes a row, {in_flight} in flight, slowest {:.2} ms",
        slowest * 1e3
    );
    drop(log);
    let log = EmbeddedLog::open(directory, Settings::default())?;
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let mut next = 0;
    while next < count {
        next += log.read(&topic, Offset(next), 4 << 20).await?.len() as u64;
    }
    report("read", rows, count, started, cpu);
    Ok(())
}

fn report(what: &str, rows: u32, entries: u64, started: Instant, cpu: f64) {
    let seconds = started.elapsed().as_secs_f64();
    let all = f64::from(rows) * entries as f64;
    println!(
        "{what:6} {rows:5} rows an entry: {:9.0} entries/s {:10.0} rows/s {:8.3} us/row, CPU {:.3} us/row",
        entries as f64 / seconds,
        all / seconds,
        seconds * 1e6 / all,
        (cpu_seconds() - cpu) * 1e6 / all,
    );
}

/// User and system time of this process so far, from the kernel's clock ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn batch(rows: u32) -> Result<ChangeBatch, Box<dyn std::error::Error>> {
    let n = || 0..i64::from(rows);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(n()))),
        (
            "email",
            Arc::new(StringArray::from_iter_values(n().map(|n| format!("p{n:06}@uni.example")))),
        ),
        (
            "first_name",
            Arc::new(StringArray::from_iter_values(n().map(|n| format!("Žofie{}", n % 97)))),
        ),
        ("last_name", Arc::new(StringArray::from_iter_values(n().map(|n| format!("Nováková{n}"))))),
        ("born", Arc::new(Date32Array::from_iter_values(n().map(|n| (n % 20_000) as i32)))),
        ("credits", Arc::new(Int32Array::from_iter(n().map(|n| (n % 7 != 0).then_some(n as i32))))),
        ("fee", Arc::new(Decimal128Array::from_iter_values(n().map(i128::from)))),
        ("active", Arc::new(BooleanArray::from_iter(n().map(|n| Some(n % 3 == 0))))),
        ("updated_at", Arc::new(TimestampMicrosecondArray::from_iter_values(n()))),
    ];
    let described = columns.iter().map(|(name, column)| Column {
        name: (*name).into(),
        id: 0,
        data_type: column.data_type().clone(),
        native_type: "text".into(),
        nullable: true,
        has_default: false,
        generated: false,
    });
    let name = TableName::table(&SystemName::new("sis"), "public", "person");
    let schema = Arc::new(TableSchema::new(name, 0, described.collect(), vec![0]));
    let transaction = Transaction { epoch: 1, commit: 1, committed_at: 0, ours: false };
    Ok(ChangeBatch::try_new(
        schema,
        columns.into_iter().map(|(_, column)| column).collect(),
        vec![1; rows as usize].into(),
        (0..rows).collect::<Vec<_>>().into(),
        vec![TransactionRun { transaction, rows }],
        Presence::all(9),
    )?)
}
