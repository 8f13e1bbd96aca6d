//! Which event was read last, so that a store which is another's is known for what it is.

use serde::{Deserialize, Serialize};
use syncline_control::{Control, Said};
use syncline_core::{Error, Kind, Result};

/// The source's own note, kept behind what it read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Note {
    /// The number of an event; 0 before the first.
    event: i64,
    /// The decision that it is about.
    decision: String,
}

impl Note {
    /// Of what was read last.
    pub(super) fn of(said: &Said) -> Self {
        Self { event: said.number, decision: said.decision.id.clone() }
    }

    pub(super) fn read(bytes: Option<&[u8]>) -> Result<Self> {
        let Some(bytes) = bytes else { return Ok(Self::default()) };
        serde_json::from_slice(bytes).map_err(|error| {
            Error::new(Kind::Corrupt, "the note of decisions can't be understood").caused_by(error)
        })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a note is plain data")
    }

    /// Whether the store has what was read: the noted event, and a last one not before `position`.
    pub(super) async fn is_of(&self, control: &Control, position: i64) -> Result<bool> {
        if control.last_said().await? < position {
            return Ok(false);
        }
        if self.event == 0 {
            return Ok(true);
        }
        let found = control.feed(self.event - 1, 1).await?;
        Ok(found.first().is_some_and(|said| Self::of(said) == *self))
    }
}
