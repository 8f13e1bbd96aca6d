//! Tables whose rows would be misread or missed: refused before, noticed while running.

use crate::cluster::{Cluster, Database, runtime, system, table};
use crate::model::{Missing, fold, now};
use crate::recorder::Recorder;
use crate::stream::{settle, streaming};
use std::sync::Arc;
use syncline_core::{Error, Identity, Kind, Severity};
use syncline_postgres::{doctor, inspect};

const PARTITIONED: &str = "
    CREATE TABLE t (region text, id int, note text, PRIMARY KEY (region, id))
      PARTITION BY LIST (region);
    CREATE TABLE t_n PARTITION OF t FOR VALUES IN ('n');
    CREATE TABLE t_s PARTITION OF t FOR VALUES IN ('s');
    INSERT INTO t VALUES ('n', 1, 'a'), ('s', 2, 'b');";

/// Why the tables are refused, and the statements that mend it, as doctor says them too.
fn refusal(database: &Database<'_>, recorder: &Arc<Recorder>) -> String {
    let settings = database.settings();
    let error = recorder.failure(&settings, &[table("t")]);
    assert_eq!(error.kind(), Kind::Config, "{error}");
    let mends = error.hint_text().unwrap().to_owned();
    let (system, reads) = (system(), [table("t")]);
    let found = runtime().block_on(doctor(&system, &settings, &reads, &[])).unwrap();
    let of = found.iter().find(|finding| finding.problem == error.to_string());
    let of = of.unwrap_or_else(|| panic!("{error} is not in {found:#?}"));
    assert_eq!(of.severity, Severity::Error);
    assert_eq!(of.mend.as_deref(), Some(mends.as_str()));
    mends
}

/// The story: a whole image was asked for at the root, and the partitions went on to log keys. Their
/// deletes came with NULL in every other column, which was taken for the row.
#[test]
fn partitions_that_log_less_than_their_root_are_refused_with_what_mends_them() {
    let database = Cluster::shared().database();
    database.run(PARTITIONED);
    database.run("ALTER TABLE t REPLICA IDENTITY FULL");
    let mends = refusal(&database, &Recorder::new());
    assert_eq!(
        mends,
        "ALTER TABLE \"public\".\"t_n\" REPLICA IDENTITY FULL; \
         ALTER TABLE \"public\".\"t_s\" REPLICA IDENTITY FULL"
    );
    database.run(&mends);
    let (recorder, running) = streaming(&database, &[table("t")]);
    database.run("DELETE FROM t WHERE id = 1");
    settle(&database, &recorder);
    running.stop();
    let seen = crate::stream::changes(&recorder, &table("t"));
    assert_eq!(seen, [(syncline_core::Op::Delete, "id=1 note=a region=n".to_owned())]);
}

#[test]
fn partitions_that_log_another_key_than_their_root_are_refused_and_more_is_enough() {
    let database = Cluster::shared().database();
    database.run(PARTITIONED);
    database.run(
        "ALTER TABLE t ALTER note SET NOT NULL; CREATE UNIQUE INDEX by_note ON t (note, region);
         ALTER TABLE t REPLICA IDENTITY USING INDEX by_note;
         ALTER TABLE t_n REPLICA IDENTITY FULL",
    );
    let mends = refusal(&database, &Recorder::new());
    assert_eq!(
        mends,
        "ALTER TABLE \"public\".\"t_s\" REPLICA IDENTITY USING INDEX \"t_s_note_region_idx\""
    );
    database.run(&mends);
    let (recorder, running) = streaming(&database, &[table("t")]);
    database.run("DELETE FROM t WHERE id = 1; DELETE FROM t WHERE id = 2");
    settle(&database, &recorder);
    running.stop();
    let seen: Vec<String> =
        crate::stream::changes(&recorder, &table("t")).into_iter().map(|(_, row)| row).collect();
    assert_eq!(seen, ["note=a region=n", "note=b region=s"]);
    database.run("ALTER TABLE t REPLICA IDENTITY DEFAULT");
    assert_eq!(
        refusal(&database, &recorder),
        "ALTER TABLE \"public\".\"t_s\" REPLICA IDENTITY DEFAULT"
    );
}

#[test]
fn a_key_that_is_checked_at_commit_only_identifies_nothing() {
    let database = Cluster::shared().database();
    database.run("CREATE TABLE t (id int PRIMARY KEY DEFERRABLE, code int UNIQUE DEFERRABLE)");
    let tables = runtime().block_on(inspect(&system(), &database.settings())).unwrap();
    assert_eq!(tables[0].identity, Identity::Nothing);
    assert!(tables[0].schema.key().is_empty() && tables[0].unique.is_empty());
    let error = Recorder::new().failure(&database.settings(), &[table("t")]);
    assert_eq!(error.to_string(), "sis.public.t has no replica identity");
    database.run("UPDATE t SET id = 1");
}

