//! A project is tried without a source, and without a target.

use anyhow::{Result, ensure};
use std::time::Duration;
use syncline_tests::{Scene, until};

const ROWS: i64 = 20_000;

#[tokio::test]
async fn made_up_rows_reach_a_table_and_a_discard_takes_all() -> Result<()> {
    let scene = Scene::with_embedded_log().await?;
    let source = format!("[systems.made_up]\nconnector = \"generator\"\nrows = {ROWS}\nseed = 5\n");
    scene.write("syncline.toml", &format!("{}\n{source}", scene.settings()))?;
    scene.source().await?.batch_execute("CREATE TABLE copy (id bigint PRIMARY KEY)").await?;
    let target = scene.target().await?;
    target
        .batch_execute("CREATE TABLE people (id bigint PRIMARY KEY, name text, since date)")
        .await?;
    scene.write(
        "people/made_up.sql",
        "INSERT INTO target.public.people (id, name, since)\n\
         SELECT id, upper(name), CAST(enrolled_at AS date) FROM made_up.public.people;\n",
    )?;
    let mut running = scene.start()?;
    let count = "SELECT count(*) FROM people";
    until("all rows", Duration::from_secs(60), async || {
        running.check()?;
        Ok(target.query_one(count, &[]).await?.get::<_, i64>(0) == ROWS)
    })
    .await?;
    let preview = scene.syncline(&["preview", "people/made_up.sql"])?;
    ensure!(preview.code == 0 && preview.stdout.contains("rows for"), "{preview:?}");
    ensure!(running.terminate()?.success(), "it ends in order");

    // The same, to nowhere: the table is the one that is locked.
    let to_nowhere = scene.settings().replace(
        "[systems.target]\nconnector = \"postgres\"",
        "[systems.target]\nconnector = \"discard\"",
    );
    let nowhere: Vec<&str> = to_nowhere
        .split_inclusive('\n')
        .scan(false, |in_target, line| {
            *in_target = if line.starts_with('[') { line.contains("target") } else { *in_target };
            Some((*in_target, line))
        })
        .filter(|(in_target, line)| {
            !in_target || line.starts_with('[') || line.contains("connector")
        })
        .map(|(_, line)| line)
        .collect();
    scene.write("syncline.toml", &format!("{}\n{source}", nowhere.concat()))?;
    std::fs::remove_dir_all(scene.project().join(".syncline"))?;
    let mut running = scene.start()?;
    until("all rows again", Duration::from_secs(60), async || {
        running.check()?;
        // It is not there from the first moment on.
        let Ok(status) = scene.get("/status") else { return Ok(false) };
        let status: serde_json::Value = serde_json::from_str(&status)?;
        let written = status.pointer("/lanes").and_then(|lanes| lanes.as_object()).map(|lanes| {
            lanes.values().filter_map(|lane| lane.get("inserted")?.as_i64()).sum::<i64>()
        });
        Ok(written == Some(ROWS))
    })
    .await?;
    ensure!(running.terminate()?.success(), "it ends in order");

    scene.write(
        "people/back.sql",
        "INSERT INTO source.public.copy (id) SELECT id FROM target.public.people;\n",
    )?;
    let refused = scene.syncline(&["run"])?;
    ensure!(refused.stderr.contains("system target can't be read"), "{refused:?}");
    Ok(())
}
