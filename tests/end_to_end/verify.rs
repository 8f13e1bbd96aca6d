//! `syncline verify`: seeded damage is found, each time, and none where there is none: at rest, under traffic, in tables that
//! are fed straight and by an entity. What is found is mended.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use syncline_demo::Running;
use syncline_tests::{Outcome, Scene, until};
use tokio_postgres::Client;

const SOON: Duration = Duration::from_secs(60);

/// Types whose values the target has in a form of its own are among them.
const COLUMNS: &str = "id integer PRIMARY KEY, name text NOT NULL, amount numeric(12, 2), price numeric, doc jsonb,
     tags text[], code char(6), at timestamptz, ratio double precision, raw bytea, span interval, flag boolean, ref uuid";

/// The same, narrower: the target rounds.
const ROUNDING: &str = "id bigint PRIMARY KEY, name text NOT NULL, amount numeric, price numeric(10, 1), doc jsonb,
     tags varchar(40)[], code text, at timestamptz(0), ratio double precision, raw bytea, span interval, flag boolean, ref uuid";

const NAMES: &str = "id, name, amount, price, doc, tags, code, at, ratio, raw, span, flag, ref";

fn rows(from: u32, until: u32) -> String {
    format!(
        "INSERT INTO things SELECT i, 'n' || i, i * 1.5, i::numeric / 7, jsonb_build_object('b', i, 'a', 'x'),
             CASE WHEN i % 3 > 0 THEN ARRAY['t' || i, NULL, 'a,b'] END, 'c' || i % 90, '2026-01-01'::timestamptz + i * interval '1.3 s',
             CASE i % 50 WHEN 0 THEN 'NaN' WHEN 1 THEN '-0' ELSE i / 3.0 END, decode(md5(i::text), 'hex'),
             i * interval '1 day 1 minute', i % 2 = 0, md5(i::text)::uuid
         FROM generate_series({from}, {until}) AS i"
    )
}

/// Sources that say soon how far they are, though nothing happens.
pub(crate) fn settings(scene: &Scene, systems: &[&str]) -> String {
    let limits = |name: &&str| format!("\n[systems.{name}.limits]\nheartbeat = \"200ms\"\n");
    scene.settings() + &systems.iter().map(limits).collect::<String>()
}

/// A table that goes straight from one database to the other, running and at rest.
async fn straight() -> Result<(Scene, Running)> {
    let scene = Scene::new().await?;
    scene.write("syncline.toml", &settings(&scene, &["source"]))?;
    let (source, target) = (scene.source().await?, scene.target().await?);
    source.batch_execute(&format!("CREATE TABLE things ({COLUMNS})")).await?;
    source.batch_execute(&rows(1, 3000)).await?;
    target.batch_execute(&format!("CREATE TABLE things ({ROUNDING})")).await?;
    let said = NAMES.replace("price", "CAST(price AS numeric(10, 1))");
    let said = said.replace(" at,", " CAST(at AS timestamp(0) with time zone),");
    let statement = format!(
        "INSERT INTO target.public.things ({NAMES})\nSELECT {said} FROM source.public.things;\n"
    );
    scene.write("things/to_target.sql", &statement)?;
    let mut running = scene.start()?;
    scene.until_streaming(&mut running).await?;
    scene.until_same(&mut running, SOON, "SELECT count(*)::text FROM things").await?;
    Ok((scene, running))
}

pub(crate) fn verified(scene: &Scene, arguments: &[&str]) -> Result<(Outcome, Value)> {
    let outcome = scene.syncline(&[&["verify", "--json"], arguments].concat())?;
    let report = serde_json::from_str(&outcome.stdout);
    let report = report.with_context(|| format!("{outcome:?}"))?;
    Ok((outcome, report))
}

/// That the one table has so many rows missing, extra and different, and nothing that is not known.
fn ensure_found(scene: &Scene, arguments: &[&str], expected: [u64; 3]) -> Result<Value> {
    let (outcome, report) = verified(scene, arguments)?;
    let table = report["tables"][0].clone();
    let found = ["missing", "extra", "different"].map(|kind| table[kind].as_u64().unwrap_or(99));
    ensure!(found == expected, "{expected:?} was expected: {report}");
    let open =
        ["undecided", "ambiguous", "parked", "asked", "refused"].map(|kind| table[kind].as_u64());
    ensure!(open == [Some(0); 5] && table["skipped"].is_null(), "{report}");
    ensure!(outcome.code == i32::from(expected != [0; 3]), "{outcome:?}");
    Ok(table)
}

