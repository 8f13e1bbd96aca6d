//! A second reading of `docs/policies.md`, naive and from all that was ever said.

use crate::setup::Part;
use crate::spoken::{Held, Spoken, When};
use crate::value::{FIELDS, ORDER, Value};
use std::collections::{BTreeMap, BTreeSet};
use syncline_core::{ConflictKind, SystemName};
use syncline_resolve::{EntityRules, Existence, Fallback, Policy, Unit};

/// What an entity comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) exists: bool,
    /// Whether a person is asked if it does.
    pub(crate) is_torn: bool,
    pub(crate) units: Vec<Answer>,
}

/// What one unit comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// One of these, each a value for every field of the unit. More than one only where what was
    /// last agreed may be forgotten.
    pub(crate) any_of: Vec<Vec<Value>>,
    pub(crate) conflict: Option<ConflictKind>,
}

/// A record's word on a unit.
#[derive(Debug, Clone)]
struct Word<'a> {
    system: &'a str,
    mapping: String,
    record: &'a str,
    uncertainty: i64,
    value: Vec<Value>,
    since: When,
}

/// Where other rules were in force for a while, what only these rules need to know may be forgotten.
pub(crate) fn decide(
    (parts, rules): (&[Part], &EntityRules),
    spoken: &[Spoken],
    key: u8,
    forgets: bool,
) -> Decided {
    let of_key: Vec<&Spoken> = spoken.iter().filter(|it| it.key == key).collect();
    let (exists, is_torn) = exists(parts, rules, &of_key);
    let answer = |unit: &Unit| answer(&Asked { parts, unit, records: &of_key, forgets });
    Decided { exists, is_torn, units: rules.units.iter().map(answer).collect() }
}

fn exists(parts: &[Part], rules: &EntityRules, records: &[&Spoken]) -> (bool, bool) {
    let names = |is_it: fn(&Spoken) -> bool| -> BTreeSet<&str> {
        let of = records.iter().filter(|record| is_it(record));
        of.map(|record| parts[record.system].name).collect()
    };
    let here = names(|record| record.had);
    let ever = names(|record| record.ever);
    match &rules.existence {
        Existence::Any => (!here.is_empty(), false),
        Existence::Owner(owner) => (here.contains(owner.as_str()), false),
        Existence::All => {
            let sources = parts.iter().filter(|part| part.reads.is_some());
            (here == sources.map(|part| part.name).collect(), false)
        }
        Existence::Ask => (!here.is_empty(), !here.is_empty() && here != ever),
    }
}

/// A unit, and the records that speak of its entity.
struct Asked<'a> {
    parts: &'a [Part],
    unit: &'a Unit,
    records: &'a [&'a Spoken],
    forgets: bool,
}

impl<'a> Asked<'a> {
    fn fields(&self) -> impl Iterator<Item = usize> + 'a {
        self.unit.columns.iter().map(|&column| column - 1)
    }

    fn words(&self) -> Vec<Word<'a>> {
        let mut words: Vec<Word<'a>> =
            self.records.iter().filter_map(|record| self.word(record)).collect();
        words.sort_by(|a, b| (&a.mapping, a.record).cmp(&(&b.mapping, b.record)));
        words
    }

    fn word(&self, record: &'a Spoken) -> Option<Word<'a>> {
        let said: Vec<&Held> = self.fields().filter_map(|field| record.word(field)).collect();
        let since = said.iter().map(|held| held.since).max()?;
        let value = self.fields().map(|field| record.word(field).and_then(|it| it.value.clone()));
        let part = &self.parts[record.system];
        let word = Word {
            system: part.name,
            mapping: part.mapping(),
            record: &record.record,
            uncertainty: part.uncertainty,
            value: value.collect(),
            since,
        };
        self.says(&word.value).then_some(word)
    }

    /// NULL says nothing, unless it is a value.
    fn says(&self, value: &[Value]) -> bool {
        self.unit.null_is_value || value.iter().any(Option::is_some)
    }

    fn nothing(&self) -> Vec<Value> {
        vec![None; self.unit.columns.len()]
    }
}

impl Word<'_> {
    fn is_after(&self, other: &Self) -> bool {
        if self.system == other.system {
            return self.since > other.since;
        }
        let (mine, its) = (self.since.micros, other.since.micros);
        !self.since.copied && mine - self.uncertainty > its + other.uncertainty
    }
}

fn answer(asked: &Asked<'_>) -> Answer {
    let words = asked.words();
    let settled = |value: Vec<Value>| Answer { any_of: vec![value], conflict: None };
    if words.is_empty() {
        return settled(asked.nothing());
    }
    let computed = computed(&asked.unit.policy, &words);
    let answer = computed.map_or_else(|| chosen(asked, &words), |value| settled(vec![value]));
    let differ = words.iter().any(|word| word.value != words[0].value);
    let is_held = answer.conflict.is_none() && differ && is_flapping(asked);
    if is_held { held(asked, &words, answer) } else { answer }
}

