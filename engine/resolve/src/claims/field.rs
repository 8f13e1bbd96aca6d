//! What one source record says in one field, and since when.
//!
//! A source is heard again and again: with every change of the record comes a value for each of its
//! fields, changed or not. So what is kept is not the last time a value was heard but the *run* of
//! equal values that it ends: when the source began to say so is what [`crate::Policy::Newest`] goes by.
//!
//! ```text
//!  heard    a a a   b b   a a a
//!           └─────┘ └───┘ └───┘
//!           runs: older … newest     floor: the last thing heard before the oldest run kept
//! ```
//!
//! In the source's own order, with any repetition, and in the reverse order, the register comes to
//! exactly the same. In other orders the value, its last hearing and the floor are exact, and a run may
//! seem to begin later than it did (never earlier), until the history is heard once more.

use crate::Mark;
use std::cmp::Ordering;

/// A run of equal values, as it was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run<'a> {
    /// When it was first heard.
    pub(crate) first: Mark,
    /// When it was last heard.
    pub(crate) last: Mark,
    /// The value; NULL is one here.
    pub(crate) value: Option<&'a [u8]>,
}

/// A register: the last runs of one field of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    /// Which field.
    pub(crate) id: u16,
    /// The run that holds now.
    pub(crate) run: Run<'a>,
    /// Those before it, newest first, where somebody needs them.
    pub(crate) older: Vec<Run<'a>>,
    /// What was heard up to here is forgotten.
    pub(crate) floor: Option<Mark>,
}

impl<'a> Field<'a> {
    pub(crate) fn new(id: u16, mark: Mark, value: Option<&'a [u8]>) -> Self {
        let run = Run { first: mark, last: mark, value };
        Self { id, run, older: Vec::new(), floor: None }
    }

    /// Hears a value, and keeps so many runs before the one that holds.
    pub(crate) fn hear(&mut self, mark: Mark, value: Option<&'a [u8]>, older_max: usize) {
        match mark.position.cmp(&self.run.last.position) {
            Ordering::Greater => self.hear_later(mark, value, older_max),
            Ordering::Equal => self.hear_again(mark, value, older_max),
            Ordering::Less if self.floor.is_some_and(|it| mark.position <= it.position) => {}
            Ordering::Less => self.hear_earlier(mark, value, older_max),
        }
    }

    fn hear_later(&mut self, mark: Mark, value: Option<&'a [u8]>, older_max: usize) {
        if value == self.run.value {
            self.run.last = mark;
            return;
        }
        self.older.insert(0, self.run);
        self.run = Run { first: mark, last: mark, value };
        self.forget(older_max);
    }

    /// One change that is told once more. Where it is told in two ways (a history that was forked), the
    /// later time counts, so that a row is one or the other; of equal times the greater value.
    fn hear_again(&mut self, mark: Mark, value: Option<&'a [u8]>, older_max: usize) {
        if (mark, value) <= (self.run.last, self.run.value) {
            return;
        }
        if self.run.first < self.run.last && value != self.run.value {
            // All that is known of the run without its end is its beginning.
            self.run.last = self.run.first;
            return self.hear_later(mark, value, older_max);
        }
        if self.run.first == self.run.last {
            self.run = Run { first: mark, last: mark, value };
        }
        self.run.last = mark;
        if self.older.first().is_some_and(|before| before.value == value) {
            self.run.first = self.older.remove(0).first;
        }
    }

    fn hear_earlier(&mut self, mark: Mark, value: Option<&'a [u8]>, older_max: usize) {
        let mut runs = std::mem::take(&mut self.older);
        runs.insert(0, self.run);
        insert(&mut runs, mark, value);
        self.run = runs.remove(0);
        self.older = runs;
        self.forget(older_max);
    }

    /// Keeps the newest runs, and the oldest of those that it may keep.
    fn forget(&mut self, older_max: usize) {
        while self.older.len() > older_max {
            let Some(forgotten) = self.older.pop() else { return };
            self.floor = self.floor.max(Some(forgotten.last));
        }
    }

    /// Forgets what was heard up to a mark; false when nothing is left.
    pub(crate) fn cut(&mut self, until: Mark) -> bool {
        if self.run.last <= until {
            return false;
        }
        self.older.retain(|run| run.last > until);
        for run in self.older.iter_mut().chain([&mut self.run]) {
            if run.first <= until {
                run.first = run.last;
            }
        }
        self.floor = self.floor.filter(|floor| *floor > until);
        true
    }
}

