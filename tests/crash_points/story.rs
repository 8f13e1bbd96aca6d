//! One story: systems, a project, acts, and what is left of them.
//!
//! ```text
//!  sis  students ──┐                       ┌──▶ people
//!  hr   staff ─────┼─▶ person (an entity) ─┘
//!       badges ────┘
//!  sis  courses, enrolments, ticks, bulk ─────▶ tables of the same names       lms
//! ```

use crate::acts;
use crate::life::Life;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;
use syncline_demo::{Cluster, ClusterOptions, Durability, Program, log_section};
use syncline_tests::is_streaming;
use tokio::time::{Instant, sleep};
use tokio_postgres::Client;

const SYSTEMS: [&str; 3] = ["sis", "hr", "lms"];
const DEADLINE: Duration = Duration::from_secs(120);
/// How long the lists may take to tell of the last changes, and between two looks at them.
const LISTS_DEADLINE: Duration = Duration::from_secs(30);
const LISTS_PAUSE: Duration = Duration::from_secs(1);

/// Where a process ends: at this point, when it is reached for this time.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) name: String,
    pub(crate) number: u64,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.number)
    }
}

/// What came of a story.
#[derive(Debug)]
pub(crate) struct Told {
    /// Every table at the end, as text.
    pub(crate) left: BTreeMap<String, String>,
    /// How often points were reached, where that was counted.
    pub(crate) reached: BTreeMap<String, u64>,
    pub(crate) crashes: u32,
    /// Rows that the acts changed at the sources.
    pub(crate) changes: u64,
}

impl Told {
    /// Where it is not what another is.
    pub(crate) fn difference(&self, other: &Self) -> String {
        let differing = self.left.iter().filter(|(name, text)| other.left.get(*name) != Some(text));
        let tell = |(name, text): (&String, &String)| {
            let other = other.left.get(name).map(String::as_str).unwrap_or_default();
            let lines = text.lines().zip(other.lines()).find(|(a, b)| a != b);
            format!("{name} has {} and {} characters, {lines:?}", text.len(), other.len())
        };
        differing.map(tell).collect::<Vec<_>>().join("; ")
    }
}

/// The server on which stories are told, each with databases of its own.
pub(crate) struct Stage {
    cluster: Cluster,
    program: Program,
    /// Where the log is, if not embedded.
    broker: Option<String>,
}

/// One story's databases and project.
pub(crate) struct Scene {
    pub(crate) sis: Client,
    pub(crate) hr: Client,
    pub(crate) lms: Client,
    pub(crate) program: Program,
    folder: tempfile::TempDir,
}

impl Scene {
    pub(crate) fn project(&self) -> std::path::PathBuf {
        self.folder.path().join("project")
    }
}

impl Stage {
    /// Starts the server and fills the databases that all stories begin with.
    pub(crate) async fn build(program: Program, broker: Option<String>) -> Result<Self> {
        let settings = [
            // Small, so that transactions of some thousand rows come before they commit.
            ("logical_decoding_work_mem", "64kB"),
            ("max_replication_slots", "40"),
            ("max_wal_senders", "40"),
        ];
        let cluster = Cluster::start(ClusterOptions {
            durability: Durability::None,
            settings: settings.map(|(name, value)| (name.into(), value.into())).to_vec(),
            ..ClusterOptions::default()
        })?;
        let server = cluster.connect("postgres").await?;
        for system in SYSTEMS {
            server.batch_execute(&format!("CREATE DATABASE {system}")).await?;
            cluster.connect(system).await?.batch_execute(acts::tables(system)).await?;
        }
        Ok(Self { cluster, program, broker })
    }

    /// Tells the story without a crash, and counts how often points are reached.
    pub(crate) async fn tell_whole(&self, counted: &[String]) -> Result<Told> {
        self.tell("whole", &[], counted, None).await
    }

    /// Tells the story once: one process ends at the first point, the next at the second, and so on. What is to
    /// be left is what the whole story left.
    pub(crate) async fn tell_with(
        &self,
        name: &str,
        crashes: &[Point],
        whole: &Told,
    ) -> Result<Told> {
        self.tell(name, crashes, &[], Some(whole)).await
    }

    async fn tell(
        &self,
        name: &str,
        crashes: &[Point],
        counted: &[String],
        whole: Option<&Told>,
    ) -> Result<Told> {
        let scene = self.scene(name).await?;
        let counts = scene.folder.path().join("counts");
        let mut program = scene.program.clone();
        if !counted.is_empty() {
            let value = format!("{}:{}", counts.display(), counted.join(","));
            program = program.with([("SYNCLINE_CRASH_COUNT".to_owned(), value)]);
        }
        let mut life = Life::new(program, &scene.project(), crashes);
        let changes = acts::play(&scene, &mut life).await?;
        let left = settle(&scene, &mut life, whole).await?;
        let crashes = life.end().await?;
        let reached = std::fs::read_to_string(&counts).map(|text| read_counts(&text));
        self.forget(name).await?;
        Ok(Told { left, reached: reached.unwrap_or_default(), crashes, changes })
    }

