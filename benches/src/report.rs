//! What is told of the measurements: lines for people as they come, JSON at the end.

use crate::contender::Contender;
use crate::latency::Delays;
use crate::stage::Measured;
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use syncline_benches::workload::Workload;

/// All that was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Results {
    workloads: Vec<Line>,
    delays: Vec<DelayLine>,
    /// The most memory that each of ours ever had, in bytes.
    peak_memory: BTreeMap<&'static str, u64>,
}

/// One workload, all its runs.
#[derive(Debug, Serialize)]
struct Line {
    workload: String,
    rows: u32,
    #[serde(flatten)]
    sides: BTreeMap<&'static str, Side>,
}

/// One contender on one workload, a value a run.
#[derive(Debug, Default, Serialize)]
struct Side {
    rows_per_second: Vec<f64>,
    processor_us_per_row: Vec<f64>,
}

#[derive(Debug, Serialize)]
struct DelayLine {
    contender: String,
    rows_per_second: f64,
    transactions: u64,
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
}

impl Results {
    /// Adds one run of a workload, and says so.
    pub(crate) fn add(&mut self, workload: &Workload, measured: &[Measured]) -> Result<()> {
        let name = workload.name();
        let place = self.workloads.iter().position(|line| line.workload == name);
        let line = match place.and_then(|place| self.workloads.get_mut(place)) {
            Some(line) => line,
            None => {
                let (rows, sides) = (workload.rows, BTreeMap::new());
                self.workloads.push(Line { workload: name, rows, sides });
                self.workloads.last_mut().expect("pushed just now")
            }
        };
        for measured in measured {
            let side = line.sides.entry(measured.contender.database()).or_default();
            side.add(workload.rows, measured);
        }
        let last = |side: &Side| side.rows_per_second.last().copied().unwrap_or(0.0);
        say(&line.row(last))
    }

    /// Adds the most memory that each of ours ever had, in bytes.
    pub(crate) fn add_memory(&mut self, peaks: &[(Contender, u64)]) {
        self.peak_memory = peaks.iter().map(|(it, bytes)| (it.database(), *bytes)).collect();
    }

    /// Adds the delays of one contender, and says so.
    pub(crate) fn add_delays(&mut self, delays: Delays) -> Result<()> {
        let ms = |quantile: f64| delays.histogram.value_at_quantile(quantile) as f64 / 1000.0;
        let line = DelayLine {
            contender: delays.contender.to_string(),
            rows_per_second: delays.rate,
            transactions: delays.histogram.len(),
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
            p999_ms: ms(0.999),
            max_ms: delays.histogram.max() as f64 / 1000.0,
        };
        say(&format!(
            "{:>9} at {:.0} of {} rows/s: commit to target p50 {:.1} ms, p99 {:.1} ms, \
             p99.9 {:.1} ms, most {:.1} ms",
            line.contender,
            line.rows_per_second,
            delays.pace.rows,
            line.p50_ms,
            line.p99_ms,
            line.p999_ms,
            line.max_ms
        ))?;
        self.delays.push(line);
        Ok(())
    }

    /// The medians, and the JSON where it is wanted.
    pub(crate) fn finish(&self, json: Option<&Path>) -> Result<()> {
        say("\nmedians:")?;
        for line in &self.workloads {
            say(&line.row(|side| median(&side.rows_per_second)))?;
        }
        for (contender, bytes) in &self.peak_memory {
            say(&format!("{contender}'s peak memory: {} MiB", bytes >> 20))?;
        }
        if let Some(file) = json {
            std::fs::write(file, serde_json::to_string_pretty(self)?)?;
        }
        Ok(())
    }
}

impl Line {
    fn row(&self, of: impl Fn(&Side) -> f64) -> String {
        let side = |contender: Contender| self.sides.get(contender.database());
        let rate = |contender| side(contender).map_or(0.0, &of);
        let cost = |contender| side(contender).map_or(0.0, |it| median(&it.processor_us_per_row));
        let (native, syncline) = (rate(Contender::Native), rate(Contender::Syncline));
        let mut row = format!(
            "{:<28} native {native:>9.0} rows/s   syncline {syncline:>9.0} rows/s   {:>5.2} times   \
             {:.2} against {:.2} µs of its process a row",
            self.workload,
            syncline / native,
            cost(Contender::Native),
            cost(Contender::Syncline),
        );
        if side(Contender::Kafka).is_some() {
            let kafka = rate(Contender::Kafka);
            let (of_embedded, cost) = (kafka / syncline, cost(Contender::Kafka));
            row +=
                &format!("   on Kafka {kafka:>9.0} rows/s, {of_embedded:.2} of that, {cost:.2} µs");
        }
        row
    }
}

impl Side {
    fn add(&mut self, rows: u32, measured: &Measured) {
        let rows = f64::from(rows);
        self.rows_per_second.push(rows / measured.elapsed.as_secs_f64());
        self.processor_us_per_row.push(measured.processor.as_secs_f64() * 1e6 / rows);
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

fn say(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_not_moved_by_one_bad_run() {
        assert_eq!(median(&[5.0, 900.0, 4.0]), 5.0);
        assert_eq!(median(&[]), 0.0);
    }
}
