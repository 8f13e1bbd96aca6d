//! The limits of the loops.

use std::time::Duration;

/// From when on a change of a table is so large that a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateSettings {
    /// Rows deleted at once, in percent of the table; 100 and more: never.
    pub deletes_percent: u32,
    /// Rows changed at once, in percent of the table; 100 and more: never.
    pub changes_percent: u32,
    /// Fewer rows than this are never too many.
    pub rows_min: u64,
    /// How often it is asked whether a person has answered.
    pub poll: Duration,
}

impl Default for GateSettings {
    fn default() -> Self {
        let poll = Duration::from_secs(1);
        Self { deletes_percent: 20, changes_percent: 100, rows_min: 1000, poll }
    }
}

/// Every queue, batch, retry and wait of the runtime.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Hand-overs of a source that wait to be appended.
    pub capture_queue: usize,
    /// Appends that wait to become durable.
    pub capture_pending: usize,
    /// Memory of the entries a lane reads at once, about; also the size of a target transaction
    /// while there is a backlog.
    pub apply_bytes_max: usize,
    /// How far ahead of ours a source's commit time may be; a later one counts as that.
    pub clock_ahead_max: Duration,
    /// First wait after a failure.
    pub retry_first: Duration,
    /// Longest wait between retries.
    pub retry_longest: Duration,
    /// How long a lane waits for one that its rows refer to and that does nothing.
    pub linked_wait: Duration,
    /// How often parked rows are looked at again.
    pub park_retry: Duration,
    /// Parked rows tried again at a time.
    pub park_retry_rows: usize,
    /// How long parked rows are tried at a time, about.
    pub park_retry_time: Duration,
    /// Rows a lane parks before it stops and asks for a person.
    pub parked_max: usize,
    /// When a person is asked before much of a table goes or changes.
    pub gates: GateSettings,
    /// How long after a look for keys that are gone comes the next.
    pub collect_interval: Duration,
    /// How long after a piece of all claims was looked through comes the next.
    pub collect_pause: Duration,
    /// How often the log is trimmed.
    pub trim_interval: Duration,
    /// How long loops may take to drain when told to stop.
    pub drain_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            capture_queue: 4,
            capture_pending: 16,
            apply_bytes_max: 8 << 20,
            clock_ahead_max: Duration::from_millis(500),
            retry_first: Duration::from_millis(100),
            retry_longest: Duration::from_secs(30),
            linked_wait: Duration::from_secs(10),
            park_retry: Duration::from_secs(2),
            park_retry_rows: 1000,
            park_retry_time: Duration::from_millis(20),
            parked_max: 100_000,
            gates: GateSettings::default(),
            collect_interval: Duration::from_mins(10),
            collect_pause: Duration::from_millis(100),
            trim_interval: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(30),
        }
    }
}
