//! Nothing of a source table is silently missing at a target: new and changed mappings, targets that
//! were damaged, slots that were lost, a state that was deleted.

use anyhow::{Context, Result, ensure};
use std::time::Duration;
use syncline_demo::Running;
use syncline_tests::{Scene, until};

const DEADLINE: Duration = Duration::from_secs(60);
/// Small segments, trimmed as soon as all have read them.
const SHORT_LOG: &str =
    "\n[log]\nsegment_bytes = \"4KiB\"\n\n[runtime]\ntrim_interval = \"100ms\"\n";

fn content(table: &str, columns: &str) -> String {
    format!("SELECT string_agg(({columns})::text, E'\\n' ORDER BY id) FROM {table}")
}

/// A project that copies `people`, running, and its log trimmed since.
async fn with_a_trimmed_log() -> Result<(Scene, Running)> {
    let scene = Scene::with_embedded_log().await?;
    scene.write("syncline.toml", &(scene.settings() + SHORT_LOG))?;
    scene.in_both("CREATE TABLE people (id integer PRIMARY KEY, a text, b text)").await?;
    let source = scene.source().await?;
    source
        .batch_execute(
            "ALTER TABLE people ALTER b SET STORAGE EXTERNAL;
             INSERT INTO people SELECT i, 'a' || i, repeat(md5(i::text), 100)
             FROM generate_series(1, 300) AS i",
        )
        .await?;
    scene.map("people", "id, a")?;
    let mut running = scene.start()?;
    let first =
        scene.project().join(".syncline/log/topics/changes.source/00000000000000000000.log");
    let mut round = 0;
    until("the first segment is trimmed", DEADLINE, async || {
        running.check()?;
        round += 1;
        let change = format!("UPDATE people SET a = 'r{round}' WHERE id = 1 + {round} % 300");
        source.batch_execute(&change).await?;
        Ok(!first.exists() && scene.project().join(".syncline/log/topics").exists())
    })
    .await
    .with_context(|| running.last_words())?;
    scene.until_same(&mut running, DEADLINE, &content("people", "id, a")).await?;
    Ok((scene, running))
}

#[tokio::test]
async fn a_new_mapping_gets_all_rows_though_the_log_was_trimmed_and_changes_go_on() -> Result<()> {
    let (scene, running) = with_a_trimmed_log().await?;
    ensure!(running.terminate()?.success());
    let source = scene.source().await?;
    scene
        .target()
        .await?
        .batch_execute("CREATE TABLE others (id integer PRIMARY KEY, b text)")
        .await?;
    scene
        .target()
        .await?
        .batch_execute("CREATE TABLE elsewhere (id integer PRIMARY KEY, b text)")
        .await?;
    // One in a lane that is there, one in a new lane: another system, which is the same database.
    let target = scene.settings();
    let (_, target) = target.split_once("[systems.target]").context("a target")?;
    let further = format!("\n[systems.further]{target}");
    scene.write("syncline.toml", &(scene.settings() + &further + SHORT_LOG))?;
    for (system, table) in [("target", "others"), ("further", "elsewhere")] {
        let statement = format!(
            "INSERT INTO {system}.public.{table} (id, b)\nSELECT id, b FROM source.public.people;\n"
        );
        scene.write(&format!("{table}/to_{system}.sql"), &statement)?;
    }
    source.batch_execute("UPDATE people SET a = 'before' WHERE id % 2 = 0").await?;
    let mut running = scene.start()?;
    for round in 0..40 {
        source
            .batch_execute(&format!(
                "UPDATE people SET a = 'during {round}' WHERE id % 40 = {round};
                 INSERT INTO people VALUES (1000 + {round}, 'new', 'b');
                 DELETE FROM people WHERE id = 41 + {round}"
            ))
            .await?;
    }
    source.batch_execute("CREATE VIEW others AS SELECT id, b FROM people").await?;
    source.batch_execute("CREATE VIEW elsewhere AS SELECT id, b FROM people").await?;
    for table in ["others", "elsewhere"] {
        scene.until_same(&mut running, DEADLINE, &content(table, "id, b")).await?;
    }
    scene.until_same(&mut running, DEADLINE, &content("people", "id, a")).await?;
    // Known now: another start copies nothing.
    ensure!(running.terminate()?.success());
    let mut running = scene.run()?;
    scene.until_streaming(&mut running).await?;
    let status: serde_json::Value = serde_json::from_str(&scene.get("/status")?)?;
    ensure!(status["captures"]["source"]["snapshots"] == serde_json::json!({}), "{status}");
    Ok(())
}

