//! Writes of ours are told from others' as they come back.

use crate::cluster::{Cluster, Database, table};
use crate::recorder::Recorder;
use crate::stream::settle;
use crate::transactions::eager;
use std::collections::BTreeMap;
use std::sync::Arc;
use syncline_core::{Op, ReaderName, SystemName, Topic};

fn reader(entity: &str) -> ReaderName {
    ReaderName::apply(&SystemName::new("sis"), &Topic::entity(entity))
}

/// By the rows' notes, whether they are ours.
fn ours(database: &Database<'_>, write: impl FnOnce(&Database<'_>)) -> BTreeMap<String, bool> {
    database.run("CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text)");
    let mut settings = database.settings();
    settings.written_for = [reader("person"), reader("course")].into();
    let recorder: Arc<Recorder> = Recorder::new();
    let running = recorder.start(&settings, &[table("t")]);
    recorder.wait("streaming", |state| state.is_streaming());
    write(database);
    settle(database, &recorder);
    running.stop();
    recorder.with(|state| {
        let mut found = BTreeMap::new();
        for batch in state.batches(&table("t")) {
            for (row, transaction) in batch.row_transactions().enumerate() {
                if batch.op(row) == Op::Insert {
                    let note = crate::model::values(&batch, row);
                    let note = note.into_iter().find(|(column, _)| column == "note").unwrap().1;
                    found.insert(note.unwrap(), transaction.ours);
                }
            }
        }
        found
    })
}

fn expect(found: &BTreeMap<String, bool>, expected: &[(&str, bool)]) {
    let found: Vec<_> = found.iter().map(|(note, ours)| (note.as_str(), *ours)).collect();
    assert_eq!(found, expected);
}

/// Writes within a replication origin.
fn within_origin(database: &Database<'_>, origin: &str, sql: &str) {
    let client = database.client();
    client.run(&format!(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_replication_origin WHERE roname = '{origin}') \
         THEN PERFORM pg_replication_origin_create('{origin}'); END IF; END $$"
    ));
    client.run(&format!("SELECT pg_replication_origin_session_setup('{origin}')"));
    client.run(sql);
    client.run("SELECT pg_replication_origin_session_reset()");
    client.run(&format!("SELECT pg_replication_origin_drop('{origin}')"));
}

#[test]
fn a_replication_origin_or_a_message_marks_a_transaction() {
    let database = Cluster::shared().database();
    let name = &database.name;
    let found = ours(&database, |database| {
        let insert = |note: &str| format!("INSERT INTO t (note) VALUES ('{note}')");
        database.run(&insert("a before"));
        let origin = format!("syncline_{}@{name}", reader("person"));
        within_origin(database, &origin, &insert("b by origin"));
        within_origin(database, "another tool", &insert("c by another origin"));
        let other = format!("syncline_{}@{name}", reader("room"));
        within_origin(database, &other, &insert("d of another project"));
        let mark = |prefix: &str| {
            let by = reader("course");
            format!("SELECT pg_logical_emit_message(true, '{prefix}', 'syncline_{by}@{name}')")
        };
        let marked = |mark: &str, note: &str| format!("BEGIN; {mark}; {}; COMMIT", insert(note));
        database.run(&marked(&mark("syncline.write"), "e by message"));
        database.run(&marked(&mark("another"), "f by another message"));
        database.run(&insert("g after"));
    });
    let expected = [
        ("a before", false),
        ("b by origin", true),
        ("c by another origin", false),
        ("d of another project", false),
        ("e by message", true),
        ("f by another message", false),
        ("g after", false),
    ];
    expect(&found, &expected);
}

#[test]
fn a_transaction_that_was_kept_on_disk_is_marked_too() {
    let database = eager().database();
    let name = &database.name;
    let found = ours(&database, |database| {
        let many = |note: &str| {
            format!("INSERT INTO t (note) SELECT '{note}' || g FROM generate_series(1, 5000) g")
        };
        // Its first rows are rolled back, with the subtransaction that they are of.
        let torn =
            format!("BEGIN; SAVEPOINT s; {}; ROLLBACK TO s; {}; COMMIT", many("x"), many("a"));
        let origin = format!("syncline_{}@{name}", reader("person"));
        within_origin(database, &origin, &torn);
        let mark = format!(
            "SELECT pg_logical_emit_message(true, 'syncline.write', 'syncline_{}@{name}')",
            reader("person")
        );
        database.run(&format!("BEGIN; {mark}; {}; COMMIT", many("b")));
        database.run(&many("c"));
    });
    for (note, is_ours) in &found {
        assert_eq!(*is_ours, !note.starts_with('c'), "{note}");
    }
    assert_eq!(found.len(), 15_000);
}
