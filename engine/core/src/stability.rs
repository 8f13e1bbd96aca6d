//! Up to where a key that is gone is gone for good.
//!
//! ```text
//!  heard     boundaries of each mapping's source that claims are committed up to
//!    │ begin, at the end of the entity's topic
//!    ▼
//!  moment    those places, and the end of the topic then
//!    │ every reader is past that end
//!    ▼
//!  stable    what was heard last at one of these places, or before, is known to all
//! ```
//!
//! Invariant: while a moment stands, everything that was heard since it began lies behind its places. So
//! of a key whose marks are all at or before them nothing was heard since, and what came of it was told
//! before that end of the topic. Whatever breaks this ends the moment.
//!
//! `docs/design/tombstones.md` has the argument.

use crate::{Offset, Position};
use std::collections::BTreeMap;

/// By mapping: its source said all that it committed up to here, and goes back behind it never more.
pub type Stable = BTreeMap<String, Position>;

/// How far all who take part in an entity are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Stability {
    heard: Stable,
    moment: Option<Moment>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Moment {
    stable: Stable,
    /// Where the entity's topic ended then.
    end: Offset,
}

impl Stability {
    /// Rows of a mapping are heard, the first of them from this place. Where that is no later than the
    /// moment, as with rows that are copied, what comes of them may not be told before its end.
    pub fn hear(&mut self, mapping: &str, first: Position) {
        let stable = self.moment.as_ref().and_then(|moment| moment.stable.get(mapping));
        if stable.is_some_and(|stable| first <= *stable) {
            self.moment = None;
        }
    }

    /// Something is decided anew, or forgotten, that has no place in a source.
    pub fn disturb(&mut self) {
        self.moment = None;
    }

    /// All that a mapping's source said up to a boundary is heard, and committed.
    pub fn pass(&mut self, mapping: &str, boundary: Position) {
        // The transaction that it ends is whole, whatever the ordinals of its rows.
        let place = Position { ordinal: u32::MAX, ..boundary };
        match self.heard.get_mut(mapping) {
            Some(heard) => *heard = place.max(*heard),
            None => drop(self.heard.insert(mapping.to_owned(), place)),
        }
    }

    /// Begins a moment; the entity's topic ends here, and no transaction is open in it.
    pub fn begin(&mut self, end: Offset) {
        self.moment = Some(Moment { stable: self.heard.clone(), end });
    }

    /// Whether a moment stands.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.moment.is_some()
    }

    /// What is stable, once the slowest reader of the entity's topic is done with everything before
    /// `slowest`; without readers none is waited for.
    #[must_use]
    pub fn stable(&self, slowest: Option<Offset>) -> Option<&Stable> {
        let is_past = |moment: &&Moment| slowest.is_none_or(|slowest| slowest >= moment.end);
        self.moment.as_ref().filter(is_past).map(|moment| &moment.stable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(commit: u64, ordinal: u32) -> Position {
        Position { epoch: 1, commit, ordinal }
    }

    fn begun() -> Stability {
        let mut stability = Stability::default();
        stability.pass("sis", at(10, 0));
        stability.pass("hr", at(7, 0));
        stability.begin(Offset(3));
        stability
    }

    #[test]
    fn nothing_is_stable_before_the_slowest_reader_has_passed_the_moment() {
        let stability = begun();
        assert_eq!(stability.stable(Some(Offset(2))), None);
        let stable = stability.stable(Some(Offset(3))).unwrap();
        assert_eq!(stable["sis"], at(10, u32::MAX), "a whole transaction");
        assert_eq!(stability.stable(None), Some(stable), "nobody reads");
        assert_eq!(Stability::default().stable(None), None, "no moment began");
    }

    #[test]
    fn what_passes_later_is_of_the_next_moment() {
        let mut stability = begun();
        stability.pass("sis", at(20, 0));
        assert_eq!(stability.stable(None).unwrap()["sis"].commit, 10);
        stability.begin(Offset(9));
        assert_eq!(stability.stable(None).unwrap()["sis"].commit, 20);
        stability.pass("sis", at(15, 0));
        stability.begin(Offset(9));
        assert_eq!(stability.stable(None).unwrap()["sis"].commit, 20, "it never goes back");
    }

    #[test]
    fn a_moment_ends_with_what_is_heard_before_its_places() {
        let mut stability = begun();
        stability.hear("sis", at(11, 0));
        stability.hear("hr", at(8, 0));
        stability.hear("crm", at(1, 0));
        assert!(stability.has_begun());
        stability.hear("hr", at(7, 5));
        assert!(!stability.has_begun());
        let mut stability = begun();
        stability.disturb();
        assert_eq!(stability.stable(None), None);
    }
}
