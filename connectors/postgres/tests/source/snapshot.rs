//! The initial copy: whole, in chunks, with progress, and again after an interruption.

use crate::cluster::{Cluster, Database, table};
use crate::model::{Missing, fold, now};
use crate::recorder::Recorder;
use crate::stream::{settle, streaming};
use syncline_core::{Body, Op, Report};
use syncline_postgres::Settings;

/// A table of many small chunks.
fn chunked(database: &Database<'_>) -> Settings {
    database.run(
        "CREATE TABLE t (id int PRIMARY KEY, note text, big text) WITH (fillfactor = 60);
         ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
         INSERT INTO t SELECT g, repeat('n', 100), CASE g % 50 WHEN 0 THEN repeat('x', 5000) END
         FROM generate_series(1, 3000) g; ANALYZE t",
    );
    let mut settings = database.settings();
    settings.snapshot_chunk_rows = 400;
    settings.batch_rows_max = 150;
    settings
}

#[test]
fn several_connections_copy_every_row_once() {
    let database = Cluster::shared().database();
    let mut settings = chunked(&database);
    settings.snapshot_connections = 3;
    let recorder = Recorder::new();
    let running = recorder.start(&settings, &[table("t")]);
    recorder.wait("streaming", |state| state.is_streaming());
    running.stop();
    recorder.with(|state| {
        let batches = state.batches(&table("t"));
        assert_eq!(batches.iter().map(|batch| batch.len()).sum::<usize>(), 3000);
        assert!(batches.len() > 20 && batches.iter().all(|batch| batch.len() <= 150));
        assert_eq!(fold(state, &table("t"), Missing::Refuse), now(&database, &table("t")));
        let progress = state.reports.iter().filter_map(|report| match report {
            Report::Snapshot { rows, rows_estimated, done, .. } => {
                Some((*rows, *rows_estimated, *done))
            }
            _ => None,
        });
        let progress: Vec<_> = progress.collect();
        assert_eq!(progress.last(), Some(&(3000, 3000, true)));
        assert!(progress.iter().any(|&(rows, _, done)| !done && (1..3000).contains(&rows)));
    });
}

#[test]
fn changes_made_during_the_copy_follow_it() {
    let database = Cluster::shared().database();
    let settings = chunked(&database);
    let recorder = Recorder::new();
    let running = recorder.start(&settings, &[table("t")]);
    recorder.wait("some rows", |state| state.rows_seen > 300);
    database.run("UPDATE t SET note = 'changed' WHERE id % 2 = 0");
    database.run("DELETE FROM t WHERE id % 3 = 0");
    database.run("INSERT INTO t VALUES (5001, 'late', NULL)");
    settle(&database, &recorder);
    running.stop();
    recorder.with(|state| {
        assert_eq!(fold(state, &table("t"), Missing::Refuse), now(&database, &table("t")));
    });
}

/// Kills the copy at every emission in turn, with changes in between that move rows between chunks,
/// and expects the table as it is at the end.
#[test]
fn a_copy_that_is_killed_anywhere_ends_as_the_table_is() {
    let database = Cluster::shared().database();
    let settings = chunked(&database);
    let recorder = Recorder::new();
    let mut kills = 0;
    // Two emissions more each time, so that every run gets further than the one before.
    for emission in 1.. {
        recorder.crash_at(emission * 2);
        let running = recorder.start(&settings, &[table("t")]);
        recorder.wait("the kill", |state| state.is_streaming() || state.is_stopping());
        if recorder.with(|state| state.is_streaming()) {
            running.stop();
            break;
        }
        running.crashed();
        kills += 1;
        // Large values stay as they are, so their updates come without them, and rows move.
        database.run(&format!(
            "UPDATE t SET note = 'changed in {emission}' WHERE id % 7 = {emission} % 7;
             DELETE FROM t WHERE id = {emission} * 50;
             INSERT INTO t VALUES (10000 + {emission}, 'new', repeat('y', 5000));
             UPDATE t SET id = 20000 + id WHERE id = {emission} * 50 + 100"
        ));
        if emission % 4 == 0 {
            database.run("VACUUM t");
        }
    }
    assert!(kills > 5, "only {kills} kills");
    recorder.never_crash();
    let running = recorder.start(&settings, &[table("t")]);
    settle(&database, &recorder);
    running.stop();
    recorder.with(|state| {
        assert_eq!(fold(state, &table("t"), Missing::Skip), now(&database, &table("t")));
    });
}

