//! The texts by which a decision names what it rests on, and itself.
//!
//! ```text
//!  evidence   <digest of the words>:<digest of all that was shown>
//!  id         <conflict>-<time, in microseconds, to the base of 36>
//! ```

use std::fmt;

/// What a person has before them. The words are what claims know of; the rest tells whether it is
/// still the same question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Evidence<'a> {
    /// A digest of who says what.
    pub(crate) words: &'a str,
    /// A digest of all that is shown.
    pub(crate) question: &'a str,
}

impl<'a> Evidence<'a> {
    /// Reads it.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (words, question) = text.split_once(':')?;
        Some(Self { words, question })
    }
}

impl fmt::Display for Evidence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.words, self.question)
    }
}

/// The id of a decision on a conflict, made at a time. A conflict is decided once at a time, so that
/// no other has it.
pub(crate) fn decision_id(conflict: i64, at: i64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut rest = at.unsigned_abs();
    let mut digits = Vec::new();
    while rest > 0 || digits.is_empty() {
        let digit = usize::try_from(rest % 36).expect("less than 36");
        digits.push(char::from(DIGITS[digit]));
        rest /= 36;
    }
    let time: String = digits.into_iter().rev().collect();
    format!("{conflict}-{time}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_read_as_it_was_written() {
        let evidence = Evidence { words: "ab", question: "cd" };
        assert_eq!(Evidence::parse(&evidence.to_string()), Some(evidence));
        assert_eq!(Evidence::parse("ab"), None);
    }

    #[test]
    fn ids_are_told_apart_by_conflict_and_time() {
        assert_eq!(decision_id(17, 0), "17-0");
        assert_eq!(decision_id(17, 1_790_000_000_000_035), "17-hmi2nbki77");
        assert_ne!(decision_id(17, 36), decision_id(17, 35));
    }
}