#[tokio::test]
async fn a_mapping_that_reads_one_more_column_gets_it_for_all_rows() -> Result<()> {
    let (scene, running) = with_a_trimmed_log().await?;
    ensure!(running.terminate()?.success());
    let column = "ALTER TABLE people ADD COLUMN c integer";
    // The rows that are there have the default without a change of theirs.
    scene.source().await?.batch_execute(&format!("{column} DEFAULT 7")).await?;
    scene.target().await?.batch_execute(column).await?;
    let mut unmapped = scene.start()?;
    scene.until_streaming(&mut unmapped).await?;
    scene.until_same(&mut unmapped, DEADLINE, &content("people", "id, a")).await?;
    ensure!(unmapped.terminate()?.success());
    scene.map("people", "id, a, c")?;
    let mut running = scene.start()?;
    scene.until_same(&mut running, DEADLINE, &content("people", "id, a, c")).await?;
    Ok(())
}

#[tokio::test]
async fn a_damaged_target_is_mended_by_a_backfill_while_it_runs_and_when_it_does_not() -> Result<()>
{
    let (scene, mut running) = with_a_trimmed_log().await?;
    let (source, target) = (scene.source().await?, scene.target().await?);
    let damage =
        "UPDATE people SET a = 'damaged' WHERE id % 3 = 0; DELETE FROM people WHERE id % 5 = 0";
    target.batch_execute(damage).await?;
    let asked = scene.syncline(&["backfill", "source.public.people"])?;
    ensure!(asked.code == 0, "{}", asked.stderr);
    ensure!(asked.stdout.contains("copied again now"), "{}", asked.stdout);
    source.batch_execute("UPDATE people SET a = 'meanwhile' WHERE id % 7 = 0").await?;
    scene.until_same(&mut running, DEADLINE, &content("people", "id, a")).await?;
    ensure!(running.terminate()?.success());

    target.batch_execute(damage).await?;
    let asked = scene.syncline(&["backfill", "--all", "--json"])?;
    ensure!(asked.code == 0, "{}", asked.stderr);
    let report: serde_json::Value = serde_json::from_str(&asked.stdout)?;
    ensure!(report["tables"] == serde_json::json!(["source.public.people"]), "{report}");
    ensure!(report["taken_up"] == false, "{report}");
    let ran = scene.syncline(&["run", "--until-caught-up"])?;
    ensure!(ran.code == 0, "{}", ran.stderr);
    let query = content("people", "id, a");
    let texts: Vec<String> = vec![
        source.query_one(&query, &[]).await?.get(0),
        target.query_one(&query, &[]).await?.get(0),
    ];
    ensure!(texts[0] == texts[1], "the run that ends once caught up has the copy in it");

    let unknown = scene.syncline(&["backfill", "source.public.peeple"])?;
    ensure!(unknown.code == 3, "{}", unknown.stderr);
    ensure!(
        unknown.stderr.contains("did you mean \"source.public.people\"?"),
        "{}",
        unknown.stderr
    );
    Ok(())
}

const DROP_SLOT: &str = "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots \
                         WHERE slot_name = 'syncline_source' AND active_pid IS NOT NULL";

async fn drop_slot(scene: &Scene) -> Result<()> {
    let source = scene.source().await?;
    until("the slot is dropped", DEADLINE, async || {
        source.batch_execute(DROP_SLOT).await?;
        let drop = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots \
                    WHERE slot_name = 'syncline_source' AND active_pid IS NULL";
        let _ = source.batch_execute(drop).await;
        let left = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'syncline_source'";
        Ok(source.query_one(left, &[]).await?.get::<_, i64>(0) == 0)
    })
    .await
}

