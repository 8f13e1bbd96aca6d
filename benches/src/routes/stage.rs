//! Two systems, two runs that take them to a target, and the clock.

use anyhow::{Result, bail, ensure};
use nix::unistd::Pid;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};
use syncline_benches::person::{self, AGREED, MARK_STAFF, STAFF, insert_staff};
use syncline_benches::project::{
    System, database, pause, prepare_to_poll, process, processor_time, resume, start, tuned,
};
use syncline_benches::workload::{COLUMNS, TABLES, insert};
use syncline_demo::{Cluster, Running};
use tempfile::TempDir;
use tokio_postgres::Client;

/// Longest time one workload may take.
const DEADLINE: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(2);
/// Rows a transaction.
const TRANSACTION: u32 = 1000;

/// What both systems do to each person.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Workload {
    /// He is new.
    Inserts,
    /// Something of him changes, in either system.
    Updates,
}

impl Workload {
    pub(crate) const ALL: [Self; 2] = [Self::Inserts, Self::Updates];

    /// One transaction of each system in turn.
    fn sql(self, rows: u32) -> String {
        let last = format!("first + {TRANSACTION} - 1");
        let numbers = format!("SELECT generate_series(first, {last})");
        // A stride that shares no factor with the row counts visits every row once.
        let met = format!(
            "id = ANY (ARRAY(SELECT (i * 7919) % {rows} FROM generate_series(first, {last}) i))"
        );
        let (people, staff) = match self {
            Self::Inserts => (insert(&numbers), insert_staff(&numbers)),
            Self::Updates => (
                format!(
                    "UPDATE people SET score = score + 1, updated_at = clock_timestamp()
                     WHERE {met};"
                ),
                format!("UPDATE staff SET department = (department + 7) % 30 WHERE {met};"),
            ),
        };
        format!(
            "DO $$
             DECLARE
                 first bigint;
             BEGIN
                 FOR first IN SELECT generate_series(0, {rows} - 1, {TRANSACTION}) LOOP
                     {people}
                     COMMIT;
                     {staff}
                     COMMIT;
                 END LOOP;
             END $$"
        )
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Inserts => "inserts",
            Self::Updates => "updates",
        })
    }
}

/// What one route took for one workload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) rows_per_second: f64,
    /// Processor time of its process, in µs a row.
    processor: f64,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8.0} rows/s {:>5.2} µs of CPU", self.rows_per_second, self.processor)
    }
}

/// One of the two ways.
struct Route {
    name: &'static str,
    /// Whether a mark is there, by its number.
    visible: &'static str,
    running: Running,
    target: Client,
}

/// Everything that is measured on.
pub(crate) struct Stage {
    // Order: the runs end before their servers, and these before their directories go.
    routes: [Route; 2],
    writer: Client,
    marks: i64,
    _source: Cluster,
    _target: Cluster,
    _directory: TempDir,
}

impl Stage {
    pub(crate) async fn build() -> Result<Self> {
        let (source, target) = (Cluster::start(tuned())?, Cluster::start(tuned())?);
        let directory = tempfile::tempdir()?;
        let tables = [TABLES, STAFF];
        let writer = database(&source, "source", &tables).await?;
        // The writer is not what is measured.
        writer.batch_execute("SET synchronous_commit = off").await?;
        let direct = Route {
            name: "direct",
            visible: "SELECT FROM people JOIN staff USING (id) WHERE id = $1",
            target: database(&target, "direct", &tables).await?,
            running: straight(&source, &target, &directory.path().join("direct"))?,
        };
        let entity = Route {
            name: "entity",
            visible: person::VISIBLE,
            target: database(&target, "entity", &tables).await?,
            running: through_entity(&source, &target, &directory.path().join("entity"))?,
        };
        let mut stage = Self {
            routes: [direct, entity],
            writer,
            marks: 0,
            _source: source,
            _target: target,
            _directory: directory,
        };
        let mark = stage.mark().await?;
        for route in 0..stage.routes.len() {
            stage.wait_for(route, mark).await?;
        }
        Ok(stage)
    }

    /// Makes the changes, lets each route take them to its target, and looks at what is there. Who goes
    /// first alternates from run to run.
    pub(crate) async fn measure(
        &mut self,
        workload: Workload,
        rows: u32,
        run: usize,
    ) -> Result<[Measured; 2]> {
        let processes = [process(&self.routes[0].running)?, process(&self.routes[1].running)?];
        processes.iter().try_for_each(|&process| pause(process))?;
        let mark = match self.write(workload, rows).await {
            Ok(mark) => mark,
            // Nobody stays stopped whatever happened.
            Err(error) => {
                processes.iter().try_for_each(|&process| resume(process))?;
                return Err(error);
            }
        };
        let mut measured = [None, None];
        let mut order = [0, 1];
        order.rotate_left(run % 2);
        for route in order {
            measured[route] = Some(self.time(route, processes[route], mark, 2 * rows).await?);
        }
        // Order: what compares the targets is planned by what is there.
        self.tidy().await?;
        self.compare(workload).await?;
        Ok(measured.map(|measured| measured.expect("both were timed")))
    }

