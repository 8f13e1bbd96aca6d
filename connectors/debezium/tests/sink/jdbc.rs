//! Debezium's own JDBC sink reads our topics: the rows in its database are those in ours.

use crate::taken::Taken;
use anyhow::{Result, ensure};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use syncline_core::{
    Body, ChangeBatch, LogId, Offset, Op, Progress, ReaderName, Resume, Sink, Source, SystemName,
    TableName, TableSchema, TargetChange, Topic,
};
use syncline_debezium::{Absent, DebeziumSink, DecimalMode, SinkSettings};
use syncline_demo::{
    Access, Broker, Cluster, ClusterOptions, Connect, Durability, Everything, Filled,
};
use syncline_log::KafkaSettings;
use syncline_postgres::{PostgresSink, PostgresSource, Settings};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

const DEADLINE: Duration = Duration::from_secs(120);

/// How decimals are written, and what is absent.
type How = (DecimalMode, Absent);

/// Our source, and both sinks.
struct Ways {
    taken: Arc<Taken>,
    running: JoinHandle<syncline_core::Result<()>>,
    ours: PostgresSink,
    feed: DebeziumSink,
    table: Option<Arc<TableSchema>>,
    progress: Progress,
}

impl Ways {
    async fn begin(cluster: &Cluster, broker: &Broker, how: How) -> Result<Self> {
        let topic = Topic::changes(&system());
        let reader = ReaderName::apply(&system(), &topic);
        let mut ours = PostgresSink::new(system(), settings(cluster, "ours"));
        ours.open(&reader).await?;
        let kafka = KafkaSettings {
            brokers: vec![broker.address()],
            prefix: "jdbc.state".into(),
            ..KafkaSettings::default()
        };
        let mut feed = SinkSettings::new(kafka, "jdbc");
        (feed.decimals, feed.absent) = how;
        let mut feed = DebeziumSink::new(system(), feed);
        feed.open(&reader).await?;
        let table = TableName::table(&system(), "public", "everything");
        let mut source = PostgresSource::new(system(), settings(cluster, "source"), vec![table]);
        let taken = Arc::new(Taken::default());
        let outlet = taken.clone();
        let running =
            tokio::task::spawn_blocking(move || source.run(Resume::default(), outlet.as_ref()));
        let progress = Progress { log: LogId(1), topic, next: Offset(0), committed_at: 0 };
        Ok(Self { taken, running, ours, feed, table: None, progress })
    }

    /// Writes what has come.
    async fn write(&mut self) -> Result<()> {
        ensure!(!self.running.is_finished(), "the source ended: {:?}", (&mut self.running).await);
        let entries = std::mem::take(&mut *self.taken.entries.lock().unwrap());
        for entry in entries {
            let changes = match &entry.body {
                Body::Rows(batch) => {
                    self.table = Some(batch.schema().clone());
                    vec![TargetChange::Rows(of_target(batch))]
                }
                Body::Truncate(_) => {
                    self.table.clone().map(TargetChange::Truncate).into_iter().collect()
                }
                _ => Vec::new(),
            };
            self.ours.write(&changes).await?;
            self.feed.write(&changes).await?;
            self.progress.next.0 += 1;
        }
        self.ours.commit(&self.progress).await?;
        Ok(self.feed.commit(&self.progress).await?)
    }

    async fn end(self) -> Result<()> {
        self.taken.stopping.store(true, Ordering::Relaxed);
        Ok(self.running.await??)
    }
}

fn system() -> SystemName {
    SystemName::new("sis")
}

fn of_target(batch: &ChangeBatch) -> ChangeBatch {
    let rows = 0..u32::try_from(batch.len()).unwrap();
    let kept: Vec<u32> = rows.filter(|&row| batch.op(row as usize) != Op::Before).collect();
    batch.take(&kept).unwrap()
}

fn settings(cluster: &Cluster, database: &str) -> Settings {
    let mut settings = Settings::new("127.0.0.1", cluster.port(), database, "postgres");
    settings.slot = "ours".into();
    settings.publication = "ours".into();
    settings
}

/// All rows of the table, as PostgreSQL prints them.
async fn printed(client: &Client, columns: &Everything) -> Result<Vec<String>> {
    let mut printed = Vec::new();
    for (column, sql_type) in columns.columns() {
        let query = format!("SELECT id, {column}::text FROM everything ORDER BY id");
        for row in client.query(&query, &[]).await? {
            let (id, text): (i32, Option<String>) = (row.get(0), row.get(1));
            let text = text.map_or("NULL".into(), |it| format!("{} bytes {it}", it.len()));
            let text: String = text.chars().take(120).collect();
            printed.push(format!("{id} {column} {sql_type}: {text}"));
        }
    }
    Ok(printed)
}

/// A source, the database of our sink and that of Debezium's, each with the table.
struct Scene {
    everything: Everything,
    cluster: Cluster,
    _broker: Broker,
    source: Client,
    theirs: Client,
    ways: Ways,
    connect: Connect,
}