fn computed(policy: &Policy, words: &[Word<'_>]) -> Option<Value> {
    let said = || words.iter().map(|word| word.value[0].as_deref());
    match policy {
        Policy::All => Some(Some(all(words).into())),
        Policy::Union | Policy::Intersection | Policy::Sum if said().all(|it| it.is_none()) => {
            Some(None)
        }
        Policy::Sum => {
            let numbers = said().flatten().map(|text| text.parse::<i32>().unwrap());
            Some(Some(numbers.sum::<i32>().to_string().into()))
        }
        Policy::Union | Policy::Intersection => {
            let set = |text: Option<&str>| -> BTreeSet<String> {
                let inner = text.unwrap_or("{}").trim_matches(['{', '}']);
                inner.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect()
            };
            let sets: Vec<BTreeSet<String>> = said().map(set).collect();
            let is_in = |element: &&String| {
                *policy == Policy::Union || sets.iter().all(|set| set.contains(*element))
            };
            let every: BTreeSet<&String> = sets.iter().flatten().filter(is_in).collect();
            let texts: Vec<&str> = every.into_iter().map(String::as_str).collect();
            Some(Some(format!("{{{}}}", texts.join(",")).into()))
        }
        _ => None,
    }
}

/// `{"hr":"…","sis":["…","…"]}`.
pub(crate) fn by_system<'a>(said: impl Iterator<Item = (&'a str, &'a Value)>) -> String {
    let mut members: BTreeMap<&str, Vec<serde_json::Value>> = BTreeMap::new();
    for (system, value) in said {
        members.entry(system).or_default().push(value.as_deref().into());
    }
    let member = |(system, values): (&str, Vec<serde_json::Value>)| match values.as_slice() {
        [only] => format!("\"{system}\":{only}"),
        many => {
            let texts: Vec<String> = many.iter().map(ToString::to_string).collect();
            format!("\"{system}\":[{}]", texts.join(","))
        }
    };
    let members: Vec<String> = members.into_iter().map(member).collect();
    format!("{{{}}}", members.join(","))
}

fn all(words: &[Word<'_>]) -> String {
    by_system(words.iter().map(|word| (word.system, &word.value[0])))
}

fn first_of<'w, 'a>(list: &[SystemName], among: &[&'w Word<'a>]) -> Option<&'w Word<'a>> {
    list.iter().find_map(|system| {
        let of_system = among.iter().filter(|word| word.system == system.as_str());
        of_system.max_by_key(|word| (word.since, &word.mapping, word.record)).copied()
    })
}

fn chosen(asked: &Asked<'_>, words: &[Word<'_>]) -> Answer {
    let every: Vec<&Word<'_>> = words.iter().collect();
    let settled = |value: &[Value]| Answer { any_of: vec![value.to_vec()], conflict: None };
    let open =
        || Answer { any_of: last_agreed(asked), conflict: Some(ConflictKind::ValueConcurrent) };
    if let Policy::Prefer(list) = &asked.unit.policy {
        let first = first_of(list, &every);
        return settled(&first.map_or_else(|| asked.nothing(), |word| word.value.clone()));
    }
    if words.iter().all(|word| word.value == words[0].value) {
        return settled(&words[0].value);
    }
    let by_clock = |fallback: &Fallback, is_beaten: fn(&Word<'_>, &Word<'_>) -> bool| {
        let stays = |word: &&&Word<'_>| {
            !every.iter().any(|other| other.value != word.value && is_beaten(word, other))
        };
        let mut left: Vec<&Word<'_>> = every.iter().filter(stays).copied().collect();
        if left.is_empty() {
            left.clone_from(&every);
        }
        if left.iter().all(|word| word.value == left[0].value) {
            return settled(&left[0].value);
        }
        match fallback {
            Fallback::Prefer(list) => {
                first_of(list, &left).map_or_else(open, |word| settled(&word.value))
            }
            Fallback::Ask => open(),
        }
    };
    match &asked.unit.policy {
        Policy::Newest(fallback) => by_clock(fallback, |word, other| other.is_after(word)),
        Policy::Oldest(fallback) => by_clock(fallback, |word, other| word.is_after(other)),
        Policy::Ask(Fallback::Prefer(list)) if first_of(list, &every).is_some() => Answer {
            any_of: first_of(list, &every).map(|word| word.value.clone()).into_iter().collect(),
            conflict: Some(ConflictKind::ValueConcurrent),
        },
        Policy::Ask(_) => open(),
        other => settled(&greatest(other, words).value),
    }
}

fn greatest<'w, 'a>(policy: &Policy, words: &'w [Word<'a>]) -> &'w Word<'a> {
    let place = |list: &[SystemName], word: &Word<'_>| {
        list.iter().position(|it| it.as_str() == word.system).unwrap_or(list.len())
    };
    let score = |word: &Word<'_>| -> (usize, usize) {
        let text = word.value[0].as_deref();
        match policy {
            Policy::Longest(list) => {
                (text.map_or(0, |text| text.chars().count()), FIELDS - place(list, word))
            }
            Policy::MostCommon(list) => {
                let alike = words.iter().filter(|other| other.value == word.value);
                let systems: BTreeSet<&str> = alike.map(|other| other.system).collect();
                (systems.len(), FIELDS - place(list, word))
            }
            Policy::Ordered(_) => {
                (ORDER.iter().position(|it| Some(*it) == text).map_or(0, |at| at + 1), 0)
            }
            _ => (0, 0),
        }
    };
    let mut sorted: Vec<&Word<'_>> = words.iter().collect();
    sorted.sort_by_key(|word| (score(word), &word.value));
    if *policy == Policy::Min { sorted[0] } else { sorted[sorted.len() - 1] }
}