/// The story: a copy is killed after its first chunk. A row with a large value then moves from the
/// end of the table into that chunk. A scan of the other chunks does not find it, and its update in
/// the stream does not have the large value.
#[test]
fn a_row_that_moved_into_a_finished_chunk_is_not_lost() {
    let database = Cluster::shared().database();
    let mut settings = chunked(&database);
    settings.snapshot_connections = 1;
    database.run("ALTER TABLE t SET (fillfactor = 100)");
    database.run("VACUUM FULL t");
    database.run("DELETE FROM t WHERE id <= 200");
    database.run("VACUUM t");
    let recorder = Recorder::new();
    recorder.crash_at(10);
    recorder.start(&settings, &[table("t")]).crashed();
    let copied = recorder.with(|state| fold(state, &table("t"), Missing::Refuse));
    let (first, big) = ("[\"201\"]", "[\"2900\"]");
    assert!(copied.contains_key(first) && !copied.contains_key(big), "{} rows", copied.len());
    database.client().run("UPDATE t SET note = note || 'moved' WHERE id = 2900");
    let block = database.value("SELECT (ctid::text::point)[0] FROM t WHERE id = 2900");
    assert!(block.parse::<u32>().unwrap() < 5, "the row did not move: block {block}");
    let running = recorder.start(&settings, &[table("t")]);
    settle(&database, &recorder);
    running.stop();
    recorder.with(|state| {
        assert_eq!(fold(state, &table("t"), Missing::Refuse), now(&database, &table("t")));
    });
}

#[test]
fn a_chunk_that_is_done_is_not_copied_again() {
    let database = Cluster::shared().database();
    let settings = chunked(&database);
    let recorder = Recorder::new();
    recorder.crash_at(12);
    recorder.start(&settings, &[table("t")]).crashed();
    let running = recorder.start(&settings, &[table("t")]);
    recorder.wait("streaming", |state| state.is_streaming());
    running.stop();
    let rows = recorder
        .with(|state| state.batches(&table("t")).iter().map(|batch| batch.len()).sum::<usize>());
    // What was read of chunks that did not end is read again: at most one chunk a connection.
    assert!((3000..=3000 + 2 * 450).contains(&rows), "{rows} rows");
    assert_eq!(recorder.with(|state| fold(state, &table("t"), Missing::Refuse)).len(), 3000);
}

#[test]
fn a_table_that_joins_later_is_copied_before_the_stream_goes_on() {
    let database = Cluster::shared().database();
    database.run(
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE later (id int PRIMARY KEY, note text);
         INSERT INTO later SELECT g, 'old' FROM generate_series(1, 100) g",
    );
    let (recorder, running) = streaming(&database, &[table("t")]);
    database.run("INSERT INTO t VALUES (1); UPDATE later SET note = 'unseen' WHERE id = 1");
    settle(&database, &recorder);
    running.stop();
    database.run("INSERT INTO t VALUES (2); DELETE FROM later WHERE id = 2");
    let tables = [table("t"), table("later")];
    let running = recorder.start(&database.settings(), &tables);
    recorder.wait("streaming", |state| state.is_streaming());
    database.run("INSERT INTO later VALUES (101, 'new'); UPDATE later SET note = 'x' WHERE id = 3");
    settle(&database, &recorder);
    running.stop();
    recorder.with(|state| {
        for name in &tables {
            assert_eq!(fold(state, name, Missing::Refuse), now(&database, name));
        }
        let copied = state.batches(&table("t")).into_iter().filter(|b| b.op(0) == Op::Snapshot);
        assert_eq!(copied.count(), 0, "a table that was copied is not copied again");
    });
}

#[test]
fn empty_tables_and_tables_without_columns_are_copied() {
    let database = Cluster::shared().database();
    database.run("CREATE TABLE empty (id int PRIMARY KEY); CREATE TABLE bare (); ALTER TABLE bare REPLICA IDENTITY FULL; INSERT INTO bare DEFAULT VALUES");
    let (recorder, running) = streaming(&database, &[table("empty"), table("bare")]);
    running.stop();
    recorder.with(|state| {
        let rows: Vec<usize> = state
            .entries
            .iter()
            .filter(|entry| matches!(entry.body, Body::Rows(_)))
            .map(syncline_core::Entry::rows)
            .collect();
        assert_eq!(rows, [1]);
    });
}

#[test]
fn a_table_rewritten_between_two_runs_is_read_from_its_start() {
    let database = Cluster::shared().database();
    let settings = chunked(&database);
    let recorder = Recorder::new();
    recorder.crash_at(12);
    recorder.start(&settings, &[table("t")]).crashed();
    database.run("CREATE INDEX backwards ON t ((-id))");
    database.run("CLUSTER t USING backwards");
    let running = recorder.start(&settings, &[table("t")]);
    settle(&database, &recorder);
    running.stop();
    recorder.with(|state| {
        assert_eq!(fold(state, &table("t"), Missing::Refuse), now(&database, &table("t")));
    });
}

