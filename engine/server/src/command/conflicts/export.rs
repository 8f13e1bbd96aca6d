//! `conflicts export`: page by page, so that any number of them goes through.

use super::desk::{filter, of_store, to_read};
use super::view::{Eyes, View, WordView};
use crate::arguments::{Export, ExportFormat};
use crate::clock::SystemClock;
use crate::command::Context;
use crate::problem::{Exit, Outcome};
use crate::project::Project;
use syncline_control::Order;
use syncline_runtime::Clock as _;

/// How many conflicts are read at a time.
const PAGE: u32 = 500;

const HEADINGS: [&str; 18] = [
    "id",
    "entity",
    "key",
    "field",
    "kind",
    "state",
    "settled",
    "source",
    "mapping",
    "record",
    "value",
    "is_null",
    "since",
    "uncertainty_ms",
    "in_force",
    "policy",
    "raised_at",
    "changed_at",
];

/// Writes all conflicts that are meant.
pub(super) async fn run(context: &Context, project: &Project, export: &Export) -> Outcome<Exit> {
    let mut filter = filter(project, &export.filter, Order::OldestFirst, PAGE)?;
    let is_json = export.format == ExportFormat::Json || context.output.is_json();
    let eyes = Eyes::new(project, export.filter.reveal, SystemClock.now());
    let mut lines = Lines { is_json, is_first: true };
    context.output.part(lines.begin());
    if let Some(control) = to_read(project).await? {
        loop {
            let page = control.list(&filter).await.map_err(of_store)?;
            let Some(last) = page.last() else { break };
            filter.after = Some(last.id);
            let text: String = page.into_iter().map(|it| lines.of(&eyes.see(it))).collect();
            context.output.part(&text);
        }
    }
    context.output.part(lines.end());
    Ok(Exit::Ok)
}

/// How a conflict is written, after those before it.
struct Lines {
    is_json: bool,
    is_first: bool,
}

impl Lines {
    fn begin(&self) -> String {
        if self.is_json { "[".to_owned() } else { line(HEADINGS) }
    }

    fn of(&mut self, view: &View) -> String {
        if !self.is_json {
            return csv(view);
        }
        let comma = if std::mem::take(&mut self.is_first) { "\n" } else { ",\n" };
        format!("{comma}{}", serde_json::to_string(view).expect("a view is JSON"))
    }

    fn end(&self) -> &'static str {
        if self.is_json { "\n]\n" } else { "" }
    }
}

/// A line for each word; one without where there is none.
fn csv(view: &View) -> String {
    if view.words.is_empty() {
        return csv_line(view, None);
    }
    view.words.iter().map(|word| csv_line(view, Some(word))).collect()
}

fn csv_line(view: &View, word: Option<&WordView>) -> String {
    let id = view.id.to_string();
    let key = serde_json::to_string(&view.key).expect("texts are JSON");
    let of_word = |part: fn(&WordView) -> &str| word.map_or("", part);
    let is_null = word.map_or("", |word| if word.value.is_none() { "true" } else { "false" });
    let uncertainty = word.map(|word| word.uncertainty_ms.to_string()).unwrap_or_default();
    line([
        &id,
        &view.entity,
        &key,
        &view.field,
        view.kind.as_str(),
        view.state.as_str(),
        view.settled.as_ref().map_or("", |reason| reason.as_str()),
        of_word(|word| &word.source),
        of_word(|word| &word.mapping),
        of_word(|word| &word.record),
        of_word(|word| word.value.as_deref().unwrap_or_default()),
        is_null,
        of_word(|word| word.since.as_deref().unwrap_or_default()),
        &uncertainty,
        view.in_force.as_deref().unwrap_or_default(),
        &view.policy,
        &view.raised_at,
        &view.changed_at,
    ])
}

/// A line as RFC 4180 has it.
fn line(values: [&str; HEADINGS.len()]) -> String {
    values.map(quoted).join(",") + "\r\n"
}

fn quoted(value: &str) -> String {
    if value.contains(['"', ',', '\n', '\r']) {
        return format!("\"{}\"", value.replace('"', "\"\""));
    }
    value.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_commas_quotes_and_lines() {
        assert_eq!(quoted("a"), "a");
        assert_eq!(quoted("a,\"b\"\n"), "\"a,\"\"b\"\"\n\"");
    }
}
