//! What is told of the measurements: lines for people as they come, JSON at the end.

use crate::contender::Contender;
use crate::latency::Delays;
use crate::stage::Measured;
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// All that was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Results {
    workloads: Vec<Line>,
    delays: Vec<DelayLine>,
}

/// One workload in one scene, all its runs.
#[derive(Debug, Serialize)]
struct Line {
    scene: String,
    workload: String,
    rows: u32,
    #[serde(flatten)]
    sides: BTreeMap<&'static str, Side>,
}

/// One contender on one workload, a value a run.
#[derive(Debug, Default, Serialize)]
struct Side {
    rows_per_second: Vec<f64>,
    /// Of its process.
    processor_us_per_row: Vec<f64>,
    /// Of its process, what sends to it and what writes for it.
    all_processors_us_per_row: Vec<f64>,
    /// The most that its process had, in bytes; nothing of a server's.
    memory: Vec<u64>,
}

#[derive(Debug, Serialize)]
struct DelayLine {
    contender: String,
    rows_per_second: f64,
    asked: u32,
    transactions: u64,
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
    /// The most of the source's log that its slot held, in bytes.
    held: u64,
}

impl Results {
    /// Adds one run of a workload, and says so.
    pub(crate) fn add(
        &mut self,
        (scene, workload): (&str, &str),
        rows: u32,
        measured: &[Measured],
    ) -> Result<()> {
        let is_it = |line: &Line| line.scene == scene && line.workload == workload;
        let place = self.workloads.iter().position(is_it);
        let line = match place.and_then(|place| self.workloads.get_mut(place)) {
            Some(line) => line,
            None => {
                let (scene, workload) = (scene.to_owned(), workload.to_owned());
                self.workloads.push(Line { scene, workload, rows, sides: BTreeMap::new() });
                self.workloads.last_mut().expect("pushed just now")
            }
        };
        for measured in measured {
            let side = line.sides.entry(measured.contender.database()).or_default();
            side.add(rows, measured);
        }
        say(&line.row(last))
    }

    /// Adds the delays of one contender, and says so.
    pub(crate) fn add_delays(&mut self, delays: &Delays) -> Result<()> {
        let ms = |quantile: f64| delays.histogram.value_at_quantile(quantile) as f64 / 1000.0;
        let line = DelayLine {
            contender: delays.contender.to_string(),
            rows_per_second: delays.rate,
            asked: delays.pace.rows,
            transactions: delays.histogram.len(),
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
            p999_ms: ms(0.999),
            max_ms: delays.histogram.max() as f64 / 1000.0,
            held: delays.held,
        };
        say(&format!(
            "{:>9} at {:.0} of {} rows/s: commit to target p50 {:.1} ms, p99 {:.1} ms, \
             p99.9 {:.1} ms, most {:.1} ms; its slot held {} KiB at most",
            line.contender,
            line.rows_per_second,
            line.asked,
            line.p50_ms,
            line.p99_ms,
            line.p999_ms,
            line.max_ms,
            line.held >> 10
        ))?;
        self.delays.push(line);
        Ok(())
    }

    /// The medians, and the JSON where it is wanted.
    pub(crate) fn finish(&self, json: Option<&Path>) -> Result<()> {
        say("\nmedians:")?;
        for line in &self.workloads {
            say(&line.row(median))?;
        }
        if let Some(file) = json {
            std::fs::write(file, serde_json::to_string_pretty(self)?)?;
        }
        Ok(())
    }
}

impl Line {
    fn row(&self, of: impl Fn(&[f64]) -> f64) -> String {
        let side = |contender: Contender| self.sides.get(contender.database());
        let rate = |contender| side(contender).map_or(0.0, |side| of(&side.rows_per_second));
        let (native, syncline) = (rate(Contender::Native), rate(Contender::Syncline));
        let mut row = format!(
            "{:<12} {:<26} native {native:>7.0} rows/s, syncline {syncline:>7.0}, {:>5.2} times;",
            self.scene,
            self.workload,
            syncline / native,
        );
        let costs = |side: &Side| {
            let (own, all) = (of(&side.processor_us_per_row), of(&side.all_processors_us_per_row));
            format!("{own:.2} of {all:.2}")
        };
        let [native_costs, costs] = [Contender::Native, Contender::Syncline]
            .map(|contender| side(contender).map(costs).unwrap_or_default());
        row += &format!(" µs of CPU a row {native_costs} and {costs}");
        if let Some(memory) = side(Contender::Syncline).and_then(|side| side.memory.iter().max()) {
            row += &format!("; {} MiB", memory >> 20);
        }
        if side(Contender::Control).is_some() {
            row += &format!("; control {:.2}", rate(Contender::Control) / native);
        }
        if side(Contender::Kafka).is_some() {
            let kafka = rate(Contender::Kafka);
            row += &format!("; on Kafka {kafka:>7.0} rows/s, {:.2} of ours", kafka / syncline);
        }
        if let Some(debezium) = side(Contender::Debezium) {
            let (theirs, memory) = (rate(Contender::Debezium), debezium.memory.iter().max());
            row += &format!("; Debezium {theirs:>6.0} rows/s, ours {:.0} times", syncline / theirs);
            row += &format!(", {} MiB", memory.copied().unwrap_or_default() >> 20);
        }
        row
    }
}

impl Side {
    fn add(&mut self, rows: u32, measured: &Measured) {
        let rows = f64::from(rows);
        self.rows_per_second.push(rows / measured.elapsed.as_secs_f64());
        self.processor_us_per_row.push(measured.processor.as_secs_f64() * 1e6 / rows);
        self.all_processors_us_per_row.push(measured.in_all.as_secs_f64() * 1e6 / rows);
        self.memory.extend(measured.memory);
    }
}

fn last(values: &[f64]) -> f64 {
    values.last().copied().unwrap_or(0.0)
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
