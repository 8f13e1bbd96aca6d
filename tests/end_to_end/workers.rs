//! Several workers share a project: one has it at a time, and another takes over when it dies or stands still. Nothing
//! is lost, and nothing doubled.
#![expect(
    clippy::disallowed_macros,
    reason = "how long nobody worked is for whoever runs the trial"
)]

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use syncline_demo::{
    Broker, BrokerOptions, Cluster, ClusterOptions, Program, Running, Size, System, Traffic,
    TrafficOptions, University, verify,
};
use syncline_tests::{Log, ask, check_health, copy_reference_with, is_streaming, program, until};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// How often something happens to them, unless the variable says otherwise.
const CYCLES: u32 = 6;
const CYCLES_VARIABLE: &str = "SYNCLINE_WORKER_CYCLES";
const SEED_VARIABLE: &str = "SYNCLINE_SEED";
const WORKERS: usize = 3;
/// Longest that the first copy, or what is left of it, may take.
const COPY_MAX: Duration = Duration::from_secs(120);
/// What each cycle adds to that.
const SETTLING: Duration = Duration::from_secs(5);
/// Longest that nobody may work after one worker died, brokers and machine as busy as they may be here.
const UNSERVED_MAX: Duration = Duration::from_secs(30);

/// What is done to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    /// The one that works is killed.
    Kill,
    /// It stands still until another works, and goes on then.
    Freeze,
    /// One that stands by is killed.
    KillIdle,
    /// The broker is killed, and started again.
    Broker,
}

/// What is used for the whole trial.
struct Trial {
    program: Program,
    projects: Vec<PathBuf>,
    running: Vec<Option<Running>>,
    broker: Broker,
    chance: StdRng,
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_die_or_stand_still_lose_and_double_nothing() -> Result<()> {
    let number = |variable: &str| std::env::var(variable).ok().and_then(|text| text.parse().ok());
    let cycles = number(CYCLES_VARIABLE).map_or(CYCLES, |it| u32::try_from(it).unwrap_or(u32::MAX));
    let seed = number(SEED_VARIABLE).unwrap_or_else(rand::random);
    println!("{SEED_VARIABLE}={seed}");
    let broker = Broker::start()?;
    let cluster = Cluster::start(ClusterOptions::default())?;
    let university = University::build(&cluster, &cluster, Size::scaled(0.02)).await?;
    cluster.connect("postgres").await?.batch_execute("CREATE DATABASE control").await?;
    let directory = tempfile::tempdir()?;
    let program = program()?.with(university.environment());
    let mut trial = Trial {
        projects: (0..WORKERS).map(|it| directory.path().join(format!("worker{it}"))).collect(),
        running: (0..WORKERS).map(|_| None).collect(),
        program,
        chance: StdRng::seed_from_u64(seed),
        broker,
    };
    trial.lay_out(&cluster.address("control"))?;
    for worker in 0..WORKERS {
        trial.start(worker)?;
    }
    trial.until_one_streams().await?;
    let options = TrafficOptions { seed, rows_per_second: 300, ..TrafficOptions::default() };
    let traffic = Traffic::start(&university, options).await?;
    let watch = Watch::begin(&university).await?;
    let mut blows = Vec::new();
    for _ in 0..cycles {
        let since = Instant::now();
        let blow = trial.blow().await?;
        let unserved = watch.until_served(since).await.with_context(|| trial.last_words())?;
        blows.push((blow, unserved));
        trial.start_all()?;
        sleep(Duration::from_millis(trial.chance.random_range(200..2500))).await;
    }
    let report = traffic.stop().await?;
    ensure!(report.rows > 500, "there was traffic: {report:?}");
    println!("{}", Unserved(&blows));
    trial.settle(&university, cycles).await?;
    let worst = |of: Blow| blows.iter().filter(|(it, _)| *it == of).map(|(_, time)| *time).max();
    let worst = worst(Blow::Kill).max(worst(Blow::Freeze)).unwrap_or_default();
    ensure!(worst < UNSERVED_MAX, "nobody worked for {} ms", worst.as_millis());
    Ok(())
}

/// Brokers may take their time before they say who works.
#[tokio::test]
async fn one_of_two_workers_that_share_no_conflicts_ends_and_says_why() -> Result<()> {
    let delay = ("group.initial.rebalance.delay.ms".to_owned(), "3000".to_owned());
    let broker =
        Broker::start_with(&BrokerOptions { settings: vec![delay], ..BrokerOptions::default() })?;
    let cluster = Cluster::start(ClusterOptions::default())?;
    let university = University::build(&cluster, &cluster, Size::scaled(0.002)).await?;
    let program = program()?.with(university.environment());
    let directory = tempfile::tempdir()?;
    let mut workers = Vec::new();
    for name in ["one", "two"] {
        let project = directory.path().join(name);
        copy_reference_with(&project, &Log::at(&broker.address()))?;
        let locked = program.command(&project).arg("lock").output()?;
        ensure!(locked.status.success(), "{}", String::from_utf8_lossy(&locked.stderr));
        workers.push((program.run(&project)?, project));
    }
    let mut ended = None;
    until("one of them ends", COPY_MAX, async || {
        ended = workers.iter_mut().position(|(running, _)| running.check().is_err());
        Ok(ended.is_some())
    })
    .await?;
    let (mut ended, _) = workers.remove(ended.context("it did")?);
    let code = ended.wait(Duration::from_secs(1))?.code();
    ensure!(code == Some(3) && ended.said().contains("[control]"), "{}", ended.said());
    let (mut at_work, project) = workers.remove(0);
    until("the other works", COPY_MAX, async || {
        at_work.check()?;
        is_streaming(&project)
    })
    .await?;
    ensure!(at_work.terminate()?.success());
    Ok(())
}

impl Trial {
    /// The same project for each worker, and the conflicts where all of them reach them.
    fn lay_out(&self, control: &str) -> Result<()> {
        let log = Log::at(&self.broker.address());
        for project in &self.projects {
            copy_reference_with(project, &log)?;
            let settings = project.join("syncline.toml");
            let text = std::fs::read_to_string(&settings)?;
            std::fs::write(settings, format!("{text}\n[control]\ndatabase = \"{control}\"\n"))?;
            let locked = self.program.command(project).arg("lock").output()?;
            ensure!(locked.status.success(), "{}", String::from_utf8_lossy(&locked.stderr));
        }
        Ok(())
    }

