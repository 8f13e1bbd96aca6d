//! `conflicts decide`: one conflict, or all that are alike.

use super::answer::Subject;
use super::desk::{conflict, of_store, person, to_write};
use super::view::Eyes;
use crate::arguments::{Choice, Decide};
use crate::clock::SystemClock;
use crate::command::Context;
use crate::decisions::decision_id;
use crate::problem::{Exit, Failure, Outcome, Problem};
use crate::project::Project;
use crate::render::count;
use serde::Serialize;
use std::collections::BTreeSet;
use syncline_control::{Conflict, Control, Decision, Error, Filter, Order, State};
use syncline_resolve::decisions::Answer;
use syncline_runtime::Clock as _;

/// How many conflicts are read at a time.
const PAGE: u32 = 500;

#[derive(Debug, Default, Serialize)]
struct Report {
    decided: Vec<Decided>,
    /// Conflicts that became others meanwhile, or that this answers in no way.
    skipped: Vec<i64>,
}

#[derive(Debug, Serialize)]
struct Decided {
    conflict: i64,
    decision: String,
    /// A value a field; none where they are sensitive.
    values: Option<Vec<Option<String>>>,
}

/// Answers a conflict, or all that are alike.
pub(super) async fn run(context: &Context, project: &Project, decide: &Decide) -> Outcome<Exit> {
    let by = person(decide.person.as_deref())?;
    let control = to_write(project).await?;
    let first = conflict(&control, decide.id).await?;
    expect_open(&first)?;
    expect_seen(&first, decide.evidence.as_deref())?;
    let subject = Subject::of(project, &first)?;
    let answer = subject.answer(&decide.choice, &first)?;
    let mut desk = Desk {
        control: &control,
        project,
        by,
        note: decide.note.clone(),
        report: Report::default(),
    };
    if decide.alike {
        let alike = alike(&control, &first, &decide.choice).await?;
        if alike.len() > 1 && !decide.yes {
            return Err(unconfirmed(alike.len()));
        }
        for conflict in alike {
            match subject.answer(&decide.choice, &conflict) {
                Ok(answer) => desk.decide_or_skip(&conflict, answer).await?,
                Err(_) => desk.report.skipped.push(conflict.id),
            }
        }
    } else {
        desk.decide(&first, answer).await.map_err(of_store)?;
    }
    context.output.result(&desk.report, to_text);
    Ok(Exit::Ok)
}

/// Where decisions are written.
struct Desk<'a> {
    control: &'a Control,
    project: &'a Project,
    by: String,
    note: Option<String>,
    report: Report,
}

impl Desk<'_> {
    async fn decide(&mut self, conflict: &Conflict, answer: Answer) -> Result<(), Error> {
        let at = SystemClock.now();
        let id = decision_id(conflict.id, at);
        let decision = Decision {
            id: id.clone(),
            conflict: conflict.id,
            what: serde_json::to_string(&answer).expect("an answer is JSON"),
            by: self.by.clone(),
            at,
            note: self.note.clone(),
            evidence: conflict.evidence.clone(),
        };
        self.control.decide(&decision).await?;
        let eyes = Eyes::new(self.project, false, at);
        let is_shown = !eyes.covers(&conflict.entity, &conflict.subject);
        let values = is_shown.then_some(answer.values);
        self.report.decided.push(Decided { conflict: conflict.id, decision: id, values });
        Ok(())
    }

    /// Of many, one that somebody else settled meanwhile, or that changed, stops no others.
    async fn decide_or_skip(&mut self, conflict: &Conflict, answer: Answer) -> Outcome<()> {
        match self.decide(conflict, answer).await {
            Err(Error::Settled { .. } | Error::EvidenceChanged { .. }) => {
                self.report.skipped.push(conflict.id);
                Ok(())
            }
            decided => decided.map_err(of_store),
        }
    }
}

fn expect_open(conflict: &Conflict) -> Outcome<()> {
    if conflict.state == State::Open {
        return Ok(());
    }
    let (id, state) = (conflict.id, conflict.state.as_str());
    let wrong = Problem::new(format!("conflict {id} is {state} already"));
    Err(match conflict.settled.as_ref().map(syncline_control::CloseReason::as_str) {
        Some("decided") => {
            wrong.hint(format!("take that back first: syncline conflicts undo {id}"))
        }
        Some(reason) => wrong.detail(format!("it is settled: {}", reason.replace('_', " "))),
        None => wrong,
    }
    .into())
}

/// Refuses an answer to what was another question when it was seen.
fn expect_seen(conflict: &Conflict, seen: Option<&str>) -> Outcome<()> {
    match seen {
        Some(seen) if conflict.evidence != seen => {
            let id = conflict.id;
            Err(Problem::new(format!("conflict {id} has changed since it was looked at"))
                .detail("a source says something else, or another value or policy is in force")
                .hint(format!("look at it again, then decide: syncline conflicts show {id}"))
                .into())
        }
        _ => Ok(()),
    }
}

fn unconfirmed(conflicts: usize) -> Failure {
    let all = count(u64::try_from(conflicts).unwrap_or(u64::MAX));
    let wrong = Problem::new(format!("{all} conflicts are alike, and none was decided"))
        .hint("add --yes to decide them all".to_owned());
    Failure::new(Exit::Usage, wrong)
}

/// The open conflicts on the same field, of the same kind, between the same sources; where the answer
/// is a value, those in which the sources say the same as in the first. The first is among them.
async fn alike(control: &Control, first: &Conflict, choice: &Choice) -> Outcome<Vec<Conflict>> {
    let is_by_source = choice.take.is_some() || choice.both;
    let mut filter = Filter {
        entity: Some(first.entity.clone()),
        subject: Some(first.subject.clone()),
        kind: Some(first.kind),
        state: Some(State::Open),
        sources: sources(first).into_iter().map(str::to_owned).collect(),
        order: Order::OldestFirst,
        limit: PAGE,
        ..Filter::default()
    };
    let mut alike = Vec::new();
    loop {
        let page = control.list(&filter).await.map_err(of_store)?;
        let Some(last) = page.last() else { return Ok(alike) };
        filter.after = Some(last.id);
        alike.extend(page.into_iter().filter(|it| {
            sources(it) == sources(first) && (is_by_source || words(it) == words(first))
        }));
    }
}

fn sources(conflict: &Conflict) -> BTreeSet<&str> {
    conflict.claims.iter().map(|claim| claim.source.as_str()).collect()
}

fn words(conflict: &Conflict) -> BTreeSet<(&str, Option<&str>)> {
    conflict.claims.iter().map(|it| (it.source.as_str(), it.value.as_deref())).collect()
}

fn to_text(report: &Report) -> String {
    let skipped = match report.skipped.as_slice() {
        [] => String::new(),
        skipped => {
            let ids: Vec<String> = skipped.iter().map(ToString::to_string).collect();
            format!("skipped, since it does not fit them any more: {}\n", ids.join(", "))
        }
    };
    let decided = match report.decided.as_slice() {
        [only] => format!("decided conflict {} (decision {})\n", only.conflict, only.decision),
        many => format!("decided {} conflicts\n", count(u64::try_from(many.len()).unwrap_or(0))),
    };
    decided + &skipped
}
