//! Two servers, the contenders, and the clock.

use crate::contender::{self, Contender, Others, Runner};
use crate::scene::{Path, Scene};
use anyhow::{Context, Result, bail, ensure};
use nix::unistd::Pid;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use syncline_benches::person::{self, MARK_STAFF, STAFF, insert_staff};
use syncline_benches::project::{database, pause, prepare_to_poll, processor_time, resume, tuned};
use syncline_benches::workload::{Workload, insert};
use syncline_demo::{Broker, Cluster, forget_peak_memory, peak_memory};
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
    /// Processor time of its own process.
    pub(crate) processor: Duration,
    /// Of everything: its process, what sends to it and what writes for it.
    pub(crate) in_all: Duration,
    /// The most memory that its process had, in bytes; none of a server's.
    pub(crate) memory: Option<u64>,
}

/// Everything that is measured on.
pub(crate) struct Stage {
    // Order: Syncline ends before its servers, and these before their directories go.
    running: HashMap<Contender, Runner>,
    pub(crate) contenders: Vec<Contender>,
    scene: Scene,
    writer: Client,
    targets: HashMap<Contender, Client>,
    marks: i64,
    broker: Option<Broker>,
    source: Cluster,
    target: Cluster,
    _directory: TempDir,
}

impl Stage {
    /// Starts both servers and all contenders. Where another system speaks of the same people, it has its say of
    /// as many as will be written of.
    pub(crate) async fn build(scene: Scene, others: Others, rows: u32) -> Result<Self> {
        let contenders = Contender::all(others);
        let needs_broker = contenders.iter().any(|contender| contender.is_on_kafka());
        let broker = needs_broker.then(Broker::start).transpose()?;
        let (source, target) = (Cluster::start(tuned())?, Cluster::start(tuned())?);
        let directory = tempfile::tempdir()?;
        let tables = [scene.shape.definition(), STAFF.to_owned()];
        let tables = tables.each_ref().map(String::as_str);
        let writer = database(&source, "source", &tables).await?;
        // The writer is not what is measured.
        writer
            .batch_execute("SET synchronous_commit = off; CREATE PUBLICATION native FOR ALL TABLES")
            .await?;
        let (mut targets, mut running) = (HashMap::new(), HashMap::new());
        for &contender in &contenders {
            let client = database(&target, contender.database(), &tables).await?;
            if contender.is_native() {
                contender::subscribe(contender, &scene, &source, &client).await?;
            } else {
                let servers = (&source, &target);
                let at = broker.as_ref().filter(|_| contender.is_on_kafka());
                let runner = match at {
                    Some(broker) if contender == Contender::Debezium => {
                        contender::start_debezium(&scene, servers, broker)?
                    }
                    at => {
                        let log = at.map(Broker::log_section).unwrap_or_default();
                        let project = directory.path().join(contender.database());
                        contender::start_syncline(contender, &scene, servers, &project, &log)?
                    }
                };
                running.insert(contender, runner);
            }
            targets.insert(contender, client);
        }
        let mut stage = Self {
            running,
            contenders,
            scene,
            writer,
            targets,
            marks: 0,
            broker,
            source,
            target,
            _directory: directory,
        };
        if scene.path == Path::Entity {
            let staff = insert_staff(&format!("SELECT generate_series(0, {rows} - 1)"));
            stage.writer.batch_execute(&staff).await?;
        }
        if stage.contenders.contains(&Contender::Debezium) {
            stage.wait_for_slot(Contender::Debezium).await?;
        }
        let mark = stage.mark().await?;
        stage.wait_for_all(mark).await?;
        stage.tidy().await?;
        Ok(stage)
    }

    /// Makes the changes, lets each contender take them to its target, and compares the targets
    /// with the source. Who goes first alternates from run to run.
    pub(crate) async fn measure(
        &mut self,
        workload: &Workload,
        run: usize,
    ) -> Result<Vec<Measured>> {
        let mut order = self.contenders.clone();
        if !run.is_multiple_of(2) {
            order.reverse();
        }
        let paused = self.pause(&order).await?;
        let written = self.write(workload).await;
        // Nobody stays stopped whatever happened.
        let mark = match written {
            Ok(mark) => mark,
            Err(error) => {
                paused.iter().flatten().try_for_each(|&process| resume(process))?;
                return Err(error);
            }
        };
        let mut measured = Vec::new();
        for (contender, processes) in order.into_iter().zip(paused) {
            let began = self.begin(contender, processes)?;
            began.processes.iter().try_for_each(|&process| resume(process))?;
            self.wait_for(contender, mark).await?;
            measured.push(self.end(contender, began)?);
        }
        // Order: what compares the targets is planned by what is there.
        self.tidy().await?;
        self.compare(&workload.name()).await?;
        Ok(measured)
    }

