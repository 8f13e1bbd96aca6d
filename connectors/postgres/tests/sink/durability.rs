//! What a crash of the server takes back, and what not.

use crate::cluster::{Cluster, Database};
use crate::rows::{ints, progress, reader, rows, system};
use std::sync::Arc;
use syncline_core::{Offset, Op, Sink, TargetChange};
use syncline_postgres::{PostgresSink, Settings};

const TABLE: &str = "CREATE TABLE t (id bigint PRIMARY KEY)";
/// Nothing is written to disk without being asked for.
const LAZY: &str = "-c wal_writer_delay=10s";

fn sink(database: &Database, synchronous_commit: Option<&'static str>) -> PostgresSink {
    PostgresSink::new(system(), Settings { synchronous_commit, ..database.settings() })
}

fn row(id: i64) -> [TargetChange; 1] {
    [rows("t", Op::Insert, &[("id", ints([id]))])]
}

/// Commits rows up to one, each with the progress behind it.
async fn commit(sink: &mut PostgresSink, from: i64, to: i64) {
    for id in from..=to {
        sink.write(&row(id)).await.unwrap();
        sink.commit(&progress(id.unsigned_abs() + 1)).await.unwrap();
    }
}

/// The server crashes and comes back; how far the reader is then, and how many rows are there.
async fn after_a_crash(cluster: &Cluster, database: Database) -> (Database, Option<u64>, u64) {
    cluster.crash();
    cluster.resume();
    let database = database.again().await;
    let known = sink(&database, Some("off")).open(&reader()).await.unwrap();
    let rows = database.text("SELECT count(*) FROM t").await.parse().unwrap();
    (database, known.map(|it| it.next.0), rows)
}

#[tokio::test]
async fn what_was_synced_survives_a_crash_and_the_rest_goes_with_its_progress() {
    let cluster = Arc::new(Cluster::start(LAZY));
    let database = Database::on(cluster.clone(), TABLE).await;
    let mut late = sink(&database, Some("off"));
    late.open(&reader()).await.unwrap();
    commit(&mut late, 1, 3).await;
    assert_eq!(database.text("SELECT count(*) FROM t").await, "3", "all see what was committed");
    late.sync().await.unwrap();
    commit(&mut late, 4, 6).await;
    let (database, known, rows) = after_a_crash(&cluster, database).await;
    let known = known.expect("what was synced is there");
    assert!((4..=7).contains(&known), "{known}");
    assert_eq!(rows, known - 1, "rows and progress go together");

    // It goes on from there. What a sink says when it opens is there for good, whoever committed it.
    let mut late = sink(&database, Some("off"));
    assert_eq!(late.open(&reader()).await.unwrap().unwrap().next, Offset(known));
    commit(&mut late, rows.cast_signed() + 1, 9).await;
    drop(late);
    let mut next = sink(&database, Some("off"));
    let told = next.open(&reader()).await.unwrap().unwrap().next;
    assert_eq!(told, Offset(10));
    let (_, known, rows) = after_a_crash(&cluster, database).await;
    assert_eq!((known, rows), (Some(10), 9));
}

#[tokio::test]
async fn a_commit_that_waits_for_the_disk_survives_a_crash() {
    let cluster = Arc::new(Cluster::start(LAZY));
    let database = Database::on(cluster.clone(), TABLE).await;
    let mut waits = sink(&database, None);
    waits.open(&reader()).await.unwrap();
    commit(&mut waits, 1, 3).await;
    let (_, known, rows) = after_a_crash(&cluster, database).await;
    assert_eq!((known, rows), (Some(4), 3));
}

#[tokio::test]
async fn a_sync_waits_for_the_disk_where_the_server_s_own_commits_do_not() {
    let cluster = Arc::new(Cluster::start(&format!("{LAZY} -c synchronous_commit=off")));
    let database = Database::on(cluster.clone(), TABLE).await;
    let mut late = sink(&database, None);
    late.open(&reader()).await.unwrap();
    commit(&mut late, 1, 3).await;
    late.sync().await.unwrap();
    let (_, known, rows) = after_a_crash(&cluster, database).await;
    assert_eq!((known, rows), (Some(4), 3));
}

#[tokio::test]
async fn a_sync_within_a_transaction_is_refused() {
    let database = Database::new(TABLE).await;
    let mut late = sink(&database, Some("off"));
    late.open(&reader()).await.unwrap();
    late.write(&row(1)).await.unwrap();
    late.sync().await.unwrap_err();
    late.rollback().await.unwrap();
    late.sync().await.unwrap();
}
