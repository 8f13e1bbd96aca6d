//! How a run ends, and that a project has one run at a time.

use anyhow::Result;
use std::time::Duration;
use syncline_tests::{Scene, until};

const DEADLINE: Duration = Duration::from_secs(60);
const COUNT: &str = "SELECT count(*)::text FROM words";

async fn scene_with_words() -> Result<Scene> {
    let scene = Scene::new().await?;
    scene.in_both("CREATE TABLE words (id integer PRIMARY KEY, word text)").await?;
    scene.map("words", "id, word")?;
    let insert = "INSERT INTO words SELECT i, 'w' || i FROM generate_series(1, 1000) AS i";
    scene.source().await?.batch_execute(insert).await?;
    Ok(scene)
}

#[tokio::test]
async fn sigterm_drains_and_the_next_run_goes_on_where_it_ended() -> Result<()> {
    let scene = scene_with_words().await?;
    let mut running = scene.start()?;
    scene.until_same(&mut running, DEADLINE, COUNT).await?;
    scene.until_streaming(&mut running).await?;
    let ended = running.terminate()?;
    assert!(ended.success(), "{ended}");

    // What was copied once is not copied again: a row that only the target lost stays lost.
    scene.target().await?.batch_execute("DELETE FROM words WHERE id = 1").await?;
    let more = "INSERT INTO words SELECT i, 'w' || i FROM generate_series(2001, 3000) AS i;
                UPDATE words SET word = 'changed while away' WHERE id = 2";
    scene.source().await?.batch_execute(more).await?;
    let mut running = scene.run()?;
    let rest = "SELECT string_agg(words::text, ',' ORDER BY id) FROM words WHERE id > 1";
    scene.until_same(&mut running, DEADLINE, rest).await?;
    let lost = "SELECT FROM words WHERE id = 1";
    assert!(scene.target().await?.query_opt(lost, &[]).await?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_second_run_on_the_same_project_is_refused() -> Result<()> {
    let scene = scene_with_words().await?;
    let mut running = scene.start()?;
    scene.until_streaming(&mut running).await?;
    let second = scene.syncline(&["run"])?;
    assert_eq!(second.code, 7, "{}", second.stderr);
    assert!(second.stderr.starts_with("error: "), "{}", second.stderr);
    running.check()?;
    Ok(())
}

#[tokio::test]
async fn a_run_until_caught_up_ends_by_itself() -> Result<()> {
    let scene = scene_with_words().await?;
    assert_eq!(scene.syncline(&["lock"])?.code, 0);
    let ran = scene.syncline(&["run", "--until-caught-up"])?;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let target = scene.target().await?;
    assert_eq!(target.query_one(COUNT, &[]).await?.get::<_, String>(0), "1000");
    Ok(())
}

#[tokio::test]
async fn servers_that_go_away_are_waited_for() -> Result<()> {
    let mut scene = scene_with_words().await?;
    let mut running = scene.start()?;
    scene.until_same(&mut running, DEADLINE, COUNT).await?;
    scene.until_streaming(&mut running).await?;
    scene.cluster.kill()?;
    until("the loops notice", DEADLINE, async || {
        running.check()?;
        Ok(scene.get("/status")?.contains("retrying"))
    })
    .await?;
    scene.cluster.resume()?;
    scene.source().await?.batch_execute("DELETE FROM words WHERE id > 10").await?;
    scene.until_same(&mut running, DEADLINE, COUNT).await?;
    assert!(running.terminate()?.success());
    Ok(())
}