#[tokio::test]
async fn what_was_damaged_is_found_and_mended() -> Result<()> {
    let (scene, mut running) = straight().await?;
    let target = scene.target().await?;
    let table = ensure_found(&scene, &[], [0; 3])?;
    ensure!(table["rows_said"] == 3000 && table["rows_there"] == 3000, "{table}");
    ensure!(table["as_of"]["source"].as_str().is_some_and(|it| it.contains('/')), "{table}");

    target.batch_execute("DELETE FROM things WHERE id = 17").await?;
    let table = ensure_found(&scene, &["target.public.things"], [1, 0, 0])?;
    ensure!(table["keys"]["missing"] == serde_json::json!(["[\"17\"]"]), "{table}");
    target.batch_execute("INSERT INTO things (id, name) VALUES (90000, 'nobody')").await?;
    let table = ensure_found(&scene, &[], [1, 1, 0])?;
    ensure!(table["keys"]["extra"] == serde_json::json!(["[\"90000\"]"]), "{table}");
    target.batch_execute("UPDATE things SET name = 'N20' WHERE id = 20").await?;
    let table = ensure_found(&scene, &[], [1, 1, 1])?;
    ensure!(table["keys"]["different"] == serde_json::json!(["[\"20\"]"]), "{table}");

    // As a person reads it; nothing is changed until that is asked for.
    let said = scene.syncline(&["verify"])?;
    ensure!(said.code == 1 && said.stdout.contains("3 rows are damaged"), "{said:?}");
    // A surplus row goes only where that is asked for, too.
    ensure_found(&scene, &["--repair"], [0, 1, 0])?;
    let table = ensure_found(&scene, &["--repair", "--delete-extra"], [0; 3])?;
    ensure!(table["repair"]["deleted"] == 1, "{table}");
    ensure_found(&scene, &[], [0; 3])?;
    scene
        .until_same(&mut running, SOON, "SELECT string_agg(name, ',' ORDER BY id) FROM things")
        .await?;
    Ok(())
}

#[tokio::test]
async fn one_changed_byte_of_any_column_is_found() -> Result<()> {
    let (scene, _running) = straight().await?;
    let target = scene.target().await?;
    let changes = [
        "name = 'n5 '",
        "amount = amount + 0.01",
        "price = price - 0.1",
        "doc = jsonb_set(doc, '{a}', '\"y\"')",
        "tags = tags || NULL::varchar",
        "code = 'c6'",
        "at = at + interval '1 s'",
        "ratio = ratio + 1e-12",
        "raw = set_byte(raw, 3, get_byte(raw, 3) # 1)",
        "span = span + interval '1 microsecond'",
        "flag = NOT flag",
        "ref = gen_random_uuid()",
        "flag = NULL",
    ];
    for (id, change) in (4..).zip(changes) {
        target.batch_execute(&format!("UPDATE things SET {change} WHERE id = {id}")).await?;
    }
    // What means the same is the same.
    target
        .batch_execute("UPDATE things SET amount = amount::numeric(20, 8) WHERE id > 100")
        .await?;
    let table = ensure_found(&scene, &[], [0, 0, changes.len() as u64])?;
    let mut keys: Vec<String> = serde_json::from_value(table["keys"]["different"].clone())?;
    keys.sort();
    let mut expected: Vec<String> =
        (4..4 + changes.len()).map(|id| format!("[\"{id}\"]")).collect();
    expected.sort();
    ensure!(keys == expected, "{keys:?}");
    Ok(())
}

