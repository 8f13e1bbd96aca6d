//! What a person is told when the project's files are wrong, and the lock's round trip.

use super::document::Document;
use super::entity::Entity;
use super::lock::Lock;
use super::log::Log;
use super::settings::Settings;
use super::systems::{Postgres, System};
use super::values::Surroundings;
use super::{Project, between, render_drift};
use crate::problem::{Failure, Problem};
use crate::render;
use arrow_schema::{DataType, Field, Fields, IntervalUnit, TimeUnit};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use syncline_core::{
    CatalogTable, Column, ForeignKey, Identity, Secret, SystemName, TableName, TableSchema,
};
use syncline_log::{Compression, KafkaSettings, Sasl, Security, Tls};

const GOOD: &str = r#"[project]
name = "university"
time_zone = "Europe/Madrid"

[systems.sis]
connector = "postgres"
host = { env = "SIS_HOST" }
port = { env = "SIS_PORT" }
database = "sis"
user = "syncline"
password = { env = "SIS_PASSWORD" }
"#;

fn told(text: &str) -> String {
    render::problems(&Settings::parse(text).expect_err("the text is wrong"))
}

fn entity_told(text: &str) -> String {
    let problems = Entity::parse("person/entity.toml", text).expect_err("the text is wrong");
    render::problems(&problems)
}

fn variables(named: &[(&str, &str)]) -> Surroundings {
    let variables = named.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Surroundings { directory: "/nowhere".into(), variables }
}

fn failure_told(failure: &Failure) -> String {
    render::problems(&failure.problems)
}

#[test]
fn malformed_toml_shows_the_line() {
    insta::assert_snapshot!(told("[project]\nname = university\n[log\n"));
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once() {
    insta::assert_snapshot!(told(
        r#"[project]
nmae = "university"
time_zone = 1

[log]
segment_bytes = 64

[systems.sis]
connector = "postgresql"

[systems.LMS]
connector = "postgres"

[systems.hr]
connector = "postgres"
host = { evn = "HR_HOST" }
port = 70000
user = "syncline"
tls = "on"
tls_roots = "ca.pem"

[systems.hr.limits]
heartbeat = "ten"
batch_rows_max = 0
batch_rows = 10

[extra]
"#
    ));
}

#[test]
fn a_log_at_brokers_is_told_what_it_lacks() {
    insta::assert_snapshot!(told(&format!(
        r#"{GOOD}
[log]
kind = "kafka"
prefix = 7
tls_roots = "ca.pem"
compression = "lz5"
replicas = 0
segment_bytes = "1GiB"

[log.sasl]
mechanism = "SCRAM-SHA-1"
user = "syncline"
"#
    )));
    insta::assert_snapshot!(told(&format!("{GOOD}\n[log]\nkind = \"kafak\"\n")));
}

/// The log's settings at brokers, with these variables.
fn kafka(log: &str, named: &[(&str, &str)]) -> Result<KafkaSettings, Vec<Problem>> {
    let text = format!("{GOOD}\n[log]\nkind = \"kafka\"\n{log}");
    let Ok(Settings { log: Log::Kafka(kafka), .. }) = Settings::parse(&text) else {
        unreachable!("{text}")
    };
    kafka.resolve(&variables(named))
}

#[test]
fn a_log_at_brokers_is_looked_up_when_it_is_used() {
    let plain = kafka("brokers = [\"a:9092\", \"b:9092\"]", &[]).expect("all is there");
    assert_eq!(plain.brokers, ["a:9092", "b:9092"]);
    assert_eq!((plain.prefix.as_str(), plain.security), ("university", Security::default()));

    let secured = r#"brokers = { env = "BROKERS" }
prefix = "uni"
tls = "verify-full"
tls_roots = "ca.pem"
tls_certificate = "own.pem"
tls_key = "own.key"
replicas = 3
replicas_in_sync_min = 2
compression = "zstd"

[log.sasl]
mechanism = "SCRAM-SHA-512"
user = "syncline"
password = { env = "PASSWORD" }
"#;
    let problems = kafka(secured, &[]).expect_err("two are missing");
    insta::assert_snapshot!(render::problems(&problems));
    let named = [("BROKERS", "a:9092, b:9092,"), ("PASSWORD", "hunter2")];
    let found = kafka(secured, &named).expect("all is there");
    assert_eq!(
        (found.prefix.as_str(), found.brokers),
        ("uni", vec!["a:9092".into(), "b:9092".into()])
    );
    let at = |name: &str| PathBuf::from("/nowhere").join(name);
    let tls = Tls { roots: Some(at("ca.pem")), certificate: Some((at("own.pem"), at("own.key"))) };
    assert_eq!(found.security.tls, Some(tls));
    let password = Secret::new("hunter2");
    let user = "syncline".into();
    assert_eq!(found.security.sasl, Some(Sasl::Scram512 { user, password }));
    assert_eq!((found.replicas, found.replicas_in_sync_min), (Some(3), Some(2)));
    assert_eq!(found.compression, Compression::Zstd);

    let token = "brokers = \"a:9092\"\n[log.sasl]\nmechanism = \"OAUTHBEARER\"\ntoken_url = \"https://id/token\"\nclient = \"c\"\nsecret = \"s\"\n";
    let found = kafka(token, &[]).expect("all is there").security.sasl;
    assert!(matches!(found, Some(Sasl::OAuth { client, scope: None, .. }) if client == "c"));
}

#[test]
fn an_empty_file_says_what_a_project_needs() {
    insta::assert_snapshot!(told(""));
}

#[test]
fn a_setting_in_place_of_a_table_is_told() {
    insta::assert_snapshot!(told("project = \"university\"\nsystems = []\n"));
}

fn postgres<'a>(settings: &'a Settings, name: &str) -> &'a Postgres {
    match &settings.systems[&SystemName::new(name)] {
        System::Postgres(postgres) => postgres,
        other => unreachable!("{name} is {}", other.kind()),
    }
}

