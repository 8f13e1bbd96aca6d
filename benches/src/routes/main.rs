//! Through an entity against straight from table to table: the same changes of the same two systems,
//! in one run.
//!
//! ```text
//!  people ─▶ one ─┐                      ┌─▶ people, staff   "direct"
//!                 ├─ two runs of syncline ┤
//!  staff  ─▶ two ─┘                      └─▶ people          "entity": both speak of each person
//! ```
//! Both runs are stopped in their tracks (SIGSTOP) while changes are written, and let go one after the
//! other. The clock runs until the last change is visible at the target; then the targets must hold what
//! the sources say.

mod stage;

use anyhow::Result;
use clap::Parser;
use std::io::Write;

/// Through an entity against straight from table to table.
#[derive(Debug, Parser)]
#[command(after_help = "Example:\n  ./dev bench --routes --rows 100000 --runs 1")]
struct Arguments {
    /// People that each of the two systems writes of.
    #[arg(long, default_value_t = 300_000)]
    rows: u32,
    /// How often each workload is run; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Arguments { rows, runs } = Arguments::parse();
    let mut stage = stage::Stage::build().await?;
    let mut ratios = [Vec::new(), Vec::new()];
    let mut out = std::io::stdout();
    writeln!(out, "rows are those of both systems together")?;
    for run in 0..runs {
        for (workload, ratios) in stage::Workload::ALL.iter().zip(&mut ratios) {
            let [direct, entity] = stage.measure(*workload, rows, run).await?;
            let ratio = entity.rows_per_second / direct.rows_per_second;
            ratios.push(ratio);
            writeln!(out, "{workload:<8} direct {direct}  entity {entity}  {ratio:.2} of direct")?;
        }
        stage.clear().await?;
    }
    for (workload, mut ratios) in stage::Workload::ALL.iter().zip(ratios) {
        ratios.sort_by(f64::total_cmp);
        let median = ratios.get(ratios.len() / 2).copied().unwrap_or_default();
        writeln!(out, "median: {workload} through an entity go {median:.2} as fast")?;
    }
    Ok(())
}
