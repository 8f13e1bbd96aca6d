//! What is agreed on rows as they lie, where nobody has to be asked.
//!
//! Most units have one word, or words that agree, and most policies take such a word as it is. That is
//! found out here from a row's [`Outline`]; where words differ, [`super::decide`]'s own rules are asked.
//! Wherever these need more than words (a person's answer, what was last agreed on), there is no answer
//! here, and who asked has to decide by [`super::decide`].

use super::clock::Since;
use super::compiled::{Compiled, CompiledMapping, CompiledUnit, Registry};
use super::unit::{Agreed, by_words};
use super::word::{UnitValue, Word, word_of};
use crate::claims::{Outline, OutlineOrigin, Side};
use crate::{Existence, Policy};
use std::ops::Range;
use syncline_core::SystemName;

/// Rules, made ready for outlines; without any, nobody is known.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// By mapping number.
    mappings: Vec<Option<Counted>>,
    units: Vec<PlanUnit>,
    /// By field number.
    units_of: Vec<Option<usize>>,
    /// Where the columns of each unit are in the entity.
    columns: Vec<usize>,
    /// Whether the entity is written back to a system that speaks of it.
    pub(crate) is_returned: bool,
}

#[derive(Debug)]
struct PlanUnit {
    /// Among all columns of all units.
    columns: Range<usize>,
    /// Whether a word that nobody contradicts is what is agreed, as it is.
    takes_a_word: bool,
}

/// For each column of each unit the place of its field among those that the mapping speaks of; none
/// where its word does not count.
type Counted = Vec<Option<usize>>;

/// What is agreed on a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plain<'a> {
    /// Nothing, of as many columns as there are.
    Nothing,
    /// A value of one field.
    One(&'a [u8]),
    /// Values of the fields of a group.
    Group(Vec<Option<&'a [u8]>>),
    /// What was computed, of one field.
    Computed(Vec<u8>),
}

impl<'a> Plain<'a> {
    fn of(value: UnitValue<'a>) -> Self {
        match value {
            UnitValue::One(None) => Self::Nothing,
            UnitValue::One(Some(value)) => Self::One(value),
            UnitValue::Group(values) if values.iter().all(Option::is_none) => Self::Nothing,
            UnitValue::Group(values) => Self::Group(values),
        }
    }

    /// The value of a column of the unit.
    pub(crate) fn column(&self, column: usize) -> Option<&[u8]> {
        match self {
            Self::Nothing => None,
            Self::One(value) => Some(value),
            Self::Group(values) => values.get(column).copied().flatten(),
            Self::Computed(value) => Some(value),
        }
    }
}

/// What one record says of one unit.
#[derive(Debug)]
struct Spoken<'a> {
    origin: usize,
    value: UnitValue<'a>,
    /// The mark since when.
    since: usize,
}

/// Room for the words of one unit.
#[derive(Debug, Default)]
pub(crate) struct Spokens<'a>(Vec<Spoken<'a>>);

impl Plan {
    pub(crate) fn new(rules: &Compiled) -> Self {
        let mut columns = Vec::new();
        let units = rules.units.iter().map(|unit| {
            let from = columns.len();
            let place = |id: &u16| rules.fields.iter().position(|field| field == id);
            columns.extend(unit.fields.iter().filter_map(place));
            let computes = matches!(
                unit.policy,
                Policy::Union | Policy::Intersection | Policy::Sum | Policy::All | Policy::Sql(_)
            );
            PlanUnit { columns: from..columns.len(), takes_a_word: !computes }
        });
        let units = units.collect();
        let mappings = rules.mappings.iter().enumerate().map(|(number, mapping)| {
            let mapping =
                mapping.as_ref().filter(|_| number != usize::from(Registry::DECISIONS))?;
            Some(rules.units.iter().flat_map(|unit| counted(mapping, unit)).collect())
        });
        let is_returned = rules.mappings.iter().flatten().any(|it| it.returned.is_some());
        let fields = rules.fields.iter().max().map_or(0, |most| most + 1);
        let units_of = (0..fields).map(|field| rules.unit_of(field)).collect();
        Self { mappings: mappings.collect(), units, units_of, columns, is_returned }
    }

    /// Whether a mapping's word counts in some field.
    fn counted(&self, mapping: u16) -> Option<&Counted> {
        self.mappings.get(usize::from(mapping))?.as_ref()
    }

