//! The real Debezium connector for PostgreSQL over the table of every type: its topic gives a target the rows that
//! our own reader gives.

use crate::taken::Taken;
use anyhow::{Context, Result, ensure};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use syncline_core::{
    Body, ChangeBatch, LogId, Offset, Op, Progress, ReaderName, Resume, Sink, Source, SystemName,
    TableName, TargetChange, Topic,
};
use syncline_debezium::{DebeziumSource, SourceSettings};
use syncline_demo::{
    Access, Broker, Cluster, ClusterOptions, Connect, Durability, Everything, Watched,
};
use syncline_log::KafkaSettings;
use syncline_postgres::{PostgresSink, PostgresSource, Settings};
use tokio::task::JoinHandle;

const DEADLINE: Duration = Duration::from_secs(120);

/// A source at work, and the database into which its rows go.
struct Way {
    taken: Arc<Taken>,
    running: JoinHandle<syncline_core::Result<()>>,
    sink: PostgresSink,
    progress: Progress,
}

impl Way {
    async fn begin(mut source: impl Source + 'static, settings: Settings) -> Result<Self> {
        let topic = Topic::changes(&system());
        let mut sink = PostgresSink::new(system(), settings);
        sink.open(&ReaderName::apply(&system(), &topic)).await?;
        let taken = Arc::new(Taken::default());
        let outlet = taken.clone();
        let running =
            tokio::task::spawn_blocking(move || source.run(Resume::default(), outlet.as_ref()));
        let progress = Progress { log: LogId(1), topic, next: Offset(0), committed_at: 0 };
        Ok(Self { taken, running, sink, progress })
    }

    /// Writes what has come.
    async fn write(&mut self) -> Result<()> {
        ensure!(!self.running.is_finished(), "a source ended: {:?}", (&mut self.running).await);
        let entries = std::mem::take(&mut *self.taken.entries.lock().unwrap());
        for entry in entries {
            if let Body::Rows(batch) = &entry.body {
                self.sink.write(&[TargetChange::Rows(of_target(batch))]).await?;
            }
            self.progress.next.0 += 1;
        }
        Ok(self.sink.commit(&self.progress).await?)
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

/// All rows of the table, as PostgreSQL prints them.
async fn printed(cluster: &Cluster, database: &str, columns: &Everything) -> Result<Vec<String>> {
    let client = cluster.connect(database).await?;
    let mut printed = Vec::new();
    for (column, sql_type) in columns.columns() {
        let query = format!("SELECT id, {column}::text FROM everything ORDER BY id");
        for row in client.query(&query, &[]).await? {
            let (id, text): (i32, Option<String>) = (row.get(0), row.get(1));
            let text = text.map_or("NULL".into(), |it| format!("{} bytes {it}", it.len()));
            let text: String = text.chars().take(120).collect();
            printed.push(format!("{id} {sql_type}: {text}"));
        }
    }
    Ok(printed)
}

async fn until_written(connect: &Connect, records: &str) -> Result<()> {
    let began = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    while !connect.said().contains(records) {
        ensure!(began.elapsed() < DEADLINE, "{records:?} was not said");
        ticks.tick().await;
    }
    Ok(())
}

fn settings(cluster: &Cluster, database: &str) -> Settings {
    let mut settings = Settings::new("127.0.0.1", cluster.port(), database, "postgres");
    settings.slot = "ours".into();
    settings.publication = "ours".into();
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_of_debezium_gives_the_rows_of_our_own_reader() -> Result<()> {
    let everything = Everything::default().as_debezium_sends();
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
    source.batch_execute(&everything.inserts(1)).await?;

    let broker = Broker::start()?;
    let watched = Watched {
        database: "source",
        tables: "public.everything",
        prefix: "sis",
        heap_mib: Connect::HEAP_MIB,
    };
    let mut connect = Connect::start(&broker, &cluster, watched, &[])?;
    until_written(&connect, "Starting streaming").await?;
    let table = TableName::table(&system(), "public", "everything");
    let kafka = KafkaSettings { brokers: vec![broker.address()], ..KafkaSettings::default() };
    let mut topics = SourceSettings::new(kafka, "sis.capture");
    topics.topics.insert("public.everything".into(), "sis.public.everything".into());
    let theirs = DebeziumSource::new(system(), topics, vec![table.clone()]);
    let ours = PostgresSource::new(system(), settings(&cluster, "source"), vec![table]);
    let mut theirs = Way::begin(theirs, settings(&cluster, "theirs")).await?;
    let mut ours = Way::begin(ours, settings(&cluster, "ours")).await?;

    source.batch_execute(&everything.inserts(1001)).await?;
    source.batch_execute(&everything.inserts(2001)).await?;
    source.batch_execute(&everything.rotate(2001)).await?;
    // Large values that did not change are not sent.
    source
        .batch_execute("UPDATE everything SET c0 = 1; DELETE FROM everything WHERE id = 3")
        .await?;

    let expected = printed(&cluster, "source", &everything).await?;
    let (mut by_us, mut by_them) = (Vec::new(), Vec::new());
    let began = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    while by_us != expected || by_them != expected {
        let of = |found: &Vec<String>| {
            let other = expected.iter().filter(|line| !found.contains(line)).take(5);
            other.cloned().collect::<Vec<_>>().join("\n")
        };
        ensure!(
            began.elapsed() < DEADLINE,
            "missing in ours:\n{}\nin theirs:\n{}",
            of(&by_us),
            of(&by_them)
        );
        ticks.tick().await;
        connect.check()?;
        ours.write().await.context("ours")?;
        theirs.write().await.context("theirs")?;
        by_us = printed(&cluster, "ours", &everything).await?;
        by_them = printed(&cluster, "theirs", &everything).await?;
    }
    ours.end().await?;
    theirs.end().await
}
