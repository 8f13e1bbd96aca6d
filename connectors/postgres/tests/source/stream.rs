//! Changes as they are committed.

use crate::cluster::{Cluster, table};
use crate::model::{Missing, fold, now};
use crate::recorder::Recorder;

#[test]
fn inserts_updates_and_deletes_arrive_as_the_table_is() {
    let database = Cluster::shared().database();
    database.run("CREATE TABLE t (id int PRIMARY KEY, name text, big text)");
    database.run("INSERT INTO t SELECT g, 'n' || g, repeat(md5(g::text), 400) FROM generate_series(1, 100) g");
    let recorder = Recorder::new();
    let running = recorder.start(&database.settings(), &[table("t")]);
    recorder.wait("streaming", |state| state.is_streaming());
    database.run("INSERT INTO t VALUES (101, 'new', NULL)");
    database.run("UPDATE t SET name = 'changed' WHERE id % 3 = 0");
    database.run("DELETE FROM t WHERE id % 7 = 0");
    database.run("UPDATE t SET id = id + 1000 WHERE id = 5");
    let wal = database.wal();
    recorder.wait("the stream", |state| state.is_past(wal));
    running.stop();
    let seen = recorder.with(|state| fold(state, &table("t"), Missing::Refuse));
    assert_eq!(seen, now(&database, &table("t")));
}
