//! Syncline against PostgreSQL's own subscription, on the same two servers, on the same changes, in
//! one run.
//!
//! ```text
//!  source server ──┬── slot, apply worker ──▶ database "native"   ┐ target
//!   table people   └── slot, syncline run ──▶ database "syncline" ┘ server
//! ```
//! With `--kafka` a third takes part: ours, with its log at a Kafka broker on this machine.
//!
//! All contenders are stopped in their tracks (SIGSTOP) while changes are written, and let go one
//! after the other: each has the whole of it waiting in the write-ahead log, its connections open
//! and nothing to start. The clock runs until the last change is visible at the target. Then all
//! targets must hold what the source holds.

mod contender;
mod latency;
mod report;
mod stage;

use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;
use syncline_benches::workload;

/// Syncline against PostgreSQL's own subscription.
#[derive(Debug, Parser)]
#[command(after_help = "Example:\n  ./dev bench --rows 200000 --runs 1")]
struct Arguments {
    /// Rows a workload changes in transactions of 1,000; a fifth of it in transactions of one.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u32,
    /// How often each workload is run; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Rows a second of the paced writer whose delay is measured.
    #[arg(long, default_value_t = 10_000)]
    paced_rows: u32,
    /// How long the paced writer writes, in seconds; 0 leaves it out.
    #[arg(long, default_value_t = 20)]
    paced_seconds: u32,
    /// Measure ours with its log at a Kafka broker too.
    #[arg(long)]
    kafka: bool,
    /// Only workloads whose name has this text.
    #[arg(long, default_value = "")]
    only: String,
    /// Where to write the results as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut stage = stage::Stage::build(arguments.kafka).await?;
    let mut results = report::Results::default();
    for run in 0..arguments.runs {
        for workload in workload::all(arguments.rows) {
            let counts = workload.name().contains(&arguments.only);
            let measured = stage.measure(&workload, run).await?;
            if counts {
                results.add(&workload, &measured)?;
            }
        }
    }
    if arguments.paced_seconds > 0 {
        let pace = latency::Pace { rows: arguments.paced_rows, seconds: arguments.paced_seconds };
        for delays in latency::measure(&mut stage, pace).await? {
            results.add_delays(delays)?;
        }
    }
    results.add_memory(&stage.peak_memory()?);
    results.finish(arguments.json.as_deref())
}
