//! Getting in at a real broker that lets not everybody: TLS, logins, rights; and being turned away with a reason.

use crate::kafka::open;
use crate::topic;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use syncline_core::conformance::{same_entry, sample_entry};
use syncline_core::{
    ChangeLog, Error, Journal, JournalPlace, Journaled, Kind, Offset, Secret, Topic,
};
use syncline_demo::{Broker, BrokerOptions};
use syncline_log::{
    KafkaLease, KafkaLog, KafkaSettings, Sasl, Security, Standing, Tls, worker_elsewhere,
};

/// TLS and a login; TLS alone, by certificates on both sides.
const LOGIN: &str = "LOGIN";
const MUTUAL: &str = "MUTUAL";
const USER: &str = "syncline";
const PASSWORD: &str = "open-sesame";
/// What our user may name topics, transactions and groups by.
const PREFIX: &str = "guarded";

/// A broker that lets in who logs in, and then only to what is theirs.
struct Guarded {
    broker: Broker,
    /// The authority's certificate, our own with its key, and those of another authority.
    certificates: tempfile::TempDir,
    token_url: String,
}

/// The broker that these tests share; it ends with the last of them.
fn guarded() -> Arc<Guarded> {
    static GUARDED: Mutex<Weak<Guarded>> = Mutex::new(Weak::new());
    let mut shared = GUARDED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let guarded = Arc::new(Guarded::start());
        *shared = Arc::downgrade(&guarded);
        guarded
    })
}

impl Guarded {
    fn start() -> Self {
        let certificates = certificates();
        let at = |file: &str| certificates.path().join(file).display().to_string();
        let module = |name: &str| format!("org.apache.kafka.common.security.{name} required");
        let settings = [
            (
                "authorizer.class.name",
                "org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned(),
            ),
            ("super.users", "User:ANONYMOUS".to_owned()),
            ("ssl.principal.mapping.rules", "RULE:^CN=(.*)$/$1/".to_owned()),
            ("ssl.keystore.type", "PEM".to_owned()),
            ("ssl.keystore.location", at("broker.pem")),
            ("ssl.truststore.type", "PEM".to_owned()),
            ("ssl.truststore.location", at("ca.crt")),
            ("listener.name.mutual.ssl.client.auth", "required".to_owned()),
            (
                "listener.name.login.sasl.enabled.mechanisms",
                "SCRAM-SHA-256,SCRAM-SHA-512,PLAIN,OAUTHBEARER".to_owned(),
            ),
            (
                "listener.name.login.scram-sha-256.sasl.jaas.config",
                module("scram.ScramLoginModule") + ";",
            ),
            (
                "listener.name.login.scram-sha-512.sasl.jaas.config",
                module("scram.ScramLoginModule") + ";",
            ),
            (
                "listener.name.login.plain.sasl.jaas.config",
                module("plain.PlainLoginModule") + &format!(" user_{USER}=\"{PASSWORD}\";"),
            ),
            (
                "listener.name.login.oauthbearer.sasl.jaas.config",
                module("oauthbearer.OAuthBearerLoginModule")
                    + " unsecuredLoginStringClaim_sub=\"broker\";",
            ),
        ];
        let broker = Broker::start_with(&BrokerOptions {
            settings: settings.into_iter().map(|(name, it)| (name.to_owned(), it)).collect(),
            listeners: vec![(LOGIN, "SASL_SSL"), (MUTUAL, "SSL")],
            users: vec![
                ("SCRAM-SHA-256", USER, PASSWORD),
                ("SCRAM-SHA-512", USER, PASSWORD),
                ("SCRAM-SHA-512", "stranger", PASSWORD),
            ],
        });
        let guarded = Self { broker: broker.unwrap(), certificates, token_url: give_tokens() };
        guarded.allow();
        guarded
    }

