//! What happens in the story, and what has to be left of it.

use crate::life::Life;
use crate::story::Scene;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use syncline_tests::ask;
use tokio::time::sleep;

const DEADLINE: Duration = Duration::from_secs(60);
/// Between two transactions: long enough for most to go their way alone.
const PAUSE: Duration = Duration::from_millis(15);
/// Longest wait for what the process does by itself now and then.
const IDLE_MAX: Duration = Duration::from_secs(8);

/// The tables of a system, and what is in them when the story begins.
pub(crate) fn tables(system: &str) -> &'static str {
    match system {
        "sis" => include_str!("sql/sis.sql"),
        "hr" => include_str!("sql/hr.sql"),
        _ => include_str!("sql/lms.sql"),
    }
}

/// Each target table as text, a row a line.
pub(crate) const LEFT: &[(&str, &str)] = &[
    ("people", "SELECT string_agg(t::text, E'\\n' ORDER BY email) FROM people AS t"),
    ("courses", "SELECT string_agg(t::text, E'\\n' ORDER BY id) FROM courses AS t"),
    (
        "enrolments",
        "SELECT string_agg(t::text, E'\\n' ORDER BY student, course) FROM enrolments AS t",
    ),
    ("ticks", "SELECT string_agg(t::text, E'\\n' ORDER BY id) FROM ticks AS t"),
    ("bulk", "SELECT string_agg(t::text, E'\\n' ORDER BY id) FROM bulk AS t"),
    ("parked", "SELECT string_agg(key, E'\\n' ORDER BY key) FROM syncline.parked"),
];

/// Who is in the database that an act speaks to.
#[derive(Debug, Clone, Copy)]
enum At {
    Sis,
    Hr,
}

use At::{Hr, Sis};

/// Transactions, one after the other: the statements of each.
const ACTS: &[(At, &[&str])] = &[
    // Small ones of every kind.
    (
        Sis,
        &[
            "INSERT INTO students SELECT i, 'n' || i || '@x', 'New ' || i, NULL, '2000-01-01' FROM generate_series(601, 640) AS i",
        ],
    ),
    (Sis, &["UPDATE students SET name = name || '!' WHERE id % 7 = 0"]),
    // A large value that does not change is not sent.
    (Sis, &["UPDATE students SET born = born + 1 WHERE about IS NOT NULL AND id > 100"]),
    (Sis, &["UPDATE students SET email = 'moved' || id || '@x' WHERE id BETWEEN 120 AND 150"]),
    (
        Sis,
        &[
            "UPDATE enrolments SET course = course + 1 WHERE student <= 40 AND course = 3",
            "DELETE FROM enrolments WHERE student = 60",
        ],
    ),
    (Sis, &["UPDATE ticks SET n = n + 1"]),
    (
        Sis,
        &[
            "INSERT INTO courses VALUES (101, 'Late'), (102, 'Later')",
            "INSERT INTO enrolments VALUES (1, 101, 5), (2, 102, 6)",
            "UPDATE ticks SET n = n + 1 WHERE id < 3",
        ],
    ),
    (Hr, &["UPDATE staff SET phone = '+34 ' || id, name = 'Dr ' || name"]),
    (
        Hr,
        &[
            "DELETE FROM staff WHERE id BETWEEN 30 AND 35",
            "INSERT INTO staff VALUES (900, 'only@hr', 'Only', '1', '1970-01-01', '3')",
        ],
    ),
    // What the target refuses, what a mapping refuses, and what a person is asked.
    (Sis, &["UPDATE enrolments SET grade = -1 WHERE student IN (5, 6) AND course = 1"]),
    (Hr, &["UPDATE staff SET grade = 'x' || grade WHERE id <= 5"]),
    (Hr, &["UPDATE staff SET born = born + 30 WHERE id BETWEEN 10 AND 20"]),
    (Sis, &["UPDATE ticks SET n = n + 1"]),
    // Other columns.
    (
        Sis,
        &[
            "ALTER TABLE students ADD COLUMN extra text DEFAULT 'e'",
            "INSERT INTO students VALUES (700, 'ddl@x', 'After', NULL, '2001-01-01', 'z')",
        ],
    ),
    (Sis, &["UPDATE students SET extra = 'other', name = name || '?' WHERE id < 20"]),
    // Many rows, some of them taken back.
    (
        Sis,
        &[
            "UPDATE students SET name = 'Big ' || id WHERE id > 200",
            "INSERT INTO bulk SELECT i, repeat(md5(i::text), 6) FROM generate_series(5001, 7000) AS i",
            "SAVEPOINT s",
            "INSERT INTO bulk SELECT i, 'gone' FROM generate_series(9001, 9500) AS i",
            "ROLLBACK TO s",
            "UPDATE bulk SET payload = 'u' || payload WHERE id % 2 = 0",
        ],
    ),
    (Sis, &["UPDATE ticks SET n = n + 1"]),
    (Sis, &["TRUNCATE bulk"]),
    (Sis, &["INSERT INTO bulk SELECT i, 'again' FROM generate_series(1, 300) AS i"]),
    (Hr, &["TRUNCATE badges"]),
    (
        Hr,
        &[
            "INSERT INTO badges SELECT 'p' || i || '@x', 'second ' || i FROM generate_series(1, 20) AS i",
        ],
    ),
    // Part of what was refused is mended.
    (Sis, &["UPDATE enrolments SET grade = 9 WHERE student = 5 AND course = 1"]),
    (Hr, &["UPDATE staff SET grade = '7' WHERE id < 5"]),
    (Hr, &["UPDATE staff SET born = born - 30 WHERE id BETWEEN 10 AND 14"]),
    (Sis, &["UPDATE ticks SET n = n + 1"]),
    // Claims that are outdated, and keys that are gone.
    (Sis, &["UPDATE students SET born = born + 1"]),
    (Sis, &["UPDATE students SET born = born + 1"]),
    (Sis, &["DELETE FROM students WHERE id BETWEEN 300 AND 380"]),
    (Sis, &["UPDATE ticks SET n = n + 1"]),
];