    /// Whether rows of a mapping can be heard here at all.
    pub(crate) fn knows(&self, mapping: u16) -> bool {
        self.counted(mapping).is_some()
    }

    /// The unit that a field is in.
    pub(crate) fn unit_of(&self, field: u16) -> Option<usize> {
        self.units_of.get(usize::from(field)).copied().flatten()
    }

    /// Whether an entity exists that a mapping's record alone speaks of.
    pub(crate) fn exists_by(&self, rules: &Compiled, mapping: u16) -> bool {
        let Some(mapping) = rules.mapping(mapping) else { return false };
        match &rules.rules.existence {
            Existence::Any | Existence::Ask => true,
            Existence::Owner(owner) => mapping.system == *owner,
            Existence::All => rules.rules.mappings.iter().all(|it| it.system == mapping.system),
        }
    }

    /// For each column of the entity whether the only word on it, if it is of this mapping, is what is
    /// agreed; none where it may be something else than that word or nothing.
    pub(crate) fn alone(&self, mapping: u16, width: usize) -> Option<Vec<bool>> {
        let counted = self.counted(mapping)?;
        let mut alone = vec![false; width];
        for unit in &self.units {
            for column in unit.columns.clone().filter(|&column| counted[column].is_some()) {
                alone[self.columns[column]] = unit.takes_a_word.then_some(true)?;
            }
        }
        Some(alone)
    }

    /// The place of a unit's columns in the entity.
    pub(crate) fn columns_of(&self, unit: usize) -> &[usize] {
        &self.columns[self.units[unit].columns.clone()]
    }

    /// What is agreed on a unit; none where that takes more than words.
    pub(crate) fn decide<'a>(
        &self,
        rules: &Compiled,
        unit: usize,
        (outline, side): (&Outline<'a>, Side),
        Spokens(spoken): &mut Spokens<'a>,
    ) -> Option<Plain<'a>> {
        let of = &rules.units[unit];
        if let Some(agreed) = self.decide_one(rules, unit, outline, side) {
            return Some(agreed);
        }
        spoken.clear();
        for (place, origin) in outline.origins().iter().enumerate() {
            let counted = self.counted(origin.mapping).filter(|_| origin.is_here(side));
            let Some(counted) = counted else { continue };
            let hints = &counted[self.units[unit].columns.clone()];
            let word = word(of, hints, (outline, origin, side));
            spoken.extend(word.map(|(value, since)| Spoken { origin: place, value, since }));
        }
        let Some(first) = spoken.first() else { return Some(Plain::Nothing) };
        let agree = || spoken.iter().skip(1).all(|other| other.value == first.value);
        if self.units[unit].takes_a_word && agree() {
            return spoken.pop().map(|word| Plain::of(word.value));
        }
        if let [one, other] = spoken.as_slice() {
            let marks = [(one.origin, one.since), (other.origin, other.since)];
            if let Some(place) = told_by_clocks(rules, of, outline, marks) {
                return Some(Plain::of(spoken.swap_remove(place).value));
            }
        }
        let mut words: Vec<Word<'a, '_>> =
            spoken.drain(..).filter_map(|spoken| whole_word(rules, outline, spoken)).collect();
        words.sort_by_key(|word| (word.mapping_name, word.record));
        Some(match by_words(rules, of, &words)? {
            Agreed::Said(value) => Plain::of(value),
            Agreed::Computed(value) => Plain::Computed(value),
        })
    }

    /// The same of a unit of one field, where it is said by two at the most and the words, or their clocks, tell;
    /// none where they don't. Most units come to this, and nothing is put down for it.
    fn decide_one<'a>(
        &self,
        rules: &Compiled,
        unit: usize,
        outline: &Outline<'a>,
        side: Side,
    ) -> Option<Plain<'a>> {
        let PlanUnit { columns, takes_a_word: true } = &self.units[unit] else { return None };
        let (unit, column) = (&rules.units[unit], columns.start);
        let &[id] = unit.fields.as_slice() else { return None };
        let (mut words, mut count) = ([(None, (0, 0)); 2], 0);
        for (place, origin) in outline.origins().iter().enumerate() {
            let counted = self.counted(origin.mapping).filter(|_| origin.is_here(side));
            let Some(hint) = counted.and_then(|counted| counted[column]) else { continue };
            let Some((value, since)) = outline.said(origin, side, (id, hint)) else { continue };
            if value.is_some() || unit.null_is_value {
                *words.get_mut(count)? = (value, (place, since));
                count += 1;
            }
        }
        let [(one, since), (other, other_since)] = words;
        let value = match count {
            0 => None,
            2 if one != other => {
                match told_by_clocks(rules, unit, outline, [since, other_since])? {
                    0 => one,
                    _ => other,
                }
            }
            _ => one,
        };
        Some(value.map_or(Plain::Nothing, Plain::One))
    }

    /// Whether the entity exists; none where that takes more than who has it.
    pub(crate) fn exists(
        &self,
        rules: &Compiled,
        outline: &Outline<'_>,
        side: Side,
    ) -> Option<bool> {
        let known = |origin: &&OutlineOrigin<'_>| self.counted(origin.mapping).is_some();
        let mut here = outline.origins().iter().filter(known).filter(|it| it.is_here(side));
        let is_of = |system: &SystemName, origin: &OutlineOrigin<'_>| {
            rules.mapping(origin.mapping).is_some_and(|mapping| mapping.system == *system)
        };
        match &rules.rules.existence {
            Existence::Ask if outline.origins().iter().filter(known).any(|it| it.is_gone(side)) => {
                None
            }
            Existence::Any | Existence::Ask => Some(here.next().is_some()),
            Existence::Owner(owner) => Some(here.any(|origin| is_of(owner, origin))),
            Existence::All => {
                let mut all = rules.rules.mappings.iter().map(|mapping| &mapping.system);
                let has = |system| here.clone().any(|origin| is_of(system, origin));
                Some(here.clone().next().is_some() && all.all(has))
            }
        }
    }
}

