//! What each change of the source becomes at the target.

use super::support::{Changes, lines, mapping, outcome, rejections, run, to_users};
use syncline_core::{Kind, Op};

const ACTIVE: &str = "INSERT INTO lms.public.users (id, email, phone) \
    SELECT id, 'x', phone FROM sis.public.students WHERE active";

fn students() -> Changes {
    Changes::of("sis.public.students")
}

#[test]
fn new_and_changed_rows_that_pass_are_written_as_they_come() {
    let changes = students()
        .insert(&[("id", Some("1")), ("phone", Some("a")), ("active", Some("true"))])
        .insert(&[("id", Some("2")), ("phone", Some("b")), ("active", Some("false"))])
        .update(&[("id", Some("3")), ("phone", None), ("active", Some("true"))])
        .row(Op::Snapshot, &[("id", Some("4")), ("phone", Some("d")), ("active", Some("true"))])
        .row(Op::Snapshot, &[("id", Some("5")), ("phone", Some("e")), ("active", None)]);
    assert_eq!(
        outcome(&mapping(ACTIVE), &changes),
        [
            "insert id=1 email=x phone=a",
            "update id=3 email=x phone=NULL",
            "snapshot id=4 email=x phone=d",
        ]
    );
}

#[test]
fn an_update_that_leaves_the_condition_is_a_delete() {
    let changes = students().update(&[("id", Some("1")), ("phone", None), ("active", None)]);
    assert_eq!(outcome(&mapping(ACTIVE), &changes), ["delete id=1 email=- phone=-"]);
}

#[test]
fn an_update_that_never_passed_gives_nothing_where_the_image_before_tells_so() {
    let row = |id, active| [("id", Some(id)), ("phone", None), ("active", Some(active))];
    let changes = students()
        .before(&row("1", "false"))
        .update(&row("1", "false"))
        .before(&row("2", "true"))
        .update(&row("2", "false"))
        .before(&row("3", "false"))
        .update(&row("3", "true"));
    assert_eq!(
        outcome(&mapping(ACTIVE), &changes),
        ["delete id=2 email=- phone=-", "update id=3 email=x phone=NULL"]
    );
}

#[test]
fn a_delete_says_the_key_and_nothing_else() {
    let changes = students()
        .delete(&[("id", Some("1"))])
        .delete(&[("id", Some("2")), ("phone", Some("b")), ("active", Some("true"))])
        .delete(&[("id", Some("3")), ("phone", Some("c")), ("active", Some("false"))]);
    assert_eq!(
        outcome(&mapping(ACTIVE), &changes),
        ["delete id=1 email=- phone=-", "delete id=2 email=- phone=-"]
    );
}

#[test]
fn a_changed_key_is_a_delete_of_the_old_and_an_update_of_the_new() {
    let whole = |id| [("id", Some(id)), ("phone", Some("p")), ("active", Some("true"))];
    let changes = students()
        .before(&[("id", Some("1"))])
        .update(&whole("2"))
        .before(&whole("3"))
        .update(&whole("3"));
    let done = run(&mapping(ACTIVE), &changes.batch());
    assert_eq!(
        lines(&done.rows),
        [
            "delete id=1 email=- phone=-",
            "update id=2 email=x phone=p",
            "update id=3 email=x phone=p"
        ]
    );
    assert_eq!(done.origins, [1, 1, 3]);
}

#[test]
fn a_changed_key_that_leaves_the_condition_is_a_delete_of_the_old() {
    let changes = students().before(&[("id", Some("1"))]).update(&[
        ("id", Some("2")),
        ("phone", None),
        ("active", Some("false")),
    ]);
    assert_eq!(outcome(&mapping(ACTIVE), &changes), ["delete id=1 email=- phone=-"]);
}

#[test]
fn the_old_key_stays_where_the_row_before_did_not_pass() {
    let row = |id, active| [("id", Some(id)), ("phone", None), ("active", Some(active))];
    let changes = students().before(&row("1", "false")).update(&row("2", "true"));
    assert_eq!(outcome(&mapping(ACTIVE), &changes), ["update id=2 email=x phone=NULL"]);
}