/// What was last agreed on: the latest moment at which all who held anything held the same, by
/// their clocks; what was copied was always so.
///
/// The heart forgets what is long past, and what a system came to hold by our hand, which counts here, is
/// no reason to decide anew: then it may be anything that somebody held.
fn last_agreed(asked: &Asked<'_>) -> Vec<Vec<Value>> {
    let lines: Vec<Vec<(i64, Vec<Value>)>> =
        asked.records.iter().filter(|it| it.speaks).map(|it| line(asked, it)).collect();
    let moments: BTreeSet<i64> = lines.iter().flatten().map(|step| step.0).collect();
    let mut agreed = Vec::new();
    for moment in moments.into_iter().rev() {
        let now = lines
            .iter()
            .filter_map(|line| line.iter().rfind(|(at, _)| *at <= moment).map(|(_, value)| value));
        let said: Vec<&Vec<Value>> = now.filter(|value| asked.says(value)).collect();
        if !said.is_empty() && said.iter().all(|value| *value == said[0]) {
            agreed.push(said[0].clone());
        }
    }
    agreed.push(asked.nothing());
    let of_unit =
        |record: &Spoken| asked.fields().map(|field| record.fields[field].clone()).collect();
    let held: Vec<Vec<Held>> =
        asked.records.iter().flat_map(|it| -> Vec<_> { of_unit(it) }).collect();
    if asked.forgets || held.iter().any(|held| held.len() > 15 || held.iter().any(|it| it.ours)) {
        agreed.extend(lines.into_iter().flatten().map(|step| step.1));
    } else {
        agreed.truncate(1);
    }
    agreed
}

/// What a record held of a unit, step by step.
fn line(asked: &Asked<'_>, record: &Spoken) -> Vec<(i64, Vec<Value>)> {
    let mut changes: Vec<(When, usize, &Value)> = Vec::new();
    for (place, field) in asked.fields().enumerate() {
        changes.extend(record.fields[field].iter().map(|held| (held.since, place, &held.value)));
    }
    changes.sort_by_key(|change| change.0);
    let (mut now, mut at) = (asked.nothing(), i64::MIN);
    let mut line: Vec<(i64, Vec<Value>)> = Vec::new();
    for together in changes.chunk_by(|a, b| a.0 == b.0) {
        let since = together[0].0;
        at = at.max(if since.copied { i64::MIN } else { since.micros });
        together.iter().for_each(|&(_, place, value)| now[place].clone_from(value));
        line.push((at, now.clone()));
    }
    line
}

/// Whether some record took back what was written to it three times, each within an hour.
pub(crate) fn flaps(held: &[Held]) -> bool {
    const HOUR: i64 = 3_600_000_000;
    let mut runs: Vec<&Held> = Vec::new();
    for held in held {
        if held.ours && runs.last().is_some_and(|last| last.ours) {
            runs.pop();
        }
        runs.push(held);
    }
    let skipped = usize::from(runs.last().is_some_and(|last| last.ours));
    let last: Vec<&Held> = runs.into_iter().rev().skip(skipped).take(6).collect();
    last.len() == 6
        && last.chunks_exact(2).all(|pair| {
            let (word, written) = (pair[0], pair[1]);
            !word.ours
                && written.ours
                && word.value == last[0].value
                && word.since.micros - written.since.micros <= HOUR
        })
}

fn is_flapping(asked: &Asked<'_>) -> bool {
    asked.records.iter().filter(|record| record.speaks).any(|record| {
        let returned = asked.parts[record.system].returned().unwrap_or_default();
        asked.fields().any(|field| returned.has(field) && flaps(&record.fields[field]))
    })
}

/// A person is asked, and nothing depends on who spoke last.
fn held(asked: &Asked<'_>, words: &[Word<'_>], answer: Answer) -> Answer {
    let conflict = Some(ConflictKind::Flapping);
    let (Policy::Newest(fallback) | Policy::Oldest(fallback)) = &asked.unit.policy else {
        return Answer { conflict, ..answer };
    };
    let list = match fallback {
        Fallback::Prefer(list) => list.as_slice(),
        Fallback::Ask => &[],
    };
    let rank = |word: &&Word<'_>| {
        let place = list.iter().position(|it| it.as_str() == word.system);
        (place.unwrap_or(list.len()), word.system.to_owned(), word.record.to_owned())
    };
    let first = words.iter().min_by_key(rank).expect("there is a word");
    Answer { any_of: vec![first.value.clone()], conflict }
}
