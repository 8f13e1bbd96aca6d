//! Rows reach their tables in an order that the target's constraints allow.

use crate::cluster::Database;
use crate::rows::{ints, keyed, opened, optional_ints, part, progress, rows, schema, texts};
use syncline_core::{Kind, Op, Sink, TargetChange};

const UNIVERSITY: &str = "
    CREATE TABLE faculties (id bigint PRIMARY KEY);
    CREATE TABLE courses (id bigint PRIMARY KEY, faculty bigint NOT NULL REFERENCES faculties);
    CREATE TABLE enrolments (id bigint PRIMARY KEY, course bigint CONSTRAINT of_course REFERENCES courses)";

#[tokio::test]
async fn parents_are_written_before_their_children_and_deleted_after_them() {
    let database = Database::new(UNIVERSITY).await;
    let mut sink = opened(&database).await;
    for count in [1, 200] {
        let family = |op| {
            [
                rows("enrolments", op, &[("id", ints(0..count)), ("course", ints(0..count))]),
                rows("courses", op, &[("id", ints(0..count)), ("faculty", ints(0..count))]),
                rows("faculties", op, &[("id", ints(0..count))]),
            ]
        };
        sink.write(&family(Op::Insert)).await.unwrap();
        sink.write(&family(Op::Update)).await.unwrap();
        let mut backwards = family(Op::Delete);
        backwards.reverse();
        let written = sink.write(&backwards).await.unwrap();
        assert_eq!(written.deleted, 3 * count.unsigned_abs());
        sink.commit(&progress(1)).await.unwrap();
    }
}

#[tokio::test]
async fn a_child_moves_to_a_new_parent_while_the_old_one_goes() {
    let database = Database::new(UNIVERSITY).await;
    let mut sink = opened(&database).await;
    let begin = [
        rows("faculties", Op::Insert, &[("id", ints([1]))]),
        rows("courses", Op::Insert, &[("id", ints([1])), ("faculty", ints([1]))]),
    ];
    sink.write(&begin).await.unwrap();
    let moved = [
        rows("faculties", Op::Delete, &[("id", ints([1]))]),
        rows("courses", Op::Update, &[("id", ints([1])), ("faculty", ints([2]))]),
        rows("faculties", Op::Insert, &[("id", ints([2]))]),
    ];
    sink.write(&moved).await.unwrap();
    sink.commit(&progress(1)).await.unwrap();
    assert_eq!(database.text("SELECT faculty FROM courses").await, "2");
    assert_eq!(database.text("SELECT id FROM faculties").await, "2");
}

#[tokio::test]
async fn a_missing_parent_refuses_the_child_by_the_name_of_the_constraint() {
    let database = Database::new(UNIVERSITY).await;
    let mut sink = opened(&database).await;
    let orphan = rows("enrolments", Op::Insert, &[("id", ints([1])), ("course", ints([9]))]);
    let error = sink.write(&[orphan]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Rejected);
    assert_eq!(error.constraint_name(), Some("of_course"));
    assert_eq!(
        error.to_string(),
        "lms.public.enrolments refuses the rows: foreign key of_course is violated"
    );
}

#[tokio::test]
async fn a_unique_value_is_handed_over_within_one_write() {
    let table = "CREATE TABLE users (id bigint PRIMARY KEY, email text UNIQUE)";
    let referenced = "; CREATE TABLE logins (id bigint PRIMARY KEY, u bigint REFERENCES users)";
    for statements in [table.to_owned(), format!("{table}{referenced}")] {
        let database = Database::new(&statements).await;
        let mut sink = opened(&database).await;
        let user =
            |op, id, email| rows("users", op, &[("id", ints([id])), ("email", texts([email]))]);
        sink.write(&[user(Op::Insert, 1, "a"), user(Op::Insert, 2, "b")]).await.unwrap();
        // From a row that is deleted, and from one that takes another.
        let handed = [
            user(Op::Insert, 3, "a"),
            user(Op::Delete, 1, ""),
            user(Op::Insert, 4, "b"),
            user(Op::Update, 2, "c"),
        ];
        sink.write(&handed).await.unwrap();
        sink.commit(&progress(1)).await.unwrap();
        let found = database.texts("SELECT ARRAY[id::text, email] FROM users ORDER BY id").await;
        assert_eq!(found, ["2|c", "3|a", "4|b"]);
    }
}

