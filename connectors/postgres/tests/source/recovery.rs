//! Every way in which a slot and our place in it can fall apart: named, never jumped over.

use crate::cluster::{Cluster, Database, table};
use crate::model::{Missing, fold, now};
use crate::recorder::Recorder;
use crate::stream::{settle, streaming};
use std::sync::Arc;
use std::time::Duration;
use syncline_core::{Error, Kind, Position, TableName};

/// A source that was stopped after it captured something.
fn stopped(database: &Database<'_>) -> Arc<Recorder> {
    database.run("CREATE TABLE t (id int PRIMARY KEY, note text)");
    let (recorder, running) = streaming(database, &[table("t")]);
    database.run("INSERT INTO t VALUES (1, 'a')");
    settle(database, &recorder);
    running.stop();
    recorder
}

fn failure(database: &Database<'_>, recorder: &Arc<Recorder>) -> Error {
    recorder.failure(&database.settings(), &[table("t")])
}

fn expect_gap(error: &Error, why: &str) {
    assert_eq!(error.kind(), Kind::Config, "{error}");
    assert!(error.to_string().contains(why), "{error}");
    assert!(error.detail_text().is_some_and(|detail| detail.contains("may be missing")));
    assert!(
        error.hint_text().is_some_and(|hint| hint.contains("syncline backfill --all --system sis"))
    );
}

#[test]
fn goes_on_where_it_was_after_being_killed_at_any_emission() {
    let database = Cluster::shared().database();
    let mut settings = database.settings();
    settings.batch_rows_max = 7;
    database.run("CREATE TABLE t (id int PRIMARY KEY, note text)");
    let recorder = Recorder::new();
    let tables = [table("t")];
    for round in 0..20 {
        database.run(&format!(
            "INSERT INTO t SELECT {round} * 100 + g, 'n' FROM generate_series(1, 30) g;
             UPDATE t SET note = 'r{round}' WHERE id % 5 = {round} % 5"
        ));
        database.run(&format!("DELETE FROM t WHERE id % 11 = {round} % 11"));
        recorder.crash_at(round % 6 + 2);
        let running = recorder.start(&settings, &tables);
        recorder.wait("the kill", |state| state.is_stopping());
        running.crashed();
    }
    recorder.never_crash();
    let running = recorder.start(&settings, &tables);
    settle(&database, &recorder);
    running.stop();
    recorder.with(|state| {
        assert_eq!(fold(state, &table("t"), Missing::Refuse), now(&database, &table("t")));
        let mut last = None;
        for batch in state.batches(&table("t")) {
            let at = batch.row_transactions().zip(batch.ordinals().iter());
            for (row, place) in at.map(|(t, &ordinal)| (t.commit, ordinal)).enumerate() {
                let streamed = batch.op(row) != syncline_core::Op::Snapshot;
                assert!(!streamed || last < Some(place), "a change came twice");
                if streamed {
                    last = Some(place);
                }
            }
        }
    });
}

#[test]
fn no_row_outlives_a_slot_that_is_made_again() {
    let database = Cluster::shared().database();
    database.run("CREATE TABLE t (id int PRIMARY KEY, note text)");
    database.run("INSERT INTO t SELECT g, 'n' FROM generate_series(1, 30) g");
    let recorder = Recorder::new();
    // The first note says that a slot is about to be made; the one that says that it is in use is late.
    recorder.keep_no_note_after(1);
    let running = recorder.start(&database.settings(), &[table("t")]);
    recorder.wait("the slot in use", |state| state.entries.len() > 1);
    std::thread::park_timeout(Duration::from_millis(300));
    running.stop();
    recorder.keep_notes();
    database.run("DELETE FROM t WHERE id = 7");
    let running = recorder.start(&database.settings(), &[table("t")]);
    settle(&database, &recorder);
    running.stop();
    let found = recorder.with(|state| fold(state, &table("t"), Missing::Refuse));
    assert_eq!(found, now(&database, &table("t")));
}

#[test]
fn a_dropped_slot_is_a_gap() {
    let database = Cluster::shared().database();
    let recorder = stopped(&database);
    drop_slot(&database);
    expect_gap(&failure(&database, &recorder), "the slot is gone");
}

