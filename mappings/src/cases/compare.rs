//! Runs a case in every cut and compares what comes out.

use super::fixture::{self, Fixture};
use super::format::{Case, Parked};
use super::value;
use crate::{Catalog, Mapping};
use std::fmt;
use syncline_core::{ChangeBatch, Op, RejectedRow};

/// One case, and what was not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseOutcome {
    /// The case's name.
    pub name: String,
    /// What was not as expected, in sentences; empty where all was.
    pub differences: Vec<String>,
}

impl CaseOutcome {
    /// Whether everything was as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

/// A target row as it is compared and shown.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    op: &'static str,
    /// The columns it speaks of.
    values: Vec<(String, String)>,
}

/// A parked change.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Set {
    change: usize,
    reason: String,
}

/// What a mapping made of a case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Outcome {
    rows: Vec<Row>,
    parked: Vec<Set>,
}

pub(super) fn run(
    case: &Case,
    default: Option<&str>,
    mappings: &[Mapping],
    catalog: &Catalog,
) -> CaseOutcome {
    let differences = differences(case, default, mappings, catalog);
    CaseOutcome {
        name: case.name.clone(),
        differences: differences.unwrap_or_else(|failure| vec![failure]),
    }
}

fn differences(
    case: &Case,
    default: Option<&str>,
    mappings: &[Mapping],
    catalog: &Catalog,
) -> Result<Vec<String>, String> {
    let name = case.mapping.as_deref().or(default).ok_or("the case names no mapping")?;
    let mapping = mappings
        .iter()
        .find(|mapping| mapping.name == name)
        .ok_or_else(|| format!("there is no mapping {name} without errors"))?;
    let expected = expected_rows(case, mapping)?;
    let fixture = fixture::fixture(case, mapping, catalog)?;
    let whole = outcome(mapping, &fixture, &[])?;
    let mut differences = compare_rows(&expected, &whole.rows);
    differences.extend(compare_parked(&case.parked, &whole.parked));
    for cuts in all_cuts(&fixture.batch) {
        let cut = outcome(mapping, &fixture, &cuts)?;
        if cut != whole {
            differences.push(format!("cut into batches at {cuts:?} the outcome is another"));
            break;
        }
    }
    Ok(differences)
}

/// Every place alone, and all at once. A before image stays with its update.
fn all_cuts(batch: &ChangeBatch) -> Vec<Vec<usize>> {
    let places: Vec<usize> =
        (1..batch.len()).filter(|&row| batch.op(row - 1) != Op::Before).collect();
    places.iter().map(|&place| vec![place]).chain([places.clone()]).collect()
}

fn outcome(mapping: &Mapping, fixture: &Fixture, cuts: &[usize]) -> Result<Outcome, String> {
    let mut outcome = Outcome::default();
    let mut start = 0;
    for &end in cuts.iter().chain([&fixture.batch.len()]) {
        let part = fixture.batch.slice(start..end);
        let done = mapping.transform.transform(&part).map_err(|error| error.to_string())?;
        outcome.rows.extend((0..done.rows.len()).map(|row| read_row(&done.rows, row)));
        outcome.parked.extend(done.rejected.iter().map(|row| read_parked(row, start, fixture)));
        start = end;
    }
    Ok(outcome)
}

fn read_row(batch: &ChangeBatch, row: usize) -> Row {
    let columns = batch.schema().columns().iter().enumerate();
    let values = columns
        .filter(|(index, _)| batch.presence().has(row, *index))
        .map(|(index, column)| {
            (column.name.clone(), value::shown(batch.columns().column(index), row))
        })
        .collect();
    Row { op: op_name(batch.op(row)), values }
}

fn read_parked(rejected: &RejectedRow, start: usize, fixture: &Fixture) -> Set {
    let change = fixture.changes.get(start + rejected.row).map_or(0, |change| change + 1);
    let expression = rejected.expression.as_ref().map(|text| format!("{text}: "));
    Set { change, reason: format!("{}{}", expression.unwrap_or_default(), rejected.reason) }
}

fn expected_rows(case: &Case, mapping: &Mapping) -> Result<Vec<Row>, String> {
    let schema = mapping.transform.writes();
    let images = fixture::images(&case.rows)?;
    let columns =
        fixture::columns(schema, &images).map_err(|why| format!("expected row: {why}"))?;
    let rows = images.iter().enumerate().map(|(row, image)| Row {
        op: op_name(image.op),
        values: schema
            .columns()
            .iter()
            .zip(&columns)
            .filter(|(column, _)| {
                image.values.contains_key(&column.name) || image.null.contains(&column.name)
            })
            .map(|(column, array)| (column.name.clone(), value::shown(array, row)))
            .collect(),
    });
    Ok(rows.collect())
}

fn compare_rows(expected: &[Row], found: &[Row]) -> Vec<String> {
    let mut differences = Vec::new();
    for at in 0..expected.len().max(found.len()) {
        let number = at + 1;
        match (expected.get(at), found.get(at)) {
            (Some(expected), Some(found)) if expected != found => differences
                .push(format!("row {number}: expected {expected}\n        and found {found}")),
            (Some(expected), None) => {
                differences.push(format!("row {number}: expected {expected}, and found nothing"));
            }
            (None, Some(found)) => differences.push(format!("row {number}: found {found} as well")),
            _ => {}
        }
    }
    differences
}

fn compare_parked(expected: &[Parked], found: &[Set]) -> Vec<String> {
    let mut differences = Vec::new();
    for wanted in expected {
        let Parked { change, reason } = wanted;
        match found.iter().find(|found| found.change == *change) {
            None => differences.push(format!("change {change} should be parked, and is not")),
            Some(found) if !found.reason.contains(reason.as_str()) => differences.push(format!(
                "change {change} should be parked for {reason:?}, and is for {:?}",
                found.reason
            )),
            Some(_) => {}
        }
    }
    for Set { change, reason } in found {
        if !expected.iter().any(|expected| expected.change == *change) {
            differences.push(format!("change {change} is parked: {reason}"));
        }
    }
    differences
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<String> =
            self.values.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        write!(f, "{} ({})", self.op, values.join(", "))
    }
}

fn op_name(op: Op) -> &'static str {
    match op {
        Op::Insert => "insert",
        Op::Update => "update",
        Op::Delete => "delete",
        Op::Before => "before",
        Op::Snapshot => "snapshot",
    }
}
