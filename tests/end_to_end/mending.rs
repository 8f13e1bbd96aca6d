//! `syncline verify --repair` where more than one row of one mapping is at stake: many rows that would go, and a table that
//! several mappings write.

use crate::verify::{settings, verified};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::Duration;
use syncline_demo::Running;
use syncline_tests::{Scene, until};

const SOON: Duration = Duration::from_secs(60);

/// A project that runs, with so many rows at its target.
async fn running(scene: &Scene, more: &str, rows: i64) -> Result<Running> {
    scene.write("syncline.toml", &(settings(scene, &["source"]) + more))?;
    let mut running = scene.start()?;
    scene.until_streaming(&mut running).await?;
    let target = scene.target().await?;
    until("all are there", SOON, async || {
        running.check()?;
        Ok(target.query_one("SELECT count(*) FROM things", &[]).await?.get::<_, i64>(0) == rows)
    })
    .await?;
    Ok(running)
}

/// How many rows are missing, extra and different, what was done about it, and how it ended.
fn found(scene: &Scene, arguments: &[&str]) -> Result<([u64; 3], Value, i32)> {
    let (outcome, report) = verified(scene, arguments)?;
    let table = &report["tables"][0];
    let rows = ["missing", "extra", "different"].map(|kind| table[kind].as_u64().unwrap_or(99));
    Ok((rows, table["repair"].clone(), outcome.code))
}

#[tokio::test]
async fn many_extra_rows_go_only_where_that_is_said_once_more() -> Result<()> {
    let scene = Scene::new().await?;
    scene.in_both("CREATE TABLE things (id integer PRIMARY KEY, name text)").await?;
    let fill = "INSERT INTO things SELECT i, 'n' || i FROM generate_series(1, 100) AS i";
    scene.source().await?.batch_execute(fill).await?;
    scene.map("things", "id, name")?;
    let gates = "\n[gates]\ndeletes_percent = 20\nrows_min = 50\n";
    let _running = running(&scene, gates, 100).await?;
    let target = scene.target().await?;
    let strangers = "INSERT INTO things SELECT i, 'x' FROM generate_series(1001, 1060) AS i";
    target.batch_execute(&format!("{strangers}; DELETE FROM things WHERE id = 5")).await?;

    // What is missing is mended all the same.
    let (rows, repair, code) = found(&scene, &["--repair", "--delete-extra"])?;
    ensure!(rows == [0, 60, 0] && code == 1, "{rows:?}, {repair}");
    ensure!(repair["deleted"] == 0 && repair["missing"] == 1, "{repair}");
    ensure!(repair["left"].to_string().contains("60 of 159 rows would be deleted"), "{repair}");
    let (rows, repair, code) = found(&scene, &["--repair", "--delete-extra", "--yes"])?;
    ensure!(rows == [0; 3] && code == 0 && repair["deleted"] == 60, "{rows:?}, {repair}");
    ensure!(found(&scene, &[])?.0 == [0; 3], "it is mended");
    Ok(())
}

#[tokio::test]
async fn what_each_of_several_mappings_writes_of_a_row_is_mended() -> Result<()> {
    let scene = Scene::new().await?;
    let source = scene.source().await?;
    source
        .batch_execute(
            "CREATE TABLE things (id integer PRIMARY KEY, name text);
             CREATE TABLE addresses (id integer PRIMARY KEY, mail text);
             INSERT INTO things SELECT i, 'n' || i FROM generate_series(1, 500) AS i;
             INSERT INTO addresses SELECT i, 'm' || i FROM generate_series(1, 500) AS i",
        )
        .await?;
    let target = scene.target().await?;
    target
        .batch_execute("CREATE TABLE things (id integer PRIMARY KEY, name text, mail text)")
        .await?;
    for (table, column) in [("things", "name"), ("addresses", "mail")] {
        let statement = format!(
            "INSERT INTO target.public.things (id, {column})\nSELECT id, {column} FROM source.public.{table};\n"
        );
        scene.write(&format!("{table}/to_target.sql"), &statement)?;
    }
    let mut running = running(&scene, "", 500).await?;
    until("both have written", SOON, async || {
        running.check()?;
        let all = "SELECT count(*) FROM things WHERE name IS NOT NULL AND mail IS NOT NULL";
        Ok(target.query_one(all, &[]).await?.get::<_, i64>(0) == 500)
    })
    .await?;
    ensure!(found(&scene, &[])?.0 == [0; 3], "nothing is damaged");
    target
        .batch_execute(
            "DELETE FROM things WHERE id = 7;
             UPDATE things SET name = name || '.' WHERE id = 8;
             UPDATE things SET mail = mail || '.' WHERE id = 9",
        )
        .await?;
    let (rows, _, code) = found(&scene, &[])?;
    ensure!(rows == [1, 0, 2] && code == 1, "{rows:?}");
    let (rows, repair, code) = found(&scene, &["--repair"])?;
    ensure!(rows == [0; 3] && code == 0, "{rows:?}, {repair}");
    let copied = repair["copied"].as_array().context("it says what was copied")?;
    ensure!(copied.len() == 2, "{repair}");
    Ok(())
}
