//! Where in a source a change stands.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A place in one source: generation, commit, and place within the commit.
///
/// Ordered as the source ordered its changes; the bytes of [`Position::to_bytes`] sort likewise.
/// Positions of different sources are never compared.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Position {
    /// Generation of the source's history: a new slot, timeline or binlog begins a new one.
    pub epoch: u32,
    /// Place of the commit in that history, such as a PostgreSQL LSN.
    pub commit: u64,
    /// Place within the transaction.
    pub ordinal: u32,
}

impl Position {
    /// Length of the byte form.
    pub const BYTES: usize = 16;

    /// The byte form, big-endian so that bytes sort as positions do.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let (epoch, rest) = bytes.split_at_mut(4);
        let (commit, ordinal) = rest.split_at_mut(8);
        epoch.copy_from_slice(&self.epoch.to_be_bytes());
        commit.copy_from_slice(&self.commit.to_be_bytes());
        ordinal.copy_from_slice(&self.ordinal.to_be_bytes());
        bytes
    }

    /// Reads the byte form; `None` when the length is wrong.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().ok()?;
        let (epoch, rest) = bytes.split_first_chunk()?;
        let (commit, rest) = rest.split_first_chunk()?;
        let (ordinal, _) = rest.split_first_chunk()?;
        Some(Self {
            epoch: u32::from_be_bytes(*epoch),
            commit: u64::from_be_bytes(*commit),
            ordinal: u32::from_be_bytes(*ordinal),
        })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:X}/{}", self.epoch, self.commit, self.ordinal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn position() -> impl Strategy<Value = Position> {
        (any::<u32>(), any::<u64>(), any::<u32>()).prop_map(|(epoch, commit, ordinal)| Position {
            epoch,
            commit,
            ordinal,
        })
    }

    proptest! {
        #[test]
        fn bytes_sort_as_positions_do(a in position(), b in position()) {
            prop_assert_eq!(a.cmp(&b), a.to_bytes().cmp(&b.to_bytes()));
            prop_assert_eq!(Position::from_bytes(&a.to_bytes()), Some(a));
        }
    }

    #[test]
    fn a_wrong_length_is_no_position() {
        assert_eq!(Position::from_bytes(&[0; 15]), None);
        assert_eq!(Position::from_bytes(&[0; 17]), None);
    }
}
