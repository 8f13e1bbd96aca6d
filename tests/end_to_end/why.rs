//! Two systems know a person, and a registrar asks why the record is as it is: while the program runs
//! and after it ended, before and after the policy is changed.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::Duration;
use syncline_demo::Running;
use syncline_tests::{Scene, until};
use tokio_postgres::Client;

const SOON: Duration = Duration::from_secs(60);

const ENTITY: &str = r#"
[entity]
name = "person"
key = ["person_id"]

[fields.person_id]
type = "text"

[fields.email]
type = "text"
policy = "newest"

[fields.phone]
type = "text"
prefer = ["target", "source"]
sensitive = true

[fields.name]
type = "text"
policy = "ask"
"#;

/// `students` and `staff` speak of the same people; `golden` is what they come to.
async fn scene() -> Result<(Scene, Client, Client)> {
    let scene = Scene::new().await?;
    let (sis, hr) = (scene.source().await?, scene.target().await?);
    let columns = "(id text PRIMARY KEY, name text, email text, phone text)";
    sis.batch_execute(&format!("CREATE TABLE students {columns}")).await?;
    hr.batch_execute(&format!("CREATE TABLE staff {columns}; CREATE TABLE golden {columns}"))
        .await?;
    // Both are of one machine, whose clock agrees with itself.
    let connector = "connector = \"postgres\"\n";
    let settings = format!("{connector}clock_uncertainty = \"1ms\"\n");
    scene.write("syncline.toml", &scene.settings().replace(connector, &settings))?;
    scene.write("person/entity.toml", ENTITY)?;
    for (file, table) in
        [("from_sis", "source.public.students"), ("from_hr", "target.public.staff")]
    {
        scene.write(
            &format!("person/{file}.sql"),
            &format!(
                "INSERT INTO person (person_id, name, email, phone)\n\
                 SELECT id, name, email, phone FROM {table};\n"
            ),
        )?;
    }
    scene.write(
        "person/to_golden.sql",
        "INSERT INTO target.public.golden (id, name, email, phone)\n\
         SELECT person_id, name, email, phone FROM person;\n",
    )?;
    Ok((scene, sis, hr))
}

async fn until_email(running: &mut Running, target: &Client, email: &str) -> Result<()> {
    let query = "SELECT count(*) FROM golden WHERE id = 'S1' AND email = $1";
    until(&format!("the agreed address is {email}"), SOON, async || {
        running.check()?;
        Ok(target.query_one(query, &[&email]).await?.get::<_, i64>(0) == 1)
    })
    .await
    .with_context(|| running.last_words())
}

fn asked(scene: &Scene, arguments: &[&str]) -> Result<Value> {
    let arguments: Vec<&str> = ["why", "person"].iter().chain(arguments).copied().collect();
    let outcome = scene.syncline(&[arguments.as_slice(), &["--json"]].concat())?;
    ensure!(outcome.code == 0, "{outcome:?}");
    Ok(serde_json::from_str(&outcome.stdout)?)
}

fn said(scene: &Scene, arguments: &[&str]) -> Result<String> {
    let arguments: Vec<&str> = ["why", "person"].iter().chain(arguments).copied().collect();
    let outcome = scene.syncline(&arguments)?;
    ensure!(outcome.code == 0, "{outcome:?}");
    Ok(outcome.stdout)
}

