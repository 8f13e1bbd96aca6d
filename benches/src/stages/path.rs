//! The stages, one after the other.

use crate::collect::Collector;
use crate::measure::Stopwatch;
use anyhow::{Context, Result, ensure};
use std::sync::Arc;
use syncline_benches::workload::{COLUMNS, EXPRESSIONS, FILTER, TABLES, Workload};
use syncline_core::codec::{decode_standalone, encode_standalone};
use syncline_core::{
    Body, ChangeBatch, ChangeLog, Entry, LogId, Offset, Op, Progress, ReaderName, Sink, Source,
    SystemName, TableName, TargetChange, Topic, reduce,
};
use syncline_demo::{Cluster, ClusterOptions};
use syncline_log::EmbeddedLog;
use syncline_mappings::{Catalog, Mapping, Options, SqlFile, check};
use syncline_postgres::{PostgresSink, PostgresSource, Settings};

/// Appends in flight, as capture has them.
const PENDING: usize = 16;
const READ_BYTES: usize = 8 << 20;

/// What the source gave, and where it and the target live.
pub(crate) struct CapturedRows {
    inserts: Vec<ChangeBatch>,
    updates: Vec<ChangeBatch>,
    mapping: Mapping,
    target: Settings,
    _cluster: Cluster,
    _directory: tempfile::TempDir,
}

/// First copy, inserts and updates of a waiting slot.
pub(crate) async fn capture(rows: u32) -> Result<CapturedRows> {
    let settings = [("shared_buffers", "1GB"), ("max_wal_size", "16GB"), ("autovacuum", "off")];
    let cluster = Cluster::start(ClusterOptions {
        settings: settings.map(|(name, value)| (name.into(), value.into())).to_vec(),
        ..ClusterOptions::default()
    })?;
    let server = cluster.connect("postgres").await?;
    for database in ["source", "target"] {
        server.batch_execute(&format!("CREATE DATABASE {database}")).await?;
        cluster.connect(database).await?.batch_execute(TABLES).await?;
    }
    let directory = tempfile::tempdir()?;
    let system = SystemName::new("source");
    let mut reached = Settings::new(cluster.host(), cluster.port(), "source", cluster.superuser());
    reached.slot = "stages".into();
    reached.publication = "stages".into();
    reached.spill_directory = directory.path().join("spill");
    let table = TableName::table(&system, "public", "people");
    let source = || -> Box<dyn Source> {
        Box::new(PostgresSource::new(system.clone(), reached.clone(), vec![table.clone()]))
    };
    let writer = cluster.connect("source").await?;
    let [insert, update] = [Workload::inserts(rows), Workload::updates(rows)];

    let collector = Arc::new(Collector::default());
    writer.batch_execute(&insert.sql()).await?;
    run(&collector, source(), None, "first copy").await?;
    writer.batch_execute("TRUNCATE people").await?;
    let mut streamed = Vec::new();
    for (stage, workload) in [("stream, inserts", &insert), ("stream, updates", &update)] {
        writer.batch_execute(&workload.sql()).await?;
        let end = writer.query_one("SELECT (pg_current_wal_lsn() - '0/0')::bigint", &[]).await?;
        let end = u64::try_from(end.get::<_, i64>(0))?;
        streamed.push(run(&collector, source(), Some(end), stage).await?);
    }
    let updates = streamed.pop().context("two workloads")?;
    let inserts = streamed.pop().context("two workloads")?;
    let mut target = reached.clone();
    target.database = "target".into();
    let mapping = plan(&reached, &target).await?;
    Ok(CapturedRows { inserts, updates, mapping, target, _cluster: cluster, _directory: directory })
}

async fn run(
    collector: &Arc<Collector>,
    source: Box<dyn Source>,
    end: Option<u64>,
    stage: &'static str,
) -> Result<Vec<ChangeBatch>> {
    let collector = collector.clone();
    tokio::task::spawn_blocking(move || {
        let watch = Stopwatch::start()?;
        let batches = batches(&collector.run(source, end)?);
        watch.stop(stage, count(&batches))?;
        Ok(batches)
    })
    .await?
}

fn batches(entries: &[Entry]) -> Vec<ChangeBatch> {
    let rows = |entry: &Entry| match &entry.body {
        Body::Rows(batch) => Some(batch.clone()),
        Body::Truncate(_) | Body::Abandoned | Body::Nothing => None,
    };
    entries.iter().filter_map(rows).collect()
}

fn count(batches: &[ChangeBatch]) -> usize {
    batches.iter().map(ChangeBatch::len).sum()
}