#[tokio::test]
async fn a_taken_value_refuses_the_rows_by_the_name_of_the_constraint() {
    let database = Database::new(
        "CREATE TABLE users (id bigint PRIMARY KEY, email text CONSTRAINT one_each UNIQUE)",
    )
    .await;
    let mut sink = opened(&database).await;
    for count in [2_i64, 100] {
        let emails =
            texts((0..count).map(|id| if id < 2 { "same".into() } else { id.to_string() }));
        let change = rows("users", Op::Insert, &[("id", ints(0..count)), ("email", emails)]);
        let error = sink.write(&[change]).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Rejected);
        assert_eq!(error.constraint_name(), Some("one_each"));
        assert!(!error.to_string().contains("same"), "{error}");
    }
    sink.commit(&progress(1)).await.unwrap();
    assert_eq!(database.text("SELECT count(*) FROM users").await, "0");
}

#[tokio::test]
async fn a_key_is_deleted_and_inserted_again_in_one_write() {
    let database =
        Database::new("CREATE TABLE t (id bigint PRIMARY KEY, v text, w text DEFAULT 'd')").await;
    let mut sink = opened(&database).await;
    let row = |op, v| rows("t", op, &[("id", ints([1])), ("v", texts([v]))]);
    sink.write(&[row(Op::Insert, "old")]).await.unwrap();
    sink.write(&[row(Op::Delete, ""), row(Op::Insert, "new")]).await.unwrap();
    sink.commit(&progress(1)).await.unwrap();
    assert_eq!(database.text("SELECT t FROM t").await, "(1,new,d)");
}

#[tokio::test]
async fn a_tree_in_one_table_is_written_and_cut_in_any_order() {
    let database = Database::new(
        "CREATE TABLE units (id bigint PRIMARY KEY, parent bigint REFERENCES units, n bigint);
         CREATE INDEX ON units (parent)",
    )
    .await;
    let mut sink = opened(&database).await;
    for count in [4_i64, 20_000] {
        // Each row's parent is the row after it.
        let parents: Vec<Option<i64>> = (1..count).map(Some).chain([None]).collect();
        let tree = |op| {
            let columns = [
                ("id", ints(0..count)),
                ("parent", optional_ints(&parents)),
                ("n", ints(0..count)),
            ];
            rows("units", op, &columns)
        };
        sink.write(&[tree(Op::Insert)]).await.unwrap();
        let added = [
            rows(
                "units",
                Op::Insert,
                &[("id", ints([-1])), ("parent", ints([-2])), ("n", ints([0]))],
            ),
            rows(
                "units",
                Op::Snapshot,
                &[("id", ints([-2])), ("parent", ints([-3])), ("n", ints([0]))],
            ),
            rows(
                "units",
                Op::Update,
                &[("id", ints([-3])), ("parent", ints([0])), ("n", ints([0]))],
            ),
        ];
        sink.write(&added).await.unwrap();
        sink.write(&[tree(Op::Update)]).await.unwrap();
        sink.write(&[rows("units", Op::Delete, &[("id", ints(-3..count))])]).await.unwrap();
        sink.commit(&progress(1)).await.unwrap();
        assert_eq!(database.text("SELECT count(*) FROM units").await, "0");
    }
}

