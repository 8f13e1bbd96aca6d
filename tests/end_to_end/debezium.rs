//! A system that is the topics of Debezium: the same rows as from the database itself.

use crate::types::differences;
use anyhow::{Context, Result, ensure};
use std::time::Duration;
use syncline_demo::{Broker, Connect, Everything, Filled, Running, Watched};
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
    let watched = Watched {
        database: "source",
        tables: "public.everything",
        prefix: "sis",
        heap_mib: Connect::HEAP_MIB,
    };
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

const PEOPLE: &str =
    "id integer PRIMARY KEY, name text NOT NULL, note varchar(40), amount numeric(10,2),
     born date, seen timestamptz, active boolean";

/// The topics that the program writes.
fn feed(broker: &Broker) -> String {
    format!(
        "\n[systems.feed]\nconnector = \"debezium\"\nbrokers = \"{}\"\ntopic_prefix = \"campus\"\n\n\
         [systems.feed.tables.\"public.people\"]\nkey = [\"id\"]\n\n\
         [systems.feed.tables.\"public.people\".columns]\nid = {{ type = \"integer\" }}\n\
         name = {{ type = \"text\", null = false }}\nnote = {{ type = \"varchar(40)\" }}\n\
         amount = {{ type = \"numeric(10,2)\" }}\nborn = {{ type = \"date\" }}\n\
         seen = {{ type = \"timestamptz\" }}\nactive = {{ type = \"boolean\" }}\n\n\
         [systems.feed.limits]\nmessage_bytes_max = \"128KiB\"\n",
        broker.address()
    )
}

/// The rows that go on, as PostgreSQL prints them.
async fn people(client: &tokio_postgres::Client) -> Result<Vec<String>> {
    let query = "SELECT p::text FROM people AS p WHERE active ORDER BY id";
    Ok(client.query(query, &[]).await?.iter().map(|row| row.get(0)).collect())
}

/// The topics that the program writes, through Debezium's own JDBC sink: the rows of the source, whatever happens to them
/// and to the program.
#[tokio::test]
async fn topics_that_are_written_give_debeziums_sink_the_rows_of_the_source() -> Result<()> {
    let scene = Scene::of(&["source", "theirs"], &[]).await?;
    let (source, theirs) = (scene.database("source").await?, scene.database("theirs").await?);
    for database in [&source, &theirs] {
        database.batch_execute(&format!("CREATE TABLE people ({PEOPLE})")).await?;
    }
    let broker = Broker::start()?;
    scene.write("syncline.toml", &(scene.settings() + &feed(&broker)))?;
    let names = "id, name, note, amount, born, seen, active";
    let statement = format!(
        "INSERT INTO feed.public.people ({names})\n\
         SELECT {names} FROM source.public.people WHERE active;\n"
    );
    scene.write("people/to_feed.sql", &statement)?;
    source
        .batch_execute(
            "INSERT INTO people SELECT n, 'Zoë ' || n, nullif('note ' || n % 7, 'note 0'), n / 7.0,
                 DATE '1990-01-01' + n, TIMESTAMPTZ '2026-03-29 01:59:59+00' + n * interval '1 hour',
                 n % 10 > 0 FROM generate_series(1, 2000) AS n",
        )
        .await?;
    let mut running = scene.start()?;
    scene.until_streaming(&mut running).await?;
    let filled =
        Filled { database: "theirs", topics: "campus.public.people", heap_mib: Connect::HEAP_MIB };
    let mut connect = Connect::fill(&broker, &scene.cluster, filled, &[])?;
    let same = async |running: &mut Running, connect: &mut Connect| {
        let waited = until("theirs has the rows of the source", DEADLINE, async || {
            running.check()?;
            connect.check()?;
            Ok(people(&source).await? == people(&theirs).await?)
        });
        waited.await.with_context(|| running.said())
    };
    same(&mut running, &mut connect).await?;

    // Rows that go, that come, that leave what is selected, and that get another key.
    source
        .batch_execute(
            "DELETE FROM people WHERE id % 11 = 0; UPDATE people SET active = NOT active WHERE id % 13 = 0;
             UPDATE people SET id = id + 10000, note = NULL WHERE id % 17 = 0",
        )
        .await?;
    same(&mut running, &mut connect).await?;
    let gone = theirs.query_one("SELECT count(*) FROM people WHERE NOT active", &[]).await?;
    ensure!(gone.get::<_, i64>(0) == 0, "rows that are not selected are there");

    // Killed while it writes, it goes on.
    let writes = "UPDATE people SET amount = amount + 1, name = name || '!'";
    source.batch_execute(writes).await?;
    running.kill()?;
    source.batch_execute(writes).await?;
    let mut running = scene.run()?;
    same(&mut running, &mut connect).await?;
    let doctor = scene.syncline(&["doctor"])?;
    ensure!(
        doctor.stdout.contains("topic campus.public.people of feed.public.people"),
        "{}",
        doctor.stdout
    );

    // A row that is too long for a record waits where it can be seen, and goes on once it is not.
    source
        .batch_execute(
            "INSERT INTO people (id, name, active) VALUES (77777, repeat('x', 200000), true)",
        )
        .await?;
    until("the long row is set aside", DEADLINE, async || {
        running.check()?;
        let parked = scene.syncline(&["parked", "list"])?;
        Ok(parked.stdout.contains("77777") && parked.stdout.contains("too long"))
    })
    .await?;
    let replayed = scene.syncline(&["parked", "replay", "feed", "people/to_feed.sql"])?;
    ensure!(replayed.stdout.starts_with("1 rows will be tried"), "{}", replayed.stdout);
    source.batch_execute("UPDATE people SET name = 'short' WHERE id = 77777").await?;
    same(&mut running, &mut connect).await?;

    source
        .batch_execute(
            "TRUNCATE people; INSERT INTO people (id, name, active) VALUES (1, 'a', true)",
        )
        .await?;
    same(&mut running, &mut connect).await?;
    let parked = scene.syncline(&["parked", "list"])?;
    ensure!(parked.stdout.contains("nothing is set aside"), "{}{}", parked.stdout, parked.stderr);
    running.terminate()?;
    Ok(())
}
