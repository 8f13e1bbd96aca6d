//! What people decide holds while its evidence does, and taken back it never was.

use crate::fixture::{MAPPINGS, Row, UNITS, rules, schema, values};
use crate::history::{delivery, histories, one_by_one};
use crate::laws::any_rules;
use crate::told::{Heart, Told};
use proptest::prelude::*;
use std::collections::BTreeMap;
use syncline_core::{
    Claims as _, Closed, ConflictChange, ConflictKind, ConflictState, Heard, Position, Resolved,
    Stable, Transaction, Transform as _,
};
use syncline_resolve::decisions::{self, Answer, DecisionRow, DecisionsOf, Deed};
use syncline_resolve::{Entity, Existence, Fallback, Policy};

/// A decision on a conflict: its key and subject, and what it rests on.
fn decision(number: u64, (key, subject): (&str, &str), evidence: &str) -> DecisionRow {
    DecisionRow {
        deed: Deed::Decided,
        transaction: Transaction { epoch: 1, commit: number, committed_at: 50, ours: false },
        id: format!("{number}-a"),
        entity: "course".to_owned(),
        key: serde_json::to_string(&[key]).unwrap(),
        subject: subject.to_owned(),
        evidence: evidence.to_owned(),
        value: serde_json::to_string(&answer(subject)).unwrap(),
        by: "maria".to_owned(),
        note: None,
        at: 50,
    }
}

fn undone(decision: &DecisionRow, number: u64) -> DecisionRow {
    let transaction = Transaction { commit: number, ..decision.transaction };
    DecisionRow { deed: Deed::Undone, transaction, ..decision.clone() }
}

/// A value that a unit can have: of existence, that it does not.
fn answer(subject: &str) -> Answer {
    let values = match UNITS.iter().find(|unit| unit.0 == subject) {
        Some((_, columns)) => {
            columns.iter().map(|&column| Some(values(column)[0].to_owned())).collect()
        }
        None => vec![Some("false".to_owned())],
    };
    Answer { values, took: None }
}

fn hear(entity: &mut Entity, rows: &[DecisionRow]) -> Resolved {
    let source = decisions::rows(rows).unwrap();
    let of_entity = DecisionsOf::new(schema().name());
    let ours = of_entity.transform(&source).unwrap();
    let heard = Heard {
        mapping: of_entity.name(),
        source: &source,
        rows: &ours.rows,
        origins: &ours.origins,
        in_doubt: false,
    };
    entity.hear(heard).unwrap()
}

/// Decides all that is open, and says what came of it.
fn decide_all(heart: &mut Heart, first: u64) -> Vec<DecisionRow> {
    let open = heart.told.conflicts.clone();
    let rows: Vec<DecisionRow> = (first..)
        .zip(&open)
        .map(|(number, ((key, subject), open))| decision(number, (key, subject), &open.evidence))
        .collect();
    let resolved = hear(&mut heart.entity, &rows);
    let ids: BTreeMap<&str, &str> =
        rows.iter().map(|row| (row.id.as_str(), row.subject.as_str())).collect();
    for change in &resolved.conflicts {
        let ConflictState::Closed(why) = &change.state else { continue };
        match why {
            Closed::Decided { decision } => assert_eq!(ids[decision.as_str()], change.subject),
            Closed::Gone => assert_ne!(change.subject, "existence"),
            other => panic!("{other:?}: {change:?}"),
        }
    }
    heart.told.take(&resolved, false);
    rows
}

fn check_decided(told: &Told, decided: &[DecisionRow]) {
    for row in decided {
        let [key]: [String; 1] = serde_json::from_str(&row.key).unwrap();
        assert!(!told.conflicts.contains_key(&(key.clone(), row.subject.clone())), "{row:?}");
        let golden = told.table.get(&key);
        let Some((_, columns)) = UNITS.iter().find(|unit| unit.0 == row.subject) else {
            assert_eq!(golden, None, "it was decided that there is none");
            continue;
        };
        let Some(golden) = golden else { continue };
        let values: Vec<_> = columns.iter().map(|&column| golden[column].clone()).collect();
        assert_eq!(values, answer(&row.subject).values, "{row:?}");
    }
}