    async fn scene(&self, name: &str) -> Result<Scene> {
        let server = self.cluster.connect("postgres").await?;
        for system in SYSTEMS {
            let sql = format!("CREATE DATABASE {system}_{name} TEMPLATE {system}");
            server.batch_execute(&sql).await?;
        }
        let connect = async |system| self.cluster.connect(&format!("{system}_{name}")).await;
        let folder = tempfile::tempdir()?;
        let scene = Scene {
            sis: connect("sis").await?,
            hr: connect("hr").await?,
            lms: connect("lms").await?,
            program: self.program.clone(),
            folder,
        };
        let host = (self.cluster.host(), self.cluster.port());
        let log = match &self.broker {
            Some(address) => log_section(address, Some(name)),
            None => "[log]\nsegment_bytes = \"64KiB\"\n".to_owned(),
        };
        acts::write_project(&scene.project(), host, name, &log)?;
        for command in ["lock", "check"] {
            let output = scene.program.command(&scene.project()).arg(command).output()?;
            let said = [output.stdout, output.stderr].concat();
            ensure!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&said));
        }
        Ok(scene)
    }

    /// Slots are few, and hold back what the server keeps.
    async fn forget(&self, name: &str) -> Result<()> {
        let server = self.cluster.connect("postgres").await?;
        for system in SYSTEMS {
            let drop = format!(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
                 WHERE database = '{system}_{name}'"
            );
            server.batch_execute(&drop).await?;
            server.batch_execute(&format!("DROP DATABASE {system}_{name} (FORCE)")).await?;
        }
        Ok(())
    }
}

fn read_counts(text: &str) -> BTreeMap<String, u64> {
    let read = |line: &str| {
        let (name, number) = line.split_once(' ')?;
        Some((name.to_owned(), number.parse().ok()?))
    };
    text.lines().filter_map(read).collect()
}

/// Waits until the target holds what plain SQL over the sources says, and takes what is left down.
async fn settle(
    scene: &Scene,
    life: &mut Life,
    whole: Option<&Told>,
) -> Result<BTreeMap<String, String>> {
    let wanted = acts::wanted(scene).await?;
    let mut left = BTreeMap::new();
    let waited = life.until("the target holds what it should", DEADLINE, async |project: &Path| {
        if !is_streaming(project)? {
            return Ok(false);
        }
        for (table, question) in acts::LEFT {
            let text: Option<String> = scene.lms.query_one(*question, &[]).await?.get(0);
            left.insert((*table).to_owned(), text.unwrap_or_default());
        }
        Ok(wanted.iter().all(|(table, text)| left.get(table) == Some(text)))
    });
    waited.await.with_context(|| differences(&wanted, &left))?;
    acts::check_order(scene).await.with_context(|| life.said())?;
    left.extend(listed(scene, life, whole).await?);
    Ok(left)
}

/// The lists of conflicts and of what is set aside, once they are those of the whole story, or rest. The last
/// changes may be settled there a moment after the target holds what it should: it need not show them.
async fn listed(
    scene: &Scene,
    life: &mut Life,
    whole: Option<&Told>,
) -> Result<[(String, String); 2]> {
    let command = || scene.program.command(&scene.project());
    let list = || -> Result<[(String, String); 2]> {
        let conflicts = acts::conflicts(command())?;
        let set_aside = acts::set_aside(command())?;
        Ok([("conflicts".to_owned(), conflicts), ("set aside".to_owned(), set_aside)])
    };
    let (began, mut before) = (Instant::now(), None);
    loop {
        let lists = list()?;
        let rests = match whole {
            Some(whole) => lists.iter().all(|(name, text)| whole.left.get(name) == Some(text)),
            None => before.as_ref() == Some(&lists),
        };
        if rests || began.elapsed() > LISTS_DEADLINE {
            return Ok(lists);
        }
        before = Some(lists);
        sleep(LISTS_PAUSE).await;
        life.look()?;
    }
}

fn differences(wanted: &BTreeMap<String, String>, left: &BTreeMap<String, String>) -> String {
    let mut said = String::new();
    for (table, text) in wanted {
        let found = left.get(table).map(String::as_str).unwrap_or_default();
        let wanted: std::collections::BTreeSet<&str> = text.lines().collect();
        let found: std::collections::BTreeSet<&str> = found.lines().collect();
        let missing: Vec<_> = wanted.difference(&found).take(5).collect();
        let extra: Vec<_> = found.difference(&wanted).take(5).collect();
        if !missing.is_empty() || !extra.is_empty() {
            said += &format!("{table}: missing {missing:?}, extra {extra:?}\n");
        }
    }
    said
}
