//! Keys that are gone, and when what is kept of them may go.

use crate::failures::{golden, heart, ours, row, two_way};
use crate::fixture::{Cell, MAPPINGS, Row, rules};
use crate::told::Heart;
use syncline_core::{ConflictKind, Op, Position, Stable};
use syncline_resolve::{Existence, Fallback, Policy};

const SIS: usize = 0;
const HR: usize = 1;
const LMS: usize = 2;

fn newest() -> Policy {
    Policy::Newest(Fallback::Ask)
}

/// Each source is stable up to a commit.
fn stable(of: &[(usize, u64)]) -> Stable {
    let place = |commit| Position { epoch: 1, commit, ordinal: u32::MAX };
    of.iter().map(|&(mapping, commit)| (MAPPINGS[mapping].1.to_owned(), place(commit))).collect()
}

fn insert(mapping: usize, commit: u64) -> Row {
    row(mapping, Op::Insert, (commit, 100 * commit as i64), &[("name", "b")])
}

fn delete(mapping: usize, commit: u64) -> Row {
    row(mapping, Op::Delete, (commit, 100 * commit as i64), &[])
}

/// An entity that two sources had, and both deleted.
fn gone(existence: Existence) -> Heart {
    let mut heart = Heart::new(rules(&newest(), existence, false));
    for row in [insert(SIS, 1), insert(HR, 1), delete(SIS, 2), delete(HR, 5)] {
        heart.hear(&[row]);
    }
    heart.commit();
    assert!(heart.told.table.is_empty());
    heart
}

#[test]
fn a_key_goes_once_every_word_on_it_is_stable_and_not_before() {
    let mut heart = gone(Existence::Any);
    for too_little in [&[][..], &[(SIS, 9)], &[(SIS, 9), (HR, 4)], &[(SIS, 1), (HR, 9)]] {
        assert_eq!(heart.collect(&stable(too_little)), 0, "{too_little:?}");
    }
    assert_eq!(heart.collect(&stable(&[(SIS, 2), (HR, 5)])), 1);
    assert_eq!(heart.collect(&stable(&[(SIS, 2), (HR, 5)])), 0, "it is gone");
    heart.reopen(rules(&newest(), Existence::Any, false));
    heart.hear(&[insert(HR, 6)]);
    assert_eq!(golden(&heart, "name").as_deref(), Some("b"), "it is there again, as said anew");
}

/// A source that is away for a month has the record, for all that is known: nothing else goes by time.
#[test]
fn a_key_stays_while_a_source_that_is_away_has_it() {
    let mut heart = heart(newest());
    for row in [insert(SIS, 1), insert(HR, 1), delete(SIS, 2)] {
        heart.hear(&[row]);
    }
    heart.commit();
    assert_eq!(heart.collect(&stable(&[(SIS, u64::MAX), (HR, u64::MAX)])), 0);
    assert_eq!(golden(&heart, "name").as_deref(), Some("b"));
}

/// One that was away while all others forgot says that it deleted the record, too.
#[test]
fn what_a_source_says_late_of_a_key_that_went_leaves_it_gone() {
    let mut heart = heart(newest());
    heart.hear(&[insert(SIS, 1)]);
    heart.hear(&[delete(SIS, 2)]);
    heart.commit();
    assert_eq!(heart.collect(&stable(&[(SIS, 2)])), 1, "hr never spoke of it");
    heart.hear(&[delete(HR, 7)]);
    heart.commit();
    assert!(heart.told.table.is_empty());
    assert_eq!(heart.collect(&stable(&[(SIS, 2), (HR, 7)])), 1);
}

#[test]
fn keys_among_others_go_and_the_others_stay() {
    let mut heart = heart(newest());
    let keyed = |row: Row, number: u64| Row { key: format!("k{number}"), ..row };
    for number in 0..40 {
        heart.hear(&[keyed(insert(SIS, 1 + number), number)]);
        if number % 4 != 0 {
            heart.hear(&[keyed(delete(SIS, 100 + number), number)]);
        }
    }
    heart.commit();
    assert_eq!(heart.collect(&stable(&[(SIS, 119)])), 15, "those that went in time");
    assert_eq!(heart.collect(&stable(&[(SIS, 139)])), 15);
    let left = heart.told.table.clone();
    for number in (0..40).filter(|number| number % 4 == 0) {
        let renamed = row(SIS, Op::Update, (200 + number, 9), &[("name", "aa")]);
        heart.hear(&[keyed(renamed, number)]);
    }
    assert_eq!((left.len(), heart.told.table.len()), (10, 10), "known as they were");
}

/// Who deleted it does not change whether it exists, under any other rule than `ask`.
#[test]
fn an_entity_that_all_or_an_owner_have_to_have_goes_too() {
    let owner =
        Existence::Owner(rules(&newest(), Existence::Any, false).mappings[HR].system.clone());
    for existence in [Existence::Any, Existence::All, owner] {
        let mut heart = gone(existence.clone());
        assert_eq!(heart.collect(&stable(&[(SIS, 2), (HR, 5)])), 1, "{existence:?}");
        heart.hear(&[insert(SIS, 6)]);
        assert_eq!(heart.told.table.is_empty(), existence != Existence::Any);
    }
}

