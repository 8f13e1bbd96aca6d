//! The first copy of a table against `pg_dump | psql` of the same, in turn, each into a database of its own.
//!
//! Ours begins with the start of the process and has its slot made, its log written and durable, and its mapping run.
//! Both end when all rows are at the target, beneath its primary key.

use anyhow::{Context, Result, ensure};
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};
use syncline_benches::project::{System, database, start, tuned};
use syncline_benches::workload::{COLUMNS, TABLES, Workload};
use syncline_demo::{Binaries, Cluster};
use tokio_postgres::Client;

const DEADLINE: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(20);

/// Two servers, one of them with a table that is full.
struct Servers {
    source: Cluster,
    target: Cluster,
    writer: Client,
    rows: i64,
    /// Bytes of the table.
    size: i64,
}

/// Copies so many rows so often by either way; prints what each took, and the median ratio.
pub(crate) async fn measure(rows: u32, runs: usize) -> Result<()> {
    let servers = Servers::start(rows).await?;
    let mut out = std::io::stdout();
    let mut ratios = Vec::new();
    for run in 0..runs {
        let (theirs, ours) = if run.is_multiple_of(2) {
            let theirs = servers.dump(run).await?;
            (theirs, servers.copy(run).await?)
        } else {
            let ours = servers.copy(run).await?;
            (servers.dump(run).await?, ours)
        };
        let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
        let rate = |took: Duration| f64::from(rows) / took.as_secs_f64();
        writeln!(
            out,
            "first copy   pg_dump | psql {:>7.0} rows/s, syncline {:>7.0}, {ratio:>5.2} times",
            rate(theirs),
            rate(ours)
        )?;
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios.get(ratios.len() / 2).copied().unwrap_or_default();
    Ok(writeln!(out, "first copy   median {median:.2} times")?)
}

impl Servers {
    async fn start(rows: u32) -> Result<Self> {
        let (source, target) = (Cluster::start(tuned())?, Cluster::start(tuned())?);
        let writer = database(&source, "source", &[TABLES]).await?;
        writer.batch_execute("SET synchronous_commit = off").await?;
        writer.batch_execute(&Workload::inserts(rows).sql()).await?;
        writer.batch_execute("VACUUM ANALYZE people").await?;
        writer.batch_execute("CHECKPOINT").await?;
        let size = writer.query_one("SELECT pg_relation_size('people')", &[]).await?.get(0);
        Ok(Self { source, target, writer, rows: rows.into(), size })
    }

    async fn dump(&self, run: usize) -> Result<Duration> {
        let name = format!("dumped{run}");
        let client = database(&self.target, &name, &[TABLES]).await?;
        let binaries = Binaries::find()?;
        let began = Instant::now();
        let mut dump = binaries
            .command("pg_dump")
            .args(["--data-only", "--table", "people", "--dbname", &self.source.url("source")])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut load = binaries
            .command("psql")
            .args(["-X", "-q", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", "-d"])
            .arg(self.target.url(&name))
            .stdin(dump.stdout.take().context("a pipe")?)
            .spawn()?;
        let ended = [dump.wait()?, load.wait()?];
        ensure!(ended.iter().all(std::process::ExitStatus::success), "pg_dump | psql failed");
        let took = began.elapsed();
        self.compare(&client).await?;
        self.drop_database(client, &name).await?;
        Ok(took)
    }

    async fn copy(&self, run: usize) -> Result<Duration> {
        let name = format!("copied{run}");
        let client = database(&self.target, &name, &[TABLES]).await?;
        let directory = tempfile::tempdir()?;
        let statement = format!(
            "INSERT INTO target.public.people ({COLUMNS})\n\
             SELECT {COLUMNS} FROM source.public.people;\n"
        );
        let systems = [
            System { slot: Some(&name), ..System::new("source", &self.source, "source") },
            System::new("target", &self.target, &name),
        ];
        let began = Instant::now();
        let mut running =
            start(directory.path(), &systems, &[("people/people.sql", statement)], "")?;
        loop {
            running.check()?;
            ensure!(began.elapsed() < DEADLINE, "the first copy does not come to an end");
            // Order: counting all rows is dear, so that it waits until most are there.
            let size = "SELECT pg_relation_size('people')";
            let size: i64 = client.query_one(size, &[]).await?.get(0);
            if size >= self.size / 10 * 9 && self.count(&client).await? == self.rows {
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        let took = began.elapsed();
        running.terminate()?;
        self.compare(&client).await?;
        self.writer.execute("SELECT pg_drop_replication_slot($1)", &[&name]).await?;
        self.drop_database(client, &name).await?;
        Ok(took)
    }

    async fn count(&self, client: &Client) -> Result<i64> {
        Ok(client.query_one("SELECT count(*) FROM people", &[]).await?.get(0))
    }

    async fn compare(&self, client: &Client) -> Result<()> {
        let content =
            "SELECT count(*)::text || ' rows, ' || md5(string_agg(md5(t::text), '' ORDER BY id))
                       FROM people AS t";
        let expected: String = self.writer.query_one(content, &[]).await?.get(0);
        let found: String = client.query_one(content, &[]).await?.get(0);
        ensure!(found == expected, "{found}, not {expected}");
        Ok(())
    }

    async fn drop_database(&self, client: Client, name: &str) -> Result<()> {
        drop(client);
        let server = self.target.connect("postgres").await?;
        server.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await?;
        Ok(server.batch_execute("CHECKPOINT").await?)
    }
}