#[tokio::test]
async fn a_dropped_slot_is_mended_by_the_command_that_its_error_names() -> Result<()> {
    let (scene, running) = with_a_trimmed_log().await?;
    ensure!(running.terminate()?.success());
    drop_slot(&scene).await?;
    let source = scene.source().await?;
    source.batch_execute("INSERT INTO people VALUES (5000, 'unseen', NULL)").await?;
    let failed = scene.syncline(&["run"])?;
    ensure!(failed.code == 3, "{}", failed.stderr);
    let command = "syncline backfill --all --system source";
    ensure!(failed.stderr.contains(command), "{}", failed.stderr);
    let arguments: Vec<&str> = command.split(' ').skip(1).collect();
    let asked = scene.syncline(&arguments)?;
    ensure!(asked.code == 0, "{}", asked.stderr);
    let mut running = scene.run()?;
    scene.until_same(&mut running, DEADLINE, &content("people", "id, a")).await?;
    scene.until_streaming(&mut running).await?;
    source.batch_execute("UPDATE people SET a = 'streamed' WHERE id = 5000").await?;
    scene.until_same(&mut running, DEADLINE, &content("people", "id, a")).await?;
    Ok(())
}

#[tokio::test]
async fn a_capture_that_stopped_is_mended_while_the_others_go_on() -> Result<()> {
    let (scene, running) = with_a_trimmed_log().await?;
    ensure!(running.terminate()?.success());
    // A second source keeps the process going.
    let server = scene.cluster.connect("postgres").await?;
    server.batch_execute("CREATE DATABASE second").await?;
    let second = scene.cluster.connect("second").await?;
    second.batch_execute("CREATE TABLE words (id integer PRIMARY KEY, word text)").await?;
    let words = "CREATE TABLE words (id integer PRIMARY KEY, word text)";
    scene.target().await?.batch_execute(words).await?;
    let settings = scene.settings();
    let (_, target) = settings.split_once("[systems.target]").context("a target")?;
    let further = format!("\n[systems.second]{}", target.replace("\"target\"", "\"second\""));
    scene.write("syncline.toml", &(scene.settings() + &further + SHORT_LOG))?;
    let statement =
        "INSERT INTO target.public.words (id, word)\nSELECT id, word FROM second.public.words;\n";
    scene.write("words/to_target.sql", statement)?;
    let mut running = scene.start()?;
    scene.until_streaming(&mut running).await?;
    drop_slot(&scene).await?;
    scene.source().await?.batch_execute("INSERT INTO people VALUES (5000, 'unseen', NULL)").await?;
    until("the capture stopped", DEADLINE, async || {
        running.check()?;
        Ok(scene.get("/health")?.contains("\"source\""))
    })
    .await?;
    let asked = scene.syncline(&["backfill", "--all", "--system", "source"])?;
    ensure!(asked.code == 0, "{}", asked.stderr);
    ensure!(asked.stdout.contains("copied again now"), "{}", asked.stdout);
    until("the capture runs again", DEADLINE, async || {
        running.check()?;
        Ok(scene.get("/health")?.contains("\"well\":true"))
    })
    .await?;
    scene.until_same(&mut running, DEADLINE, &content("people", "id, a")).await?;
    ensure!(running.terminate()?.success(), "what was mended is no failure");
    Ok(())
}

#[tokio::test]
async fn a_state_that_was_deleted_is_told_and_nothing_is_skipped_once_it_is_mended() -> Result<()> {
    let (scene, running) = with_a_trimmed_log().await?;
    ensure!(running.terminate()?.success());
    std::fs::remove_dir_all(scene.project().join(".syncline"))?;
    let source = scene.source().await?;
    source
        .batch_execute(
            "INSERT INTO people SELECT i, 'since', NULL FROM generate_series(2000, 2600) AS i;
             UPDATE people SET a = 'since' WHERE id < 100",
        )
        .await?;
    let failed = scene.syncline(&["run"])?;
    ensure!(failed.code == 3, "{}", failed.stderr);
    ensure!(failed.stderr.contains("pg_drop_replication_slot"), "{}", failed.stderr);
    drop_slot(&scene).await?;
    let mut running = scene.run()?;
    scene.until_same(&mut running, DEADLINE, &content("people", "id, a")).await?;
    scene.until_streaming(&mut running).await?;
    source.batch_execute("UPDATE people SET a = 'streamed' WHERE id < 50").await?;
    scene.until_same(&mut running, DEADLINE, &content("people", "id, a")).await?;
    Ok(())
}
