//! What the sources' clocks can tell of who spoke last.
//!
//! Within one source its own order tells. Between sources a word is later only if it is so by any
//! reading of both clocks; words that may have been spoken either way round are concurrent, and no
//! clock decides between them. A copied row was so when it was copied, and nobody knows since when.

use super::compiled::CompiledMapping;
use super::word::Word;
use crate::mark::{Mark, Span};
use syncline_core::SystemName;

/// Who has said something since when, by a clock that may be off by so much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Since<'r> {
    system: &'r SystemName,
    since: Mark,
    uncertainty: i64,
}

impl<'r> Since<'r> {
    /// By a record of a mapping.
    pub(crate) fn of(mapping: &'r CompiledMapping, since: Mark) -> Self {
        Self { system: &mapping.system, since, uncertainty: mapping.uncertainty }
    }

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

impl Word<'_, '_> {
    /// Whether this was surely said after the other.
    pub(crate) fn is_after(&self, other: &Self) -> bool {
        self.told().is_after(&other.told())
    }

    fn told(&self) -> Since<'_> {
        Since { system: self.system, since: self.since, uncertainty: self.uncertainty }
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
