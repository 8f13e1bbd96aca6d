//! Changes as they are committed.

use crate::cluster::{Cluster, Database, table};
use crate::model::{Missing, fold, now, values};
use crate::recorder::{Recorder, Running};
use std::sync::Arc;
use syncline_core::{Body, ChangeBatch, Op, Report, TableName};

/// A source of these tables that has done its snapshots.
pub(crate) fn streaming(database: &Database<'_>, tables: &[TableName]) -> (Arc<Recorder>, Running) {
    let recorder = Recorder::new();
    let running = recorder.start(&database.settings(), tables);
    recorder.wait("streaming", |state| state.is_streaming());
    (recorder, running)
}

/// Waits until all that was committed so far has come.
pub(crate) fn settle(database: &Database<'_>, recorder: &Recorder) {
    let wal = database.wal();
    recorder.wait("the stream", |state| state.is_past(wal));
}

/// Operations and values by row, snapshot rows left out.
pub(crate) fn changes(recorder: &Recorder, name: &TableName) -> Vec<(Op, String)> {
    let of_batch = |batch: ChangeBatch| -> Vec<(Op, String)> {
        (0..batch.len())
            .map(|row| {
                let columns = values(&batch, row).into_iter().map(|(column, value)| {
                    format!("{column}={}", value.unwrap_or_else(|| "NULL".into()))
                });
                (batch.op(row), columns.collect::<Vec<_>>().join(" "))
            })
            .filter(|(op, _)| *op != Op::Snapshot)
            .collect()
    };
    recorder.with(|state| state.batches(name).into_iter().flat_map(of_batch).collect())
}

fn expect(recorder: &Recorder, name: &str, expected: &[(Op, &str)]) {
    let seen = changes(recorder, &table(name));
    let seen: Vec<(Op, &str)> = seen.iter().map(|(op, row)| (*op, row.as_str())).collect();
    assert_eq!(seen, expected, "changes of {name}");
}

#[test]
fn inserts_updates_and_deletes_arrive_as_the_table_is() {
    let database = Cluster::shared().database();
    database.run("CREATE TABLE t (id int PRIMARY KEY, name text, big text)");
    database.run(
        "INSERT INTO t SELECT g, 'n' || g, repeat(md5(g::text), 400) FROM generate_series(1, 100) g",
    );
    let (recorder, running) = streaming(&database, &[table("t")]);
    database.run("INSERT INTO t VALUES (101, 'new', NULL)");
    database.run("UPDATE t SET name = 'changed' WHERE id % 3 = 0");
    database.run("DELETE FROM t WHERE id % 7 = 0");
    database.run("UPDATE t SET id = id + 1000 WHERE id = 5");
    settle(&database, &recorder);
    running.stop();
    let seen = recorder.with(|state| fold(state, &table("t"), Missing::Refuse));
    assert_eq!(seen, now(&database, &table("t")));
}

#[test]
fn an_unchanged_large_value_is_absent_and_a_null_is_null() {
    let database = Cluster::shared().database();
    database.run(
        "CREATE TABLE t (id int PRIMARY KEY, note text, big text);
         ALTER TABLE t ALTER big SET STORAGE EXTERNAL",
    );
    let (recorder, running) = streaming(&database, &[table("t")]);
    database.run("INSERT INTO t VALUES (1, 'a', repeat('x', 5000))");
    database.run("UPDATE t SET note = NULL");
    database.run("UPDATE t SET big = NULL");
    settle(&database, &recorder);
    running.stop();
    let big = "x".repeat(5000);
    expect(
        &recorder,
        "t",
        &[
            (Op::Insert, &format!("big={big} id=1 note=a")),
            (Op::Update, "id=1 note=NULL"),
            (Op::Update, "big=NULL id=1 note=NULL"),
        ],
    );
}

