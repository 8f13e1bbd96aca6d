//! The contract of what keeps rows by key where any machine can read them back.

use crate::Result;

/// How far a journal was read or written. It means something in its own journal only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JournalPlace {
    /// Everything before it is known.
    pub next: u64,
    /// When the last of that was written, in ms since 1970 UTC, as the journal says.
    pub written_at: i64,
}

impl JournalPlace {
    /// The length of [`JournalPlace::to_bytes`].
    pub const BYTES: usize = 16;

    /// As it rests beside a copy: both numbers, little-endian.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let numbers = u128::from(self.next) | u128::from(self.written_at.cast_unsigned()) << 64;
        numbers.to_le_bytes()
    }

    /// Reads it back.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let numbers = u128::from_le_bytes(bytes);
        let half = |of: u128| u64::try_from(of & u128::from(u64::MAX)).unwrap_or_default();
        Self { next: half(numbers), written_at: half(numbers >> 64).cast_signed() }
    }
}

/// What a reader of a journal is told, in the order in which it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journaled<'a> {
    /// The row of a key; none where it was taken away.
    Row(&'a [u8], Option<&'a [u8]>),
    /// The note of a commit: what is before it holds.
    Note(&'a [u8]),
}

/// Keeps the last row of each key, and the last note, beyond the machine that wrote them.
///
/// Guarantees: one writer at a time; what was not committed is never read; of each key the last
/// row is there for as long as the journal is, older ones may be left out.
pub trait Journal: Send {
    /// Takes the journal over: whoever had it can't commit any more, and what he did not commit is
    /// given up. Blocks.
    ///
    /// # Errors
    /// `Fenced` when another has taken it over from us since: then it is not taken back.
    /// `Unavailable` while nobody answers.
    fn take_over(&mut self) -> Result<()>;

    /// Whether a copy that is whole up to a place may be brought up to date from there: that nothing
    /// behind it was taken away so long ago that the journal does not tell any more. Blocks.
    ///
    /// # Errors
    /// As of [`Journal::take_over`].
    fn goes_on_from(&mut self, place: JournalPlace) -> Result<bool>;

    /// Tells what was committed behind a place, with the place behind each; says where that ends. Only
    /// after [`Journal::take_over`] it is all there is. Blocks.
    ///
    /// # Errors
    /// As of [`Journal::take_over`]; those of `visit`.
    fn read(
        &mut self,
        from: JournalPlace,
        visit: &mut dyn FnMut(JournalPlace, Journaled<'_>) -> Result<()>,
    ) -> Result<JournalPlace>;

    /// Writes what is to be committed next. Blocks while there is no room.
    ///
    /// # Errors
    /// As of [`Journal::take_over`]; nothing is committed then.
    fn write(&mut self, what: Journaled<'_>) -> Result<()>;

    /// Commits what was written: all of it, or nothing. Says how far the journal is then. Blocks.
    ///
    /// # Errors
    /// `Unavailable`, with [`Outcome::Unknown`](crate::Outcome) where it may have been committed: then the
    /// journal has to be taken over again. `Fenced` where another has taken it over: nothing was committed.
    fn commit(&mut self) -> Result<JournalPlace>;

    /// Gives up what was written, and proves that the journal is still ours. Blocks.
    ///
    /// # Errors
    /// As of [`Journal::take_over`].
    fn rollback(&mut self) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        for (next, written_at) in [(0, 0), (u64::MAX, -1), (7, i64::MIN), (1 << 40, 1 << 50)] {
            let place = JournalPlace { next, written_at };
            assert_eq!(JournalPlace::from_bytes(place.to_bytes()), place);
        }
    }
}
