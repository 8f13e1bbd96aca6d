//! What each record says of one unit.

use super::compiled::{Compiled, CompiledUnit};
use crate::Mark;
use crate::claims::{Claims, Origin, Run};
use syncline_core::{Digest, SystemName};

/// The value of a unit: of a field, or of the fields of a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum UnitValue<'a> {
    One(Option<&'a [u8]>),
    Group(Vec<Option<&'a [u8]>>),
}

impl<'a> UnitValue<'a> {
    /// Of as many columns.
    pub(crate) fn from_columns(mut columns: Vec<Option<&'a [u8]>>) -> Self {
        match columns.pop() {
            Some(only) if columns.is_empty() => Self::One(only),
            Some(last) => {
                columns.push(last);
                Self::Group(columns)
            }
            None => Self::One(None),
        }
    }

    /// Of each column.
    pub(crate) fn columns(&self) -> &[Option<&'a [u8]>] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Group(values) => values,
        }
    }

    /// The value of a unit that is one field; NULL for a group.
    pub(crate) fn one(&self) -> Option<&'a [u8]> {
        match self {
            Self::One(value) => *value,
            Self::Group(_) => None,
        }
    }

    /// Whether it is a word: NULL says nothing unless it is a value.
    pub(crate) fn says_something(&self, null_is_value: bool) -> bool {
        null_is_value || self.columns().iter().any(Option::is_some)
    }
}

/// What one record says of one unit.
#[derive(Debug, Clone)]
pub(crate) struct Word<'a, 'r> {
    pub(crate) mapping: u16,
    pub(crate) mapping_name: &'r str,
    pub(crate) record: &'a [u8],
    pub(crate) system: &'r SystemName,
    pub(crate) uncertainty: i64,
    pub(crate) value: UnitValue<'a>,
    /// Since when it says so.
    pub(crate) since: Mark,
}

/// Who says something of a unit, by the names of mappings: the numbers they have depend on which came
/// first, and decide nothing.
pub(crate) fn words<'a, 'r>(
    rules: &'r Compiled,
    unit: &CompiledUnit,
    claims: &Claims<'a>,
) -> Vec<Word<'a, 'r>> {
    let here = claims.origins.iter().filter(|origin| origin.is_here());
    let mut words: Vec<_> = here.filter_map(|origin| word(rules, unit, origin)).collect();
    words.sort_by_key(|word| (word.mapping_name, word.record));
    words
}

fn word<'a, 'r>(
    rules: &'r Compiled,
    unit: &CompiledUnit,
    origin: &Origin<'a>,
) -> Option<Word<'a, 'r>> {
    let mapping = rules.mapping(origin.mapping)?;
    let said = |&id: &u16| -> Option<&Run<'a>> {
        let is_spoken_of = mapping.fields.binary_search(&id).is_ok();
        origin.field(id).filter(|_| is_spoken_of)?.word()
    };
    let (value, since) = match unit.fields.as_slice() {
        [only] => said(only).map(|run| (UnitValue::One(run.value), run.first))?,
        many => {
            let runs: Vec<_> = many.iter().map(said).collect();
            let since = runs.iter().flatten().map(|run| run.first).max()?;
            let columns = runs.iter().map(|run| run.and_then(|run| run.value)).collect();
            (UnitValue::Group(columns), since)
        }
    };
    let is_word = value.says_something(unit.null_is_value);
    word_of(rules, (origin.mapping, origin.record), value, since).filter(|_| is_word)
}

/// That a record of a mapping says this since then; none where its mapping is no longer there.
pub(crate) fn word_of<'a, 'r>(
    rules: &'r Compiled,
    (number, record): (u16, &'a [u8]),
    value: UnitValue<'a>,
    since: Mark,
) -> Option<Word<'a, 'r>> {
    let mapping = rules.mapping(number)?;
    Some(Word {
        mapping: number,
        mapping_name: &mapping.name,
        record,
        system: &mapping.system,
        uncertainty: mapping.uncertainty,
        value,
        since,
    })
}

/// What a decision rests on: who says what. Says nothing of when, so that a source that changes its
/// mind and back again leaves a decision standing.
pub(crate) fn evidence(words: &[Word<'_, '_>]) -> Digest {
    let mut said: Vec<_> = words
        .iter()
        .map(|word| (word.system.as_str(), word.record, word.value.columns()))
        .collect();
    said.sort_unstable();
    said.dedup();
    said.into_iter().fold(Digest::default(), |digest, (system, record, columns)| {
        let digest = digest.part(system.as_bytes()).part(record);
        columns.iter().fold(digest, |digest, column| match column {
            Some(value) => digest.with(&[1]).part(value),
            None => digest.with(&[0]),
        })
    })
}
