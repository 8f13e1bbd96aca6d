//! What was last agreed on, told from what each record said and since when.
//!
//! The words are laid on one line of time. Where at some moment all who spoke said the same, that was
//! agreed then; the last such moment counts. What was copied was said from the beginning. A decision is
//! an agreement. What a system holds because we wrote it there is no word of it, and counts for nothing: what
//! is agreed does not depend on when writes come back.

use super::compiled::{Compiled, CompiledMapping, CompiledUnit};
use super::decision::{Decided, on_unit};
use super::formula::{Formula, Row};
use super::unit::{Agreed, all_agree};
use super::word::{UnitValue, word_of};
use crate::claims::{Claims, Origin};
use crate::{Mark, Stamp};
use std::collections::BTreeMap;

/// Something happened to a column of an origin's.
struct Event<'a> {
    at: i64,
    origin: usize,
    column: usize,
    value: Option<&'a [u8]>,
    since: Mark,
}

/// What an origin says at some moment.
#[derive(Clone)]
struct SaidThen<'a> {
    columns: Vec<Option<&'a [u8]>>,
    since: Mark,
}

impl SaidThen<'_> {
    fn says_something(&self, unit: &CompiledUnit) -> bool {
        unit.null_is_value || self.columns.iter().any(Option::is_some)
    }
}

/// What was last agreed on; none where nothing ever was.
pub(crate) fn last_agreed<'a>(
    rules: &Compiled,
    unit: &CompiledUnit,
    claims: &Claims<'a>,
    decisions: &[Decided<'a>],
) -> Option<UnitValue<'a>> {
    let mut agreed: Option<(i64, UnitValue<'a>)> = None;
    over_time(rules, unit, claims, |at, said| {
        let mut words = said.values().filter(|said| said.says_something(unit));
        if let Some(first) = words.next()
            && words.all(|other| other.columns == first.columns)
        {
            agreed = Some((at, UnitValue::from_columns(first.columns.clone())));
        }
    });
    or_decided(agreed, decisions, |value| value)
}

/// A moment, and what an expression was computed from then.
pub(crate) struct Moment<'a> {
    at: i64,
    pub(crate) row: Row<'a>,
    /// Whether all who spoke said the same.
    pub(crate) is_agreed: bool,
}

/// What an expression last came to at a moment that counts; none where it never came to anything.
pub(crate) fn last_computed<'a>(
    rules: &Compiled,
    unit: &CompiledUnit,
    formula: &Formula,
    claims: &Claims<'a>,
    counts: impl Fn(&Moment<'a>) -> bool,
) -> Option<Agreed<'a>> {
    let moments = moments(rules, unit, formula, claims);
    let computed = |it: &Moment<'a>| Some((it.at, formula.outcome(&it.row).ok()?));
    let last = moments.iter().rev().filter(|moment| counts(moment)).find_map(computed);
    let last = last.map(|(at, value)| {
        let nothing = Agreed::Said(UnitValue::One(None));
        (at, value.map_or(nothing, Agreed::Computed))
    });
    or_decided(last, &on_unit(unit, claims), Agreed::Said)
}

/// All moments at which something was said.
pub(crate) fn moments<'a>(
    rules: &Compiled,
    unit: &CompiledUnit,
    formula: &Formula,
    claims: &Claims<'a>,
) -> Vec<Moment<'a>> {
    let mut moments = Vec::new();
    over_time(rules, unit, claims, |at, said| {
        let word = |(&place, said): (&usize, &SaidThen<'a>)| {
            let origin = &claims.origins[place];
            let value = UnitValue::from_columns(said.columns.clone());
            word_of(rules, (origin.mapping, origin.record), value, said.since)
        };
        let speaking = said.iter().filter(|(_, said)| said.says_something(unit));
        let words: Vec<_> = speaking.filter_map(word).collect();
        let row = formula.row(&words);
        moments.push(Moment { at, row, is_agreed: !words.is_empty() && all_agree(&words) });
    });
    moments
}

