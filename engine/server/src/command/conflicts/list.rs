//! `conflicts list`.

use super::desk::{filter, of_store, to_read};
use super::view::{Eyes, View, age, shortened, shown};
use crate::arguments::List;
use crate::clock::SystemClock;
use crate::command::Context;
use crate::problem::{Exit, Outcome};
use crate::project::Project;
use crate::render::{Align, count, table};
use serde::Serialize;
use std::collections::BTreeMap;
use syncline_control::Order;
use syncline_runtime::Clock as _;

/// How much of a value is listed, in characters.
const VALUE_CHARACTERS: usize = 24;

#[derive(Debug, Default, Serialize)]
struct Report {
    conflicts: Vec<View>,
    /// How many are meant, listed or not.
    total: u64,
    /// These by kind.
    kinds: BTreeMap<&'static str, u64>,
}

/// Lists conflicts.
pub(super) async fn run(context: &Context, project: &Project, list: &List) -> Outcome<Exit> {
    let filter = filter(project, &list.filter, Order::NewestFirst, list.limit)?;
    let mut report = Report::default();
    if let Some(control) = to_read(project).await? {
        let eyes = Eyes::new(project, list.filter.reveal, SystemClock.now());
        let page = control.list(&filter).await.map_err(of_store)?;
        report.conflicts = page.into_iter().map(|conflict| eyes.see(conflict)).collect();
        let kinds = control.counts_by_kind(&filter).await.map_err(of_store)?;
        report.kinds = kinds.into_iter().map(|(kind, n)| (kind.as_str(), n)).collect();
        report.total = report.kinds.values().sum();
    }
    context.output.result(&report, to_text);
    Ok(Exit::Ok)
}

fn to_text(report: &Report) -> String {
    if report.conflicts.is_empty() {
        return "no conflict is meant\n".to_owned();
    }
    let headings = [
        ("id", Align::Right),
        ("entity", Align::Left),
        ("key", Align::Left),
        ("field", Align::Left),
        ("kind", Align::Left),
        ("state", Align::Left),
        ("words", Align::Left),
        ("in force", Align::Left),
        ("age", Align::Right),
    ];
    let rows: Vec<Vec<String>> = report.conflicts.iter().map(row).collect();
    format!("{}\n{}", table(&headings, &rows), counts(report))
}

fn row(view: &View) -> Vec<String> {
    let value = |value: Option<&str>| shortened(&shown(value), VALUE_CHARACTERS);
    let words: Vec<String> = view
        .words
        .iter()
        .map(|word| format!("{}: {}", word.source, value(word.value.as_deref())))
        .collect();
    vec![
        view.id.to_string(),
        view.entity.clone(),
        shortened(&shown(Some(&view.key.join(", "))), 2 * VALUE_CHARACTERS),
        view.field.clone(),
        view.kind.as_str().to_owned(),
        view.state.as_str().to_owned(),
        words.join(" | "),
        value(view.in_force.as_deref()),
        age(view.age_seconds),
    ]
}

fn counts(report: &Report) -> String {
    let kinds: Vec<String> =
        report.kinds.iter().map(|(kind, n)| format!("{} {kind}", count(*n))).collect();
    let listed = u64::try_from(report.conflicts.len()).unwrap_or(u64::MAX);
    let more = match report.total.saturating_sub(listed) {
        0 => String::new(),
        more => format!("; {} more not listed, see --limit", count(more)),
    };
    let noun = if report.total == 1 { "conflict" } else { "conflicts" };
    format!("{} {noun}: {}{more}\n", count(report.total), kinds.join(", "))
}

#[cfg(test)]
pub(super) fn text_of(conflicts: Vec<View>, total: u64) -> String {
    to_text(&Report { conflicts, total, kinds: BTreeMap::from([("value_concurrent", total)]) })
}