    /// Lets one contender take changes to its target while they are made, at the pace that it leaves to the
    /// writer. The others are to take them afterwards.
    pub(crate) async fn measure_beside(
        &mut self,
        contender: Contender,
        workload: &Workload,
    ) -> Result<Measured> {
        let mut others = self.contenders.clone();
        others.retain(|other| *other != contender);
        let paused = self.pause(&others).await?;
        let measured = self.write_beside(contender, workload).await;
        paused.iter().flatten().try_for_each(|&process| resume(process))?;
        let measured = measured?;
        let mark = self.mark().await?;
        self.wait_for_all(mark).await?;
        self.tidy().await?;
        self.compare(&workload.name()).await?;
        Ok(measured)
    }

    async fn write_beside(
        &mut self,
        contender: Contender,
        workload: &Workload,
    ) -> Result<Measured> {
        let processes = self.processes(contender).await?;
        let began = self.begin(contender, processes)?;
        let mark = self.write(workload).await?;
        self.wait_for(contender, mark).await?;
        self.end(contender, began)
    }

    /// The writer's connection, to write with by other means.
    pub(crate) fn writer(&self) -> &Client {
        &self.writer
    }

    /// A connection to the source for whoever looks on.
    pub(crate) async fn observer(&self) -> Result<Client> {
        self.source.connect("source").await
    }

    /// A contender's target.
    pub(crate) fn target(&self, contender: Contender) -> &Client {
        &self.targets[&contender]
    }

    /// Stops contenders in their tracks; tells their processes.
    pub(crate) async fn pause(&mut self, contenders: &[Contender]) -> Result<Vec<Vec<Pid>>> {
        let mut all = Vec::new();
        for &contender in contenders {
            all.push(self.processes(contender).await?);
        }
        all.iter().flatten().try_for_each(|&process| pause(process))?;
        Ok(all)
    }

    /// A contender's processes.
    async fn processes(&mut self, contender: Contender) -> Result<Vec<Pid>> {
        match self.running.get_mut(&contender) {
            None => {
                let worker = contender::apply_worker(contender, self.target(contender)).await?;
                Ok(vec![worker.context("the subscription's worker is not running")?])
            }
            Some(runner) => {
                runner.check()?;
                let processes = runner.processes().into_iter();
                processes.map(|id| Ok(Pid::from_raw(i32::try_from(id)?))).collect()
            }
        }
    }

    /// Commits a mark, after everything before it.
    pub(crate) async fn mark(&mut self) -> Result<i64> {
        self.marks += 1;
        // Below all numbers of people.
        let mark = -self.marks;
        if self.scene.path == Path::Entity || self.contenders.contains(&Contender::Debezium) {
            self.writer.batch_execute(&insert(&format!("SELECT {mark}::bigint"))).await?;
        }
        if self.scene.path == Path::Entity {
            self.writer.execute(MARK_STAFF, &[&mark]).await?;
        }
        self.writer.execute("INSERT INTO marks VALUES ($1)", &[&self.marks]).await?;
        Ok(self.marks)
    }

