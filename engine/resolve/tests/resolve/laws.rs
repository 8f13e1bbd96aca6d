//! The same claims come to the same golden rows and the same open conflicts, however they are told.

use crate::expressions::{LAST, STRICT};
use crate::fixture::{Row, rules, systems};
use crate::history::{Delivery, History, delivery, histories, one_by_one};
use crate::told::{Heart, Told};
use proptest::prelude::*;
use syncline_core::{Claims as _, Op};
use syncline_resolve::{EntityRules, Existence, Fallback, Policy};

/// Every policy there is.
pub(crate) fn policies() -> Vec<Policy> {
    let list = systems(&["hr", "sis"]);
    let prefer = Fallback::Prefer(list.clone());
    vec![
        Policy::Prefer(list.clone()),
        Policy::Newest(Fallback::Ask),
        Policy::Newest(prefer.clone()),
        Policy::Oldest(Fallback::Ask),
        Policy::Oldest(prefer.clone()),
        Policy::Max,
        Policy::Min,
        Policy::Longest(list.clone()),
        Policy::MostCommon(list),
        Policy::Ordered(vec!["b".into(), "open".into(), "aa".into()]),
        Policy::Union,
        Policy::Intersection,
        Policy::Sum,
        Policy::All,
        Policy::Ask(Fallback::Ask),
        Policy::Ask(prefer),
        Policy::Sql(STRICT.to_owned()),
        Policy::Sql(LAST.to_owned()),
    ]
}

/// Rules with any policy, existence and meaning of NULL.
pub(crate) fn any_rules() -> impl Strategy<Value = EntityRules> {
    let existence = prop_oneof![
        Just(Existence::Any),
        Just(Existence::Owner(systems(&["sis"])[0].clone())),
        Just(Existence::All),
        Just(Existence::Ask),
    ];
    (prop::sample::select(policies()), existence, any::<bool>())
        .prop_map(|(policy, existence, null)| rules(&policy, existence, null))
}

fn told(rules: &EntityRules, batches: &[Vec<Row>]) -> Told {
    let mut heart = Heart::new(rules.clone());
    batches.iter().for_each(|batch| heart.hear(batch));
    heart.told.check_in_force();
    heart.told
}

fn in_order(rules: &EntityRules, histories: &[History]) -> Told {
    told(rules, &one_by_one(histories))
}

/// What a batch that is told again may not count for: everything was told before.
fn repeat(heart: &mut Heart, batches: &[Vec<Row>]) {
    heart.may_repeat = true;
    batches.iter().for_each(|batch| heart.hear(batch));
}