/// What is decided where an expression fails holds while the sources say what they said; then a person
/// is asked again, as with any policy, and the answer stays meanwhile. Once all agree it is what the
/// expression comes to.
#[test]
fn an_answer_to_an_expression_that_fails_is_an_answer_like_others() {
    use crate::failures::{golden, heart, row};
    let says = |mapping, at: u64, seats| {
        let second = at as i64 / 10;
        [row(mapping, syncline_core::Op::Update, (at, second), &[("seats", seats)])]
    };
    let (sis, hr) = (0, 1);
    let mut heart = heart(Policy::Sql(crate::expressions::STRICT.to_owned()));
    heart.hear(&says(sis, 1, "7"));
    heart.hear(&says(hr, 2, "7"));
    decide_all(&mut heart, 60);
    assert_eq!((golden(&heart, "seats").as_deref(), heart.told.conflicts.len()), (Some("-3"), 0));
    heart.hear(&says(hr, 70, "2147483000"));
    let open = heart.told.conflicts.values().next().expect("it is asked again");
    assert_eq!(open.kind, ConflictKind::ValueConcurrent);
    assert_eq!(golden(&heart, "seats").as_deref(), Some("-3"), "the answer stays");
    heart.hear(&says(hr, 80, "NULL"));
    assert_eq!((golden(&heart, "seats").as_deref(), heart.told.conflicts.len()), (Some("7"), 0));
    heart.hear(&says(hr, 90, "-3"));
    assert_eq!(heart.told.conflicts.len(), 1);
    assert_eq!(golden(&heart, "seats").as_deref(), Some("7"), "what was agreed on since");
}

fn told(heart: &mut Heart, batches: &[Vec<Row>]) {
    batches.iter().for_each(|batch| heart.hear(batch));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Decided in the middle, and taken back there or at the end: as if nobody ever had.
    #[test]
    fn what_is_taken_back_never_was(
        rules in any_rules(), histories in histories(), delivery in delivery(),
        at in 0_usize..30, back in 0_usize..30,
    ) {
        let batches = delivery.batches(&histories);
        let mut expected = Heart::new(rules.clone());
        told(&mut expected, &batches);
        let mut heart = Heart::new(rules);
        let at = at.min(batches.len());
        let back = back.clamp(at, batches.len());
        told(&mut heart, &batches[..at]);
        let rows = decide_all(&mut heart, 1);
        check_decided(&heart.told, &rows);
        told(&mut heart, &batches[at..back]);
        let taken_back: Vec<DecisionRow> =
            (1_000..).zip(&rows).map(|(number, row)| undone(row, number)).collect();
        let resolved = hear(&mut heart.entity, &taken_back);
        heart.told.take(&resolved, false);
        told(&mut heart, &batches[back..]);
        heart.told.check_in_force();
        prop_assert_eq!(heart.told, expected.told);
    }

    /// Decisions are claims: before the sources, behind them, twice or out of order, it is the same.
    #[test]
    fn decisions_are_heard_in_any_order(
        rules in any_rules(), histories in histories(), from in 0_usize..30,
    ) {
        let batches = one_by_one(&histories);
        let mut heart = Heart::new(rules.clone());
        told(&mut heart, &batches);
        let mut rows = decide_all(&mut heart, 1);
        let taken_back: Vec<_> = rows.iter().skip(from).map(|row| undone(row, 99)).collect();
        rows.extend(taken_back);
        let resolved = hear(&mut heart.entity, &rows);
        heart.told.take(&resolved, false);
        let mut other = Heart::new(rules);
        rows.reverse();
        hear(&mut other.entity, &rows);
        told(&mut other, &batches);
        prop_assert_eq!(&other.told, &heart.told);
        hear(&mut other.entity, &rows);
        prop_assert_eq!(other.told, heart.told);
    }
}

/// What a mapping says of a course.
fn of_c1(mapping: usize, commit: u64, name: &'static str) -> Row {
    Row {
        mapping,
        record: "[\"r\"]".to_owned(),
        former: None,
        key: "c1".to_owned(),
        op: syncline_core::Op::Insert,
        at: Transaction { epoch: 1, commit, committed_at: 1, ours: false },
        ordinal: 0,
        cells: std::array::from_fn(|column| match column {
            1 => crate::fixture::Cell::Text(name),
            3 => crate::fixture::Cell::Text("7"),
            _ => crate::fixture::Cell::Null,
        }),
    }
}