#[tokio::test]
async fn constraints_that_are_checked_late_are_checked_before_the_write_returns() {
    let database = Database::new(
        "CREATE TABLE a (id bigint PRIMARY KEY, b bigint);
         CREATE TABLE b (id bigint PRIMARY KEY, a bigint REFERENCES a DEFERRABLE);
         ALTER TABLE a ADD CONSTRAINT round FOREIGN KEY (b) REFERENCES b DEFERRABLE INITIALLY DEFERRED",
    )
    .await;
    let mut sink = opened(&database).await;
    let row =
        |table, other, id, to| rows(table, Op::Insert, &[("id", ints([id])), (other, ints([to]))]);
    sink.write(&[row("a", "b", 1, 1), row("b", "a", 1, 1)]).await.unwrap();
    let error = sink.write(&[row("a", "b", 2, 9)]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Rejected);
    assert_eq!(error.constraint_name(), Some("round"));
    sink.write(&[row("b", "a", 3, 3), row("a", "b", 3, 3)]).await.unwrap();
    sink.commit(&progress(1)).await.unwrap();
    assert_eq!(database.text("SELECT array_agg(id) FROM a").await, "{1,3}");
}

#[tokio::test]
async fn tables_that_refer_to_each_other_are_emptied() {
    let database = Database::new(UNIVERSITY).await;
    let mut sink = opened(&database).await;
    let id = ("id", ints([1]));
    let fill = [
        rows("faculties", Op::Insert, std::slice::from_ref(&id)),
        rows("courses", Op::Insert, &[id.clone(), ("faculty", ints([1]))]),
    ];
    let empty = |table| TargetChange::Truncate(schema(table, std::slice::from_ref(&id), &[0]));
    // All that refer to each other; then some, while another table refers to them.
    for tables in [vec!["faculties", "courses", "enrolments"], vec!["faculties", "courses"]] {
        sink.write(&fill).await.unwrap();
        let changes: Vec<TargetChange> = tables.into_iter().map(empty).collect();
        sink.write(&changes).await.unwrap();
        sink.commit(&progress(1)).await.unwrap();
        assert_eq!(database.text("SELECT count(*) FROM courses").await, "0");
        assert_eq!(database.text("SELECT count(*) FROM faculties").await, "0");
    }
}

#[tokio::test]
async fn identities_that_are_always_generated_keep_the_source_s_values() {
    let database = Database::new(
        "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            n bigint GENERATED BY DEFAULT AS IDENTITY, v text,
            twice text GENERATED ALWAYS AS (v || v) STORED)",
    )
    .await;
    let mut sink = opened(&database).await;
    for (op, count, v) in [(Op::Insert, 100, "a"), (Op::Insert, 2, "b"), (Op::Update, 101, "c")] {
        let values = texts((0..count).map(|_| v));
        sink.write(&[rows(
            "t",
            op,
            &[("id", ints(0..count)), ("n", ints(0..count)), ("v", values)],
        )])
        .await
        .unwrap();
    }
    sink.commit(&progress(1)).await.unwrap();
    assert_eq!(database.text("SELECT t FROM t WHERE id = 100").await, "(100,100,c,cc)");
    let computed = [("id", ints([1])), ("twice", texts(["x"]))];
    let error = sink.write(&[rows("t", Op::Insert, &computed)]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert_eq!(error.hint_text(), Some("take it out of the mapping"));
}

#[tokio::test]
async fn keys_of_several_columns_and_null_in_them_find_their_rows() {
    let database = Database::new(
        "CREATE TABLE t (v text, b bigint, a text NOT NULL); CREATE UNIQUE INDEX ON t (a, b)",
    )
    .await;
    let mut sink = opened(&database).await;
    let row = |op, b: Option<i64>, v| {
        keyed(
            "t",
            op,
            &[("a", texts(["k"])), ("b", optional_ints(&[b])), ("v", texts([v]))],
            &[0, 1],
        )
    };
    for round in 1..3 {
        sink.write(&[row(Op::Insert, None, "n"), row(Op::Insert, Some(1), "o")]).await.unwrap();
        sink.write(&[row(Op::Update, None, "null"), row(Op::Update, Some(1), "one")])
            .await
            .unwrap();
        sink.commit(&progress(round)).await.unwrap();
    }
    let found = database.texts("SELECT ARRAY[b::text, v] FROM t ORDER BY b").await;
    assert_eq!(found, ["1|one", "null"]);
    sink.write(&[row(Op::Delete, None, "")]).await.unwrap();
    sink.commit(&progress(9)).await.unwrap();
    assert_eq!(database.text("SELECT count(*) FROM t").await, "1");
}

