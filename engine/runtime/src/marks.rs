//! How far each loop is, for the loops that wait for it.
//!
//! Loops set their own marks and nobody else's. A mark that does not move for long is one not to be
//! waited for.

use std::collections::{BTreeMap, BTreeSet};
use syncline_core::{Offset, ReaderName, SystemName};
use tokio::sync::watch;

/// Where a loop is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Everything before it is done. Of a capture: 1 once all first copies are in the log.
    pub(crate) passed: u64,
    /// Counts up with whatever the loop does.
    stirred: u64,
    /// The lane it waits for.
    pub(crate) waits_for: Option<ReaderName>,
}

/// One loop's mark.
#[derive(Debug, Default)]
pub(crate) struct Marker(watch::Sender<Mark>);

/// The marks of all loops of a pipeline. Made with it; shared by reference.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    readers: BTreeMap<ReaderName, Marker>,
    captures: BTreeMap<SystemName, Marker>,
}

impl Marker {
    /// The loop did something.
    pub(crate) fn stir(&self) {
        self.0.send_modify(|mark| mark.stirred += 1);
    }

    /// The reader is done with everything before `next`.
    pub(crate) fn pass(&self, next: Offset) {
        self.0.send_modify(|mark| {
            mark.passed = next.0;
            mark.stirred += 1;
        });
    }

    /// All first copies of the system are in the log.
    pub(crate) fn copied(&self) {
        self.pass(Offset(1));
    }

    pub(crate) fn wait_for(&self, lane: Option<ReaderName>) {
        self.0.send_modify(|mark| mark.waits_for = lane);
    }

    /// Everything before it is done, as far as this process knows.
    pub(crate) fn passed(&self) -> Offset {
        Offset(self.0.borrow().passed)
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Mark> {
        self.0.subscribe()
    }
}

impl Marks {
    pub(crate) fn new(
        systems: impl IntoIterator<Item = SystemName>,
        readers: impl IntoIterator<Item = ReaderName>,
    ) -> Self {
        Self {
            readers: readers.into_iter().map(|it| (it, Marker::default())).collect(),
            captures: systems.into_iter().map(|it| (it, Marker::default())).collect(),
        }
    }

    pub(crate) fn reader(&self, reader: &ReaderName) -> &Marker {
        self.readers.get(reader).expect("every reader has a mark from the pipeline")
    }

    /// `None` for a system that is not read.
    pub(crate) fn capture(&self, system: &SystemName) -> Option<&Marker> {
        self.captures.get(system)
    }

    /// Whether the lanes that `lane` waits for end in `lane` itself.
    pub(crate) fn is_circle(&self, lane: &ReaderName) -> bool {
        let mut seen = BTreeSet::new();
        let mut at = lane.clone();
        while seen.insert(at.clone()) {
            match self.reader(&at).0.borrow().waits_for.clone() {
                Some(next) => at = next,
                None => return false,
            }
        }
        at == *lane
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_core::Topic;

    fn lane(entity: &str) -> ReaderName {
        ReaderName::apply(&SystemName::new("lms"), &Topic::entity(entity))
    }

    #[test]
    fn a_circle_is_found_by_those_in_it() {
        let [a, b, c, d] = ["a", "b", "c", "d"].map(lane);
        let marks = Marks::new([], [a.clone(), b.clone(), c.clone(), d.clone()]);
        marks.reader(&a).wait_for(Some(b.clone()));
        marks.reader(&b).wait_for(Some(c.clone()));
        marks.reader(&d).wait_for(Some(a.clone()));
        assert!([&a, &b, &c, &d].iter().all(|lane| !marks.is_circle(lane)));
        marks.reader(&c).wait_for(Some(a.clone()));
        assert!([&a, &b, &c].iter().all(|lane| marks.is_circle(lane)));
        assert!(!marks.is_circle(&d), "it waits for a circle, and is not in it");
        marks.reader(&b).wait_for(None);
        assert!(!marks.is_circle(&a));
    }
}
