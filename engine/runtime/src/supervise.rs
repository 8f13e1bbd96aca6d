//! Keeping a loop going: retried or stopped by the rule of its error, the others untouched.

use crate::retry::Backoff;
use crate::status::{LoopState, StateCell};
use crate::{Settings, Shutdown};
use async_trait::async_trait;
use std::sync::Arc;
use syncline_core::{Error, Kind, Result, Retry};
use tokio::time::{Instant, sleep};
use tokio::{select, time::Duration};

/// An attempt that ran this long before it failed was a success: waits begin anew.
const LONG_ENOUGH: Duration = Duration::from_secs(10);

/// The work of one loop, from a clean start to its end or failure.
#[async_trait]
pub(crate) trait Attempt: Send + Sync {
    /// What it is called in messages.
    fn name(&self) -> String;

    /// Where its state is kept: once for each that people know it by.
    fn states(&self) -> Vec<&StateCell>;

    /// Works until told to stop, or until something fails.
    async fn attempt(&self, told: &mut Shutdown) -> Result<()>;
}

/// Runs attempts until told to stop; or until one fails in a way that trying again can't mend, and
/// then gives that error.
pub(crate) async fn supervised(
    work: Arc<dyn Attempt>,
    settings: Settings,
    mut shutdown: Shutdown,
) -> Result<()> {
    let mut backoff = Backoff::new(&settings);
    let (name, states) = (work.name(), work.states());
    loop {
        let began = Instant::now();
        let outcome = work.attempt(&mut shutdown).await;
        if began.elapsed() > LONG_ENOUGH {
            backoff.reset();
        }
        let Err(error) = outcome else {
            states.iter().for_each(|state| state.set(LoopState::Ended));
            return Ok(());
        };
        if shutdown.is_requested() {
            states.iter().for_each(|state| state.set(LoopState::Ended));
            return Ok(());
        }
        match error.kind().retry() {
            Retry::Backoff => {
                let wait = backoff.next();
                tracing::warn!(
                    "{name}: {error}; {} (trying again in {} ms)",
                    detail(&error).unwrap_or_default(),
                    wait.as_millis()
                );
                states.iter().for_each(|state| state.retrying(&error));
                select! {
                    () = sleep(wait) => {}
                    () = shutdown.requested() => {}
                }
            }
            // A refusal that nobody parked is a refusal of the whole loop's work.
            Retry::Park | Retry::Stop => {
                tracing::error!(
                    "{name} stopped: {error}; detail: {}; hint: {}",
                    detail(&error).unwrap_or("none"),
                    error.hint_text().unwrap_or("none")
                );
                states.iter().for_each(|state| state.stopped(&error));
                return Err(error);
            }
        }
    }
}

/// The facts of an error for the log: not of refused rows, whose values they may have.
fn detail(error: &Error) -> Option<&str> {
    match error.kind() {
        Kind::Rejected => None,
        _ => error.detail_text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shutdown;
    use crate::status::Registry;
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use syncline_core::{ReaderName, SystemName, Topic};

    /// Fails with each kind in turn, then ends.
    struct Failing {
        registry: Registry,
        reader: ReaderName,
        left: Mutex<VecDeque<Kind>>,
        attempts: Arc<AtomicUsize>,
    }

    #[async_trait]
    impl Attempt for Failing {
        fn name(&self) -> String {
            "lane".into()
        }

        fn states(&self) -> Vec<&StateCell> {
            vec![&self.registry.lane(&self.reader).state]
        }

        async fn attempt(&self, _told: &mut Shutdown) -> Result<()> {
            self.attempts.fetch_add(1, Ordering::Relaxed);
            let kind = self.left.lock().unwrap().pop_front();
            kind.map_or(Ok(()), |kind| Err(Error::new(kind, "no")))
        }
    }

    async fn outcome_of(kinds: &[Kind]) -> (Result<()>, usize) {
        let system = SystemName::new("lms");
        let reader = ReaderName::apply(&system, &Topic::changes(&system));
        let attempts = Arc::new(AtomicUsize::new(0));
        let work = Failing {
            registry: Registry::new([], [reader.clone()], [], []),
            reader,
            left: Mutex::new(kinds.iter().copied().collect()),
            attempts: attempts.clone(),
        };
        let (_trigger, told) = shutdown();
        let settings = Settings { retry_first: Duration::from_millis(1), ..Settings::default() };
        let outcome = supervised(Arc::new(work), settings, told).await;
        (outcome, attempts.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn what_is_away_is_tried_again() {
        let (outcome, attempts) = outcome_of(&[Kind::Unavailable, Kind::Unavailable]).await;
        assert!(outcome.is_ok());
        assert_eq!(attempts, 3);
    }

    #[tokio::test]
    async fn what_a_person_must_mend_stops_the_loop() {
        let (outcome, attempts) = outcome_of(&[Kind::Unavailable, Kind::Config]).await;
        assert_eq!(outcome.unwrap_err().kind(), Kind::Config);
        assert_eq!(attempts, 2);
    }

    #[test]
    fn the_values_of_a_refused_row_are_not_logged() {
        let error = |kind| Error::new(kind, "no").detail("Key (id)=(7) already exists.");
        assert_eq!(detail(&error(Kind::Rejected)), None);
        assert!(detail(&error(Kind::Config)).is_some());
    }
}
