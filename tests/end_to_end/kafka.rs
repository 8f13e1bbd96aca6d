//! The log at a Kafka broker: the same guarantees, and the way there from the embedded one.

use crate::crash::{End, Trial};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::Duration;
use syncline_demo::Broker;
use syncline_tests::{Log, Scene, until};

const DEADLINE: Duration = Duration::from_secs(60);
const WORDS: &str = "SELECT string_agg(words::text, ',' ORDER BY id) FROM words WHERE id <> 7";

/// The process is killed, and the broker too.
#[tokio::test]
async fn after_kills_of_both_every_target_holds_what_the_mappings_say() -> Result<()> {
    let broker = Broker::start()?;
    let (log, broker) = (Log::at(&broker.address()), Some(broker));
    Trial { scale: 0.02, rows_min: 10_000, kills: 22, young: 8, log, broker, end: End::Kill }
        .survive()
        .await
}

fn insert(range: std::ops::Range<u32>) -> String {
    let (first, last) = (range.start, range.end - 1);
    format!("INSERT INTO words SELECT i, 'w' || i FROM generate_series({first}, {last}) AS i")
}

fn rows_read(scene: &Scene) -> Result<u64> {
    let status: Value = serde_json::from_str(&scene.get("/status")?)?;
    status["captures"]["source"]["rows"].as_u64().context("rows of the capture")
}

/// Some of it is in the log and not at its target, some not even in the log.
#[tokio::test]
async fn a_log_that_moves_loses_nothing_and_copies_nothing_again() -> Result<()> {
    let mut scene = Scene::with_embedded_log().await?;
    scene.in_both("CREATE TABLE words (id integer PRIMARY KEY, word text)").await?;
    scene.map("words", "id, word")?;
    let (source, target) = (scene.source().await?, scene.target().await?);
    source.batch_execute(&insert(1..101)).await?;
    let mut running = scene.start()?;
    scene.until_same(&mut running, DEADLINE, WORDS).await?;
    scene.until_streaming(&mut running).await?;
    // What was copied once is not copied again: a row that only the target lost stays lost.
    target.batch_execute("DELETE FROM words WHERE id = 7").await?;
    let before = rows_read(&scene)?;
    target.batch_execute("BEGIN; LOCK TABLE words IN EXCLUSIVE MODE").await?;
    source.batch_execute(&insert(101..201)).await?;
    until("they are in the log", DEADLINE, async || {
        running.check()?;
        Ok(rows_read(&scene)? >= before + 100)
    })
    .await?;
    running.kill()?;
    target.batch_execute("ROLLBACK").await?;
    source.batch_execute(&insert(201..301)).await?;

    let broker = Broker::start()?;
    scene.log = Log::at(&broker.address());
    scene.write("syncline.toml", &scene.settings())?;
    let refused = scene.syncline(&["run"])?;
    ensure!(refused.code == 3, "{}", refused.stderr);
    ensure!(refused.stderr.contains("syncline log move"), "{}", refused.stderr);
    let moved = scene.syncline(&["log", "move"])?;
    ensure!(moved.code == 0, "{}", moved.stderr);
    ensure!(moved.stdout.contains("topics moved"), "{}", moved.stdout);
    let again = scene.syncline(&["log", "move"])?;
    ensure!(again.code == 3 && again.stderr.contains("no embedded log"), "{}", again.stderr);

    let mut running = scene.run()?;
    scene.until_same(&mut running, DEADLINE, WORDS).await?;
    let lost = target.query_one("SELECT count(*) FROM words WHERE id = 7", &[]).await?;
    ensure!(lost.get::<_, i64>(0) == 0, "it was copied again: {}", running.said());
    running.terminate()?;
    Ok(())
}

/// The embedded log does not take over what is at the brokers, nor the other way round.
#[tokio::test]
async fn a_log_moves_only_to_where_none_is() -> Result<()> {
    let mut scene = Scene::new().await?;
    scene.in_both("CREATE TABLE words (id integer PRIMARY KEY, word text)").await?;
    scene.map("words", "id, word")?;
    let broker = Broker::start()?;
    let run = async |scene: &Scene| {
        scene.write("syncline.toml", &scene.settings())?;
        let mut running = scene.start()?;
        scene.until_streaming(&mut running).await?;
        running.terminate()
    };
    scene.log = Log::at(&broker.address());
    run(&scene).await?;
    let source = scene.source().await?;
    source.batch_execute("SELECT pg_drop_replication_slot('syncline_source')").await?;
    scene.log = Log::embedded();
    run(&scene).await?;
    let refused = scene.syncline(&["log", "move"])?;
    ensure!(refused.code == 3 && refused.stderr.contains("[log] kind"), "{}", refused.stderr);
    scene.log = Log::at(&broker.address());
    scene.write("syncline.toml", &scene.settings())?;
    let refused = scene.syncline(&["log", "move"])?;
    ensure!(refused.code == 3 && refused.stderr.contains("prefix"), "{}", refused.stderr);
    Ok(())
}