/// Drops the slot once its reader is gone.
pub(crate) fn drop_slot(database: &Database<'_>) {
    let slot = database.settings().slot;
    let free = format!("SELECT active FROM pg_replication_slots WHERE slot_name = '{slot}'");
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while database.value(&free) == "t" {
        assert!(std::time::Instant::now() < deadline, "the slot stays active");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    database.run(&format!("SELECT pg_drop_replication_slot('{slot}')"));
}

#[test]
fn a_slot_made_again_is_a_gap() {
    let database = Cluster::shared().database();
    let recorder = stopped(&database);
    drop_slot(&database);
    database.run("INSERT INTO t VALUES (2, 'unseen')");
    let slot = database.settings().slot;
    database.run(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')"));
    expect_gap(&failure(&database, &recorder), "made again");
}

#[test]
fn another_server_or_timeline_is_a_gap() {
    let database = Cluster::shared().database();
    let recorder = stopped(&database);
    recorder.edit_checkpoint(|note| note.replace("\"timeline\":1", "\"timeline\":2"));
    expect_gap(&failure(&database, &recorder), "history forked");
    let identifier = database.value("SELECT system_identifier FROM pg_control_system()");
    recorder.edit_checkpoint(|note| note.replace(&identifier, "42"));
    expect_gap(&failure(&database, &recorder), "another server answers");
}

#[test]
fn a_promoted_server_is_a_gap() {
    let mut cluster = Cluster::start(&[]);
    let (settings, recorder) = {
        let database = cluster.database();
        let recorder = stopped(&database);
        (database.settings(), recorder)
    };
    cluster.control(&["stop", "-m", "fast"]);
    std::fs::write(cluster.data().join("standby.signal"), "").unwrap();
    cluster.start_again();
    cluster.control(&["promote"]);
    expect_gap(&recorder.failure(&settings, &[table("t")]), "history forked");
}

#[test]
fn a_slot_the_server_gave_up_is_a_gap() {
    let cluster = Cluster::start(&[
        "max_slot_wal_keep_size = 1MB",
        "min_wal_size = 32MB",
        "max_wal_size = 32MB",
    ]);
    let database = cluster.database();
    let recorder = stopped(&database);
    for _ in 0..4 {
        database.run(
            "SELECT pg_switch_wal(), pg_logical_emit_message(false, 'x', repeat('x', 100000))",
        );
    }
    database.run("CHECKPOINT");
    assert_eq!(database.value("SELECT wal_status FROM pg_replication_slots"), "lost");
    expect_gap(&failure(&database, &recorder), "gave the slot up");
}

#[test]
fn a_slot_nobody_knows_is_not_taken() {
    let database = Cluster::shared().database();
    let recorder = stopped(&database);
    recorder.forget_checkpoint();
    let tables = [table("other")];
    database.run("CREATE TABLE other (id int PRIMARY KEY)");
    let error = recorder.failure(&database.settings(), &tables);
    assert_eq!(error.kind(), Kind::Config);
    let published = "SELECT string_agg(tablename, ',') FROM pg_publication_tables";
    assert_eq!(database.value(published), "t", "nothing was touched");
    assert!(error.hint_text().is_some_and(|hint| hint.contains("pg_drop_replication_slot")));
    drop_slot(&database);
    let running = recorder.start(&database.settings(), &[table("t")]);
    settle(&database, &recorder);
    running.stop();
    let position = recorder.with(|state| state.boundary());
    assert_eq!(position.map(|position| position.epoch), Some(2), "a new slot is a new epoch");
}

#[test]
fn a_kill_between_making_the_slot_and_the_first_row_is_mended() {
    let database = Cluster::shared().database();
    database.run("CREATE TABLE t (id int PRIMARY KEY, note text); INSERT INTO t VALUES (1, 'a')");
    let recorder = Recorder::new();
    // The first emission announces the slot; the second says that it is there, and is refused.
    recorder.crash_at(2);
    recorder.start(&database.settings(), &[table("t")]).crashed();
    let slots = database.value(&format!(
        "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{}'",
        database.settings().slot
    ));
    assert_eq!(slots, "1", "the slot was made");
    let running = recorder.start(&database.settings(), &[table("t")]);
    settle(&database, &recorder);
    running.stop();
    recorder.with(|state| {
        assert_eq!(fold(state, &table("t"), Missing::Refuse), now(&database, &table("t")));
        assert_eq!(state.boundary().map(|position| position.epoch), Some(1));
    });
}

#[test]
fn a_slot_in_use_is_waited_for() {
    let database = Cluster::shared().database();
    database.run("CREATE TABLE t (id int PRIMARY KEY)");
    let tables = [table("t")];
    let (recorder, running) = streaming(&database, &tables);
    let second = recorder.copy();
    let waiting = second.start(&database.settings(), &tables);
    let error = second.last_retried();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.to_string().contains("is in use"), "{error}");
    running.stop();
    second.wait("its turn", |state| state.is_streaming());
    waiting.stop();
}

#[test]
fn a_table_made_again_or_unpublished_is_a_gap() {
    let database = Cluster::shared().database();
    let recorder = stopped(&database);
    database.run(&format!("ALTER PUBLICATION {} DROP TABLE t", database.settings().publication));
    let error = failure(&database, &recorder);
    assert_eq!(
        error.to_string(),
        "sis.public.t was taken out of the publication since it was copied"
    );
    database.run("DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, note text)");
    let error = failure(&database, &recorder);
    assert_eq!(error.to_string(), "sis.public.t was dropped and made again since it was copied");
}

#[test]
fn a_table_that_is_missing_is_named() {
    let database = Cluster::shared().database();
    let error = Recorder::new().failure(&database.settings(), &[table("nowhere")]);
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (Kind::Config, "sis.public.nowhere does not exist")
    );
}

