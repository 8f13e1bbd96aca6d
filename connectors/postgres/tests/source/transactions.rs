//! Transactions: whole between boundaries, however large, and nothing of what was rolled back.

use crate::cluster::{Cluster, Database, table};
use crate::model::{Missing, fold, now};
use crate::recorder::{Recorder, State};
use crate::stream::{settle, streaming};
use std::sync::OnceLock;
use syncline_core::{Body, Op, Position, Transaction};

/// A server that streams transactions in progress as early as it can.
pub(crate) fn eager() -> &'static Cluster {
    static EAGER: OnceLock<Cluster> = OnceLock::new();
    EAGER.get_or_init(|| Cluster::start(&["logical_decoding_work_mem = 64kB"]))
}

/// Every row's transaction, in order of arrival.
fn transactions(state: &State) -> Vec<Transaction> {
    let mut seen: Vec<Transaction> = Vec::new();
    for entry in &state.entries {
        if let Body::Rows(batch) = &entry.body {
            for run in batch.transactions() {
                if seen.last() != Some(&run.transaction) {
                    seen.push(run.transaction);
                }
            }
        }
    }
    seen
}

/// No transaction is on both sides of a boundary, and boundaries never go back.
fn expect_whole_transactions(state: &State) {
    let mut last = Position::default();
    let mut closed = 0;
    for entry in &state.entries {
        if let Body::Rows(batch) = &entry.body
            && batch.op(0) != Op::Snapshot
        {
            for run in batch.transactions() {
                assert!(run.transaction.commit >= closed, "a transaction goes on after a boundary");
            }
        }
        if let Some(boundary) = entry.boundary {
            assert!(boundary.position >= last, "boundaries go back");
            last = boundary.position;
            closed = boundary.position.commit;
        }
    }
}

fn spilled(database: &Database<'_>) -> usize {
    let directory = database.settings().spill_directory;
    let prefix = format!("sis-{}-", database.settings().slot);
    let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
    files.filter(|file| file.file_name().to_string_lossy().starts_with(&prefix)).count()
}

#[test]
fn a_large_transaction_comes_in_batches_and_without_what_was_rolled_back() {
    let database = eager().database();
    database.run("CREATE TABLE t (id int PRIMARY KEY, note text)");
    let (recorder, running) = streaming(&database, &[table("t")]);
    let writer = database.client();
    writer.run("BEGIN; INSERT INTO t SELECT g, repeat('a', 100) FROM generate_series(1, 20000) g");
    writer.run("SAVEPOINT s; UPDATE t SET note = 'rolled back' WHERE id <= 5000");
    writer.run("SAVEPOINT s2; DELETE FROM t WHERE id <= 500; RELEASE s2; ROLLBACK TO s");
    wait_for_spill(&database);
    database.run("INSERT INTO t VALUES (100001, 'meanwhile')");
    settle(&database, &recorder);
    assert_eq!(recorder.with(|state| fold(state, &table("t"), Missing::Refuse)).len(), 1);
    writer.run("UPDATE t SET note = 'kept' WHERE id % 10 = 0; COMMIT");
    settle(&database, &recorder);
    running.stop();
    recorder.with(|state| {
        assert_eq!(fold(state, &table("t"), Missing::Refuse), now(&database, &table("t")));
        expect_whole_transactions(state);
        let large = state.batches(&table("t")).iter().map(|batch| batch.len()).max().unwrap();
        assert!(large <= database.settings().batch_rows_max, "a batch of {large} rows");
        assert_eq!(transactions(state).len(), 2);
    });
    assert_eq!(spilled(&database), 0, "spill files are removed");
}

fn wait_for_spill(database: &Database<'_>) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while spilled(database) == 0 {
        assert!(std::time::Instant::now() < deadline, "nothing was streamed before the commit");
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }
}

#[test]
fn transactions_that_run_at_the_same_time_arrive_in_commit_order() {
    let database = eager().database();
    database.run("CREATE TABLE t (id int PRIMARY KEY, note text)");
    let (recorder, running) = streaming(&database, &[table("t")]);
    let (one, two, three) = (database.client(), database.client(), database.client());
    for (client, from) in [(&one, 0), (&two, 100_000), (&three, 200_000)] {
        client.run("BEGIN");
        client.run(&format!(
            "INSERT INTO t SELECT {from} + g, repeat('z', 90) FROM generate_series(1, 3000) g"
        ));
    }
    for (client, from) in [(&three, 203_000), (&one, 3_000), (&two, 103_000)] {
        client.run(&format!(
            "INSERT INTO t SELECT {from} + g, repeat('z', 90) FROM generate_series(1, 3000) g"
        ));
    }
    two.run("COMMIT");
    three.run("ROLLBACK");
    database.run("INSERT INTO t VALUES (999999, 'small')");
    one.run("COMMIT");
    settle(&database, &recorder);
    running.stop();
    recorder.with(|state| {
        assert_eq!(fold(state, &table("t"), Missing::Refuse), now(&database, &table("t")));
        expect_whole_transactions(state);
        let commits: Vec<u64> = transactions(state).iter().map(|t| t.commit).collect();
        assert!(commits.is_sorted() && commits.len() == 3, "{commits:?}");
    });
    assert_eq!(spilled(&database), 0);
}