    /// Lets our user do what `docs/operations.md` asks for, and no more.
    fn allow(&self) {
        let allow = |operations: &[&str], on: &[&str]| {
            let mut arguments = vec!["--add", "--allow-principal"];
            let user = format!("User:{USER}");
            arguments.push(&user);
            arguments.extend(operations.iter().flat_map(|it| ["--operation", it]));
            arguments.extend(on);
            self.broker.run_tool("org.apache.kafka.tools.AclCommand", &arguments).unwrap();
        };
        let names = format!("{PREFIX}.");
        let topics = ["Create", "Describe", "DescribeConfigs", "Read", "Write", "Delete"];
        allow(&topics, &["--resource-pattern-type", "prefixed", "--topic", &names]);
        let transactions = ["--resource-pattern-type", "prefixed", "--transactional-id", &names];
        allow(&["Describe", "Write"], &transactions);
        let groups = ["--resource-pattern-type", "prefixed", "--group", &names];
        allow(&["Read", "Describe"], &groups);
    }

    fn path(&self, file: &str) -> PathBuf {
        self.certificates.path().join(file)
    }

    fn settings(&self, listener: &str, security: Security) -> KafkaSettings {
        KafkaSettings {
            brokers: vec![self.broker.listener(listener).unwrap()],
            prefix: format!("{PREFIX}.university"),
            security,
            request_timeout: Duration::from_secs(5),
            ..KafkaSettings::default()
        }
    }

    fn by_login(&self, sasl: Sasl) -> KafkaSettings {
        let tls = Tls { roots: Some(self.path("ca.crt")), certificate: None };
        self.settings(LOGIN, Security { tls: Some(tls), sasl: Some(sasl) })
    }

    fn by_certificate(&self, name: &str) -> KafkaSettings {
        let own = (self.path(&format!("{name}.crt")), self.path(&format!("{name}.key")));
        let tls = Tls { roots: Some(self.path("ca.crt")), certificate: Some(own) };
        self.settings(MUTUAL, Security { tls: Some(tls), sasl: None })
    }
}

/// Two authorities; a certificate of the first for the broker, which is `localhost`, and of each for us.
fn certificates() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let script = "set -e; cd $0
        for authority in ca other; do
            openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=authority -keyout $authority.key -out $authority.crt
        done
        sign() { # name subject authority
            openssl req -newkey rsa:2048 -nodes -subj /CN=$2 -keyout $1.key -out $1.csr
            printf 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n' > names
            openssl x509 -req -in $1.csr -CA $3.crt -CAkey $3.key -CAcreateserial -days 30 -extfile names -out $1.crt
        }
        sign broker localhost ca; sign own syncline ca; sign foreign syncline other
        cat broker.key broker.crt ca.crt > broker.pem";
    let made = Command::new("sh").args(["-c", script]).arg(directory.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    directory
}

