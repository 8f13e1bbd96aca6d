//! Fields that an expression computes of what two systems say: through updates, through values that it
//! fails on until they are corrected, and after it is another one.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::Duration;
use syncline_demo::Running;
use syncline_tests::{Scene, until};
use tokio_postgres::Client;

const SOON: Duration = Duration::from_secs(60);

const ENTITY: &str = "[entity]\nname = \"person\"\nkey = [\"person_id\"]\n\n\
     [fields.person_id]\ntype = \"integer\"\n\n\
     [fields.email]\ntype = \"text\"\npolicy = { sql = \"coalesce(sis, upper(hr))\" }\n\n\
     [fields.load]\ntype = \"integer\"\npolicy = { sql = \"sis / hr\" }\n";

/// Students in one system, staff in another, and people in a third.
async fn scene() -> Result<(Scene, Client, Client, Client)> {
    let scene = Scene::of(&["sis", "hr", "lms"], &[]).await?;
    let mut clients = Vec::new();
    for system in ["sis", "hr", "lms"] {
        let client = scene.database(system).await?;
        client
            .batch_execute("CREATE TABLE people (id integer PRIMARY KEY, email text, load integer)")
            .await?;
        clients.push(client);
    }
    for system in ["sis", "hr"] {
        let mapping = format!(
            "INSERT INTO person (person_id, email, load)\n\
             SELECT id, email, load FROM {system}.public.people;\n"
        );
        scene.write(&format!("person/from_{system}.sql"), &mapping)?;
    }
    let mapping = "INSERT INTO lms.public.people (id, email, load)\n\
                   SELECT person_id, email, load FROM person;\n";
    scene.write("person/to_lms.sql", mapping)?;
    scene.write("person/entity.toml", ENTITY)?;
    let [sis, hr, lms] = clients.try_into().ok().context("three systems")?;
    Ok((scene, sis, hr, lms))
}

async fn until_person(
    (running, lms): (&mut Running, &Client),
    id: i32,
    email: &str,
    load: Option<i32>,
) -> Result<()> {
    let query = "SELECT count(*) FROM people \
                 WHERE id = $1 AND email = $2 AND load IS NOT DISTINCT FROM $3";
    until(&format!("person {id} is {email}, {load:?}"), SOON, async || {
        running.check()?;
        Ok(lms.query_one(query, &[&id, &email, &load]).await?.get::<_, i64>(0) == 1)
    })
    .await
    .with_context(|| running.last_words())
}

fn told(scene: &Scene, arguments: &[&str]) -> Result<Value> {
    let outcome = scene.syncline(&[arguments, &["--json"]].concat())?;
    ensure!(outcome.code == 0, "{arguments:?}: {outcome:?}");
    Ok(serde_json::from_str(&outcome.stdout)?)
}

async fn until_open(scene: &Scene, conflicts: usize) -> Result<Vec<Value>> {
    let mut open = Vec::new();
    until(&format!("{conflicts} conflicts are open"), SOON, async || {
        let listed = told(scene, &["conflicts", "list"])?;
        open = listed["conflicts"].as_array().context("a list")?.clone();
        Ok(open.len() == conflicts)
    })
    .await
    .with_context(|| format!("{open:?}"))?;
    Ok(open)
}

