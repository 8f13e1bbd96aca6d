//! Which statements write which rows, and how many rows they say they wrote.

use crate::cluster::Database;
use crate::rows::{batch, ints, keyed, opened, progress, rows, schema, texts};
use syncline_core::{Op, Sink, TargetChange, Written};

const TABLE: &str = "CREATE TABLE t (id bigint PRIMARY KEY, v text)";

fn change(op: Op, ids: std::ops::Range<i64>, v: &str) -> TargetChange {
    let values = texts(ids.clone().map(|_| v));
    rows("t", op, &[("id", ints(ids)), ("v", values)])
}

#[tokio::test]
async fn rows_that_are_there_after_all_are_updated_where_copy_fails() {
    let database = Database::new(TABLE).await;
    let mut sink = opened(&database).await;
    sink.write(&[change(Op::Insert, 0..150, "old")]).await.unwrap();
    for op in [Op::Snapshot, Op::Insert] {
        let written = sink.write(&[change(op, 100..300, "new")]).await.unwrap();
        assert_eq!(written.inserted + written.updated, 200);
    }
    let written = sink.write(&[change(Op::Update, 299..301, "last")]).await.unwrap();
    assert_eq!(written, Written { inserted: 1, updated: 1, deleted: 0 });
    sink.commit(&progress(1)).await.unwrap();
    let found =
        database.texts("SELECT ARRAY[v, count(*)::text] FROM t GROUP BY v ORDER BY v").await;
    assert_eq!(found, ["last|2", "new|199", "old|100"]);
}

#[tokio::test]
async fn copies_are_left_out_for_a_while_after_one_failed() {
    let database = Database::new(TABLE).await;
    let mut sink = opened(&database).await;
    for round in 0..4 {
        sink.write(&[change(Op::Snapshot, 0..100, "v")]).await.unwrap();
        sink.commit(&progress(round + 1)).await.unwrap();
    }
    let inserted = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 't'";
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    // Statistics arrive when the session is idle for a second, or ends.
    drop(sink);
    while database.text(inserted).await == "0" {
        assert!(std::time::Instant::now() < deadline, "no statistics arrived");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // A copy that fails leaves its rows behind, dead: one did, of the three that would have.
    assert_eq!(database.text(inserted).await, "200");
}

#[tokio::test]
async fn upserts_go_by_copy_after_some_of_which_none_was_there() {
    let database = Database::new(&format!(
        "{TABLE}; CREATE TABLE how (place serial, statement text);
         CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO how (statement) VALUES (left(current_query(), 4)); RETURN NULL; END $$;
         CREATE TRIGGER tell BEFORE INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION tell()"
    ))
    .await;
    let mut sink = opened(&database).await;
    for (ids, v) in [(0..100, "a"), (100..200, "b"), (150..250, "c"), (0..100, "d")] {
        sink.write(&[change(Op::Update, ids, v)]).await.unwrap();
    }
    sink.commit(&progress(1)).await.unwrap();
    let how = database.texts("SELECT ARRAY[statement] FROM how ORDER BY place").await;
    // Of the copy that failed nothing is left; the last had nothing to insert.
    assert_eq!(how, ["INSE", "COPY", "INSE"]);
    let found =
        database.texts("SELECT ARRAY[v, count(*)::text] FROM t GROUP BY v ORDER BY v").await;
    assert_eq!(found, ["b|50", "c|100", "d|100"]);
}

#[tokio::test]
async fn a_table_that_can_not_be_copied_into_is_written_by_statements() {
    let role = "writer_under_row_level_security";
    let database = Database::new(&format!(
        "{TABLE}; ALTER TABLE t ENABLE ROW LEVEL SECURITY;
         CREATE ROLE {role} LOGIN; CREATE POLICY everything ON t USING (true);
         GRANT ALL ON t TO {role};
         DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {role}', current_database()); END $$"
    ))
    .await;
    let settings = syncline_postgres::Settings { user: role.into(), ..database.settings() };
    let mut sink = syncline_postgres::PostgresSink::new(crate::rows::system(), settings);
    sink.open(&crate::rows::reader()).await.unwrap();
    sink.write(&[change(Op::Snapshot, 0..200, "v")]).await.unwrap();
    sink.commit(&progress(1)).await.unwrap();
    assert_eq!(database.text("SELECT count(*) FROM t").await, "200");
}

#[tokio::test]
async fn a_batch_of_any_size_is_written_in_pieces() {
    let database = Database::new(TABLE).await;
    let mut settings = database.settings();
    settings.batch_rows_max = 100;
    let mut sink = syncline_postgres::PostgresSink::new(crate::rows::system(), settings);
    sink.open(&crate::rows::reader()).await.unwrap();
    sink.write(&[change(Op::Snapshot, 0..50_000, "a")]).await.unwrap();
    let written = sink.write(&[change(Op::Update, 49_000..51_050, "b")]).await.unwrap();
    assert_eq!(written, Written { inserted: 1_050, updated: 1_000, deleted: 0 });
    sink.write(&[change(Op::Delete, 0..49_050, "")]).await.unwrap();
    sink.commit(&progress(1)).await.unwrap();
    assert_eq!(database.text("SELECT count(*) FROM t WHERE v = 'b'").await, "2000");
}

#[tokio::test]
async fn mappings_that_write_other_columns_of_a_table_keep_their_order() {
    let database = Database::new("CREATE TABLE t (id bigint PRIMARY KEY, v text, w text)").await;
    let mut sink = opened(&database).await;
    let one = |op, column: &'static str, value| {
        rows("t", op, &[("id", ints([1])), (column, texts([value]))])
    };
    let changes = [
        one(Op::Insert, "v", "first"),
        one(Op::Update, "w", "second"),
        one(Op::Update, "v", "third"),
    ];
    sink.write(&changes).await.unwrap();
    sink.commit(&progress(1)).await.unwrap();
    assert_eq!(database.text("SELECT t FROM t").await, "(1,third,second)");
}

