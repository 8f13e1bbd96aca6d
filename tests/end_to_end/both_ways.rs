//! Three systems that are read and written, with people at work in all of them.
//!
//! ```text
//!  sis.students ◀─▶ ┌────────┐ ◀─▶ hr.staff
//!                   │ person │
//!                   └────────┘ ◀─▶ lms.users     (writes every address in capitals, and has a role
//!                       │                           that may not set a replication origin)
//!                       ▼
//!                    card.people                   only written: what is agreed
//! ```

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use syncline_tests::{Scene, check_health, until};
use tokio_postgres::Client;

const SYSTEMS: [&str; 4] = ["sis", "hr", "lms", "card"];
const PEOPLE_WORK_IN: usize = 3;
const PEOPLE: i32 = 60;
const DEADLINE: Duration = Duration::from_secs(90);

/// Each system's table with its columns for code, name, address and telephone.
const TABLES: [(&str, [&str; 4]); 4] = [
    ("sis.public.students", ["code", "full_name", "email", "phone"]),
    ("hr.public.staff", ["number", "name", "mail", "telephone"]),
    ("lms.public.users", ["login", "display_name", "address", "mobile"]),
    ("card.public.people", ["code", "name", "email", "phone"]),
];

const ENTITY: &str = r#"
[entity]
name = "person"
doc = "Everyone"
key = ["code"]
exists = { owner = "sis" }

[fields.code]
type = "text"

[fields.name]
type = "text"
prefer = ["sis", "hr", "lms"]

[fields.email]
type = "text"
policy = "newest"
prefer = ["hr", "sis", "lms"]

[fields.phone]
type = "text"
policy = "newest"
prefer = ["lms", "hr", "sis"]
"#;

/// Made in every database: each has its own names, and the learning system its own form of an address.
async fn project() -> Result<Scene> {
    let scene = Scene::of(&SYSTEMS, &[("max_replication_slots", "20")]).await?;
    scene.write("person/entity.toml", ENTITY)?;
    for (table, columns) in TABLES {
        let system = table.split('.').next().context("a system")?;
        let [code, name, email, phone] = columns;
        let database = scene.database(system).await?;
        let bare = table.rsplit('.').next().context("a table")?;
        database
            .batch_execute(&format!(
                "CREATE TABLE {bare} ({code} text PRIMARY KEY, {name} text, {email} text, {phone} text,
                     note text);
                 CREATE SEQUENCE writes;
                 CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS
                     $$ BEGIN PERFORM nextval('writes'); RETURN NULL; END $$;
                 CREATE TRIGGER counted AFTER INSERT OR UPDATE OR DELETE ON {bare}
                     FOR EACH ROW EXECUTE FUNCTION counted()"
            ))
            .await?;
        if system != "card" {
            scene.write(
                &format!("person/from_{system}.sql"),
                &format!(
                    "INSERT INTO person (code, name, email, phone)\n\
                     SELECT {code}, {name}, {email}, {phone} FROM {table};\n"
                ),
            )?;
        }
        scene.write(
            &format!("person/to_{system}.sql"),
            &format!(
                "INSERT INTO {table} ({code}, {name}, {email}, {phone})\n\
                 SELECT code, name, email, phone FROM person;\n"
            ),
        )?;
    }
    scene
        .database("lms")
        .await?
        .batch_execute(
            "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN NEW.address := upper(NEW.address); RETURN NEW; END $$;
             CREATE TRIGGER shout BEFORE INSERT OR UPDATE ON users
                 FOR EACH ROW EXECUTE FUNCTION shout();
             CREATE ROLE plain LOGIN REPLICATION;
             ALTER DATABASE lms OWNER TO plain;
             ALTER TABLE users OWNER TO plain;
             GRANT USAGE ON SEQUENCE writes TO plain",
        )
        .await?;
    let lms = "database = \"lms\"\nuser = ";
    let settings =
        scene.settings().replace(&format!("{lms}\"postgres\""), &format!("{lms}\"plain\""));
    scene.write("syncline.toml", &settings)?;
    scene
        .database("sis")
        .await?
        .batch_execute(&format!(
            "INSERT INTO students SELECT 'S' || g, 'Person ' || g, 's' || g || '@x', g::text
             FROM generate_series(1, {PEOPLE}) g"
        ))
        .await?;
    Ok(scene)
}

/// What each system has, in one form.
async fn held(scene: &Scene) -> Result<Vec<String>> {
    let mut held = Vec::new();
    for (table, [code, name, email, phone]) in TABLES {
        let mut parts = table.split('.');
        let (system, bare) =
            (parts.next().unwrap_or_default(), parts.next_back().unwrap_or_default());
        let question = format!(
            "SELECT string_agg(concat_ws('|', {code}, {name}, coalesce(upper({email}), '-'),
                 coalesce({phone}, '-')), E'\n' ORDER BY {code}) FROM {bare}"
        );
        let row = scene.database(system).await?.query_one(&question, &[]).await?;
        held.push(row.get::<_, Option<String>>(0).unwrap_or_default());
    }
    Ok(held)
}

