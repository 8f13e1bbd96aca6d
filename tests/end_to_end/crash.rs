//! G1: no committed change is lost, through any crash. G2: none takes effect twice. G3: per key,
//! order is kept. The university under traffic, and a process that is killed again and again.

use crate::upheaval::Upheavals;
use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::path::Path;
use std::time::Duration;
use syncline_demo::{
    Broker, Cluster, ClusterOptions, Program, Running, Size, Traffic, TrafficOptions, University,
    verify,
};
use syncline_tests::{
    Faults, Log, Power, Unsynced, ask, check_health, copy_reference_with, is_streaming, program,
    until,
};

/// Kills, unless the variable says otherwise.
const CRASHES: u32 = 200;
const CRASHES_VARIABLE: &str = "SYNCLINE_CRASHES";
/// The same of power cuts.
const POWER_CUTS: u32 = 40;
const POWER_CUTS_VARIABLE: &str = "SYNCLINE_POWER_CUTS";
const SEED: u64 = 3;
/// Longest that what is left of the first copy may take.
const COPY_MAX: Duration = Duration::from_secs(60);
/// Lives between two upheavals.
const UPHEAVAL_EVERY: u32 = 5;
/// Nobody is there to be asked.
const NO_GATES: &str = "\n[gates]\ndeletes_percent = 100\n";
/// Longest that what came in during all these lives may take to reach the targets.
const SETTLE_MAX: Duration = Duration::from_secs(600);
/// Reading a thousand rows at a time by one connection makes the first copy long enough to be
/// killed in.
const SLOW_COPY: &str = "snapshot_connections = 1\nsnapshot_chunk_rows = 1000\n";

/// Where and how often it is killed.
pub(crate) struct Trial {
    /// The university's size, and how many rows its targets have at least.
    pub(crate) scale: f64,
    pub(crate) rows_min: u64,
    pub(crate) kills: u32,
    /// How many die young, in the middle of the first copy.
    pub(crate) young: u32,
    pub(crate) log: Log,
    /// Killed too, now and then.
    pub(crate) broker: Option<Broker>,
    pub(crate) end: End,
}

/// What ends each life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// A kill: what was written is there.
    Kill,
    /// A power cut, so that what was not synced is gone; now and then a kill before it.
    PowerCut,
    /// The same, on a disk that fails.
    PowerCutOfBadDisk,
}

impl End {
    /// What the disk does not do in one of the lives.
    fn faults(self, number: u32) -> Faults {
        let none = Faults::default();
        if self != Self::PowerCutOfBadDisk {
            return none;
        }
        match number % 5 {
            0 => none,
            1 => Faults { is_short: true, ..none },
            2 => Faults { syncs: 30, ..none },
            3 => Faults { reads: 200, ..none },
            _ => Faults { is_full: true, ..none },
        }
    }

    /// After one of the lives the disk is well again, and two times in three what was not synced is gone. Returns how
    /// many bytes are.
    fn of_life(self, number: u32, power: &Power, chance: &mut StdRng) -> Result<u64> {
        power.fail(Faults::default())?;
        if number % 3 == 1 {
            return Ok(0);
        }
        power.cut(if number.is_multiple_of(2) { Unsynced::Lost } else { Unsynced::Torn }, chance)
    }
}

#[tokio::test]
async fn after_any_number_of_kills_every_target_holds_what_the_mappings_say() -> Result<()> {
    let kills = variable(CRASHES_VARIABLE).unwrap_or(CRASHES);
    let log = Log::of_test();
    Trial { scale: 0.1, rows_min: 50_000, kills, young: 30, log, broker: None, end: End::Kill }
        .survive()
        .await
}

/// What was written and not synced is gone after each kill, or in part there.
#[tokio::test]
async fn after_any_number_of_power_cuts_too() -> Result<()> {
    without_power(End::PowerCut).survive().await
}

/// Nor is what a failing disk did not take.
#[tokio::test]
async fn on_a_disk_that_fails_too() -> Result<()> {
    without_power(End::PowerCutOfBadDisk).survive().await
}

fn without_power(end: End) -> Trial {
    let kills = variable(POWER_CUTS_VARIABLE).unwrap_or(POWER_CUTS);
    let young = kills / 4;
    let log = Log::embedded();
    Trial { scale: 0.03, rows_min: 15_000, kills, young, log, broker: None, end }
}

