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
//!
//! Where a system is written too, what it holds is not always its own word: a run that began with a write
//! of ours is an *echo*. It says that the system has seen what was agreed (in the form that the system
//! gave it), and claims nothing; the word is the latest run that is none. Of echoes in a row only the
//! last is kept. With echoes only the source's own order, with any repetition, comes to the same.

use crate::Mark;
use std::cmp::Ordering;

/// How often a record has to take back what was written to it to be said to go to and fro.
const FLAPS: usize = 3;

/// How soon each time, in µs by its own system's clock: an hour.
const FLAP_MICROS_MAX: i64 = 3_600_000_000;

/// A run of equal values, as it was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run<'a> {
    /// When it was first heard.
    pub(crate) first: Mark,
    /// When it was last heard.
    pub(crate) last: Mark,
    /// The value; NULL is one here.
    pub(crate) value: Option<&'a [u8]>,
    /// Whether it began with a write of ours.
    pub(crate) echo: bool,
}

/// A value, when it was heard, and whether it was written by us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard<'a> {
    pub(crate) mark: Mark,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) echo: bool,
}

impl<'a> Run<'a> {
    fn of(heard: Heard<'a>) -> Self {
        let Heard { mark, value, echo } = heard;
        Self { first: mark, last: mark, value, echo }
    }
}

/// A register: the last runs of one field of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    /// Which field.
    pub(crate) id: u16,
    /// What the record holds now.
    pub(crate) run: Run<'a>,
    /// Those before it, newest first, where somebody needs them.
    pub(crate) older: Vec<Run<'a>>,
    /// What was heard up to here is forgotten.
    pub(crate) floor: Option<Mark>,
}

impl<'a> Field<'a> {
    pub(crate) fn new(id: u16, heard: Heard<'a>) -> Self {
        Self { id, run: Run::of(heard), older: Vec::new(), floor: None }
    }