/// Which of two words that differ is the newer or the older, as the policy wants it; none where the clocks can't
/// tell, or something else decides. Each goes by its origin and its mark. Most keys of several sources come to this.
fn told_by_clocks(
    rules: &Compiled,
    unit: &CompiledUnit,
    outline: &Outline<'_>,
    [one, other]: [(usize, usize); 2],
) -> Option<usize> {
    let is_newest = match &unit.policy {
        Policy::Newest(_) => true,
        Policy::Oldest(_) => false,
        _ => return None,
    };
    let since = |(origin, mark): (usize, usize)| {
        let origin = &outline.origins()[origin];
        let mapping = rules.mapping(origin.mapping)?;
        Some(Since::of(mapping, outline.mark(origin, mark)))
    };
    let (one, other) = (since(one)?, since(other)?);
    let last = if other.is_after(&one) { 1 } else { one.is_after(&other).then_some(0)? };
    Some(if is_newest { last } else { 1 - last })
}

/// Where a list of sources decides, those that are not in it have no word.
fn counted<'u>(
    mapping: &'u CompiledMapping,
    unit: &'u CompiledUnit,
) -> impl Iterator<Item = Option<usize>> + 'u {
    let is_heard = match &unit.policy {
        Policy::Prefer(list) => list.contains(&mapping.system),
        _ => true,
    };
    unit.fields.iter().map(move |id| mapping.fields.binary_search(id).ok().filter(|_| is_heard))
}

/// What an origin says of a unit, and since which of its marks.
fn word<'a>(
    unit: &CompiledUnit,
    hints: &[Option<usize>],
    (outline, origin, side): (&Outline<'a>, &OutlineOrigin<'a>, Side),
) -> Option<(UnitValue<'a>, usize)> {
    let said = |(id, hint): (&u16, &Option<usize>)| outline.said(origin, side, (*id, (*hint)?));
    let (value, since) = match (unit.fields.as_slice(), hints) {
        ([id], [hint]) => said((id, hint)).map(|(value, since)| (UnitValue::One(value), since))?,
        (fields, hints) => {
            let all: Vec<_> = fields.iter().zip(hints).map(said).collect();
            let since = all.iter().flatten().map(|(_, since)| *since).max()?;
            let columns = all.iter().map(|said| said.and_then(|(value, _)| value)).collect();
            (UnitValue::Group(columns), since)
        }
    };
    value.says_something(unit.null_is_value).then_some((value, since))
}

fn whole_word<'a, 'r>(
    rules: &'r Compiled,
    outline: &Outline<'a>,
    spoken: Spoken<'a>,
) -> Option<Word<'a, 'r>> {
    let origin = &outline.origins()[spoken.origin];
    let since = outline.mark(origin, spoken.since);
    word_of(rules, (origin.mapping, origin.record), spoken.value, since)
}
