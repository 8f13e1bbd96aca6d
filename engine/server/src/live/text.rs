//! A report as a person reads it: `syncline status`, and the demo's view.

use super::report::{CaptureReport, Report};
use crate::problem::Problem;
use crate::render::{self, Align, table};
use crate::verify::Outcome;
use std::time::Duration;
use syncline_runtime::LoopState;

/// The whole report.
pub(crate) fn to_text(report: &Report) -> String {
    let uptime = duration(Duration::from_secs_f64(report.uptime_seconds));
    let mut text = format!("{}, up {uptime}\n\n", report.project);
    text += &captures(report);
    text.push('\n');
    text += &mappings(report);
    text += &verified(report);
    let troubles = troubles(report);
    if !troubles.is_empty() {
        text.push('\n');
        text += &render::problems(&troubles);
    }
    text
}

fn captures(report: &Report) -> String {
    let headings = [
        ("system", Align::Left),
        ("state", Align::Left),
        ("rows read", Align::Right),
        ("rows/s", Align::Right),
        ("copy", Align::Left),
        ("WAL held", Align::Right),
    ];
    let rows: Vec<Vec<String>> = report
        .captures
        .iter()
        .map(|(name, capture)| {
            vec![
                name.clone(),
                capture_state(capture).to_owned(),
                render::count(capture.status.rows),
                render::count(capture.rows_per_second as u64),
                first_copy(capture),
                wal_held(capture),
            ]
        })
        .collect();
    table(&headings, &rows)
}

fn capture_state(capture: &CaptureReport) -> &'static str {
    match &capture.status.state {
        LoopState::Running if capture.status.streaming => "streaming",
        LoopState::Running if capture.status.snapshots.is_empty() => "connecting",
        LoopState::Running => "copying",
        other => state_word(other),
    }
}

fn state_word(state: &LoopState) -> &'static str {
    match state {
        LoopState::Starting => "starting",
        LoopState::Running => "running",
        LoopState::Retrying { .. } => "retrying",
        LoopState::Stopped { .. } => "stopped",
        LoopState::Ended => "ended",
    }
}

/// How far the copy is, and how long it will take at the present rate.
fn first_copy(capture: &CaptureReport) -> String {
    let snapshots = &capture.status.snapshots;
    if capture.status.streaming {
        return "done".into();
    }
    if snapshots.is_empty() {
        return "–".into();
    }
    let done: u64 = snapshots.values().map(|copy| copy.rows).sum();
    // The estimate may be behind what was read; a table that is done has no more to come.
    let all: u64 = snapshots
        .values()
        .map(|copy| if copy.done { copy.rows } else { copy.rows_estimated.max(copy.rows) })
        .sum();
    let percent = done.saturating_mul(100).checked_div(all).unwrap_or(100);
    let is_moving = capture.status.state == LoopState::Running && capture.rows_per_second >= 1.0;
    if !is_moving {
        return format!("{percent}%");
    }
    let left = all.saturating_sub(done) as f64 / capture.rows_per_second;
    format!("{percent}%, {} left", duration(Duration::from_secs_f64(left)))
}

/// What is held back, of how much, and for how long that is enough where it is soon.
fn wal_held(capture: &CaptureReport) -> String {
    const SOON: f64 = 86_400.0;
    let held = match (capture.status.retained_bytes, capture.status.retained_bytes_max) {
        (Some(held), Some(most)) => format!("{} of {}", render::bytes(held), render::bytes(most)),
        (Some(held), None) => render::bytes(held),
        (None, _) => "–".into(),
    };
    match capture.seconds_left().filter(|seconds| *seconds < SOON) {
        Some(left) => format!("{held}, full in {}", duration(Duration::from_secs_f64(left))),
        None => held,
    }
}

fn mappings(report: &Report) -> String {
    let headings = [
        ("mapping", Align::Left),
        ("to", Align::Left),
        ("rows", Align::Right),
        ("rows/s", Align::Right),
        ("lag ms", Align::Right),
        ("p99 ms", Align::Right),
        ("parked", Align::Right),
    ];
    let rows: Vec<Vec<String>> = report
        .mappings
        .iter()
        .map(|(name, mapping)| {
            vec![
                name.clone(),
                mapping.writes.clone(),
                render::count(mapping.rows_out),
                render::count(mapping.rows_per_second as u64),
                format!("{:.0}", mapping.lag_ms),
                format!("{:.1}", mapping.p99_ms),
                render::count(mapping.parked),
            ]
        })
        .collect();
    table(&headings, &rows)
}

