//! Makes the seeds of the corpora anew from the real thing: a PostgreSQL server, our own encoders, the reference project.
//!
//! `cargo test --release --workspace --test seeds -- --ignored`; the state directory of a project whose log and claims
//! are wanted is named by `SYNCLINE_STATE`.

#![expect(clippy::unwrap_used, reason = "a test may panic; its helpers are not marked as tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use syncline_core::codec::{encode_entry, encode_standalone};
use syncline_core::{
    Body, Boundary, ChangeLog, Cursor, Entry, Position, ReaderName, SystemName, Topic,
};

use syncline_demo::{Binaries, Cluster, ClusterOptions};
use syncline_fuzz::{AS_IT_IS, REPAIRED, batches, frame};
use syncline_log::{EmbeddedLog, Settings};
use syncline_postgres::fuzzing::{COLUMNS, EVERYTHING, WHOLE};
use syncline_resolve::store::{RowStore, StoreSettings};
use syncline_resolve::{Rows, Scanned};
use syncline_segment::RealDisk;

/// Most bytes of a seed.
const SEED_BYTES_MAX: usize = 12 << 10;

fn seed(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("seed-{name}")), bytes).unwrap();
}

/// A server with the tables that the targets know.
struct Server(Cluster);

impl Server {
    fn start() -> Self {
        let settings =
            [("wal_level", "logical"), ("logical_decoding_work_mem", "64kB"), ("timezone", "UTC")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let server =
            Self(Cluster::start(ClusterOptions { settings, ..Default::default() }).unwrap());
        let columns = COLUMNS.map(|(name, native, ..)| format!("{name} {native}")).join(", ");
        server.run(&format!(
            "CREATE TABLE everything ({columns}, PRIMARY KEY (id));
             CREATE TABLE whole (id int PRIMARY KEY, txt text, raw bytea);
             ALTER TABLE whole REPLICA IDENTITY FULL;
             ALTER TABLE everything ALTER txt SET STORAGE external;
             CREATE PUBLICATION p FOR ALL TABLES;"
        ));
        server.run("SELECT pg_create_logical_replication_slot('s', 'pgoutput')");
        server
    }

    fn run(&self, sql: &str) -> String {
        let mut psql = Binaries::find().unwrap().command("psql");
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", &self.0.url("postgres"), "-c", sql]);
        let output = psql.output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the stream has of these statements, as frames of the wire.
    fn streamed(&self, sql: &str) -> Vec<u8> {
        self.run(sql);
        let messages = self.run(
            "SELECT encode(data, 'hex') FROM pg_logical_slot_get_binary_changes('s', NULL, NULL,
             'proto_version', '2', 'publication_names', 'p', 'streaming', 'on', 'messages', 'on')",
        );
        let oids = [("everything", EVERYTHING), ("whole", WHOLE)].map(|(table, oid)| {
            let now: u32 =
                self.run(&format!("SELECT '{table}'::regclass::oid")).trim().parse().unwrap();
            (now, oid)
        });
        let (mut frames, mut rows) = (Vec::new(), 0);
        for line in messages.lines() {
            let message = oids.iter().fold(bytes(line), |message, (now, oid)| {
                replaced(&message, &now.to_be_bytes(), &oid.to_be_bytes())
            });
            // Of many rows in a block the first few say it all.
            rows = if message.first() == Some(&b'I') { rows + 1 } else { 0 };
            if rows <= 3 {
                frames.extend(frame(&message));
            }
        }
        frames
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn replaced(bytes: &[u8], from: &[u8; 4], to: &[u8; 4]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len().saturating_sub(3) {
        if bytes[at..at + 4] == *from {
            bytes[at..at + 4].copy_from_slice(to);
        }
    }
    bytes
}

/// A row, and one of extremes.
const ROWS: &str = "
INSERT INTO everything VALUES (1, -2, 3, 1.5, 'NaN', true, 12.34, 1e-10, -7e3, E'a \\'text\\'\\t\\\\', 'ab', '\\x00ff',
    '2026-11-27', '24:00', '2026-11-27 05:00:00.5', 'infinity', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{\"a\": [1]}', '{1,NULL}');
INSERT INTO everything VALUES (2, 32767, -9223372036854775808, '-Infinity', 4.9e-324, false, 'NaN', -9999999999999999999999999999.9999999999,
    'Infinity', '', '', '\\x', '4713-01-01 BC', '00:00', '294276-12-31 23:59:59.999999', '4713-01-02 00:00+00 BC',
    'ffffffff-ffff-ffff-ffff-ffffffffffff', 'null', '{{1,2},{3,4}}');
INSERT INTO everything (id) VALUES (3);
INSERT INTO whole VALUES (1, 'ünïcødé 🎓', NULL);";

#[test]
#[ignore = "makes seeds"]
fn of_a_replication_stream_and_a_first_copy() {
    let server = Server::start();
    seed("pgoutput", "insert", &server.streamed(ROWS));
    let copied = server.run("COPY everything TO STDOUT");
    seed("snapshot", "all", copied.as_bytes());
    for (at, line) in copied.lines().enumerate() {
        seed("snapshot", &at.to_string(), line.as_bytes());
    }
    let changes =
        "UPDATE everything SET small = 1 WHERE id = 1; UPDATE everything SET id = 9 WHERE id = 3;
        UPDATE whole SET txt = 'x'; DELETE FROM everything WHERE id = 9; DELETE FROM whole;";
    seed("pgoutput", "update-delete", &server.streamed(changes));
    let large = "INSERT INTO everything (id, txt, small) VALUES (4, repeat('x', 3000), 1);";
    seed("pgoutput", "large", &server.streamed(large));
    let kept =
        "UPDATE everything SET small = 2 WHERE id = 4; UPDATE everything SET id = 5 WHERE id = 4;";
    seed("pgoutput", "kept-back", &server.streamed(kept));
    let marked = "SELECT pg_logical_emit_message(true, 'syncline.write', 'syncline_x@d'); TRUNCATE everything, whole;";
    seed("pgoutput", "mark-truncate", &server.streamed(&format!("BEGIN; {marked} COMMIT")));
    let aborted =
        "BEGIN; INSERT INTO whole SELECT n, 'first' FROM generate_series(1, 900) n; SAVEPOINT a;
        INSERT INTO whole SELECT n, 'second' FROM generate_series(1000, 1900) n; ROLLBACK TO a;
        INSERT INTO whole SELECT n, 'third' FROM generate_series(2000, 2900) n; COMMIT";
    seed("pgoutput", "in-progress", &server.streamed(aborted));
    let gone =
        "BEGIN; INSERT INTO whole SELECT n, 'gone' FROM generate_series(4000, 4900) n; ROLLBACK";
    seed("pgoutput", "rolled-back", &server.streamed(gone));
    let altered =
        "ALTER TABLE whole ADD COLUMN more int; INSERT INTO whole VALUES (5000, 'a', 'b', 7)";
    seed("pgoutput", "new-column", &server.streamed(altered));
}

fn entries() -> Vec<Entry> {
    let position = Position { epoch: 1, commit: 256, ordinal: 0 };
    let boundary = Some(Boundary { position, committed_at: 7 });
    let table = batches()[0].schema().name().clone();
    let rows = batches().iter().map(|batch| Entry { body: Body::Rows(batch.clone()), boundary });
    let mut entries: Vec<Entry> = rows.collect();
    entries.push(Entry { body: Body::Truncate(vec![table]), boundary: None });
    entries.push(Entry { body: Body::Abandoned, boundary: None });
    entries.push(Entry { body: Body::Nothing, boundary });
    entries
}

#[test]
#[ignore = "makes seeds"]
fn of_entries_and_batches() {
    for (at, entry) in entries().iter().enumerate() {
        let encoded = encode_entry(entry, 0).unwrap();
        seed("entry", &at.to_string(), &[encoded.head, encoded.body].concat());
    }
    for (at, batch) in batches().iter().enumerate() {
        seed("batch", &at.to_string(), &encode_standalone(batch).unwrap());
    }
}

#[tokio::test]
#[ignore = "makes seeds"]
async fn of_a_log() {
    let directory = tempfile::tempdir().unwrap();
    let topic = Topic::changes(&SystemName::new("finance"));
    let log = EmbeddedLog::open(directory.path(), Settings::default()).unwrap();
    let reader = ReaderName::apply(&SystemName::new("lms"), &topic);
    for entry in entries() {
        log.append(&topic, vec![entry]).await.unwrap().durable.await.unwrap();
    }
    let end = log.tail(&topic).await.unwrap().next;
    log.commit(&reader, &topic, end).await.unwrap();
    let file = files(&directory.path().join("topics"), "log").pop().unwrap();
    let open = fs::read(&file).unwrap();
    drop(log);
    for (name, bytes) in [("open", open), ("closed", fs::read(&file).unwrap())] {
        segment(&["frames", "log"], name, &bytes);
    }
}

/// A file of frames, as it is and with checksums that follow what is changed.
fn segment(targets: &[&str], name: &str, file: &[u8]) {
    let file = &file[..file.len().min(SEED_BYTES_MAX)];
    for target in targets {
        seed(target, name, &[&[AS_IT_IS], file].concat());
        seed(target, &format!("{name}-repaired"), &[&[REPAIRED], file].concat());
    }
}

/// The files with this extension below a folder.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
#[ignore = "makes seeds"]
fn of_a_store_of_claims() {
    let directory = tempfile::tempdir().unwrap();
    let settings = StoreSettings { segment_bytes: 4 << 10, garbage_share: 0.5 };
    let mut store = RowStore::open(Arc::new(RealDisk), directory.path(), settings).unwrap();
    for commit in 0..8_u8 {
        store.write(&[b'k', commit % 3], &[commit; 20]).unwrap();
        store.remove(&[b'k', commit % 2]).unwrap();
        store.commit(&[commit]).unwrap();
    }
    drop(store);
    segment(
        &["frames", "store"],
        "claims",
        &fs::read(&files(directory.path(), "claims")[0]).unwrap(),
    );
}

/// Of a project that ran: its log, and its claims.
#[test]
#[ignore = "makes seeds"]
fn of_a_project_that_ran() {
    let Some(state) = std::env::var_os("SYNCLINE_STATE").map(PathBuf::from) else { return };
    let log = state.join("log/topics/changes.finance/00000000000000000000.log");
    segment(&["log"], "ran", &fs::read(log).unwrap());
    for (at, file) in files(&state, "claims").iter().take(3).enumerate() {
        segment(&["store"], &format!("ran-{at}"), &fs::read(file).unwrap());
        let copy = tempfile::tempdir().unwrap();
        fs::copy(file, copy.path().join("00000001.claims")).unwrap();
        let settings = StoreSettings::default();
        let mut store = RowStore::open(Arc::new(RealDisk), copy.path(), settings).unwrap();
        let mut scanned = Scanned::default();
        store.scan(Cursor::default(), 1 << 20, &mut scanned).unwrap();
        let mut rows: Vec<&[u8]> =
            (0..scanned.len()).filter_map(|of| Some(scanned.get(of)?.1)).collect();
        rows.sort_by_key(|row| row.len());
        for (of, row) in rows.iter().step_by((rows.len() / 8).max(1)).enumerate() {
            seed("claims", &format!("ran-{at}-{of}"), row);
        }
    }
}

/// The reference project's files, told apart by their first byte.
#[test]
#[ignore = "makes seeds"]
fn of_a_project() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mappings/university");
    for file in files(&project, "toml") {
        let name = file.strip_prefix(&project).unwrap().to_str().unwrap().replace(['/', '.'], "-");
        let kind = match name.as_str() {
            "syncline-toml" => b's',
            name if name.ends_with("entity-toml") => b'e',
            _ => b'c',
        };
        seed("project", &name, &[&[kind], fs::read(&file).unwrap().as_slice()].concat());
    }
    for file in files(&project, "sql") {
        let name = file.strip_prefix(&project).unwrap().to_str().unwrap().replace(['/', '.'], "-");
        seed("sql", &name, &fs::read(&file).unwrap());
    }
    if let Some(lock) = std::env::var_os("SYNCLINE_LOCK") {
        // As many tables as there is room for.
        let text = fs::read_to_string(lock).unwrap();
        let until = text[..text.len().min(SEED_BYTES_MAX)].rfind("\n\n[tables").unwrap();
        seed("project", "lock", format!("l{}", &text[..until]).as_bytes());
    }
}

/// Records as Debezium's connectors write them, kept by the tests of that crate.
#[test]
#[ignore = "makes seeds"]
fn of_debezium() {
    let records =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../connectors/debezium/tests/format/records");
    for file in files(&records, "json") {
        let text = fs::read_to_string(&file).unwrap();
        let Some((key, value)) = text.split_once("\"value\":") else { continue };
        let key = key.trim_start_matches(['{', ' ', '\n']).trim_start_matches("\"key\":").trim();
        let (key, value) = (key.trim_end_matches(','), value.trim().strip_suffix('}').unwrap());
        let packed = |text: &str| text.lines().map(str::trim).collect::<String>();
        let (key, value) = (packed(key), packed(value));
        let length = u16::try_from(key.len()).unwrap().to_be_bytes();
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        seed("debezium", &name, &[&length[..], key.as_bytes(), value.as_bytes()].concat());
    }
}

/// Mappings over the table that the targets know.
#[test]
#[ignore = "makes seeds"]
fn of_sql() {
    let into = "INSERT INTO lms.public.everything";
    for (name, text) in [
        (
            "all",
            "(id, txt, exact) SELECT id, upper(trim(txt)) || 'x', exact * 2 + 1 FROM sis.public.everything WHERE flag AND small > 3",
        ),
        (
            "case",
            "(id, txt) SELECT id, CASE WHEN flag THEN coalesce(txt, 'a') ELSE padded END FROM sis.public.everything",
        ),
        (
            "times",
            "(id, day, instant, small) SELECT id, day + 1, CAST(local AS timestamptz), extract(YEAR FROM day)::int2 FROM sis.public.everything",
        ),
        (
            "texts",
            "(id, txt) SELECT id, substring(txt, 1, 3) || regexp_replace(txt, 'a+', 'b', 'g') FROM sis.public.everything WHERE txt LIKE 'a%' OR txt IN ('x', 'y')",
        ),
        (
            "numbers",
            "(id, big, double) SELECT id, (big / 3) % 7, round(double::numeric, 2)::float8 FROM sis.public.everything WHERE single IS NOT NULL",
        ),
        (
            "nested",
            "(id, small) SELECT id, small FROM (SELECT id, small, flag FROM sis.public.everything WHERE id > 1) s WHERE flag",
        ),
        (
            "digest",
            "(id, txt, raw) SELECT id, encode(sha256(raw), 'hex'), decode('00ff', 'hex') FROM sis.public.everything",
        ),
    ] {
        seed("sql", name, format!("{into} {text};").as_bytes());
    }
    let entity = "INSERT INTO person (id, txt) SELECT id, lower(txt) FROM sis.public.everything";
    seed("sql", "entity", entity.as_bytes());
    let from =
        "INSERT INTO lms.public.everything (id, who) SELECT id, who FROM person WHERE NOT flag";
    seed("sql", "from-entity", from.as_bytes());
    let case = "cmapping = \"everything.sql\"\n\n[[case]]\nname = \"one\"\n[[case.change]]\ninsert = { id = 1, small = 2, txt = \"a\", exact = 1.5, flag = true }\n\n[[case.row]]\ninsert = { id = 1, small = 2, txt = \"A\", exact = 2.5 }\n";
    seed("project", "case", case.as_bytes());
}