/// Waits until all have the same.
async fn until_they_agree(scene: &Scene, running: &mut syncline_demo::Running) -> Result<String> {
    let mut last = Vec::new();
    let agreed = until("all agree", DEADLINE, async || {
        running.check()?;
        check_health(&scene.project())?;
        last = held(scene).await?;
        Ok(!last[0].is_empty() && last.windows(2).all(|pair| pair[0] == pair[1]))
    })
    .await;
    agreed.with_context(|| format!("{}\n{}", differences(&last), running.last_words()))?;
    last.pop().context("one of them")
}

fn differences(held: &[String]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (system, text) in SYSTEMS.iter().zip(held) {
        let others = held.iter().filter(|other| *other != text);
        let odd = text.lines().filter(|line| others.clone().any(|other| !other.contains(line)));
        lines.extend(odd.map(|line| format!("{system}: {line}")));
    }
    lines.sort();
    lines.join("\n")
}

/// How often rows were written in each system so far, by whomever.
async fn writes(scene: &Scene) -> Result<[i64; 4]> {
    let mut counts = [0; 4];
    for (count, system) in counts.iter_mut().zip(SYSTEMS) {
        let question = "SELECT last_value FROM writes";
        *count = scene.database(system).await?.query_one(question, &[]).await?.get(0);
    }
    Ok(counts)
}

/// Waits until nobody has written anything for a while; tells how much was written by then.
async fn at_rest(scene: &Scene) -> Result<[i64; 4]> {
    let mut last = writes(scene).await?;
    let mut since = tokio::time::Instant::now();
    until("nothing is written any more", DEADLINE, async || {
        let now = writes(scene).await?;
        if now != last {
            (last, since) = (now, tokio::time::Instant::now());
        }
        Ok(since.elapsed() > Duration::from_secs(3))
    })
    .await?;
    Ok(last)
}

/// Somebody at work in one system, until told to stop: changes, deletes, and in the student system
/// new people too.
async fn work(
    client: Client,
    system: usize,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
) -> Result<()> {
    let mut chance = StdRng::seed_from_u64(7 + system as u64);
    let (table, [code, name, email, phone]) = TABLES[system];
    let table = table.rsplit('.').next().context("a table")?;
    while !stop.load(Ordering::Relaxed) {
        let person = chance.random_range(1..=PEOPLE);
        let word = chance.random_range(0..1_000_000);
        let system_name = SYSTEMS[system];
        let statement = match chance.random_range(0..20) {
            0 => format!("DELETE FROM {table} WHERE {code} = 'S{person}'"),
            1..=3 if system == 0 => format!(
                "INSERT INTO {table} ({code}, {name}, {email}, {phone})
                 VALUES ('S{person}', 'New {word}', NULL, NULL) ON CONFLICT DO NOTHING"
            ),
            1..=5 => format!("UPDATE {table} SET {name} = 'N{word}' WHERE {code} = 'S{person}'"),
            6 => format!("UPDATE {table} SET {phone} = NULL WHERE {code} = 'S{person}'"),
            7..=12 => format!("UPDATE {table} SET {phone} = '{word}' WHERE {code} = 'S{person}'"),
            13 => format!("UPDATE {table} SET note = 'n{word}' WHERE {code} = 'S{person}'"),
            _ => format!(
                "UPDATE {table} SET {email} = '{system_name}{word}@x' WHERE {code} = 'S{person}'"
            ),
        };
        client.batch_execute(&statement).await?;
        done.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(chance.random_range(1..30))).await;
    }
    Ok(())
}

#[tokio::test]
async fn all_agree_at_rest_whatever_happened() -> Result<()> {
    let scene = project().await?;
    let mut running = scene.start()?;
    scene.until_streaming(&mut running).await?;
    until_they_agree(&scene, &mut running).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let mut workers = Vec::new();
    for (system, name) in SYSTEMS.iter().enumerate().take(PEOPLE_WORK_IN) {
        let client = scene.database(name).await?;
        workers.push(tokio::spawn(work(client, system, stop.clone(), done.clone())));
    }
    for life in [1500, 400, 2500, 900] {
        tokio::time::sleep(Duration::from_millis(life)).await;
        running.kill()?;
        running = scene.run()?;
    }
    stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await??;
    }
    ensure!(done.load(Ordering::Relaxed) > 300, "people were at work: {done:?}");
    until_they_agree(&scene, &mut running).await?;
    let before = at_rest(&scene).await?;
    let agreed = until_they_agree(&scene, &mut running).await?;
    ensure!(agreed.lines().count() > 10, "{agreed}");

    // One change is written once in every system, and what comes back moves nothing.
    let person = agreed.lines().next().and_then(|line| line.split('|').next()).context("one")?;
    scene
        .database("hr")
        .await?
        .batch_execute(&format!(
            "UPDATE staff SET telephone = 'the last' WHERE number = '{person}'"
        ))
        .await?;
    let after = at_rest(&scene).await?;
    let by_whom = [1, 2, 1, 1];
    for ((before, after), most) in before.iter().zip(after).zip(by_whom) {
        ensure!(after - before <= most, "{before} became {after}, more than {most} writes");
    }
    let agreed = until_they_agree(&scene, &mut running).await?;
    ensure!(agreed.contains("the last"), "{agreed}");
    ensure!(running.terminate()?.success(), "it ends in order");
    Ok(())
}
