//! Columns that are added, dropped, renamed and retyped while the source runs; columns it never
//! sees.

use crate::cluster::{Cluster, table};
use crate::model::{Missing, fold, now};
use crate::recorder::{Recorder, State};
use crate::stream::{settle, streaming};
use syncline_core::{Op, Report, TableSchema};

/// Name, attribute number, type.
type Described = (&'static str, i32, &'static str);

fn latest(state: &State) -> TableSchema {
    TableSchema::clone(state.batches(&table("t")).last().unwrap().schema())
}

fn columns(schema: &TableSchema) -> Vec<(&str, i32, &str)> {
    let columns = schema.columns().iter();
    columns.map(|c| (c.name.as_str(), c.id, c.native_type.as_str())).collect()
}

#[test]
fn columns_keep_their_identity_through_every_kind_of_change() {
    let database = Cluster::shared().database();
    database.run("CREATE TABLE t (id int PRIMARY KEY, a text, b int)");
    let (recorder, running) = streaming(&database, &[table("t")]);
    let steps: &[(&str, &[Described])] = &[
        ("SELECT", &[("id", 1, "integer"), ("a", 2, "text"), ("b", 3, "integer")]),
        (
            "ALTER TABLE t ADD c numeric(10,2)",
            &[
                ("id", 1, "integer"),
                ("a", 2, "text"),
                ("b", 3, "integer"),
                ("c", 4, "numeric(10,2)"),
            ],
        ),
        (
            "ALTER TABLE t RENAME a TO z",
            &[
                ("id", 1, "integer"),
                ("z", 2, "text"),
                ("b", 3, "integer"),
                ("c", 4, "numeric(10,2)"),
            ],
        ),
        (
            "ALTER TABLE t ALTER b TYPE bigint",
            &[
                ("id", 1, "integer"),
                ("z", 2, "text"),
                ("b", 3, "bigint"),
                ("c", 4, "numeric(10,2)"),
            ],
        ),
        (
            "ALTER TABLE t DROP b",
            &[("id", 1, "integer"), ("z", 2, "text"), ("c", 4, "numeric(10,2)")],
        ),
        (
            "ALTER TABLE t DROP c, ADD c numeric(10,2)",
            &[("id", 1, "integer"), ("z", 2, "text"), ("c", 5, "numeric(10,2)")],
        ),
    ];
    for (step, (change, expected)) in steps.iter().enumerate() {
        database.run(change);
        database.run(&format!("INSERT INTO t (id) VALUES ({step})"));
        settle(&database, &recorder);
        let schema = recorder.with(latest);
        assert_eq!(columns(&schema), *expected, "after {change}");
        assert_eq!(schema.revision() as usize, step + 1, "after {change}");
    }
    running.stop();
    let notices = recorder.with(|state| {
        let notices = state.reports.iter().filter_map(|report| match report {
            Report::Notice(text) => Some(text.clone()),
            _ => None,
        });
        notices.collect::<Vec<_>>()
    });
    assert_eq!(
        notices,
        [
            "sis.public.t changed: added c numeric(10,2)",
            "sis.public.t changed: renamed a to z",
            "sis.public.t changed: type of b from integer to bigint",
            "sis.public.t changed: dropped b",
            "sis.public.t changed: added c numeric(10,2), dropped c",
        ]
    );
}

#[test]
fn changes_made_while_the_source_was_away_are_followed_in_order() {
    let database = Cluster::shared().database();
    database.run("CREATE TABLE t (id int PRIMARY KEY, a text, b int)");
    let (recorder, running) = streaming(&database, &[table("t")]);
    database.run("INSERT INTO t VALUES (1, 'x', 1)");
    settle(&database, &recorder);
    running.stop();
    database.run("INSERT INTO t VALUES (2, 'old', 2)");
    database.run("ALTER TABLE t RENAME a TO z");
    database.run("INSERT INTO t VALUES (3, 'renamed', 3)");
    database.run("ALTER TABLE t DROP b");
    database.run("INSERT INTO t VALUES (4, 'dropped')");
    let running = recorder.start(&database.settings(), &[table("t")]);
    settle(&database, &recorder);
    running.stop();
    recorder.with(|state| {
        let schemas: Vec<_> =
            state.batches(&table("t")).iter().map(|batch| batch.schema().clone()).collect();
        let seen: Vec<_> = schemas.iter().map(|schema| columns(schema)).collect();
        let (old, renamed, dropped) = (
            vec![("id", 1, "integer"), ("a", 2, "text"), ("b", 3, "integer")],
            vec![("id", 1, "integer"), ("z", 2, "text"), ("b", 3, "integer")],
            vec![("id", 1, "integer"), ("z", 2, "text")],
        );
        assert_eq!(seen, [old.clone(), old, renamed, dropped]);
        assert!(schemas.is_sorted_by_key(|schema| schema.revision()));
    });
}

