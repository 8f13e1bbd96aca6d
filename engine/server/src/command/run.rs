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
    let ended = tokio::select! {
        ended = engine.ended() => ended,
        () = signals.next() => {
            context.output.progress("finishing what is under way; a second signal ends at once");
            Ok(())
        }
    };
    signals.end_at_once_on_next();
    let stopped = engine.stop().await;
    ended.and(stopped)?;
    Ok(Exit::Ok)
}

async fn until_caught_up(context: &Context, engine: Engine, mut signals: Signals) -> Outcome<Exit> {
    let caught_up = tokio::select! {
        report = engine.catch_up() => report.map(Some),
        () = signals.next() => Ok(None),
    };
    signals.end_at_once_on_next();
    let stopped = engine.stop().await;
    let Some(report) = caught_up? else { return stopped.map(|()| Exit::Ok) };
    stopped?;
    context.output.result(report.as_ref(), to_text);
    Ok(if report.parked() > 0 { Exit::Rejected } else { Exit::Ok })
}
