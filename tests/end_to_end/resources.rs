//! G8: memory, open files and connections stay within their budget, whatever is large: a transaction, the number of
//! tables, a row, a value, what a target has missed. `./dev resources` has it all at its full size; the tests, of each
//! run, have some of it smaller.

use crate::school::School;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::time::{Duration, Instant};
use syncline_demo::Running;
use syncline_tests::{Log, Scene, ask};

/// Full size, and for how long a target is away, in seconds.
const FULL_VARIABLE: &str = "SYNCLINE_RESOURCES_FULL";
const MEBIBYTE: u64 = 1 << 20;
const DEADLINE: Duration = Duration::from_secs(300);

/// How long the target is away where everything has its full size.
fn full() -> Option<u64> {
    std::env::var(FULL_VARIABLE).ok()?.parse().ok()
}

/// What is asked of it at most.
struct Budget {
    memory: u64,
    files: usize,
    connections: i64,
}

impl Budget {
    /// Fails where the process needs more, and says what it needed.
    #[expect(clippy::disallowed_macros, reason = "figures to read")]
    async fn check(&self, what: &str, scene: &Scene, running: &Running) -> Result<()> {
        let files = std::fs::read_dir(format!("/proc/{}/fd", running.id()))?.count();
        let connections =
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'syncline%'";
        let connections: i64 = scene.source().await?.query_one(connections, &[]).await?.get(0);
        let memory = running.peak_memory()?;
        println!(
            "{what}: at most {} MiB of memory; {files} open files, {connections} connections to both systems",
            memory / MEBIBYTE
        );
        ensure!(memory < self.memory, "{} MiB at the most", memory / MEBIBYTE);
        ensure!(files < self.files, "{files} open files");
        ensure!((1..=self.connections).contains(&connections), "{connections} connections");
        Ok(())
    }
}

const ORDINARY: Budget = Budget { memory: 256 * MEBIBYTE, files: 100, connections: 12 };

#[tokio::test]
async fn millions_of_rows_in_one_transaction_need_no_more_memory_than_the_budget() -> Result<()> {
    let rows: u64 = if full().is_some() { 10_000_000 } else { 5_000_000 };
    let scene = Scene::with_settings(&[("max_wal_size", "16GB")]).await?;
    scene
        .in_both("CREATE TABLE many (id bigint PRIMARY KEY, number integer, word text NOT NULL)")
        .await?;
    scene.map("many", "id, number, word")?;
    let mut running = scene.start()?;
    scene.until_streaming(&mut running).await?;
    let insert = format!(
        "INSERT INTO many SELECT i, i % 1000, 'word ' || i FROM generate_series(1, {rows}) AS i"
    );
    scene.source().await?.batch_execute(&insert).await?;
    let sums = "SELECT count(*) || ' ' || coalesce(sum(id), 0) || ' ' || coalesce(sum(number), 0)
                || ' ' || coalesce(sum(length(word)), 0) FROM many";
    scene.until_same(&mut running, 2 * DEADLINE, sums).await?;
    ORDINARY.check(&format!("{rows} rows in a transaction"), &scene, &running).await?;
    ensure!(running.terminate()?.success(), "it ends in order");
    Ok(())
}

