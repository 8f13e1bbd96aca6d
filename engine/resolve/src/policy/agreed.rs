//! What was last agreed on, told from what each record said and since when.
//!
//! The words are laid on one line of time. Where at some moment all who spoke said the same, that was
//! agreed then; the last such moment counts. What was copied was said from the beginning. A decision is
//! an agreement.

use super::compiled::{Compiled, CompiledUnit};
use super::decision::Decided;
use super::word::UnitValue;
use crate::Stamp;
use crate::claims::Claims;
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
        let Some(mapping) = rules.mapping(origin.mapping) else { continue };
        for (column, id) in unit.fields.iter().enumerate() {
            if mapping.fields.binary_search(id).is_err() {
                continue;
            }
            let Some(field) = origin.field(*id) else { continue };
            // In the source's order: a clock that was set back does not undo what came later.
            let mut at = i64::MIN;
            for run in field.older.iter().rev().chain([&field.run]) {
                at = at.max(time(run.first.stamp));
                events.push(Event { at, origin: place, column, value: run.value });
            }
        }
    }
    events.sort_by_key(|event| event.at);
    events
}

fn time(stamp: Stamp) -> i64 {
    if stamp.copied { i64::MIN } else { stamp.micros }
}