#[test]
fn a_key_that_is_computed_moves_when_its_value_does() {
    let mapping = mapping(
        "INSERT INTO lms.public.courses (code, title) \
         SELECT upper(code), coalesce(title, '') FROM sis.public.courses",
    );
    let row = |code, title| [("code", Some(code)), ("title", Some(title))];
    let changes = Changes::of("sis.public.courses")
        .before(&row("a", "x"))
        .update(&row("A", "y"))
        .before(&row("b", "x"))
        .update(&row("c", "x"))
        .delete(&row("d", "x"));
    assert_eq!(
        outcome(&mapping, &changes),
        [
            "update code=A title=y",
            "delete code=B title=-",
            "update code=C title=x",
            "delete code=D title=-"
        ]
    );
}

#[test]
fn the_image_before_is_not_judged_by_the_time_of_a_later_change() {
    let mapping = mapping(
        "INSERT INTO lms.public.users (id, email) SELECT id, 'x' FROM sis.public.students \
         WHERE updated_at > now()",
    );
    let row = |at| [("id", Some("1")), ("updated_at", Some(at))];
    let changes = students()
        .before(&row("1969-01-01T00:00:00Z"))
        .update(&row("1969-01-01T00:00:00Z"))
        .delete(&row("1969-01-01T00:00:00Z"));
    // It may have passed when it was written; only a delete is safe.
    assert_eq!(outcome(&mapping, &changes), ["delete id=1 email=-", "delete id=1 email=-"]);
}

#[test]
fn a_null_in_the_key_is_rejected_and_its_delete_is_nothing() {
    let mapping = mapping(
        "INSERT INTO lms.public.courses (code, title) \
         SELECT nullif(code, ''), coalesce(title, '') FROM sis.public.courses",
    );
    let row = |code| [("code", Some(code)), ("title", Some("t"))];
    let changes = Changes::of("sis.public.courses")
        .insert(&row("a"))
        .insert(&row(""))
        .delete(&row(""))
        .before(&row(""))
        .update(&row("b"));
    let done = run(&mapping, &changes.batch());
    assert_eq!(lines(&done.rows), ["insert code=a title=t", "update code=b title=t"]);
    assert_eq!(
        rejections(&done.rejected),
        ["1: nullif(code, ''): the key column \"code\" would be NULL"]
    );
}

#[test]
fn a_null_where_the_target_has_none_is_rejected() {
    let mapping = mapping(
        "INSERT INTO lms.public.users (id, email) SELECT id, email FROM sis.public.students",
    );
    let changes = students()
        .insert(&[("id", Some("1")), ("email", None)])
        .insert(&[("id", Some("2")), ("email", Some("b"))]);
    let done = run(&mapping, &changes.batch());
    assert_eq!(lines(&done.rows), ["insert id=2 email=b"]);
    assert_eq!(
        rejections(&done.rejected),
        ["0: email: column \"email\" would be NULL, and is NOT NULL"]
    );
}

#[test]
fn a_row_that_fails_takes_no_other_with_it() {
    let mapping = to_users("points, credits", "phone::int2, (100 / credits)::int4", "");
    let row =
        |id, phone, credits| [("id", Some(id)), ("phone", Some(phone)), ("credits", Some(credits))];
    let changes = students()
        .insert(&row("1", "1", "1"))
        .insert(&row("2", "none", "1"))
        .insert(&row("3", "3", "0"))
        .insert(&row("4", "99999", "0"))
        .insert(&row("5", "5", "5"));
    let done = run(&mapping, &changes.batch());
    assert_eq!(
        lines(&done.rows),
        ["insert id=1 email=x points=1 credits=100", "insert id=5 email=x points=5 credits=20"]
    );
    assert_eq!(
        rejections(&done.rejected),
        [
            "1: phone::int2: a text is not a valid int2",
            "2: (100 / credits)::int4: division by zero",
            "3: phone::int2: a text is not a valid int2",
        ]
    );
}

