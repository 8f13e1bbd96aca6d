//! How far others have to be before a lane goes on, kept as a note beside the log.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use syncline_core::{Checkpoints, Error, Kind, LogId, Offset, ReaderName, Result, SystemName};

/// What a lane waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Places {
    /// In which log.
    log: LogId,
    /// What it reads before this place came before them: it has to wait for nothing else.
    until: Offset,
    /// How far each reader has to be.
    pub(super) readers: BTreeMap<ReaderName, Offset>,
    /// Systems of which the first copies are known to be in the log.
    pub(super) copied: BTreeSet<SystemName>,
}

impl Places {
    /// None yet.
    pub(super) fn none(log: LogId, until: Offset) -> Self {
        Self { log, until, readers: BTreeMap::new(), copied: BTreeSet::new() }
    }

    /// Whether they hold for what was read before `next`.
    pub(super) fn hold_for(&self, log: LogId, next: Offset) -> bool {
        self.log == log && next <= self.until
    }
}

fn name(reader: &ReaderName) -> String {
    format!("linked/{reader}")
}

/// What a lane waited for last.
///
/// # Errors
/// `Corrupt` when the note can't be understood.
pub(super) fn load(checkpoints: &dyn Checkpoints, reader: &ReaderName) -> Result<Option<Places>> {
    let Some(bytes) = checkpoints.load(&name(reader))? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        Error::new(Kind::Corrupt, "the note of what a lane waits for can't be understood")
            .caused_by(error)
    })
}

/// Replaces the note.
pub(super) fn save(
    checkpoints: &dyn Checkpoints,
    reader: &ReaderName,
    places: &Places,
) -> Result<()> {
    let bytes = serde_json::to_vec(places).map_err(|error| {
        Error::new(Kind::Internal, "the note of what a lane waits for is no JSON").caused_by(error)
    })?;
    checkpoints.save(&name(reader), &bytes)
}
