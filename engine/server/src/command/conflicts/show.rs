//! `conflicts show`.

use super::desk::{conflict, of_store, to_read, unknown};
use super::view::{Eyes, View, WordView, age, shown};
use crate::arguments::Show;
use crate::clock::SystemClock;
use crate::command::Context;
use crate::problem::{Exit, Outcome};
use crate::project::Project;
use crate::render::{Align, count, table};
use serde::Serialize;
use std::fmt::Write as _;
use syncline_control::{
    CloseReason, Conflict, Control, DecisionFilter, DecisionRecord, Event, Happened,
};
use syncline_resolve::decisions::Answer;
use syncline_resolve::utc;
use syncline_runtime::Clock as _;

/// How many decisions of one conflict are shown.
const DECISIONS_MAX: u32 = 1000;

#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    conflict: View,
    history: Vec<Step>,
}

/// Something that happened to the conflict.
#[derive(Debug, Serialize)]
struct Step {
    at: String,
    what: &'static str,
    /// What settled it, or had.
    reason: Option<CloseReason>,
    by: Option<String>,
    decision: Option<String>,
    note: Option<String>,
    /// The source whose word was taken.
    took: Option<String>,
    /// What was decided: a value a field, unless covered.
    values: Option<Vec<Option<String>>>,
    /// Who said what then.
    words: Vec<WordView>,
}

/// Shows a conflict with all that is known of it.
pub(super) async fn run(context: &Context, project: &Project, show: &Show) -> Outcome<Exit> {
    let control = to_read(project).await?.ok_or_else(|| unknown(show.id))?;
    let found = conflict(&control, show.id).await?;
    let eyes = Eyes::new(project, show.reveal, SystemClock.now());
    let decisions = decisions(&control, show.id).await?;
    let events = control.history(show.id).await.map_err(of_store)?;
    let report = Report::new(found, events, &decisions, eyes);
    context.output.result(&report, to_text);
    Ok(Exit::Ok)
}

impl Report {
    fn new(
        conflict: Conflict,
        events: Vec<Event>,
        decisions: &[DecisionRecord],
        eyes: Eyes<'_>,
    ) -> Self {
        let of = (eyes, conflict.entity.as_str(), conflict.subject.as_str());
        let history = events.into_iter().map(|event| step(event, decisions, of)).collect();
        Self { history, conflict: eyes.see(conflict) }
    }
}

async fn decisions(control: &Control, id: i64) -> Outcome<Vec<DecisionRecord>> {
    let filter =
        DecisionFilter { conflict: Some(id), limit: DECISIONS_MAX, ..DecisionFilter::default() };
    control.decisions(&filter).await.map_err(of_store)
}