#[test]
fn missing_variables_are_told_only_when_the_system_is_used() {
    let settings = Settings::parse(GOOD).expect("the text is good");
    let sis = postgres(&settings, "sis");
    let problems = sis.resolve(&variables(&[("SIS_PORT", "5432")])).expect_err("two are missing");
    insta::assert_snapshot!(render::problems(&problems));
}

#[test]
fn a_port_that_is_no_number_is_told_without_its_text() {
    let settings = Settings::parse(GOOD).expect("the text is good");
    let sis = postgres(&settings, "sis");
    let from = [("SIS_HOST", "h"), ("SIS_PORT", "hunter2"), ("SIS_PASSWORD", "hunter2")];
    let problems = sis.resolve(&variables(&from)).expect_err("the port is wrong");
    let told = render::problems(&problems);
    assert!(!told.contains("hunter2"), "{told}");
    insta::assert_snapshot!(told);
}

#[test]
fn settings_carry_their_limits_and_keep_the_password_hidden() {
    let text = format!(
        "{GOOD}tls = \"verify-full\"\ntls_roots = \"ca.pem\"\n[systems.sis.limits]\n\
         connect_timeout = \"3s\"\nbatch_bytes_max = \"4MiB\"\nwal_bytes_max = \"1GiB\"\n"
    );
    let settings = Settings::parse(&text).expect("the text is good");
    let sis = postgres(&settings, "sis");
    let from = [("SIS_HOST", "db"), ("SIS_PORT", "5433"), ("SIS_PASSWORD", "hunter2")];
    let resolved = sis.resolve(&variables(&from)).expect("all is there");
    assert_eq!((resolved.host.as_str(), resolved.port), ("db", 5433));
    assert_eq!(resolved.slot, "syncline_sis");
    assert_eq!(resolved.connect_timeout.as_secs(), 3);
    assert_eq!(resolved.batch_bytes_max, 4 << 20);
    assert_eq!(resolved.wal_bytes_max, Some(1 << 30));
    let roots = Some("/nowhere/ca.pem".into());
    assert_eq!(resolved.tls, syncline_postgres::Tls::VerifyFull { roots });
    assert!(!format!("{resolved:?}{settings:?}").contains("hunter2"));
}

#[test]
fn topics_are_a_system_like_others() {
    let text = format!(
        "{}\n[systems.topics]\nconnector = \"debezium\"\nbrokers = {{ env = \"BROKERS\" }}\n\
         images = \"whole\"\npass_over = [\"t/0/7\"]\n\n[systems.topics.topics]\n\
         \"public.students\" = \"dbserver1.public.students\"\n\n[systems.topics.limits]\n\
         linger = \"5ms\"\nchunk_bytes_max = \"1MiB\"\n",
        GOOD
    );
    let settings = Settings::parse(&text).expect("the text is good");
    let System::Debezium(topics) = &settings.systems[&SystemName::new("topics")] else {
        unreachable!("it is topics")
    };
    let found = topics.resolve(&variables(&[("BROKERS", "a:1, b:2")])).expect("all is there");
    let found = found.expect("topics are read");
    assert_eq!(found.kafka.brokers, ["a:1", "b:2"]);
    assert_eq!(found.topics["public.students"], "dbserver1.public.students");
    assert!(found.group.ends_with(".capture.topics"), "{}", found.group);
    assert!(found.pass_over.contains("t/0/7"));
    assert_eq!((found.linger.as_millis(), found.chunk_bytes_max), (5, 1 << 20));
    assert_eq!(found.format.images, syncline_debezium::Images::Whole);

    let wrong = text.replace("\"public.students\" =", "\"students\" =");
    let told = render::problems(&Settings::parse(&wrong).expect_err("no schema is said"));
    assert!(told.contains("found \"students\""), "{told}");
}