/// What was decided later than what was agreed goes before it.
fn or_decided<'a, V>(
    agreed: Option<(i64, V)>,
    decisions: &[Decided<'a>],
    value: impl Fn(UnitValue<'a>) -> V,
) -> Option<V> {
    let decided = decisions.first().map(|it| (time(it.at.stamp), it.value.clone()));
    match (agreed, decided) {
        (Some(agreed), Some(decided)) if agreed.0 > decided.0 => Some(agreed.1),
        (_, Some(decided)) => Some(value(decided.1)),
        (agreed, None) => agreed.map(|agreed| agreed.1),
    }
}

/// Goes through all moments at which something was said, with what each origin says then.
fn over_time<'a>(
    rules: &Compiled,
    unit: &CompiledUnit,
    claims: &Claims<'a>,
    mut told: impl FnMut(i64, &BTreeMap<usize, SaidThen<'a>>),
) {
    let events = events(rules, unit, claims);
    let mut said: BTreeMap<usize, SaidThen<'a>> = BTreeMap::new();
    for moment in events.chunk_by(|a, b| a.at == b.at) {
        for event in moment {
            let origin = said.entry(event.origin).or_insert_with(|| SaidThen {
                columns: vec![None; unit.fields.len()],
                since: event.since,
            });
            origin.since = origin.since.max(event.since);
            if let Some(column) = origin.columns.get_mut(event.column) {
                *column = event.value;
            }
        }
        if let Some(event) = moment.first() {
            told(event.at, &said);
        }
    }
}

fn events<'a>(rules: &Compiled, unit: &CompiledUnit, claims: &Claims<'a>) -> Vec<Event<'a>> {
    let mut events = Vec::new();
    for (place, origin) in claims.origins.iter().enumerate().filter(|(_, it)| it.is_here()) {
        if let Some(mapping) = rules.mapping(origin.mapping) {
            events_of(place, origin, unit, mapping, &mut events);
        }
    }
    events.sort_by_key(|event| event.at);
    events
}

/// What happened to all columns of an origin's, in the source's order: a clock that was set back does
/// not undo what came later, nor tear columns apart that were said together. Where the beginning of a
/// column is forgotten, it is as if the record had not spoken until all columns are known.
fn events_of<'a>(
    place: usize,
    origin: &Origin<'a>,
    unit: &CompiledUnit,
    mapping: &CompiledMapping,
    events: &mut Vec<Event<'a>>,
) {
    let from = events.len();
    let mut firsts = Vec::new();
    let mut known_from = None;
    for (column, id) in unit.fields.iter().enumerate() {
        let is_spoken_of = mapping.fields.binary_search(id).is_ok();
        let Some(field) = origin.field(*id).filter(|_| is_spoken_of) else { continue };
        let runs = field.older.iter().rev().chain([&field.run]).filter(|run| !run.echo);
        firsts.extend(runs.map(|run| (run.first, column, run.value)));
        let oldest = field.older.last().unwrap_or(&field.run).first;
        known_from = known_from.max(field.floor.map(|_| oldest));
    }
    firsts.sort_by_key(|(first, ..)| *first);
    let mut at = i64::MIN;
    let mut known = 0;
    for (first, column, value) in firsts {
        at = at.max(time(first.stamp));
        events.push(Event { at, origin: place, column, value, since: first });
        if Some(first) <= known_from {
            known = events.len() - from;
        }
    }
    let (unknown, at) = (from..from + known, at_of(events, from + known));
    for event in events.get_mut(unknown).unwrap_or_default() {
        event.at = at;
    }
}

/// When what was forgotten is over: with the event before this place.
fn at_of(events: &[Event<'_>], place: usize) -> i64 {
    place.checked_sub(1).and_then(|last| events.get(last)).map_or(i64::MIN, |event| event.at)
}

fn time(stamp: Stamp) -> i64 {
    if stamp.copied { i64::MIN } else { stamp.micros }
}