#[tokio::test]
async fn a_part_of_a_missing_row_names_the_columns_that_are_not_known() {
    let database = Database::new("CREATE TABLE t (id bigint PRIMARY KEY, v text, w text)").await;
    let mut sink = opened(&database).await;
    let columns = [("id", ints([1])), ("v", texts(["a"])), ("w", texts(["b"]))];
    let error = sink.write(&[part("t", &columns, &[0, 1])]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Rejected);
    assert!(error.to_string().contains("lms.public.t"), "{error}");
    assert!(error.detail_text().unwrap().contains("\"w\""), "{:?}", error.detail_text());
}

#[tokio::test]
async fn a_trigger_that_raises_refuses_the_rows() {
    let database = Database::new(
        "CREATE TABLE t (id bigint PRIMARY KEY);
         CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'term is closed for %', NEW.id; END $$;
         CREATE TRIGGER no BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION no()",
    )
    .await;
    let mut sink = opened(&database).await;
    let error = sink.write(&[rows("t", Op::Insert, &[("id", ints([42]))])]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Rejected);
    assert!(!error.to_string().contains("42"), "{error}");
    assert!(error.detail_text().unwrap().contains("term is closed"), "{:?}", error.detail_text());
}

#[tokio::test]
async fn a_key_that_changes_only_for_us_is_not_deleted_with_what_refers_to_it() {
    let database = Database::new(
        "CREATE EXTENSION citext; CREATE TABLE users (name citext PRIMARY KEY, v text);
         CREATE TABLE logins (id bigint PRIMARY KEY,
             u citext REFERENCES users ON UPDATE CASCADE ON DELETE CASCADE)",
    )
    .await;
    let mut sink = opened(&database).await;
    let user = |op, name, v| rows("users", op, &[("name", texts([name])), ("v", texts([v]))]);
    sink.write(&[user(Op::Insert, "ada", "1"), user(Op::Insert, "bob", "1")]).await.unwrap();
    sink.commit(&progress(1)).await.unwrap();
    database.client.batch_execute("INSERT INTO logins VALUES (1, 'ada')").await.unwrap();
    let renamed =
        [user(Op::Delete, "ada", ""), user(Op::Insert, "ADA", "2"), user(Op::Delete, "bob", "")];
    sink.write(&renamed).await.unwrap();
    sink.commit(&progress(2)).await.unwrap();
    assert_eq!(database.texts("SELECT ARRAY[name::text, v] FROM users").await, ["ADA|2"]);
    assert_eq!(database.text("SELECT count(*) FROM logins").await, "1");
}

#[tokio::test]
async fn a_constraint_of_another_table_that_is_checked_at_the_commit_refuses_its_row_before() {
    let database = Database::new(
        "CREATE TABLE t (id bigint PRIMARY KEY, v text);
         CREATE TABLE log (id bigint CONSTRAINT once UNIQUE DEFERRABLE INITIALLY DEFERRED);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO log VALUES (new.id % 10); RETURN new; END $$;
         CREATE TRIGGER note BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION note()",
    )
    .await;
    let mut sink = opened(&database).await;
    let row = |id| [rows("t", Op::Insert, &[("id", ints([id])), ("v", texts(["v"]))])];
    sink.write(&row(1)).await.unwrap();
    let error = sink.write(&row(11)).await.unwrap_err();
    assert_eq!((error.kind(), error.constraint_name()), (Kind::Rejected, Some("once")));
    sink.commit(&progress(1)).await.unwrap();
    assert_eq!(database.text("SELECT string_agg(id::text, ' ') FROM t").await, "1");
}
