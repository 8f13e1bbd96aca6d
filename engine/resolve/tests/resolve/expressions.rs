//! Fields that an expression computes.

use crate::failures::{golden, heart, row};
use crate::fixture::{Row, rules, systems};
use crate::told::Heart;
use arrow_array::{Array, ArrayRef, make_array};
use arrow_data::ArrayData;
use arrow_data::transform::MutableArrayData;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use syncline_core::{
    Closed, Column, Computed, ConflictKind, ConflictState, Error, Expression, Expressions, Kind,
    Op, Result, SystemName,
};
use syncline_resolve::{DecidedBy, Existence, Policy};

/// Fails where the first two that speak say the same.
pub(crate) const STRICT: &str = "strict";

/// The word of the last that speaks.
pub(crate) const LAST: &str = "last";

/// Understands two words and no SQL. Counts how often it is asked to compute.
#[derive(Debug, Clone, Default)]
pub(crate) struct Words {
    asked: Arc<AtomicUsize>,
    forgotten: Option<&'static str>,
}

impl Expressions for Words {
    fn expression(
        &self,
        text: &str,
        _: &[SystemName],
        field: &Column,
    ) -> Result<Arc<dyn Expression>> {
        if ![STRICT, LAST].contains(&text) || self.forgotten == Some(text) {
            return Err(Error::new(Kind::Config, format!("{text} computes no {}", field.name)));
        }
        Ok(Arc::new(Word { is_strict: text == STRICT, asked: self.asked.clone() }))
    }
}

#[derive(Debug)]
struct Word {
    is_strict: bool,
    asked: Arc<AtomicUsize>,
}

impl Word {
    /// The column that has the value of a row; none for NULL.
    fn place(
        &self,
        columns: &[ArrayRef],
        row: usize,
    ) -> std::result::Result<Option<usize>, String> {
        let mut speaking = (0..columns.len()).filter(|&place| columns[place].is_valid(row));
        if !self.is_strict {
            return Ok(speaking.next_back());
        }
        match (speaking.next(), speaking.next()) {
            (Some(a), Some(b)) if columns[a].slice(row, 1) == columns[b].slice(row, 1) => {
                Err("two say the same".to_owned())
            }
            (first, _) => Ok(first),
        }
    }
}

impl Expression for Word {
    fn values(&self, rows: usize, columns: &[ArrayRef]) -> Computed {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let data: Vec<ArrayData> = columns.iter().map(|column| column.to_data()).collect();
        let mut values = MutableArrayData::new(data.iter().collect(), true, rows);
        let mut failures = std::collections::BTreeMap::new();
        for row in 0..rows {
            match self.place(columns, row) {
                Ok(Some(place)) => values.try_extend(place, row, row + 1).unwrap(),
                Ok(None) => values.try_extend_nulls(1).unwrap(),
                Err(reason) => {
                    values.try_extend_nulls(1).unwrap();
                    failures.insert(row, reason);
                }
            }
        }
        Computed { values: make_array(values.freeze()), failures }
    }
}

fn sql(text: &str) -> Policy {
    Policy::Sql(text.to_owned())
}

const SIS: usize = 0;
const HR: usize = 1;

fn says(mapping: usize, at: u64, seats: &'static str) -> Row {
    row(mapping, Op::Update, (at, at as i64), &[("seats", seats)])
}

fn hear(heart: &mut Heart, row: Row) {
    heart.hear(&[row]);
}

#[test]
fn where_an_expression_fails_a_person_is_asked_and_what_it_came_to_stays() {
    let mut heart = heart(sql(STRICT));
    hear(&mut heart, says(SIS, 1, "7"));
    hear(&mut heart, says(HR, 2, "-3"));
    assert_eq!(golden(&heart, "seats").as_deref(), Some("-3"), "hr goes before sis");
    hear(&mut heart, says(HR, 3, "7"));
    assert_eq!(golden(&heart, "seats").as_deref(), Some("-3"), "it stays");
    let of = ("k".to_owned(), "seats".to_owned());
    let open = &heart.told.conflicts[&of];
    assert_eq!(open.kind, ConflictKind::ConstraintFailed);
    assert_eq!((open.words.len(), open.in_force.as_deref()), (2, Some("-3")));
    let unit = heart.entity.why(&["k"], Some("seats")).unwrap().unwrap().units.remove(0);
    assert_eq!(
        (unit.by, unit.reason.as_deref()),
        (DecidedBy::LastAgreed, Some("two say the same"))
    );
    // The source is corrected, and nobody is asked any more.
    hear(&mut heart, says(SIS, 4, "2147483000"));
    assert_eq!(golden(&heart, "seats").as_deref(), Some("7"));
    assert!(heart.told.conflicts.is_empty());
}

