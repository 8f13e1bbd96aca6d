//! What goes on, waits and says why, or stops with the command that mends it: in bad company. Servers that are
//! slow, frozen, full or read-only, lines that are cut in the middle of a message, sessions that are in each
//! other's way. Each time somebody goes on working at the source, and at last both sides are the same.
//!
//! Slots that were dropped or given up, publications that were altered, servers that were promoted or put back
//! are stories of the source's own tests (`connectors/postgres/tests/source/recovery.rs`).

use crate::school::{DEADLINE, School};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use syncline_demo::Program;
use syncline_tests::{Trouble, ask, until};
use tempfile::TempDir;
use tokio::time::sleep;

const SOME_TIME: Duration = Duration::from_secs(6);

#[tokio::test]
async fn lines_that_are_cut_in_the_middle_of_messages_lose_and_double_nothing() -> Result<()> {
    let mut company = School::new().await?;
    let mut running = company.begin().await?;
    // Among changes, and on the way to them.
    for within in [60_000, 3_000] {
        let before = (company.to_source.cuts(), company.to_target.cuts());
        let trouble = Trouble { cut_within: Some(within), ..Trouble::default() };
        company.to_source.set(trouble);
        company.to_target.set(trouble);
        until("both lines were cut often", DEADLINE, async || {
            running.check()?;
            let (source, target) = (company.to_source.cuts(), company.to_target.cuts());
            Ok(source > before.0 + 5 && target > before.1 + 5)
        })
        .await?;
    }
    company.to_source.set(Trouble::default());
    company.to_target.set(Trouble::default());
    company.end(running).await
}

#[tokio::test]
async fn a_slow_line_only_slows() -> Result<()> {
    let mut company = School::new().await?;
    let mut running = company.begin().await?;
    let slow = Trouble { delay: Duration::from_millis(40), ..Trouble::default() };
    company.to_source.set(slow);
    company.to_target.set(slow);
    sleep(SOME_TIME).await;
    running.check()?;
    let status = company.status()?.to_string();
    ensure!(!status.contains("retrying") && !status.contains("\"stopped\""), "{status}");
    // As slow as it is, it keeps up with somebody who does not work fast.
    company.rest().await?;
    company.until_same(&mut running).await?;
    ensure!(running.terminate()?.success(), "it ends in order");
    Ok(())
}

#[tokio::test]
async fn a_line_that_says_nothing_for_a_while_is_waited_for() -> Result<()> {
    let mut company = School::new().await?;
    let running = company.begin().await?;
    let held = Trouble { is_held: true, ..Trouble::default() };
    company.to_target.set(held);
    sleep(SOME_TIME).await;
    // The source is read meanwhile.
    let status = company.status()?;
    let lag = status.pointer("/captures/source/state").context("a state")?;
    ensure!(lag.to_string().contains("running"), "{status}");
    company.to_source.set(held);
    sleep(SOME_TIME).await;
    company.to_target.set(Trouble::default());
    company.to_source.set(Trouble::default());
    company.end(running).await
}

#[tokio::test]
async fn servers_that_freeze_are_waited_for() -> Result<()> {
    let mut company = School::new().await?;
    let running = company.begin().await?;
    company.target.freeze()?;
    sleep(SOME_TIME).await;
    company.target.thaw()?;
    sleep(Duration::from_secs(1)).await;
    company.source.freeze()?;
    sleep(SOME_TIME).await;
    company.source.thaw()?;
    sleep(Duration::from_secs(1)).await;
    company.end(running).await
}

#[tokio::test]
async fn servers_that_crash_and_restart_in_turn_are_waited_for() -> Result<()> {
    // The target takes back the last seconds of what it committed, where nobody waited for its disk.
    let mut company = School::with(&[("wal_writer_delay", "10s")]).await?;
    let running = company.begin().await?;
    for round in 0..4 {
        match round % 2 {
            0 => company.target.kill()?,
            _ => company.target.stop()?,
        }
        sleep(Duration::from_secs(1)).await;
        company.target.resume()?;
        sleep(Duration::from_millis(500)).await;
        match round % 2 {
            0 => company.source.stop()?,
            _ => company.source.kill()?,
        }
        let worked = company.working.take().context("somebody works")?;
        worked.task.await??;
        company.source.resume()?;
        company.work().await?;
        sleep(Duration::from_secs(1)).await;
    }
    company.end(running).await
}

#[tokio::test]
async fn a_target_that_is_read_only_is_waited_for_and_said_to_be() -> Result<()> {
    let mut company = School::new().await?;
    let mut running = company.begin().await?;
    let server = company.target.connect("postgres").await?;
    let read_only = |how: &str| {
        format!(
            "ALTER DATABASE school SET default_transaction_read_only = {how};
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'school'"
        )
    };
    server.batch_execute(&read_only("on")).await?;
    company.until_said(&mut running, &["read-only"]).await?;
    sleep(Duration::from_secs(2)).await;
    server.batch_execute(&read_only("off")).await?;
    company.end(running).await
}