async fn plan(source: &Settings, target: &Settings) -> Result<Mapping> {
    let mut catalog = Catalog::default();
    for (name, settings) in [("source", source), ("target", target)] {
        for table in syncline_postgres::inspect(&SystemName::new(name), settings).await? {
            catalog.tables.insert(table.schema.name().clone(), table);
        }
    }
    let text = format!(
        "INSERT INTO target.public.people ({COLUMNS})
         SELECT {EXPRESSIONS} FROM source.public.people {FILTER}"
    );
    let file = SqlFile { path: "people.sql".into(), text: text.clone() };
    let checked = check(&[file], &catalog, &Options::default());
    let said = checked.diagnostics.iter().map(|found| found.render(&text)).collect::<String>();
    checked.mappings.into_iter().next().context(said)
}

/// The bytes of the log, both ways.
pub(crate) fn encode(captured: &CapturedRows) -> Result<()> {
    let rows = count(&captured.inserts);
    let watch = Stopwatch::start()?;
    let encoded: Vec<Vec<u8>> =
        captured.inserts.iter().map(encode_standalone).collect::<syncline_core::Result<_>>()?;
    watch.stop("encode", rows)?;
    let watch = Stopwatch::start()?;
    for bytes in &encoded {
        decode_standalone(bytes)?;
    }
    watch.stop("decode", rows)
}

/// Durable appends, and reading them back from the files.
pub(crate) async fn log(captured: &CapturedRows) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let topic = Topic::changes(&SystemName::new("source"));
    let log = EmbeddedLog::open(directory.path(), syncline_log::Settings::default())?;
    let rows = count(&captured.inserts);
    let watch = Stopwatch::start()?;
    let mut pending = std::collections::VecDeque::new();
    for batch in &captured.inserts {
        let entry = Entry { body: Body::Rows(batch.clone()), boundary: None };
        pending.push_back(log.append(&topic, vec![entry]).await?.durable);
        if pending.len() == PENDING {
            pending.pop_front().context("just pushed")?.await?;
        }
    }
    for durable in pending {
        durable.await?;
    }
    watch.stop("log, durable append", rows)?;
    drop(log);
    let log = EmbeddedLog::open(directory.path(), syncline_log::Settings::default())?;
    let watch = Stopwatch::start()?;
    let end = log.tail(&topic).await?.next;
    let (mut next, mut seen) = (Offset(0), 0);
    while next < end {
        let records = log.read(&topic, next, READ_BYTES).await?;
        let last = records.last().context("at least one")?;
        next = Offset(last.offset.0 + 1);
        seen += records.iter().map(|record| record.entry.rows()).sum::<usize>();
    }
    ensure!(seen == rows, "{seen} of {rows} rows were read");
    watch.stop("log, read", rows)
}

/// The mapping, and the last word on each key.
pub(crate) fn map_and_reduce(captured: &CapturedRows) -> Result<()> {
    for (name, batches) in [("inserts", &captured.inserts), ("updates", &captured.updates)] {
        let rows = count(batches);
        let watch = Stopwatch::start()?;
        for batch in batches {
            captured.mapping.transform.transform(batch)?;
        }
        watch.stop(&format!("map, {name}"), rows)?;
        let images: Vec<ChangeBatch> = batches.iter().map(without_before).collect::<Result<_>>()?;
        let watch = Stopwatch::start()?;
        for batch in &images {
            reduce(batch)?;
        }
        watch.stop(&format!("reduce, {name}"), rows)?;
    }
    Ok(())
}

fn without_before(batch: &ChangeBatch) -> Result<ChangeBatch> {
    let rows = 0..u32::try_from(batch.len())?;
    let kept: Vec<u32> = rows.filter(|&row| batch.op(row as usize) != Op::Before).collect();
    Ok(batch.take(&kept)?)
}

/// What the mapping gives, into a table.
pub(crate) async fn write(captured: &CapturedRows) -> Result<()> {
    let topic = Topic::changes(&SystemName::new("source"));
    let system = SystemName::new("target");
    let reader = ReaderName::apply(&system, &topic);
    let mut sink = PostgresSink::new(system, captured.target.clone());
    sink.open(&reader).await?;
    let mut next = 0;
    for (name, batches) in [("inserts", &captured.inserts), ("updates", &captured.updates)] {
        let mapped: Vec<ChangeBatch> = batches
            .iter()
            .map(|batch| Ok(captured.mapping.transform.transform(batch)?.rows))
            .collect::<Result<_>>()?;
        let watch = Stopwatch::start()?;
        for rows in &mapped {
            next += 1;
            sink.write(&[TargetChange::Rows(rows.clone())]).await?;
            let progress = Progress {
                log: LogId(1),
                topic: topic.clone(),
                next: Offset(next),
                committed_at: 0,
            };
            sink.commit(&progress).await?;
        }
        watch.stop(&format!("write, {name}"), count(&mapped))?;
    }
    Ok(())
}