#[test]
fn a_conflict_says_why_the_expression_fails() {
    let mut heart = heart(sql(STRICT));
    hear(&mut heart, says(SIS, 1, "7"));
    let (batch, records) = crate::fixture::batch(&[says(HR, 2, "7")]);
    let mut resolved = heart.entity.hear_rows("from_hr", &batch, &records, false).unwrap();
    let ConflictState::Raised { reason, .. } = resolved.conflicts.remove(0).state else {
        panic!("it is raised");
    };
    assert_eq!(reason.as_deref(), Some("two say the same"));
    let (batch, records) = crate::fixture::batch(&[says(HR, 3, "-3")]);
    let mut resolved = heart.entity.hear_rows("from_hr", &batch, &records, false).unwrap();
    assert_eq!(resolved.conflicts.remove(0).state, ConflictState::Closed(Closed::Agreed));
}

#[test]
fn why_tells_what_an_expression_is_computed_from() {
    let mut heart = heart(sql(LAST));
    hear(&mut heart, says(SIS, 1, "7"));
    hear(&mut heart, says(HR, 2, "-3"));
    let unit = heart.entity.why(&["k"], Some("seats")).unwrap().unwrap().units.remove(0);
    assert_eq!((unit.policy, unit.by), (sql(LAST), DecidedBy::Expression));
    let columns: Vec<_> =
        unit.columns.iter().map(|it| (it.source.as_str(), it.value.as_deref())).collect();
    let expected = [("crm", None), ("hr", Some("-3")), ("lms", None), ("sis", Some("7"))];
    assert_eq!(columns, expected);
    let flip = unit.flip.expect("sis may say something else");
    assert_eq!(flip.becomes.as_deref(), Some("-3"));
}

/// Of several records of one source the one counts that spoke last.
#[test]
fn the_latest_record_of_a_source_is_its_column() {
    let other = |at, seats| Row { record: "other".to_owned(), ..says(SIS, at, seats) };
    for rows in [[says(SIS, 1, "7"), other(2, "-3")], [other(2, "-3"), says(SIS, 1, "7")]] {
        let mut heart = heart(sql(LAST));
        rows.into_iter().for_each(|row| hear(&mut heart, row));
        assert_eq!(golden(&heart, "seats").as_deref(), Some("-3"));
        hear(&mut heart, says(SIS, 3, "2147483000"));
        assert_eq!(golden(&heart, "seats").as_deref(), Some("2147483000"));
        hear(&mut heart, says(SIS, 4, "NULL"));
        assert_eq!(golden(&heart, "seats").as_deref(), Some("-3"), "NULL says nothing");
    }
}

#[test]
fn all_keys_of_a_batch_are_computed_at_once() {
    let words = Words::default();
    let of_key = |mapping, at, key: usize| {
        let seats = if key.is_multiple_of(7) { "7" } else { "-3" };
        let (key, record) = (format!("k{key}"), format!("r{key}"));
        Row { key, record, ordinal: at as u32, ..says(mapping, at, seats) }
    };
    let mut heart = Heart::with(rules(&sql(STRICT), Existence::Any, false), words.clone());
    heart.hear(&(0..500).map(|key| of_key(SIS, 1, key)).collect::<Vec<_>>());
    let before = words.asked.swap(0, Ordering::Relaxed);
    heart.hear(&(0..500).map(|key| of_key(HR, 2, key)).collect::<Vec<_>>());
    let asked = words.asked.load(Ordering::Relaxed);
    // Five units: once for all keys, and once for what those that fail came to before.
    assert!(before <= 10 && asked <= 10, "{before} and {asked} times");
    assert_eq!(heart.told.conflicts.len(), 500, "both say the same of each");
    assert!(heart.told.conflicts.values().all(|open| open.in_force.is_some()));
}

#[test]
fn a_source_that_never_speaks_has_a_column_still() {
    let mut heart = heart(sql(LAST));
    hear(&mut heart, row(SIS, Op::Insert, (1, 1), &[("name", "aa")]));
    assert_eq!((golden(&heart, "name").as_deref(), golden(&heart, "seats")), (Some("aa"), None));
}

#[test]
fn an_expression_that_is_not_understood_is_told_when_it_is_to_decide() {
    let mut heart = heart(sql(LAST));
    let error = heart.try_reopen(rules(&sql("???"), Existence::Any, false)).unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    let error = heart.entity.previewing(rules(&sql("???"), Existence::Any, false)).unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
}

/// A version of ours that no longer knows an expression can't know what it came to: then all is told
/// again by the rules that hold now, also where nothing seems to be other.
#[test]
fn what_a_forgotten_expression_came_to_is_told_again() {
    let mut heart = heart(sql(LAST));
    hear(&mut heart, says(SIS, 1, "7"));
    hear(&mut heart, says(HR, 2, "-3"));
    assert_eq!(golden(&heart, "seats").as_deref(), Some("7"));
    heart.commit();
    heart.words.forgotten = Some(LAST);
    heart.may_repeat = true;
    heart.reopen(rules(&Policy::Prefer(systems(&["hr", "sis"])), Existence::Any, false));
    heart.redecide();
    assert_eq!(golden(&heart, "seats").as_deref(), Some("-3"));
    assert!(heart.told.conflicts.is_empty());
}
