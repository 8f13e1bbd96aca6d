//! `run`: keeps the systems in agreement until told to stop.

use super::Context;
use crate::arguments::Run;
use crate::engine::Engine;
use crate::live::to_text;
use crate::problem::{Exit, Outcome};
use crate::signals::Signals;

/// Runs the project; ends with 0 on SIGTERM or SIGINT, and with 5 where `--until-caught-up` leaves
/// rows that were set aside.
pub(crate) async fn run(context: &Context, run: &Run) -> Outcome<Exit> {
    let mut signals = Signals::listen()?;
    let project = context.project()?;
    let mut engine = Engine::start(&project).await?;
    context.output.progress(&format!("status at http://{}/status", engine.address));
    if run.until_caught_up {
        return until_caught_up(context, engine, signals).await;
    }
    tokio::select! {
        ended = engine.ended() => ended?,
        () = signals.next() => {
            context.output.progress("finishing what is under way; a second signal ends at once");
            signals.end_at_once_on_next();
            engine.stop().await?;
        }
    }
    Ok(Exit::Ok)
}

async fn until_caught_up(context: &Context, engine: Engine, mut signals: Signals) -> Outcome<Exit> {
    let report = tokio::select! {
        report = engine.catch_up() => Some(report?),
        () = signals.next() => None,
    };
    signals.end_at_once_on_next();
    engine.stop().await?;
    let Some(report) = report else { return Ok(Exit::Ok) };
    context.output.result(report.as_ref(), to_text);
    Ok(if report.parked() > 0 { Exit::Rejected } else { Exit::Ok })
}