#[test]
fn a_full_image_before_fills_in_the_unchanged_large_value() {
    let database = Cluster::shared().database();
    database.run(
        "CREATE TABLE t (id int PRIMARY KEY, note text, big text);
         ALTER TABLE t ALTER big SET STORAGE EXTERNAL; ALTER TABLE t REPLICA IDENTITY FULL",
    );
    let (recorder, running) = streaming(&database, &[table("t")]);
    database.run("INSERT INTO t VALUES (1, 'a', repeat('x', 5000))");
    database.run("UPDATE t SET note = 'b'");
    database.run("DELETE FROM t");
    settle(&database, &recorder);
    running.stop();
    let big = "x".repeat(5000);
    expect(
        &recorder,
        "t",
        &[
            (Op::Insert, &format!("big={big} id=1 note=a")),
            (Op::Before, &format!("big={big} id=1 note=a")),
            (Op::Update, &format!("big={big} id=1 note=b")),
            (Op::Delete, &format!("big={big} id=1 note=b")),
        ],
    );
    let key = recorder.with(|state| state.batches(&table("t"))[0].schema().key().to_vec());
    assert_eq!(key, [0], "the key is the primary key although the image is whole");
}

#[test]
fn a_changed_key_comes_with_the_key_before() {
    let database = Cluster::shared().database();
    database.run("CREATE TABLE t (note text, id int PRIMARY KEY)");
    let (recorder, running) = streaming(&database, &[table("t")]);
    database.run("INSERT INTO t VALUES ('a', 1), ('b', 2); UPDATE t SET id = 9 WHERE id = 1; DELETE FROM t WHERE id = 9");
    settle(&database, &recorder);
    running.stop();
    expect(
        &recorder,
        "t",
        &[
            (Op::Insert, "id=1 note=a"),
            (Op::Insert, "id=2 note=b"),
            (Op::Before, "id=1"),
            (Op::Update, "id=9 note=a"),
            (Op::Delete, "id=9"),
        ],
    );
    let ordinals: Vec<u32> = recorder.with(|state| {
        state.batches(&table("t")).iter().flat_map(|batch| batch.ordinals().to_vec()).collect()
    });
    assert_eq!(ordinals, [0, 1, 2, 2, 3], "an image before has the place of its update");
}

#[test]
fn an_index_may_identify_rows() {
    let database = Cluster::shared().database();
    database.run(
        "CREATE TABLE t (id int PRIMARY KEY, code text NOT NULL, note text);
         CREATE UNIQUE INDEX by_code ON t (code); ALTER TABLE t REPLICA IDENTITY USING INDEX by_code",
    );
    let (recorder, running) = streaming(&database, &[table("t")]);
    database.run("INSERT INTO t VALUES (1, 'x', 'n'); UPDATE t SET id = 2; UPDATE t SET code = 'y'; DELETE FROM t");
    settle(&database, &recorder);
    running.stop();
    expect(
        &recorder,
        "t",
        &[
            (Op::Insert, "code=x id=1 note=n"),
            (Op::Update, "code=x id=2 note=n"),
            (Op::Before, "code=x"),
            (Op::Update, "code=y id=2 note=n"),
            (Op::Delete, "code=y"),
        ],
    );
}

#[test]
fn a_table_without_identity_is_refused_unless_someone_published_it() {
    let database = Cluster::shared().database();
    database.run("CREATE TABLE t (id int); CREATE TABLE other (id int PRIMARY KEY)");
    let settings = database.settings();
    let error = Recorder::new().failure(&settings, &[table("t")]);
    assert_eq!(error.to_string(), "sis.public.t has no replica identity");
    assert!(error.hint_text().is_some_and(|hint| hint.contains("REPLICA IDENTITY FULL")));
    database.run("UPDATE t SET id = 1");
    database.run(&format!("CREATE PUBLICATION {} FOR TABLE t, other", settings.publication));
    let (recorder, running) = streaming(&database, &[table("t")]);
    database.run("INSERT INTO t VALUES (7)");
    settle(&database, &recorder);
    running.stop();
    expect(&recorder, "t", &[(Op::Insert, "id=7")]);
    let published = database.value(
        "SELECT string_agg(tablename, ',' ORDER BY tablename DESC) FROM pg_publication_tables",
    );
    assert_eq!(published, "t,other", "what someone else published stays");
    assert_eq!(database.value("SELECT pubviaroot FROM pg_publication"), "t");
}