    /// Takes all people away again.
    pub(crate) async fn clear(&mut self) -> Result<()> {
        self.writer
            .batch_execute("DELETE FROM people WHERE id >= 0; DELETE FROM staff WHERE id >= 0")
            .await?;
        let mark = self.mark().await?;
        for route in 0..self.routes.len() {
            self.wait_for(route, mark).await?;
        }
        self.tidy().await
    }

    async fn time(&mut self, route: usize, process: Pid, mark: i64, rows: u32) -> Result<Measured> {
        let before = processor_time(process)?;
        let started = Instant::now();
        resume(process)?;
        self.wait_for(route, mark).await?;
        let elapsed = started.elapsed();
        let processor = processor_time(process)?.saturating_sub(before);
        let rows = f64::from(rows);
        Ok(Measured {
            rows_per_second: rows / elapsed.as_secs_f64(),
            processor: processor.as_secs_f64() * 1e6 / rows,
        })
    }

    async fn write(&mut self, workload: Workload, rows: u32) -> Result<i64> {
        self.writer.batch_execute(&workload.sql(rows)).await?;
        self.mark().await
    }

    /// Writes a mark behind everything, in both systems.
    async fn mark(&mut self) -> Result<i64> {
        self.marks -= 1;
        self.writer.batch_execute(&insert(&format!("SELECT {}::bigint", self.marks))).await?;
        self.writer.execute(MARK_STAFF, &[&self.marks]).await?;
        Ok(self.marks)
    }

    /// Waits until a mark is visible, and with it all before it.
    async fn wait_for(&mut self, route: usize, mark: i64) -> Result<()> {
        let started = Instant::now();
        let route = &mut self.routes[route];
        let visible = prepare_to_poll(&route.target, route.visible).await?;
        while route.target.query_opt(&visible, &[&mark]).await?.is_none() {
            route.running.check()?;
            if started.elapsed() > DEADLINE {
                bail!("{} did not bring mark {mark} in {} s", route.name, DEADLINE.as_secs());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Every target holds what it must.
    async fn compare(&self, workload: Workload) -> Result<()> {
        let [direct, entity] = &self.routes;
        for (route, expected, found) in [
            (direct, "SELECT * FROM people", "SELECT * FROM people"),
            (direct, "SELECT * FROM staff", "SELECT * FROM staff"),
            (entity, AGREED, "SELECT * FROM people"),
        ] {
            let content = |of: &str| {
                format!(
                    "SELECT count(*)::text || ' rows, ' ||
                        coalesce(md5(string_agg(md5(t::text), '' ORDER BY id)), '-')
                     FROM ({of}) AS t"
                )
            };
            let expected: String = self.writer.query_one(&content(expected), &[]).await?.get(0);
            let found: String = route.target.query_one(&content(found), &[]).await?.get(0);
            ensure!(found == expected, "{workload}, {}: {found}, not {expected}", route.name);
        }
        Ok(())
    }

    /// The same ground for the next workload, and for both.
    async fn tidy(&self) -> Result<()> {
        let [direct, entity] = &self.routes;
        for client in [&self.writer, &direct.target, &entity.target] {
            client.batch_execute("VACUUM ANALYZE people").await?;
            client.batch_execute("VACUUM ANALYZE staff").await?;
        }
        for client in [&self.writer, &direct.target] {
            client.batch_execute("CHECKPOINT").await?;
        }
        Ok(())
    }
}

/// Each table to its own.
fn straight(source: &Cluster, target: &Cluster, project: &Path) -> Result<Running> {
    let copy = |system: &str, table: &str, columns: &str| {
        format!(
            "INSERT INTO target.public.{table} ({columns})\n\
             SELECT {columns} FROM {system}.public.{table};\n"
        )
    };
    let files = [
        ("people/people.sql", copy("one", "people", COLUMNS)),
        ("people/staff.sql", copy("two", "staff", "id, email, department")),
    ];
    start(project, &systems(source, target, ["one", "two"], "direct"), &files, "")
}

/// Both tables to one entity, and from there to one table.
fn through_entity(source: &Cluster, target: &Cluster, project: &Path) -> Result<Running> {
    let files = person::files("three", "four", "target");
    start(project, &systems(source, target, ["three", "four"], "entity"), &files, "")
}

fn systems<'a>(
    source: &'a Cluster,
    target: &'a Cluster,
    [one, two]: [&'a str; 2],
    database: &'a str,
) -> [System<'a>; 3] {
    [
        System::new(one, source, "source"),
        System::new(two, source, "source"),
        System::new("target", target, database),
    ]
}
