//! What may happen next, and what it does.

use crate::claims::{Said, drop_at_once, is_kept};
use crate::collection::{ARCHIVE, Collection, LMS, Rule, SIS, State, TO_LMS};
use crate::source::{Change, Entry, Row};
use std::sync::Arc;
use syncline_core::{Offset, Op, Position, Stability};
use syncline_resolve::Rows as _;

/// The mappings, by system.
const MAPPINGS: [&str; 2] = ["sis", "lms"];

/// What is left of what.
const DEEDS: usize = 0;
const BREAKS: usize = 1;
const CRASHES: usize = 2;
const COPIES: usize = 3;
const RESTORES: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Insert(usize),
    Change(usize),
    Delete(usize),
    /// The next change goes into the log, with a boundary or without.
    Send(usize, bool),
    BreakOff(usize),
    /// A table is looked at, and what was seen is told.
    Look(usize),
    Copy(usize),
    Restore(usize),
    Hear(usize),
    /// The next change is heard, and what comes of it is told; then the process stops.
    HearAndCrash(usize),
    Crash,
    Apply(usize),
    Begin,
    Collect,
}

impl Collection {
    pub(crate) fn possible(&self, state: &State, steps: &mut Vec<Step>) {
        for of in [SIS, LMS] {
            self.possible_of(state, of, steps);
        }
        if state.left[CRASHES] > 0 {
            steps.push(Step::Crash);
        }
        let lanes = [TO_LMS, ARCHIVE].into_iter();
        steps.extend(lanes.filter(|&it| state.lanes[it] < state.golden.len()).map(Step::Apply));
        if self.rule == Rule::Stable && !state.stability.has_begun() && state.within.is_none() {
            steps.push(Step::Begin);
        }
        if self.may_collect(state) {
            steps.push(Step::Collect);
        }
    }

    fn possible_of(&self, state: &State, of: usize, steps: &mut Vec<Step>) {
        let system = &state.systems[of];
        if state.left[DEEDS] > 0 {
            match system.row {
                None => steps.push(Step::Insert(of)),
                Some(_) if of == SIS => steps.push(Step::Delete(of)),
                Some(_) => steps.extend([Step::Delete(of), Step::Change(of)]),
            }
        }
        if system.has_to_send() {
            steps.extend([Step::Send(of, false), Step::Send(of, true)]);
        }
        if state.left[BREAKS] > 0 && !system.is_at_boundary() {
            steps.push(Step::BreakOff(of));
        }
        if system.is_at_boundary()
            && system.row.is_some_and(|row| row.own || !self.has_stale_copies)
        {
            match self.has_stale_copies {
                true if of == LMS && state.left[COPIES] > 0 => steps.push(Step::Look(of)),
                false if state.left[COPIES] > 0 => steps.push(Step::Copy(of)),
                _ => {}
            }
        }
        if of == LMS && state.view.is_some() && system.is_at_boundary() {
            steps.push(Step::Copy(of));
        }
        if of == SIS && state.left[RESTORES] > 0 {
            steps.push(Step::Restore(of));
        }
        if state.within.is_none_or(|within| within == of)
            && let Some(entry) = system.next()
        {
            steps.push(Step::Hear(of));
            if matches!(entry, Entry::Change { boundary: Some(_), .. }) && state.left[CRASHES] > 0 {
                steps.push(Step::HearAndCrash(of));
            }
        }
    }

    pub(crate) fn may_collect(&self, state: &State) -> bool {
        let is_between = state.within.is_none();
        let is_gone = state.told().is_none() && is_kept(&state.claims);
        match self.rule {
            Rule::Stable => is_between && state.stability.stable(slowest(state)).is_some(),
            Rule::AtOnce => is_gone,
            Rule::ByAge => is_gone && is_between,
            Rule::Never => false,
        }
    }