/// Gives tokens of our user to whoever knows the secret, for as long as this process lives; says where.
fn give_tokens() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let claims = format!(r#"{{"sub":"{USER}","iat":1700000000,"exp":4102444800}}"#);
    let token = format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&claims));
    let known = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut head, mut length) = (String::new(), 0);
            let mut reader = BufReader::new(&stream);
            while reader.read_line(&mut head).is_ok_and(|read| read > 2) {
                let line = head.lines().last().unwrap_or_default().to_ascii_lowercase();
                let told =
                    line.strip_prefix("content-length:").and_then(|it| it.trim().parse().ok());
                length = told.unwrap_or(length);
            }
            let mut asked = vec![0; length];
            reader.read_exact(&mut asked).unwrap();
            let (status, answer) = match head.contains(&known) {
                true => (
                    "200 OK",
                    format!(
                        r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":3600}}"#
                    ),
                ),
                false => ("401 Unauthorized", r#"{"error":"invalid_client"}"#.to_owned()),
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
                answer.len()
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    format!("http://{address}/token")
}

fn scram_512(user: &str, password: &str) -> Sasl {
    Sasl::Scram512 { user: user.to_owned(), password: Secret::new(password) }
}

/// Appends, and reads it back.
async fn uses(settings: &KafkaSettings, topic: &Topic) {
    let log = open(settings);
    let appended = log.append(topic, vec![sample_entry(1)]).await.unwrap();
    appended.durable.await.unwrap();
    let read = log.read(topic, Offset(0), 1 << 20).await.unwrap();
    assert!(same_entry(&read[0].entry, &sample_entry(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_login_gets_in_with_the_rights_that_are_asked_for() {
    let guarded = guarded();
    let password = || Secret::new(PASSWORD);
    let user = || USER.to_owned();
    let logins = [
        Sasl::Scram256 { user: user(), password: password() },
        scram_512(USER, PASSWORD),
        Sasl::Plain { user: user(), password: password() },
        Sasl::OAuth {
            token_url: guarded.token_url.clone(),
            client: user(),
            secret: password(),
            scope: None,
        },
    ];
    for (number, login) in logins.into_iter().enumerate() {
        uses(&guarded.by_login(login), &topic(&format!("login{number}"))).await;
    }
    uses(&guarded.by_certificate("own"), &topic("certificate")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_and_its_claims_need_no_more_rights() {
    let guarded = guarded();
    let mut settings = guarded.by_login(scram_512(USER, PASSWORD));
    settings.prefix = format!("{PREFIX}.worker");
    let log = open(&settings);
    let mut journal = log.journal("person").unwrap();
    journal.take_over().unwrap();
    journal.write(Journaled::Row(b"key", Some(b"row"))).unwrap();
    journal.commit().unwrap();
    let mut rows = 0;
    let count = &mut |_, _: Journaled<'_>| {
        rows += 1;
        Ok(())
    };
    journal.read(JournalPlace::default(), count).unwrap();
    assert_eq!(rows, 1);
    let lease = KafkaLease::join(settings.clone(), "guarded-worker").unwrap();
    let mut standing = lease.standing();
    let works = standing.wait_for(|it| matches!(it, Standing::Working));
    tokio::time::timeout(Duration::from_secs(20), works).await.expect("it works").unwrap();
    assert_eq!(worker_elsewhere(settings, "other").unwrap().as_deref(), Some("127.0.0.1"));
}

fn turned_away(settings: &KafkaSettings, hint: &str) -> Error {
    let error = match KafkaLog::open(settings.clone()) {
        Ok(_) => panic!("it should be turned away"),
        Err(error) => error,
    };
    assert_eq!(error.kind(), Kind::Config, "{error}: {:?}", error.detail_text());
    assert!(error.hint_text().is_some_and(|it| it.contains(hint)), "{error:?}");
    assert!(!format!("{error:?} {settings:?}").contains("hunter2"));
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_turned_away_is_told_what_mends_it() {
    let guarded = guarded();
    turned_away(&guarded.by_login(scram_512(USER, "hunter2")), "[log.sasl]");
    let (user, password) = (USER.to_owned(), Secret::new("hunter2"));
    turned_away(&guarded.by_login(Sasl::Plain { user, password }), "[log.sasl]");
    // Another authority's broker, or one of another name, may be anybody's.
    let login = guarded.by_login(scram_512(USER, PASSWORD));
    let trusting = |roots: &Path| {
        let mut settings = login.clone();
        settings.security.tls = Some(Tls { roots: Some(roots.to_owned()), certificate: None });
        settings
    };
    turned_away(&trusting(&guarded.path("other.crt")), "tls in [log]");
    let mut elsewhere = login.clone();
    elsewhere.brokers = vec![elsewhere.brokers[0].replace("localhost", "127.0.0.1")];
    turned_away(&elsewhere, "named as in their certificates");
    // One without a certificate, and one with somebody else's.
    turned_away(&guarded.by_certificate("foreign"), "tls in [log]");
    let mut bare = guarded.by_certificate("own");
    bare.security.tls = Some(Tls { roots: Some(guarded.path("ca.crt")), certificate: None });
    turned_away(&bare, "tls in [log]");
    // Who logs in may not do everything.
    turned_away(&guarded.by_login(scram_512("stranger", PASSWORD)), "let our user Create");
}