#[tokio::test]
async fn an_expression_decides_and_asks_only_while_it_fails() -> Result<()> {
    let (scene, sis, hr, lms) = scene().await?;
    ensure!(scene.syncline(&["lock"])?.code == 0, "the tables are locked");
    is_refused_where_it_is_not_immutable(&scene)?;
    sis.batch_execute("INSERT INTO people VALUES (1, 'Ana', 12), (2, NULL, 8)").await?;
    let mut running = scene.start()?;
    scene.until_streaming(&mut running).await?;
    hr.batch_execute("INSERT INTO people VALUES (1, 'x', 3), (2, 'bo', 2)").await?;
    until_person((&mut running, &lms), 1, "Ana", Some(4)).await?;
    until_person((&mut running, &lms), 2, "BO", Some(4)).await?;
    hr.batch_execute("UPDATE people SET email = 'bea' WHERE id = 2").await?;
    until_person((&mut running, &lms), 2, "BEA", Some(4)).await?;

    // It fails for one person: what it last came to stays, and everything else goes on.
    hr.batch_execute(
        "UPDATE people SET load = 0 WHERE id = 1; UPDATE people SET load = 4 WHERE id = 2",
    )
    .await?;
    until_person((&mut running, &lms), 2, "BEA", Some(2)).await?;
    let open = until_open(&scene, 1).await?;
    ensure!(open[0]["kind"] == "constraint_failed" && open[0]["in_force"] == "4", "{open:?}");
    let policy = open[0]["policy"].as_str().context("a policy")?;
    ensure!(policy.contains("sis / hr") && policy.contains("division by zero"), "{policy}");
    until_person((&mut running, &lms), 1, "Ana", Some(4)).await?;
    is_explained(&scene)?;
    // The source is corrected, and nobody is asked any more.
    hr.batch_execute("UPDATE people SET load = 6 WHERE id = 1").await?;
    until_person((&mut running, &lms), 1, "Ana", Some(2)).await?;
    until_open(&scene, 0).await?;
    ensure!(running.terminate()?.success(), "it ends in order");

    // Half a change of the project does not keep anybody from being told why.
    scene.write("person/entity.toml", &ENTITY.replace("sis / hr", "sis /"))?;
    let why = told(&scene, &["why", "person", "1", "load"])?;
    ensure!(why["units"][0]["value"] == "2" && why["is_outdated"] == true, "{why}");

    // Another expression is another policy: what it will change is told, and then it does.
    scene.write("person/entity.toml", &ENTITY.replace("sis / hr", "sis - hr"))?;
    let planned = told(&scene, &["plan"])?;
    let person = &planned["rules"]["entities"][0];
    ensure!(person["fields"]["load"] == 2 && person["vanish"] == 0, "{planned}");
    let mut running = scene.run()?;
    until_person((&mut running, &lms), 1, "Ana", Some(6)).await?;
    until_person((&mut running, &lms), 2, "BEA", Some(4)).await?;
    ensure!(running.terminate()?.success(), "it ends in order");
    Ok(())
}

fn is_refused_where_it_is_not_immutable(scene: &Scene) -> Result<()> {
    scene.write(
        "person/entity.toml",
        &ENTITY.replace("sis / hr", "sis / extract(year FROM now())"),
    )?;
    let outcome = scene.syncline(&["check"])?;
    ensure!(outcome.code == 1, "{outcome:?}");
    for word in ["function now is not immutable", "person/entity.toml:14:43"] {
        ensure!(outcome.stdout.contains(word), "no {word:?}: {outcome:?}");
    }
    scene.write("person/entity.toml", ENTITY)
}

fn is_explained(scene: &Scene) -> Result<()> {
    let why = told(scene, &["why", "person", "1", "load"])?;
    let unit = &why["units"][0];
    ensure!(unit["policy"]["sql"] == "sis / hr" && unit["reason"] == "division by zero", "{why}");
    ensure!(unit["value"] == "4" && unit["conflict"] == "constraint_failed", "{why}");
    let columns = &unit["columns"];
    ensure!(columns[0]["source"] == "hr" && columns[0]["value"] == "0", "{why}");
    ensure!(columns[1]["source"] == "sis" && columns[1]["value"] == "12", "{why}");
    let text = scene.syncline(&["why", "person", "2", "email"])?.stdout;
    let words = ["BEA", "what the expression comes to", "coalesce(sis, upper(hr))", "hr = bea"];
    for word in words {
        ensure!(text.contains(word), "no {word:?}: {text}");
    }
    Ok(())
}
