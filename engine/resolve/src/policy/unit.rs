//! What is agreed on one unit.

use super::agreed::{last_agreed, last_computed};
use super::clock::{first_words, last_words};
use super::compiled::{Compiled, CompiledUnit};
use super::decision::on_unit;
use super::flapping::{self, is_flapping};
use super::word::{UnitValue, Word, evidence, words};
use super::{sets, typed::ValueKind};
use crate::claims::Claims;
use crate::{Fallback, Policy};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use syncline_core::{ConflictKind, Digest, SystemName};

/// What is agreed, and what is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict<'a> {
    pub(crate) value: Agreed<'a>,
    /// What a person is asked, and what it rests on.
    pub(crate) conflict: Option<(ConflictKind, Digest)>,
    pub(crate) by: By<'a>,
    /// Why the policy can't tell, where its kind does not say it all.
    pub(crate) reason: Option<String>,
}

/// A value in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Agreed<'a> {
    /// Somebody's word; NULL where nobody says anything.
    Said(UnitValue<'a>),
    /// What was computed from several words, for a unit of one field.
    Computed(Vec<u8>),
}

/// What decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum By<'a> {
    /// Nobody says anything.
    Nobody,
    /// All who speak say the same.
    Agreement,
    /// The policy: this mapping's record has the word.
    Winner { mapping: u16, record: &'a [u8] },
    /// The policy, from several words.
    Several,
    /// The policy's expression.
    Expression,
    /// A person.
    Decision(&'a [u8]),
    /// The fallback list, until a person has answered.
    Provisional { mapping: u16, record: &'a [u8] },
    /// What was agreed before, until a person has answered.
    LastAgreed,
}

impl Agreed<'_> {
    /// The value of a column of the unit.
    pub(crate) fn column(&self, column: usize) -> Option<&[u8]> {
        match self {
            Self::Said(value) => value.columns().get(column).copied().flatten(),
            Self::Computed(value) => (column == 0).then_some(value),
        }
    }
}

/// Decides a unit.
pub(crate) fn decide<'a>(
    rules: &Compiled,
    unit: &CompiledUnit,
    claims: &Claims<'a>,
) -> Verdict<'a> {
    let words = words(rules, unit, claims);
    let decisions = on_unit(unit, claims);
    if let Some(last) = decisions.first() {
        if last.evidence == evidence(&words) {
            return settled(Agreed::Said(last.value.clone()), By::Decision(last.id));
        }
        // The evidence is another one: unless all agree now, the question is open again.
        if !all_agree(&words) {
            return Case { rules, unit, claims, words: &words }.ask(ConflictKind::ValueConcurrent);
        }
    }
    match words.as_slice() {
        [] if unit.formula.is_none() => settled(Agreed::Said(UnitValue::One(None)), By::Nobody),
        words => {
            let decided = Case { rules, unit, claims, words }.decide();
            let may_flap = decided.conflict.is_none() && !all_agree(words);
            match may_flap && is_flapping(rules, unit, claims) {
                true => flapping::held(unit, words, decided),
                false => decided,
            }
        }
    }
}

/// What the policy makes of words alone, at least one; none where a person is asked.
pub(super) fn by_words<'a>(
    rules: &Compiled,
    unit: &CompiledUnit,
    words: &[Word<'a, '_>],
) -> Option<Agreed<'a>> {
    let claims = Claims::default();
    let verdict = Case { rules, unit, claims: &claims, words }.decide();
    verdict.conflict.is_none().then_some(verdict.value)
}

pub(super) fn all_agree(words: &[Word<'_, '_>]) -> bool {
    words.windows(2).all(|pair| pair.iter().all(|word| word.value == pair[0].value))
}

impl CompiledUnit {
    /// The order of two values by their types; NULL goes before all.
    pub(crate) fn compare(&self, a: &UnitValue<'_>, b: &UnitValue<'_>) -> Ordering {
        let cells = a.columns().iter().zip(b.columns()).zip(&self.kinds);
        let orders = cells.map(|((a, b), kind)| match (a, b) {
            (Some(a), Some(b)) => kind.compare(a, b).then_with(|| a.cmp(b)),
            (a, b) => a.is_some().cmp(&b.is_some()),
        });
        orders.fold(Ordering::Equal, Ordering::then)
    }
}

/// Words to decide on: at least one, unless it is an expression that decides.
struct Case<'c, 'a> {
    rules: &'c Compiled,
    unit: &'c CompiledUnit,
    claims: &'c Claims<'a>,
    words: &'c [Word<'a, 'c>],
}

