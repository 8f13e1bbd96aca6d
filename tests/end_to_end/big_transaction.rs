//! G8: memory stays within its budget, whatever the transaction size.

use anyhow::Result;
use std::time::Duration;
use syncline_tests::Scene;

const ROWS: u64 = 5_000_000;
const MEMORY_MAX: u64 = 256 << 20;
const DEADLINE: Duration = Duration::from_secs(300);

#[tokio::test]
async fn five_million_rows_in_one_transaction_need_no_more_memory_than_the_budget() -> Result<()> {
    let scene = Scene::with_settings(&[("max_wal_size", "16GB")]).await?;
    scene
        .in_both("CREATE TABLE many (id bigint PRIMARY KEY, number integer, word text NOT NULL)")
        .await?;
    scene.map("many", "id, number, word")?;
    let mut running = scene.start()?;
    scene.until_streaming(&mut running).await?;
    let insert = format!(
        "INSERT INTO many SELECT i, i % 1000, 'word ' || i FROM generate_series(1, {ROWS}) AS i"
    );
    scene.source().await?.batch_execute(&insert).await?;
    let sums = "SELECT count(*) || ' ' || coalesce(sum(id), 0) || ' ' || coalesce(sum(number), 0)
                || ' ' || coalesce(sum(length(word)), 0) FROM many";
    scene.until_same(&mut running, DEADLINE, sums).await?;
    let peak = running.peak_memory()?;
    assert!(peak < MEMORY_MAX, "{} MiB at the most", peak >> 20);
    assert!(running.terminate()?.success());
    Ok(())
}
