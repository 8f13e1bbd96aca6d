//! Letting go of keys that are gone, beside all that may still speak of them.
//!
//! ```text
//!  sis ──▶ log ──▶ ┌────────┐ ──▶ lane ──▶ lms (whose people change it too)
//!                  │ claims │
//!  lms ──▶ log ──▶ └────────┘ ──▶ lane ──▶ archive
//! ```
//!
//! One key. Sources break off and begin again behind their last boundary, wherever boundaries fall the second
//! time; stay away for as long as they like; are copied; are put back to a backup. The resolve loses what it did not
//! commit, also when golden rows of that are out. Lanes go as slowly as they like.

use crate::claims::{is_kept, rules};
use crate::explore::{explore, find_failure};
use crate::known::Known;
use crate::source::{Row, System};
use crate::steps::Step;
use stateright::{Model, Property};
use std::sync::Arc;
use syncline_core::{Position, Stability};
use syncline_resolve::{Existence, Fallback, MemoryRows, Policy};

pub(crate) const SIS: usize = 0;
pub(crate) const LMS: usize = 1;

/// The lanes.
pub(crate) const TO_LMS: usize = 0;
pub(crate) const ARCHIVE: usize = 1;

/// When a key that is gone may be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// As the runtime does it.
    Stable,
    /// As soon as it is gone.
    AtOnce,
    /// When it was gone for a while, however long: between two transactions.
    ByAge,
    /// It stays for ever.
    Never,
}

/// How much of what may happen at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fuel {
    pub(crate) deeds: u8,
    pub(crate) breaks: u8,
    pub(crate) crashes: u8,
    pub(crate) copies: u8,
    pub(crate) restores: u8,
}

pub(crate) struct Collection {
    pub(crate) rule: Rule,
    pub(crate) entity: Known,
    pub(crate) fuel: Fuel,
    /// Whether rows that are copied may be older than the boundary that they come behind.
    pub(crate) has_stale_copies: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) systems: [System; 2],
    /// What of lms was looked at to be copied, where that may be stale.
    pub(crate) view: Option<(Row, Position)>,
    pub(crate) claims: Arc<MemoryRows>,
    /// Whose transaction is heard in part.
    pub(crate) within: Option<usize>,
    pub(crate) stability: Stability,
    /// Golden rows in the entity's topic, none for a delete; and those of a transaction that is not whole.
    pub(crate) golden: Vec<Option<&'static str>>,
    pub(crate) open: Vec<Option<&'static str>>,
    /// How far the lanes are.
    pub(crate) lanes: [usize; 2],
    pub(crate) archive: Option<&'static str>,
    pub(crate) left: [u8; 5],
}

impl State {
    /// The golden row, as it is told.
    pub(crate) fn told(&self) -> Option<&'static str> {
        self.open.last().or(self.golden.last()).copied().flatten()
    }

    fn is_in_doubt(&self) -> bool {
        self.systems.iter().any(|system| system.doubt > 0)
    }

    fn is_had(&self) -> bool {
        self.systems.iter().any(|system| system.had.is_had())
    }

    /// Nothing is on its way, and nobody has, or says, anything.
    fn is_gone_for_good(&self) -> bool {
        let is_past = |lane: &usize| *lane == self.golden.len();
        self.within.is_none()
            && self.told().is_none()
            && self.lanes.iter().all(is_past)
            && self.systems.iter().all(|system| {
                system.is_quiet() && system.row.is_none() && !system.had.is_spoken_of()
            })
    }
}

impl Model for Collection {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let Fuel { deeds, breaks, crashes, copies, restores } = self.fuel;
        vec![State {
            systems: [System::default(), System::default()],
            view: None,
            claims: Arc::default(),
            within: None,
            stability: Stability::default(),
            golden: Vec::new(),
            open: Vec::new(),
            lanes: [0, 0],
            archive: None,
            left: [deeds, breaks, crashes, copies, restores],
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        self.possible(state, steps);
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut next = state.clone();
        self.take(&mut next, step);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(COMES_BACK, |_, state: &State| {
                state.is_in_doubt() || state.told().is_none() || state.is_had()
            }),
            Property::always("a key is lost", |_, state: &State| {
                state.is_in_doubt() || state.told().is_some() || !state.is_had()
            }),
            Property::always("the archive is not golden", |_, state: &State| {
                let is_past = state.lanes[ARCHIVE] == state.golden.len();
                !is_past || state.archive == state.golden.last().copied().flatten()
            }),
            Property::always(KEPT, |model: &Self, state: &State| {
                let is_late = model.rule == Rule::Never || !state.is_gone_for_good();
                is_late || model.lets_go(state)
            }),
            Property::sometimes(LETS_GO, |_, state: &State| {
                state.golden.last() == Some(&None) && !is_kept(&state.claims)
            }),
            Property::sometimes(AGAIN, |_, state: &State| {
                let is_delete = |golden: &Option<_>| golden.is_none();
                state.golden.iter().any(is_delete) && state.archive.is_some()
            }),
        ]
    }
}