/// Where the table of courses is copied again.
const BACKFILL_AT: usize = 12;

/// Plays all acts, with whatever process there is; returns how many rows they changed.
pub(crate) async fn play(scene: &Scene, life: &mut Life) -> Result<u64> {
    life.until_streaming().await?;
    let mut rows = 0;
    for (number, (at, statements)) in ACTS.iter().enumerate() {
        let database = match at {
            Sis => &scene.sis,
            Hr => &scene.hr,
        };
        database.batch_execute("BEGIN").await?;
        for statement in *statements {
            rows += database.execute(*statement, &[]).await.context(*statement)?;
        }
        database.batch_execute("COMMIT").await?;
        if number == BACKFILL_AT {
            let mut command = scene.program.command(&scene.project());
            let output = command.args(["backfill", "sis.public.courses"]).output()?;
            ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        life.look()?;
        sleep(PAUSE).await;
    }
    forgotten(life).await?;
    Ok(rows)
}

/// Gives the process time to forget keys that are gone; one that takes over from a crash may have none left.
async fn forgotten(life: &mut Life) -> Result<()> {
    let began = tokio::time::Instant::now();
    life.until("keys that are gone are forgotten", DEADLINE, async |project: &Path| {
        let metrics = ask(project, "/metrics").unwrap_or_default();
        let mut counts =
            metrics.lines().filter(|line| line.starts_with("syncline_entity_dropped_keys_total{"));
        let is_done = counts.any(|line| !line.ends_with(" 0"));
        Ok(is_done || began.elapsed() > IDLE_MAX)
    })
    .await
}

/// What each target table has to hold, from the sources alone.
pub(crate) async fn wanted(scene: &Scene) -> Result<BTreeMap<String, String>> {
    let json = "SELECT coalesce(json_agg(t), '[]')::text FROM";
    let staff: String = scene.hr.query_one(&format!("{json} staff AS t"), &[]).await?.get(0);
    let badges: String = scene.hr.query_one(&format!("{json} badges AS t"), &[]).await?.get(0);
    let people = include_str!("sql/people.sql");
    let mut wanted = BTreeMap::new();
    let text: Option<String> = scene.sis.query_one(people, &[&staff, &badges]).await?.get(0);
    wanted.insert("people".to_owned(), text.unwrap_or_default());
    for (table, question) in LEFT.iter().filter(|(table, _)| !["people", "parked"].contains(table))
    {
        // What the target refuses is parked, and its row as it was before.
        let question = question.replace(
            "enrolments AS t",
            "(SELECT student, course, CASE WHEN grade < 0 THEN 1 ELSE grade END AS grade FROM enrolments) AS t",
        );
        let text: Option<String> = scene.sis.query_one(&question, &[]).await?.get(0);
        wanted.insert((*table).to_owned(), text.unwrap_or_default());
    }
    let refused = "SELECT string_agg('[\"' || student || '\",\"' || course || '\"]', E'\\n')
                   FROM enrolments WHERE grade < 0";
    let text: Option<String> = scene.sis.query_one(refused, &[]).await?.get(0);
    wanted.insert("parked".to_owned(), text.unwrap_or_default());
    Ok(wanted)
}

/// Every change of a tick took effect once, and in order.
pub(crate) async fn check_order(scene: &Scene) -> Result<()> {
    let wrong = "SELECT count(*), min(said) FROM (SELECT id, bool_or(before >= n) AS is_wrong,
                 id || ': ' || string_agg(seq || ' ' || n, ', ' ORDER BY seq) AS said
                 FROM (SELECT id, seq, n, lag(n) OVER (PARTITION BY id ORDER BY seq) AS before
                 FROM heard) AS t GROUP BY id) AS t WHERE is_wrong";
    let row = scene.lms.query_one(wrong, &[]).await?;
    let (wrong, said): (i64, Option<String>) = (row.get(0), row.get(1));
    let said = said.unwrap_or_default();
    ensure!(wrong == 0, "changes of {wrong} rows took effect twice, or after a later one: {said}");
    Ok(())
}

