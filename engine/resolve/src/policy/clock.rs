//! What the sources' clocks can tell of who spoke last.
//!
//! Within one source its own order tells. Between sources a word is later only if it is so by any
//! reading of both clocks; words that may have been spoken either way round are concurrent, and no
//! clock decides between them. A copied row was so when it was copied, and nobody knows since when.

use super::word::Word;
use crate::mark::Span;

impl Word<'_, '_> {
    fn span(&self) -> Span {
        self.since.stamp.span(self.uncertainty)
    }

    /// Whether this was surely said after the other.
    pub(crate) fn is_after(&self, other: &Self) -> bool {
        if self.system == other.system {
            return self.since > other.since;
        }
        self.span().is_after(other.span())
    }
}

/// The words that none that says otherwise was surely said after.
pub(crate) fn last_words<'w, 'a, 'r>(words: &'w [Word<'a, 'r>]) -> Vec<&'w Word<'a, 'r>> {
    left_by(words, |word, other| other.is_after(word))
}

/// The words that none that says otherwise was surely said before.
pub(crate) fn first_words<'w, 'a, 'r>(words: &'w [Word<'a, 'r>]) -> Vec<&'w Word<'a, 'r>> {
    left_by(words, |word, other| word.is_after(other))
}

/// A clock that was set back can make a circle; then it tells nothing, and all are left.
fn left_by<'w, 'a, 'r>(
    words: &'w [Word<'a, 'r>],
    beaten: impl Fn(&Word<'a, 'r>, &Word<'a, 'r>) -> bool,
) -> Vec<&'w Word<'a, 'r>> {
    let is_left = |word: &&Word<'a, 'r>| {
        words.iter().all(|other| other.value == word.value || !beaten(word, other))
    };
    let left: Vec<_> = words.iter().filter(is_left).collect();
    if left.is_empty() { words.iter().collect() } else { left }
}
