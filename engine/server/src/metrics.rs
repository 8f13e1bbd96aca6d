//! What `/metrics` serves: the counters of all loops in the Prometheus text format.
//!
//! Names are spelled here and nowhere else; `docs/operations.md` lists them.

use crate::verify::Outcome;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use syncline_runtime::{CaptureStatus, LaneStatus, Latency, LoopState, MappingStatus, Status};

/// One thing that is measured.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: "counter", help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: "gauge", help }
}

const fn summary(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: "summary", help }
}

const UP: Metric = gauge("syncline_loop_up", "1 while the loop runs, 0 while it does not");
const CAPTURED: Metric = counter("syncline_captured_rows_total", "Rows appended to the log");
const STREAMING: Metric =
    gauge("syncline_capture_streaming", "1 once all first copies are done and changes stream");
const RETAINED: Metric =
    gauge("syncline_retained_wal_bytes", "WAL that the source holds back for Syncline");
const DURABLE: Metric =
    summary("syncline_commit_to_durable_seconds", "Source commit to durable in the log");
const SNAPSHOT: Metric =
    gauge("syncline_snapshot_rows", "Rows read so far by the first copy of a table");
const LAG: Metric = gauge("syncline_lag_seconds", "Age of the oldest change not yet at the target");
const BEHIND: Metric = gauge("syncline_behind_entries", "Log entries not yet at the target");
const WRITTEN: Metric = counter("syncline_written_rows_total", "Rows changed at the target");
const PARKED: Metric = gauge("syncline_parked_rows", "Rows set aside now");
const TARGET: Metric =
    summary("syncline_commit_to_target_seconds", "Source commit to committed at the target");
const MAPPED_IN: Metric = counter("syncline_mapping_rows_in_total", "Rows read by a mapping");
const MAPPED_OUT: Metric =
    counter("syncline_mapping_rows_out_total", "Rows a mapping gave its target");
const MAPPED_PARKED: Metric = gauge("syncline_mapping_parked_rows", "Rows of a mapping set aside");

const DROPPED: Metric =
    counter("syncline_entity_dropped_keys_total", "Keys that were gone and are forgotten");

const DAMAGED: Metric = gauge(
    "syncline_verified_damaged_rows",
    "Rows that were not as they should be when last verified",
);
const UNDECIDED: Metric =
    gauge("syncline_verified_undecided_rows", "Rows of which that could not be told");
const VERIFIED_AT: Metric =
    gauge("syncline_verified_timestamp_seconds", "When a target table was verified last");

/// The page of a worker that stands by while another has the project.
pub(crate) const STANDING_BY: &str = "\
# HELP syncline_standing_by 1 while another worker has the project\n\
# TYPE syncline_standing_by gauge\n\
syncline_standing_by 1\n";

