//! The store keeps up with a bad day: a whole table in conflict.

use super::words::{about, raise};
use super::{Failed, Place};
use std::time::Instant;
use syncline_control::{Change, CloseReason, ConflictChange, Filter};

const BATCH: usize = 8_192;
const BATCHES: usize = 4;
/// What an idle machine does many times over; that a statement a row would miss.
const A_SECOND_AT_LEAST: f64 = 2_000.0;

fn batch(number: usize, state: impl Fn() -> Change) -> Vec<ConflictChange> {
    let key = |n| format!("S{}", number * BATCH + n);
    (0..BATCH).map(|n| about("person", &key(n), "email", state())).collect()
}

pub(crate) async fn many_conflicts_a_second(place: &Place) -> Result<(), Failed> {
    let control = place.open().await?;
    let evidence = "0123456789abcdef0123456789abcdef";
    let rounds: [(&str, &dyn Fn() -> Change); 4] = [
        ("raised", &|| Change::Raised(raise(evidence))),
        ("raised again", &|| Change::Raised(raise(evidence))),
        ("evidence changed", &|| Change::Raised(raise("other"))),
        ("closed", &|| Change::Closed { reason: CloseReason::Agreed }),
    ];
    for (round, state) in rounds {
        let batches: Vec<_> = (0..BATCHES).map(|number| batch(number, state)).collect();
        let started = Instant::now();
        for batch in &batches {
            control.apply(batch, 10).await?;
        }
        let a_second = (BATCHES * BATCH) as f64 / started.elapsed().as_secs_f64();
        assert!(a_second > A_SECOND_AT_LEAST, "{round}: {a_second:.0} a second");
        if std::env::var_os("SYNCLINE_FIGURES").is_some() {
            use std::io::Write;
            writeln!(std::io::stdout(), "{round}: {a_second:.0} a second")?;
        }
    }
    assert_eq!(control.count(&Filter::default()).await?, (BATCHES * BATCH) as u64);
    Ok(())
}
