//! How long to wait before trying again.

use crate::Settings;
use rand::Rng;
use std::time::Duration;

/// Grows by doubling, with jitter so that loops that failed together don't return together.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { first: settings.retry_first, longest: settings.retry_longest, failures: 0 }
    }

    /// The wait after one more failure: between half and all of the doubled wait.
    pub(crate) fn next(&mut self) -> Duration {
        let full = self.first.saturating_mul(1 << self.failures.min(16)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        full.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// Begins anew after success.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew() {
        let settings = Settings {
            retry_first: Duration::from_millis(100),
            retry_longest: Duration::from_secs(1),
            ..Settings::default()
        };
        let mut backoff = Backoff::new(&settings);
        for full in [100, 200, 400, 800, 1000, 1000].map(Duration::from_millis) {
            let wait = backoff.next();
            assert!(wait >= full / 2 && wait <= full, "{wait:?} of {full:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_millis(100));
    }
}
