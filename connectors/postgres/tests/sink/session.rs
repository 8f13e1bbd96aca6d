//! Who may write, what becomes of a lost connection, and what errors tell to do.

use crate::cluster::Database;
use crate::rows::{ints, opened, progress, reader, rows, system, texts, topic};
use std::time::Duration;
use syncline_core::{Kind, Op, Outcome, ReaderName, Sink, Topic};
use syncline_postgres::{PostgresSink, Settings};

const TABLE: &str = "CREATE TABLE t (id bigint PRIMARY KEY, v text)";

fn row(id: i64) -> [syncline_core::TargetChange; 1] {
    [rows("t", Op::Insert, &[("id", ints([id])), ("v", texts(["v"]))])]
}

fn impatient(settings: Settings) -> PostgresSink {
    let connect_timeout = Duration::from_millis(300);
    PostgresSink::new(system(), Settings { connect_timeout, ..settings })
}

#[tokio::test]
async fn a_second_process_is_told_who_writes_already() {
    let database = Database::new(TABLE).await;
    let first = opened(&database).await;
    let mut second = impatient(database.settings());
    let error = second.open(&reader()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Fenced);
    let detail = error.detail_text().unwrap();
    assert!(detail.contains("\"syncline\"") && detail.contains("a unix socket"), "{detail}");
    // Another reader of the same system is another matter.
    second.open(&ReaderName::apply(&system(), &Topic::entity("person"))).await.unwrap();
    drop(first);
    PostgresSink::new(system(), database.settings()).open(&reader()).await.unwrap();
}

#[tokio::test]
async fn a_sink_that_reopens_is_not_held_up_by_its_own_former_session() {
    let database = Database::new(TABLE).await;
    let mut sink = impatient(database.settings());
    for _ in 0..5 {
        sink.open(&reader()).await.unwrap();
        sink.write(&row(1)).await.unwrap();
    }
}

#[tokio::test]
async fn an_instance_whose_progress_was_moved_on_by_another_is_fenced() {
    let database = Database::new(TABLE).await;
    let mut sink = opened(&database).await;
    sink.write(&row(1)).await.unwrap();
    sink.commit(&progress(5)).await.unwrap();
    database.client.batch_execute("UPDATE syncline.progress SET next_offset = 6").await.unwrap();
    sink.write(&row(2)).await.unwrap();
    let error = sink.commit(&progress(7)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Fenced);
    assert_eq!(database.text("SELECT count(*) FROM t").await, "1");
}

#[tokio::test]
async fn progress_that_goes_back_is_refused() {
    let database = Database::new(TABLE).await;
    let mut sink = opened(&database).await;
    sink.commit(&progress(5)).await.unwrap();
    assert_eq!(sink.commit(&progress(4)).await.unwrap_err().kind(), Kind::Fenced);
}