/// The story: a transaction wrote to a table before the table was published, and commits after the
/// copy of the table looked. The stream does not have its rows, and the copy did not see them.
#[test]
fn a_transaction_older_than_the_publication_of_its_table_is_waited_for() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    database.run("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE later (id int PRIMARY KEY)");
    let (recorder, running) = streaming(&database, &[table("t")]);
    running.stop();
    let writer = database.client();
    writer.run("BEGIN; INSERT INTO later VALUES (1)");
    let tables = [table("t"), table("later")];
    let running = recorder.start(&database.settings(), &tables);
    recorder.wait("a notice", |state| {
        state.reports.iter().any(
            |report| matches!(report, Report::Notice(text) if text.contains("open transactions")),
        )
    });
    writer.run("COMMIT");
    settle(&database, &recorder);
    running.stop();
    recorder.with(|state| {
        assert_eq!(fold(state, &table("later"), Missing::Refuse).len(), 1);
    });
}

/// The story: a table waited for its turn while another was copied, and was rewritten. The snapshot
/// is from before, so that it saw an empty table.
#[test]
fn a_table_rewritten_before_its_turn_is_copied_whole() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    database.run(
        "CREATE TABLE first (id int PRIMARY KEY); INSERT INTO first VALUES (1);
         CREATE TABLE second (id int PRIMARY KEY, number int);
         INSERT INTO second SELECT g, g FROM generate_series(1, 500) g",
    );
    let recorder = Recorder::new();
    recorder.hold();
    let tables = [table("first"), table("second")];
    let running = recorder.start(&database.settings(), &tables);
    recorder.wait("the first table", |state| state.waiting);
    database.run("ALTER TABLE second ALTER number TYPE bigint");
    recorder.let_go();
    let error = recorder.last_retried();
    assert!(error.to_string().contains("\"second\" was rewritten"), "{error}");
    settle(&database, &recorder);
    running.stop();
    recorder.with(|state| {
        for name in &tables {
            assert_eq!(fold(state, name, Missing::Refuse), now(&database, name));
        }
    });
}

/// The story: a transaction that began while its table was being published is the newest of all. The
/// end of a snapshot is right before it, so that nobody waited for it.
#[test]
fn the_newest_transaction_is_waited_for_too() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    database.run("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE later (id int PRIMARY KEY)");
    let (recorder, running) = streaming(&database, &[table("t")]);
    running.stop();
    // Published beforehand, so that the source takes no number after the writer's.
    let publication = database.settings().publication;
    database.run(&format!("ALTER PUBLICATION {publication} ADD TABLE later"));
    let writer = database.client();
    writer.run("BEGIN; INSERT INTO later VALUES (1)");
    let tables = [table("t"), table("later")];
    let running = recorder.start(&database.settings(), &tables);
    recorder.wait("a notice", |state| {
        state.reports.iter().any(
            |report| matches!(report, Report::Notice(text) if text.contains("open transactions")),
        )
    });
    writer.run("COMMIT");
    settle(&database, &recorder);
    running.stop();
    assert_eq!(recorder.with(|state| fold(state, &table("later"), Missing::Refuse)).len(), 1);
}

#[test]
fn rows_of_the_copy_are_from_before_the_first_transaction_of_the_stream() {
    let database = Cluster::shared().database();
    database.run("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
    let (recorder, running) = streaming(&database, &[table("t")]);
    running.stop();
    recorder.with(|state| {
        let met = state.boundary().unwrap().commit;
        let batches = state.batches(&table("t"));
        assert!(batches[0].transactions().iter().all(|run| run.transaction.commit < met));
    });
}

#[test]
fn a_table_altered_while_the_slot_is_made_is_copied_as_it_is_then() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    database.run("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE other (id int)");
    database.run("INSERT INTO t VALUES (1)");
    let writer = database.client();
    writer.run("BEGIN; INSERT INTO other VALUES (1)");
    let recorder = Recorder::new();
    let running = recorder.start(&database.settings(), &[table("t")]);
    recorder.wait("a notice", |state| {
        state.reports.iter().any(
            |report| matches!(report, Report::Notice(text) if text.contains("open transactions")),
        )
    });
    database.run("ALTER TABLE t ADD more int DEFAULT 7");
    writer.run("COMMIT");
    settle(&database, &recorder);
    running.stop();
    recorder.with(|state| {
        assert_eq!(fold(state, &table("t"), Missing::Refuse), now(&database, &table("t")));
    });
}