impl Trial {
    /// Kills the process, and the broker, again and again, and compares at last row by row.
    #[expect(clippy::disallowed_macros, reason = "figures to read")]
    pub(crate) async fn survive(mut self) -> Result<()> {
        let cluster = Cluster::start(ClusterOptions::default())?;
        let university = University::build(&cluster, &cluster, Size::scaled(self.scale)).await?;
        let directory = tempfile::tempdir()?;
        let project = directory.path().join("university");
        copy_project(&project, &self.log)?;
        let power = if self.end == End::Kill { None } else { Some(Power::of(&project)?) };
        let program = program()?.with(university.environment());
        let powered = program.clone().with(power.iter().flat_map(Power::environment));
        let locked = program.command(&project).arg("lock").output()?;
        ensure!(locked.status.success(), "{}", String::from_utf8_lossy(&locked.stderr));

        let options =
            TrafficOptions { seed: SEED, rows_per_second: 500, ..TrafficOptions::default() };
        let traffic = Traffic::start(&university, options).await?;
        let mut upheavals = Upheavals::at(&university).await?;
        let mut chance = StdRng::seed_from_u64(SEED);
        let (mut streaming, mut gone) = (0, 0);
        for number in 0..self.kills {
            let mut running = powered.run(&project)?;
            let is_bad = self.end.faults(number) != Faults::default();
            // Later ones die young too, but for one in five, which has time to come to the changes, however busy
            // the machine is.
            let is_young = number < self.young;
            let longest = if is_young { 600 } else { 2500 };
            let life = Duration::from_millis(chance.random_range(100..longest));
            if let Some(broker) = self.broker.as_mut().filter(|_| number % 4 == 3) {
                // Without a broker nothing begins.
                until("it runs", COPY_MAX, async || {
                    running.check()?;
                    Ok(ask(&project, "/status").is_ok())
                })
                .await?;
                broker.kill()?;
                broker.resume()?;
            }
            if !is_young && !is_bad && number.is_multiple_of(5) {
                until("changes are read", COPY_MAX, async || {
                    running.check()?;
                    is_streaming(&project)
                })
                .await?;
            }
            if number % UPHEAVAL_EVERY == 0 {
                upheavals.next().await?;
            }
            if let Some(power) = power.as_ref().filter(|_| is_bad) {
                // Every second time there is something to begin with.
                tokio::time::sleep(life * (number % 2)).await;
                power.fail(self.end.faults(number))?;
            }
            streaming += u32::from(lives(running, &project, life, is_bad).await?);
            if let Some(power) = &power {
                gone += self.end.of_life(number, power, &mut chance)?;
            }
        }
        let report = traffic.stop().await?;
        ensure!(report.rows > 1000, "there was traffic: {report:?}");
        // Both kinds of life were cut short: in the first copy, and among changes.
        let kills = self.kills;
        ensure!(streaming > 0 && streaming < kills, "{streaming} of {kills} were streaming");
        let rows = settle((&program, &project), &university, self.rows_min).await?;
        let changed = report.rows + upheavals.rows;
        println!(
            "{kills} cycles, {changed} rows changed, {gone} bytes of what was written gone: \
             of {rows} rows at the targets 0 lost, 0 doubled, 0 wrong"
        );
        Ok(())
    }
}

fn variable(name: &str) -> Option<u32> {
    std::env::var(name).ok()?.parse().ok()
}

/// Lets a process live for a while, then kills it. Tells whether it had finished its first copies. With a disk that
/// is bad it may end by itself, in order.
async fn lives(mut running: Running, project: &Path, life: Duration, is_bad: bool) -> Result<bool> {
    tokio::time::sleep(life).await;
    if let Some(status) = running.ended()?.filter(|_| is_bad) {
        let words = running.last_words();
        ensure!(status.code().is_some_and(|code| code != 101), "it ended with {status}: {words}");
        return Ok(false);
    }
    running.check()?;
    let was_streaming = is_streaming(project)?;
    running.kill()?;
    Ok(was_streaming)
}

/// Runs undisturbed until everything is at its target, and compares row by row; returns how many rows that are.
async fn settle(
    (program, project): (&Program, &Path),
    university: &University,
    rows_min: u64,
) -> Result<u64> {
    let mut running = program.run(project)?;
    let mut last = None;
    let settled = until("every target holds what its mapping says", SETTLE_MAX, async || {
        running.check()?;
        check_health(project)?;
        let report = verify(university).await?;
        // Rows that wait for others are set aside too, for a while.
        let rests = report.is_equal() && report.parked() * 100 < report.rows();
        last = Some(report);
        Ok(rests)
    })
    .await;
    let found = last.as_ref().map_or(String::new(), ToString::to_string);
    let status = || ask(project, "/status").unwrap_or_else(|error| error.to_string());
    settled.with_context(|| format!("{found}\n{}\n{}", status(), running.last_words()))?;
    let report = last.context("was asked once")?;
    ensure!(report.rows() > rows_min, "{report}");
    // Parked rows are the few that the targets truly refuse, not a way to be right.
    ensure!(report.parked() * 100 < report.rows(), "{report}");
    Ok(report.rows())
}

/// The reference project, with a slow first copy.
fn copy_project(to: &Path, log: &Log) -> Result<()> {
    copy_reference_with(to, log)?;
    let settings = to.join("syncline.toml");
    let text = std::fs::read_to_string(&settings)?;
    let slowed: Vec<String> =
        text.split_inclusive("user = \"syncline\"\n").map(str::to_owned).collect();
    let names = ["sis", "hr", "lms", "finance"];
    let limits = |place: usize| {
        names
            .get(place)
            .map_or(String::new(), |name| format!("\n[systems.{name}.limits]\n{SLOW_COPY}"))
    };
    let text: String =
        slowed.iter().enumerate().map(|(place, part)| part.clone() + &limits(place)).collect();
    Ok(std::fs::write(settings, text + NO_GATES)?)
}
