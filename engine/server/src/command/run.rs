//! `run`: keeps the systems in agreement until told to stop.

use super::Context;
use crate::arguments::Run;
use crate::engine::Engine;
use crate::live::{Report, to_text};
use crate::problem::{Exit, Outcome};
use crate::signals::Signals;
use crate::worker::Worker;
use std::sync::Arc;

/// How a time of work ended.
enum Ended {
    /// We were told to stop.
    Told,
    /// There is nothing left to do.
    ByItself(Outcome<()>),
    /// All that was committed is at its targets.
    CaughtUp(Outcome<Arc<Report>>),
    /// The project is another worker's now.
    Lost,
}

/// Runs the project; ends with 0 on SIGTERM or SIGINT, and with 5 where `--until-caught-up` leaves
/// rows that were set aside. Where workers share the project it stands by while it is another's.
pub(crate) async fn run(context: &Context, run: &Run) -> Outcome<Exit> {
    let mut signals = Signals::listen()?;
    let project = Arc::new(context.project()?);
    let worker = Worker::join(&project)?;
    loop {
        let starting = async {
            match &worker {
                Some(worker) => worker.engine(&context.output).await,
                None => Engine::start(&project).await,
            }
        };
        let mut engine = tokio::select! {
            engine = starting => engine?,
            () = signals.next() => return Ok(Exit::Ok),
        };
        context.output.progress(&format!("status at http://{}/status", engine.address));
        let ended = ended(&mut engine, worker.as_ref(), run, &mut signals).await;
        if matches!(ended, Ended::Lost) {
            context.output.progress("another worker has the project now");
            engine.clear_away().await?;
            continue;
        }
        if matches!(ended, Ended::Told) {
            context.output.progress("finishing what is under way; a second signal ends at once");
        }
        signals.end_at_once_on_next();
        let stopped = engine.stop().await;
        return finish(context, ended, stopped);
    }
}

async fn ended(
    engine: &mut Engine,
    worker: Option<&Worker>,
    run: &Run,
    signals: &mut Signals,
) -> Ended {
    if run.until_caught_up {
        return tokio::select! {
            report = engine.catch_up() => Ended::CaughtUp(report),
            () = signals.next() => Ended::Told,
            () = lost(worker, engine) => Ended::Lost,
        };
    }
    let lost = lost(worker, engine);
    tokio::select! { biased;
        () = signals.next() => Ended::Told,
        () = lost => Ended::Lost,
        ended = engine.ended() => match ended {
            // The first that notice may be the loops.
            Err(failure) if worker.is_some() && failure.exit == Exit::InUse => Ended::Lost,
            ended => Ended::ByItself(ended),
        },
    }
}

fn finish(context: &Context, ended: Ended, stopped: Outcome<()>) -> Outcome<Exit> {
    match ended {
        Ended::ByItself(ended) => ended.and(stopped).map(|()| Exit::Ok),
        Ended::CaughtUp(report) => {
            let report = report?;
            stopped?;
            context.output.result(report.as_ref(), to_text);
            Ok(if report.parked() > 0 { Exit::Rejected } else { Exit::Ok })
        }
        Ended::Told | Ended::Lost => stopped.map(|()| Exit::Ok),
    }
}

/// Waits until the project is another worker's.
fn lost(worker: Option<&Worker>, engine: &Engine) -> impl Future<Output = ()> + use<> {
    let lost = worker.map(|worker| worker.lost(engine));
    async move {
        match lost {
            Some(lost) => lost.await,
            None => std::future::pending().await,
        }
    }
}
