//! The clock, and a line for each stage.

use anyhow::Result;
use std::io::Write;
use std::time::{Duration, Instant};

/// Wall and processor time of this process since it was made.
pub(crate) struct Stopwatch {
    began: Instant,
    processor: Duration,
}

impl Stopwatch {
    pub(crate) fn start() -> Result<Self> {
        Ok(Self { began: Instant::now(), processor: processor()? })
    }

    /// Prints what a stage took for so many rows.
    pub(crate) fn stop(self, stage: &str, rows: usize) -> Result<()> {
        let (took, used) = (self.began.elapsed(), processor()?.saturating_sub(self.processor));
        let rows = u32::try_from(rows).map_or(f64::MAX, f64::from);
        let a_row = |time: Duration| time.as_secs_f64() * 1e6 / rows;
        Ok(writeln!(
            std::io::stdout(),
            "{stage:<32} {:>12.0} {:>12.3} {:>12.3}",
            rows / took.as_secs_f64(),
            a_row(took),
            a_row(used)
        )?)
    }
}

/// The headings.
pub(crate) fn head() -> Result<()> {
    let columns = ["rows/s", "µs a row", "µs of CPU"];
    let [rows, took, used] = columns;
    Ok(writeln!(std::io::stdout(), "{:<32} {rows:>12} {took:>12} {used:>12}", "stage")?)
}

fn processor() -> Result<Duration> {
    syncline_demo::processor_time(std::process::id())
}