async fn end_sessions(database: &Database) {
    let others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE application_name = 'syncline' AND datname = current_database()";
    database.client.query(others, &[]).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_is_lost_leaves_nothing_and_can_be_opened_again() {
    let database = Database::new(TABLE).await;
    let mut sink = opened(&database).await;
    sink.write(&row(1)).await.unwrap();
    end_sessions(&database).await;
    let error = sink.write(&row(2)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert_eq!(sink.commit(&progress(1)).await.unwrap_err().kind(), Kind::Internal);
    sink.rollback().await.unwrap();
    assert_eq!(sink.write(&row(2)).await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(sink.open(&reader()).await.unwrap(), None);
    sink.write(&row(3)).await.unwrap();
    end_sessions(&database).await;
    let error = sink.commit(&progress(1)).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (Kind::Unavailable, Outcome::Unknown));
    assert_eq!(sink.open(&reader()).await.unwrap(), None);
    assert_eq!(database.text("SELECT count(*) FROM t").await, "0");
}

#[tokio::test]
async fn a_write_that_is_dropped_half_way_can_not_be_committed() {
    let database = Database::new(TABLE).await;
    let mut sink = opened(&database).await;
    database.client.batch_execute("BEGIN; LOCK TABLE t").await.unwrap();
    let late = tokio::time::timeout(Duration::from_millis(200), sink.write(&row(2))).await;
    assert!(late.is_err());
    database.client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(sink.commit(&progress(1)).await.unwrap_err().kind(), Kind::Internal);
    sink.rollback().await.unwrap();
    sink.write(&row(3)).await.unwrap();
    sink.commit(&progress(1)).await.unwrap();
    assert_eq!(database.text("SELECT array_agg(id) FROM t").await, "{3}");
}

#[tokio::test]
async fn a_deadlock_and_a_time_out_are_tried_again_from_the_start() {
    let database = Database::new(
        "CREATE TABLE t (id bigint PRIMARY KEY, v text); INSERT INTO t VALUES (1), (2)",
    )
    .await;
    let mut sink = opened(&database).await;
    let update = |id| [rows("t", Op::Update, &[("id", ints([id])), ("v", texts(["new"]))])];
    sink.write(&update(1)).await.unwrap();
    // The other waits first, so it is the sink that closes the circle and is chosen.
    database
        .client
        .batch_execute(
            "SET deadlock_timeout = '1min'; BEGIN; UPDATE t SET v = 'other' WHERE id = 2",
        )
        .await
        .unwrap();
    let other = database.client.batch_execute("UPDATE t SET v = 'other' WHERE id = 1; COMMIT");
    let (error, other) = tokio::join!(
        async {
            let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
            let watcher = database.connect("postgres").await;
            while watcher.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
                tokio::task::yield_now().await;
            }
            let error = sink.write(&update(2)).await.unwrap_err();
            sink.rollback().await.unwrap();
            error
        },
        other
    );
    other.unwrap();
    assert_eq!((error.kind(), error.outcome()), (Kind::Unavailable, Outcome::DidNotHappen));
    assert!(error.detail_text().unwrap().contains("40P01"), "{:?}", error.detail_text());
    let statement_timeout = Some(Duration::from_millis(100));
    let mut sink =
        PostgresSink::new(system(), Settings { statement_timeout, ..database.settings() });
    sink.open(&ReaderName::apply(&system(), &Topic::entity("e"))).await.unwrap();
    database.client.batch_execute("BEGIN; LOCK TABLE t").await.unwrap();
    let error = sink.write(&update(1)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    database.client.batch_execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn what_a_role_lacks_is_told_as_the_statement_that_grants_it() {
    let database = Database::new(TABLE).await;
    let role = format!("poor_{}", std::process::id());
    let create = format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN");
    database.client.batch_execute(&create).await.unwrap();
    let settings = Settings { user: role.clone(), ..database.settings() };
    let mut sink = PostgresSink::new(system(), settings);
    let error = sink.open(&reader()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Config, "{error}");
    let grant = error.hint_text().unwrap().to_owned();
    assert!(grant.starts_with("GRANT CREATE ON DATABASE"), "{grant}");
    database.client.batch_execute(&grant).await.unwrap();
    // Without the right to set an origin, each transaction begins with a message instead.
    sink.open(&reader()).await.unwrap();
    let error = sink.write(&row(1)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Config, "{error}");
    database.client.batch_execute(error.hint_text().unwrap()).await.unwrap();
    sink.rollback().await.unwrap();
    sink.write(&row(1)).await.unwrap();
    sink.commit(&progress(1)).await.unwrap();
}

#[tokio::test]
async fn what_is_missing_or_wrong_in_the_settings_is_a_matter_for_a_person() {
    let database = Database::new("CREATE TABLE keyless (id bigint, v text)").await;
    let good = database.settings();
    for (settings, expected) in [
        (Settings { database: "nowhere".into(), ..good.clone() }, Kind::Config),
        (Settings { user: "nobody at all".into(), ..good.clone() }, Kind::Config),
        (Settings { port: 1, ..good.clone() }, Kind::Unavailable),
        (Settings { host: "/nonexistent".into(), ..good.clone() }, Kind::Unavailable),
    ] {
        let error = PostgresSink::new(system(), settings).open(&reader()).await.unwrap_err();
        assert_eq!(error.kind(), expected, "{error} {:?}", error.detail_text());
    }
    let mut sink = opened(&database).await;
    for (table, hint) in [("nothing", "create the table"), ("keyless", "CREATE UNIQUE INDEX")] {
        let columns = [("id", ints([1])), ("v", texts(["v"]))];
        let error = sink.write(&[rows(table, Op::Insert, &columns)]).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Config, "{error}");
        assert!(error.hint_text().unwrap().contains(hint), "{:?}", error.hint_text());
        sink.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn a_column_that_is_retyped_is_looked_at_again() {
    let database = Database::new("CREATE TABLE t (id bigint PRIMARY KEY, v int)").await;
    let mut sink = opened(&database).await;
    let values = |ids: std::ops::Range<i64>| {
        let v =
            std::sync::Arc::new(ids.clone().map(|_| Some(1)).collect::<arrow_array::Int16Array>());
        [rows("t", Op::Insert, &[("id", ints(ids)), ("v", v)])]
    };
    sink.write(&values(0..100)).await.unwrap();
    sink.commit(&progress(1)).await.unwrap();
    database.client.batch_execute("ALTER TABLE t ALTER v TYPE numeric").await.unwrap();
    let error = sink.write(&values(100..200)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    sink.rollback().await.unwrap();
    sink.write(&values(100..200)).await.unwrap();
    sink.commit(&progress(2)).await.unwrap();
    assert_eq!(database.text("SELECT count(*) FROM t").await, "200");
}

#[tokio::test]
async fn writes_carry_an_origin_of_their_reader() {
    let database = Database::new(TABLE).await;
    let slot = format!("slot_{}", std::process::id());
    let create = format!("SELECT pg_create_logical_replication_slot('{slot}', 'test_decoding')");
    let has_plugin = database.client.query(&create, &[]).await.is_ok();
    let mut sink = opened(&database).await;
    sink.write(&row(1)).await.unwrap();
    sink.commit(&progress(1)).await.unwrap();
    let name = format!("syncline_apply/{}/{}@{}", system(), topic(), database.settings().database);
    let origins = format!("SELECT count(*) FROM pg_replication_origin WHERE roname = '{name}'");
    assert_eq!(database.text(&origins).await, "1");
    if has_plugin {
        let local = format!(
            "SELECT count(*) FROM pg_logical_slot_peek_changes('{slot}', NULL, NULL, 'only-local', '1') WHERE data LIKE '%public.t:%'"
        );
        let all = format!(
            "SELECT count(*) FROM pg_logical_slot_peek_changes('{slot}', NULL, NULL) WHERE data LIKE '%public.t:%'"
        );
        assert_eq!(
            (database.text(&local).await, database.text(&all).await),
            ("0".into(), "1".into())
        );
        database
            .client
            .query(&format!("SELECT pg_drop_replication_slot('{slot}')"), &[])
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn progress_from_before_logs_had_an_id_is_of_no_log() {
    let database = Database::new(TABLE).await;
    let mut sink = opened(&database).await;
    sink.commit(&progress(5)).await.unwrap();
    drop(sink);
    database.client.batch_execute("ALTER TABLE syncline.progress DROP log_id").await.unwrap();
    let mut sink = impatient(database.settings());
    let found = sink.open(&reader()).await.unwrap().unwrap();
    assert_eq!((found.log, found.next), (syncline_core::LogId(0), progress(5).next));
    sink.commit(&progress(1)).await.unwrap();
    assert_eq!(sink.open(&reader()).await.unwrap(), Some(progress(1)));
}