#[test]
fn a_server_that_stops_is_waited_for_and_lets_go_at_once() {
    let mut cluster = Cluster::start(&[]);
    let tables: [TableName; 1] = [table("t")];
    let (settings, name) = {
        let database = cluster.database();
        database.run("CREATE TABLE t (id int PRIMARY KEY)");
        (database.settings(), database.name.clone())
    };
    let recorder = Recorder::new();
    let running = recorder.start(&settings, &tables);
    recorder.wait("streaming", |state| state.is_streaming());
    cluster.connect(&name).run("INSERT INTO t VALUES (1)");
    // A fast stop waits until we confirmed all there is.
    cluster.control(&["stop", "-m", "fast", "-t", "30"]);
    cluster.start_again();
    let client = cluster.connect(&name);
    client.run("INSERT INTO t VALUES (2)");
    recorder.wait("the second row", |state| state.rows_seen >= 2);
    running.stop();
    assert!(recorder.with(|state| state.boundary()) > Some(Position::default()));
}

#[test]
fn a_table_taken_up_again_is_copied_again() {
    let database = Cluster::shared().database();
    database.run("CREATE TABLE other (id int PRIMARY KEY)");
    let recorder = stopped(&database);
    recorder.start_and_stop(&database.settings(), &[table("other")]);
    let published = "SELECT string_agg(tablename, ',') FROM pg_publication_tables";
    assert_eq!(database.value(published), "other", "what nobody reads is not published any more");
    database.run("INSERT INTO t VALUES (2, 'unseen')");
    let tables = [table("t"), table("other")];
    let running = recorder.start(&database.settings(), &tables);
    settle(&database, &recorder);
    running.stop();
    recorder.with(|state| {
        assert_eq!(fold(state, &table("t"), Missing::Refuse), now(&database, &table("t")));
    });
}

#[test]
fn a_slot_that_waits_for_an_open_transaction_can_be_told_to_stop() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    database.run("CREATE TABLE t (id int PRIMARY KEY)");
    let writer = database.client();
    writer.run("BEGIN; INSERT INTO t VALUES (1)");
    let recorder = Recorder::new();
    let running = recorder.start(&database.settings(), &[table("t")]);
    recorder.wait("a notice", |state| {
        state.reports.iter().any(|report| {
            matches!(report, syncline_core::Report::Notice(text) if text.contains("open transactions"))
        })
    });
    running.stop();
    writer.run("COMMIT");
    let running = recorder.start(&database.settings(), &[table("t")]);
    settle(&database, &recorder);
    running.stop();
    assert_eq!(recorder.with(|state| fold(state, &table("t"), Missing::Refuse)).len(), 1);
}
