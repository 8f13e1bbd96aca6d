//! G7: a bad row stops only its key. G9: nothing is deleted to satisfy a constraint.

use anyhow::{Context, Result};
use std::time::Duration;
use syncline_tests::{Scene, until};
use tokio_postgres::Client;

const DEADLINE: Duration = Duration::from_secs(60);

async fn count(client: &Client, question: &str) -> Result<i64> {
    Ok(client.query_one(question, &[]).await?.get(0))
}

async fn parked(target: &Client) -> Result<i64> {
    // The table is made when the target is first opened.
    let there = "SELECT count(to_regclass('syncline.parked'))";
    if count(target, there).await? == 0 {
        return Ok(0);
    }
    count(target, "SELECT count(*) FROM syncline.parked").await
}

/// Waits until so many rows are parked.
async fn until_parked(target: &Client, rows: i64) -> Result<()> {
    until(&format!("{rows} rows are parked"), DEADLINE, async || Ok(parked(target).await? == rows))
        .await
        .with_context(|| "parked rows")
}

#[tokio::test]
async fn a_taken_address_parks_its_row_until_it_is_free() -> Result<()> {
    let scene = Scene::new().await?;
    let (source, target) = (scene.source().await?, scene.target().await?);
    source.batch_execute("CREATE TABLE users (id integer PRIMARY KEY, email text)").await?;
    target.batch_execute("CREATE TABLE users (id integer PRIMARY KEY, email text UNIQUE)").await?;
    scene.map("users", "id, email")?;
    let fill = "INSERT INTO users SELECT i, 'u' || i || '@x' FROM generate_series(1, 500) AS i";
    source.batch_execute(fill).await?;
    let mut running = scene.start()?;
    scene.until_streaming(&mut running).await?;
    source
        .batch_execute(
            "BEGIN; INSERT INTO users VALUES (501, 'u1@x'), (502, 'u502@x'); COMMIT;
             UPDATE users SET email = 'second@x' WHERE id = 2",
        )
        .await?;
    // All but the one arrive, those of its own transaction too; and the owner of the address stays.
    let others = "SELECT string_agg(users::text, ',' ORDER BY id) FROM users WHERE id <> 501";
    scene.until_same(&mut running, DEADLINE, others).await?;
    until_parked(&target, 1).await?;

    let listed = scene.syncline(&["parked", "list"])?;
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    assert!(listed.stdout.contains("[\"501\"]"), "{}", listed.stdout);
    assert!(listed.stdout.contains("users/to_target.sql"), "{}", listed.stdout);

    // The cause goes: the first gives the address up.
    source.batch_execute("UPDATE users SET email = 'free@x' WHERE id = 1").await?;
    until_parked(&target, 0).await?;
    let all = "SELECT string_agg(users::text, ',' ORDER BY id) FROM users";
    scene.until_same(&mut running, DEADLINE, all).await?;
    Ok(())
}

#[tokio::test]
async fn a_child_waits_for_its_parent() -> Result<()> {
    let scene = Scene::new().await?;
    let (source, target) = (scene.source().await?, scene.target().await?);
    // Nothing at the source says that children have parents.
    source
        .batch_execute(
            "CREATE TABLE parents (id integer PRIMARY KEY, word text);
             CREATE TABLE children (id integer PRIMARY KEY, parent integer, word text)",
        )
        .await?;
    target
        .batch_execute(
            "CREATE TABLE parents (id integer PRIMARY KEY, word text);
             CREATE TABLE children (id integer PRIMARY KEY, parent integer REFERENCES parents,
                 word text)",
        )
        .await?;
    scene.map("parents", "id, word")?;
    scene.map("children", "id, parent, word")?;
    let mut running = scene.start()?;
    scene.until_streaming(&mut running).await?;
    source.batch_execute("INSERT INTO children VALUES (1, 10, 'a'), (2, 20, 'b')").await?;
    until_parked(&target, 2).await?;
    source.batch_execute("UPDATE children SET word = 'newer' WHERE id = 1").await?;
    source.batch_execute("INSERT INTO parents VALUES (10, 'at last')").await?;
    until_parked(&target, 1).await?;
    let child = "SELECT count(*) FROM children WHERE id = 1 AND word = 'newer'";
    assert_eq!(count(&target, child).await?, 1, "the child came with its latest word");

    // A parent is not deleted from under its child, nor the child with it.
    source.batch_execute("DELETE FROM parents WHERE id = 10").await?;
    until_parked(&target, 2).await?;
    assert_eq!(count(&target, "SELECT count(*) FROM parents WHERE id = 10").await?, 1);
    assert_eq!(count(&target, child).await?, 1);
    source.batch_execute("DELETE FROM children").await?;
    until_parked(&target, 0).await?;
    let left = "SELECT (SELECT count(*) FROM parents) + (SELECT count(*) FROM children)";
    assert_eq!(count(&target, left).await?, 0);
    running.check()?;
    Ok(())
}

#[tokio::test]
async fn a_value_that_does_not_fit_parks_its_row_with_the_reason() -> Result<()> {
    let scene = Scene::new().await?;
    let (source, target) = (scene.source().await?, scene.target().await?);
    source.batch_execute("CREATE TABLE words (id integer PRIMARY KEY, word text)").await?;
    target.batch_execute("CREATE TABLE words (id integer PRIMARY KEY, number integer)").await?;
    scene.write(
        "words/to_target.sql",
        "INSERT INTO target.public.words (id, number)\n\
         SELECT id, CAST(word AS integer) FROM source.public.words;\n",
    )?;
    source
        .batch_execute(
            "INSERT INTO words SELECT i, i::text FROM generate_series(1, 100) AS i;
             INSERT INTO words VALUES (200, 'two hundred'), (201, '99999999999')",
        )
        .await?;
    let mut running = scene.start()?;
    until_parked(&target, 2).await?;
    assert_eq!(count(&target, "SELECT count(*) FROM words").await?, 100);
    let listed = scene.syncline(&["parked", "list"])?;
    assert!(listed.stdout.contains("[\"200\"]"), "{}", listed.stdout);
    assert!(!listed.stdout.contains("two hundred"), "no values: {}", listed.stdout);
    source.batch_execute("UPDATE words SET word = '200' WHERE id = 200").await?;
    until_parked(&target, 1).await?;
    let dropped = scene.syncline(&["parked", "drop", "target", "words/to_target.sql"])?;
    assert_eq!(dropped.code, 0, "{}", dropped.stderr);
    until_parked(&target, 0).await?;
    running.check()?;
    Ok(())
}