#[tokio::test]
async fn locks_time_outs_and_serialization_failures_at_the_target_are_tried_again() -> Result<()> {
    let mut company = School::new().await?;
    let mut running = company.begin().await?;
    let server = company.target.connect("postgres").await?;
    // Whoever connects from now on is impatient, and sees nothing of what others do meanwhile.
    server
        .batch_execute(
            "ALTER DATABASE school SET statement_timeout = '300ms';
             ALTER DATABASE school SET deadlock_timeout = '50ms';
             ALTER DATABASE school SET default_transaction_isolation = 'serializable';
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'school'",
        )
        .await?;
    let mut busy = company.target().await?;
    busy.batch_execute("SET statement_timeout = 0").await?;
    for round in 0..40 {
        // Rows that are written to are changed by another, to what they are; and in another order.
        let change = busy.transaction().await?;
        let order = if round % 2 == 0 { "ASC" } else { "DESC" };
        let rows = format!(
            "SELECT id FROM parents WHERE id <= 300 ORDER BY id {order} LIMIT 150 FOR UPDATE"
        );
        let changed = async {
            change.batch_execute(&rows).await?;
            sleep(Duration::from_millis(60)).await;
            change.batch_execute("UPDATE parents SET version = version WHERE id < 100").await?;
            if round % 10 == 9 {
                change.batch_execute("LOCK TABLE children").await?;
                sleep(Duration::from_millis(900)).await;
            }
            Ok::<_, tokio_postgres::Error>(())
        };
        match changed.await {
            Ok(()) => drop(change.commit().await),
            Err(_) => change.rollback().await?,
        }
        running.check()?;
    }
    drop(busy);
    company.end(running).await
}

#[tokio::test]
async fn a_target_without_a_free_connection_is_waited_for_and_said_to_be() -> Result<()> {
    let settings = [
        ("max_connections", "8"),
        ("superuser_reserved_connections", "0"),
        ("max_wal_senders", "2"),
    ];
    let mut company = School::with(&settings).await?;
    let mut running = company.begin().await?;
    let server = company.target.connect("postgres").await?;
    let (project, mut others) = (company.project(), Vec::new());
    // Whoever is quicker has the connection that became free: until it is one of the others.
    until("it says that there is none", DEADLINE, async || {
        running.check()?;
        while let Ok(other) = company.target.connect("postgres").await {
            others.push(other);
        }
        let status = ask(&project, "/status").unwrap_or_default();
        if status.contains("too many clients") || status.contains("connection slots") {
            return Ok(true);
        }
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'school'";
        server.batch_execute(end).await?;
        Ok(false)
    })
    .await?;
    drop(others);
    drop(server);
    company.end(running).await
}

#[tokio::test]
async fn a_target_whose_disk_is_full_is_waited_for_and_said_to_be() -> Result<()> {
    let Some(small) = SmallDisk::mount()? else { return Ok(()) };
    let mut company = School::new().await?;
    company.target.own(small.path())?;
    let target = company.target().await?;
    target
        .batch_execute(&format!("CREATE TABLESPACE small LOCATION '{}'", small.path().display()))
        .await?;
    target.batch_execute("ALTER TABLE children SET TABLESPACE small").await?;
    let mut running = company.begin().await?;
    target
        .batch_execute(
            "CREATE TABLE filler (id bigserial, text text) TABLESPACE small;
             ALTER TABLE filler ALTER COLUMN text SET STORAGE PLAIN",
        )
        .await?;
    // As much as there is room for, in pieces that become small.
    for rows in [500, 50, 1] {
        let fill = format!(
            "INSERT INTO filler (text) SELECT repeat('x', 7000) FROM generate_series(1, {rows})"
        );
        while target.batch_execute(&fill).await.is_ok() {}
    }
    let more = "INSERT INTO children SELECT i, 1, repeat('z', 2000) FROM generate_series(200001, 200900) AS i";
    company.source.connect("school").await?.batch_execute(more).await?;
    company.until_said(&mut running, &["No space left", "could not extend"]).await?;
    target.batch_execute("DROP TABLE filler").await?;
    company.end(running).await?;
    drop(target);
    company.target.stop()?;
    Ok(())
}

#[tokio::test]
async fn clocks_that_are_set_back_and_ahead_change_no_value() -> Result<()> {
    let mut company = School::new().await?;
    for by in ["-2h", "+2h"] {
        let Some(faked) = faked(&company.program, by) else {
            ensure!(std::env::var_os("CI").is_none(), "libfaketime is missing");
            return Ok(());
        };
        let ours = std::mem::replace(&mut company.program, faked);
        let mut running = company.begin().await?;
        sleep(Duration::from_secs(2)).await;
        company.rest().await?;
        company.until_same(&mut running).await?;
        if by == "-2h" {
            // To a clock that is behind, the source's is ahead.
            company.until_said(&mut running, &["ahead"]).await?;
        }
        ensure!(running.terminate()?.success(), "it ends in order");
        company.program = ours;
    }
    Ok(())
}

/// The program with a clock that is off by so much; none where that can't be had.
fn faked(program: &Program, by: &str) -> Option<Program> {
    let libraries = std::fs::read_dir("/usr/lib").ok()?.flatten();
    let library = libraries
        .map(|folder| folder.path().join("faketime/libfaketime.so.1"))
        .find(|library| library.exists())?;
    let library = library.to_str()?;
    let variables = [("LD_PRELOAD", library), ("FAKETIME", by), ("DONT_FAKE_MONOTONIC", "1")];
    Some(program.clone().with(variables.map(|(name, value)| (name.into(), value.into()))))
}

/// A disk of a few megabytes.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// None where we may not mount one.
    fn mount() -> Result<Option<Self>> {
        let folder = tempfile::tempdir()?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(folder.path());
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        Ok(is_mounted.then_some(Self(folder)))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Of a server that may still have files there.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}
