//! What was last agreed on, told from what each record said and since when.
//!
//! The words are laid on one line of time. Where at some moment all who spoke said the same, that was
//! agreed then; the last such moment counts. What was copied was said from the beginning. A decision is
//! an agreement. What a system holds because we wrote it there is no word of it, and counts for nothing: what
//! is agreed does not depend on when writes come back.

use super::compiled::{Compiled, CompiledMapping, CompiledUnit};
use super::decision::Decided;
use super::word::UnitValue;
use crate::Stamp;
use crate::claims::{Claims, Origin};
use std::collections::BTreeMap;

/// Something happened to a column of an origin's.
struct Event<'a> {
    at: i64,
    origin: usize,
    column: usize,
    value: Option<&'a [u8]>,
}

/// What was last agreed on; none where nothing ever was.
pub(crate) fn last_agreed<'a>(
    rules: &Compiled,
    unit: &CompiledUnit,
    claims: &Claims<'a>,
    decisions: &[Decided<'a>],
) -> Option<UnitValue<'a>> {
    let events = events(rules, unit, claims);
    let mut said: BTreeMap<usize, Vec<Option<&'a [u8]>>> = BTreeMap::new();
    let mut agreed: Option<(i64, UnitValue<'a>)> = None;
    for moment in events.chunk_by(|a, b| a.at == b.at) {
        for event in moment {
            let columns = said.entry(event.origin).or_insert_with(|| vec![None; unit.fields.len()]);
            if let Some(column) = columns.get_mut(event.column) {
                *column = event.value;
            }
        }
        let speaks = |columns: &&Vec<Option<&[u8]>>| {
            unit.null_is_value || columns.iter().any(Option::is_some)
        };
        let mut words = said.values().filter(speaks);
        if let (Some(first), Some(at)) = (words.next(), moment.first().map(|event| event.at))
            && words.all(|other| other == first)
        {
            agreed = Some((at, UnitValue::from_columns(first.clone())));
        }
    }
    let decided = decisions.first().map(|it| (time(it.at.stamp), it.value.clone()));
    match (agreed, decided) {
        (Some(agreed), Some(decided)) if agreed.0 > decided.0 => Some(agreed.1),
        (_, Some(decided)) => Some(decided.1),
        (agreed, None) => agreed.map(|agreed| agreed.1),
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
        events.push(Event { at, origin: place, column, value });
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
