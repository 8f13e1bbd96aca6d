//! `why` as a person reads it.

use super::why::{Report, Route};
use super::why_words::{because, change, exists, margin, moment, said_before, shown, standing};
use crate::policies::policy_sentence;
use crate::render::{Align, table};
use std::fmt::Write as _;
use syncline_resolve::{DecisionStanding, RecordState, Said, WhyUnit};

/// Everything of one field, or an overview of all.
pub(super) fn to_text(report: &Report, words: usize) -> String {
    let why = &report.why;
    let mut text = format!("{} {}\n", why.entity, why.key.join(" "));
    let mut line = |word: &str, said: &str| {
        let _ = writeln!(text, "  {word:<9}  {said}");
    };
    line("exists", &exists(&why.existence));
    if let Some(id) = report.conflicts.get("existence") {
        line("asked", &format!("whether it exists is for a person to say: conflict {id}"));
    }
    let outdated =
        if why.is_outdated { "; the project has others, `syncline plan` compares" } else { "" };
    let revision: String = why.rules.chars().take(8).collect();
    line("rules", &format!("{revision}{outdated}"));
    let is_one = words > why.key.len();
    match why.units.as_slice() {
        [unit] if is_one => text += &one(unit, report.conflicts.get(&unit.name).copied()),
        units => text += &overview(units, report),
    }
    if !is_one {
        text += &records(report);
    }
    text += &routes(report);
    text
}

fn overview(units: &[WhyUnit], report: &Report) -> String {
    let headings = [("field", Align::Left), ("value", Align::Left), ("because", Align::Left)];
    let row = |unit: &WhyUnit| {
        let asked = match (report.conflicts.get(&unit.name), unit.conflict) {
            (Some(id), Some(_)) => format!("; a person is asked: conflict {id}"),
            (None, Some(_)) => "; a person is asked".to_owned(),
            (_, None) => String::new(),
        };
        let value = shown(unit.value.as_deref(), &unit.fields);
        vec![unit.name.clone(), value, format!("{}{asked}", because(unit))]
    };
    let rows: Vec<Vec<String>> = units.iter().map(row).collect();
    format!("\n{}", table(&headings, &rows))
}

fn one(unit: &WhyUnit, conflict: Option<i64>) -> String {
    let mut text = format!("\n{} = {}\n", unit.name, shown(unit.value.as_deref(), &unit.fields));
    let mut line = |word: &str, said: &str| {
        let _ = writeln!(text, "  {word:<9}  {said}");
    };
    line("because", &because(unit));
    line("policy", &policy_sentence(&unit.policy));
    for column in &unit.columns {
        let value = shown(column.value.as_deref(), &unit.fields);
        line("column", &format!("{} = {value}", column.source));
    }
    for said in margin(unit) {
        line("margin", &said);
    }
    if let Some(kind) = unit.conflict {
        let id = conflict.map_or_else(String::new, |id| format!("conflict {id}: "));
        line("asked", &format!("{id}a person has to decide ({kind})"));
    }
    line("would be", &change(unit));
    text += &said(unit);
    text += &decisions(unit);
    text
}

fn said(unit: &WhyUnit) -> String {
    if unit.said.is_empty() {
        return "\nno source speaks of it\n".to_owned();
    }
    let headings = [
        ("source", Align::Left),
        ("says", Align::Left),
        ("since", Align::Left),
        ("record", Align::Left),
        ("mapping", Align::Left),
        ("counts", Align::Left),
    ];
    let mut rows = Vec::new();
    for said in &unit.said {
        rows.push(said_row(unit, said));
        rows.extend(said_before(unit, said));
    }
    format!("\n{}", table(&headings, &rows))
}

fn said_row(unit: &WhyUnit, said: &Said) -> Vec<String> {
    vec![
        said.source.clone().unwrap_or_else(|| "–".to_owned()),
        shown(said.value.as_deref(), &unit.fields),
        said.since.map_or_else(|| "–".to_owned(), moment),
        said.record.clone(),
        said.mapping.clone(),
        standing(said),
    ]
}

fn decisions(unit: &WhyUnit) -> String {
    if unit.decisions.is_empty() {
        return String::new();
    }
    let headings = [
        ("decision", Align::Left),
        ("decided", Align::Left),
        ("at", Align::Left),
        ("counts", Align::Left),
    ];
    let counts = |standing| match standing {
        DecisionStanding::Stands => "yes",
        DecisionStanding::Outdated => "no, the sources say something else since",
        DecisionStanding::Superseded => "no, a later one does",
    };
    let rows: Vec<Vec<String>> = unit
        .decisions
        .iter()
        .map(|made| {
            let value = shown(made.value.as_deref(), &unit.fields);
            vec![made.id.clone(), value, moment(made.at), counts(made.standing).to_owned()]
        })
        .collect();
    format!("\n{}", table(&headings, &rows))
}

fn records(report: &Report) -> String {
    let headings = [
        ("source", Align::Left),
        ("record", Align::Left),
        ("mapping", Align::Left),
        ("state", Align::Left),
        ("heard", Align::Left),
    ];
    let state = |state| match state {
        RecordState::There => "there",
        RecordState::Deleted => "deleted",
        RecordState::Ours => "there by our writes only",
        RecordState::Unmapped => "does not count, its mapping is gone",
    };
    let row = |record: &syncline_resolve::Record| {
        vec![
            record.source.clone().unwrap_or_else(|| "–".to_owned()),
            record.record.clone(),
            record.mapping.clone(),
            state(record.state).to_owned(),
            record.heard.map_or_else(|| "–".to_owned(), moment),
        ]
    };
    let rows: Vec<Vec<String>> = report.why.existence.records.iter().map(row).collect();
    format!("\n{}", table(&headings, &rows))
}

fn routes(report: &Report) -> String {
    if report.goes_to.is_empty() {
        return "\nno mapping carries it on\n".to_owned();
    }
    let headings = [("goes to", Align::Left), ("by", Align::Left), ("how far", Align::Left)];
    let rows: Vec<Vec<String>> = report
        .goes_to
        .iter()
        .map(|route| vec![route.writes.clone(), route.mapping.clone(), how_far(report, route)])
        .collect();
    format!("\n{}", table(&headings, &rows))
}

fn how_far(report: &Report, route: &Route) -> String {
    let lane = match &route.lane {
        _ if !report.is_running => "nothing runs".to_owned(),
        None => "not by the process that runs".to_owned(),
        Some(lane) if lane.state != "running" => format!("the lane is {}", lane.state),
        Some(lane) if lane.waiting == 0 => "all is there".to_owned(),
        Some(lane) => format!("{:.1} s behind", lane.lag_ms / 1000.0),
    };
    match (route.set_aside.as_slice(), &route.unknown) {
        ([], None) => lane,
        ([], Some(unknown)) => format!("{lane}; what is set aside is not known: {unknown}"),
        (reasons, _) => format!("set aside: {}", reasons.join("; ")),
    }
}
