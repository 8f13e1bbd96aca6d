//! Getting in: SCRAM, md5, clear text, TLS; and being turned away with a reason.

use crate::cluster::{Cluster, runtime, system, table};
use crate::recorder::Recorder;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use syncline_core::{Error, Kind, Secret};
use syncline_postgres::{Settings, Tls, inspect};

/// A server that asks for passwords by TCP, and has a certificate for `localhost` only.
struct Guarded {
    cluster: Cluster,
    authority: PathBuf,
}

fn guarded() -> &'static Guarded {
    static GUARDED: OnceLock<Guarded> = OnceLock::new();
    GUARDED.get_or_init(|| {
        let mut cluster = Cluster::start(&[]);
        let client = cluster.connect("postgres");
        client.run("CREATE TABLE t (id int PRIMARY KEY)");
        for (role, method) in [("scram", "scram-sha-256"), ("hashed", "md5"), ("plain", "md5")] {
            client.run(&format!("SET password_encryption = '{method}'"));
            client.run(&format!("CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'pass-{role}'"));
        }
        let (authority, rules) = (
            certificates(&cluster),
            "\
            hostssl all scram 127.0.0.1/32 scram-sha-256\n\
            hostssl replication scram 127.0.0.1/32 scram-sha-256\n\
            host all hashed 127.0.0.1/32 md5\nhost all plain 127.0.0.1/32 password\n\
            local all all trust\nlocal replication all trust\n",
        );
        std::fs::write(cluster.data().join("pg_hba.conf"), rules).unwrap();
        client.run("ALTER SYSTEM SET ssl = on");
        cluster.control(&["stop", "-m", "fast"]);
        cluster.start_again();
        Guarded { cluster, authority }
    })
}

/// An authority and a certificate by it, put where the server looks for it.
fn certificates(cluster: &Cluster) -> PathBuf {
    let data = cluster.data();
    let script = "set -e; cd $0
        openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=authority -keyout ca.key -out ca.crt
        openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr
        printf 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n' > names
        openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile names -out server.crt
        chown --reference=. ca.* server.* names; chmod 600 server.key; cp ca.crt ../ca.crt; chmod 644 ../ca.crt";
    let made = Command::new("sh").args(["-c", script]).arg(&data).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    cluster.directory().join("ca.crt")
}

fn settings(host: &str, role: &str, password: &str) -> Settings {
    let mut settings = Settings::new(host, guarded().cluster.port, "postgres", role);
    settings.password = Some(Secret::new(password));
    settings
}

fn verified(host: &str) -> Settings {
    let mut settings = settings(host, "scram", "pass-scram");
    settings.tls = Tls::VerifyFull { roots: Some(guarded().authority.clone()) };
    settings
}

fn look(settings: &Settings) -> syncline_core::Result<usize> {
    runtime().block_on(inspect(&system(), settings)).map(|tables| tables.len())
}

fn refused(settings: &Settings) -> Error {
    let error = look(settings).expect_err("it should be turned away");
    assert_eq!(error.kind(), Kind::Config, "{error}: {:?}", error.detail_text());
    assert!(error.hint_text().is_some(), "{error} has no hint");
    error
}

#[test]
fn scram_over_a_verified_connection_gets_in_and_streams() {
    let mut settings = verified("localhost");
    assert_eq!(look(&settings).unwrap(), 1);
    settings.slot = "guarded".into();
    settings.publication = "guarded".into();
    let recorder = Recorder::new();
    let running = recorder.start(&settings, &[table("t")]);
    recorder.wait("streaming", |state| state.is_streaming());
    let client = guarded().cluster.connect("postgres");
    client.run("INSERT INTO t SELECT generate_series(1, 20000)");
    recorder.wait("the rows", |state| state.rows_seen == 20_000);
    running.stop();
}

#[test]
fn md5_and_clear_text_passwords_get_in() {
    assert_eq!(look(&settings("127.0.0.1", "hashed", "pass-hashed")).unwrap(), 1);
    assert_eq!(look(&settings("127.0.0.1", "plain", "pass-plain")).unwrap(), 1);
}

#[test]
fn a_wrong_or_missing_password_is_named_and_never_printed() {
    let mut wrong = verified("localhost");
    wrong.password = Some(Secret::new("hunter2"));
    let error = refused(&wrong);
    assert!(error.to_string().contains("password authentication failed"), "{error}");
    assert!(!format!("{error:?} {wrong:?}").contains("hunter2"));
    wrong.password = None;
    assert!(refused(&wrong).to_string().contains("asks for a password"));
}

#[test]
fn a_certificate_for_another_name_or_by_a_stranger_is_refused() {
    assert!(refused(&verified("127.0.0.1")).to_string().contains("no TLS with 127.0.0.1"));
    let mut stranger = verified("localhost");
    stranger.tls = Tls::VerifyFull { roots: None };
    assert!(refused(&stranger).to_string().contains("no TLS with localhost"));
    let mut unverified = verified("127.0.0.1");
    unverified.tls = Tls::Require;
    assert_eq!(look(&unverified).unwrap(), 1);
}

#[test]
fn a_server_without_tls_or_a_rule_for_us_says_so() {
    let mut plain = Cluster::shared().settings("postgres");
    plain.host = "localhost".into();
    plain.tls = Tls::Require;
    assert!(refused(&plain).to_string().contains("does not offer TLS"));
    assert!(
        refused(&settings("127.0.0.1", "scram", "pass-scram")).to_string().contains("pg_hba.conf")
    );
    assert!(refused(&Cluster::shared().settings("nowhere")).to_string().contains("does not exist"));
}

#[test]
fn a_server_that_is_away_may_come_back() {
    let mut away = Cluster::shared().settings("postgres");
    away.port = 1;
    assert_eq!(look(&away).unwrap_err().kind(), Kind::Unavailable);
    away.host = "127.0.0.1".into();
    assert_eq!(look(&away).unwrap_err().kind(), Kind::Unavailable);
}
