//! A system that is the topics of Debezium: the same rows as from the database itself.

use crate::types::differences;
use anyhow::{Result, ensure};
use std::time::Duration;
use syncline_demo::{Broker, Connect, Everything, Watched};
use syncline_tests::{Scene, until};

const DEADLINE: Duration = Duration::from_secs(120);

fn topics(broker: &Broker) -> String {
    format!(
        "\n[systems.topics]\nconnector = \"debezium\"\nbrokers = \"{}\"\n\n\
         [systems.topics.topics]\n\"public.everything\" = \"sis.public.everything\"\n",
        broker.address()
    )
}

/// One database, read by our own reader into `ours`, and by way of Debezium's topic into `theirs`.
#[tokio::test]
async fn a_topic_of_debezium_gives_the_rows_of_our_own_reader() -> Result<()> {
    let scene = Scene::of(&["source", "ours", "theirs"], &[]).await?;
    // A mapping does not write what is counted in months, days and µs yet.
    let everything = Everything::default().as_debezium_sends().without(&["interval"]);
    let (source, ours, theirs) = (
        scene.database("source").await?,
        scene.database("ours").await?,
        scene.database("theirs").await?,
    );
    for database in [&source, &ours, &theirs] {
        database.batch_execute(everything.made()).await?;
        database.batch_execute(&everything.create()).await?;
    }
    let broker = Broker::start()?;
    scene.write("syncline.toml", &(scene.settings() + &topics(&broker)))?;
    let names = everything.names();
    for (from, to) in [("source", "ours"), ("topics", "theirs")] {
        let statement = format!(
            "INSERT INTO {to}.public.everything ({names})\n\
             SELECT {names} FROM {from}.public.everything;\n"
        );
        scene.write(&format!("everything/to_{to}.sql"), &statement)?;
    }
    source.batch_execute(&everything.inserts(1)).await?;
    let watched = Watched { database: "source", tables: "public.everything", prefix: "sis" };
    let mut connect = Connect::start(&broker, &scene.cluster, watched, &[])?;
    until("the topic has a row", DEADLINE, async || {
        connect.check()?;
        Ok(scene.syncline(&["lock"])?.code == 0)
    })
    .await?;
    let mut running = scene.start()?;
    scene.until_streaming(&mut running).await?;
    source.batch_execute(&everything.inserts(1001)).await?;
    source.batch_execute(&everything.inserts(2001)).await?;
    source.batch_execute(&everything.rotate(2001)).await?;
    // Large values that did not change are not sent.
    source
        .batch_execute("UPDATE everything SET c0 = 1; DELETE FROM everything WHERE id = 3")
        .await?;

    let mut left = Vec::new();
    let waited = until("both targets are as the source", DEADLINE, async || {
        running.check()?;
        connect.check()?;
        left = differences(&everything, &source, &ours).await?;
        left.extend(differences(&everything, &source, &theirs).await?);
        Ok(left.is_empty())
    })
    .await;
    ensure!(waited.is_ok(), "{}\n{}", left.join("\n"), running.said());
    running.terminate()?;

    // Killed and written to meanwhile, it goes on.
    source.batch_execute("UPDATE everything SET c1 = 7 WHERE id > 1000").await?;
    let mut running = scene.run()?;
    scene.until_streaming(&mut running).await?;
    running.kill()?;
    source.batch_execute("UPDATE everything SET c2 = 8 WHERE id < 1000").await?;
    let mut running = scene.run()?;
    let waited = until("both targets are as the source again", DEADLINE, async || {
        running.check()?;
        left = differences(&everything, &source, &ours).await?;
        left.extend(differences(&everything, &source, &theirs).await?);
        Ok(left.is_empty())
    })
    .await;
    ensure!(waited.is_ok(), "{}\n{}", left.join("\n"), running.said());
    Ok(())
}
