//! A school on two servers, with a line to each, and somebody who works there.

use anyhow::{Context, Result, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use syncline_demo::{Access, Cluster, ClusterOptions, Durability, Program, Running};
use syncline_tests::{Log, Wire, ask, is_streaming, program, until};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_postgres::Client;

/// Longest that anything may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);
const ALL: &str =
    "SELECT (SELECT string_agg(parents::text, ',' ORDER BY id) FROM parents) || ' and '
                       || (SELECT string_agg(children::text, ',' ORDER BY id) FROM children)";
const TABLES: &str = "CREATE TABLE parents (id integer PRIMARY KEY, word text, version integer);
                      CREATE TABLE children (id integer PRIMARY KEY,
                          parent integer REFERENCES parents DEFERRABLE, word text)";

/// A source and a target on servers of their own, a line to each, and somebody at work.
pub(crate) struct School {
    pub(crate) source: Cluster,
    pub(crate) target: Cluster,
    pub(crate) to_source: Wire,
    pub(crate) to_target: Wire,
    pub(crate) program: Program,
    directory: TempDir,
    pub(crate) working: Option<Working>,
}

/// Somebody who changes the source until told to stop.
pub(crate) struct Working {
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) transactions: Arc<AtomicU64>,
    pub(crate) task: JoinHandle<Result<()>>,
}

impl School {
    pub(crate) async fn new() -> Result<Self> {
        Self::with(&[]).await
    }

