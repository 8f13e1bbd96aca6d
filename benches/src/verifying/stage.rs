//! A table on two servers, the run between them, and the clock.

use super::Verified;
use anyhow::{Context, Result, bail, ensure};
use futures::TryStreamExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use syncline_benches::project::{System, database, pause, process, resume, start, tuned};
use syncline_benches::workload::{COLUMNS, TABLES, Workload, insert};
use syncline_demo::{Cluster, Program, Running};
use tempfile::TempDir;
use tokio_postgres::Client;

const DEADLINE: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(2);

/// Everything that is measured on.
pub(crate) struct Stage {
    // Order: the run ends before its servers, and these before their directories go.
    running: Running,
    writer: Client,
    target: Client,
    marks: i64,
    project: PathBuf,
    _source: Cluster,
    _target: Cluster,
    _directory: TempDir,
}

impl Stage {
    /// A table of so many rows that are at the target already.
    pub(crate) async fn build(rows: u32) -> Result<Self> {
        let (source, target) = (Cluster::start(tuned())?, Cluster::start(tuned())?);
        let directory = tempfile::tempdir()?;
        let writer = database(&source, "source", &[TABLES]).await?;
        // The writer is not what is measured.
        writer.batch_execute("SET synchronous_commit = off").await?;
        writer.batch_execute(&Workload::inserts(rows).sql()).await?;
        let at_target = database(&target, "target", &[TABLES]).await?;
        let project = directory.path().join("project");
        let statement = format!(
            "INSERT INTO target.public.people ({COLUMNS})\nSELECT {COLUMNS} FROM source.public.people;\n"
        );
        let systems =
            [System::new("source", &source, "source"), System::new("target", &target, "target")];
        let running = start(&project, &systems, &[("people/people.sql", statement)], "")?;
        let mut stage = Self {
            running,
            writer,
            target: at_target,
            marks: 0,
            project,
            _source: source,
            _target: target,
            _directory: directory,
        };
        stage.arrive().await?;
        stage.tidy().await?;
        Ok(stage)
    }

    /// Counts the rows of both sides, and reads all of both, one after the other.
    pub(crate) async fn read(&self) -> Result<Duration> {
        let started = Instant::now();
        for side in [&self.writer, &self.target] {
            side.query_one("SELECT count(*) FROM people", &[]).await?;
            let copy = format!("COPY (SELECT {COLUMNS} FROM people) TO STDOUT (FORMAT binary)");
            let mut rows = pin!(side.copy_out(&copy).await?);
            while rows.try_next().await?.is_some() {}
        }
        Ok(started.elapsed())
    }

    /// Verifies the table, which has to be as it is said.
    pub(crate) async fn verify(&self) -> Result<Duration> {
        let project = self.project.clone();
        let verified = tokio::task::spawn_blocking(move || verify(&project)).await?;
        verified.map(|(took, _)| took)
    }

    /// Changes all rows, a thousand a transaction, and lets them go to the target; how long that took, and what was
    /// verified meanwhile.
    pub(crate) async fn flow(
        &mut self,
        rows: u32,
        is_beside: bool,
    ) -> Result<(Duration, Verified)> {
        let ours = process(&self.running)?;
        pause(ours)?;
        let written = self.writer.batch_execute(&Workload::updates(rows).sql()).await;
        let mark = self.mark().await;
        let started = Instant::now();
        resume(ours)?;
        written?;
        let mark = mark?;
        let is_done = Arc::new(AtomicBool::new(!is_beside));
        let beside = {
            let (project, is_done) = (self.project.clone(), is_done.clone());
            tokio::task::spawn_blocking(move || until(&project, &is_done))
        };
        self.wait_for(mark).await?;
        let took = started.elapsed();
        is_done.store(true, Ordering::Relaxed);
        let verified = beside.await??;
        self.tidy().await?;
        Ok((took, verified))
    }

    /// Both sides are the same.
    pub(crate) async fn compare(&self) -> Result<()> {
        let content =
            "SELECT count(*)::text || ' rows, ' || md5(string_agg(md5(t::text), '' ORDER BY id))
                       FROM people AS t";
        let expected: String = self.writer.query_one(content, &[]).await?.get(0);
        let found: String = self.target.query_one(content, &[]).await?.get(0);
        ensure!(found == expected, "{found}, not {expected}");
        Ok(())
    }

    async fn arrive(&mut self) -> Result<()> {
        let mark = self.mark().await?;
        self.wait_for(mark).await
    }

    /// Writes a mark behind everything.
    async fn mark(&mut self) -> Result<i64> {
        self.marks -= 1;
        self.writer.batch_execute(&insert(&format!("SELECT {}::bigint", self.marks))).await?;
        Ok(self.marks)
    }

    async fn wait_for(&mut self, mark: i64) -> Result<()> {
        let started = Instant::now();
        let visible = self.target.prepare("SELECT FROM people WHERE id = $1").await?;
        while self.target.query_opt(&visible, &[&mark]).await?.is_none() {
            self.running.check()?;
            if started.elapsed() > DEADLINE {
                bail!("mark {mark} did not come in {} s", DEADLINE.as_secs());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// The same ground for what is measured next.
    async fn tidy(&self) -> Result<()> {
        for side in [&self.writer, &self.target] {
            side.batch_execute("VACUUM ANALYZE people").await?;
            side.batch_execute("CHECKPOINT").await?;
        }
        Ok(())
    }
}

/// One verification: how long it took, and whether all could be told. Damage is an error.
fn verify(project: &Path) -> Result<(Duration, bool)> {
    let started = Instant::now();
    let output = Program::beside_us()?.command(project).arg("verify").output()?;
    let took = started.elapsed();
    let said = || {
        let (out, err) = (&output.stdout, &output.stderr);
        format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
    };
    match output.status.code() {
        Some(0) => Ok((took, true)),
        // Something was on its way for too long.
        Some(4) => Ok((took, false)),
        code => bail!("verify ended with {code:?}\n{}", said()),
    }
}

/// One verification after the other until all is done.
fn until(project: &Path, is_done: &AtomicBool) -> Result<Verified> {
    let mut verified = Verified::default();
    while !is_done.load(Ordering::Relaxed) {
        let (took, _) = verify(project).context("beside the flow")?;
        verified.times += 1;
        verified.took += took;
    }
    Ok(verified)
}