fn cases() -> ProptestConfig {
    ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    /// Sources are heard in any order between each other, in batches of any size.
    #[test]
    fn any_interleaving_and_any_cut_come_to_the_same(
        rules in any_rules(), histories in histories(), delivery in delivery(),
    ) {
        let told = told(&rules, &delivery.batches(&histories));
        prop_assert_eq!(told, in_order(&rules, &histories));
    }

    /// What was heard before changes nothing; a copied row is told again, unchanged.
    #[test]
    fn a_prefix_again_and_all_twice_change_nothing(
        rules in any_rules(), histories in histories(),
        deliveries in prop::collection::vec(delivery(), 3), until in 0_usize..30,
    ) {
        let expected = in_order(&rules, &histories);
        let mut heart = Heart::new(rules);
        let batches = deliveries[0].batches(&histories);
        let until = until.min(batches.len());
        batches[..until].iter().for_each(|batch| heart.hear(batch));
        let before = heart.told.clone();
        let prefix: Vec<Vec<Row>> = batches[..until].to_vec();
        for batch in &prefix {
            heart.hear(batch);
            prop_assert_eq!(&heart.told, &before);
        }
        batches[until..].iter().for_each(|batch| heart.hear(batch));
        prop_assert_eq!(&heart.told, &expected);
        for delivery in &deliveries[1..] {
            for batch in delivery.batches(&histories) {
                heart.hear(&batch);
                prop_assert_eq!(&heart.told, &expected);
            }
        }
    }

    /// A crash at any place: what was not committed is heard again, in the same batches and the same
    /// order. In others it would not do: a golden row that was told before the crash, and that no
    /// difference between two batches leads to again, would never be taken back.
    #[test]
    fn a_crash_anywhere_changes_nothing(
        rules in any_rules(), histories in histories(), delivery in delivery(),
        commits in prop::collection::vec(0_u8..4, 60),
    ) {
        let expected = in_order(&rules, &histories);
        let batches = delivery.batches(&histories);
        let mut heart = Heart::new(rules.clone());
        heart.may_repeat = true;
        let (mut next, mut committed) = (0, 0);
        for what in commits.into_iter().chain([0; 40]) {
            match what {
                1 => { heart.commit(); committed = next; }
                2 => { heart.entity.rollback().unwrap(); next = committed; }
                3 => { heart.reopen(rules.clone()); next = committed; }
                _ if next < batches.len() => { heart.hear(&batches[next]); next += 1; }
                _ => {}
            }
        }
        repeat(&mut heart, &batches[next.min(batches.len())..]);
        prop_assert_eq!(heart.told, expected);
    }

    /// Each source told from its end to its beginning: a register keeps the same runs whichever way
    /// round it hears them. No record is given another key here: what it said under its former one is
    /// taken over when the change is heard, and told backwards it is not yet known then.
    #[test]
    fn backwards_comes_to_the_same(
        rules in any_rules(), histories in histories(), delivery in delivery(),
    ) {
        let expected = in_order(&rules, &histories);
        let backwards: Vec<History> = histories
            .iter()
            .map(|history| history.iter().rev().map(|rows| rows.iter().rev().cloned().collect()).collect())
            .collect();
        let told = told(&rules, &delivery.batches(&backwards));
        prop_assert_eq!(&told.table, &expected.table);
        prop_assert_eq!(told.conflicts, expected.conflicts);
    }

    /// Other rules and back again: the golden rows are those of the rules, whatever held before. What
    /// was agreed on before is only known to rules that could ask all along.
    #[test]
    fn other_rules_and_back_are_as_if_they_had_always_held(
        first in any_rules(), second in any_rules(), histories in histories(), delivery in delivery(),
    ) {
        let expected = in_order(&first, &histories);
        let mut heart = Heart::new(first.clone());
        delivery.batches(&histories).iter().for_each(|batch| heart.hear(batch));
        heart.commit();
        heart.reopen(second.clone());
        heart.redecide();
        heart.told.check_in_force();
        let knows_as_much = first.units.iter().zip(&second.units)
            .all(|(first, second)| first.policy.may_ask() || !second.policy.may_ask());
        if knows_as_much {
            prop_assert_eq!(&heart.told, &in_order(&second, &histories));
        }
        heart.reopen(first);
        heart.redecide();
        prop_assert_eq!(heart.told, expected);
    }

    /// The fields of a group are always those that one record said together.
    #[test]
    fn a_group_is_never_torn(
        rules in any_rules(), histories in histories(), delivery in delivery(),
    ) {
        let mut heart = Heart::new(rules);
        for batch in delivery.batches(&histories) {
            heart.hear(&batch);
            for (key, row) in &heart.told.table {
                let group = [row[6].as_deref(), row[7].as_deref(), row[8].as_deref()];
                let said = said_together(key, &histories);
                prop_assert!(group == [None; 3] || said.contains(&group), "{key}: {group:?}");
            }
        }
    }
}

/// The groups that records ever said of a key.
fn said_together(key: &str, histories: &[History]) -> Vec<[Option<&'static str>; 3]> {
    use crate::fixture::Cell;
    use std::collections::BTreeMap;
    let mut said = Vec::new();
    let mut now: BTreeMap<(usize, &str), [Option<&'static str>; 3]> = BTreeMap::new();
    for row in histories.iter().flatten().flatten().filter(|row| row.key == key) {
        let origin = (row.mapping, row.record.as_str());
        if row.op == Op::Delete {
            now.remove(&origin);
            continue;
        }
        let group = now.entry(origin).or_default();
        for (place, cell) in row.cells[6..].iter().enumerate() {
            match cell {
                Cell::Absent => {}
                Cell::Null => group[place] = None,
                Cell::Text(text) => group[place] = Some(text),
            }
        }
        said.push(*group);
    }
    said
}

/// Keeps the generators honest: they do make conflicts, deletes and copies.
#[test]
fn histories_are_worth_their_name() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut conflicts, mut rows) = (0, 0);
    for _ in 0..200 {
        let histories = histories().new_tree(&mut runner).unwrap().current();
        let delivery: Delivery = delivery().new_tree(&mut runner).unwrap().current();
        let ask = rules(&Policy::Ask(Fallback::Ask), Existence::Ask, false);
        let told = told(&ask, &delivery.batches(&histories));
        conflicts += told.conflicts.len();
        rows += told.table.len();
    }
    assert!(conflicts > 200 && rows > 150, "{conflicts} conflicts, {rows} rows");
}