#[test]
fn columns_that_change_inside_a_large_transaction_arrive_as_they_were() {
    let database = eager().database();
    database.run("CREATE TABLE t (id int PRIMARY KEY, note text)");
    let (recorder, running) = streaming(&database, &[table("t")]);
    let writer = database.client();
    writer.run("BEGIN; INSERT INTO t SELECT g, repeat('a', 100) FROM generate_series(1, 3000) g");
    writer.run("SAVEPOINT s; ALTER TABLE t ADD wrong int; INSERT INTO t SELECT g, 'b', 1 FROM generate_series(5001, 8000) g; ROLLBACK TO s");
    writer.run("ALTER TABLE t ADD more int DEFAULT 7; INSERT INTO t SELECT g, repeat('c', 100), g FROM generate_series(10001, 13000) g; COMMIT");
    settle(&database, &recorder);
    running.stop();
    recorder.with(|state| {
        let batches = state.batches(&table("t"));
        let last = batches.last().unwrap();
        assert_eq!(last.schema().index_of("more"), Some(2));
        let rows = fold(state, &table("t"), Missing::Refuse);
        assert_eq!(rows.len(), 6000);
        assert_eq!(rows["[\"12345\"]"]["more"].as_deref(), Some("12345"));
        assert!(!rows["[\"1\"]"].contains_key("wrong"));
    });
}

#[test]
fn memory_does_not_grow_with_the_transaction() {
    let database = eager().database();
    database.run("CREATE TABLE t (id int PRIMARY KEY, note text)");
    let (recorder, running) = streaming(&database, &[table("t")]);
    recorder.forget_rows();
    let before = memory_peak();
    database.run("INSERT INTO t SELECT g, repeat('a', 150) FROM generate_series(1, 600000) g");
    settle(&database, &recorder);
    // The kernel counts roughly: the peak that it tells can be a little less than it was.
    let grown = memory_peak().saturating_sub(before);
    running.stop();
    assert_eq!(recorder.with(|state| state.rows_seen), 600_000);
    assert!(grown < 80 << 20, "grew by {} MiB", grown >> 20);
}

/// Rows of the stream's entries, and whether each ends with a boundary.
fn streamed(state: &State) -> Vec<(usize, bool)> {
    let rows = state.entries.iter().filter(|entry| match &entry.body {
        Body::Rows(batch) => batch.op(0) != Op::Snapshot,
        _ => false,
    });
    rows.map(|entry| (entry.rows(), entry.boundary.is_some())).collect()
}

/// A source of `t` that finds these transactions waiting for it.
fn backlog(database: &Database<'_>, transactions: &str) -> Vec<(usize, bool)> {
    database.run("CREATE TABLE t (id int PRIMARY KEY, note text)");
    let (recorder, running) = streaming(database, &[table("t")]);
    running.stop();
    database.run(transactions);
    let running = recorder.start(&database.settings(), &[table("t")]);
    settle(database, &recorder);
    running.stop();
    recorder.with(|state| {
        expect_whole_transactions(state);
        streamed(state)
    })
}

/// The story: a batch was full in the middle of a transaction, always, and so had no boundary. Lanes
/// wrote a whole backlog without a commit, and the server kept its log.
#[test]
fn every_batch_of_a_backlog_ends_with_a_whole_transaction() {
    let database = Cluster::shared().database();
    let entries = backlog(
        &database,
        "DO $$ BEGIN FOR i IN 1..60 LOOP
           INSERT INTO t SELECT i * 1000 + g, 'n' FROM generate_series(1, 1000) g;
           COMMIT;
         END LOOP; END $$",
    );
    assert_eq!(entries.iter().map(|(rows, _)| rows).sum::<usize>(), 60_000);
    assert!(entries.iter().all(|&(_, whole)| whole), "{entries:?}");
}

#[test]
fn a_transaction_larger_than_a_batch_has_its_boundary_at_its_end() {
    let database = Cluster::shared().database();
    let entries = backlog(
        &database,
        "DO $$ BEGIN FOR i IN 1..5 LOOP
           INSERT INTO t SELECT i * 10000 + g, 'n' FROM generate_series(1, 9000) g;
           COMMIT;
         END LOOP; END $$",
    );
    let boundaries = entries.iter().filter(|(_, whole)| *whole).count();
    assert_eq!(boundaries, 5, "{entries:?}");
}

#[test]
fn small_transactions_of_a_backlog_share_batches() {
    let database = Cluster::shared().database();
    let entries = backlog(
        &database,
        "DO $$ BEGIN FOR i IN 1..10000 LOOP INSERT INTO t VALUES (i, 'n'); COMMIT; END LOOP; END $$",
    );
    assert!(entries.iter().all(|&(_, whole)| whole), "{entries:?}");
    assert!(entries.len() < 500, "{} entries for 10000 rows", entries.len());
}

/// Most memory this process ever held, in bytes.
fn memory_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn an_interrupted_large_transaction_comes_again_from_its_start() {
    let database = eager().database();
    database.run("CREATE TABLE t (id int PRIMARY KEY, note text)");
    let recorder = Recorder::new();
    let tables = [table("t")];
    let running = recorder.start(&database.settings(), &tables);
    recorder.wait("streaming", |state| state.is_streaming());
    let writer = database.client();
    writer.run("BEGIN; INSERT INTO t SELECT g, repeat('a', 100) FROM generate_series(1, 5000) g");
    wait_for_spill(&database);
    running.stop();
    writer.run(
        "INSERT INTO t SELECT g, repeat('a', 100) FROM generate_series(5001, 30000) g; COMMIT",
    );
    recorder.crash_at(3);
    recorder.start(&database.settings(), &tables).crashed();
    let running = recorder.start(&database.settings(), &tables);
    settle(&database, &recorder);
    running.stop();
    recorder.with(|state| {
        assert_eq!(fold(state, &table("t"), Missing::Refuse), now(&database, &table("t")));
        assert_eq!(
            state.batches(&table("t")).iter().map(|batch| batch.len()).sum::<usize>(),
            30_000
        );
    });
}