/// A course that two sources name otherwise, and the conflict on it.
fn disagreeing() -> (Heart, String) {
    let ask = rules(&Policy::Ask(Fallback::Ask), Existence::Any, false);
    let mut heart = Heart::new(ask);
    heart.hear(&[of_c1(0, 1, "aa")]);
    heart.hear(&[of_c1(1, 1, "b")]);
    let evidence = heart.told.conflicts[&("c1".to_owned(), "name".to_owned())].evidence.clone();
    (heart, evidence)
}

fn only(mut resolved: Resolved) -> ConflictChange {
    assert!(resolved.golden.is_none());
    assert_eq!(resolved.conflicts.len(), 1);
    resolved.conflicts.remove(0)
}

#[test]
fn a_decision_that_can_not_be_read_puts_the_question_again() {
    let (mut heart, evidence) = disagreeing();
    let on_name = decision(1, ("c1", "name"), &evidence);
    let unread = [
        DecisionRow { value: "{\"values\":[]}".to_owned(), ..on_name.clone() },
        DecisionRow { value: "aa".to_owned(), ..on_name.clone() },
        DecisionRow { evidence: "ask".to_owned(), ..on_name.clone() },
    ];
    for row in unread {
        let ConflictState::Raised { kind, words, .. } = only(hear(&mut heart.entity, &[row])).state
        else {
            panic!("it is a question again")
        };
        assert_eq!((kind, words.len()), (ConflictKind::SchemaMismatch, 2));
    }
    let closed = ConflictState::Closed(Closed::RulesChanged);
    for (key, subject) in [("c1", "nickname"), ("c1", "")] {
        let row = decision(2, (key, subject), &evidence);
        let change = only(hear(&mut heart.entity, &[row]));
        assert_eq!((change.state, change.subject.as_str()), (closed.clone(), subject));
    }
    let on_two = DecisionRow { key: "[\"c1\",\"c2\"]".to_owned(), ..on_name.clone() };
    assert_eq!(only(hear(&mut heart.entity, &[on_two])).state, closed);
    // What can be read beside it is heard.
    let broken = DecisionRow { value: String::new(), id: "0-a".to_owned(), ..on_name.clone() };
    let resolved = hear(&mut heart.entity, &[broken, on_name]);
    assert_eq!(resolved.conflicts.len(), 1);
    heart.told.take(&resolved, false);
    assert!(heart.told.conflicts.is_empty());
    assert_eq!(heart.told.table["c1"][1].as_deref(), Some("b"));
}

/// Taken back, a decision holds nothing: what is gone may go once the decisions, too, are stable.
#[test]
fn a_decision_that_was_taken_back_does_not_keep_what_is_gone() {
    let (mut heart, evidence) = disagreeing();
    let on_name = decision(1, ("c1", "name"), &evidence);
    let resolved = hear(&mut heart.entity, std::slice::from_ref(&on_name));
    heart.told.take(&resolved, false);
    let gone = |mapping| Row { op: syncline_core::Op::Delete, ..of_c1(mapping, 2, "") };
    heart.hear(&[gone(0), gone(1)]);
    heart.commit();
    let place = |commit| Position { epoch: 1, commit, ordinal: u32::MAX };
    let [sis, hr] = [MAPPINGS[0], MAPPINGS[1]].map(|it| (it.1.to_owned(), place(9)));
    let decisions = |commit| (decisions::mapping_of(schema().name()), place(commit));
    let all = Stable::from([sis, hr, decisions(9)]);
    assert_eq!(heart.collect(&all), 0, "it stands");
    let resolved = hear(&mut heart.entity, &[undone(&on_name, 3)]);
    heart.told.take(&resolved, false);
    heart.commit();
    let mut before = all.clone();
    before.extend([decisions(2)]);
    assert_eq!(heart.collect(&before), 0, "it may come once more");
    assert_eq!(heart.collect(&all), 1);
}

#[test]
fn nobody_is_answered_who_was_not_asked() {
    let (mut heart, _) = disagreeing();
    // Of a course that no source has, nothing comes of it.
    let of_nobody = decision(1, ("c9", "name"), &"0".repeat(32));
    let resolved = hear(&mut heart.entity, &[of_nobody]);
    assert!(resolved.golden.is_none() && resolved.conflicts.is_empty());
}
