//! From the words on the command line to what is done.

use super::{decide, export, list, show, undo};
use crate::arguments::ConflictsAction;
use crate::command::Context;
use crate::problem::{Exit, Outcome};

/// Lists, shows, decides, takes back or exports.
pub(crate) async fn run(context: &Context, action: ConflictsAction) -> Outcome<Exit> {
    let project = context.project()?;
    match action {
        ConflictsAction::List(list) => list::run(context, &project, &list).await,
        ConflictsAction::Show(show) => show::run(context, &project, &show).await,
        ConflictsAction::Decide(decide) => decide::run(context, &project, &decide).await,
        ConflictsAction::Undo(undo) => undo::run(context, &project, &undo).await,
        ConflictsAction::Export(export) => export::run(context, &project, &export).await,
    }
}