impl<'c, 'a> Case<'c, 'a> {
    fn decide(&self) -> Verdict<'a> {
        match &self.unit.policy {
            Policy::Union | Policy::Intersection | Policy::Sum if self.is_null() => {
                return settled(Agreed::Said(UnitValue::One(None)), By::Agreement);
            }
            Policy::Union | Policy::Intersection => return self.sets(),
            Policy::Sum => return self.sum(),
            Policy::All => return self.all(),
            Policy::Prefer(list) => return self.prefer(list),
            Policy::Sql(_) => return self.computed(),
            _ => {}
        }
        if all_agree(self.words) {
            return settled(Agreed::Said(self.words[0].value.clone()), By::Agreement);
        }
        match &self.unit.policy {
            Policy::Newest(fallback) => self.by_clock(&last_words(self.words), fallback),
            Policy::Oldest(fallback) => self.by_clock(&first_words(self.words), fallback),
            Policy::Max => self.greatest(|a, b| self.unit.compare(a, b)),
            Policy::Min => self.greatest(|a, b| self.unit.compare(b, a)),
            Policy::Longest(list) => {
                self.ranked(list, |word| word.value.one().map_or(0, characters))
            }
            Policy::MostCommon(list) => {
                let supporters = self.supporters();
                self.ranked(list, |word| supporters.get(&word.value).map_or(0, BTreeSet::len))
            }
            Policy::Ordered(order) => self.ranked(&[], |word| place_in(order, word.value.one())),
            Policy::Ask(fallback) => {
                let provisional = self.first_in(fallback_list(fallback), &self.all_words());
                match provisional {
                    Some(word) => self.open(ConflictKind::ValueConcurrent, provisional_by(word)),
                    None => self.ask(ConflictKind::ValueConcurrent),
                }
            }
            Policy::Prefer(_)
            | Policy::Union
            | Policy::Intersection
            | Policy::Sum
            | Policy::All
            | Policy::Sql(_) => {
                unreachable!("decided above")
            }
        }
    }

    fn all_words(&self) -> Vec<&'c Word<'a, 'c>> {
        self.words.iter().collect()
    }

    /// The latest word of the first source in the list that has one among these.
    fn first_in(
        &self,
        list: &[SystemName],
        among: &[&'c Word<'a, 'c>],
    ) -> Option<&'c Word<'a, 'c>> {
        list.iter().find_map(|system| {
            let of_system = among.iter().filter(|word| word.system == system);
            of_system.max_by_key(|word| (word.since, word.mapping_name, word.record)).copied()
        })
    }

    fn prefer(&self, list: &[SystemName]) -> Verdict<'a> {
        match self.first_in(list, &self.all_words()) {
            Some(word) => won(word),
            None => settled(Agreed::Said(UnitValue::One(None)), By::Nobody),
        }
    }

    fn by_clock(&self, left: &[&'c Word<'a, 'c>], fallback: &Fallback) -> Verdict<'a> {
        if left.windows(2).all(|pair| pair[0].value == pair[1].value) {
            let word = left.iter().max_by_key(|word| (word.since.stamp, word.system, word.record));
            return word.map_or_else(|| self.ask(ConflictKind::ValueConcurrent), |word| won(word));
        }
        match self.first_in(fallback_list(fallback), left) {
            Some(word) => won(word),
            None => self.ask(ConflictKind::ValueConcurrent),
        }
    }

    fn greatest(&self, order: impl Fn(&UnitValue<'a>, &UnitValue<'a>) -> Ordering) -> Verdict<'a> {
        let greatest = self.words.iter().max_by(|a, b| {
            order(&a.value, &b.value)
                .then_with(|| (b.mapping_name, b.record).cmp(&(a.mapping_name, a.record)))
        });
        won(greatest.expect("there is a word"))
    }

    /// The word with the greatest score; among equals the one of the source that is named first, then
    /// the greatest value.
    fn ranked(&self, list: &[SystemName], score: impl Fn(&Word<'a, 'c>) -> usize) -> Verdict<'a> {
        let rank = |word: &Word<'_, '_>| {
            std::cmp::Reverse(list.iter().position(|it| it == word.system).unwrap_or(list.len()))
        };
        let best = self.words.iter().max_by(|a, b| {
            let by_score = (score(a), rank(a)).cmp(&(score(b), rank(b)));
            let by_value = by_score.then_with(|| self.unit.compare(&a.value, &b.value));
            by_value.then_with(|| (b.mapping_name, b.record).cmp(&(a.mapping_name, a.record)))
        });
        won(best.expect("there is a word"))
    }

    /// Which sources say what: a source counts once, however many records it has.
    fn supporters(&self) -> BTreeMap<&UnitValue<'a>, BTreeSet<&SystemName>> {
        let mut supporters: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for word in self.words {
            supporters.entry(&word.value).or_default().insert(word.system);
        }
        supporters
    }

    /// Whether all say that there is nothing.
    fn is_null(&self) -> bool {
        self.words.iter().all(|word| word.value.one().is_none())
    }

    /// NULL, where it is a value, is the empty set. What can't be read is asked about, and does not
    /// count.
    fn sets(&self) -> Verdict<'a> {
        let set = |word: &Word<'_, '_>| match word.value.one() {
            Some(text) => std::str::from_utf8(text).ok().and_then(sets::parse),
            None => Some(BTreeSet::new()),
        };
        let parsed: Vec<_> = self.words.iter().map(set).collect();
        let is_read = parsed.iter().all(Option::is_some);
        let mut sets = parsed.into_iter().flatten();
        let first = sets.next().unwrap_or_default();
        let set = sets.fold(first, |all, set| match self.unit.policy {
            Policy::Intersection => &all & &set,
            _ => &all | &set,
        });
        let value = Agreed::Computed(sets::write(&set).into_bytes());
        let conflict = (!is_read).then(|| (ConflictKind::SchemaMismatch, evidence(self.words)));
        Verdict { value, conflict, by: By::Several, reason: None }
    }

    fn sum(&self) -> Verdict<'a> {
        let kind = self.unit.kinds.first().copied().unwrap_or(ValueKind::Bytes);
        match kind.sum(self.words.iter().filter_map(|word| word.value.one())) {
            Some(sum) => settled(Agreed::Computed(sum), By::Several),
            None => self.open(
                ConflictKind::ConstraintFailed,
                (Agreed::Said(UnitValue::One(None)), By::Several),
            ),
        }
    }

    /// `{"hr": "…", "sis": ["…", "…"]}`: a list where a source has several records. What is JSON stays as
    /// it was written.
    fn all(&self) -> Verdict<'a> {
        let is_json = self.unit.kinds.first() == Some(&ValueKind::Json);
        let mut of_system: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for word in self.words {
            let text = json(word.value.one(), is_json);
            of_system.entry(word.system.as_str()).or_default().push(text);
        }
        let member = |(system, values): (&str, Vec<String>)| {
            let values = match values.as_slice() {
                [only] => only.clone(),
                many => format!("[{}]", many.join(",")),
            };
            format!("{}:{values}", quoted(system))
        };
        let members: Vec<String> = of_system.into_iter().map(member).collect();
        let text = format!("{{{}}}", members.join(","));
        settled(Agreed::Computed(text.into_bytes()), By::Several)
    }

    /// Where the expression fails a person is asked, and what it last came to stays.
    fn computed(&self) -> Verdict<'a> {
        let formula = self.unit.formula.as_ref().expect("its expression was made ready");
        match formula.outcome(&formula.row(self.words)) {
            Ok(Some(value)) => settled(Agreed::Computed(value), By::Expression),
            Ok(None) => settled(Agreed::Said(UnitValue::One(None)), By::Expression),
            Err(reason) => {
                let last = last_computed(self.rules, self.unit, formula, self.claims, |_| true);
                let value = last.unwrap_or(Agreed::Said(UnitValue::One(None)));
                let open = self.open(ConflictKind::ConstraintFailed, (value, By::LastAgreed));
                Verdict { reason: Some(reason), ..open }
            }
        }
    }

    /// A conflict; meanwhile the value stays what was last agreed.
    fn ask(&self, kind: ConflictKind) -> Verdict<'a> {
        let (rules, unit, claims) = (self.rules, self.unit, self.claims);
        let agreed = match &unit.formula {
            Some(formula) => last_computed(rules, unit, formula, claims, |it| it.is_agreed),
            None => last_agreed(rules, unit, claims, &on_unit(unit, claims)).map(Agreed::Said),
        };
        let value = agreed.unwrap_or(Agreed::Said(UnitValue::One(None)));
        self.open(kind, (value, By::LastAgreed))
    }

    fn open(&self, kind: ConflictKind, (value, by): (Agreed<'a>, By<'a>)) -> Verdict<'a> {
        Verdict { value, conflict: Some((kind, evidence(self.words))), by, reason: None }
    }
}