fn step(
    event: Event,
    decisions: &[DecisionRecord],
    (eyes, entity, subject): (Eyes<'_>, &str, &str),
) -> Step {
    let step = Step {
        at: utc(event.at),
        what: "",
        reason: None,
        by: None,
        decision: None,
        note: None,
        took: None,
        values: None,
        words: Vec::new(),
    };
    let words = |claims| eyes.words(entity, subject, claims);
    match event.happened {
        Happened::Raised { claims, .. } => Step { what: "raised", words: words(claims), ..step },
        Happened::EvidenceChanged { claims, .. } => {
            Step { what: "evidence_changed", words: words(claims), ..step }
        }
        Happened::Reopened { after, claims, .. } => {
            Step { what: "reopened", reason: Some(after), words: words(claims), ..step }
        }
        Happened::Closed { reason } => Step { what: "closed", reason: Some(reason), ..step },
        Happened::Undone { decision, by } => {
            Step { what: "undone", by: Some(by), decision: Some(decision), ..step }
        }
        Happened::Decided { decision, by } => {
            let made = decisions.iter().find(|it| it.decision.id == decision);
            let answer: Option<Answer> =
                made.and_then(|it| serde_json::from_str(&it.decision.what).ok());
            let is_shown = !eyes.covers(entity, subject);
            Step {
                what: "decided",
                by: Some(by),
                decision: Some(decision),
                note: made.and_then(|it| it.decision.note.clone()),
                took: answer.as_ref().and_then(|answer| answer.took.clone()),
                values: answer.map(|answer| answer.values).filter(|_| is_shown),
                ..step
            }
        }
    }
}

fn to_text(report: &Report) -> String {
    let view = &report.conflict;
    let mut text = format!("conflict {}: {} of {}\n", view.id, view.field, view.entity);
    let mut line = |word: &str, said: &str| {
        let _ = writeln!(text, "  {word:<9}  {said}");
    };
    line("key", &view.key.join(", "));
    line("kind", view.kind.as_str());
    line("state", &state(view));
    line("in force", &shown(view.in_force.as_deref()));
    line("policy", &view.policy);
    line("revision", &view.policy_revision);
    line("raised", &format!("{}, {} ago", view.raised_at, age(view.age_seconds)));
    line("reopened", &format!("{} times", count(view.times_reopened)));
    line("waiting", &format!("{} rows", count(view.waiting)));
    line("evidence", &view.evidence);
    if view.covered {
        line("covered", "its values are sensitive; --reveal shows them");
    }
    format!("{text}\n{}\n{}", words(&view.words), history(&report.history))
}

fn state(view: &View) -> String {
    match &view.settled {
        Some(reason) => format!("{}: {}", view.state.as_str(), settled(reason)),
        None => view.state.as_str().to_owned(),
    }
}

fn settled(reason: &CloseReason) -> String {
    match reason {
        CloseReason::Agreed => "the sources agree".to_owned(),
        CloseReason::Decided { decision } => format!("by decision {decision}"),
        CloseReason::PolicyChanged => "it is decided otherwise by now".to_owned(),
        CloseReason::Gone => "the record is gone".to_owned(),
    }
}

fn words(words: &[WordView]) -> String {
    let headings = [
        ("source", Align::Left),
        ("says", Align::Left),
        ("since", Align::Left),
        ("±", Align::Right),
        ("record", Align::Left),
        ("mapping", Align::Left),
    ];
    let row = |word: &WordView| {
        vec![
            word.source.clone(),
            shown(word.value.as_deref()),
            word.since.clone().unwrap_or_else(|| "before the first copy".to_owned()),
            format!("{} ms", count(word.uncertainty_ms.unsigned_abs())),
            word.record.clone(),
            word.mapping.clone(),
        ]
    };
    table(&headings, &words.iter().map(row).collect::<Vec<_>>())
}

fn history(steps: &[Step]) -> String {
    let headings = [("at", Align::Left), ("what", Align::Left), ("", Align::Left)];
    let row = |step: &Step| vec![step.at.clone(), step.what.replace('_', " "), told(step)];
    table(&headings, &steps.iter().map(row).collect::<Vec<_>>())
}

fn told(step: &Step) -> String {
    let mut parts = Vec::new();
    parts.extend(step.by.as_ref().map(|by| format!("by {by}")));
    parts.extend(step.decision.as_ref().map(|id| format!("decision {id}")));
    parts.extend(step.took.as_ref().map(|took| format!("took {took}")));
    parts.extend(
        step.values.as_ref().map(|values| {
            values.iter().map(|it| shown(it.as_deref())).collect::<Vec<_>>().join(", ")
        }),
    );
    parts.extend(step.note.as_ref().map(|note| format!("“{}”", shown(Some(note)))));
    parts.extend(step.reason.as_ref().map(|reason| match step.what {
        "reopened" => format!("was {}", reason.as_str()),
        _ => settled(reason),
    }));
    let word = |it: &WordView| format!("{}: {}", it.source, shown(it.value.as_deref()));
    parts.extend(step.words.iter().map(word));
    parts.join("; ")
}

#[cfg(test)]
pub(super) fn text_of(conflict: Conflict, events: Vec<Event>, eyes: Eyes<'_>) -> String {
    to_text(&Report::new(conflict, events, &[], eyes))
}
