//! What `doctor` finds, and that its statements mend it.

use crate::cluster::{Cluster, runtime, system, table};
use syncline_core::{Finding, Severity};
use syncline_postgres::{Settings, doctor};

fn look(settings: &Settings, reads: &[&str], writes: &[&str]) -> Vec<Finding> {
    let names = |names: &[&str]| names.iter().map(|name| table(name)).collect::<Vec<_>>();
    let (system, reads, writes) = (system(), names(reads), names(writes));
    runtime().block_on(doctor(&system, settings, &reads, &writes)).unwrap()
}

/// Problems and what mends them.
fn problems(found: &[Finding]) -> Vec<(&str, &str)> {
    found
        .iter()
        .filter(|finding| finding.severity != Severity::Ok)
        .map(|finding| (finding.problem.as_str(), finding.mend.as_deref().unwrap_or_default()))
        .collect()
}

#[test]
fn a_healthy_database_has_nothing_to_mend() {
    let cluster = Cluster::start(&["max_slot_wal_keep_size = 1GB"]);
    let database = cluster.database();
    database.run("CREATE TABLE t (id int PRIMARY KEY)");
    let found = look(&database.settings(), &["t"], &["t"]);
    assert_eq!(problems(&found), [("", ""); 0]);
    assert!(found.iter().any(|finding| finding.problem == "sis.public.t can be captured"));
}

#[test]
fn statements_that_mend_do_mend() {
    let cluster = Cluster::start(&["max_slot_wal_keep_size = 1GB"]);
    let database = cluster.database();
    database.run(
        "CREATE TABLE t (id int); CREATE UNLOGGED TABLE u (id int PRIMARY KEY);
         CREATE TABLE w (id int); CREATE ROLE lowly LOGIN;
         SELECT pg_create_physical_replication_slot('forgotten', true)",
    );
    let mut settings = database.settings();
    settings.user = "lowly".into();
    let (reads, writes) = (["t", "u", "missing"], ["w"]);
    let found = look(&settings, &reads, &writes);
    let problems = problems(&found);
    for expected in [
        "the role may not replicate",
        "the publication is missing and the role may not make it",
        "slot \"forgotten\" is read by nobody",
        "the role lacks privileges on sis.public.t",
        "sis.public.t has no replica identity",
        "sis.public.t is not published, and only its owner can publish it",
        "sis.public.u is unlogged: its changes are not in the WAL",
        "sis.public.missing does not exist",
        "the role may not make the schema in which progress is kept",
        "the role lacks privileges on sis.public.w",
        "sis.public.w has no key: rows can't be found again to update or delete",
    ] {
        assert!(
            problems.iter().any(|(problem, _)| *problem == expected),
            "{expected}: {problems:#?}"
        );
    }
    for (_, mend) in &problems {
        let statement = mend.rsplit_once(", or ").map_or(*mend, |(_, last)| last);
        if ["ALTER", "GRANT", "SELECT"].iter().any(|word| statement.starts_with(word)) {
            database.run(&statement.replace("(…)", "(id)"));
        }
    }
    database.run(&format!("CREATE PUBLICATION {} FOR TABLE t, u", settings.publication));
    let found = look(&settings, &["t", "u"], &writes);
    assert_eq!(self::problems(&found), [("", ""); 0]);
}

#[test]
fn a_server_that_can_not_capture_says_what_to_set() {
    let cluster = Cluster::start(&["wal_level = replica", "max_replication_slots = 0"]);
    let database = cluster.database();
    database.run("CREATE TABLE t (id int PRIMARY KEY)");
    let found = look(&database.settings(), &["t"], &[]);
    let problems: Vec<_> = problems(&found).into_iter().map(|(_, mend)| mend).collect();
    assert_eq!(
        problems,
        [
            "ALTER SYSTEM SET wal_level = 'logical'; then restart the server",
            "ALTER SYSTEM SET max_replication_slots = 5; then restart the server",
            "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_reload_conf()",
        ]
    );
    let error = crate::recorder::Recorder::new().failure(&database.settings(), &[table("t")]);
    assert_eq!(error.kind(), syncline_core::Kind::Config, "{error}");
}

#[test]
fn a_database_that_is_away_is_a_finding() {
    let mut away = Cluster::shared().settings("postgres");
    away.port = 1;
    let found = look(&away, &["t"], &[]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].severity, Severity::Error);
}

#[test]
fn a_far_server_without_tls_is_warned_of() {
    let mut far = Cluster::shared().settings("postgres");
    far.tls = syncline_postgres::Tls::Require;
    let found = look(&far, &[], &[]);
    assert!(found.iter().any(|finding| finding.problem == "the connection stays on this machine"));
}
