//! The smallest change that would lead to another value.
//!
//! Each change is made on a copy of the claims, which is then decided. So what is told is true by the
//! rules, whatever they are; no policy is put into words here.

use super::explain::Asked;
use super::told::{Change, Flip};
use crate::claims::{Observation, Said, Touched};
use crate::policy::{Registry, UnitValue, Word, decide, decision_id, exists};
use crate::{Mark, Stamp};
use std::collections::BTreeSet;
use syncline_core::{Position, Result};

/// Most changes that are tried.
const TRIED_MAX: usize = 400;

/// A change to try.
struct Candidate<'a> {
    change: Change,
    observations: Vec<Observation<'a>>,
}

impl<'a> Asked<'_, '_, 'a> {
    /// The first change that leads to another value, and how many were tried.
    pub(super) fn flip(&self) -> Result<(Option<Flip>, usize)> {
        let mut candidates = Vec::new();
        for word in &self.words {
            candidates.push(self.withdrawn(word)?);
        }
        for word in &self.words {
            candidates.extend(self.said_anew(word)?);
        }
        for word in &self.words {
            for value in self.other_values(word) {
                candidates.push(self.says(word, value)?);
            }
        }
        candidates.extend(self.undone());
        candidates.truncate(TRIED_MAX);
        let tried = candidates.len();
        for candidate in candidates {
            if let Some(flip) = self.tried(candidate)? {
                return Ok((Some(flip), tried));
            }
        }
        Ok((None, tried))
    }

    /// What a change comes to, where that is another value of an entity that still exists.
    fn tried(&self, candidate: Candidate<'a>) -> Result<Option<Flip>> {
        let mut claims = self.claims.clone();
        for observation in &candidate.observations {
            claims.merge(observation, &mut Touched::default());
        }
        if !exists(self.rules, &claims).exists {
            return Ok(None);
        }
        let verdict = decide(self.rules, self.unit, &claims);
        let mut columns = 0..self.unit.fields.len();
        let is_same = columns.all(|it| verdict.value.column(it) == self.verdict.value.column(it));
        if is_same {
            return Ok(None);
        }
        let becomes = self.text(|column| verdict.value.column(column))?;
        let conflict = verdict.conflict.map(|(kind, _)| kind);
        Ok(Some(Flip { change: candidate.change, becomes, conflict }))
    }

    /// A record that says NULL from now on; where NULL is a value, it has to go to say nothing.
    fn withdrawn(&self, word: &Word<'a, '_>) -> Result<Candidate<'a>> {
        let told = self.word(word)?;
        let mark = self.after(word, 0);
        let (change, said) = match self.unit.null_is_value {
            true => (Change::Deleted(told), Said::Gone),
            false => (Change::Withdrawn(told), self.here(word, |_| None)),
        };
        Ok(Candidate { change, observations: vec![observation(word, mark, said)] })
    }

    /// To say the same again is nothing new: it has to be taken back in between.
    fn said_anew(&self, word: &Word<'a, '_>) -> Result<Option<Candidate<'a>>> {
        if word.value.columns().iter().all(Option::is_none) {
            return Ok(None);
        }
        let (back, anew) = (self.after(word, 0), self.after(word, 1));
        let observations = vec![
            observation(word, back, self.here(word, |_| None)),
            observation(word, anew, self.here_with(word, &word.value)),
        ];
        let change = Change::SaidAnew { by: self.word(word)?, from: anew.stamp.micros };
        Ok(Some(Candidate { change, observations }))
    }

    /// What others say, and what anybody said before.
    fn other_values(&self, word: &Word<'a, '_>) -> Vec<UnitValue<'a>> {
        let mut values: Vec<UnitValue<'a>> = Vec::new();
        let said = self.words.iter().map(|other| other.value.clone());
        for value in said.chain(self.former_values()) {
            if value != word.value && !values.contains(&value) {
                values.push(value);
            }
        }
        values
    }

    /// What was said before of a unit that is one field.
    fn former_values(&self) -> BTreeSet<UnitValue<'a>> {
        let [only] = self.unit.fields.as_slice() else { return BTreeSet::new() };
        let origins = self.claims.origins.iter();
        let of_sources = origins.filter(|origin| origin.mapping != Registry::DECISIONS);
        let fields = of_sources.filter_map(|origin| origin.field(*only));
        let runs = fields.flat_map(|field| field.older.iter().map(|run| run.value));
        let is_said = |value: &UnitValue<'_>| value.says_something(self.unit.null_is_value);
        runs.map(UnitValue::One).filter(is_said).collect()
    }

    fn says(&self, word: &Word<'a, '_>, value: UnitValue<'a>) -> Result<Candidate<'a>> {
        let mark = self.after(word, 0);
        let by = super::told::WhyWord { value: self.value_text(&value)?, ..self.word(word)? };
        let observations = vec![observation(word, mark, self.here_with(word, &value))];
        let change = Change::Says { by, from: mark.stamp.micros };
        Ok(Candidate { change, observations })
    }

    /// Decisions that are taken back, the last one first.
    fn undone(&self) -> Vec<Candidate<'a>> {
        let undone = |decided: &crate::policy::Decided<'a>| {
            let position =
                Position { commit: decided.at.position.commit + 1, ..decided.at.position };
            let mark = Mark { position, stamp: decided.at.stamp };
            let (mapping, record, said) = (Registry::DECISIONS, decided.id, Said::Gone);
            Candidate {
                change: Change::Undone { id: decision_id(record) },
                observations: vec![Observation { mapping, record, mark, said, echo: false }],
            }
        };
        self.decisions.iter().map(undone).collect()
    }

    fn here_with(&self, word: &Word<'a, '_>, value: &UnitValue<'a>) -> Said<'a> {
        self.here(word, |column| value.columns().get(column).copied().flatten())
    }

    /// A record that says this of the unit's columns, as far as its mapping speaks of them.
    fn here(&self, word: &Word<'a, '_>, value: impl Fn(usize) -> Option<&'a [u8]>) -> Said<'a> {
        let mapping = self.rules.mapping(word.mapping);
        let speaks_of = |id: &u16| mapping.is_some_and(|it| it.fields.binary_search(id).is_ok());
        let fields = self.unit.fields.iter().enumerate().filter(|(_, id)| speaks_of(id));
        let mut values: Vec<_> =
            fields.map(|(column, &id)| (id, value(column), self.unit.older_max)).collect();
        values.sort_by_key(|(id, ..)| *id);
        Said::Here(values)
    }

    /// A mark that is after all that a word's system said, and by its clock surely after all words.
    fn after(&self, word: &Word<'a, '_>, ordinal: u32) -> Mark {
        let of_system = self.claims.origins.iter().filter(|origin| {
            self.rules.mapping(origin.mapping).is_some_and(|it| it.system == *word.system)
        });
        let marks = of_system.flat_map(|origin| {
            let runs = origin.fields.iter().map(|field| field.run.last);
            runs.chain(origin.seen).chain(origin.gone)
        });
        let last = marks.max().unwrap_or(word.since).position;
        let latest =
            self.words.iter().map(|it| it.since.stamp.micros.saturating_add(it.uncertainty));
        let latest = latest.max().unwrap_or_default();
        let micros = latest.saturating_add(word.uncertainty).saturating_add(1);
        let position = Position { commit: last.commit.saturating_add(1), ordinal, ..last };
        Mark { position, stamp: Stamp { micros, copied: false } }
    }
}

fn observation<'a>(word: &Word<'a, '_>, mark: Mark, said: Said<'a>) -> Observation<'a> {
    Observation { mapping: word.mapping, record: word.record, mark, said, echo: false }
}