#[test]
fn children_by_inheritance_are_not_published_with_their_parent() {
    let database = Cluster::shared().database();
    database.run(
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE child () INHERITS (t);
         CREATE TABLE u (id int PRIMARY KEY); CREATE TABLE grandchild () INHERITS (u);
         INSERT INTO child VALUES (1); INSERT INTO grandchild VALUES (1)",
    );
    let (recorder, running) = streaming(&database, &[table("t")]);
    running.stop();
    recorder.start_and_stop(&database.settings(), &[table("t"), table("u")]);
    let published = "SELECT string_agg(tablename, ',' ORDER BY 1) FROM pg_publication_tables";
    assert_eq!(database.value(published), "t,u");
    database.run("UPDATE child SET id = 2; UPDATE grandchild SET id = 2");
}

#[test]
fn a_large_key_that_did_not_change_is_there() {
    let database = Cluster::shared().database();
    database.run(
        "CREATE TABLE t (id text PRIMARY KEY, note text);
         ALTER TABLE t ALTER id SET STORAGE EXTERNAL; INSERT INTO t VALUES (repeat('k', 2500), 'a')",
    );
    let (recorder, running) = streaming(&database, &[table("t")]);
    database.run("UPDATE t SET note = 'b'");
    settle(&database, &recorder);
    running.stop();
    let seen = crate::stream::changes(&recorder, &table("t"));
    let key = "k".repeat(2500);
    assert_eq!(seen.last().map(|(_, row)| row.as_str()), Some(&*format!("id={key} note=b")));
}

/// A running source of `t` ends by itself after this, with this error.
fn ends_after(database: &Database<'_>, sql: &str) -> Error {
    let (_recorder, running) = streaming(database, &[table("t")]);
    database.run(sql);
    running.failed()
}

fn expect_gap(error: &Error, what: &str) {
    assert_eq!((error.kind(), error.to_string()), (Kind::Config, what.to_owned()));
    assert!(error.hint_text().is_some_and(|hint| hint.contains("syncline backfill sis")));
}

#[test]
fn a_table_taken_out_of_the_publication_is_noticed_while_running() {
    let database = Cluster::shared().database();
    database.run("CREATE TABLE t (id int PRIMARY KEY)");
    let publication = database.settings().publication;
    let error = ends_after(&database, &format!("ALTER PUBLICATION {publication} DROP TABLE t"));
    expect_gap(&error, "sis.public.t was taken out of the publication since it was copied");
}

#[test]
fn a_table_made_again_is_noticed_while_running() {
    let database = Cluster::shared().database();
    database.run("CREATE TABLE t (id int PRIMARY KEY)");
    let error = ends_after(&database, "DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY)");
    expect_gap(&error, "sis.public.t was dropped and made again since it was copied");
}

#[test]
fn a_partition_attached_with_rows_is_noticed_while_running() {
    for attach in [
        "INSERT INTO t_w VALUES ('w', 3, 'c')",
        "DROP TABLE t_w; BEGIN; CREATE TABLE t_w (LIKE t INCLUDING INDEXES); \
         INSERT INTO t_w VALUES ('w', 3, 'c')",
    ] {
        let database = Cluster::shared().database();
        database.run(PARTITIONED);
        database.run("CREATE TABLE t_w (LIKE t INCLUDING INDEXES)");
        let sql =
            format!("{attach}; ALTER TABLE t ATTACH PARTITION t_w FOR VALUES IN ('w'); COMMIT");
        let error = ends_after(&database, &sql);
        expect_gap(&error, "sis.public.t was given a partition with rows since it was copied");
    }
}

#[test]
fn a_partition_taken_away_is_noticed_while_running() {
    for sql in ["ALTER TABLE t DETACH PARTITION t_s", "DROP TABLE t_s"] {
        let database = Cluster::shared().database();
        database.run(PARTITIONED);
        let error = ends_after(&database, sql);
        expect_gap(&error, "sis.public.t lost a partition since it was copied");
    }
}

#[test]
fn partitions_made_while_running_are_taken_in() {
    let database = Cluster::shared().database();
    database.run(PARTITIONED);
    let (recorder, running) = streaming(&database, &[table("t")]);
    database.run(
        "BEGIN; CREATE TABLE t_w PARTITION OF t FOR VALUES IN ('w');
         INSERT INTO t VALUES ('w', 3, 'c'); COMMIT;
         CREATE TABLE t_e (LIKE t INCLUDING INDEXES);
         ALTER TABLE t ATTACH PARTITION t_e FOR VALUES IN ('e'); INSERT INTO t VALUES ('e', 4, 'd')",
    );
    let error = recorder.last_retried();
    assert_eq!(error.to_string(), "the partitions of sis.public.t are not what they were");
    database.run("INSERT INTO t VALUES ('w', 5, 'e'); DELETE FROM t WHERE id = 3");
    settle(&database, &recorder);
    running.stop();
    recorder.with(|state| {
        assert_eq!(fold(state, &table("t"), Missing::Refuse), now(&database, &table("t")));
    });
}
