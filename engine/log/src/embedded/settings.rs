//! How large things may grow.

use std::time::Duration;
use syncline_core::{Error, Kind, Result};

/// Limits of the embedded log. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// A segment that has grown past this is closed and the next one begun. Trimming removes whole
    /// segments only.
    pub segment_bytes: u64,
    /// Most that recent entries of all topics may hold in memory, shared by the readers that keep
    /// up.
    pub cache_bytes: usize,
    /// Most that may be accepted and not yet durable, over all topics; appending waits beyond.
    pub unsynced_bytes: usize,
    /// Most that is written before it is made durable; what is more waits for the next group.
    pub group_bytes: usize,
    /// How much is read from a segment at a time.
    pub read_bytes: usize,
    /// How many bytes may wait for their readers until what systems commit is taken no more, over
    /// all topics; a segment of each topic, and the rest of a transaction, come on top.
    pub bytes_max: Option<u64>,
    /// Trimming leaves at least this much of each topic behind the active segment.
    pub retain_bytes: u64,
    /// Trimming leaves what was committed at its source within this time before the topic's last
    /// boundary. Both ends are source time, so a log at rest does not lose its past.
    pub retain_for: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            cache_bytes: 32 << 20,
            unsynced_bytes: 32 << 20,
            group_bytes: 8 << 20,
            read_bytes: 1 << 20,
            bytes_max: None,
            retain_bytes: 0,
            retain_for: Duration::ZERO,
        }
    }
}

impl Settings {
    /// # Errors
    /// `Config` when a limit would let nothing through.
    pub(super) fn check(&self) -> Result<()> {
        let zero = [
            ("segment_bytes", self.segment_bytes == 0),
            ("unsynced_bytes", self.unsynced_bytes == 0),
            ("group_bytes", self.group_bytes == 0),
            ("read_bytes", self.read_bytes == 0),
        ];
        match zero.into_iter().find(|(_, is_zero)| *is_zero) {
            None => Ok(()),
            Some((name, _)) => Err(Error::new(Kind::Config, format!("log setting {name} is 0"))
                .hint("leave it out for the default")),
        }
    }
}
