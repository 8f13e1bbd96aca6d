//! The limits of hearing decisions.

use std::time::Duration;

/// How decisions are looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// How often.
    pub(crate) poll: Duration,
    /// How many are read at a time.
    pub(crate) rows_max: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { poll: Duration::from_millis(200), rows_max: 1000 }
    }
}
