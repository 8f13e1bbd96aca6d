//! Syncline against PostgreSQL's own subscription, on the same two servers, on the same changes, in
//! one run.
//!
//! ```text
//!  source server ──┬── slot, apply worker ──▶ database "native"   ┐ target
//!   table people   └── slot, syncline run ──▶ database "syncline" ┘ server
//! ```
//! With `--control` the subscription takes part a second time, with `--kafka` ours, with its log at a Kafka
//! broker on this machine, with `--debezium` Debezium; with `--first-copy` the first copy is measured too.
//!
//! Catching up: all contenders are stopped in their tracks (SIGSTOP) while changes are written, and let go one
//! after the other: each has the whole of it waiting in the write-ahead log, its connections open
//! and nothing to start. The clock runs until the last change is visible at the target. Beside the writer: one
//! is let go before the writer begins, which writes as fast as it can. At a pace: the writer keeps to a schedule,
//! and what is measured is the delay. Each time all targets must hold what the source says they must.

mod contender;
mod first_copy;
mod latency;
mod report;
mod scene;
mod stage;

use anyhow::Result;
use clap::Parser;
use contender::Others;
use report::Results;
use scene::Scene;
use stage::Stage;
use std::path::PathBuf;
use syncline_benches::workload::{self, Workload};

/// Syncline against PostgreSQL's own subscription.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:\n  ./dev bench --rows 200000 --runs 1\n  \
    ./dev bench --matrix --control --json matrix.json")]
struct Arguments {
    /// Rows a workload changes; a fifth of it in transactions of one, and where rows are of 2 KB.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u32,
    /// How often each workload is run; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Transactions of 100 rows and of all of them, many tables, large rows, TCP, a mapping and an entity too.
    #[arg(long)]
    matrix: bool,
    /// How long the writer keeps to each pace, in seconds; 0 leaves it out.
    #[arg(long, default_value_t = 20)]
    paced_seconds: u32,
    /// Measure the subscription twice: the difference is noise.
    #[arg(long)]
    control: bool,
    /// Measure ours with its log at a Kafka broker too.
    #[arg(long)]
    kafka: bool,
    /// Measure Debezium's source and JDBC sink too, by the first scene alone.
    #[arg(long)]
    debezium: bool,
    /// Measure the first copy too, against `pg_dump | psql`.
    #[arg(long)]
    first_copy: bool,
    /// Only scenes whose name has this text, of all there are.
    #[arg(long, value_name = "TEXT")]
    scene: Option<String>,
    /// Only workloads whose name has this text; the others are run, but not counted.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Where to write the results as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut results = Results::default();
    let wanted = arguments.scene.as_deref();
    let scenes = Scene::all(arguments.matrix || wanted.is_some());
    for scene in scenes.iter().filter(|scene| wanted.is_none_or(|text| scene.name.contains(text))) {
        measure(&arguments, scene, &mut results).await?;
    }
    results.finish(arguments.json.as_deref())?;
    match arguments.first_copy {
        true => first_copy::measure(arguments.rows, arguments.runs).await,
        false => Ok(()),
    }
}

async fn measure(arguments: &Arguments, scene: &Scene, results: &mut Results) -> Result<()> {
    let others = Others {
        control: arguments.control,
        kafka: arguments.kafka,
        debezium: arguments.debezium && scene.is_base(),
    };
    let workloads = scene.workloads(arguments.rows)?;
    let mut stage = Stage::build(*scene, others, arguments.rows).await?;
    for run in 0..arguments.runs {
        for workload in &workloads {
            let measured = stage.measure(workload, run).await?;
            if workload.name().contains(&arguments.only) {
                results.add((scene.name, &workload.name()), workload.rows, &measured)?;
            }
        }
    }
    if !scene.is_base() {
        return Ok(());
    }
    for run in 0..arguments.runs {
        beside(arguments, &mut stage, &workloads[..workload::KINDS], run, results).await?;
    }
    if arguments.paced_seconds > 0 {
        for pace in latency::PACES {
            for delays in latency::measure(&mut stage, pace, arguments.paced_seconds).await? {
                results.add_delays(&delays)?;
            }
        }
    }
    Ok(())
}

/// Each contender goes through all kinds of change by itself: a row can be written but once.
async fn beside(
    arguments: &Arguments,
    stage: &mut Stage,
    workloads: &[Workload],
    run: usize,
    results: &mut Results,
) -> Result<()> {
    let mut contenders = stage.contenders.clone();
    let count = contenders.len();
    contenders.rotate_left(run % count);
    let mut measured = vec![Vec::new(); workloads.len()];
    for contender in contenders {
        for (workload, measured) in workloads.iter().zip(&mut measured) {
            measured.push(stage.measure_beside(contender, workload).await?);
        }
    }
    for (workload, measured) in workloads.iter().zip(&measured) {
        let name = workload.name();
        if name.contains(&arguments.only) {
            results.add(("beside them", &name), workload.rows, measured)?;
        }
    }
    Ok(())
}
