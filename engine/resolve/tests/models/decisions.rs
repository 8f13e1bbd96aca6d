//! A person decides on what the screen shows, while a source's change is under way.
//!
//! ```text
//!  sis, hr ──▶ log ──▶ ┌────────┐ ──▶ golden value, open question ──▶ screen
//!                      │ claims │                                       │
//!  decisions ──▶ log ─▶└────────┘                                    person
//! ```
//!
//! Sources change their mind, and back; decisions are taken back, also older ones; each topic is heard at its
//! own pace. What should hold is told from the words that the screen showed, with no digest of them.

use crate::claims::{Said, commit, hear, rules};
use crate::explore::explore;
use stateright::{Model, Property};
use std::collections::VecDeque;
use syncline_core::{ConflictState, ConflictWord, Op, Position};
use syncline_resolve::{EntityRules, Existence, Fallback, MemoryRows, Policy};

const SOURCES: [&str; 2] = ["sis", "hr"];
const WORDS: [&str; 2] = ["a", "b"];
const ANSWERS: [&str; 2] = ["b", "c"];

type Words = [&'static str; 2];

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Question {
    evidence: [u8; 16],
    words: Words,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Decision {
    id: u8,
    at: u64,
    on: Question,
    value: &'static str,
    /// How many changes were made since, heard or not.
    since: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Deed {
    Decide(Decision),
    TakeBack { id: u8, at: u64 },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    claims: MemoryRows,
    clock: u64,
    /// By source: what it says, what of that is not heard, what is heard.
    now: Words,
    under_way: [VecDeque<(u64, &'static str)>; 2],
    words: Words,
    /// What people did and is not heard, the decisions that they did not take back, and those heard of.
    deeds: VecDeque<Deed>,
    made: Vec<u8>,
    standing: Vec<Decision>,
    /// What is told.
    golden: Option<&'static str>,
    open: Option<Question>,
    changes: u8,
    decisions: u8,
    taken_back: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Change(usize),
    Hear(usize),
    Decide(&'static str),
    TakeBack(u8),
    HearPeople,
}

struct Desk {
    rules: EntityRules,
    changes: u8,
    decisions: u8,
    taken_back: u8,
}

fn known(text: Option<&str>) -> Option<&'static str> {
    ["a", "b", "c"].into_iter().find(|known| Some(*known) == text)
}

fn shown(words: &[ConflictWord]) -> Words {
    SOURCES.map(|source| {
        let word = words.iter().find(|word| word.source == source).unwrap();
        known(word.value.as_deref()).unwrap()
    })
}

impl Desk {
    fn new(policy: Policy) -> Self {
        let rules = rules(policy, Existence::Any, &SOURCES, &[]);
        Self { rules, changes: 4, decisions: 2, taken_back: 1 }
    }

    fn tell(&self, state: &mut State, said: &Said<'_>) {
        let (claims, told) = hear(&state.claims, &self.rules, said, false);
        state.claims = commit(&claims, &self.rules);
        if let Some((op, value)) = told.golden {
            assert_ne!(op, Op::Delete);
            state.golden = known(value.as_deref());
        }
        for change in told.conflicts {
            assert_eq!(change.subject, "name");
            state.open = match change.state {
                ConflictState::Closed(_) => None,
                ConflictState::Raised { evidence, words, .. } => {
                    let evidence = u128::from_str_radix(&evidence, 16).unwrap().to_be_bytes();
                    Some(Question { evidence, words: shown(&words) })
                }
            };
        }
    }

    fn hear_source(&self, state: &mut State, of: usize) {
        let Some((at, value)) = state.under_way[of].pop_front() else { return };
        state.words[of] = value;
        self.tell(state, &said(SOURCES[of], "r", (at, Op::Update), Some(value.as_bytes())));
    }

    fn hear_people(&self, state: &mut State) {
        match state.deeds.pop_front() {
            Some(Deed::Decide(decision)) => {
                let mut cell = decision.on.evidence.to_vec();
                cell.push(1);
                cell.extend_from_slice(decision.value.as_bytes());
                let (id, at) = (decision.id.to_string(), decision.at);
                state.standing.push(decision);
                self.tell(state, &said("decisions", &id, (at, Op::Insert), Some(&cell)));
            }
            Some(Deed::TakeBack { id, at }) => {
                state.standing.retain(|decision| decision.id != id);
                let id = id.to_string();
                self.tell(state, &said("decisions", &id, (at, Op::Delete), None));
            }
            None => {}
        }
    }
}

fn said<'a>(
    mapping: &'a str,
    record: &'a str,
    (at, op): (u64, Op),
    value: Option<&'a [u8]>,
) -> Said<'a> {
    let position = Position { epoch: 1, commit: at, ordinal: 0 };
    Said { mapping, record, op, position, ours: false, value }
}

impl State {
    fn in_force(&self) -> Option<&Decision> {
        self.standing.last().filter(|decision| decision.on.words == self.words)
    }

    /// All that were not taken back, heard or not.
    fn decisions_mut(&mut self) -> impl Iterator<Item = &mut Decision> {
        let of_deeds = self.deeds.iter_mut().filter_map(|deed| match deed {
            Deed::Decide(decision) => Some(decision),
            Deed::TakeBack { .. } => None,
        });
        self.standing.iter_mut().chain(of_deeds)
    }

    fn is_agreed(&self) -> bool {
        self.words[0] == self.words[1]
    }

    fn is_at_rest(&self) -> bool {
        self.deeds.is_empty() && self.under_way.iter().all(VecDeque::is_empty)
    }
}

impl Model for Desk {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let mut state = State {
            claims: MemoryRows::default(),
            clock: 2,
            now: ["a", "a"],
            under_way: [VecDeque::from([(1, "a")]), VecDeque::from([(2, "a")])],
            words: ["a", "a"],
            deeds: VecDeque::new(),
            made: Vec::new(),
            standing: Vec::new(),
            golden: None,
            open: None,
            changes: self.changes,
            decisions: self.decisions,
            taken_back: self.taken_back,
        };
        self.hear_source(&mut state, 0);
        self.hear_source(&mut state, 1);
        vec![state]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.changes > 0 {
            steps.extend([Step::Change(0), Step::Change(1)]);
        }
        let under_way = |of: &usize| !state.under_way[*of].is_empty();
        steps.extend([0, 1].into_iter().filter(under_way).map(Step::Hear));
        if state.decisions > 0 && state.open.is_some() {
            steps.extend(ANSWERS.map(Step::Decide));
        }
        if state.taken_back > 0 {
            steps.extend(state.made.iter().map(|id| Step::TakeBack(*id)));
        }
        if !state.deeds.is_empty() {
            steps.push(Step::HearPeople);
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut next = state.clone();
        next.clock += 1;
        let at = next.clock;
        match step {
            Step::Change(of) => {
                next.changes -= 1;
                next.now[of] = WORDS.into_iter().find(|word| *word != next.now[of])?;
                next.under_way[of].push_back((at, next.now[of]));
                next.decisions_mut().for_each(|decision| decision.since += 1);
            }
            Step::Hear(of) => self.hear_source(&mut next, of),
            Step::HearPeople => self.hear_people(&mut next),
            Step::Decide(value) => {
                next.decisions -= 1;
                let (id, on) = (next.decisions, next.open.clone()?);
                next.made.push(id);
                next.deeds.push_back(Deed::Decide(Decision { id, at, on, value, since: 0 }));
            }
            Step::TakeBack(id) => {
                next.taken_back -= 1;
                next.made.retain(|other| *other != id);
                next.deeds.push_back(Deed::TakeBack { id, at });
            }
        }
        // Nothing that is heard moves a clock.
        if matches!(step, Step::Hear(_) | Step::HearPeople) {
            next.clock = state.clock;
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "what is decided on these words is not in force",
                |_, state: &State| {
                    let holds =
                        |it: &Decision| (state.golden, &state.open) == (Some(it.value), &None);
                    state.in_force().is_none_or(holds)
                },
            ),
            Property::always("what all agree on is not golden", |_, state: &State| {
                let is_free = state.in_force().is_some() || !state.is_agreed();
                is_free || (state.golden, &state.open) == (Some(state.words[0]), &None)
            }),
            Property::always("nobody is asked about other words", |_, state: &State| {
                let is_settled = state.in_force().is_some() || state.is_agreed();
                let shows_now = |question: &Question| question.words == state.words;
                is_settled || state.open.as_ref().is_some_and(shows_now)
            }),
            Property::always("an answer is dropped before the next", |_, state: &State| {
                let Some(last) = state.standing.last() else { return true };
                let is_asked_again = state.open.is_some() && last.since <= 1;
                !is_asked_again || state.golden == Some(last.value)
            }),
            Property::sometimes(
                "seen: an answer to words that were gone when it came",
                |_, state: &State| {
                    let is_late = |it: &Decision| it.since == 0 && it.on.words != state.words;
                    state.is_at_rest()
                        && state.open.is_some()
                        && state.standing.last().is_some_and(is_late)
                },
            ),
            Property::sometimes(
                "seen: an answer in force again as words came back",
                |_, state: &State| {
                    state.is_at_rest() && state.in_force().is_some_and(|it| it.since >= 2)
                },
            ),
        ]
    }
}

const SEEN: [&str; 2] = [
    "seen: an answer in force again as words came back",
    "seen: an answer to words that were gone when it came",
];

#[test]
fn a_decision_is_in_force_on_its_words_or_the_question_is_open() {
    let found = explore("decisions, asked", Desk::new(Policy::Ask(Fallback::Ask)));
    assert_eq!(found, SEEN);
}
