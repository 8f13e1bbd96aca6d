//! A second reading of the policies, naive and from the whole history, against the first.

use crate::expressions::STRICT;
use crate::fixture::{Cell, MAPPINGS, Row, UNITS, spoken_of};
use crate::history::{History, delivery, histories};
use crate::laws::any_rules;
use crate::told::{Heart, Told};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use syncline_core::{ConflictKind, Op, SystemName};
use syncline_resolve::{EntityRules, Existence, Fallback, Policy, Unit};

type Text = Option<&'static str>;
type At = (u32, u64, u32);

/// What a record said of a unit from some time on.
#[derive(Debug, Clone)]
struct Step {
    at: At,
    micros: i64,
    copied: bool,
    value: Vec<Text>,
}

/// A record that is there, and all it said since it was last gone.
#[derive(Debug)]
struct Word {
    system: &'static str,
    mapping: &'static str,
    record: String,
    uncertainty: i64,
    steps: Vec<Step>,
}

/// The rows of each record of a key in order.
fn origins<'h>(histories: &'h [History], key: &str) -> BTreeMap<(usize, &'h str), Vec<&'h Row>> {
    let mut origins: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in histories.iter().flatten().flatten().filter(|row| row.key == key) {
        origins.entry((row.mapping, row.record.as_str())).or_default().push(row);
    }
    origins
}

/// What each record says of a unit, and said before.
fn words(rules: &EntityRules, histories: &[History], key: &str, columns: &[usize]) -> Vec<Word> {
    let mut words = Vec::new();
    for ((mapping, record), rows) in origins(histories, key) {
        let after = rows.iter().rposition(|row| row.op == Op::Delete).map_or(0, |at| at + 1);
        let mut now: BTreeMap<usize, Text> = BTreeMap::new();
        let mut steps: Vec<Step> = Vec::new();
        for row in &rows[after..] {
            for &column in columns.iter().filter(|it| spoken_of(mapping).contains(it)) {
                match row.cells[column] {
                    Cell::Absent => {}
                    Cell::Null => drop(now.insert(column, None)),
                    Cell::Text(text) => drop(now.insert(column, Some(text))),
                }
            }
            let value: Vec<Text> =
                columns.iter().map(|it| now.get(it).copied().flatten()).collect();
            let is_said = !now.is_empty();
            if is_said && steps.last().is_none_or(|last| last.value != value) {
                let at = (row.at.epoch, row.at.commit, row.ordinal);
                let (micros, copied) = (row.at.committed_at, row.op == Op::Snapshot);
                steps.push(Step { at, micros, copied, value });
            }
        }
        let (system, name) = MAPPINGS[mapping];
        let uncertainty = rules.uncertainty_of(&SystemName::new(system));
        let word = Word { system, mapping: name, record: record.to_owned(), uncertainty, steps };
        words.extend((!word.steps.is_empty()).then_some(word));
    }
    words.sort_by(|a, b| (a.mapping, &a.record).cmp(&(b.mapping, &b.record)));
    words
}

impl Word {
    fn last(&self) -> &Step {
        self.steps.last().unwrap()
    }

    fn value(&self) -> &Vec<Text> {
        &self.last().value
    }

    /// Surely said after another.
    fn is_after(&self, other: &Self) -> bool {
        let (a, b) = (self.last(), other.last());
        if self.system == other.system {
            return (a.at, a.micros, a.copied) > (b.at, b.micros, b.copied);
        }
        !a.copied && a.micros - self.uncertainty > b.micros + other.uncertainty
    }
}

/// What a unit comes to: its value, and what is asked.
type Answer = (Vec<Text>, Option<ConflictKind>);

/// The value of a unit by its policy; computed ones as text.
fn decide(unit: &Unit, all: &[Word]) -> (Vec<Option<String>>, Option<ConflictKind>) {
    let says = |word: &&Word| unit.null_is_value || word.value().iter().any(Option::is_some);
    let words: Vec<&Word> = all.iter().filter(says).collect();
    let nothing = vec![None; unit.columns.len()];
    if let Policy::Sql(text) = &unit.policy {
        return by_expression(unit, text, all, &words);
    }
    if words.is_empty() {
        return (nothing, None);
    }
    if let Some((text, conflict)) = computed(unit, &words) {
        return (vec![text], conflict);
    }
    let (value, conflict) = chosen(unit, all, &words);
    let owned = |value: Vec<Text>| value.into_iter().map(|it| it.map(str::to_owned)).collect();
    (owned(value), conflict)
}

fn computed(unit: &Unit, words: &[&Word]) -> Option<(Option<String>, Option<ConflictKind>)> {
    let said: Vec<Text> = words.iter().map(|word| word.value()[0]).collect();
    match unit.policy {
        Policy::All => Some((Some(all(unit, words)), None)),
        Policy::Union | Policy::Intersection | Policy::Sum if said.iter().all(Option::is_none) => {
            Some((None, None))
        }
        Policy::Union | Policy::Intersection => {
            let is_array = |text: &str| text.starts_with('{');
            let is_read = said.iter().flatten().all(|text| is_array(text));
            let readable = said.iter().filter(|it| it.is_none_or(is_array));
            let sets: Vec<BTreeSet<&str>> = readable
                .map(|text| {
                    let inner = text.unwrap_or("{}").trim_matches(['{', '}']);
                    inner.split(',').filter(|it| !it.is_empty()).collect()
                })
                .collect();
            let every: BTreeSet<&str> = sets.iter().flatten().copied().collect();
            let of_all = |element: &&str| sets.iter().all(|set| set.contains(element));
            let is_union = unit.policy == Policy::Union;
            let elements: Vec<&str> =
                every.into_iter().filter(|element| is_union || of_all(element)).collect();
            let conflict = (!is_read).then_some(ConflictKind::SchemaMismatch);
            Some((Some(format!("{{{}}}", elements.join(","))), conflict))
        }
        Policy::Sum => {
            let is_fee = unit.name == "fee";
            let sum: i64 = said.iter().flatten().map(|text| number(text)).sum();
            let fits = if is_fee { sum.abs() <= 99_999 } else { i32::try_from(sum).is_ok() };
            let sign = if sum < 0 { "-" } else { "" };
            let text = match is_fee {
                true => format!("{sign}{}.{:02}", sum.abs() / 100, sum.abs() % 100),
                false => sum.to_string(),
            };
            let failed = (None, Some(ConflictKind::ConstraintFailed));
            Some(if fits { (Some(text), None) } else { failed })
        }
        _ => None,
    }
}

/// A number without its point: all of a field have as many digits behind it.
fn number(text: &str) -> i64 {
    text.replace('.', "").parse().unwrap()
}

fn all(unit: &Unit, words: &[&Word]) -> String {
    let mut of_system: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for word in words {
        let text = match word.value()[0] {
            None => "null".to_owned(),
            Some(text) if unit.name == "info" => text.to_owned(),
            Some(text) => format!("\"{text}\""),
        };
        of_system.entry(word.system).or_default().push(text);
    }
    let members = of_system.into_iter().map(|(system, values)| match values.len() {
        1 => format!("\"{system}\":{}", values[0]),
        _ => format!("\"{system}\":[{}]", values.join(",")),
    });
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn chosen(unit: &Unit, all: &[Word], words: &[&Word]) -> Answer {
    let first_of = |list: &[SystemName], among: &[&Word]| {
        list.iter().find_map(|system| {
            let mut of_system: Vec<_> =
                among.iter().filter(|word| word.system == system.as_str()).collect();
            of_system.sort_by_key(|word| (word.last().at, word.mapping, &word.record));
            of_system.last().map(|word| word.value().clone())
        })
    };
    let differ = words.iter().any(|word| word.value() != words[0].value());
    if let Policy::Prefer(list) = &unit.policy {
        return (first_of(list, words).unwrap_or(vec![None; unit.columns.len()]), None);
    }
    if !differ {
        return (words[0].value().clone(), None);
    }
    let open = || (last_agreed(unit, all), Some(ConflictKind::ValueConcurrent));
    let by_clock = |fallback: &Fallback, beaten: &dyn Fn(&Word, &Word) -> bool| {
        let stays = |word: &&&Word| {
            !words.iter().any(|other| other.value() != word.value() && beaten(word, other))
        };
        let mut left: Vec<&Word> = words.iter().filter(stays).copied().collect();
        if left.is_empty() {
            left = words.to_vec();
        }
        if left.iter().all(|word| word.value() == left[0].value()) {
            return (left[0].value().clone(), None);
        }
        match fallback {
            Fallback::Prefer(list) => {
                first_of(list, &left).map_or_else(open, |value| (value, None))
            }
            Fallback::Ask => open(),
        }
    };
    match &unit.policy {
        Policy::Newest(fallback) => by_clock(fallback, &|word, other| other.is_after(word)),
        Policy::Oldest(fallback) => by_clock(fallback, &|word, other| word.is_after(other)),
        Policy::Ask(Fallback::Ask) => open(),
        Policy::Ask(Fallback::Prefer(list)) => match first_of(list, words) {
            Some(value) => (value, Some(ConflictKind::ValueConcurrent)),
            None => open(),
        },
        Policy::Min => (least(unit, words, &|_| 0, true), None),
        Policy::Max => (least(unit, words, &|_| 0, false), None),
        Policy::Longest(list) => {
            let length = |word: &Word| word.value()[0].map_or(0, |text| text.chars().count());
            (least(unit, words, &|word| score(length(word), list, word), false), None)
        }
        Policy::MostCommon(list) => {
            let supporters = |word: &Word| {
                let alike = words.iter().filter(|other| other.value() == word.value());
                alike.map(|other| other.system).collect::<BTreeSet<_>>().len()
            };
            (least(unit, words, &|word| score(supporters(word), list, word), false), None)
        }
        Policy::Ordered(order) => {
            let place = |word: &Word| {
                let found = order.iter().position(|it| Some(it.as_str()) == word.value()[0]);
                found.map_or(0, |at| at + 1)
            };
            (least(unit, words, &|word| place(word), false), None)
        }
        _ => unreachable!("decided before"),
    }
}

fn score(score: usize, list: &[SystemName], word: &Word) -> usize {
    let place = list.iter().position(|it| it.as_str() == word.system).unwrap_or(list.len());
    score * 10 + (9 - place)
}

/// The greatest (or the least) word by score, then by value as its type orders it.
fn least(unit: &Unit, words: &[&Word], score: &dyn Fn(&Word) -> usize, least: bool) -> Vec<Text> {
    let is_number = unit.name == "seats" || unit.name == "fee";
    let value = |word: &Word| -> Vec<(bool, i64, Text)> {
        let comparable = |text: &Text| {
            (
                text.is_some(),
                text.filter(|_| is_number).map_or(0, number),
                text.filter(|_| !is_number),
            )
        };
        word.value().iter().map(comparable).collect()
    };
    let mut sorted = words.to_vec();
    sorted.sort_by_key(|word| (score(word), value(word)));
    if least { sorted[0] } else { sorted[sorted.len() - 1] }.value().clone()
}

/// What the expression comes to; where it fails, what it came to at the last moment that it did not.
fn by_expression(
    unit: &Unit,
    text: &str,
    all: &[Word],
    words: &[&Word],
) -> (Vec<Option<String>>, Option<ConflictKind>) {
    let owned = |value: Text| vec![value.map(str::to_owned)];
    let now: Vec<(&Word, &Step)> = words.iter().map(|word| (*word, word.last())).collect();
    if let Some(value) = expression(text, &now) {
        return (owned(value), None);
    }
    let timed: Vec<(&Word, Vec<i64>)> = all.iter().map(|word| (word, times(word))).collect();
    let moments: BTreeSet<i64> = timed.iter().flat_map(|(_, times)| times).copied().collect();
    let came_to = moments.iter().rev().find_map(|moment| {
        let then = timed.iter().filter_map(|(word, times)| {
            let place = times.iter().rposition(|at| at <= moment)?;
            Some((*word, &word.steps[place]))
        });
        let says = |(_, step): &(&Word, &Step)| unit.null_is_value || step.value[0].is_some();
        expression(text, &then.filter(says).collect::<Vec<_>>())
    });
    (owned(came_to.flatten()), Some(ConflictKind::ConstraintFailed))
}

/// What the sources' latest words come to, in the order of their names; none where that fails.
fn expression(text: &str, words: &[(&Word, &Step)]) -> Option<Text> {
    let mut latest: BTreeMap<&str, (&Word, &Step)> = BTreeMap::new();
    for &(word, step) in words {
        let order = |(word, step): (&Word, &Step)| {
            (step.at, step.micros, step.copied, word.mapping, word.record.clone())
        };
        let place = latest.entry(word.system).or_insert((word, step));
        if order((word, step)) > order(*place) {
            *place = (word, step);
        }
    }
    let said: Vec<&'static str> = latest.values().filter_map(|(_, step)| step.value[0]).collect();
    match said.as_slice() {
        [first, second, ..] if text == STRICT && first == second => None,
        said if text == STRICT => Some(said.first().copied()),
        said => Some(said.last().copied()),
    }
}

/// When each step was taken, by a clock that never goes back.
fn times(word: &Word) -> Vec<i64> {
    let mut latest = i64::MIN;
    let time = |step: &Step| {
        latest = latest.max(if step.copied { i64::MIN } else { step.micros });
        latest
    };
    word.steps.iter().map(time).collect()
}

/// At every moment that something was said: did all who had spoken by then say the same?
fn last_agreed(unit: &Unit, all: &[Word]) -> Vec<Text> {
    let timed = |word: &Word| -> Vec<(i64, Vec<Text>)> {
        times(word).into_iter().zip(word.steps.iter().map(|step| step.value.clone())).collect()
    };
    let timed: Vec<Vec<(i64, Vec<Text>)>> = all.iter().map(timed).collect();
    let moments: BTreeSet<i64> = timed.iter().flatten().map(|it| it.0).collect();
    for &moment in moments.iter().rev() {
        let now = timed.iter().filter_map(|steps| {
            steps.iter().rfind(|(at, _)| *at <= moment).map(|(_, value)| value)
        });
        let says = |value: &&Vec<Text>| unit.null_is_value || value.iter().any(Option::is_some);
        let said: Vec<&Vec<Text>> = now.filter(says).collect();
        if !said.is_empty() && said.iter().all(|value| *value == said[0]) {
            return said[0].clone();
        }
    }
    vec![None; unit.columns.len()]
}

/// Whether a key exists, and whether that is asked.
fn exists(rules: &EntityRules, histories: &[History], key: &str) -> (bool, bool) {
    let (mut here, mut ever) = (BTreeSet::new(), BTreeSet::new());
    for ((mapping, _), rows) in origins(histories, key) {
        if rows.iter().any(|row| row.op != Op::Delete) {
            ever.insert(MAPPINGS[mapping].0);
        }
        if rows.last().is_some_and(|row| row.op != Op::Delete) {
            here.insert(MAPPINGS[mapping].0);
        }
    }
    match &rules.existence {
        Existence::Any => (!here.is_empty(), false),
        Existence::Owner(owner) => (here.contains(owner.as_str()), false),
        Existence::All => (here.len() == 4, false),
        Existence::Ask => (!here.is_empty(), !here.is_empty() && here != ever),
    }
}

fn compare(rules: &EntityRules, histories: &[History], told: &Told) {
    for key in ["k0", "k1"] {
        let (exists, is_asked) = exists(rules, histories, key);
        assert_eq!(told.table.contains_key(key), exists, "{key}");
        let of = |subject: &str| (key.to_owned(), subject.to_owned());
        assert_eq!(told.conflicts.contains_key(&of("existence")), is_asked, "{key}");
        let Some(row) = told.table.get(key) else { continue };
        for (unit, (name, columns)) in rules.units.iter().zip(UNITS) {
            let words = words(rules, histories, key, columns);
            let (value, conflict) = decide(unit, &words);
            let golden: Vec<_> = columns.iter().map(|&column| row[column].clone()).collect();
            assert_eq!(golden, value, "{key} {name} of {words:#?}");
            let open = told.conflicts.get(&of(name)).map(|open| open.kind);
            assert_eq!(open, conflict, "{key} {name} of {words:#?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4_000, failure_persistence: None, ..ProptestConfig::default()
    })]

    /// Golden rows and conflicts are what a plain reading of the whole history says.
    #[test]
    fn the_heart_decides_as_the_specification_does(
        rules in any_rules(), histories in histories(), delivery in delivery(),
    ) {
        let mut heart = Heart::new(rules.clone());
        delivery.batches(&histories).iter().for_each(|batch| heart.hear(batch));
        compare(&rules, &histories, &heart.told);
    }
}