pub(super) fn fallback_list(fallback: &Fallback) -> &[SystemName] {
    match fallback {
        Fallback::Ask => &[],
        Fallback::Prefer(list) => list,
    }
}

/// A value as JSON: NULL as null, what is JSON as such, the rest as a text.
fn json(value: Option<&[u8]>, is_json: bool) -> String {
    let Some(text) = value.map(String::from_utf8_lossy) else { return "null".to_owned() };
    let is_json = is_json && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
    if is_json { text.into_owned() } else { quoted(&text) }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

/// The place of a value in a list, from 1; 0 where it is not in it.
pub(crate) fn place_in(order: &[String], value: Option<&[u8]>) -> usize {
    order.iter().position(|label| value == Some(label.as_bytes())).map_or(0, |at| at + 1)
}

pub(crate) fn characters(text: &[u8]) -> usize {
    String::from_utf8_lossy(text).chars().count()
}

fn provisional_by<'a>(word: &Word<'a, '_>) -> (Agreed<'a>, By<'a>) {
    let by = By::Provisional { mapping: word.mapping, record: word.record };
    (Agreed::Said(word.value.clone()), by)
}

fn won<'a>(word: &Word<'a, '_>) -> Verdict<'a> {
    let by = By::Winner { mapping: word.mapping, record: word.record };
    settled(Agreed::Said(word.value.clone()), by)
}

fn settled<'a>(value: Agreed<'a>, by: By<'a>) -> Verdict<'a> {
    Verdict { value, conflict: None, by, reason: None }
}
