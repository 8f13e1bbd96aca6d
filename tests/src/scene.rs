//! A project and its databases.
//!
//! ```text
//!  one server ── database source ── database target
//!  a folder   ── project/syncline.toml, mappings …
//!             └─ project.log   what `syncline run` says
//! ```

use crate::status::{ask, check_health, is_streaming};
use crate::{Log, program, until};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::time::Duration;
use syncline_demo::{Access, Cluster, ClusterOptions, Durability, Program, Running};
use tempfile::TempDir;
use tokio_postgres::Client;

/// What a command came to.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A project in a folder, with a source and a target database on a server of their own.
#[derive(Debug)]
pub struct Scene {
    /// The server.
    pub cluster: Cluster,
    /// The program, with the variables it needs.
    pub program: Program,
    /// Where its log is.
    pub log: Log,
    directory: TempDir,
    systems: Vec<&'static str>,
}

impl Scene {
    /// A project with the systems `source` and `target` and no mapping.
    ///
    /// # Errors
    /// When the server can't be started.
    pub async fn new() -> Result<Self> {
        Self::with_settings(&[]).await
    }

    /// The same, for a story of the embedded log and its files.
    ///
    /// # Errors
    /// When the server can't be started.
    pub async fn with_embedded_log() -> Result<Self> {
        let scene = Self { log: Log::embedded(), ..Self::new().await? };
        scene.write("syncline.toml", &scene.settings())?;
        Ok(scene)
    }

    /// The same, on a server with settings of its own.
    ///
    /// # Errors
    /// When the server can't be started.
    pub async fn with_settings(settings: &[(&str, &str)]) -> Result<Self> {
        Self::of(&["source", "target"], settings).await
    }

    /// A project with these systems, a database each, on a server with settings of its own.
    ///
    /// # Errors
    /// When the server can't be started.
    pub async fn of(systems: &[&'static str], settings: &[(&str, &str)]) -> Result<Self> {
        let settings = settings.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let cluster = Cluster::start(ClusterOptions {
            access: Access::Loopback,
            durability: Durability::None,
            settings: settings.collect(),
            ..ClusterOptions::default()
        })?;
        let server = cluster.connect("postgres").await?;
        for database in systems {
            server.batch_execute(&format!("CREATE DATABASE {database}")).await?;
        }
        let (program, directory) = (program()?, tempfile::tempdir()?);
        let (log, systems) = (Log::of_test(), systems.to_vec());
        let scene = Self { cluster, program, log, directory, systems };
        scene.write("syncline.toml", &scene.settings())?;
        Ok(scene)
    }

    /// The project's folder.
    #[must_use]
    pub fn project(&self) -> PathBuf {
        self.directory.path().join("project")
    }

    /// The settings that a new scene has.
    #[must_use]
    pub fn settings(&self) -> String {
        let (host, port) = (self.cluster.host(), self.cluster.port());
        let system = |name: &str| {
            format!(
                "\n[systems.{name}]\nconnector = \"postgres\"\nhost = \"{host}\"\nport = {port}\n\
                 database = \"{name}\"\nuser = \"postgres\"\n"
            )
        };
        let systems: String = self.systems.iter().map(|name| system(name)).collect();
        format!(
            "[project]\nname = \"scene\"\n\n[http]\nlisten = \"127.0.0.1:0\"\n{systems}{}",
            self.log.section()
        )
    }

    /// Connects to the database of a system.
    ///
    /// # Errors
    /// When it refuses.
    pub async fn database(&self, system: &str) -> Result<Client> {
        self.cluster.connect(system).await
    }

    /// Writes a file of the project.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let file = self.project().join(path);
        std::fs::create_dir_all(file.parent().context("a file is in a folder")?)?;
        Ok(std::fs::write(file, text)?)
    }

    /// Writes a mapping between two tables of the same name: these columns as they are.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn map(&self, table: &str, columns: &str) -> Result<()> {
        let statement = format!(
            "INSERT INTO target.public.{table} ({columns})\n\
             SELECT {columns} FROM source.public.{table};\n"
        );
        self.write(&format!("{table}/to_target.sql"), &statement)
    }

    /// Runs the same statements in both databases.
    ///
    /// # Errors
    /// When one refuses.
    pub async fn in_both(&self, sql: &str) -> Result<()> {
        for database in ["source", "target"] {
            self.cluster.connect(database).await?.batch_execute(sql).await?;
        }
        Ok(())
    }

    /// Connects to the source.
    ///
    /// # Errors
    /// When it refuses.
    pub async fn source(&self) -> Result<Client> {
        self.cluster.connect("source").await
    }

    /// Connects to the target.
    ///
    /// # Errors
    /// When it refuses.
    pub async fn target(&self) -> Result<Client> {
        self.cluster.connect("target").await
    }

    /// Runs a command of the program to its end.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn syncline(&self, arguments: &[&str]) -> Result<Outcome> {
        let output = self.program.command(&self.project()).args(arguments).output()?;
        Ok(Outcome {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Locks the schemas as they are, and starts `syncline run`.
    ///
    /// # Errors
    /// When the project is not sound; with what the program says of it.
    pub fn start(&self) -> Result<Running> {
        let locked = self.syncline(&["lock"])?;
        anyhow::ensure!(locked.code == 0, "lock: {}", locked.stderr);
        let checked = self.syncline(&["check"])?;
        anyhow::ensure!(checked.code == 0, "check: {}{}", checked.stdout, checked.stderr);
        self.run()
    }

    /// Starts `syncline run`.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn run(&self) -> Result<Running> {
        self.program.run(&self.project())
    }

    /// Waits until a query gives the same text in both databases.
    ///
    /// # Errors
    /// When the deadline passes or `syncline` ends; with both texts.
    pub async fn until_same(
        &self,
        running: &mut Running,
        deadline: Duration,
        query: &str,
    ) -> Result<()> {
        let (source, target) = (self.source().await?, self.target().await?);
        let mut texts = (String::new(), String::new());
        let waited = until("both sides are the same", deadline, async || {
            running.check()?;
            check_health(&self.project())?;
            texts = (text(&source, query).await?, text(&target, query).await?);
            Ok(texts.0 == texts.1)
        })
        .await;
        waited.with_context(|| {
            format!(
                "{query}\n  source: {}\n  target: {}\n{}",
                shortened(&texts.0),
                shortened(&texts.1),
                running.last_words()
            )
        })
    }

    /// What the running program answers to a GET.
    ///
    /// # Errors
    /// When it is not running or does not answer.
    pub fn get(&self, path: &str) -> Result<String> {
        ask(&self.project(), path)
    }

    /// Waits until changes stream.
    ///
    /// # Errors
    /// When that takes too long, or the program ended.
    pub async fn until_streaming(&self, running: &mut Running) -> Result<()> {
        until("changes stream", Duration::from_secs(60), async || {
            running.check()?;
            check_health(&self.project())?;
            is_streaming(&self.project())
        })
        .await
        .with_context(|| running.last_words())
    }
}

async fn text(client: &Client, query: &str) -> Result<String> {
    Ok(client.query_one(query, &[]).await?.get::<_, Option<String>>(0).unwrap_or_default())
}

fn shortened(text: &str) -> String {
    text.chars().take(500).collect()
}
