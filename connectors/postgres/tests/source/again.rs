//! Tables that are copied again because someone asked: while changes go on, after a gap, after a crash.

use crate::cluster::{Cluster, Database, table};
use crate::model::{Missing, fold, now};
use crate::recorder::Recorder;
use crate::stream::{settle, streaming};
use std::sync::Arc;
use syncline_core::TableName;

/// Two tables, captured; the log of it is trimmed.
fn captured(database: &Database<'_>) -> (Arc<Recorder>, [TableName; 2]) {
    let tables = [table("t"), table("other")];
    database.run(
        "CREATE TABLE t (id int PRIMARY KEY, note text, big text);
         ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
         CREATE TABLE other (id int PRIMARY KEY);
         INSERT INTO other VALUES (1);
         INSERT INTO t SELECT g, 'n', repeat(md5(g::text), 200) FROM generate_series(1, 500) g",
    );
    let (recorder, running) = streaming(database, &tables);
    settle(database, &recorder);
    running.stop();
    recorder.trim();
    (recorder, tables)
}

fn expect_all(database: &Database<'_>, recorder: &Recorder, missing: Missing) {
    let seen = recorder.with(|state| fold(state, &table("t"), missing));
    assert_eq!(seen, now(database, &table("t")));
}

#[test]
fn a_captured_table_is_copied_again_among_its_changes() {
    let database = Cluster::shared().database();
    let (recorder, tables) = captured(&database);
    database.run(
        "UPDATE t SET note = 'changed' WHERE id % 3 = 0;
         UPDATE t SET id = id + 1000 WHERE id % 7 = 0;
         DELETE FROM t WHERE id % 5 = 0;
         INSERT INTO t VALUES (2000, 'new', NULL)",
    );
    recorder.ask(&tables[..1], false);
    let running = recorder.start(&database.settings(), &tables);
    recorder.wait("streaming", |state| state.is_streaming());
    database.run("UPDATE t SET note = 'later' WHERE id % 2 = 0");
    settle(&database, &recorder);
    running.stop();
    expect_all(&database, &recorder, Missing::Skip);
    let others = recorder.with(|state| state.batches(&table("other")).len());
    assert_eq!(others, 0, "what nobody asked for is not copied");
    assert_eq!(recorder.with(|state| state.boundary()).map(|at| at.epoch), Some(1));
}

#[test]
fn a_copy_that_was_asked_for_is_taken_up_after_a_crash_at_any_emission() {
    let database = Cluster::shared().database();
    let (recorder, tables) = captured(&database);
    let mut settings = database.settings();
    settings.batch_rows_max = 50;
    settings.snapshot_chunk_rows = 100;
    recorder.ask(&tables[..1], false);
    for round in 0..8 {
        database.run(&format!("UPDATE t SET note = 'r{round}' WHERE id % 8 = {round}"));
        recorder.crash_at(round + 1);
        let running = recorder.start(&settings, &tables);
        recorder.wait("the kill", |state| state.is_stopping());
        running.crashed();
    }
    recorder.never_crash();
    let running = recorder.start(&settings, &tables);
    settle(&database, &recorder);
    running.stop();
    expect_all(&database, &recorder, Missing::Skip);
}

#[test]
fn a_dropped_slot_is_given_up_only_when_a_person_asks() {
    let database = Cluster::shared().database();
    let (recorder, tables) = captured(&database);
    crate::recovery::drop_slot(&database);
    database.run("INSERT INTO t VALUES (2000, 'unseen', NULL); DELETE FROM t WHERE id = 1");
    // A mapping that is new asks for tables too: it says nothing of what was missed.
    recorder.ask(&tables, false);
    let error = recorder.failure(&database.settings(), &tables);
    assert!(error.to_string().contains("the slot is gone"), "{error}");
    recorder.ask(&tables, true);
    let running = recorder.start(&database.settings(), &tables);
    settle(&database, &recorder);
    running.stop();
    expect_all(&database, &recorder, Missing::Refuse);
    assert_eq!(recorder.with(|state| state.boundary()).map(|at| at.epoch), Some(2));
}

#[test]
fn a_slot_that_is_well_is_kept_whoever_asks() {
    let database = Cluster::shared().database();
    let (recorder, tables) = captured(&database);
    database.run("DELETE FROM t WHERE id = 1");
    recorder.ask(&tables, true);
    let running = recorder.start(&database.settings(), &tables);
    settle(&database, &recorder);
    running.stop();
    expect_all(&database, &recorder, Missing::Refuse);
    assert_eq!(recorder.with(|state| state.boundary()).map(|at| at.epoch), Some(1));
}

#[test]
fn a_table_made_again_is_copied_though_the_old_one_is_still_in_the_stream() {
    let database = Cluster::shared().database();
    let (recorder, tables) = captured(&database);
    database.run(
        "INSERT INTO t VALUES (3000, 'of the old one', NULL);
         DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, note text);
         INSERT INTO t VALUES (1, 'of the new one')",
    );
    let error = recorder.failure(&database.settings(), &tables);
    assert_eq!(error.hint_text(), Some("copy it again: syncline backfill sis.public.t"));
    recorder.ask(&tables[..1], false);
    let running = recorder.start(&database.settings(), &tables);
    recorder.wait("streaming", |state| state.is_streaming());
    database.run("INSERT INTO t VALUES (2, 'and more')");
    settle(&database, &recorder);
    running.stop();
    expect_all(&database, &recorder, Missing::Refuse);
    // Once more, now that it is known.
    recorder.start_and_stop(&database.settings(), &tables);
}