#[tokio::test]
async fn a_table_of_nothing_but_its_key_is_written() {
    let database = Database::new("CREATE TABLE t (id bigint PRIMARY KEY)").await;
    let mut sink = opened(&database).await;
    for op in [Op::Insert, Op::Update, Op::Snapshot, Op::Insert] {
        sink.write(&[rows("t", op, &[("id", ints(0..100))])]).await.unwrap();
    }
    let columns = [("id", ints([5, 200]))];
    let mixed = batch(schema("t", &columns, &[0]), &[Op::Delete, Op::Insert], &columns, None);
    sink.write(&[TargetChange::Rows(mixed)]).await.unwrap();
    sink.commit(&progress(1)).await.unwrap();
    assert_eq!(database.text("SELECT count(*) FROM t").await, "100");
}

#[tokio::test]
async fn a_partitioned_table_is_written_through_its_root() {
    let database = Database::new(
        "CREATE TABLE t (id bigint PRIMARY KEY, v text) PARTITION BY RANGE (id);
         CREATE TABLE t_low PARTITION OF t FOR VALUES FROM (0) TO (100);
         CREATE TABLE t_high PARTITION OF t FOR VALUES FROM (100) TO (1000)",
    )
    .await;
    let mut sink = opened(&database).await;
    sink.write(&[change(Op::Insert, 0..200, "a")]).await.unwrap();
    sink.write(&[change(Op::Snapshot, 150..250, "b"), change(Op::Update, 99..101, "c")])
        .await
        .unwrap();
    sink.write(&[change(Op::Delete, 0..50, "")]).await.unwrap();
    sink.commit(&progress(1)).await.unwrap();
    let found =
        database.texts("SELECT ARRAY[v, count(*)::text] FROM t GROUP BY v ORDER BY v").await;
    assert_eq!(found, ["a|98", "b|100", "c|2"]);
}

const MANY: i64 = 30_000;

async fn keyed_by(names: &str) -> Database {
    let table = format!(
        "CREATE TABLE t (id bigint, place bigint, v text, PRIMARY KEY ({names}));
         CREATE INDEX ON t (place)"
    );
    Database::new(&table).await
}

/// Many rows of it.
fn many(op: Op, v: &str, key: &[usize]) -> TargetChange {
    let places = ints((0..MANY).map(|id| id % 10));
    let columns = [("id", ints(0..MANY)), ("place", places), ("v", texts((0..MANY).map(|_| v)))];
    keyed("t", op, &columns, key)
}

/// Writes all rows three times. Reading the whole index for each of them would take minutes.
async fn write_soon(sink: &mut syncline_postgres::PostgresSink, key: &[usize]) {
    let began = std::time::Instant::now();
    for (op, v) in [(Op::Update, "b"), (Op::Insert, "c"), (Op::Delete, "")] {
        let Written { inserted, updated, deleted } = sink.write(&[many(op, v, key)]).await.unwrap();
        assert_eq!(inserted + updated + deleted, MANY as u64, "{op:?}");
    }
    let took = began.elapsed();
    assert!(took < std::time::Duration::from_secs(20), "{took:?} for {key:?}");
}

/// A table that is vacuumed while all its rows are uncommitted is empty, for all that the planner knows.
/// Its rows are found by the index of the key nevertheless, each by itself: not one by one in all of them.
#[tokio::test]
async fn rows_that_nobody_else_sees_yet_are_found_by_their_key() {
    for (names, key) in [("id", &[0][..]), ("id, place", &[1, 0])] {
        let database = keyed_by(names).await;
        let mut sink = opened(&database).await;
        sink.write(&[many(Op::Insert, "a", key)]).await.unwrap();
        database.client.batch_execute("VACUUM t").await.unwrap();
        write_soon(&mut sink, key).await;
        sink.commit(&progress(1)).await.unwrap();
        assert_eq!(database.text("SELECT count(*) FROM t").await, "0");
    }
}

/// The same where the table had few rows on many pages when it was last looked at.
#[tokio::test]
async fn rows_that_came_since_the_table_was_looked_at_are_found_by_their_key() {
    for (names, key) in [("id", &[0][..]), ("id, place", &[1, 0])] {
        let database = keyed_by(names).await;
        let mut sink = opened(&database).await;
        sink.write(&[many(Op::Insert, "a", key)]).await.unwrap();
        sink.commit(&progress(1)).await.unwrap();
        let but_few = format!("DELETE FROM t WHERE id < {}", MANY - 4);
        for statement in [but_few.as_str(), "VACUUM ANALYZE t"] {
            database.client.batch_execute(statement).await.unwrap();
        }
        sink.write(&[many(Op::Insert, "b", key)]).await.unwrap();
        write_soon(&mut sink, key).await;
        sink.commit(&progress(2)).await.unwrap();
        assert_eq!(database.text("SELECT count(*) FROM t").await, "0");
    }
}
