//! G1, G2 and G3 at every named point: the process ends between two effects, where it hurts most.
//!
//! Between what a change does on its way (it is read, handed over, written, synced, heard, golden, noted,
//! committed, told …) the engine has points with names. One story is told once without a crash, which counts how
//! often each is reached; then once for each point, with a crash there. What is left at the end has to be
//! the same, row by row, as what plain SQL says of the sources, and as what the story left without a crash.

mod acts;
mod life;
mod points;
mod story;

use anyhow::{Context, Result, bail, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::rc::Rc;
use std::sync::Arc;
use story::{Point, Stage, Told};
use syncline_demo::Broker;
use syncline_tests::crash_program;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};

/// Stories that are told at the same time.
const AT_A_TIME: usize = 2;
/// How often the story is told for each point: with a crash the first time, then somewhere.
const ROUNDS_VARIABLE: &str = "SYNCLINE_CRASH_ROUNDS";
/// Only points whose names have this text.
const ONLY_VARIABLE: &str = "SYNCLINE_CRASH_ONLY";
const SEED: u64 = 6;

/// What names begin with of points where the log is at a broker.
const AT_BROKERS: &str = "kafka.";

/// Reached only by a process that takes over from one that ended at another point, at one of these times.
const REACHED_AFTER: &[(&str, &str, &[u64])] = &[
    ("begin.slot_dropped", "begin.slot_made", &[1]),
    ("resolve.abandoned", "spill.piece", &[20, 12, 30, 16, 24]),
];

/// Where to crash: the points of one process after the other, in the ways that are tried until all are reached.
struct Trial {
    ways: Vec<Vec<Point>>,
    /// How many have to be; those behind them may be.
    needed: u32,
}

#[tokio::test]
async fn a_crash_at_any_point_leaves_what_no_crash_leaves() -> Result<()> {
    let is_there = |name: &str| !name.starts_with(AT_BROKERS);
    LocalSet::new().run_until(tell_all(None, is_there)).await
}

#[tokio::test]
async fn so_does_a_crash_at_any_point_of_a_log_at_a_broker() -> Result<()> {
    let broker = Broker::start()?;
    let is_there = |name: &str| name.starts_with(AT_BROKERS);
    LocalSet::new().run_until(tell_all(Some(broker.address()), is_there)).await
}

#[expect(clippy::disallowed_macros, reason = "figures to read")]
async fn tell_all(broker: Option<String>, is_there: impl Fn(&str) -> bool) -> Result<()> {
    let program = crash_program()?;
    let stage = Rc::new(Stage::build(program, broker).await?);
    let mut names = points::all()?;
    names.retain(|name| is_there(name));
    let whole = Rc::new(stage.tell_whole(&names).await?);
    for (name, times) in &whole.reached {
        println!("{name}: reached {times} times without a crash");
    }
    let room = Arc::new(Semaphore::new(AT_A_TIME));
    let mut telling = JoinSet::new();
    for (number, trial) in trials(&names, &whole)?.into_iter().enumerate() {
        let (stage, whole, room) = (stage.clone(), whole.clone(), room.clone());
        telling.spawn_local(async move {
            let _room = room.acquire_owned().await?;
            let told = trial.tell(&stage, &format!("s{number}"), &whole).await?;
            ensure!(told.left == whole.left, "{trial}: {}", told.difference(&whole));
            Ok::<_, anyhow::Error>(told)
        });
    }
    let (mut hit, mut changes) = (0, 0);
    while let Some(told) = telling.join_next().await {
        let told = told??;
        hit += told.crashes;
        changes += told.changes;
    }
    println!(
        "{} points, {hit} crashes, {changes} rows changed at the sources: 0 lost, 0 doubled, 0 wrong",
        names.len()
    );
    Ok(())
}

impl Trial {
    /// Tells the story until it crashed as often as it has to.
    async fn tell(&self, stage: &Stage, name: &str, whole: &Told) -> Result<Told> {
        for (number, way) in self.ways.iter().enumerate() {
            let told = stage.tell_with(&format!("{name}_{number}"), way, whole).await;
            let told = told.with_context(|| format!("with a crash at {}", text(way)))?;
            if told.crashes >= self.needed {
                return Ok(told);
            }
        }
        bail!("{} was never reached", self.ways.first().map(|way| text(way)).unwrap_or_default())
    }
}

impl std::fmt::Display for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ways: Vec<String> = self.ways.iter().map(|way| text(way)).collect();
        write!(f, "with a crash at {}", ways.join(", or at "))
    }
}

fn text(way: &[Point]) -> String {
    way.iter().map(ToString::to_string).collect::<Vec<_>>().join(", then at ")
}

/// A crash at each point, as often as there are rounds; in every second one another crash follows it.
fn trials(names: &[String], whole: &Told) -> Result<Vec<Trial>> {
    let rounds: u32 = variable(ROUNDS_VARIABLE).and_then(|text| text.parse().ok()).unwrap_or(1);
    let only = variable(ONLY_VARIABLE).unwrap_or_default();
    let mut chance = StdRng::seed_from_u64(SEED);
    let mut trials = Vec::new();
    for name in names {
        let reached = whole.reached.get(name).copied().unwrap_or_default();
        let after = REACHED_AFTER.iter().find(|(of, ..)| of == name);
        ensure!(reached > 0 || after.is_some(), "the story never comes to {name}");
        for _ in 0..rounds {
            let is_first = chance.random_bool(0.3);
            let number = if is_first { 1 } else { chance.random_range(1..=reached.max(1)) };
            let next = chance.random_bool(0.5).then(|| Point {
                name: names[chance.random_range(0..names.len())].clone(),
                number: chance.random_range(1..4),
            });
            let here = |number| Point { name: name.clone(), number };
            let ways = match after {
                Some((_, first, numbers)) => {
                    let before = |number: &u64| Point { name: (*first).into(), number: *number };
                    numbers.iter().map(|number| vec![before(number), here(1)]).collect()
                }
                // Later lives reach it less often.
                None => [number, (number / 2).max(1), 1]
                    .map(|number| [here(number)].into_iter().chain(next.clone()).collect())
                    .into(),
            };
            if name.contains(&only) {
                trials.push(Trial { ways, needed: if after.is_some() { 2 } else { 1 } });
            }
        }
    }
    Ok(trials)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
