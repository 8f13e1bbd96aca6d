//! `verify`: what the mappings say against what the targets hold. The running process does it, since it alone knows
//! what is on its way.

use super::Context;
use crate::arguments::Verify;
use crate::live::{ask_progress, ask_verified};
use crate::output::Output;
use crate::problem::{Exit, Outcome};
use crate::render::count;
use crate::verify::{Request, Verified, to_text};
use std::path::Path;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often a person who waits is told how far it is.
const EVERY: Duration = Duration::from_secs(2);

/// Verifies tables, and mends them where that is asked for.
pub(crate) async fn run(context: &Context, verify: &Verify) -> Outcome<Exit> {
    let state = context.project()?.state();
    let request = Request {
        tables: verify.tables.clone(),
        wait: verify.wait,
        slowly: false,
        repair: verify.repair,
        delete_extra: verify.delete_extra,
        yes: verify.yes,
    };
    let verified = tokio::select! {
        verified = ask_verified(&state, &request) => verified?,
        never = tell_progress(context.output, &state) => match never {},
    };
    context.output.result(&verified, to_text);
    Ok(exit(&verified))
}

fn exit(verified: &Verified) -> Exit {
    match (verified.damaged(), verified.is_open()) {
        (1.., _) => Exit::Findings,
        (0, true) => Exit::Unavailable,
        (0, false) => Exit::Ok,
    }
}

async fn tell_progress(output: Output, state: &Path) -> std::convert::Infallible {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let progress = match output.is_watched() {
            true => ask_progress(state).await.ok(),
            false => None,
        };
        let Some((progress, table)) = progress.and_then(|it| it.table.clone().map(|of| (it, of)))
        else {
            continue;
        };
        let rate = progress.rows as f64 / progress.seconds.max(0.001);
        let left = progress.of.saturating_sub(progress.rows) as f64 / rate.max(1.0);
        let of = match progress.of {
            0 => String::new(),
            of => format!(" of about {}, {left:.0} s left", count(of)),
        };
        let (rows, rate) = (count(progress.rows), count(rate as u64));
        output.progress(&format!("{table}: {rows} rows read{of}, {rate} rows/s"));
    }
}