    fn start(&mut self, worker: usize) -> Result<()> {
        let project = &self.projects[worker];
        // Where a killed one served is nobody's answer.
        let _ = std::fs::remove_file(project.join(".syncline/http"));
        self.running[worker] = Some(self.program.run(project)?);
        Ok(())
    }

    fn start_all(&mut self) -> Result<()> {
        for worker in 0..WORKERS {
            match &mut self.running[worker] {
                Some(running) => running.check()?,
                None => self.start(worker)?,
            }
        }
        Ok(())
    }

    /// Which one works, as they say themselves; none while that changes.
    fn works(&self) -> Option<usize> {
        (0..WORKERS).find(|&worker| {
            self.running[worker].is_some() && works(&self.projects[worker]).unwrap_or(false)
        })
    }

    async fn until_one_works(&self) -> Result<usize> {
        let mut found = None;
        until("one works", COPY_MAX, async || {
            found = self.works();
            Ok(found.is_some())
        })
        .await
        .with_context(|| self.last_words())?;
        found.context("one works")
    }

    async fn until_one_streams(&mut self) -> Result<()> {
        let projects = self.projects.clone();
        let streams = until("changes are read", COPY_MAX, async || {
            for running in self.running.iter_mut().flatten() {
                running.check()?;
            }
            Ok(projects.iter().any(|project| is_streaming(project).unwrap_or(false)))
        });
        let outcome = streams.await;
        outcome.with_context(|| self.last_words())
    }

    /// Does something to them.
    async fn blow(&mut self) -> Result<Blow> {
        let at_work = self.until_one_works().await?;
        let blow = match self.chance.random_range(0..10) {
            0..5 => Blow::Kill,
            5..7 => Blow::Freeze,
            7 => Blow::KillIdle,
            _ => Blow::Broker,
        };
        match blow {
            Blow::Kill => self.kill(at_work)?,
            Blow::KillIdle => self.kill((at_work + 1) % WORKERS)?,
            Blow::Broker => {
                self.broker.kill()?;
                self.broker.resume()?;
            }
            Blow::Freeze => {
                self.signal(at_work, Signal::SIGSTOP)?;
                // It is not asked while it can't answer.
                let frozen = self.running[at_work].take();
                let taken = self.until_one_works().await;
                self.running[at_work] = frozen;
                self.signal(at_work, Signal::SIGCONT)?;
                taken?;
            }
        }
        Ok(blow)
    }

