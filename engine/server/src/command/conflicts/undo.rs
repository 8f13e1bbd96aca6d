//! `conflicts undo`.

use super::desk::{conflict, of_store, person, to_write};
use crate::arguments::Undo;
use crate::clock::SystemClock;
use crate::command::Context;
use crate::problem::{Exit, Failure, Outcome, Problem};
use crate::project::Project;
use serde::Serialize;
use syncline_control::{Control, DecisionFilter};
use syncline_runtime::Clock as _;

/// How many decisions are read at a time.
const PAGE: u32 = 500;

#[derive(Debug, Serialize)]
struct Report {
    conflict: i64,
    decision: String,
}

/// Takes a decision back.
pub(super) async fn run(context: &Context, project: &Project, undo: &Undo) -> Outcome<Exit> {
    let by = person(undo.person.as_deref())?;
    let control = to_write(project).await?;
    let id = match undo.what.parse::<i64>() {
        Ok(of_conflict) => standing(&control, of_conflict).await?,
        Err(_) => undo.what.clone(),
    };
    let undone = control.undo(&id, &by, SystemClock.now()).await.map_err(of_store)?;
    let undone = undone.ok_or_else(|| nothing_to_undo(&id))?;
    let report = Report { conflict: undone.conflict, decision: id };
    context.output.result(&report, |report| {
        format!("took decision {} on conflict {} back\n", report.decision, report.conflict)
    });
    Ok(Exit::Ok)
}

fn nothing_to_undo(id: &str) -> Failure {
    Problem::new(format!("there is no decision {id:?} that stands"))
        .hint("`syncline conflicts show ID` has the decisions on a conflict".to_owned())
        .into()
}

/// The last decision on a conflict that nobody took back.
async fn standing(control: &Control, id: i64) -> Outcome<String> {
    conflict(control, id).await?;
    let mut filter =
        DecisionFilter { conflict: Some(id), limit: PAGE, ..DecisionFilter::default() };
    let mut standing = None;
    loop {
        let page = control.decisions(&filter).await.map_err(of_store)?;
        let Some(last) = page.last() else { break };
        filter.after = Some(last.number);
        standing = page.into_iter().rfind(|it| it.undone.is_none()).or(standing);
    }
    standing.map(|it| it.decision.id).ok_or_else(|| {
        Problem::new(format!("no decision stands on conflict {id}"))
            .hint(format!("`syncline conflicts show {id}` has what happened to it"))
            .into()
    })
}
