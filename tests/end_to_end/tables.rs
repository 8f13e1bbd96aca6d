//! Tables of every shape, and what happens to their rows.

use anyhow::Result;
use std::time::Duration;
use syncline_tests::Scene;

const DEADLINE: Duration = Duration::from_secs(60);

/// The whole table as one text.
fn content(table: &str) -> String {
    format!("SELECT string_agg({table}::text, E'\\n' ORDER BY {table}::text) FROM {table}")
}

#[tokio::test]
async fn keys_move_rows_leave_the_filter_and_long_texts_stay() -> Result<()> {
    let scene = Scene::new().await?;
    let source = scene.source().await?;
    let table = "CREATE TABLE notes (id integer PRIMARY KEY, kept boolean NOT NULL, \
                 long_text text, count integer);";
    scene.in_both(table).await?;
    source
        .batch_execute(
            "ALTER TABLE notes REPLICA IDENTITY FULL;
             ALTER TABLE notes ALTER long_text SET STORAGE EXTERNAL;
             INSERT INTO notes SELECT i, i % 3 > 0, repeat(md5(i::text), 1000), i
             FROM generate_series(1, 300) AS i",
        )
        .await?;
    scene.write(
        "notes/to_target.sql",
        "INSERT INTO target.public.notes (id, kept, long_text, count)\n\
         SELECT id, kept, long_text, count FROM source.public.notes WHERE kept;\n",
    )?;
    let mut running = scene.start()?;
    scene.until_streaming(&mut running).await?;
    source
        .batch_execute(
            "UPDATE notes SET count = -count WHERE id % 5 = 0;
             UPDATE notes SET kept = NOT kept WHERE id % 7 = 0;
             UPDATE notes SET id = id + 1000 WHERE id % 11 = 0;
             DELETE FROM notes WHERE id % 13 = 0;
             UPDATE notes SET long_text = 'short now' WHERE id % 17 = 0;
             UPDATE notes SET long_text = NULL WHERE id % 19 = 0",
        )
        .await?;
    let kept = "SELECT string_agg(notes::text, E'\\n' ORDER BY id) FROM notes WHERE kept";
    scene.until_same(&mut running, DEADLINE, kept).await?;
    let others = "SELECT count(*) FROM notes WHERE NOT kept";
    assert_eq!(scene.target().await?.query_one(others, &[]).await?.get::<_, i64>(0), 0);
    Ok(())
}

#[tokio::test]
async fn truncate_partitions_and_generated_columns_arrive() -> Result<()> {
    let scene = Scene::new().await?;
    let source = scene.source().await?;
    scene
        .in_both(
            "CREATE TABLE emptied (id integer PRIMARY KEY, word text);
             CREATE TABLE parts (id integer, year integer, word text, PRIMARY KEY (id, year))
                 PARTITION BY RANGE (year);
             CREATE TABLE parts_old PARTITION OF parts FOR VALUES FROM (2000) TO (2020);
             CREATE TABLE parts_new PARTITION OF parts FOR VALUES FROM (2020) TO (2040);
             CREATE TABLE sums (id integer PRIMARY KEY, a integer, b integer,
                 total integer GENERATED ALWAYS AS (a + b) STORED)",
        )
        .await?;
    source
        .batch_execute(
            "INSERT INTO emptied SELECT i, 'before' FROM generate_series(1, 100) AS i;
             INSERT INTO parts SELECT i, 2000 + i % 40, 'w' || i FROM generate_series(1, 100) AS i;
             INSERT INTO sums (id, a, b) SELECT i, i, i * 2 FROM generate_series(1, 100) AS i",
        )
        .await?;
    scene.map("emptied", "id, word")?;
    scene.map("parts", "id, year, word")?;
    scene.map("sums", "id, a, b")?;
    let mut running = scene.start()?;
    for table in ["emptied", "parts", "sums"] {
        scene.until_same(&mut running, DEADLINE, &content(table)).await?;
    }
    scene.until_streaming(&mut running).await?;
    source
        .batch_execute(
            "TRUNCATE emptied;
             INSERT INTO emptied VALUES (7, 'after');
             UPDATE parts SET year = 2039 WHERE year = 2001;
             DELETE FROM parts WHERE year = 2002;
             INSERT INTO parts VALUES (500, 2005, 'new');
             UPDATE sums SET a = a * 10 WHERE id < 50",
        )
        .await?;
    for table in ["emptied", "parts", "sums"] {
        scene.until_same(&mut running, DEADLINE, &content(table)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_column_added_while_running_disturbs_nobody() -> Result<()> {
    let scene = Scene::new().await?;
    let source = scene.source().await?;
    scene.in_both("CREATE TABLE grows (id integer PRIMARY KEY, word text)").await?;
    source.batch_execute("INSERT INTO grows SELECT i, 'w' FROM generate_series(1, 50) i").await?;
    scene.map("grows", "id, word")?;
    let mut running = scene.start()?;
    scene.until_streaming(&mut running).await?;
    source
        .batch_execute(
            "ALTER TABLE grows ADD COLUMN extra integer DEFAULT 5;
             INSERT INTO grows VALUES (100, 'with extra', 6);
             UPDATE grows SET word = 'changed' WHERE id < 10;
             ALTER TABLE grows DROP COLUMN extra;
             INSERT INTO grows VALUES (101, 'without')",
        )
        .await?;
    scene.until_same(&mut running, DEADLINE, &content("grows")).await?;
    Ok(())
}
