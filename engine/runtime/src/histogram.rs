//! Latencies by percentile.

use crate::status::Latency;
use hdrhistogram::Histogram;
use std::sync::{Mutex, PoisonError};

/// A latency from a source's commit on, in µs, three significant digits up to an hour.
#[derive(Debug)]
pub(crate) struct LatencyRecorder(Mutex<Histogram<u64>>);

const LONGEST_MICROS: u64 = 3_600_000_000;

impl LatencyRecorder {
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_MICROS, 3)
            .expect("bounds and digits are within what the histogram takes");
        Self(Mutex::new(histogram))
    }

    /// Records `rows` rows that took this long; a clock behind the source's counts as no time.
    pub(crate) fn record(&self, micros: i64, rows: u64) {
        let micros = u64::try_from(micros).unwrap_or(0).clamp(1, LONGEST_MICROS);
        let mut histogram = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        histogram.saturating_record_n(micros, rows);
    }

    pub(crate) fn snapshot(&self) -> Latency {
        let histogram = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ms = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
        Latency {
            count: histogram.len(),
            sum_ms: histogram.mean() * histogram.len() as f64 / 1000.0,
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
            p999_ms: ms(0.999),
            max_ms: histogram.max() as f64 / 1000.0,
        }
    }
}