#[test]
fn a_condition_that_fails_rejects_its_row_alone() {
    let mapping = to_users("phone", "phone", "WHERE 10 / credits > 1");
    let row = |id, credits| [("id", Some(id)), ("phone", None), ("credits", Some(credits))];
    let changes = students()
        .insert(&row("1", "1"))
        .insert(&row("2", "0"))
        .update(&row("3", "10"))
        .before(&row("4", "0"))
        .update(&row("4", "2"));
    let done = run(&mapping, &changes.batch());
    assert_eq!(
        lines(&done.rows),
        [
            "insert id=1 email=x phone=NULL",
            "delete id=3 email=- phone=-",
            "update id=4 email=x phone=NULL"
        ]
    );
    assert_eq!(rejections(&done.rejected), ["1: 10 / credits > 1: division by zero"]);
}

#[test]
fn a_guard_guards_its_row_whatever_the_company() {
    let guarded = "CASE WHEN credits <> 0 THEN (10 / credits)::int4 ELSE 0 END";
    let mapping = to_users("credits", guarded, "WHERE credits = 0 OR 10 / credits > 1");
    let row = |id, credits| [("id", Some(id)), ("credits", Some(credits))];
    let changes = students().insert(&row("1", "0")).insert(&row("2", "2")).insert(&row("3", "100"));
    assert_eq!(
        outcome(&mapping, &changes),
        ["insert id=1 email=x credits=0", "insert id=2 email=x credits=5"]
    );
}

#[test]
fn now_is_the_commit_time_of_each_row() {
    let mapping = to_users("created, born", "now(), current_date", "");
    let changes = students().insert(&[("id", Some("1"))]).insert(&[("id", Some("2"))]);
    assert_eq!(
        outcome(&mapping, &changes),
        [
            "insert id=1 email=x created=1970-01-01T00:00:01Z born=1970-01-01",
            "insert id=2 email=x created=1970-01-01T00:00:02Z born=1970-01-01",
        ]
    );
}

#[test]
fn an_empty_batch_gives_an_empty_batch() {
    let done = run(&mapping(ACTIVE), &students().batch());
    assert!(done.rows.is_empty() && done.rejected.is_empty());
}

#[test]
fn columns_are_found_by_name_whatever_their_order() {
    let schema = super::support::schema(
        "sis.public.students",
        &["id"],
        "phone varchar(20)\nnew_one date\nactive bool\nid int4 not null",
    );
    let changes = Changes::with_schema(schema.into()).insert(&[
        ("id", Some("1")),
        ("phone", Some("p")),
        ("active", Some("true")),
    ]);
    assert_eq!(outcome(&mapping(ACTIVE), &changes), ["insert id=1 email=x phone=p"]);
}

#[test]
fn a_schema_that_no_longer_fits_is_named_with_its_differences() {
    let schema =
        super::support::schema("sis.public.students", &["id"], "id int8 not null\nactive bool");
    let changes = Changes::with_schema(schema.into()).insert(&[("id", Some("1"))]);
    let error = mapping(ACTIVE).transform.transform(&changes.batch()).unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert_eq!(error.to_string(), "mapping m.sql no longer fits sis.public.students (schema 7)");
    assert_eq!(
        error.detail_text(),
        Some("column \"id\" is int8 now, and was int4; column \"phone\" is gone")
    );
    assert!(error.hint_text().is_some());
}

#[test]
fn nested_queries_and_common_tables_are_one_mapping() {
    let mapping = mapping(
        "INSERT INTO lms.public.users (id, email, name)
         WITH named AS (
             SELECT id, first_name || ' ' || last_name AS name, active FROM sis.public.students
             WHERE id > 1
         )
         SELECT n.id, 'x', left(n.name, 30)
         FROM (SELECT id, upper(name) AS name FROM named WHERE active) AS n
         WHERE n.name <> 'B B'",
    );
    let row = |id, name, active| {
        [
            ("id", Some(id)),
            ("first_name", Some(name)),
            ("last_name", Some(name)),
            ("active", Some(active)),
        ]
    };
    let changes = students()
        .insert(&row("1", "a", "true"))
        .insert(&row("2", "a", "true"))
        .insert(&row("3", "b", "true"))
        .insert(&row("4", "a", "false"));
    assert_eq!(outcome(&mapping, &changes), ["insert id=2 email=x name=A A"]);
}
