//! What `syncline verify` takes, and what it takes from the flow, in one run.
//!
//! At rest: verifying a table against counting its rows and reading both sides once, in turn. Beside the flow: the
//! process is stopped in its tracks (SIGSTOP) while rows change, and let go; the clock runs until the last change is
//! visible at the target, in turn with nothing beside it and with one verification after the other. Each
//! verification has to find nothing, and at last both sides have to be the same.

mod stage;

use anyhow::Result;
use clap::Parser;
use std::io::Write;
use std::time::Duration;

/// What verifying takes, and what it takes from the flow.
#[derive(Debug, Parser)]
#[command(after_help = "Example:\n  ./dev bench --verify --rows 200000 --runs 3")]
struct Arguments {
    /// Rows of the table.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u32,
    /// How often each thing is done; the median counts.
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { rows, runs } = Arguments::parse();
    let mut stage = stage::Stage::build(rows).await?;
    let mut out = std::io::stdout();
    let mut ratios = Vec::new();
    for _ in 0..runs {
        let (read, verified) = (stage.read().await?, stage.verify().await?);
        let ratio = verified.as_secs_f64() / read.as_secs_f64();
        ratios.push(ratio);
        writeln!(
            out,
            "count(*) and a full read of both sides {read:.2?}, verified in {verified:.2?}: {ratio:.2}"
        )?;
    }
    writeln!(out, "median: {:.2} times as long", median(ratios))?;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for run in 0..2 * runs {
        // Order: alone, beside, beside, alone, so that what grows meanwhile is in both.
        let is_beside = run % 4 == 1 || run % 4 == 2;
        let (took, verified) = stage.flow(rows, is_beside).await?;
        let per_second = f64::from(rows) / took.as_secs_f64();
        let times = if is_beside { &mut beside } else { &mut alone };
        times.push(per_second);
        match is_beside {
            true => writeln!(out, "updates beside it   {per_second:>8.0} rows/s; {verified}")?,
            false => writeln!(out, "updates             {per_second:>8.0} rows/s")?,
        }
    }
    let (alone, beside) = (median(alone), median(beside));
    let less = (1.0 - beside / alone) * 100.0;
    writeln!(out, "median: {alone:.0} and {beside:.0} rows/s beside it, {less:.1} % less")?;
    stage.compare().await
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get((values.len().max(1) - 1) / 2), values.get(values.len() / 2));
    low.zip(high).map_or(0.0, |(low, high)| f64::midpoint(*low, *high))
}

/// Verifications beside the flow: how many came to an end, and how long they took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Verified {
    pub(crate) times: u32,
    pub(crate) took: Duration,
}

impl std::fmt::Display for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "verified {} times in {:.1?}", self.times, self.took)
    }
}