#[tokio::test]
async fn thousands_of_tables_need_neither_files_nor_connections_each() -> Result<()> {
    let tables = if full().is_some() { 5000 } else { 300 };
    let scene = Scene::with_settings(&[("max_locks_per_transaction", "1000")]).await?;
    let each = |statement: &str| {
        format!(
            "DO $$ BEGIN FOR n IN 1..{tables} LOOP
                 EXECUTE format($f${statement}$f$, 'table_' || n); IF n % 100 = 0 THEN COMMIT; END IF;
             END LOOP; END $$"
        )
    };
    let create =
        "CREATE TABLE %I (id integer PRIMARY KEY, word text, at timestamptz DEFAULT now())";
    scene.in_both(&each(create)).await?;
    let source = scene.source().await?;
    source
        .batch_execute(&each(
            "INSERT INTO %1$I SELECT i, '%1$s ' || i FROM generate_series(1, 20) AS i",
        ))
        .await?;
    for number in 1..=tables {
        scene.map(&format!("table_{number}"), "id, word, at")?;
    }
    let mut running = scene.start()?;
    let content = "SELECT string_agg(query_to_xml(format('SELECT * FROM %I ORDER BY id', relname), true, true, '')::text, '' ORDER BY relname)
                   FROM pg_class WHERE relname LIKE 'table\\_%' AND relkind = 'r'";
    let sums = format!("SELECT md5(({content}))");
    scene.until_same(&mut running, 2 * DEADLINE, &sums).await?;
    source.batch_execute(&each("UPDATE %I SET word = word || '.' WHERE mod(id, 2) = 0")).await?;
    source.batch_execute(&each("DELETE FROM %I WHERE mod(id, 5) = 0")).await?;
    scene.until_same(&mut running, 2 * DEADLINE, &sums).await?;
    let budget = Budget { memory: (192 + tables / 4) * MEBIBYTE, ..ORDINARY };
    budget.check(&format!("{tables} tables"), &scene, &running).await?;
    ensure!(running.terminate()?.success(), "it ends in order");
    Ok(())
}

#[tokio::test]
async fn rows_of_as_many_columns_as_there_can_be_go_over() -> Result<()> {
    const COLUMNS: u32 = 1600;
    let scene = Scene::new().await?;
    let names: Vec<String> = (1..COLUMNS).map(|n| format!("c{n}")).collect();
    let columns: Vec<String> = names.iter().map(|name| format!("{name} smallint")).collect();
    scene
        .in_both(&format!("CREATE TABLE wide (id integer PRIMARY KEY, {})", columns.join(", ")))
        .await?;
    let source = scene.source().await?;
    let values = |of: &str| {
        (1..COLUMNS).map(|n| of.replace('?', &n.to_string())).collect::<Vec<_>>().join(", ")
    };
    let insert = |from: u32, until: u32| {
        format!(
            "INSERT INTO wide SELECT i, {} FROM generate_series({from}, {until}) AS i",
            values("nullif((i * ?) % 30000, ? % 7)")
        )
    };
    source.batch_execute(&insert(1, 2000)).await?;
    scene.map("wide", &format!("id, {}", names.join(", ")))?;
    let mut running = scene.start()?;
    let sums =
        "SELECT count(*) || ' ' || coalesce(sum(hashtextextended(wide::text, 0)), 0) FROM wide";
    scene.until_same(&mut running, DEADLINE, sums).await?;
    source.batch_execute(&insert(2001, 4000)).await?;
    source.batch_execute("UPDATE wide SET c1599 = c1599 - 1, c7 = NULL WHERE id % 3 = 0").await?;
    source.batch_execute("DELETE FROM wide WHERE id % 11 = 0").await?;
    scene.until_same(&mut running, DEADLINE, sums).await?;
    Budget { memory: 512 * MEBIBYTE, ..ORDINARY }
        .check(&format!("rows of {COLUMNS} columns"), &scene, &running)
        .await?;
    ensure!(running.terminate()?.success(), "it ends in order");
    Ok(())
}