/// What people are asked: entity, key and field of each open conflict.
pub(crate) fn conflicts(mut list: Command) -> Result<String> {
    let output = list.args(["conflicts", "list", "--limit", "1000", "--json"]).output()?;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let conflicts = report["conflicts"].as_array().context("conflicts are listed")?;
    let mut lines: Vec<String> = conflicts
        .iter()
        .map(|it| format!("{} {} {} {}", it["entity"], it["key"], it["field"], it["state"]))
        .collect();
    lines.sort();
    Ok(lines.join("\n"))
}

/// What mappings and targets refuse: mapping and key of each row that is set aside.
pub(crate) fn set_aside(mut list: Command) -> Result<String> {
    let output = list.args(["parked", "list", "--json"]).output()?;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let rows = report["parked"].as_array().context("rows are listed")?;
    let mut lines: Vec<String> =
        rows.iter().map(|it| format!("{} {}", it["mapping"], it["key"])).collect();
    lines.sort();
    Ok(lines.join("\n"))
}

/// The project of a story whose databases have this name.
pub(crate) fn write_project(
    project: &Path,
    (host, port): (&str, u16),
    name: &str,
    log: &str,
) -> Result<()> {
    let system = |system: &str| {
        format!(
            "[systems.{system}]\nconnector = \"postgres\"\nhost = \"{host}\"\nport = {port}\n\
             database = \"{system}_{name}\"\nuser = \"postgres\"\nslot = \"{system}_{name}\"\n\n\
             [systems.{system}.limits]\nsnapshot_chunk_rows = 400\nbatch_rows_max = 150\n\
             heartbeat = \"500ms\"\n\n"
        )
    };
    let settings = format!(
        "{}{}{}",
        include_str!("project/syncline.toml"),
        ["sis", "hr", "lms"].map(system).concat(),
        log
    );
    let files = [
        ("syncline.toml", settings.as_str()),
        ("person/entity.toml", include_str!("project/person/entity.toml")),
        ("person/from_students.sql", include_str!("project/person/from_students.sql")),
        ("person/from_staff.sql", include_str!("project/person/from_staff.sql")),
        ("person/from_badges.sql", include_str!("project/person/from_badges.sql")),
        ("person/to_lms.sql", include_str!("project/person/to_lms.sql")),
    ];
    let tables = [
        ("courses", "id, title"),
        ("enrolments", "student, course, grade"),
        ("ticks", "id, n"),
        ("bulk", "id, payload"),
    ];
    let write = |path: &str, text: &str| -> Result<()> {
        let file = project.join(path);
        std::fs::create_dir_all(file.parent().context("a file is in a folder")?)?;
        Ok(std::fs::write(file, text)?)
    };
    files.iter().try_for_each(|(path, text)| write(path, text))?;
    tables.iter().try_for_each(|(table, columns)| {
        let sql = format!(
            "INSERT INTO lms.public.{table} ({columns})\nSELECT {columns} FROM sis.public.{table};\n"
        );
        write(&format!("{table}/to_lms.sql"), &sql)
    })
}