#[test]
fn generated_columns_are_in_neither_snapshot_nor_stream() {
    let database = Cluster::shared().database();
    database.run(
        "CREATE TABLE t (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED, note text);
         INSERT INTO t VALUES (1, DEFAULT, 'copied')",
    );
    let (recorder, running) = streaming(&database, &[table("t")]);
    database.run("INSERT INTO t VALUES (2, DEFAULT, 'streamed')");
    settle(&database, &recorder);
    running.stop();
    recorder.with(|state| {
        assert_eq!(columns(&latest(state)), [("id", 1, "integer"), ("note", 3, "text")]);
        assert_eq!(fold(state, &table("t"), Missing::Refuse), now(&database, &table("t")));
        assert_eq!(latest(state).revision(), 1);
    });
}

#[test]
fn what_a_publication_leaves_out_is_left_out_of_the_snapshot_too() {
    let database = Cluster::shared().database();
    database.run(
        "CREATE TABLE t (id int PRIMARY KEY, open text, secret text);
         INSERT INTO t VALUES (1, 'a', 's'), (-1, 'b', 's')",
    );
    let settings = database.settings();
    database.run(&format!(
        "CREATE PUBLICATION {} FOR TABLE t (id, open) WHERE (id > 0)",
        settings.publication
    ));
    let recorder = Recorder::new();
    let running = recorder.start(&settings, &[table("t")]);
    recorder.wait("streaming", |state| state.is_streaming());
    database.run("INSERT INTO t VALUES (2, 'c', 's'), (-2, 'd', 's')");
    settle(&database, &recorder);
    running.stop();
    recorder.with(|state| {
        assert_eq!(columns(&latest(state)), [("id", 1, "integer"), ("open", 2, "text")]);
        let rows = fold(state, &table("t"), Missing::Refuse);
        assert_eq!(rows.keys().collect::<Vec<_>>(), ["[\"1\"]", "[\"2\"]"]);
    });
}

/// The story: one such value stopped the capture of every table.
#[test]
fn a_value_that_can_not_be_carried_exactly_is_absent_and_everything_else_flows() {
    let database = Cluster::shared().database();
    database.run("CREATE TABLE t (id int PRIMARY KEY, at timestamp, note text)");
    database.run("INSERT INTO t VALUES (1, '294276-12-31 23:59:59', 'a'), (2, 'infinity', 'b')");
    let (recorder, running) = streaming(&database, &[table("t")]);
    database.run("UPDATE t SET note = 'c' WHERE id = 1");
    database.run("UPDATE t SET at = NULL");
    settle(&database, &recorder);
    running.stop();
    let rows = recorder.with(|state| {
        let of_batch = |batch: syncline_core::ChangeBatch| {
            let rows = (0..batch.len()).map(|row| {
                let names: Vec<String> = crate::model::values(&batch, row).into_keys().collect();
                (batch.op(row), names.join(" "))
            });
            rows.collect::<Vec<_>>()
        };
        state.batches(&table("t")).into_iter().flat_map(of_batch).collect::<Vec<_>>()
    });
    let rows: Vec<_> = rows.iter().map(|(op, names)| (*op, names.as_str())).collect();
    assert_eq!(
        rows,
        [
            (Op::Snapshot, "id note"),
            (Op::Snapshot, "at id note"),
            (Op::Update, "id note"),
            // Once more as a new row, of which only such a value is absent.
            (Op::Snapshot, "id note"),
            (Op::Update, "at id note"),
            (Op::Update, "at id note"),
        ]
    );
}
