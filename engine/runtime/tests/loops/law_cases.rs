//! Sequences that once broke the law of parking.

use crate::law::{IDENTITIES, Identity, Phase, Refusals, Step, check};

/// A phase whose transactions have one entry each.
fn phase(mapping: &[&str], target: &[&str], transactions: &[&[Step]]) -> Phase {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let refusals =
        Refusals { mapping: words(mapping), target: words(target), ..Refusals::default() };
    let transactions = transactions.iter().map(|steps| vec![steps.to_vec()]).collect();
    Phase { refusals, transactions, restarts: false }
}

fn insert(id: u8, code: u8, name: u8) -> Step {
    Step::Insert { id, code, name, bio: 0 }
}

fn rename(id: u8, name: u8) -> Step {
    Step::Update { id, to: None, code: None, name: Some(name), bio: None }
}

fn move_to(id: u8, to: u8, name: u8) -> Step {
    Step::Update { id, to: Some(to), code: None, name: Some(name), bio: None }
}

fn assert_law(identity: Identity, phases: &[Phase]) {
    for through_entity in [false, true] {
        check(identity, through_entity, phases).unwrap();
    }
}

#[test]
fn refused_rows_of_a_table_without_a_key_do_not_replace_each_other() {
    let rows = [insert(0, 0, 0), insert(1, 1, 0), insert(2, 2, 1)];
    assert_law(Identity::Keyless, &[phase(&["name0"], &[], &[&rows])]);
}

#[test]
fn a_row_that_the_target_refused_outlives_a_later_refusal_by_the_mapping() {
    let with_bio = Step::Update { id: 0, to: None, code: None, name: None, bio: Some(1) };
    let phases = [
        phase(&[], &["bio1"], &[&[insert(0, 0, 1)], &[with_bio]]),
        // The bio is not sent again.
        phase(&["name0"], &["bio1"], &[&[rename(0, 0)]]),
    ];
    assert_law(Identity::Key, &phases);
}

#[test]
fn a_source_row_and_a_target_row_of_the_same_key_wait_side_by_side() {
    // The target's row "k1" is of the source's "k0"; the source's "k1" is another row.
    let rows = [insert(0, 1, 2), insert(1, 0, 0)];
    assert_law(Identity::Full, &[phase(&["name0"], &["name2"], &[&rows[..1], &rows[1..]])]);
}

#[test]
fn a_refused_change_of_the_key_leaves_nothing_behind() {
    for last in [rename(1, 2), Step::Delete { id: 1 }] {
        let phases = [phase(&["name0"], &[], &[&[insert(0, 0, 1)], &[move_to(0, 1, 0)], &[last]])];
        assert_law(Identity::Key, &phases);
        assert_law(Identity::Full, &phases);
    }
}

#[test]
fn a_row_that_takes_the_old_key_of_a_refused_one_stays() {
    let moved = Step::Update { id: 0, to: None, code: Some(2), name: Some(0), bio: None };
    let steps = [insert(0, 1, 1), moved, insert(1, 1, 1)];
    assert_law(Identity::Full, &[phase(&["name0"], &[], &[&steps[..1], &steps[1..]])]);
}

#[test]
fn a_parked_row_whose_key_changes_is_not_written_under_the_old_one() {
    let steps = [insert(2, 2, 0), move_to(2, 3, 1)];
    for identity in IDENTITIES {
        assert_law(identity, &[phase(&["name0"], &[], &[&steps[..1], &steps[1..]])]);
        assert_law(identity, &[phase(&["name0"], &[], &[&steps])]);
    }
}

#[test]
fn a_refused_row_does_not_overtake_later_changes_of_the_same_batch() {
    let steps = [insert(0, 0, 0), rename(0, 1)];
    for identity in IDENTITIES {
        assert_law(identity, &[phase(&["name0"], &[], &[&steps])]);
    }
}

#[test]
fn what_was_deleted_while_the_mapping_did_not_fit_goes_before_its_key_is_taken_again() {
    let mut misfit = phase(&[], &[], &[&[Step::Delete { id: 2 }]]);
    misfit.refusals.misfit = true;
    let phases =
        [phase(&[], &[], &[&[insert(2, 1, 0)]]), misfit, phase(&[], &[], &[&[insert(0, 1, 0)]])];
    assert_law(Identity::Full, &phases);
}