    /// Waits until a contender reads: it takes no copy of what was there before.
    async fn wait_for_slot(&mut self, contender: Contender) -> Result<()> {
        let active = "SELECT FROM pg_replication_slots WHERE slot_name = $1 AND active";
        let started = Instant::now();
        while self.writer.query_opt(active, &[&contender.database()]).await?.is_none() {
            self.running.values_mut().try_for_each(Runner::check)?;
            ensure!(started.elapsed() < DEADLINE, "{contender} does not begin to read");
            tokio::time::sleep(POLL).await;
        }
        Ok(())
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
        let (visible, mark) = match self.scene.path {
            // Topics have no order among each other.
            _ if contender == Contender::Debezium => ("SELECT FROM people WHERE id = $1", -mark),
            Path::Entity if !contender.copies() => (person::VISIBLE, -mark),
            _ => ("SELECT FROM marks WHERE id = $1", mark),
        };
        let visible = prepare_to_poll(self.target(contender), visible).await?;
        loop {
            if self.target(contender).query_opt(&visible, &[&mark]).await?.is_some() {
                return Ok(());
            }
            self.running.values_mut().try_for_each(Runner::check)?;
            if started.elapsed() > DEADLINE {
                bail!("{contender} did not bring mark {mark} in {} s", DEADLINE.as_secs());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Every target holds what it must.
    pub(crate) async fn compare(&self, what: &str) -> Result<()> {
        for table in self.scene.shape.names() {
            let content = |of: &str| {
                format!(
                    "SELECT count(*)::text || ' rows, ' ||
                         coalesce(md5(string_agg(md5(t::text), '' ORDER BY id)), '-')
                     FROM ({of}) AS t"
                )
            };
            let as_it_is = format!("SELECT * FROM {table}");
            for &contender in &self.contenders {
                let expected = match contender.copies() {
                    true => as_it_is.clone(),
                    false => self.scene.expected(&table),
                };
                let expected: String =
                    self.writer.query_one(&content(&expected), &[]).await?.get(0);
                let found: String =
                    self.target(contender).query_one(&content(&as_it_is), &[]).await?.get(0);
                ensure!(
                    found == expected,
                    "{what}: {contender} has {found} in {table}, not {expected}"
                );
            }
        }
        Ok(())
    }

    async fn write(&mut self, workload: &Workload) -> Result<i64> {
        if let Some(prepare) = workload.prepare() {
            self.writer.batch_execute(&prepare).await?;
        }
        self.writer.batch_execute(&workload.sql()).await?;
        self.mark().await
    }

    fn begin(&self, contender: Contender, processes: Vec<Pid>) -> Result<Began> {
        self.counted(contender).into_iter().try_for_each(forget_peak_memory)?;
        let (own, servers) = (self.own(contender, &processes)?, self.servers()?);
        Ok(Began { processes, at: Instant::now(), own, servers })
    }

    fn end(&self, contender: Contender, began: Began) -> Result<Measured> {
        let elapsed = began.at.elapsed();
        let processor = self.own(contender, &began.processes)?.saturating_sub(began.own);
        let servers = self.servers()?.saturating_sub(began.servers);
        let counted = self.counted(contender);
        // A subscription's process is one of the target's.
        let in_all = if contender.is_native() { servers } else { servers + processor };
        let peaks = counted.iter().map(|&process| peak_memory(process));
        let memory = peaks.sum::<Result<u64>>()?;
        let memory = (!counted.is_empty()).then_some(memory);
        Ok(Measured { contender, elapsed, processor, in_all, memory })
    }

    /// All processes of a contender, with its broker; none of a server's.
    fn counted(&self, contender: Contender) -> Vec<u32> {
        let runner = self.running.get(&contender).map(Runner::processes);
        let broker = self.broker.as_ref().filter(|_| contender.is_on_kafka());
        runner.into_iter().flatten().chain(broker.and_then(Broker::id)).collect()
    }

    /// The processor time of a contender.
    fn own(&self, contender: Contender, processes: &[Pid]) -> Result<Duration> {
        if contender.is_native() {
            return processes.iter().map(|&process| processor_time(process)).sum();
        }
        self.counted(contender).into_iter().map(syncline_demo::processor_time).sum()
    }

    fn servers(&self) -> Result<Duration> {
        Ok(self.source.processor_time()? + self.target.processor_time()?)
    }

    /// The same ground for the next workload, and for all.
    async fn tidy(&self) -> Result<()> {
        for client in self.targets.values().chain([&self.writer]) {
            client.batch_execute("VACUUM ANALYZE").await?;
        }
        for client in [&self.writer, self.target(Contender::Native)] {
            client.batch_execute("CHECKPOINT").await?;
        }
        Ok(())
    }
}

/// Where the clocks stood.
struct Began {
    processes: Vec<Pid>,
    at: Instant,
    own: Duration,
    servers: Duration,
}