    /// With these settings of the target's server.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Result<Self> {
        Self::with_log(settings, &Log::of_test()).await
    }

    /// And with this log.
    pub(crate) async fn with_log(settings: &[(&str, &str)], log: &Log) -> Result<Self> {
        let server = |settings: &[(&str, &str)]| {
            let given = settings.iter().map(|(name, value)| ((*name).into(), (*value).into()));
            Cluster::start(ClusterOptions {
                access: Access::Loopback,
                durability: Durability::None,
                settings: given.collect(),
                ..ClusterOptions::default()
            })
        };
        let (source, target) = (server(&[])?, server(settings)?);
        for cluster in [&source, &target] {
            cluster.connect("postgres").await?.batch_execute("CREATE DATABASE school").await?;
            cluster.connect("school").await?.batch_execute(TABLES).await?;
        }
        let fill = "INSERT INTO parents SELECT i, 'p' || i, 0 FROM generate_series(1, 300) AS i;
                    INSERT INTO children SELECT i, i % 300 + 1, 'c' || i FROM generate_series(1, 900) AS i";
        source.connect("school").await?.batch_execute(fill).await?;
        let to_source = Wire::to("127.0.0.1", source.port())?;
        let to_target = Wire::to("127.0.0.1", target.port())?;
        let (program, directory) = (program()?, tempfile::tempdir()?);
        let school =
            Self { source, target, to_source, to_target, program, directory, working: None };
        school.write_project(log)?;
        Ok(school)
    }

    pub(crate) fn project(&self) -> std::path::PathBuf {
        self.directory.path().join("project")
    }

    fn write_project(&self, log: &Log) -> Result<()> {
        let system = |name: &str, wire: &Wire| {
            format!(
                "\n[systems.{name}]\nconnector = \"postgres\"\nhost = \"127.0.0.1\"\nport = {}\n\
                 database = \"school\"\nuser = \"postgres\"\n",
                wire.port()
            )
        };
        let settings = format!(
            "[project]\nname = \"company\"\n\n[http]\nlisten = \"127.0.0.1:0\"\n\n\
             [gates]\ndeletes_percent = 100\n\n[runtime]\nretry_first = \"50ms\"\nretry_longest = \"1s\"\n{}{}{}",
            system("source", &self.to_source),
            system("target", &self.to_target),
            log.section()
        );
        let write = |path: &str, text: &str| -> Result<()> {
            let file = self.project().join(path);
            std::fs::create_dir_all(file.parent().context("a file is in a folder")?)?;
            Ok(std::fs::write(file, text)?)
        };
        write("syncline.toml", &settings)?;
        for (table, columns) in [("parents", "id, word, version"), ("children", "id, parent, word")]
        {
            let sql = format!(
                "INSERT INTO target.public.{table} ({columns})\n\
                 SELECT {columns} FROM source.public.{table};\n"
            );
            write(&format!("{table}/to_target.sql"), &sql)?;
        }
        let locked = self.program.command(&self.project()).arg("lock").output()?;
        ensure!(locked.status.success(), "{}", String::from_utf8_lossy(&locked.stderr));
        Ok(())
    }

    /// Adds to the project's settings.
    pub(crate) fn add_settings(&self, text: &str) -> Result<()> {
        let file = self.project().join("syncline.toml");
        let settings = std::fs::read_to_string(&file)?;
        Ok(std::fs::write(file, settings + text)?)
    }

    /// Starts, waits until changes stream, and sets somebody to work.
    pub(crate) async fn begin(&mut self) -> Result<Running> {
        let running = self.start().await?;
        self.work().await?;
        Ok(running)
    }

    /// Starts, and waits until changes stream.
    pub(crate) async fn start(&self) -> Result<Running> {
        let mut running = self.program.run(&self.project())?;
        let project = self.project();
        until("changes stream", DEADLINE, async || {
            running.check()?;
            is_streaming(&project)
        })
        .await?;
        Ok(running)
    }

    /// How many transactions there were so far.
    pub(crate) fn transactions(&self) -> u64 {
        self.working.as_ref().map_or(0, |working| working.transactions.load(Ordering::Relaxed))
    }

    pub(crate) async fn work(&mut self) -> Result<()> {
        let client = self.source.connect("school").await?;
        let (stop, transactions) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let task = tokio::spawn(work(client, stop.clone(), transactions.clone()));
        self.working = Some(Working { stop, transactions, task });
        Ok(())
    }

    /// Lets whoever works finish; returns how many transactions that were.
    pub(crate) async fn rest(&mut self) -> Result<u64> {
        let Some(working) = self.working.take() else { return Ok(0) };
        working.stop.store(true, Ordering::Relaxed);
        working.task.await??;
        Ok(working.transactions.load(Ordering::Relaxed))
    }

    /// Lets whoever works finish, and waits until both sides are the same and nothing is set aside.
    pub(crate) async fn end(&mut self, mut running: Running) -> Result<()> {
        let transactions = self.rest().await?;
        ensure!(transactions > 20, "somebody was at work: {transactions}");
        self.until_same(&mut running).await?;
        let parked = "SELECT count(*) FROM syncline.parked";
        let parked: i64 = self.target().await?.query_one(parked, &[]).await?.get(0);
        ensure!(parked == 0, "{parked} rows are set aside");
        ensure!(running.terminate()?.success(), "it ends in order");
        Ok(())
    }

    pub(crate) async fn until_same(&self, running: &mut Running) -> Result<()> {
        let wanted: String = self.source.connect("school").await?.query_one(ALL, &[]).await?.get(0);
        let target = self.target().await?;
        let same = until("both sides are the same", DEADLINE, async || {
            running.check()?;
            let found: Option<String> = target.query_one(ALL, &[]).await?.get(0);
            Ok(found.as_ref() == Some(&wanted))
        });
        same.await.with_context(|| {
            let status = ask(&self.project(), "/status").unwrap_or_default();
            format!("{status}\n{}", running.last_words())
        })
    }

    pub(crate) async fn target(&self) -> Result<Client> {
        self.target.connect("school").await
    }

    /// Waits until `/status` has one of these texts.
    pub(crate) async fn until_said(&self, running: &mut Running, texts: &[&str]) -> Result<()> {
        let project = self.project();
        let what = format!("it says one of {texts:?}");
        let said = until(&what, DEADLINE, async || {
            running.check()?;
            let status = ask(&project, "/status").unwrap_or_default();
            Ok(texts.iter().any(|text| status.contains(text)))
        });
        said.await.with_context(|| {
            format!("{}\n{}", ask(&project, "/status").unwrap_or_default(), running.last_words())
        })
    }

    pub(crate) fn status(&self) -> Result<serde_json::Value> {
        Ok(serde_json::from_str(&ask(&self.project(), "/status")?)?)
    }
}

/// Transactions of parents and children, until told to stop.
async fn work(client: Client, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) -> Result<()> {
    let mut number: u64 = 1000;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let (old, row) = (number - 40, number % 300 + 1);
        let sql = format!(
            "BEGIN; INSERT INTO parents VALUES ({number}, 'w{number}', 0);
             INSERT INTO children VALUES ({number}, {number}, 'x'), ({number} + 100000, {row}, 'y');
             UPDATE parents SET version = version + 1, word = word || '.' WHERE id = {row};
             UPDATE children SET parent = {row} WHERE parent = {old};
             DELETE FROM parents WHERE id = {old} AND id > 300; COMMIT"
        );
        if client.batch_execute(&sql).await.is_err() {
            // The source went away, or was told to.
            if client.is_closed() {
                return Ok(());
            }
            client.batch_execute("ROLLBACK").await?;
        }
        done.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