/// What was found last when tables were verified.
fn verified(report: &Report) -> String {
    if report.verified.is_empty() {
        return String::new();
    }
    let headings = [
        ("verified", Align::Left),
        ("at", Align::Left),
        ("rows", Align::Right),
        ("missing", Align::Right),
        ("extra", Align::Right),
        ("different", Align::Right),
        ("undecided", Align::Right),
    ];
    let row = |(name, Outcome { at, found }): (&String, &Outcome)| {
        let counts =
            [found.rows_said, found.missing, found.extra, found.different, found.undecided];
        let said = match &found.skipped {
            Some(_) => vec!["–".to_owned(); counts.len()],
            None => counts.map(render::count).to_vec(),
        };
        [vec![name.clone(), render::moment(*at)], said].concat()
    };
    format!("\n{}", table(&headings, &report.verified.iter().map(row).collect::<Vec<_>>()))
}

/// Loops that are not well, as problems.
fn troubles(report: &Report) -> Vec<Problem> {
    report.loops().filter_map(|(name, state)| trouble(name, state)).collect()
}

/// What is wrong with one loop.
pub(crate) fn trouble(name: &str, state: &LoopState) -> Option<Problem> {
    let (LoopState::Retrying { error, detail, hint }
    | LoopState::Stopped { error, detail, hint, .. }) = state
    else {
        return None;
    };
    Some(Problem {
        detail: detail.clone(),
        hint: hint.clone(),
        ..Problem::new(format!("{name} is {}: {error}", state_word(state)))
    })
}

/// A length of time in its two largest units: `3m 12s`.
fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::report::MappingReport;
    use crate::verify::{Outcome, TableVerified};
    use std::collections::BTreeMap;
    use syncline_runtime::{CaptureStatus, LaneStatus, Latency, SnapshotStatus};

    fn capture(streaming: bool, state: LoopState) -> CaptureReport {
        let students = SnapshotStatus { rows: 50_000, rows_estimated: 95_000, done: streaming };
        let courses = SnapshotStatus { rows: 2_000, rows_estimated: 0, done: true };
        let status = CaptureStatus {
            state,
            streaming,
            snapshots: BTreeMap::from([
                ("sis.public.students".into(), students),
                ("sis.public.courses".into(), courses),
            ]),
            rows: 52_000,
            durable_commit: 1,
            retained_bytes: Some(3 << 20),
            retained_bytes_max: streaming.then_some(1 << 30),
            commit_to_durable: Latency::default(),
            notices: Vec::new(),
        };
        let retained_growth = if streaming { 2_000_000.0 } else { 0.0 };
        CaptureReport { status, rows_per_second: 1_000.0, retained_growth }
    }

    fn report() -> Report {
        let stopped = LoopState::Stopped {
            kind: "config",
            error: "the slot is gone".into(),
            detail: Some("slot syncline_hr was dropped".into()),
            hint: Some("copy the tables again".into()),
        };
        let lane = LaneStatus {
            state: LoopState::Retrying {
                error: "can't connect to lms".into(),
                detail: None,
                hint: None,
            },
            next: 1,
            end: 2,
            lag_ms: 12.4,
            inserted: 1,
            updated: 1,
            deleted: 1,
            parked: 2,
            commit_to_target: Latency::default(),
        };
        let mapping = MappingReport {
            reads: "sis.public.students".into(),
            writes: "lms.public.users".into(),
            lane: "apply/lms/changes.sis".into(),
            rows_in: 60_000,
            rows_out: 50_000,
            rows_per_second: 1234.5,
            lag_ms: 12.4,
            p99_ms: 8.25,
            parked: 2,
        };
        let outcome = TableVerified {
            table: "lms.public.users".into(),
            rows_said: 50_000,
            missing: 2,
            ..TableVerified::default()
        };
        Report {
            project: "university".into(),
            version: "0",
            process: 1,
            uptime_seconds: 192.0,
            captures: BTreeMap::from([
                ("sis".into(), capture(false, LoopState::Running)),
                ("erp".into(), capture(true, LoopState::Running)),
                ("hr".into(), capture(false, stopped)),
            ]),
            mappings: BTreeMap::from([("person/to_lms.sql".into(), mapping)]),
            lanes: BTreeMap::from([("apply/lms/changes.sis".into(), lane)]),
            entities: BTreeMap::new(),
            verified: BTreeMap::from([(outcome.table.clone(), Outcome { at: 0, found: outcome })]),
        }
    }

    #[test]
    fn a_report_shows_progress_lag_and_what_is_wrong() {
        insta::assert_snapshot!(to_text(&report()));
    }

    #[test]
    fn lengths_of_time_have_two_units() {
        let of = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!(of(59), "59s");
        assert_eq!(of(192), "3m 12s");
        assert_eq!(of(3660), "1h 01m");
        assert_eq!(of(90_000), "1d 01h");
    }
}
