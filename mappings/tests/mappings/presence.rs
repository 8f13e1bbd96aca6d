//! Columns that a change does not speak of.

use super::support::{Changes, lines, outcome, rejections, run, to_users};
use syncline_core::Op;

fn students() -> Changes {
    Changes::of("sis.public.students")
}

#[test]
fn a_column_that_is_absent_stays_absent() {
    let mapping = to_users("phone, name", "phone, left(upper(bio), 30)", "");
    let changes = students()
        .update(&[("id", Some("1")), ("phone", Some("p"))])
        .update(&[("id", Some("2")), ("bio", Some("b"))])
        .update(&[("id", Some("3"))]);
    assert_eq!(
        outcome(&mapping, &changes),
        [
            "update id=1 email=x phone=p name=-",
            "update id=2 email=x phone=- name=B",
            "update id=3 email=x phone=- name=-",
        ]
    );
}

#[test]
fn what_is_absent_is_not_null() {
    // Of NULL this would be a text; of what is absent it is nothing.
    let mapping = to_users("name", "coalesce(left(bio, 30), 'none')", "");
    let changes =
        students().update(&[("id", Some("1")), ("bio", None)]).update(&[("id", Some("2"))]);
    assert_eq!(
        outcome(&mapping, &changes),
        ["update id=1 email=x name=none", "update id=2 email=x name=-"]
    );
}

#[test]
fn an_expression_over_absent_and_present_columns_rejects_its_row() {
    let mapping = to_users("name", "left(bio || phone, 30)", "");
    let changes = students().update(&[("id", Some("1")), ("phone", Some("p"))]).update(&[
        ("id", Some("2")),
        ("phone", Some("p")),
        ("bio", Some("b")),
    ]);
    let done = run(&mapping, &changes.batch());
    assert_eq!(lines(&done.rows), ["update id=2 email=x name=bp"]);
    assert_eq!(
        rejections(&done.rejected),
        ["0: left(bio || phone, 30): the expression needs a column that the change does not have"]
    );
    assert!(done.rejected[0].hint.as_ref().unwrap().contains("REPLICA IDENTITY FULL"));
}

/// The story: a new row is whole, so what it lacks was taken for a column to leave as it is.
#[test]
fn a_new_row_whose_value_could_not_be_carried_is_rejected_where_it_is_needed() {
    let changes = students()
        .insert(&[("id", Some("1")), ("phone", Some("p"))])
        .not_carried("phone")
        .row(Op::Snapshot, &[("id", Some("2"))])
        .not_carried("bio")
        .insert(&[("id", Some("3")), ("phone", Some("q"))]);
    let plain = run(&to_users("phone", "phone", ""), &changes.batch());
    assert_eq!(lines(&plain.rows).len(), 2);
    assert_eq!(
        rejections(&plain.rejected),
        [
            "0: phone: the expression needs a value that can't be carried exactly: it is out of range, \
          or no valid text"
        ]
    );
    let judged = run(&to_users("phone", "phone", "WHERE bio IS NULL"), &changes.batch());
    assert_eq!(lines(&judged.rows).len(), 1);
    assert_eq!(judged.rejected.iter().map(|row| row.row).collect::<Vec<_>>(), [0, 1]);
    assert!(judged.rejected[1].reason.contains("condition needs a value"));
}

#[test]
fn a_condition_over_an_absent_column_rejects_its_row() {
    let mapping = to_users("phone", "phone", "WHERE bio <> ''");
    let changes = students()
        .update(&[("id", Some("1")), ("phone", None)])
        .update(&[("id", Some("2")), ("phone", None), ("bio", Some("b"))])
        .delete(&[("id", Some("3"))]);
    let done = run(&mapping, &changes.batch());
    assert_eq!(
        lines(&done.rows),
        ["update id=2 email=x phone=NULL", "delete id=3 email=- phone=-"]
    );
    assert_eq!(
        rejections(&done.rejected),
        ["0: bio <> '': the condition needs a column that the change does not have"]
    );
}

#[test]
fn a_value_that_fails_where_it_is_absent_rejects_nothing() {
    let mapping = to_users("credits", "CASE WHEN phone IS NULL THEN 1 / (id - id) ELSE 0 END", "");
    let changes = students().update(&[("id", Some("1")), ("phone", Some("p"))]);
    assert_eq!(outcome(&mapping, &changes), ["update id=1 email=x credits=0"]);
    let over_absent = to_users("points", "coalesce(phone, 'none')::int2", "");
    let changes = students().update(&[("id", Some("1"))]);
    assert_eq!(outcome(&over_absent, &changes), ["update id=1 email=x points=-"]);
}

#[test]
fn a_new_key_needs_the_whole_row() {
    let mapping = to_users("phone", "phone", "");
    let changes = students()
        .before(&[("id", Some("1"))])
        .update(&[("id", Some("2"))])
        .before(&[("id", Some("3"))])
        .update(&[("id", Some("3"))]);
    let done = run(&mapping, &changes.batch());
    assert_eq!(lines(&done.rows), ["update id=3 email=x phone=-"]);
    assert_eq!(
        rejections(&done.rejected),
        ["1: -: the key changed, and the change does not have the whole row"]
    );
}

#[test]
fn an_absent_not_null_column_is_no_null() {
    let mapping = super::support::mapping(
        "INSERT INTO lms.public.users (id, email) SELECT id, email FROM sis.public.students",
    );
    let changes = students().update(&[("id", Some("1"))]);
    assert_eq!(outcome(&mapping, &changes), ["update id=1 email=-"]);
}