#[tokio::test]
async fn values_of_a_hundred_megabytes_go_over() -> Result<()> {
    const BYTES: u64 = 100_000_000;
    // At brokers a record is no longer than `message_bytes_max`.
    let scene = Scene::with_embedded_log().await?;
    scene
        .in_both("CREATE TABLE large (id integer PRIMARY KEY, text text, raw bytea, n integer)")
        .await?;
    let source = scene.source().await?;
    // As random as it takes to be stored as long as it is.
    let values = format!(
        "repeat(md5(i::text), {}), decode(repeat(md5(i::text), {}), 'hex')",
        BYTES / 32,
        BYTES / 16
    );
    let insert = |from: u32, until: u32| {
        format!(
            "INSERT INTO large SELECT i, {values}, 0 FROM generate_series({from}, {until}) AS i"
        )
    };
    source.batch_execute(&insert(1, 2)).await?;
    scene.map("large", "id, text, raw, n")?;
    let mut running = scene.start()?;
    let sums = "SELECT string_agg(concat_ws(' ', id, md5(text), length(text), md5(raw), length(raw), n), ', ' ORDER BY id) FROM large";
    scene.until_same(&mut running, DEADLINE, sums).await?;
    source.batch_execute(&insert(3, 4)).await?;
    // What did not change is not sent, and stays.
    source
        .batch_execute(
            "UPDATE large SET n = n + 1; UPDATE large SET text = text || '.' WHERE id = 2",
        )
        .await?;
    source.batch_execute("DELETE FROM large WHERE id = 4").await?;
    scene.until_same(&mut running, DEADLINE, sums).await?;
    // A value is in a few places at a time: as it was read, decoded, encoded for the log, and for the target.
    Budget { memory: 24 * BYTES, ..ORDINARY }.check("values of 100 MB", &scene, &running).await?;
    ensure!(running.terminate()?.success(), "it ends in order");
    Ok(())
}

const LIMIT: u64 = 24 * MEBIBYTE;
const SEGMENT: u64 = 4 * MEBIBYTE;

#[tokio::test]
#[expect(clippy::disallowed_macros, reason = "figures to read")]
async fn a_target_that_is_away_for_long_costs_no_more_disk_than_the_limit() -> Result<()> {
    let away = Duration::from_secs(full().unwrap_or(20));
    let mut school = School::with_log(&[], &Log::embedded()).await?;
    school.add_settings(&format!(
        "\n[log]\nbytes_max = \"{}MiB\"\nsegment_bytes = \"{}MiB\"\n",
        LIMIT / MEBIBYTE,
        SEGMENT / MEBIBYTE
    ))?;
    let mut running = school.begin().await?;
    school.target.stop()?;
    let (gone, mut rows) = (Instant::now(), 0);
    let source = school.source.connect("school").await?;
    let mut most = 0;
    // A transaction's rows are some two MiB of the log.
    let work = "UPDATE parents SET word = left(repeat(md5(id::text), 200), 6000), version = version + 1 WHERE id <= 300";
    while gone.elapsed() < away {
        rows += source.execute(work, &[]).await?;
        most = most.max(bytes_of(&school.project().join(".syncline/log"))?);
        running.check()?;
        tokio::time::sleep(Duration::from_millis(if rows < 20_000 { 0 } else { 1000 })).await;
    }
    school.until_said(&mut running, &["the log is at its limit"]).await?;
    let held = "SELECT pg_current_wal_lsn() - restart_lsn FROM pg_replication_slots";
    let held: i64 = source.query_one(&format!("SELECT ({held})::bigint"), &[]).await?.get(0);
    println!(
        "away for {:.0?}: {rows} rows changed, at most {} MiB in the log, {} MiB of WAL held back, {} MiB of memory",
        gone.elapsed(),
        most / MEBIBYTE,
        held / MEBIBYTE as i64,
        running.peak_memory()? / MEBIBYTE
    );
    // A segment that is written to and a transaction come on top, and what was on its way.
    ensure!(most > LIMIT && most < LIMIT + 2 * SEGMENT + 8 * MEBIBYTE, "{most} bytes in the log");
    ensure!(held as u64 > MEBIBYTE, "the source keeps the rest: {held}");
    ensure!(running.peak_memory()? < ORDINARY.memory, "{} bytes", running.peak_memory()?);
    school.target.resume()?;
    let project = school.project();
    school.end(running).await?;
    ensure!(ask(&project, "/status").is_err(), "it has ended");
    Ok(())
}

/// Bytes of all files below a folder; one that goes meanwhile has none.
fn bytes_of(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).context("there is a log")? {
        let path = entry?.path();
        bytes += match path.is_dir() {
            true => bytes_of(&path)?,
            false => path.metadata().map_or(0, |file| file.len()),
        };
    }
    Ok(bytes)
}