/// Changes of all kinds, as fast as the source takes them, until told to stop.
fn traffic(source: Client, stop: Arc<AtomicBool>) -> tokio::task::JoinHandle<Result<u32>> {
    tokio::spawn(async move {
        let mut round = 0;
        while !stop.load(Ordering::Relaxed) {
            round += 1;
            let (at, new) = (round * 37 % 2800 + 100, 10_000 + round);
            source
                .batch_execute(&format!(
                    "UPDATE things SET name = 'r{round}', price = price + 1 WHERE id BETWEEN {at} AND {at} + 20;
                     DELETE FROM things WHERE id = {at} + 3;
                     BEGIN;
                     UPDATE things SET id = {new} + 100000 WHERE id = {at} + 5;
                     INSERT INTO things (id, name) VALUES ({new}, 'new') ON CONFLICT DO NOTHING;
                     INSERT INTO things (id, name) VALUES ({at} + 3, 'again');
                     COMMIT;
                     DELETE FROM things WHERE id = {new} - 40"
                ))
                .await?;
        }
        Ok(round)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn under_traffic_nothing_is_found_but_damage() -> Result<()> {
    let (scene, _running) = straight().await?;
    let (source, target) = (scene.source().await?, scene.target().await?);
    let stop = Arc::new(AtomicBool::new(false));
    let changing = traffic(source, stop.clone());
    for _ in 0..3 {
        ensure_found(&scene, &[], [0; 3])?;
    }
    target
        .batch_execute(
            "DELETE FROM things WHERE id = 17;
             UPDATE things SET name = 'N18' WHERE id = 18;
             INSERT INTO things (id, name) VALUES (90000, 'nobody')",
        )
        .await?;
    for _ in 0..2 {
        ensure_found(&scene, &[], [1, 1, 1])?;
    }
    ensure_found(&scene, &["--repair", "--delete-extra"], [0; 3])?;
    stop.store(true, Ordering::Relaxed);
    let rounds = changing.await??;
    ensure!(rounds > 200, "{rounds} rounds of traffic");
    ensure_found(&scene, &[], [0; 3])?;
    Ok(())
}

const PERSON: &str = r#"
[entity]
name = "person"
key = ["person_id"]

[fields.person_id]
type = "text"

[fields.name]
type = "text"
prefer = ["source", "target"]

[fields.email]
type = "text"
policy = "newest"
"#;

#[tokio::test]
async fn a_table_that_an_entity_feeds_is_verified_and_mended() -> Result<()> {
    let scene = Scene::new().await?;
    scene.write("syncline.toml", &settings(&scene, &["source", "target"]))?;
    let (source, target) = (scene.source().await?, scene.target().await?);
    let columns = "(id text PRIMARY KEY, name text, email text)";
    source.batch_execute(&format!("CREATE TABLE students {columns}")).await?;
    target
        .batch_execute(&format!("CREATE TABLE staff {columns}; CREATE TABLE golden {columns}"))
        .await?;
    let people = |table: &str, from, until| {
        format!(
            "INSERT INTO {table} SELECT 'S' || i, '{table}' || i, i || '@{table}'
             FROM generate_series({from}, {until}) AS i"
        )
    };
    source.batch_execute(&people("students", 1, 2000)).await?;
    target.batch_execute(&people("staff", 1500, 2500)).await?;
    scene.write("person/entity.toml", PERSON)?;
    for (file, table) in
        [("from_sis", "source.public.students"), ("from_hr", "target.public.staff")]
    {
        let statement = format!(
            "INSERT INTO person (person_id, name, email)\nSELECT id, name, email FROM {table};\n"
        );
        scene.write(&format!("person/{file}.sql"), &statement)?;
    }
    let statement = "INSERT INTO target.public.golden (id, name, email)\nSELECT person_id, name, email FROM person;\n";
    scene.write("person/to_golden.sql", statement)?;
    let mut running = scene.start()?;
    let count = "SELECT count(*) FROM golden";
    until("all are there", SOON, async || {
        running.check()?;
        Ok(target.query_one(count, &[]).await?.get::<_, i64>(0) == 2500)
    })
    .await?;
    let table = ensure_found(&scene, &[], [0; 3])?;
    ensure!(table["rows_said"] == 2500, "{table}");
    source.batch_execute("UPDATE students SET email = 'later' WHERE id = 'S1600'").await?;
    target
        .batch_execute(
            "DELETE FROM golden WHERE id = 'S3';
             UPDATE golden SET name = name || '.' WHERE id = 'S1700';
             INSERT INTO golden VALUES ('X', 'nobody', NULL)",
        )
        .await?;
    let table = ensure_found(&scene, &["target.public.golden"], [1, 1, 1])?;
    ensure!(table["keys"]["missing"] == serde_json::json!(["[\"S3\"]"]), "{table}");
    ensure!(table["keys"]["different"] == serde_json::json!(["[\"S1700\"]"]), "{table}");
    ensure!(table["as_of"].as_object().is_some_and(|it| it.len() == 2), "{table}");
    let table = ensure_found(&scene, &["--repair", "--delete-extra"], [0; 3])?;
    ensure!(table["repair"]["missing"] == 1 && table["repair"]["deleted"] == 1, "{table}");
    Ok(())
}

#[tokio::test]
async fn rows_that_are_known_are_no_damage() -> Result<()> {
    let scene = Scene::new().await?;
    scene.write("syncline.toml", &settings(&scene, &["source"]))?;
    let (source, target) = (scene.source().await?, scene.target().await?);
    source.batch_execute("CREATE TABLE things (id integer PRIMARY KEY, name text)").await?;
    target
        .batch_execute(
            "CREATE TABLE things (id integer PRIMARY KEY, name text CHECK (name <> 'bad'))",
        )
        .await?;
    let all = "INSERT INTO things SELECT i, 'n' FROM generate_series(1, 100) AS i";
    source.batch_execute(all).await?;
    scene.map("things", "id, name")?;
    let mut running = scene.start()?;
    scene.until_streaming(&mut running).await?;
    scene.until_same(&mut running, SOON, "SELECT count(*)::text FROM things").await?;
    source.batch_execute("UPDATE things SET name = 'bad' WHERE id = 7").await?;
    target.batch_execute("DELETE FROM things WHERE id = 8").await?;
    until("the row is set aside", SOON, async || {
        running.check()?;
        Ok(scene.syncline(&["parked", "list", "--json"])?.stdout.contains("[\\\"7\\\"]"))
    })
    .await?;
    let (outcome, report) = verified(&scene, &[])?;
    let table = &report["tables"][0];
    ensure!(table["parked"] == 1 && table["missing"] == 1, "{report}");
    ensure!(table["different"] == 0 && table["keys"]["parked"][0] == "[\"7\"]", "{report}");
    ensure!(outcome.code == 1, "{outcome:?}");
    Ok(())
}

#[tokio::test]
async fn what_can_not_be_told_is_said_so() -> Result<()> {
    let (scene, running) = straight().await?;
    let target = scene.target().await?;
    let unknown = scene.syncline(&["verify", "target.public.thing"])?;
    ensure!(unknown.code == 3 && unknown.stderr.contains("did you mean"), "{unknown:?}");

    // The lane is held up, so nobody knows whether a difference is a change on its way.
    target
        .batch_execute(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock(77); RETURN NEW; END';
        CREATE TRIGGER wait BEFORE UPDATE ON things FOR EACH ROW EXECUTE FUNCTION wait();
        SELECT pg_advisory_lock(77)",
        )
        .await?;
    scene.source().await?.batch_execute("UPDATE things SET name = 'later' WHERE id = 5").await?;
    target.batch_execute("DELETE FROM things WHERE id = 9").await?;
    let (outcome, report) = verified(&scene, &["--wait", "1s"])?;
    let table = &report["tables"][0];
    ensure!(table["missing"] == 0 && table["undecided"].as_u64() >= Some(1), "{report}");
    ensure!(table["late"].is_string() && outcome.code == 4, "{outcome:?}");
    target.batch_execute("SELECT pg_advisory_unlock(77); DROP TRIGGER wait ON things").await?;
    ensure_found(&scene, &[], [1, 0, 0])?;

    // The process ends in the middle of it.
    target.batch_execute("BEGIN; LOCK TABLE things").await?;
    let (program, project) = (scene.program.clone(), scene.project());
    let asked =
        tokio::task::spawn_blocking(move || program.command(&project).arg("verify").output());
    until("it is under way", SOON, async || {
        Ok(scene.get("/verify")?.contains("target.public.things"))
    })
    .await?;
    drop(running);
    let asked = asked.await??;
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    ensure!(asked.status.code() == Some(4) && said.contains("ended before it was done"), "{said}");
    let nobody = scene.syncline(&["verify"])?;
    ensure!(nobody.code == 4 && nobody.stderr.contains("syncline run"), "{nobody:?}");
    Ok(())
}

/// Rows of the table that is measured.
const MANY: u32 = 1_000_000;

const MEASURED: &str =
    "id integer PRIMARY KEY, first_name text NOT NULL, last_name text NOT NULL, email text,
     born date, credits numeric(8, 2), changed_at timestamptz NOT NULL, status text";

/// Reads all of a table, as fast as a client can.
async fn read_all(client: &Client) -> Result<()> {
    use futures::TryStreamExt as _;
    let read = client.copy_out("COPY measured TO STDOUT").await?;
    read.try_fold(0, |bytes, chunk| async move { Ok(bytes + chunk.len()) }).await?;
    Ok(())
}

/// Rows that the lane has written in so many seconds, each second.
async fn flow_rate(scene: &Scene, seconds: u64) -> Result<f64> {
    let written = || -> Result<f64> {
        let status: Value = serde_json::from_str(&scene.get("/status")?)?;
        let lanes = status["lanes"].as_object().context("status has lanes")?;
        Ok(lanes.values().filter_map(|lane| lane["updated"].as_f64()).sum())
    };
    let (before, began) = (written()?, tokio::time::Instant::now());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    Ok((written()? - before) / began.elapsed().as_secs_f64())
}

/// Prints how long verifying takes against counting and reading both sides, and what it costs the flow.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures for minutes; run it alone"]
#[expect(clippy::disallowed_macros, reason = "it is run to be read")]
async fn measured() -> Result<()> {
    let scene = Scene::new().await?;
    scene.write("syncline.toml", &settings(&scene, &["source"]))?;
    let (source, target) = (scene.source().await?, scene.target().await?);
    scene.in_both(&format!("CREATE TABLE measured ({MEASURED})")).await?;
    source
        .batch_execute(&format!(
            "INSERT INTO measured SELECT i, 'First' || i % 5000, 'Last' || i % 70000, i || '@uni.example',
                 '1990-01-01'::date + i % 9000, i % 30000 / 100.0, '2026-01-01'::timestamptz + i * interval '1 s', 'active'
             FROM generate_series(1, {MANY}) AS i; ANALYZE measured"
        ))
        .await?;
    let names = "id, first_name, last_name, email, born, credits, changed_at, status";
    scene.map("measured", names)?;
    let mut running = scene.start()?;
    let count = "SELECT count(*)::text FROM measured";
    scene.until_same(&mut running, Duration::from_secs(300), count).await?;
    scene.until_streaming(&mut running).await?;
    target.batch_execute("VACUUM ANALYZE measured").await?;
    source.batch_execute("VACUUM ANALYZE measured").await?;
    for _ in 0..5 {
        let began = tokio::time::Instant::now();
        for side in [&source, &target] {
            side.query_one(count, &[]).await?;
        }
        let counted = began.elapsed().as_secs_f64();
        for side in [&source, &target] {
            read_all(side).await?;
        }
        let read = began.elapsed().as_secs_f64() - counted;
        let table = ensure_found(&scene, &[], [0; 3])?;
        let took = table["seconds"].as_f64().context("it took some time")?;
        println!(
            "counted {counted:.2} s, read {read:.2} s, verified {took:.2} s: {:.2} times",
            took / (counted + read)
        );
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (changing, told) = (scene.source().await?, stop.clone());
    let load = tokio::spawn(async move {
        let mut round = 0;
        while !told.load(Ordering::Relaxed) {
            round += 1;
            let from = round * 20_000 % (MANY - 20_000);
            let change = format!(
                "UPDATE measured SET credits = {round} WHERE id BETWEEN {from} AND {from} + 20000"
            );
            changing.batch_execute(&change).await?;
        }
        anyhow::Ok(())
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    for _ in 0..4 {
        let alone = flow_rate(&scene, 15).await?;
        let mut runs = 0;
        let beside = async {
            loop {
                let mut verify =
                    tokio::process::Command::from(scene.program.command(&scene.project()));
                verify.arg("verify").stdout(Stdio::null()).stderr(Stdio::null());
                verify.kill_on_drop(true).status().await?;
                runs += 1;
            }
        };
        let rate = tokio::select! {
            rate = flow_rate(&scene, 15) => rate?,
            ended = beside => return ended,
        };
        println!(
            "{alone:.0} rows/s alone, {rate:.0} rows/s beside a verification, {runs} of which ended: {:.1} % less",
            (1.0 - rate / alone) * 100.0
        );
    }
    stop.store(true, Ordering::Relaxed);
    load.await??;
    Ok(())
}

#[tokio::test]
async fn the_running_process_verifies_in_turn_and_says_what_it_found() -> Result<()> {
    let (scene, running) = straight().await?;
    ensure!(running.terminate()?.success());
    scene.target().await?.batch_execute("DELETE FROM things WHERE id = 17").await?;
    let every = "\n[verify]\nevery = \"500ms\"\n";
    scene.write("syncline.toml", &(settings(&scene, &["source"]) + every))?;
    let mut running = scene.start()?;
    let found = async |missing: u64| {
        until(&format!("{missing} rows are missing"), SOON, async || {
            running.check()?;
            let Ok(status) = scene.get("/status") else { return Ok(false) };
            let status: Value = serde_json::from_str(&status)?;
            let table = &status["verified"]["target.public.things"];
            Ok(table["rows_said"] == 3000 && table["missing"] == missing && table["undecided"] == 0)
        })
        .await
    };
    let mut found = found;
    found(1).await?;
    let metric =
        "syncline_verified_damaged_rows{table=\"target.public.things\",kind=\"missing\"} 1";
    ensure!(scene.get("/metrics")?.contains(metric), "{}", scene.get("/metrics")?);
    Ok(())
}