impl Scene {
    async fn new(everything: Everything, how: How) -> Result<Self> {
        let options = ClusterOptions {
            access: Access::Loopback,
            durability: Durability::None,
            ..ClusterOptions::default()
        };
        let cluster = Cluster::start(options)?;
        let server = cluster.connect("postgres").await?;
        for database in ["source", "ours", "theirs"] {
            server.batch_execute(&format!("CREATE DATABASE {database}")).await?;
            let database = cluster.connect(database).await?;
            database.batch_execute(everything.made()).await?;
            database.batch_execute(&everything.create()).await?;
        }
        let source = cluster.connect("source").await?;
        source.batch_execute("ALTER TABLE everything REPLICA IDENTITY FULL").await?;
        let broker = Broker::start()?;
        let ways = Ways::begin(&cluster, &broker, how).await?;
        let theirs = cluster.connect("theirs").await?;
        let filled = Filled {
            database: "theirs",
            topics: "jdbc.public.everything",
            heap_mib: Connect::HEAP_MIB,
        };
        let connect = Connect::fill(&broker, &cluster, filled, &[])?;
        Ok(Self { everything, cluster, _broker: broker, source, theirs, ways, connect })
    }

    /// Waits until both are as the source.
    async fn agree(&mut self) -> Result<()> {
        let expected = printed(&self.source, &self.everything).await?;
        let ours = self.cluster.connect("ours").await?;
        let (mut by_us, mut by_them) = (Vec::new(), Vec::new());
        let began = Instant::now();
        let mut ticks = tokio::time::interval(Duration::from_millis(200));
        while by_us != expected || by_them != expected {
            ensure!(
                began.elapsed() < DEADLINE,
                "others than at the source, in ours:\n{}\nin theirs:\n{}",
                beyond(&by_us, &expected),
                beyond(&by_them, &expected)
            );
            ticks.tick().await;
            self.connect.check()?;
            self.ways.write().await?;
            by_us = printed(&ours, &self.everything).await?;
            by_them = printed(&self.theirs, &self.everything).await?;
        }
        Ok(())
    }
}

/// The first of the lines that are not expected.
fn beyond(found: &[String], expected: &[String]) -> String {
    let others = found.iter().filter(|line| !expected.contains(line)).take(40);
    others.cloned().collect::<Vec<_>>().join("\n")
}

/// Rows come, change and go; all go, and others come.
async fn the_same(everything: Everything, decimals: DecimalMode) -> Result<()> {
    let mut scene = Scene::new(everything.clone(), (decimals, Absent::Refused)).await?;
    scene.source.batch_execute(&everything.inserts(1)).await?;
    scene.agree().await?;
    scene.source.batch_execute(&everything.inserts(1001)).await?;
    scene.source.batch_execute(&everything.rotate(1001)).await?;
    let few = "UPDATE everything SET c0 = 1; DELETE FROM everything WHERE id = 3";
    scene.source.batch_execute(few).await?;
    scene.agree().await?;
    scene.source.batch_execute("TRUNCATE everything").await?;
    scene.source.batch_execute(&everything.inserts(5001)).await?;
    scene.agree().await?;
    scene.ways.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jdbc_sink_of_debezium_has_our_rows_with_decimals_as_texts() -> Result<()> {
    let everything = Everything::default().as_jdbc_sink_writes();
    the_same(everything, DecimalMode::String).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jdbc_sink_of_debezium_has_our_rows_with_decimals_as_bytes() -> Result<()> {
    let everything = Everything::default().as_jdbc_sink_writes().of_digits();
    the_same(everything, DecimalMode::Precise).await
}

/// Why rows that are not whole are refused where nothing else is said.
#[tokio::test(flavor = "multi_thread")]
async fn the_jdbc_sink_of_debezium_takes_the_placeholder_for_a_text() -> Result<()> {
    let everything = Everything::default().only(&["smallint", "text"]);
    let how = (DecimalMode::Precise, Absent::Placeholder);
    let mut scene = Scene::new(everything.clone(), how).await?;
    scene.source.batch_execute("ALTER TABLE everything REPLICA IDENTITY DEFAULT").await?;
    scene.source.batch_execute(&everything.inserts(1)).await?;
    scene.agree().await?;
    // The large texts are not sent with it.
    scene.source.batch_execute("UPDATE everything SET c0 = 1").await?;
    let (began, mut written) = (Instant::now(), 0);
    while written == 0 {
        ensure!(began.elapsed() < DEADLINE, "no placeholder was written");
        scene.connect.check()?;
        scene.ways.write().await?;
        let query = "SELECT count(*) FROM everything WHERE c14 = '__debezium_unavailable_value'";
        written = scene.theirs.query_one(query, &[]).await?.get(0);
    }
    ensure!(written == 1_i64, "{written} placeholders");
    scene.ways.end().await
}
