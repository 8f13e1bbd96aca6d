//! Verifies one table after the other, for as long as the engine runs.

use super::request::Request;
use super::verifier::Verifier;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// How long changes on their way are waited for, at a time.
const WAIT: Duration = Duration::from_secs(60);

/// Verifies each table once in so long, slowly, until the task is aborted.
pub(crate) fn in_turn(verifier: Verifier, every: Duration) -> JoinHandle<()> {
    tokio::spawn(async move {
        let tables = verifier.tables();
        let Ok(count @ 1..) = u32::try_from(tables.len()) else { return };
        let mut ticks = interval((every / count).max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        for table in tables.iter().cycle() {
            ticks.tick().await;
            let request = Request {
                tables: vec![table.clone()],
                wait: WAIT,
                slowly: true,
                repair: false,
                delete_extra: false,
                yes: false,
            };
            match verifier.verify(&request).await {
                Ok(verified) if verified.damaged() > 0 => {
                    let rows = verified.damaged();
                    tracing::warn!("{table} is not what its mappings say: {rows} rows are damaged");
                }
                Ok(_) => {}
                Err(error) => tracing::info!("{table} was not verified: {error}"),
            }
        }
    })
}