    fn kill(&mut self, worker: usize) -> Result<()> {
        match self.running[worker].take() {
            Some(running) => running.kill(),
            None => Ok(()),
        }
    }

    fn signal(&self, worker: usize, signal: Signal) -> Result<()> {
        self.running[worker].as_ref().context("it runs")?.signal(signal)
    }

    /// Lets them work undisturbed until everything is at its target, and compares row by row.
    /// What waits for another way grows as long as workers change.
    async fn settle(&mut self, university: &University, cycles: u32) -> Result<()> {
        let mut last = None;
        let longest = COPY_MAX + cycles * SETTLING;
        let settled = until("every target holds what its mapping says", longest, async || {
            for running in self.running.iter_mut().flatten() {
                running.check()?;
            }
            for project in &self.projects {
                check_health(project)?;
            }
            let report = verify(university).await?;
            let rests = report.is_equal() && report.parked() * 100 < report.rows();
            last = Some(report);
            Ok(rests)
        })
        .await;
        let found = last.as_ref().map_or(String::new(), ToString::to_string);
        settled.with_context(|| format!("{found}\n{}", self.last_words()))?;
        let report = last.context("was asked once")?;
        ensure!(report.rows() > 10_000, "{report}");
        Ok(())
    }

    fn last_words(&self) -> String {
        let words = self.running.iter().flatten().map(Running::last_words);
        words.collect::<Vec<_>>().join("\n----\n")
    }
}

/// Whether the worker of a project has it.
fn works(project: &Path) -> Result<bool> {
    let status: serde_json::Value = serde_json::from_str(&ask(project, "/status")?)?;
    Ok(status["captures"].is_object())
}

/// Watches the learning management system: changes arrive there all the time.
struct Watch {
    /// When something arrived.
    arrivals: watch::Receiver<Vec<Instant>>,
    watching: JoinHandle<Result<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl Watch {
    async fn begin(university: &University) -> Result<Self> {
        let lms = university.connect(System::Lms).await?;
        let (told, arrivals) = watch::channel(vec![Instant::now()]);
        let watching = tokio::spawn(async move {
            let mut last = None;
            loop {
                let query = "SELECT max(updated_at)::text FROM syncline.progress";
                let moved: Option<String> = lms.query_one(query, &[]).await?.get(0);
                if moved != last {
                    last = moved;
                    told.send_modify(|arrivals| arrivals.push(Instant::now()));
                }
                sleep(Duration::from_millis(20)).await;
            }
        });
        Ok(Self { arrivals, watching })
    }

    /// Waits until changes arrive again; how long none had since then.
    async fn until_served(&self, since: Instant) -> Result<Duration> {
        let mut arrivals = self.arrivals.clone();
        // What was under way when the blow fell may still arrive.
        let enough = arrivals.borrow().len() + 3;
        let arrived = arrivals.wait_for(|it| it.len() >= enough);
        let arrived =
            tokio::time::timeout(COPY_MAX, arrived).await.context("nothing arrives")??;
        let pairs = arrived.iter().zip(arrived.iter().skip(1)).filter(|(_, next)| **next > since);
        Ok(pairs.map(|(before, next)| *next - *before).max().unwrap_or_default())
    }
}

/// How long nothing arrived after each kind of blow.
struct Unserved<'a>(&'a [(Blow, Duration)]);

impl fmt::Display for Unserved<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "how long nothing arrived, in ms   times  half  worst")?;
        for blow in [Blow::Kill, Blow::Freeze, Blow::KillIdle, Blow::Broker] {
            let of_kind = self.0.iter().filter(|(it, _)| *it == blow);
            let mut times: Vec<u128> = of_kind.map(|(_, time)| time.as_millis()).collect();
            times.sort_unstable();
            let (half, worst) = (times.get(times.len() / 2), times.last());
            if let (Some(half), Some(worst)) = (half, worst) {
                writeln!(
                    f,
                    "{:<32}  {:>5} {half:>5} {worst:>6}",
                    format!("{blow:?}"),
                    times.len()
                )?;
            }
        }
        Ok(())
    }
}