#[test]
fn bad_entities_are_told() {
    insta::assert_snapshot!(entity_told(
        r#"[entity]
name = "Person"
key = ["person_id", "nam"]

[fields.person_id]
type = "text"

[fields.name]
type = "txt"

[fields.email]
doc = "how we write to them"
policy = "newest"
"#
    ));
}

#[test]
fn an_entity_without_a_key_is_told() {
    insta::assert_snapshot!(entity_told(
        "[entity]\nname = \"person\"\nkey = []\n[fields.id]\ntype = \"text\"\n"
    ));
}

#[test]
fn an_entity_keeps_the_order_of_its_fields_and_its_key_is_never_null() {
    let text = "[entity]\nname = \"person\"\nkey = [\"b\"]\n[fields.b]\ntype = \"text\"\n\
                [fields.a]\ntype = \"Numeric (50, 2)\"\n";
    let entity = Entity::parse("person/entity.toml", text).expect("the text is good");
    assert_eq!(entity.schema.columns()[1].native_type, "numeric(50,2)");
    let columns: Vec<_> =
        entity.schema.columns().iter().map(|c| (c.name.as_str(), c.nullable)).collect();
    assert_eq!(columns, [("b", false), ("a", true)]);
    assert_eq!(entity.schema.key(), [0]);
}

#[test]
fn an_entity_declared_twice_and_a_missing_lock_are_told() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let write = |path: &str, text: &str| {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().expect("has a folder")).expect("made");
        fs::write(path, text).expect("written");
    };
    write("syncline.toml", GOOD);
    let person = "[entity]\nname = \"person\"\nkey = [\"id\"]\n[fields.id]\ntype = \"text\"\n";
    write("person/entity.toml", person);
    let project = Project::open(directory.path()).expect("one entity is good");
    insta::assert_snapshot!(failure_told(&project.read_lock().expect_err("there is no lock")));

    write("people/entity.toml", person);
    let failure = Project::open(directory.path()).expect_err("two entities clash");
    insta::assert_snapshot!(failure_told(&failure));
}

#[test]
fn an_unknown_system_is_told_with_the_nearest_name() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::write(directory.path().join("syncline.toml"), GOOD).expect("written");
    let project = Project::open(directory.path()).expect("the project is good");
    let failure = project.postgres(&SystemName::new("siss")).expect_err("no such system");
    insta::assert_snapshot!(failure_told(&failure));
}

#[test]
fn hidden_folders_and_the_state_directory_are_not_looked_into() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let settings = format!("{GOOD}[state]\ndirectory = \"state\"\n");
    fs::write(directory.path().join("syncline.toml"), settings).expect("written");
    for folder in ["state", ".hidden", "person", "person/tests"] {
        fs::create_dir_all(directory.path().join(folder)).expect("made");
        fs::write(directory.path().join(folder).join("a.sql"), "SELECT 1").expect("written");
        fs::write(directory.path().join(folder).join("case.toml"), "").expect("written");
    }
    let project = Project::open(directory.path()).expect("the project is good");
    let paths =
        |files: &[super::TextFile]| files.iter().map(|f| f.path.clone()).collect::<Vec<_>>();
    assert_eq!(paths(&project.mappings), ["person/a.sql", "person/tests/a.sql"]);
    assert_eq!(paths(&project.cases), ["person/tests/case.toml"]);
}

fn column(name: &str, native_type: &str, data_type: DataType) -> Column {
    Column {
        name: name.into(),
        id: 1,
        data_type,
        native_type: native_type.into(),
        nullable: true,
        has_default: false,
        generated: false,
    }
}

