//! How fast a waiting slot is read. Not part of the ordinary run: figures need a quiet machine.

use crate::cluster::{Cluster, table};
use crate::recorder::Recorder;
use std::time::Instant;

const ROWS: u64 = 1_000_000;

/// User and system time of this process, in seconds.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn drain(
    settings: &syncline_postgres::Settings,
    database: &crate::cluster::Database<'_>,
    sql: &str,
) {
    let recorder = Recorder::new();
    let tables = [table("person")];
    let running = recorder.start(settings, &tables);
    recorder.wait("streaming", |state| state.is_streaming());
    running.stop();
    database.run(sql);
    let wal = database.wal();
    recorder.forget_rows();
    let seen = recorder.with(|state| state.rows_seen);
    let (began, used) = (Instant::now(), cpu());
    let running = recorder.start(settings, &tables);
    recorder.wait("all rows", |state| state.is_past(wal));
    let (took, used) = (began.elapsed().as_secs_f64(), cpu() - used);
    running.stop();
    let rows = recorder.with(|state| state.rows_seen) - seen;
    #[expect(clippy::cast_precision_loss, clippy::disallowed_macros, reason = "a figure to read")]
    {
        let rows = rows as f64;
        eprintln!(
            "{rows} rows: {:.0} rows/s, {:.2} µs of CPU a row",
            rows / took,
            used * 1e6 / rows
        );
    }
}

#[test]
#[ignore = "a measurement"]
fn reads_a_waiting_slot() {
    let cluster = Cluster::start(&["shared_buffers = 1GB", "max_wal_size = 8GB"]);
    for tcp in [false, true] {
        let database = cluster.database();
        database.run(
            "CREATE TABLE person (id bigint PRIMARY KEY, given text, family text, email text, \
             born date, changed timestamptz, dept int, credits numeric(10,2), active bool)",
        );
        let insert = |from: u64, count: u64| {
            format!(
                "INSERT INTO person SELECT g, 'given' || g, 'family name ' || g, \
                 'person' || g || '@university.example', date '1990-01-01' + (g % 9000)::int, \
                 timestamptz '2026-01-01' + g * interval '1 s', (g % 20)::int, (g % 1000)::numeric / 7, \
                 g % 2 = 0 FROM generate_series({from}, {from} + {count} - 1) g;"
            )
        };
        let mut settings = database.settings();
        if tcp {
            settings.host = "127.0.0.1".into();
        }
        let thousands: Vec<String> = (0..ROWS / 1000)
            .map(|at| format!("BEGIN; {} COMMIT;", insert(at * 1000, 1000)))
            .collect();
        drain(&settings, &database, &thousands.concat());
        drain_again(&settings, &database, "UPDATE person SET dept = dept + 1");
    }
}

/// With the slot and publication that are there, dropped first.
fn drain_again(
    settings: &syncline_postgres::Settings,
    database: &crate::cluster::Database<'_>,
    sql: &str,
) {
    database.run(&format!("SELECT pg_drop_replication_slot('{}')", settings.slot));
    drain(settings, database, sql);
}
