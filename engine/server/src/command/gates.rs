//! `gates`: where much of a table would go or change at once, and waits for a person.

use super::Context;
use super::conflicts::desk::{conflict, of_store, person, to_read, to_write};
use super::conflicts::view::age;
use crate::arguments::{GatesAction, OpenGate};
use crate::clock::SystemClock;
use crate::decisions::decision_id;
use crate::gates::LET_PASS;
use crate::problem::{Exit, Outcome, Problem};
use crate::render::{Align, table};
use serde::Serialize;
use syncline_control::{Conflict, ConflictKind, Decision, Filter, Order, State};
use syncline_runtime::Clock as _;

/// More than there are tables.
const GATES_MAX: u32 = 10_000;

/// A gate that is shut.
#[derive(Debug, Serialize)]
struct Gate {
    id: i64,
    table: String,
    what: String,
    rows: Option<String>,
    mapping: Option<String>,
    /// Some of the keys, a JSON array.
    keys: Option<String>,
    age_seconds: i64,
}

#[derive(Debug, Serialize)]
struct Report {
    gates: Vec<Gate>,
}

#[derive(Debug, Serialize)]
struct Opened {
    gate: i64,
    decision: String,
}

/// Lists gates, or opens one.
pub(crate) async fn run(context: &Context, action: GatesAction) -> Outcome<Exit> {
    match action {
        GatesAction::List => list(context).await,
        GatesAction::Open(open) => let_pass(context, &open).await,
    }
}

async fn list(context: &Context) -> Outcome<Exit> {
    let project = context.project()?;
    let mut gates = Vec::new();
    if let Some(control) = to_read(&project).await? {
        let filter = Filter {
            kind: Some(ConflictKind::MassChange),
            state: Some(State::Open),
            order: Order::OldestFirst,
            limit: GATES_MAX,
            ..Filter::default()
        };
        let now = SystemClock.now();
        let shut = control.list(&filter).await.map_err(of_store)?;
        gates.extend(shut.into_iter().map(|gate| seen(gate, now)));
    }
    context.output.result(&Report { gates }, to_text);
    Ok(Exit::Ok)
}

fn seen(gate: Conflict, now: i64) -> Gate {
    let claim = gate.claims.into_iter().next();
    Gate {
        id: gate.id,
        table: gate.entity,
        what: gate.subject,
        rows: claim.as_ref().and_then(|claim| claim.value.clone()),
        mapping: claim.as_ref().map(|claim| claim.mapping.clone()),
        keys: claim.map(|claim| claim.record),
        age_seconds: now.saturating_sub(gate.changed_at) / 1_000_000,
    }
}

async fn let_pass(context: &Context, open: &OpenGate) -> Outcome<Exit> {
    let project = context.project()?;
    let by = person(open.person.as_deref())?;
    let control = to_write(&project).await?;
    let gate = conflict(&control, open.id).await?;
    if gate.kind != ConflictKind::MassChange || gate.state != State::Open {
        return Err(Problem::new(format!("{} is no gate that is shut", open.id))
            .hint("`syncline gates list` has them".to_owned())
            .into());
    }
    let at = SystemClock.now();
    let decision = Decision {
        id: decision_id(gate.id, at),
        conflict: gate.id,
        what: LET_PASS.to_owned(),
        by,
        at,
        note: open.note.clone(),
        evidence: gate.evidence,
    };
    control.decide(&decision).await.map_err(of_store)?;
    let report = Opened { gate: gate.id, decision: decision.id };
    let table = gate.entity;
    context.output.result(&report, |report| {
        format!("gate {} is open: what waits for {table} goes on\n", report.gate)
    });
    Ok(Exit::Ok)
}

fn to_text(report: &Report) -> String {
    if report.gates.is_empty() {
        return "no gate is shut\n".to_owned();
    }
    let headings = [
        ("id", Align::Right),
        ("table", Align::Left),
        ("what", Align::Left),
        ("rows", Align::Left),
        ("mapping", Align::Left),
        ("keys", Align::Left),
        ("age", Align::Right),
    ];
    let rows = report.gates.iter().map(|gate| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![
            gate.id.to_string(),
            gate.table.clone(),
            gate.what.clone(),
            text(&gate.rows),
            text(&gate.mapping),
            text(&gate.keys),
            age(gate.age_seconds),
        ]
    });
    table(&headings, &rows.collect::<Vec<_>>())
}
