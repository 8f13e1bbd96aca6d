//! What is wrong is told: what failed, where, the facts, and what mends it. Nothing is lost.

use anyhow::Result;
use std::time::Duration;
use syncline_demo::{Access, Cluster, ClusterOptions, Durability, Running};
use syncline_tests::{Outcome, Scene};

const DEADLINE: Duration = Duration::from_secs(60);

async fn scene_with_people() -> Result<Scene> {
    let scene = Scene::new().await?;
    scene
        .in_both("CREATE TABLE people (id integer PRIMARY KEY, email text, age integer NOT NULL)")
        .await?;
    scene.map("people", "id, email, age")?;
    assert_eq!(scene.syncline(&["lock"])?.code, 0);
    Ok(scene)
}

/// The command failed with this code, and its message has all of these words.
#[track_caller]
fn told(outcome: &Outcome, code: i32, words: &[&str]) {
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    assert_eq!(outcome.code, code, "{said}");
    assert!(said.contains("error: "), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in\n{said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

/// The only source can't be read, so that the run ends by itself and says why.
#[track_caller]
fn ends(mut running: Running, why: &str) -> Result<()> {
    let ended = running.wait(DEADLINE)?;
    let said = running.said();
    assert_eq!(ended.code(), Some(3), "{said}");
    assert!(said.contains(why) && said.contains("hint: "), "{said}");
    Ok(())
}

#[tokio::test]
async fn all_mistakes_of_a_project_are_told_at_once_each_at_its_place() -> Result<()> {
    let scene = scene_with_people().await?;
    scene.write(
        "people/to_target.sql",
        "INSERT INTO target.public.people (id, email, age)\n\
         SELECT id,\n  emial,\n  age FROM source.public.people;\n",
    )?;
    scene.write(
        "people/second.sql",
        "INSERT INTO target.public.people (id, age)\nSELECT id age FROM source.public.peple;\n",
    )?;
    scene.write("people/third.sql", "SELEKT 1;\n")?;
    let checked = scene.syncline(&["check"])?;
    told(
        &checked,
        1,
        &[
            "people/to_target.sql:3:3",
            "emial",
            "did you mean \"email\"",
            "people/second.sql",
            "peple",
            "people/third.sql",
        ],
    );
    Ok(())
}

#[tokio::test]
async fn joins_aggregates_and_impure_functions_are_refused_with_the_reason() -> Result<()> {
    let scene = scene_with_people().await?;
    for (statement, word) in [
        (
            "SELECT p.id, q.email, p.age FROM source.public.people p \
             JOIN source.public.people q ON p.id = q.id",
            "join",
        ),
        ("SELECT max(id), email, count(*) FROM source.public.people GROUP BY email", "GROUP BY"),
        ("SELECT id, email, CAST(random() * 10 AS integer) FROM source.public.people", "random"),
    ] {
        let insert = "INSERT INTO target.public.people (id, email, age)\n";
        scene.write("people/to_target.sql", &format!("{insert}{statement};\n"))?;
        told(&scene.syncline(&["check"])?, 1, &["people/to_target.sql:2:", word]);
    }
    Ok(())
}

#[tokio::test]
async fn two_mappings_that_write_the_same_columns_are_refused() -> Result<()> {
    let scene = scene_with_people().await?;
    let again = std::fs::read_to_string(scene.project().join("people/to_target.sql"))?;
    scene.write("people/again.sql", &again)?;
    told(&scene.syncline(&["check"])?, 1, &["people/again.sql", "people/to_target.sql"]);
    Ok(())
}

#[tokio::test]
async fn malformed_settings_are_told_with_their_line() -> Result<()> {
    let scene = scene_with_people().await?;
    let good = scene.settings();
    scene.write("syncline.toml", &good.replace("port = ", "port = = "))?;
    told(&scene.syncline(&["check"])?, 3, &["syncline.toml:"]);
    scene.write("syncline.toml", &good.replace("database = ", "databse = "))?;
    told(&scene.syncline(&["check"])?, 3, &["syncline.toml:", "databse", "database"]);
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_not_there_or_lets_nobody_in_is_named() -> Result<()> {
    let scene = scene_with_people().await?;
    let port = scene.cluster.port().to_string();
    let elsewhere = scene.settings().replace(&format!("port = {port}"), "port = 1");
    scene.write("syncline.toml", &elsewhere)?;
    told(&scene.syncline(&["lock"])?, 4, &[".s.PGSQL.1", "hint: "]);

    let guarded = Cluster::start(ClusterOptions {
        access: Access::Loopback,
        durability: Durability::None,
        password: Some("the right one".into()),
        ..ClusterOptions::default()
    })?;
    let settings = scene
        .settings()
        .replace(&format!("port = {port}"), &format!("port = {}", guarded.port()))
        .replace(scene.cluster.host(), "127.0.0.1")
        .replace("database = \"source\"", "database = \"postgres\"\npassword = \"the wrong one\"");
    scene.write("syncline.toml", &settings)?;
    let refused = scene.syncline(&["lock"])?;
    told(&refused, 3, &["password"]);
    let said = refused.stdout + &refused.stderr;
    assert!(!said.contains("the wrong one"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_source_without_logical_wal_is_told_how_to_get_it() -> Result<()> {
    let scene = Scene::with_settings(&[("wal_level", "replica")]).await?;
    scene.in_both("CREATE TABLE people (id integer PRIMARY KEY)").await?;
    scene.map("people", "id")?;
    assert_eq!(scene.syncline(&["lock"])?.code, 0);
    told(&scene.syncline(&["doctor"])?, 1, &["wal_level", "ALTER SYSTEM SET wal_level"]);
    ends(scene.run()?, "wal_level")
}

#[tokio::test]
async fn a_slot_that_was_dropped_is_an_error_and_never_a_silent_jump() -> Result<()> {
    let scene = scene_with_people().await?;
    let source = scene.source().await?;
    source.batch_execute("INSERT INTO people VALUES (1, 'a@x', 1)").await?;
    let mut running = scene.start()?;
    let count = "SELECT count(*)::text FROM people";
    scene.until_same(&mut running, DEADLINE, count).await?;
    scene.until_streaming(&mut running).await?;
    assert!(running.terminate()?.success());
    source
        .batch_execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
        .await?;
    source.batch_execute("INSERT INTO people VALUES (2, 'b@x', 2)").await?;
    ends(scene.run()?, "the slot is gone")?;
    let target = scene.target().await?;
    let there: i64 = target.query_one("SELECT count(*) FROM people", &[]).await?.get(0);
    assert_eq!(there, 1, "nothing after the gap is taken");
    Ok(())
}

#[tokio::test]
async fn a_target_with_a_narrower_type_is_told_before_it_hurts() -> Result<()> {
    let scene = Scene::new().await?;
    scene.source().await?.batch_execute("CREATE TABLE t (id bigint PRIMARY KEY, w text)").await?;
    let narrow = "CREATE TABLE t (id integer PRIMARY KEY, w varchar(5), must text NOT NULL)";
    scene.target().await?.batch_execute(narrow).await?;
    scene.map("t", "id, w")?;
    assert_eq!(scene.syncline(&["lock"])?.code, 0);
    told(&scene.syncline(&["check"])?, 1, &["must", "hint: "]);
    Ok(())
}

#[tokio::test]
async fn a_folder_that_is_no_project_is_told() -> Result<()> {
    let scene = Scene::new().await?;
    std::fs::remove_file(scene.project().join("syncline.toml"))?;
    told(&scene.syncline(&["check"])?, 3, &["syncline.toml", "syncline init"]);
    Ok(())
}
