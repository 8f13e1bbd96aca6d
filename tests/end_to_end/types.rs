//! G5: values are exact. Every type and its extremes, through the first copy, through the stream,
//! and through updates, compared as PostgreSQL itself prints them.

use anyhow::{Result, ensure};
use std::time::Duration;
use syncline_demo::Everything;
use syncline_tests::{Scene, until};
use tokio_postgres::Client;

const DEADLINE: Duration = Duration::from_secs(90);

/// The values that differ, as `id column: source → target`.
pub(crate) async fn differences(
    everything: &Everything,
    source: &Client,
    target: &Client,
) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (column, sql_type) in everything.columns() {
        let query = format!("SELECT id, {column}::text FROM everything ORDER BY id");
        let (expected, there) =
            tokio::try_join!(source.query(&query, &[]), target.query(&query, &[]))?;
        if expected.len() != there.len() {
            return Ok(vec![format!("{} rows, not {}", there.len(), expected.len())]);
        }
        for (expected, there) in expected.iter().zip(&there) {
            let texts: [Option<String>; 2] = [expected.get(1), there.get(1)];
            if texts[0] != texts[1] || expected.get::<_, i32>(0) != there.get::<_, i32>(0) {
                let id: i32 = expected.get(0);
                let [expected, there] = texts.map(|text| {
                    text.map_or("NULL".into(), |text| text.chars().take(80).collect::<String>())
                });
                found.push(format!("{id} {sql_type}: {expected} → {there}"));
            }
        }
    }
    Ok(found)
}

#[tokio::test]
async fn every_type_and_its_extremes_arrive_as_they_were() -> Result<()> {
    let scene = Scene::new().await?;
    let everything = Everything::default();
    scene.in_both(everything.made()).await?;
    scene.in_both(&everything.create()).await?;
    scene.map("everything", &everything.names())?;
    let (source, target) = (scene.source().await?, scene.target().await?);
    source.batch_execute(&everything.inserts(1)).await?;
    let mut running = scene.start()?;
    scene.until_streaming(&mut running).await?;
    source.batch_execute(&everything.inserts(1001)).await?;
    source.batch_execute(&everything.inserts(2001)).await?;
    source.batch_execute(&everything.rotate(2001)).await?;

    let mut left = Vec::new();
    let waited = until("both sides are the same", DEADLINE, async || {
        running.check()?;
        left = differences(&everything, &source, &target).await?;
        Ok(left.is_empty())
    })
    .await;
    ensure!(waited.is_ok(), "{}\n{}", left.join("\n"), running.said());
    let copied = "SELECT count(*) FROM everything WHERE id < 1000";
    let copied: i64 = target.query_one(copied, &[]).await?.get(0);
    assert_eq!(usize::try_from(copied)?, everything.rows(), "the first copy had its share");
    Ok(())
}