impl Collection {
    fn new(rule: Rule, fuel: Fuel) -> Self {
        let policy = Policy::Newest(Fallback::Ask);
        let rules = rules(policy, Existence::Any, &["sis", "lms"], &["lms"]);
        Self { rule, entity: Known::new(rules), fuel, has_stale_copies: false }
    }

    /// Whether a few looks let go of the key: the moment that stands may have begun too early for that.
    fn lets_go(&self, state: &State) -> bool {
        let mut state = state.clone();
        for _ in 0..4 {
            if self.may_collect(&state) {
                self.take(&mut state, Step::Collect);
            } else if !state.stability.has_begun() {
                self.take(&mut state, Step::Begin);
            }
        }
        !is_kept(&state.claims)
    }
}

const COMES_BACK: &str = "a key comes back that nobody has";
const KEPT: &str = "a key that is gone for good is kept";
const LETS_GO: &str = "seen: a key is let go of";
const AGAIN: &str = "seen: a key that was deleted is there again";

/// What people do, and nothing that goes wrong.
const DEEDS: Fuel = Fuel { deeds: 3, breaks: 0, crashes: 0, copies: 0, restores: 0 };

#[test]
fn no_key_comes_back_that_is_let_go_of_when_all_are_past_it() {
    // SYNCLINE_MODELS=1: all that a machine can go through in some minutes.
    let more = u8::from(std::env::var_os("SYNCLINE_MODELS").is_some());
    let deeds = 2 + more;
    let all = [
        ("breaks", Fuel { breaks: 1, ..DEEDS }),
        ("crashes", Fuel { deeds, crashes: 1, ..DEEDS }),
        ("copies", Fuel { deeds, copies: 1, ..DEEDS }),
        ("backups", Fuel { deeds: 2, restores: 1, ..DEEDS }),
        ("breaks and copies", Fuel { deeds: 2, breaks: 1, copies: 1, ..DEEDS }),
        ("breaks and crashes", Fuel { deeds: 2, breaks: 1, crashes: 1, copies: more, ..DEEDS }),
    ];
    for (what, fuel) in all {
        let what = format!("tombstones by stability, with {what}");
        let found = explore(&what, Collection::new(Rule::Stable, fuel));
        assert!(found.iter().all(|it| it.starts_with("seen")), "{found:?}");
        assert!(found.contains(&LETS_GO), "{found:?}");
    }
}

/// The source breaks off in the middle of what it sends, and what was heard of that is committed with the drop. When the
/// delete comes again there is nothing to delete, and so nobody is told.
#[test]
fn a_key_that_is_dropped_at_once_comes_back() {
    let fuel = Fuel { breaks: 1, ..DEEDS };
    let found = find_failure("tombstones dropped at once", Collection::new(Rule::AtOnce, fuel));
    assert!(found.contains(&COMES_BACK), "{found:?}");
}

/// The target has the record still, since our delete of it waits; its people change it, and that is taken for a
/// record of their own.
#[test]
fn a_key_that_is_dropped_by_age_comes_back() {
    let found = find_failure("tombstones dropped by age", Collection::new(Rule::ByAge, DEEDS));
    assert!(found.contains(&COMES_BACK), "{found:?}");
}

/// What the contract of sources says of rows that are copied is needed: a row that was looked at before the
/// boundary, and is told behind it, is there again.
#[test]
fn a_source_that_copies_what_it_saw_before_its_boundary_brings_a_key_back() {
    let fuel = Fuel { deeds: 2, copies: 1, ..DEEDS };
    let model = |rule| Collection { has_stale_copies: true, ..Collection::new(rule, fuel) };
    let found = find_failure("tombstones and stale copies", model(Rule::Stable));
    assert!(found.contains(&COMES_BACK), "{found:?}");
    let found = find_failure("no tombstone dropped, and stale copies", model(Rule::Never));
    assert!(!found.contains(&COMES_BACK), "{found:?}");
}