/// While a source has what the others of `all` do not, there is no entity, and its word is no tombstone.
#[test]
fn a_word_on_what_does_not_exist_stays() {
    let mut heart = Heart::new(rules(&newest(), Existence::All, false));
    heart.hear(&[insert(SIS, 1)]);
    heart.commit();
    assert!(heart.told.table.is_empty());
    assert_eq!(heart.collect(&stable(&[(SIS, 9)])), 0);
}

/// Where a person is asked if it should exist, that a system deleted it is what the question rests on.
#[test]
fn who_deleted_what_is_asked_about_is_never_forgotten() {
    let mut heart = gone(Existence::Ask);
    assert_eq!(heart.collect(&stable(&[(SIS, 9), (HR, 9)])), 0);
    heart.hear(&[insert(HR, 10)]);
    let asked = &heart.told.conflicts[&("k".to_owned(), "existence".to_owned())];
    assert_eq!(asked.kind, ConflictKind::DeleteVsUpdate);
}

/// A filter keeps records out that never were: of these nothing is to be known, whatever is asked.
#[test]
fn what_never_was_goes_even_where_a_person_is_asked() {
    let mut heart = Heart::new(rules(&newest(), Existence::Ask, false));
    heart.hear(&[delete(SIS, 1)]);
    heart.commit();
    assert_eq!(heart.collect(&stable(&[(SIS, 1)])), 1);
}

/// lms has the record by our hand, and until our delete of it came back somebody may change it there: that
/// is no record of its own.
#[test]
fn a_key_stays_while_our_writes_to_it_are_under_way() {
    let mut heart = Heart::new(two_way());
    heart.hear(&[insert(SIS, 1)]);
    heart.hear(&[ours(insert(LMS, 1))]);
    heart.hear(&[delete(SIS, 2)]);
    heart.commit();
    let all = stable(&[(SIS, 99), (LMS, 99)]);
    assert_eq!(heart.collect(&all), 0, "lms still has it");
    heart.hear(&[ours(delete(LMS, 3))]);
    heart.commit();
    assert_eq!(heart.collect(&stable(&[(SIS, 99), (LMS, 2)])), 0, "the delete may come again");
    assert_eq!(heart.collect(&all), 1);
    // Whoever puts it there now makes it.
    heart.hear(&[row(LMS, Op::Insert, (4, 500), &[("name", "aa")])]);
    assert_eq!(golden(&heart, "name").as_deref(), Some("aa"));
}

/// What people said of a record that we made, and removed again, is said still: should the entity be there
/// again, so is their word.
#[test]
fn a_word_on_a_record_that_we_removed_is_no_tombstone() {
    let mut heart = Heart::new(two_way());
    heart.hear(&[insert(SIS, 1)]);
    heart.hear(&[ours(insert(LMS, 1))]);
    heart.hear(&[delete(SIS, 2)]);
    heart.hear(&[row(LMS, Op::Update, (2, 300), &[("seats", "7")])]);
    assert!(heart.told.table.is_empty(), "whoever changes what we put there does not make it");
    heart.hear(&[ours(delete(LMS, 3))]);
    heart.commit();
    assert_eq!(heart.collect(&stable(&[(SIS, 99), (LMS, 99)])), 0);
    heart.hear(&[insert(SIS, 4)]);
    assert_eq!(golden(&heart, "seats").as_deref(), Some("7"));
}

/// A decision holds again as soon as the words that it was made on are said again.
#[test]
fn a_key_that_a_decision_stands_on_stays() {
    let mut heart = gone(Existence::Any);
    let decided = Row { cells: [Cell::Absent; 9], ..insert(SIS, 3) };
    let (batch, records) = crate::fixture::batch(&[decided]);
    heart.entity.hear_rows("decisions", &batch, &records, false).unwrap();
    heart.commit();
    assert_eq!(heart.collect(&stable(&[(SIS, 99), (HR, 99)])), 0);
}

/// While other rules have to decide first, nothing goes: by the former ones the key may exist.
#[test]
fn nothing_goes_before_other_rules_have_decided() {
    let mut heart = gone(Existence::Any);
    heart.reopen(rules(&Policy::Max, Existence::Any, false));
    let all = stable(&[(SIS, 9), (HR, 9)]);
    assert_eq!(heart.collect(&all), 0);
    heart.redecide();
    assert_eq!(heart.collect(&all), 1);
}

/// A mapping was taken away. Of records that it told to be gone nothing has to be known any more; those that it told
/// to be there are no tombstones.
#[test]
fn a_mapping_that_is_no_more_holds_only_what_it_had() {
    let without_hr = || {
        let mut rules = rules(&newest(), Existence::Any, false);
        rules.mappings.retain(|mapping| mapping.name != MAPPINGS[HR].1);
        rules
    };
    for (is_there, dropped) in [(false, 1), (true, 0)] {
        let mut heart = heart(newest());
        heart.hear(&[insert(SIS, 1)]);
        heart.hear(&[if is_there { insert(HR, 5) } else { delete(HR, 5) }]);
        heart.hear(&[delete(SIS, 2)]);
        heart.commit();
        heart.reopen(without_hr());
        heart.redecide();
        assert_eq!(heart.collect(&stable(&[(SIS, 9)])), dropped);
    }
}