#[test]
fn a_truncate_keeps_its_place_among_the_rows() {
    let database = Cluster::shared().database();
    database.run(
        "CREATE TABLE parent (id int PRIMARY KEY);
         CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent);
         CREATE TABLE unread (id int PRIMARY KEY REFERENCES parent)",
    );
    let (recorder, running) = streaming(&database, &[table("parent"), table("child")]);
    database.run("BEGIN; INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1); TRUNCATE parent CASCADE; INSERT INTO parent VALUES (2); COMMIT");
    settle(&database, &recorder);
    running.stop();
    let shape: Vec<String> = recorder.with(|state| {
        let streamed = state.entries.iter().filter(|entry| match &entry.body {
            Body::Rows(batch) => batch.op(0) != Op::Snapshot,
            Body::Truncate(_) => true,
            _ => false,
        });
        streamed
            .map(|entry| match &entry.body {
                Body::Rows(batch) => format!("{} {}", batch.schema().name(), batch.len()),
                Body::Truncate(tables) => format!("truncate {}", tables.len()),
                other => format!("{other:?}"),
            })
            .collect()
    });
    assert_eq!(
        shape,
        ["sis.public.parent 1", "sis.public.child 1", "truncate 2", "sis.public.parent 1"]
    );
}

#[test]
fn partitions_go_by_the_name_of_their_root() {
    let database = Cluster::shared().database();
    database.run(
        "CREATE TABLE t (region text, id int, note text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
         CREATE TABLE t_n PARTITION OF t FOR VALUES IN ('n');
         CREATE TABLE t_s (note text, dropped int, id int NOT NULL, region text NOT NULL);
         ALTER TABLE t_s DROP dropped;
         ALTER TABLE t ATTACH PARTITION t_s FOR VALUES IN ('s');
         INSERT INTO t SELECT CASE g % 2 WHEN 0 THEN 'n' ELSE 's' END, g, 'x' FROM generate_series(1, 500) g",
    );
    let (recorder, running) = streaming(&database, &[table("t")]);
    database.run("INSERT INTO t VALUES ('s', 1000, 'new'); UPDATE t SET note = 'y' WHERE id < 10");
    database.run("UPDATE t SET region = 'n' WHERE id = 3; DELETE FROM t WHERE id = 4");
    settle(&database, &recorder);
    running.stop();
    let seen = recorder.with(|state| fold(state, &table("t"), Missing::Refuse));
    assert_eq!(seen.len(), 500);
    assert_eq!(seen, now(&database, &table("t")));
}

#[test]
fn the_slot_moves_on_while_only_other_tables_change() {
    let database = Cluster::shared().database();
    database.run("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE busy (id int)");
    let (_recorder, running) = streaming(&database, &[table("t")]);
    database.run("INSERT INTO busy SELECT generate_series(1, 1000)");
    let wal = database.wal();
    let slot = database.settings().slot;
    let confirmed = format!(
        "SELECT (confirmed_flush_lsn - '0/0')::bigint FROM pg_replication_slots WHERE slot_name = '{slot}'"
    );
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while database.value(&confirmed).parse::<u64>().unwrap() < wal {
        assert!(std::time::Instant::now() < deadline, "the slot stays behind");
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    running.stop();
}

#[test]
fn what_the_server_retains_is_reported() {
    let database = Cluster::shared().database();
    database.run("CREATE TABLE t (id int PRIMARY KEY)");
    let recorder = Recorder::new();
    let mut settings = database.settings();
    settings.wal_bytes_max = Some(12345);
    let running = recorder.start(&settings, &[table("t")]);
    recorder.wait("a report of retained bytes", |state| {
        state
            .reports
            .iter()
            .any(|report| matches!(report, Report::Retained { bytes_max: Some(12345), .. }))
    });
    running.stop();
}

#[test]
fn an_idle_source_is_nudged_by_a_message() {
    let database = Cluster::shared().database();
    database.run("CREATE TABLE t (id int PRIMARY KEY)");
    database.run("SELECT pg_create_logical_replication_slot('witness', 'test_decoding')");
    let (_recorder, running) = streaming(&database, &[table("t")]);
    let beats = "SELECT count(*) FROM pg_logical_slot_peek_changes('witness', NULL, NULL) \
                 WHERE data LIKE '%prefix: syncline.heartbeat%'";
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while database.value(beats) == "0" {
        assert!(std::time::Instant::now() < deadline, "no heartbeat");
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    running.stop();
    database.run("SELECT pg_drop_replication_slot('witness')");
}
