//! Row by row: does every target hold what the mappings say?

use super::stage::failed;
use crate::output::Output;
use crate::problem::{Exit, Outcome};
use crate::render::{Align, count, table};
use serde::Serialize;
use std::fmt::Write as _;
use syncline_demo::{TableReport, University, VerifyReport, verify};

#[derive(Serialize)]
struct Proof {
    proven: bool,
    targets: Vec<Target>,
}

#[derive(Serialize)]
struct Target {
    mapping: &'static str,
    table: String,
    rows: u64,
    missing: u64,
    extra: u64,
    different: u64,
    parked: u64,
    /// The first differences, for whoever looks into them; the university is made up.
    samples: Vec<String>,
}

/// Compares all targets with their sources and prints the outcome.
pub(super) async fn prove(output: Output, university: &University) -> Outcome<Exit> {
    let report = verify(university).await.map_err(failed)?;
    let proof = Proof::of(&report);
    output.result(&proof, to_text);
    Ok(if proof.proven { Exit::Ok } else { Exit::Findings })
}

impl Proof {
    fn of(report: &VerifyReport) -> Self {
        let targets = report.tables.iter().map(Target::of);
        Self { proven: report.is_equal() && report.rows() > 0, targets: targets.collect() }
    }
}

impl Target {
    fn of(report: &TableReport) -> Self {
        Self {
            mapping: report.mapping,
            table: report.table.clone(),
            rows: report.rows,
            missing: report.missing,
            extra: report.extra,
            different: report.different,
            parked: report.parked,
            samples: report.samples.iter().map(|sample| format!("{sample:?}")).collect(),
        }
    }
}

fn to_text(proof: &Proof) -> String {
    let headings = [
        ("target", Align::Left),
        ("mapping", Align::Left),
        ("rows", Align::Right),
        ("missing", Align::Right),
        ("extra", Align::Right),
        ("different", Align::Right),
        ("parked", Align::Right),
    ];
    let rows: Vec<Vec<String>> = proof
        .targets
        .iter()
        .map(|target| {
            let counts =
                [target.rows, target.missing, target.extra, target.different, target.parked];
            let names = [target.table.clone(), target.mapping.to_owned()];
            names.into_iter().chain(counts.map(count)).collect()
        })
        .collect();
    let mut text = table(&headings, &rows);
    for target in &proof.targets {
        for sample in &target.samples {
            let _ = writeln!(text, "{}: {sample}", target.table);
        }
    }
    text += if proof.proven {
        "proven: every target holds what the mappings say\n"
    } else {
        "NOT proven: see the differences above\n"
    };
    text
}