/// That a command fails with this code, and says all this.
fn refused(scene: &Scene, arguments: &[&str], code: i32, words: &[&str]) -> Result<()> {
    let outcome = scene.syncline(arguments)?;
    ensure!(outcome.code == code, "{arguments:?}: {outcome:?}");
    for word in words {
        ensure!(outcome.stderr.contains(word), "no {word:?}: {outcome:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_registrar_is_told_why_before_and_after_the_policy_is_another() -> Result<()> {
    let (scene, sis, hr) = scene().await?;
    ensure!(scene.syncline(&["lock"])?.code == 0, "the tables are locked");
    refused(&scene, &["why", "person", "S1"], 3, &["nothing was ever said of any person"])?;
    let mut running = scene.start()?;
    scene.until_streaming(&mut running).await?;
    sis.batch_execute("INSERT INTO students VALUES ('S1', 'Ada', 'ada@sis.example', '111')")
        .await?;
    until_email(&mut running, &hr, "ada@sis.example").await?;
    hr.batch_execute("INSERT INTO staff VALUES ('S1', 'Ada B.', 'ada@hr.example', NULL)").await?;
    until_email(&mut running, &hr, "ada@hr.example").await?;

    while_it_runs(&scene)?;
    ensure!(running.terminate()?.success(), "it ends in order");

    // After it ended the claims are asked themselves, and say the same.
    let email = asked(&scene, &["S1", "email"])?;
    ensure!(email["units"][0]["value"] == "ada@hr.example", "{email}");
    ensure!(email["is_running"] == false, "{email}");
    let rules = email["rules"].clone();

    let changed = ENTITY.replace("policy = \"newest\"", "prefer = [\"source\", \"target\"]");
    scene.write("person/entity.toml", &changed)?;
    let planned = planned(&scene)?;
    check_plan(&planned)?;
    let email = asked(&scene, &["S1", "email"])?;
    ensure!(email["rules"] == rules && email["is_outdated"] == true, "{email}");
    ensure!(email["units"][0]["value"] == "ada@hr.example", "nothing is in force yet: {email}");

    let mut running = scene.run()?;
    until_email(&mut running, &hr, "ada@sis.example").await?;
    let email = asked(&scene, &["S1", "email"])?;
    ensure!(email["rules"] != rules && email["is_outdated"] == false, "{email}");
    ensure!(email["units"][0]["by"]["source"] == "source", "{email}");
    // The policy is changed back while it runs: the process is asked what that would change.
    scene.write("person/entity.toml", ENTITY)?;
    let back = self::planned(&scene)?;
    ensure!(back["rules"]["entities"][0]["fields"]["email"] == 1, "{back}");
    ensure!(running.terminate()?.success(), "it ends in order");
    Ok(())
}

fn while_it_runs(scene: &Scene) -> Result<()> {
    let email = asked(scene, &["S1", "email"])?;
    let unit = &email["units"][0];
    ensure!(email["is_running"] == true && unit["by"]["source"] == "target", "{email}");
    ensure!(unit["margin"]["told_by"] == "clocks", "{email}");
    ensure!(unit["margin"]["ahead"].as_i64() > Some(2_000), "{email}");
    ensure!(unit["flip"]["becomes"] == "ada@sis.example", "{email}");
    ensure!(unit["flip"]["change"]["what"] == "withdrawn", "{email}");
    let text = said(scene, &["S1", "email"])?;
    for word in ["email = ada@hr.example", "target said it last", "ada@sis.example if target"] {
        ensure!(text.contains(word), "no {word:?}: {text}");
    }

    // A list, and a source that is silent; the value is shown to those who ask for it.
    let phone = asked(scene, &["S1", "phone"])?;
    ensure!(phone["units"][0]["margin"]["silent"][0] == "target", "{phone}");
    ensure!(!phone.to_string().contains("111"), "it is sensitive: {phone}");
    let overview = said(scene, &["S1"])?;
    ensure!(overview.contains("•••") && !overview.contains("111"), "{overview}");
    let revealed = asked(scene, &["S1", "phone", "--reveal"])?;
    ensure!(revealed["units"][0]["value"] == "111", "{revealed}");

    // What a person is asked has its number; where the row goes is told.
    let name = asked(scene, &["S1", "name"])?;
    ensure!(name["units"][0]["conflict"] == "value_concurrent", "{name}");
    ensure!(name["conflicts"]["name"].as_i64().is_some(), "{name}");
    ensure!(name["goes_to"][0]["mapping"] == "person/to_golden.sql", "{name}");
    ensure!(name["goes_to"][0]["lane"]["state"] == "running", "{name}");
    ensure!(overview.contains("conflict "), "{overview}");

    refused(scene, &["why", "persn", "S1"], 3, &["unknown entity", "did you mean \"person\""])?;
    refused(scene, &["why", "person", "S1", "emial"], 3, &["did you mean \"email\""])?;
    refused(scene, &["why", "person", "S1", "person_id"], 3, &["part of the key"])?;
    refused(scene, &["why", "person", "S1", "email", "x"], 2, &["the key of person"])?;
    refused(scene, &["why", "person", "s1"], 1, &["no source ever spoke", "did you mean \"S1\""])?;
    refused(scene, &["why", "person", "S9"], 1, &["no source ever spoke", "parked list"])?;
    let asked = scene.get("/why?entity=person&key=S1&field=phone")?;
    ensure!(asked.contains("target") && !asked.contains("111"), "{asked}");
    Ok(())
}

fn planned(scene: &Scene) -> Result<Value> {
    let outcome = scene.syncline(&["plan", "--json"])?;
    ensure!(outcome.code == 0, "{outcome:?}");
    Ok(serde_json::from_str(&outcome.stdout)?)
}

fn check_plan(plan: &Value) -> Result<()> {
    let person = &plan["rules"]["entities"][0];
    ensure!(person["entity"] == "person" && person["keys"] == 1, "{plan}");
    ensure!(person["fields"]["email"] == 1 && person["vanish"] == 0, "{plan}");
    let sample = &person["samples"][0];
    ensure!(sample["from"] == "ada@hr.example" && sample["to"] == "ada@sis.example", "{plan}");
    Ok(())
}
