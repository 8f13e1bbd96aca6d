//! What is written to topics arrives, in order.

use super::scene::{Ask, Ends, Log, Scene, Until, sis};
use super::sent::{PLACEHOLDER, emptied, gone, row, tombstone, wider};
use std::time::Duration;
use syncline_core::{Identity, Report};
use syncline_debezium::{doctor, inspect, sample};

#[test]
fn rows_arrive_in_the_order_of_their_partition() {
    let scene = Scene::new("order", &[("students", 1)]);
    for record in [
        row("r", 1, "Ada", "first"),
        row("c", 2, "Grace", "second"),
        row("u", 2, "Grace H.", PLACEHOLDER),
        gone(1),
        tombstone(1),
        emptied(),
        row("c", 3, "Mary", "third"),
    ] {
        scene.write("students", 0, &record);
    }
    let mut log = Log::default();
    scene.run_to(&mut log, 5);
    log.check_order();
    assert_eq!(
        log.lines(),
        [
            "Snapshot students: 1 | Ada | first",
            "Insert students: 2 | Grace | second",
            "Update students: 2 | Grace H. | ·",
            "Delete students: 1 | · | ·",
            "Truncate sis.public.students",
            "Insert students: 3 | Mary | third",
        ]
    );
}

#[test]
fn columns_that_change_are_a_new_revision_also_after_another_run() {
    let scene = Scene::new("revision", &[("students", 1)]);
    scene.write("students", 0, &row("c", 1, "Ada", "a"));
    let mut log = Log::default();
    scene.run_to(&mut log, 1);
    scene.write("students", 0, &wider("c", 2, "Grace", 7));
    scene.run_to(&mut log, 2);
    scene.write("students", 0, &wider("c", 3, "Mary", 8));
    scene.run_to(&mut log, 3);
    log.check_order();
    let revisions: Vec<(u32, usize)> = log
        .reports
        .iter()
        .filter_map(|it| match it {
            Report::Schema(schema) => Some((schema.revision(), schema.columns().len())),
            _ => None,
        })
        .collect();
    assert_eq!(revisions, [(1, 3), (2, 4), (2, 4)]);
}

#[test]
fn topics_and_partitions_that_are_made_later_are_read_too() {
    let mut scene = Scene::new("later", &[("students", 1)]);
    scene.name("courses");
    scene.settings.look = Duration::from_millis(50);
    scene.write("students", 0, &row("c", 1, "Ada", "a"));
    let mut log = Log::default();
    std::thread::scope(|scope| {
        let scene = &scene;
        scope.spawn(move || {
            scene.make("courses", 2);
            scene.write("courses", 1, &row("c", 2, "Algebra", "b"));
        });
        scene.run_to(&mut log, 2);
    });
    assert_eq!(log.lines(), ["Insert students: 1 | Ada | a", "Insert courses: 2 | Algebra | b"]);
}

#[test]
fn it_streams_once_what_was_there_is_in_the_log_and_leaves_word_of_it() {
    let scene = Scene::new("streams", &[("students", 2), ("courses", 1)]);
    for id in 0..50 {
        scene.write("students", id % 2, &row("r", id, "n", "x"));
    }
    let mut log = Log::default();
    scene.run(&mut log, Ask::default(), Until::streaming()).unwrap();
    assert_eq!(log.rows(), 50);
    // Word is left with the next run at the latest.
    scene.run(&mut log, Ask::default(), Until::streaming()).unwrap();
    assert_eq!(log.rows(), 50);
    assert_eq!(scene.word_left("students", 0), Some(25));
}

/// As Kafka Connect writes them with `exactly.once.source.support`: behind each transaction there is a mark, which is
/// no record.
#[test]
fn transactions_of_kafka_count_once_they_are_committed() {
    let scene = Scene::new("exactly_once", &[("students", 1)]);
    let record = |id, name| [row("c", id, name, "x")];
    scene.transaction("students", &record(1, "Ada"), Ends::Committed);
    scene.transaction("students", &record(2, "nobody"), Ends::GivenUp);
    scene.transaction("students", &record(3, "Mary"), Ends::Committed);
    let mut log = Log::default();
    let expected = ["Insert students: 1 | Ada | x", "Insert students: 3 | Mary | x"];
    for _ in 0..2 {
        log.reports.clear();
        scene.run(&mut log, Ask::default(), Until::streaming()).unwrap();
        assert_eq!(log.lines(), expected);
    }
    // What is left once the records went is a mark alone: nothing is missing.
    scene.trim("students", 0, 5);
    log.reports.clear();
    scene.run(&mut log, Ask::default(), Until::streaming()).unwrap();
    log.check_order();
    assert_eq!(log.lines(), expected);
}

#[test]
fn the_last_record_says_the_columns() {
    let scene = Scene::new("columns", &[("students", 2)]);
    let error = inspect(&sis(), &scene.settings).unwrap_err();
    assert_eq!(error.to_string(), "nothing says what columns sis.public.students has");
    scene.write("students", 0, &row("c", 1, "Ada", "a"));
    scene.write("students", 1, &wider("c", 2, "Grace", 7));
    scene.write("students", 1, &gone(9));
    scene.write("students", 1, &wider("u", 2, "Grace", 8));
    scene.write("students", 1, &tombstone(9));
    let tables = inspect(&sis(), &scene.settings).unwrap();
    assert_eq!((tables.len(), tables[0].identity), (1, Identity::Key));
    let columns = tables[0].schema.columns().iter();
    let columns: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
    assert_eq!(columns, ["id", "name", "notes", "points"]);
    assert_eq!(tables[0].schema.key(), [0]);
    let rows = sample(&sis(), &scene.settings, &scene.tables[0], 10).unwrap();
    assert!(!rows.is_empty());
    let findings = doctor(&sis(), &scene.settings, &scene.tables);
    let findings: Vec<&str> = findings.iter().map(|it| it.problem.as_str()).collect();
    assert_eq!(
        findings,
        [
            "the connection stays on this machine",
            "topic columns.public.students of sis.public.students has all its records, in 2 partitions",
        ]
    );
}
