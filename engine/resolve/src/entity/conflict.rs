//! Conflicts in words.

use super::compare::{Judged, Turn};
use super::key::key_cells;
use crate::Mark;
use crate::policy::{Compiled, CompiledUnit, EXISTENCE_NAME, Registry, words};
use crate::text;
use syncline_core::{Closed, Column, ConflictChange, ConflictState, ConflictWord, Result};

/// Puts into words what became of a conflict.
pub(super) fn told(
    rules: &Compiled,
    registry: &Registry,
    key: &[u8],
    turn: Turn,
    new: &mut Judged<'_, '_, '_>,
) -> Result<ConflictChange> {
    let (unit, state) = match turn {
        Turn::Closed { unit, why } => (unit, ConflictState::Closed(why)),
        Turn::Raised { unit, kind, evidence } => {
            let (words, in_force) = match unit {
                Some(unit) => of_unit(rules, registry, unit, new)?,
                None => (of_existence(rules, registry, new), Some(new.exists.exists.to_string())),
            };
            let reason = unit.and_then(|unit| new.unit(unit).reason.clone());
            let (evidence, rules) = (evidence.to_string(), rules.rules.revision().to_string());
            (unit, ConflictState::Raised { kind, evidence, words, in_force, rules, reason })
        }
    };
    let subject = unit.map_or(EXISTENCE_NAME, |unit| rules.units[unit].name.as_str()).to_owned();
    Ok(ConflictChange { key: key_json(rules, key)?, subject, state })
}

/// That nothing is asked any more of a unit that the rules no longer have.
pub(super) fn dropped(rules: &Compiled, key: &[u8], subject: &str) -> Result<ConflictChange> {
    let state = ConflictState::Closed(Closed::RulesChanged);
    Ok(ConflictChange { key: key_json(rules, key)?, subject: subject.to_owned(), state })
}

fn of_unit(
    rules: &Compiled,
    registry: &Registry,
    unit: usize,
    new: &mut Judged<'_, '_, '_>,
) -> Result<(Vec<ConflictWord>, Option<String>)> {
    let of = &rules.units[unit];
    let mut told = Vec::new();
    for word in words(rules, of, new.claims()) {
        told.push(ConflictWord {
            source: word.system.to_string(),
            mapping: registry.mapping_name(word.mapping).to_owned(),
            record: String::from_utf8_lossy(word.record).into_owned(),
            value: unit_text(rules, of, |column| {
                word.value.columns().get(column).copied().flatten()
            })?,
            since: known(word.since),
            uncertainty: word.uncertainty,
        });
    }
    let verdict = new.unit(unit);
    let in_force = unit_text(rules, of, |column| verdict.value.column(column))?;
    Ok((told, in_force))
}

fn of_existence(
    rules: &Compiled,
    registry: &Registry,
    new: &Judged<'_, '_, '_>,
) -> Vec<ConflictWord> {
    let word = |origin: &crate::claims::Origin<'_>| {
        let mapping = rules.mapping(origin.mapping)?;
        Some(ConflictWord {
            source: mapping.system.to_string(),
            mapping: registry.mapping_name(origin.mapping).to_owned(),
            record: String::from_utf8_lossy(origin.record).into_owned(),
            value: Some(if origin.is_had() { "exists" } else { "deleted" }.to_owned()),
            since: known(origin.seen.or(origin.gone)?),
            uncertainty: mapping.uncertainty,
        })
    };
    new.claims().origins.iter().filter(|origin| origin.was).filter_map(word).collect()
}

/// When it was said, where that is known.
fn known(mark: Mark) -> Option<i64> {
    (!mark.stamp.copied).then_some(mark.stamp.micros)
}

/// The value of a unit as text: of a field as such, of a group as a JSON array.
pub(super) fn unit_text<'a>(
    rules: &Compiled,
    unit: &CompiledUnit,
    column: impl Fn(usize) -> Option<&'a [u8]>,
) -> Result<Option<String>> {
    let texts: Vec<Option<String>> = unit
        .fields
        .iter()
        .enumerate()
        .map(|(place, field)| {
            let of_entity = rules.fields.iter().position(|other| other == field);
            let of_entity = of_entity.and_then(|at| rules.rules.schema.columns().get(at));
            let of_entity = of_entity.expect("a unit is of the entity's fields");
            cell_text(of_entity, column(place))
        })
        .collect::<Result<_>>()?;
    match texts.as_slice() {
        [only] => Ok(only.clone()),
        many if many.iter().all(Option::is_none) => Ok(None),
        many => Ok(Some(serde_json::to_string(many).expect("texts are JSON"))),
    }
}

/// A value as text.
pub(super) fn cell_text(column: &Column, cell: Option<&[u8]>) -> Result<Option<String>> {
    cell.map(|cell| text::write(column, cell)).transpose()
}

/// A key as a JSON array of texts.
pub(super) fn key_json(rules: &Compiled, key: &[u8]) -> Result<String> {
    Ok(serde_json::to_string(&key_texts(rules, key)?).expect("texts are JSON"))
}

/// A key as texts.
pub(super) fn key_texts(rules: &Compiled, key: &[u8]) -> Result<Vec<Option<String>>> {
    let schema = &rules.rules.schema;
    let cells = key_cells(key).unwrap_or_default();
    schema
        .key()
        .iter()
        .enumerate()
        .map(|(place, &column)| cell_text(&schema.columns()[column], cells.get(place).copied()))
        .collect()
}
