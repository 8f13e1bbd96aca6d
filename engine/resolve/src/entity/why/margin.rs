//! By how much a policy decided.

use super::explain::Asked;
use super::told::{Margin, Measure, Score, TimeTold, WhyWord};
use crate::Policy;
use crate::policy::{By, Word, characters, first_words, last_words, place_in};
use std::collections::BTreeMap;
use syncline_core::{Result, SystemName};

impl<'a> Asked<'_, '_, 'a> {
    /// By how much the winner won; none where nobody did, or there was nobody else.
    pub(super) fn margin(&self) -> Result<Option<Margin>> {
        let Some(winner) = self.winner() else { return Ok(None) };
        if let Policy::Prefer(list) = &self.unit.policy {
            return self.by_list(list, winner).map(Some);
        }
        let others: Vec<&Word<'a, '_>> =
            self.words.iter().filter(|word| word.value != winner.value).collect();
        if others.is_empty() {
            return Ok(None);
        }
        match &self.unit.policy {
            Policy::Newest(_) => self.by_time(winner, &others, Turn::Later),
            Policy::Oldest(_) => self.by_time(winner, &others, Turn::Earlier),
            Policy::Longest(_) => self.by_score(winner, |scores| Measure::Characters { scores }),
            Policy::MostCommon(_) => self.by_score(winner, |scores| Measure::Supporters { scores }),
            Policy::Ordered(_) => self.by_score(winner, |scores| Measure::Places { scores }),
            Policy::Max | Policy::Min => self.by_value(&others),
            Policy::Ask(_) => Ok(None),
            Policy::Prefer(_)
            | Policy::Union
            | Policy::Intersection
            | Policy::Sum
            | Policy::All
            | Policy::Sql(_) => Ok(None),
        }
    }

    /// The word that decided.
    fn winner(&self) -> Option<&Word<'a, '_>> {
        let By::Winner { mapping, record } = self.verdict.by else { return None };
        self.words.iter().find(|word| (word.mapping, word.record) == (mapping, record))
    }

    /// Who is silent of those that go before, and who would be next.
    fn by_list(&self, list: &[SystemName], winner: &Word<'_, '_>) -> Result<Margin> {
        let place = list.iter().position(|system| system == winner.system).unwrap_or(list.len());
        let (before, from) = list.split_at(place);
        let next = from.iter().skip(1).find_map(|system| {
            let of_system = self.words.iter().filter(|word| word.system == system);
            of_system.max_by_key(|word| (word.since, word.mapping_name, word.record))
        });
        let silent = before.iter().map(ToString::to_string).collect();
        let runner_up = next.map(|word| self.word(word)).transpose()?;
        Ok(Margin { runner_up, measure: Measure::List { silent } })
    }

    fn by_time(
        &self,
        winner: &Word<'a, '_>,
        others: &[&Word<'a, '_>],
        turn: Turn,
    ) -> Result<Option<Margin>> {
        let micros = |word: &Word<'_, '_>| word.since.stamp.micros;
        let left = match turn {
            Turn::Later => last_words(&self.words),
            Turn::Earlier => first_words(&self.words),
        };
        // Where the clocks left several values, the list decided between them.
        let rivals: Vec<_> = left.into_iter().filter(|word| word.value != winner.value).collect();
        let among = if rivals.is_empty() { others } else { &rivals };
        let runner_up = match turn {
            Turn::Later => among.iter().max_by_key(|word| micros(word)),
            Turn::Earlier => among.iter().min_by_key(|word| micros(word)),
        };
        let Some(&runner_up) = runner_up else { return Ok(None) };
        let (later, earlier) = match turn {
            Turn::Later => (winner, runner_up),
            Turn::Earlier => (runner_up, winner),
        };
        let told_by = match rivals.is_empty() {
            false => TimeTold::List,
            true if later.system == earlier.system => TimeTold::OneSystem,
            true => TimeTold::Clocks,
        };
        let ahead = micros(later).saturating_sub(micros(earlier));
        Ok(Some(Margin {
            runner_up: Some(self.word(runner_up)?),
            measure: Measure::Time {
                ahead: (!later.since.stamp.copied).then_some(ahead),
                uncertainty: winner.uncertainty.saturating_add(runner_up.uncertainty),
                told_by,
            },
        }))
    }

    fn by_score(
        &self,
        winner: &Word<'a, '_>,
        measure: impl FnOnce(Vec<Score>) -> Measure,
    ) -> Result<Option<Margin>> {
        let mut by_value: BTreeMap<_, Vec<&Word<'a, '_>>> = BTreeMap::new();
        for word in &self.words {
            by_value.entry(&word.value).or_default().push(word);
        }
        let mut scored = Vec::new();
        for words in by_value.into_values() {
            let Some(&first) = words.first() else { continue };
            let mut sources: Vec<String> = words.iter().map(|it| it.system.to_string()).collect();
            sources.sort();
            sources.dedup();
            scored.push((self.score(first, sources.len()), first, sources));
        }
        // The winner goes before those that score as much.
        scored.sort_by_key(|(score, word, _)| {
            (std::cmp::Reverse(*score), word.value != winner.value)
        });
        let runner_up = scored.iter().map(|it| it.1).find(|word| word.value != winner.value);
        let runner_up = runner_up.map(|word| self.word(word)).transpose()?;
        let scores = scored.into_iter().map(|(score, word, sources)| {
            let value = self.value_text(&word.value)?;
            Ok(Score { value, score, sources })
        });
        let scores = scores.collect::<Result<Vec<_>>>()?;
        Ok(Some(Margin { runner_up, measure: measure(scores) }))
    }

    fn score(&self, word: &Word<'_, '_>, supporters: usize) -> usize {
        match &self.unit.policy {
            Policy::Longest(_) => word.value.one().map_or(0, characters),
            Policy::Ordered(order) => place_in(order, word.value.one()),
            _ => supporters,
        }
    }

    /// The value nearest to the winner's.
    fn by_value(&self, others: &[&Word<'a, '_>]) -> Result<Option<Margin>> {
        let order = |a: &&&Word<'a, '_>, b: &&&Word<'a, '_>| self.unit.compare(&a.value, &b.value);
        let nearest = match self.unit.policy {
            Policy::Max => others.iter().max_by(order),
            _ => others.iter().min_by(order),
        };
        let runner_up = nearest.map(|word| self.word(word)).transpose()?;
        Ok(Some(Margin { runner_up, measure: Measure::Value }))
    }

    /// A word as it is told.
    pub(super) fn word(&self, word: &Word<'a, '_>) -> Result<WhyWord> {
        Ok(WhyWord {
            source: word.system.to_string(),
            mapping: word.mapping_name.to_owned(),
            record: super::said::text(word.record),
            value: self.value_text(&word.value)?,
        })
    }
}

/// Which way round times decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Later,
    Earlier,
}
