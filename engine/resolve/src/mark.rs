//! Where and when a source said something.

use std::cmp::Ordering;
use syncline_core::Position;

/// When a source committed what it said, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// µs since 1970 UTC by the source's own clock: of the commit; of a copied row, when it was
    /// copied.
    pub micros: i64,
    /// Whether the row was copied: it was so then, and nobody knows since when.
    pub copied: bool,
}

/// Where and when: the place in the source's own order, and the time by its clock.
///
/// Ordered by position alone, and only within one source; times matter only between sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The place in the source.
    pub position: Position,
    /// The time.
    pub stamp: Stamp,
}

impl PartialOrd for Mark {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Mark {
    /// Equal positions are one change; should their times differ (a history that was forked), the
    /// later one counts, so that all orders come to the same.
    fn cmp(&self, other: &Self) -> Ordering {
        (self.position, self.stamp).cmp(&(other.position, other.stamp))
    }
}

/// From when to when a stamp may have been, in µs: earliest (none: long ago) and latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) earliest: Option<i64>,
    pub(crate) latest: i64,
}

impl Stamp {
    /// The time by all clocks, when this one may be wrong by `uncertainty` µs.
    pub(crate) fn span(self, uncertainty: i64) -> Span {
        Span {
            earliest: (!self.copied).then(|| self.micros.saturating_sub(uncertainty)),
            latest: self.micros.saturating_add(uncertainty),
        }
    }
}

impl Span {
    /// Whether this was surely after the other.
    pub(crate) fn is_after(self, other: Self) -> bool {
        self.earliest.is_some_and(|earliest| earliest > other.latest)
    }
}