/// Puts what was heard in its place among runs, newest first.
fn insert<'a>(runs: &mut Vec<Run<'a>>, mark: Mark, value: Option<&'a [u8]>) {
    // The first run that is not wholly later.
    let place = runs.iter().position(|run| run.first <= mark).unwrap_or(runs.len());
    if let Some(run) = runs.get_mut(place) {
        if run.value == value {
            run.last = run.last.max(mark);
            return;
        }
        if run.last > mark {
            // Within a run: it was broken here, and all that is known of its newer part is its end.
            let newer = Run { first: run.last, ..*run };
            run.last = run.first;
            runs.insert(place, Run { first: mark, last: mark, value });
            runs.insert(place, newer);
            return;
        }
    }
    if let Some(later) = place.checked_sub(1).and_then(|place| runs.get_mut(place))
        && later.value == value
    {
        later.first = mark;
        return;
    }
    runs.insert(place, Run { first: mark, last: mark, value });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stamp;
    use proptest::prelude::*;
    use syncline_core::Position;

    fn mark(commit: u64) -> Mark {
        let stamp = Stamp { micros: i64::try_from(commit).unwrap() * 10, copied: false };
        Mark { position: Position { epoch: 1, commit, ordinal: 0 }, stamp }
    }

    type Heard = (Mark, Option<&'static [u8]>);

    fn hear(history: impl IntoIterator<Item = Heard>, older_max: usize) -> Option<Field<'static>> {
        let mut field: Option<Field<'static>> = None;
        for (mark, value) in history {
            match &mut field {
                Some(field) => field.hear(mark, value, older_max),
                None => field = Some(Field::new(0, mark, value)),
            }
        }
        field
    }

    fn history() -> impl Strategy<Value = Vec<Heard>> {
        let value = prop_oneof![Just(None), Just(Some(&b"a"[..])), Just(Some(&b"b"[..]))];
        prop::collection::vec(value, 1..12).prop_map(|values| (1..).map(mark).zip(values).collect())
    }

    proptest! {
        /// The runs are those of the history, whichever way round it is told.
        #[test]
        fn forwards_backwards_and_repeated_come_to_the_same(
            history in history(), older_max in 0_usize..4, again in 0_usize..12,
        ) {
            let forwards = hear(history.iter().copied(), older_max);
            let backwards = hear(history.iter().rev().copied(), older_max);
            prop_assert_eq!(&forwards, &backwards);
            let from = again.min(history.len());
            let repeated = history.iter().chain(&history[from..]).chain(&history).copied();
            prop_assert_eq!(&forwards, &hear(repeated, older_max));
        }

        /// In any order value, last hearing and floor are exact; heard once more, so is the run.
        #[test]
        fn any_order_comes_to_the_same_value(
            history in history().prop_shuffle_pair(), older_max in 0_usize..4,
        ) {
            let (sorted, shuffled) = history;
            let exact = hear(sorted.iter().copied(), older_max).unwrap();
            let field = hear(shuffled.iter().copied(), older_max).unwrap();
            prop_assert_eq!(exact.run.value, field.run.value);
            prop_assert_eq!(exact.run.last, field.run.last);
            prop_assert!(exact.run.first <= field.run.first);
        }

        /// One run kept: hearing the history once more, in whatever order, makes it exact.
        #[test]
        fn once_more_makes_it_exact(history in history().prop_shuffle_pair()) {
            let (sorted, shuffled) = history;
            let exact = hear(sorted.iter().copied(), 0).unwrap();
            let twice = shuffled.iter().chain(&shuffled).copied();
            prop_assert_eq!(exact, hear(twice, 0).unwrap());
        }

        #[test]
        fn a_cut_leaves_what_came_after(history in history(), at in 0_u64..14) {
            let whole = hear(history.iter().copied(), 3).unwrap();
            let mut cut = whole.clone();
            let left = cut.cut(mark(at));
            let after = hear(history.iter().copied().filter(|(heard, _)| *heard > mark(at)), 3);
            prop_assert_eq!(left, after.is_some());
            if let Some(after) = after {
                prop_assert_eq!(cut.run.value, after.run.value);
                prop_assert!(after.run.first <= cut.run.first);
            }
        }
    }

    trait ShufflePair: Strategy<Value = Vec<Heard>> + Sized + 'static {
        /// A history in order, and out of it.
        fn prop_shuffle_pair(self) -> BoxedStrategy<(Vec<Heard>, Vec<Heard>)> {
            self.prop_flat_map(|sorted| (Just(sorted.clone()), Just(sorted).prop_shuffle())).boxed()
        }
    }

    impl<S: Strategy<Value = Vec<Heard>> + 'static> ShufflePair for S {}
}