    /// The record's own word: the latest run that did not begin with a write of ours.
    pub(crate) fn word(&self) -> Option<&Run<'a>> {
        self.runs().find(|run| !run.echo)
    }

    /// Whether the record goes to and fro: again and again, soon after something was written to it, it
    /// said what it had said before. What was written may be one thing and then another: when a person is
    /// asked, another value may be in force meanwhile.
    pub(crate) fn flaps(&self) -> bool {
        let begun = usize::from(self.run.echo);
        let runs: Vec<_> = self.runs().skip(begun).take(2 * FLAPS).collect();
        let is_soon = |from: Mark, to: Mark| {
            to.stamp.micros.saturating_sub(from.stamp.micros) <= FLAP_MICROS_MAX
        };
        runs.len() == 2 * FLAPS
            && runs.chunks_exact(2).all(|pair| {
                let (word, echo) = (pair[0], pair[1]);
                (word.echo, echo.echo) == (false, true)
                    && word.value == runs[0].value
                    && is_soon(echo.first, word.first)
            })
    }

    /// All runs, newest first.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &Run<'a>> {
        std::iter::once(&self.run).chain(&self.older)
    }

    /// Hears a value, and keeps so many runs before the word.
    pub(crate) fn hear(&mut self, heard: Heard<'a>, older_max: usize) {
        match heard.mark.position.cmp(&self.run.last.position) {
            Ordering::Greater => self.hear_later(heard, older_max),
            Ordering::Equal => self.hear_again(heard, older_max),
            Ordering::Less if self.is_forgotten(heard.mark) => {}
            Ordering::Less => self.hear_earlier(heard, older_max),
        }
    }

    /// Takes what we wrote for the record's own word from here on; false where it is that already.
    pub(crate) fn say_again(&mut self, mark: Mark) -> bool {
        let is_written = self.run.echo && self.run.last < mark;
        if is_written {
            self.floor = self.floor.max(Some(self.run.last));
            self.run = Run { first: mark, last: mark, echo: false, ..self.run };
        }
        is_written
    }

    fn is_forgotten(&self, mark: Mark) -> bool {
        self.floor.is_some_and(|floor| mark.position <= floor.position)
    }

    /// Whether what is heard next belongs to the run that holds. What we wrote over the record's own word
    /// does not, even where its system's form makes the same of it: then it has seen what was agreed.
    pub(crate) fn continues(&self, heard: Heard<'_>) -> bool {
        heard.value == self.run.value && (self.run.echo || !heard.echo)
    }

    fn hear_later(&mut self, heard: Heard<'a>, older_max: usize) {
        if self.continues(heard) {
            self.run.last = heard.mark;
            return;
        }
        self.older.insert(0, self.run);
        self.run = Run::of(heard);
        self.forget(older_max);
    }

    /// One change that is told once more. Where it is told in two ways (a history that was forked), the
    /// later time counts, so that a row is one or the other; of equal times the greater value.
    fn hear_again(&mut self, heard: Heard<'a>, older_max: usize) {
        let Heard { mark, value, .. } = heard;
        if (mark, value) <= (self.run.last, self.run.value) {
            return;
        }
        if self.run.first < self.run.last && value != self.run.value {
            // All that is known of the run without its end is its beginning.
            self.run.last = self.run.first;
            return self.hear_later(heard, older_max);
        }
        if self.run.first == self.run.last {
            self.run = Run::of(heard);
        }
        self.run.last = mark;
        if self.older.first().is_some_and(|before| before.value == value) {
            let before = self.older.remove(0);
            (self.run.first, self.run.echo) = (before.first, before.echo);
        }
    }

    fn hear_earlier(&mut self, heard: Heard<'a>, older_max: usize) {
        let mut runs = std::mem::take(&mut self.older);
        runs.insert(0, self.run);
        insert(&mut runs, heard);
        self.run = runs.remove(0);
        self.older = runs;
        self.forget(older_max);
    }

    /// Of echoes in a row keeps the newest; keeps the word, and so many runs before it.
    fn forget(&mut self, older_max: usize) {
        let mut is_newer_echo = self.run.echo;
        let mut forgotten = None;
        self.older.retain(|run| {
            let is_newer_one = std::mem::replace(&mut is_newer_echo, run.echo);
            let is_kept = !(run.echo && is_newer_one);
            if !is_kept {
                forgotten = forgotten.max(Some(run.last));
            }
            is_kept
        });
        // The word is the first or the second now, where there is one.
        let kept = older_max + usize::from(self.run.echo);
        for run in self.older.drain(kept.min(self.older.len())..) {
            forgotten = forgotten.max(Some(run.last));
        }
        self.floor = self.floor.max(forgotten);
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
fn insert<'a>(runs: &mut Vec<Run<'a>>, heard: Heard<'a>) {
    let Heard { mark, value, echo } = heard;
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
            runs.insert(place, Run::of(heard));
            runs.insert(place, newer);
            return;
        }
    }
    if let Some(later) = place.checked_sub(1).and_then(|place| runs.get_mut(place))
        && later.value == value
    {
        (later.first, later.echo) = (mark, echo);
        return;
    }
    runs.insert(place, Run::of(heard));
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

    type Told = Heard<'static>;

    fn hear(history: impl IntoIterator<Item = Told>, older_max: usize) -> Option<Field<'static>> {
        let mut field: Option<Field<'static>> = None;
        for heard in history {
            match &mut field {
                Some(field) => field.hear(heard, older_max),
                None => field = Some(Field::new(0, heard)),
            }
        }
        field
    }

    fn value() -> impl Strategy<Value = Option<&'static [u8]>> {
        prop_oneof![Just(None), Just(Some(&b"a"[..])), Just(Some(&b"b"[..]))]
    }

    fn history() -> impl Strategy<Value = Vec<Told>> {
        let heard = |(commit, value)| Heard { mark: mark(commit), value, echo: false };
        prop::collection::vec(value(), 1..12)
            .prop_map(move |values| (1..).zip(values).map(heard).collect())
    }

    /// A history of a record that is written too.
    fn history_with_echoes() -> impl Strategy<Value = Vec<Told>> {
        let heard = |(commit, (value, echo))| Heard { mark: mark(commit), value, echo };
        prop::collection::vec((value(), any::<bool>()), 1..16)
            .prop_map(move |values| (1..).zip(values).map(heard).collect())
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

        /// What the record says is what was last written to it by others than us and was not there
        /// already; told again from anywhere, that stays so.
        #[test]
        fn the_word_is_the_last_that_is_no_echo(
            history in history_with_echoes(), older_max in 0_usize..4, again in 0_usize..16,
        ) {
            let field = hear(history.iter().copied(), older_max).unwrap();
            let (mut held, mut word) = (None, None);
            for heard in &history {
                if held != Some(heard.value) {
                    held = Some(heard.value);
                    word = if heard.echo { word } else { Some((heard.mark, heard.value)) };
                }
            }
            prop_assert_eq!(Some(field.run.value), held);
            prop_assert_eq!(field.word().map(|run| (run.first, run.value)), word);
            let from = again.min(history.len());
            let repeated = history.iter().chain(&history[from..]).chain(&history).copied();
            prop_assert_eq!(&field, &hear(repeated, older_max).unwrap());
            // Nothing but the last of echoes in a row is kept.
            prop_assert!(field.older.len() <= older_max + 1);
        }

        /// What says the same again after each of three writes goes to and fro; slower, or fewer times,
        /// or with other values, it does not.
        #[test]
        fn to_and_fro_is_three_times_the_same(
            times in 1_u64..6, apart in prop_oneof![Just(1_u64), Just(FLAP_MICROS_MAX as u64)],
            other in any::<bool>(), after in any::<bool>(),
        ) {
            let mut history = Vec::new();
            for time in 0..times {
                let at = 1 + time * 2 * apart;
                let word = if other && time + 1 == times { &b"c"[..] } else { b"b" };
                history.push(Heard { mark: mark(at), value: Some(b"a"), echo: true });
                history.push(Heard { mark: mark(at + apart), value: Some(word), echo: false });
            }
            if after {
                let at = mark(1 + times * 2 * apart);
                history.push(Heard { mark: at, value: Some(b"a"), echo: true });
            }
            let field = hear(history, 8).unwrap();
            prop_assert_eq!(field.flaps(), times >= 3 && apart == 1 && !other);
        }

        #[test]
        fn a_cut_leaves_what_came_after(history in history(), at in 0_u64..14) {
            let whole = hear(history.iter().copied(), 3).unwrap();
            let mut cut = whole.clone();
            let left = cut.cut(mark(at));
            let after = hear(history.iter().copied().filter(|heard| heard.mark > mark(at)), 3);
            prop_assert_eq!(left, after.is_some());
            if let Some(after) = after {
                prop_assert_eq!(cut.run.value, after.run.value);
                prop_assert!(after.run.first <= cut.run.first);
            }
        }
    }

    trait ShufflePair: Strategy<Value = Vec<Told>> + Sized + 'static {
        /// A history in order, and out of it.
        fn prop_shuffle_pair(self) -> BoxedStrategy<(Vec<Told>, Vec<Told>)> {
            self.prop_flat_map(|sorted| (Just(sorted.clone()), Just(sorted).prop_shuffle())).boxed()
        }
    }

    impl<S: Strategy<Value = Vec<Told>> + 'static> ShufflePair for S {}
}
