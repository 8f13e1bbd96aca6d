//! What the project says of a generator.

use syncline_core::SystemName;

/// What to make, how much of it, and how fast.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The system whose table `public.people` is made up.
    pub system: SystemName,
    /// The same seed gives the same rows.
    pub seed: u64,
    /// How many rows there are in all; `None` for no end.
    pub rows: Option<u64>,
    /// How many rows appear in a second; `None` for as many as are taken.
    pub rows_per_second: Option<u32>,
    /// Rows of one transaction.
    pub transaction_rows: u32,
    /// When the first row was committed, in µs since 1970 UTC; each row takes a microsecond more.
    pub began_at: i64,
}

impl Settings {
    /// A thousand rows a transaction, without end or limit.
    #[must_use]
    pub fn new(system: SystemName) -> Self {
        Self {
            system,
            seed: 0,
            rows: None,
            rows_per_second: None,
            transaction_rows: 1000,
            began_at: 1_767_225_600_000_000,
        }
    }
}
