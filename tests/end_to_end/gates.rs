//! G9: much of a table does not go at once before a person was asked.

use anyhow::{Context, Result, ensure};
use std::time::Duration;
use syncline_tests::{Scene, until};
use tokio_postgres::Client;

const DEADLINE: Duration = Duration::from_secs(60);

async fn count(client: &Client) -> Result<i64> {
    Ok(client.query_one("SELECT count(*) FROM users", &[]).await?.get(0))
}

/// The gates that are shut.
fn shut(scene: &Scene) -> Result<Vec<serde_json::Value>> {
    let listed = scene.syncline(&["gates", "list", "--json"])?;
    ensure!(listed.code == 0, "{listed:?}");
    let report: serde_json::Value = serde_json::from_str(&listed.stdout)?;
    Ok(report["gates"].as_array().context("gates")?.clone())
}

#[tokio::test]
async fn a_mass_delete_and_an_emptied_table_wait_for_a_person() -> Result<()> {
    let scene = Scene::new().await?;
    let (source, target) = (scene.source().await?, scene.target().await?);
    scene.in_both("CREATE TABLE users (id integer PRIMARY KEY, name text)").await?;
    source
        .batch_execute("INSERT INTO users SELECT i, 'u' || i FROM generate_series(1, 5000) AS i")
        .await?;
    scene.map("users", "id, name")?;
    let mut running = scene.start()?;
    until("all are there", DEADLINE, async || Ok(count(&target).await? == 5000)).await?;

    source.batch_execute("DELETE FROM users WHERE id <= 1000").await?;
    until("a fifth may go", DEADLINE, async || Ok(count(&target).await? == 4000)).await?;
    source.batch_execute("DELETE FROM users WHERE id <= 3000").await?;
    source.batch_execute("INSERT INTO users VALUES (9000, 'behind it')").await?;
    until("a gate is shut", DEADLINE, async || Ok(shut(&scene)?.len() == 1)).await?;
    ensure!(count(&target).await? == 4000, "nothing of it is written");
    let gate = shut(&scene)?.remove(0);
    ensure!(gate["table"] == "target.public.users" && gate["what"] == "deletes", "{gate}");
    ensure!(gate["rows"].as_str().is_some_and(|rows| rows.ends_with("of 4000 rows")), "{gate}");
    until("the status says why it waits", DEADLINE, async || {
        Ok(scene.syncline(&["status"])?.stdout.contains("would be deleted at once"))
    })
    .await?;

    // Nobody has answered: that stays so through a restart.
    ensure!(running.terminate()?.success(), "it ends in order");
    running = scene.run()?;
    scene.until_streaming(&mut running).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    ensure!(count(&target).await? == 4000 && shut(&scene)?.len() == 1, "it still waits");
    let id = gate["id"].to_string();
    let opened = scene.syncline(&["gates", "open", &id, "--as", "registrar", "--note", "term"])?;
    ensure!(opened.code == 0, "{opened:?}");
    until("what waited is written", DEADLINE, async || Ok(count(&target).await? == 2001)).await?;
    ensure!(shut(&scene)?.is_empty(), "no gate is shut");

    // The same gate shuts again.
    source.batch_execute("TRUNCATE users").await?;
    until("a gate is shut", DEADLINE, async || Ok(shut(&scene)?.len() == 1)).await?;
    ensure!(count(&target).await? == 2001, "nothing of it is written");
    let wrong = scene.syncline(&["gates", "open", "4711", "--as", "registrar"])?;
    ensure!(wrong.code != 0 && wrong.stderr.contains("4711"), "{wrong:?}");
    let opened = scene.syncline(&["gates", "open", &id, "--as", "registrar"])?;
    ensure!(opened.code == 0, "{opened:?}");
    until("it is empty", DEADLINE, async || Ok(count(&target).await? == 0)).await?;
    running.check()
}