fn every_type() -> Vec<Column> {
    let item = |data_type| DataType::List(Arc::new(Field::new_list_field(data_type, true)));
    let fields = Fields::from(vec![
        Field::new("x y", DataType::Int32, true),
        Field::new("z", DataType::Decimal128(10, 2), true),
    ]);
    let types = [
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::Float32,
        DataType::Float64,
        DataType::Boolean,
        DataType::Decimal128(38, 0),
        DataType::Utf8,
        DataType::Binary,
        DataType::Date32,
        DataType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::FixedSizeBinary(16),
        item(DataType::Utf8),
        item(item(DataType::Int32)),
        DataType::Struct(fields),
    ];
    types
        .into_iter()
        .enumerate()
        .map(|(at, data_type)| column(&format!("c{at}"), "its \"type\"", data_type))
        .collect()
}

fn catalog() -> Lock {
    let sis = SystemName::new("sis");
    let students = CatalogTable {
        schema: TableSchema::new(
            TableName::table(&sis, "public", "students"),
            0,
            vec![
                Column { nullable: false, ..column("student_id", "text", DataType::Utf8) },
                Column { id: 2, ..column("email", "public.address", DataType::Utf8) },
                Column { id: 4, has_default: true, ..column("mood", "mood", DataType::Utf8) },
            ],
            vec![0],
        ),
        identity: Identity::Key,
        foreign_keys: vec![ForeignKey {
            name: "students_program".into(),
            columns: vec!["email".into()],
            references: TableName::table(&sis, "public", "programs"),
            referenced: vec!["code".into()],
        }],
        unique: vec![vec!["email".into()]],
        enums: vec![("mood".into(), vec!["sad".into(), "happy \"y\"".into()])],
        domains: vec![("email".into(), "character varying(100)".into())],
        rows_estimated: 0,
    };
    let odd = CatalogTable {
        schema: TableSchema::new(
            TableName::table(&sis, "Weird Schema", "dotted.table"),
            0,
            every_type(),
            Vec::new(),
        ),
        identity: Identity::Nothing,
        foreign_keys: Vec::new(),
        unique: Vec::new(),
        enums: Vec::new(),
        domains: Vec::new(),
        rows_estimated: 0,
    };
    Lock::of([students, odd])
}

#[test]
fn a_lock_reads_back_as_it_was_written() {
    let lock = catalog();
    let text = lock.to_text();
    assert_eq!(Lock::parse(&text), Ok(lock));
    insta::assert_snapshot!(text);
}

#[test]
fn a_lock_that_was_edited_badly_is_told() {
    let text = catalog().to_text().replace("identity = \"key\"", "identity = \"kee\"");
    let problem = Lock::parse(&text).expect_err("the identity is wrong");
    insta::assert_snapshot!(render::problems(&[problem]));
    let text = catalog().to_text().replace("key = [\"student_id\"]", "key = [\"id\"]");
    let problem = Lock::parse(&text).expect_err("the key is wrong");
    insta::assert_snapshot!(render::problems(&[problem]));
}

#[test]
fn drift_is_a_diff_of_columns() {
    let before = catalog();
    let mut after = before.clone();
    let name = TableName::table(&SystemName::new("sis"), "public", "students");
    let table = after.tables.get_mut(&name).expect("is there");
    let mut columns = table.schema.columns().to_vec();
    columns[1].native_type = "character varying(60)".into();
    columns[1].nullable = false;
    columns[2] = Column { id: 5, ..column("nickname", "text", DataType::Utf8) };
    table.schema = TableSchema::new(name, 0, columns, vec![0, 1]);
    table.identity = Identity::Full;
    table.domains.clear();
    after.tables.retain(|name, _| !name.to_string().contains("dotted"));
    assert_eq!(between(&before, &before), []);
    insta::assert_snapshot!(render_drift(&between(&before, &after)));
}

#[test]
fn a_document_reads_on_after_a_mistake() {
    let document = Document::new("x.toml", "a = 1\nb = 2\n");
    let read = document.read(|root| {
        let wrong: Option<String> = root.optional("a");
        let right: Option<u64> = root.optional("b");
        assert_eq!((wrong, right), (None, Some(2)));
        right
    });
    assert_eq!(document.finish(read).expect_err("a is wrong").len(), 1);
}

#[test]
fn names_that_decisions_need_are_refused() {
    let settings = "[project]\nname = \"x\"\n\n[systems.decisions]\nconnector = \"discard\"\n";
    let mut told = Settings::parse(settings).expect_err("the name is taken");
    let entity = "[entity]\nname = \"person\"\nkey = [\"id\"]\n\n[fields.id]\ntype = \"text\"\n\n\
                  [fields.existence]\ntype = \"text\"\n";
    told.extend(Entity::parse("person/entity.toml", entity).expect_err("the name is taken"));
    insta::assert_snapshot!(render::problems(&told));
}
