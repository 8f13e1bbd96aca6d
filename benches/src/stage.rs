//! Two servers, the contenders, and the clock.

use crate::contender::{self, Contender};
use anyhow::{Context, Result, bail, ensure};
use nix::unistd::Pid;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use syncline_benches::project::{self, database, pause, processor_time, resume, tuned};
use syncline_benches::workload::{TABLES, Workload};
use syncline_demo::{Broker, Cluster, Running};
use tempfile::TempDir;
use tokio_postgres::Client;

/// Longest time one workload may take a contender.
const DEADLINE: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(2);

/// What one contender took for one workload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) contender: Contender,
    pub(crate) elapsed: Duration,
    /// Processor time of its own process; the source's walsender not counted.
    pub(crate) processor: Duration,
}

/// Everything that is measured on.
pub(crate) struct Stage {
    // Order: Syncline ends before its servers, and these before their directories go.
    running: HashMap<Contender, Running>,
    pub(crate) contenders: Vec<Contender>,
    writer: Client,
    targets: HashMap<Contender, Client>,
    marks: i64,
    _broker: Option<Broker>,
    _source: Cluster,
    _target: Cluster,
    _directory: TempDir,
}

impl Stage {
    /// Starts both servers and all contenders.
    pub(crate) async fn build(with_kafka: bool) -> Result<Self> {
        let contenders = Contender::all(with_kafka);
        let broker = with_kafka.then(Broker::start).transpose()?;
        let (source, target) = (Cluster::start(tuned())?, Cluster::start(tuned())?);
        let directory = tempfile::tempdir()?;
        let writer = database(&source, "source", &[TABLES]).await?;
        // The writer is not what is measured.
        writer
            .batch_execute("SET synchronous_commit = off; CREATE PUBLICATION native FOR ALL TABLES")
            .await?;
        let (mut targets, mut running) = (HashMap::new(), HashMap::new());
        for &contender in &contenders {
            let client = database(&target, contender.database(), &[TABLES]).await?;
            if contender == Contender::Native {
                contender::subscribe(&source, &client).await?;
            } else {
                let at = broker.as_ref().filter(|_| contender == Contender::Kafka);
                let log = at.map(Broker::log_section).unwrap_or_default();
                let project = directory.path().join(contender.database());
                let servers = (&source, &target);
                let started = contender::start_syncline(contender, servers, &project, &log)?;
                running.insert(contender, started);
            }
            targets.insert(contender, client);
        }
        let mut stage = Self {
            running,
            contenders,
            writer,
            targets,
            marks: 0,
            _broker: broker,
            _source: source,
            _target: target,
            _directory: directory,
        };
        let mark = stage.mark().await?;
        stage.wait_for_all(mark).await?;
        Ok(stage)
    }

    /// Makes the changes, lets each contender take them to its target, and compares the targets
    /// with the source. Who goes first alternates from run to run.
    pub(crate) async fn measure(
        &mut self,
        workload: &Workload,
        run: usize,
    ) -> Result<Vec<Measured>> {
        let mut processes = Vec::new();
        for contender in self.contenders.clone() {
            processes.push(self.process(contender).await?);
        }
        for &process in &processes {
            pause(process)?;
        }
        let written = self.write(workload).await;
        // Nobody stays stopped whatever happened.
        let mark = match written {
            Ok(mark) => mark,
            Err(error) => {
                processes.iter().try_for_each(|&process| resume(process))?;
                return Err(error);
            }
        };
        let mut order: Vec<usize> = (0..processes.len()).collect();
        if run % 2 == 1 {
            order.reverse();
        }
        let mut measured = Vec::new();
        for place in order {
            measured.push(self.time(self.contenders[place], processes[place], mark).await?);
        }
        self.compare(&workload.name()).await?;
        self.tidy().await?;
        Ok(measured)
    }

    /// The most memory that each of ours ever had, in bytes.
    pub(crate) fn peak_memory(&self) -> Result<Vec<(Contender, u64)>> {
        let ours = self.contenders.iter().filter_map(|it| Some((*it, self.running.get(it)?)));
        ours.map(|(contender, running)| Ok((contender, running.peak_memory()?))).collect()
    }

    /// The writer's connection, to write with by other means.
    pub(crate) fn writer(&self) -> &Client {
        &self.writer
    }

    /// A contender's target.
    pub(crate) fn target(&self, contender: Contender) -> &Client {
        &self.targets[&contender]
    }

    /// A contender's process.
    pub(crate) async fn process(&mut self, contender: Contender) -> Result<Pid> {
        match self.running.get_mut(&contender) {
            None => contender::apply_worker(self.target(contender))
                .await?
                .context("the subscription's worker is not running"),
            Some(running) => {
                running.check()?;
                project::process(running)
            }
        }
    }

    /// Commits a mark, after everything before it.
    pub(crate) async fn mark(&mut self) -> Result<i64> {
        self.marks += 1;
        self.writer.execute("INSERT INTO marks VALUES ($1)", &[&self.marks]).await?;
        Ok(self.marks)
    }

    /// Waits until a mark is visible at all targets.
    pub(crate) async fn wait_for_all(&mut self, mark: i64) -> Result<()> {
        for contender in self.contenders.clone() {
            self.wait_for(contender, mark).await?;
        }
        Ok(())
    }

    /// Waits until a mark is visible at a target.
    pub(crate) async fn wait_for(&mut self, contender: Contender, mark: i64) -> Result<()> {
        let started = Instant::now();
        let target = self.target(contender);
        let visible = target.prepare("SELECT FROM marks WHERE id = $1").await?;
        loop {
            if self.target(contender).query_opt(&visible, &[&mark]).await?.is_some() {
                return Ok(());
            }
            self.running.values_mut().try_for_each(Running::check)?;
            if started.elapsed() > DEADLINE {
                bail!("{contender} did not bring mark {mark} in {} s", DEADLINE.as_secs());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Every target holds what the source holds.
    pub(crate) async fn compare(&self, what: &str) -> Result<()> {
        let content = "SELECT count(*)::text || ' rows, ' ||
            coalesce(md5(string_agg(md5(people::text), '' ORDER BY id)), '-') FROM people";
        let expected: String = self.writer.query_one(content, &[]).await?.get(0);
        for &contender in &self.contenders {
            let found: String = self.target(contender).query_one(content, &[]).await?.get(0);
            ensure!(found == expected, "{what}: {contender} has {found}, not {expected}");
        }
        Ok(())
    }

    async fn write(&mut self, workload: &Workload) -> Result<i64> {
        if let Some(prepare) = workload.prepare() {
            self.writer.batch_execute(prepare).await?;
        }
        self.writer.batch_execute(&workload.sql()).await?;
        self.mark().await
    }

    async fn time(&mut self, contender: Contender, process: Pid, mark: i64) -> Result<Measured> {
        let before = processor_time(process)?;
        let started = Instant::now();
        resume(process)?;
        self.wait_for(contender, mark).await?;
        let elapsed = started.elapsed();
        let processor = processor_time(process)?.saturating_sub(before);
        Ok(Measured { contender, elapsed, processor })
    }

    /// The same ground for the next workload, and for all.
    async fn tidy(&self) -> Result<()> {
        for client in self.targets.values().chain([&self.writer]) {
            client.batch_execute("VACUUM ANALYZE people").await?;
        }
        for client in [&self.writer, self.target(Contender::Native)] {
            client.batch_execute("CHECKPOINT").await?;
        }
        Ok(())
    }
}
