//! Keys that change, records that never were, and rules that change half way.

use crate::failures::{golden, heart, row};
use crate::fixture::{Row, rules, systems};
use crate::told::Heart;
use syncline_core::{Claims as _, Cursor, Op, Sweep, Transaction};
use syncline_resolve::{Existence, Fallback, Policy};

fn ask() -> Policy {
    Policy::Ask(Fallback::Ask)
}

/// The record is given another key, and says what it said; what the change leaves out, as PostgreSQL
/// does with large values, it still says.
#[test]
fn a_record_under_another_key_says_what_it_said() {
    let mut heart = heart(Policy::Newest(Fallback::Ask));
    heart.hear(&[row(0, Op::Insert, (1, 100), &[("name", "a"), ("seats", "7")])]);
    heart.hear(&[row(1, Op::Insert, (1, 200), &[("name", "b")])]);
    let renamed = Row {
        record: "r2".into(),
        former: Some("r".into()),
        ..row(0, Op::Update, (2, 300), &[("name", "a")])
    };
    for _ in 0..2 {
        heart.hear(std::slice::from_ref(&renamed));
        assert_eq!(golden(&heart, "seats").as_deref(), Some("7"));
        assert_eq!(golden(&heart, "name").as_deref(), Some("b"), "a key is no new word on a name");
    }
    heart.hear(&[Row { record: "r2".into(), ..row(0, Op::Delete, (3, 400), &[]) }]);
    assert_eq!(golden(&heart, "seats"), None, "the former record does not stay");
    heart.hear(&[row(0, Op::Insert, (1, 100), &[("name", "a"), ("seats", "7")]), renamed]);
    assert_eq!(golden(&heart, "seats"), None, "nor comes back");
}

/// There and back again: the record is there under its first key.
#[test]
fn a_record_takes_its_key_back() {
    let mut heart = heart(ask());
    let history = [
        row(0, Op::Insert, (1, 100), &[("name", "a"), ("seats", "7")]),
        Row {
            record: "r2".into(),
            former: Some("r".into()),
            ..row(0, Op::Update, (2, 200), &[("name", "b")])
        },
        Row { former: Some("r2".into()), ..row(0, Op::Update, (3, 300), &[("name", "b")]) },
    ];
    for _ in 0..2 {
        for row in &history {
            heart.hear(std::slice::from_ref(row));
        }
        assert_eq!(golden(&heart, "seats").as_deref(), Some("7"));
        assert_eq!(golden(&heart, "name").as_deref(), Some("b"));
        assert!(heart.told.conflicts.is_empty());
    }
}

/// The entity's key changes, with the record's or without: the old one loses the record and the new
/// one has it.
#[test]
fn a_record_that_moves_to_another_entity_leaves_nothing_behind() {
    for former in [None, Some("r".to_owned())] {
        let mut heart = Heart::new(rules(&ask(), Existence::Ask, false));
        heart.hear(&[row(0, Op::Insert, (1, 100), &[("name", "a")])]);
        let record = if former.is_some() { "r2" } else { "r" };
        let moved = |key: &str, op| Row {
            key: key.into(),
            record: record.into(),
            former: former.clone(),
            ..row(0, op, (2, 200), &[("name", "a")])
        };
        heart.hear(&[moved("k", Op::Delete), moved("k2", Op::Insert)]);
        let keys: Vec<_> = heart.told.table.keys().cloned().collect();
        assert_eq!(keys, ["k2"]);
        heart.hear(&[Row { key: "k2".into(), ..row(1, Op::Insert, (1, 100), &[("name", "a")]) }]);
        assert!(heart.told.conflicts.is_empty(), "nobody is gone from k2");
    }
}

/// A mapping's filter keeps a row out that nobody saw before: it says delete, and no question comes of
/// it. In any order: a record that was there is missed.
#[test]
fn who_was_never_there_is_not_missing() {
    let never = row(1, Op::Delete, (2, 200), &[]);
    let before = row(1, Op::Insert, (1, 100), &[("name", "a")]);
    let mut heart = Heart::new(rules(&ask(), Existence::Ask, false));
    heart.hear(&[row(0, Op::Insert, (1, 100), &[("name", "a")])]);
    heart.hear(std::slice::from_ref(&never));
    assert!(heart.told.conflicts.is_empty());
    heart.hear(&[before]);
    assert_eq!(heart.told.conflicts.len(), 1);
}

/// Mappings are numbered as they come to be known; a tie between two of one source goes by their
/// names.
#[test]
fn the_order_in_which_mappings_came_decides_nothing() {
    let told = |late: bool| {
        let rules = rules(&Policy::Prefer(systems(&["sis"])), Existence::Any, false);
        let mut first = rules.clone();
        if late {
            first.mappings.reverse();
        }
        let mut heart = Heart::new(first);
        heart.hear(&[row(0, Op::Insert, (1, 100), &[("name", "a")])]);
        heart.hear(&[row(4, Op::Insert, (1, 100), &[("name", "b")])]);
        golden(&heart, "name")
    };
    assert_eq!(told(false), told(true));
}

/// All was decided again by other rules and then lost before the commit: it is to be done again.
#[test]
fn a_rollback_after_deciding_again_leaves_it_to_be_done() {
    let mut heart = heart(Policy::Max);
    heart.hear(&[row(0, Op::Insert, (1, 1), &[("name", "a")])]);
    heart.hear(&[row(1, Op::Insert, (1, 1), &[("name", "b")])]);
    heart.commit();
    heart.reopen(rules(&Policy::Min, Existence::Any, false));
    let at = Transaction { epoch: 9, commit: 9, committed_at: 9, ours: false };
    heart.entity.sweep(&Sweep::Redecide, Cursor::default(), at).unwrap();
    heart.entity.rollback().unwrap();
    assert!(heart.entity.is_outdated());
    heart.redecide();
    assert_eq!(golden(&heart, "name").as_deref(), Some("a"));
}

/// A unit is no more, and with it the question on it.
#[test]
fn a_question_on_a_field_that_is_no_more_is_closed() {
    let mut heart = heart(ask());
    heart.hear(&[row(0, Op::Insert, (1, 1), &[("name", "a")])]);
    heart.hear(&[row(1, Op::Insert, (1, 1), &[("name", "b")])]);
    heart.commit();
    let mut other = rules(&ask(), Existence::Any, false);
    other.units[0].name = "title".into();
    heart.reopen(other);
    heart.redecide();
    let subjects: Vec<_> = heart.told.conflicts.keys().map(|of| of.1.as_str()).collect();
    assert_eq!(subjects, ["title"]);
}

/// Changes come while all is being decided again: what was told by the old rules and is not told by
/// the new ones is told all the same.
#[test]
fn what_is_heard_while_all_is_decided_again_is_not_lost() {
    let mut heart = heart(Policy::Max);
    heart.hear(&[row(0, Op::Insert, (1, 1), &[("name", "a")])]);
    heart.hear(&[row(1, Op::Insert, (1, 1), &[("name", "b")])]);
    heart.commit();
    heart.reopen(rules(&Policy::Min, Existence::Any, false));
    heart.may_repeat = true;
    heart.hear(&[row(1, Op::Update, (2, 2), &[("name", "a")])]);
    heart.commit();
    heart.redecide();
    assert_eq!(golden(&heart, "name").as_deref(), Some("a"));
}