    pub(crate) fn take(&self, state: &mut State, step: Step) {
        match step {
            Step::Insert(of) => {
                let value = ["a", "b"][of];
                change(state, of, Op::Insert, Some(Row { value, own: true }));
            }
            Step::Change(of) => {
                let row = state.systems[of].row.map(|row| Row { value: "c", ..row });
                change(state, of, Op::Update, row);
            }
            Step::Delete(of) => change(state, of, Op::Delete, None),
            Step::Send(of, is_whole) => state.systems[of].send(is_whole),
            Step::BreakOff(of) => {
                state.left[BREAKS] -= 1;
                state.systems[of].break_off();
            }
            Step::Look(of) => {
                state.left[COPIES] -= 1;
                let system = &state.systems[of];
                state.view = system.row.filter(|row| row.own).map(|row| (row, system.boundary));
            }
            Step::Copy(of) => match state.view.take() {
                Some((row, seen_at)) => state.systems[of].copy_view(Some(row), seen_at),
                None => {
                    state.left[COPIES] -= 1;
                    state.systems[of].copy();
                }
            },
            Step::Restore(of) => {
                state.left[RESTORES] -= 1;
                state.systems[of].restore(Row { value: "a", own: true });
            }
            Step::Hear(of) => self.hear_next(state, of, true),
            Step::HearAndCrash(of) => {
                self.hear_next(state, of, false);
                let open = std::mem::take(&mut state.open);
                state.golden.extend(open);
                crash(state);
            }
            Step::Crash => crash(state),
            Step::Apply(lane) => apply(state, lane),
            Step::Begin => state.stability.begin(end(state)),
            Step::Collect => self.collect(state),
        }
    }

    fn hear_next(&self, state: &mut State, of: usize, commits: bool) {
        let system = &mut state.systems[of];
        let Some(entry) = system.next() else { return };
        let Entry::Change { change, boundary } = entry else {
            system.read += 1;
            system.topic.drain(..system.read);
            system.doubt = system.doubt.saturating_sub(system.read);
            system.roll_back();
            roll_back(state);
            state.open.clear();
            state.within = None;
            return;
        };
        let Change { position, op, ours, value } = change;
        let value = Some(value.as_bytes());
        let said = Said { mapping: MAPPINGS[of], record: "r", op, position, ours, value };
        state.stability.hear(MAPPINGS[of], position);
        let (claims, golden) = self.entity.hear(&state.claims, &said, system.doubt > 0);
        state.claims = claims;
        system.hear(&change);
        if let Some((op, value)) = golden {
            state.open.push((op != Op::Delete).then(|| known(value.as_deref())));
        }
        state.within = Some(of);
        if let Some(boundary) = boundary.filter(|_| commits) {
            self.end(state, of, boundary);
        }
    }

    fn end(&self, state: &mut State, of: usize, boundary: Position) {
        let open = std::mem::take(&mut state.open);
        state.golden.extend(open);
        state.claims = self.entity.commit(&state.claims);
        state.systems[of].commit();
        state.stability.pass(MAPPINGS[of], boundary);
        state.within = None;
    }

    fn collect(&self, state: &mut State) {
        if self.rule != Rule::Stable {
            state.claims = Arc::new(drop_at_once(&state.claims, self.entity.rules()));
            return;
        }
        if let Some(stable) = state.stability.stable(slowest(state)) {
            state.claims = self.entity.collect(&state.claims, stable);
            state.stability.disturb();
        }
    }
}

/// NULL is the empty text here.
fn known(value: Option<&str>) -> &'static str {
    ["a", "b", "c"].into_iter().find(|it| Some(*it) == value).unwrap_or_default()
}

fn change(state: &mut State, of: usize, op: Op, row: Option<Row>) {
    state.left[DEEDS] -= 1;
    state.systems[of].change(op, row, false);
}

fn end(state: &State) -> Offset {
    Offset(state.golden.len() as u64)
}

fn slowest(state: &State) -> Option<Offset> {
    state.lanes.iter().min().map(|lane| Offset(*lane as u64))
}

/// What was not committed is lost, and so is what is known of how far all are.
fn crash(state: &mut State) {
    state.left[CRASHES] -= 1;
    roll_back(state);
    state.open.clear();
    state.within = None;
    state.stability = Stability::default();
    for (system, mapping) in state.systems.iter_mut().zip(MAPPINGS) {
        system.roll_back();
        system.doubt = system.topic.len();
        if system.topic.is_empty() {
            state.stability.pass(mapping, system.boundary);
        }
    }
}

fn roll_back(state: &mut State) {
    Arc::make_mut(&mut state.claims).rollback().unwrap();
}

fn apply(state: &mut State, lane: usize) {
    let golden = state.golden[state.lanes[lane]];
    state.lanes[lane] += 1;
    if lane == ARCHIVE {
        state.archive = golden;
        return;
    }
    let system = &mut state.systems[LMS];
    match (golden, system.row) {
        (Some(value), None) => {
            system.change(Op::Insert, Some(Row { value, own: false }), true);
        }
        (Some(value), Some(row)) if row.value != value => {
            system.change(Op::Update, Some(Row { value, ..row }), true);
        }
        (None, Some(_)) => system.change(Op::Delete, None, true),
        _ => {}
    }
}
