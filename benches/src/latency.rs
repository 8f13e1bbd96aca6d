//! How long after its commit is a row visible at the target, at a steady rate?
//!
//! One writer commits small transactions of new rows on a schedule; one observer asks the target
//! for its highest number again and again. A transaction's delay runs from the moment that it was due to the
//! moment the observer sees its rows: the commit itself and the observer's question are counted in, and so is
//! what a writer that is held up makes all later ones wait (coordinated omission).

use crate::contender::Contender;
use crate::stage::Stage;
use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use syncline_benches::project::resume;
use syncline_benches::workload::insert;
use tokio_postgres::Client;

/// Leaves the observer's question room to be answered between two others.
const POLL: Duration = Duration::from_micros(500);
const DRAIN: Duration = Duration::from_secs(30);

/// How fast the writer writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Rows a second.
    pub(crate) rows: u32,
    /// Rows a transaction.
    transaction: u32,
}

/// Single rows where nothing else goes on, a little, and much.
pub(crate) const PACES: [Pace; 3] = [
    Pace { rows: 10, transaction: 1 },
    Pace { rows: 1000, transaction: 20 },
    Pace { rows: 10_000, transaction: 20 },
];

/// The delays of one contender, in microseconds.
#[derive(Debug)]
pub(crate) struct Delays {
    pub(crate) contender: Contender,
    pub(crate) pace: Pace,
    /// Rows a second that the writer came to.
    pub(crate) rate: f64,
    pub(crate) histogram: Histogram<u64>,
    /// The most of the source's log that its slot held, in bytes.
    pub(crate) held: u64,
}

/// Measures one contender after the other, the others stopped.
pub(crate) async fn measure(stage: &mut Stage, pace: Pace, seconds: u32) -> Result<Vec<Delays>> {
    let mut all = Vec::new();
    for contender in stage.contenders.clone() {
        let mut others = stage.contenders.clone();
        others.retain(|other| *other != contender);
        let paused = stage.pause(&others).await?;
        let delays = measure_one(stage, contender, pace, seconds).await;
        paused.iter().flatten().try_for_each(|&process| resume(process))?;
        all.push(delays?);
        let mark = stage.mark().await?;
        stage.wait_for_all(mark).await?;
        stage.compare("paced inserts").await?;
    }
    Ok(all)
}

async fn measure_one(
    stage: &Stage,
    contender: Contender,
    pace: Pace,
    seconds: u32,
) -> Result<Delays> {
    let writer = stage.writer();
    writer.batch_execute("SET synchronous_commit = on").await?;
    let first: i64 = highest(writer).await? + 1;
    let transactions = pace.rows * seconds / pace.transaction;
    let (sent, seen) = tokio::sync::mpsc::unbounded_channel();
    let started = Instant::now();
    let (written, histogram, held) = tokio::join!(
        write(writer, first, pace, transactions, sent),
        observe(stage.target(contender), seen),
        held(stage, contender, Duration::from_secs(seconds.into())),
    );
    let rate =
        f64::from(transactions * pace.transaction) / written?.duration_since(started).as_secs_f64();
    writer.batch_execute("SET synchronous_commit = off").await?;
    Ok(Delays { contender, pace, rate, histogram: histogram?, held: held? })
}

/// The most that a slot holds of the source's log, looked at once a second.
async fn held(stage: &Stage, contender: Contender, time: Duration) -> Result<u64> {
    let question = "SELECT (pg_current_wal_lsn() - confirmed_flush_lsn)::bigint
                    FROM pg_replication_slots WHERE slot_name = $1";
    let client = stage.observer().await?;
    let (began, mut most) = (Instant::now(), 0);
    while began.elapsed() < time {
        let held: i64 = client.query_one(question, &[&contender.database()]).await?.get(0);
        most = most.max(u64::try_from(held).unwrap_or(0));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(most)
}

/// A transaction's highest row, and when it was due.
type Sent = (i64, Instant);

async fn write(
    writer: &Client,
    first: i64,
    pace: Pace,
    transactions: u32,
    sent: tokio::sync::mpsc::UnboundedSender<Sent>,
) -> Result<Instant> {
    let statement = insert("SELECT generate_series($1::bigint, $2::bigint)");
    let statement = writer.prepare(&statement).await?;
    let between = Duration::from_secs_f64(f64::from(pace.transaction) / f64::from(pace.rows));
    let mut due = tokio::time::interval(between);
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    for number in 0..i64::from(transactions) {
        let at = due.tick().await;
        let from = first + number * i64::from(pace.transaction);
        let to = from + i64::from(pace.transaction) - 1;
        writer.execute(&statement, &[&from, &to]).await?;
        sent.send((to, at.into_std()))?;
    }
    Ok(Instant::now())
}

async fn observe(
    target: &Client,
    mut sent: tokio::sync::mpsc::UnboundedReceiver<Sent>,
) -> Result<Histogram<u64>> {
    let mut histogram = Histogram::new_with_bounds(1, 60_000_000, 3)?;
    let mut waiting: VecDeque<Sent> = VecDeque::new();
    let question = target.prepare("SELECT coalesce(max(id), -1) FROM people").await?;
    let mut ended = None;
    loop {
        while let Ok(transaction) = sent.try_recv() {
            waiting.push_back(transaction);
        }
        let visible: i64 = target.query_one(&question, &[]).await?.get(0);
        let now = Instant::now();
        while let Some(&(_, at)) = waiting.front().filter(|(highest, _)| *highest <= visible) {
            waiting.pop_front();
            histogram.record(u64::try_from((now - at).as_micros())?.max(1))?;
        }
        if sent.is_closed() && sent.is_empty() && waiting.is_empty() {
            return Ok(histogram);
        }
        if sent.is_closed() {
            let since = *ended.get_or_insert(now);
            ensure!(now - since < DRAIN, "{} transactions never came", waiting.len());
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn highest(client: &Client) -> Result<i64> {
    Ok(client.query_one("SELECT coalesce(max(id), -1) FROM people", &[]).await?.get(0))
}