/// The whole page.
pub(crate) fn render(status: &Status, verified: &BTreeMap<String, Outcome>) -> String {
    let mut page = Page::default();
    page.captures(status);
    page.lanes(status);
    page.mappings(status);
    page.entities(status);
    page.verified(verified);
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn captures(&mut self, status: &Status) {
        let each = |value: fn(&CaptureStatus) -> f64| {
            let of = status.captures.iter();
            of.map(move |(name, it)| (label("system", name), value(it))).collect::<Vec<_>>()
        };
        let up = each(|it| f64::from(is_up(&it.state)));
        let lanes_up = status.lanes.iter();
        let lanes_up =
            lanes_up.map(|(name, it)| (label("lane", name), f64::from(is_up(&it.state))));
        self.family(&UP, up.into_iter().chain(lanes_up));
        self.family(&CAPTURED, each(|it| it.rows as f64));
        self.family(&STREAMING, each(|it| f64::from(u8::from(it.streaming))));
        let retained = status
            .captures
            .iter()
            .filter_map(|(name, it)| Some((label("system", name), it.retained_bytes? as f64)));
        self.family(&RETAINED, retained);
        let copies = status.captures.iter().flat_map(|(name, it)| {
            it.snapshots.iter().map(move |(table, copy)| {
                let labels = format!("{},{}", label("system", name), label("table", table));
                (labels, copy.rows as f64)
            })
        });
        self.family(&SNAPSHOT, copies);
        let latencies =
            status.captures.iter().map(|(name, it)| (label("system", name), &it.commit_to_durable));
        self.summaries(&DURABLE, latencies);
    }

    fn lanes(&mut self, status: &Status) {
        let each = |value: fn(&LaneStatus) -> f64| {
            let of = status.lanes.iter();
            of.map(move |(name, it)| (label("lane", name), value(it)))
        };
        self.family(&LAG, each(|it| it.lag_ms / 1000.0));
        self.family(&BEHIND, each(|it| it.end.saturating_sub(it.next) as f64));
        let written = status.lanes.iter().flat_map(|(name, it)| {
            let ops = [("insert", it.inserted), ("update", it.updated), ("delete", it.deleted)];
            ops.map(|(op, rows)| {
                (format!("{},{}", label("lane", name), label("op", op)), rows as f64)
            })
        });
        self.family(&WRITTEN, written);
        self.family(&PARKED, each(|it| it.parked as f64));
        let latencies =
            status.lanes.iter().map(|(name, it)| (label("lane", name), &it.commit_to_target));
        self.summaries(&TARGET, latencies);
    }

    fn mappings(&mut self, status: &Status) {
        let each = |value: fn(&MappingStatus) -> u64| {
            let of = status.mappings.iter();
            of.map(move |(name, it)| (label("mapping", name), value(it) as f64))
        };
        self.family(&MAPPED_IN, each(|it| it.rows_in));
        self.family(&MAPPED_OUT, each(|it| it.rows_out));
        self.family(&MAPPED_PARKED, each(|it| it.parked));
    }

    fn entities(&mut self, status: &Status) {
        let of = status.entities.iter();
        self.family(&DROPPED, of.map(|(name, it)| (label("entity", name), it.dropped as f64)));
    }

    fn verified(&mut self, verified: &BTreeMap<String, Outcome>) {
        let told = || verified.iter().filter(|(_, it)| it.found.skipped.is_none());
        let damaged = told().flat_map(|(table, Outcome { found, .. })| {
            let kinds = [
                ("missing", found.missing),
                ("extra", found.extra),
                ("different", found.different),
            ];
            kinds.map(|(kind, rows)| {
                (format!("{},{}", label("table", table), label("kind", kind)), rows as f64)
            })
        });
        self.family(&DAMAGED, damaged);
        let undecided =
            told().map(|(table, it)| (label("table", table), it.found.undecided as f64));
        self.family(&UNDECIDED, undecided);
        let at = told().map(|(table, it)| (label("table", table), it.at as f64 / 1e6));
        self.family(&VERIFIED_AT, at);
    }

    fn family(&mut self, metric: &Metric, samples: impl IntoIterator<Item = (String, f64)>) {
        self.head(metric);
        for (labels, value) in samples {
            let _ = writeln!(self.text, "{}{{{labels}}} {value}", metric.name);
        }
    }

    fn summaries<'l>(
        &mut self,
        metric: &Metric,
        samples: impl IntoIterator<Item = (String, &'l Latency)>,
    ) {
        self.head(metric);
        let name = metric.name;
        for (labels, latency) in samples {
            let quantiles =
                [("0.5", latency.p50_ms), ("0.99", latency.p99_ms), ("0.999", latency.p999_ms)];
            for (quantile, ms) in quantiles {
                let _ = writeln!(
                    self.text,
                    "{name}{{{labels},quantile=\"{quantile}\"}} {}",
                    ms / 1000.0
                );
            }
            let _ = writeln!(self.text, "{name}_sum{{{labels}}} {}", latency.sum_ms / 1000.0);
            let _ = writeln!(self.text, "{name}_count{{{labels}}} {}", latency.count);
        }
    }

    fn head(&mut self, metric: &Metric) {
        let Metric { name, kind, help } = metric;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }
}

fn label(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{name}=\"{value}\"")
}

fn is_up(state: &LoopState) -> u8 {
    u8::from(matches!(state, LoopState::Running))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::TableVerified;
    use syncline_runtime::{EntityStatus, SnapshotStatus};

    fn status() -> Status {
        let latency = Latency {
            count: 10,
            sum_ms: 25.0,
            p50_ms: 2.0,
            p99_ms: 4.5,
            p999_ms: 5.0,
            max_ms: 5.0,
        };
        let copy = SnapshotStatus { rows: 10, rows_estimated: 20, done: false };
        let capture = CaptureStatus {
            state: LoopState::Running,
            streaming: false,
            snapshots: BTreeMap::from([("sis.public.students".into(), copy)]),
            rows: 10,
            durable_commit: 7,
            retained_bytes: Some(4096),
            retained_bytes_max: None,
            commit_to_durable: latency,
            notices: Vec::new(),
        };
        let lane = LaneStatus {
            state: LoopState::Starting,
            next: 3,
            end: 5,
            lag_ms: 1500.0,
            inserted: 1,
            updated: 2,
            deleted: 3,
            parked: 4,
            commit_to_target: latency,
        };
        let mapping = MappingStatus { rows_in: 9, rows_out: 8, parked: 1 };
        Status {
            captures: BTreeMap::from([("sis".into(), capture)]),
            lanes: BTreeMap::from([("apply/lms/changes.sis".into(), lane)]),
            mappings: BTreeMap::from([("person/\"odd\".sql".into(), mapping)]),
            entities: BTreeMap::from([("person".into(), EntityStatus { dropped: 2 })]),
        }
    }

    #[test]
    fn the_page_names_every_metric_with_its_labels() {
        let found = TableVerified { missing: 2, undecided: 1, ..TableVerified::default() };
        let verified = Outcome { at: 1_500_000, found };
        let verified = BTreeMap::from([("lms.public.users".into(), verified)]);
        insta::assert_snapshot!(render(&status(), &verified));
    }
}
