//! From a checked project to a pipeline: which systems are read and written, by what, for whom.

use crate::checked;
use crate::clock::SystemClock;
use crate::live::{Reading, WatchedMapping};
use crate::problem::{Failure, Outcome, Problem};
use crate::project::Project;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use syncline_core::{ReaderName, Sink, Source, SystemName, TableName, Topic};
use syncline_discard::DiscardSink;
use syncline_log::EmbeddedLog;
use syncline_mappings::Mapping;
use syncline_postgres::{PostgresSink, PostgresSource, Settings};
use syncline_runtime::{EntityPlan, Pipeline, Plan, SinkPlan, SourcePlan};

/// A project, put together.
pub(crate) struct Wired {
    /// What runs.
    pub(crate) pipeline: Pipeline,
    /// The log it runs on.
    pub(crate) log: Arc<EmbeddedLog>,
    /// The mappings and their lanes.
    pub(crate) mappings: Vec<WatchedMapping>,
    /// The readers and their topics.
    pub(crate) readers: Vec<Reading>,
    /// The PostgreSQL systems that are read.
    pub(crate) sources: BTreeMap<SystemName, Settings>,
}

/// Checks the mappings, takes the project's state and puts all loops together.
pub(crate) fn wire(project: &Project) -> Outcome<Wired> {
    let lock = project.read_lock()?;
    let mappings = checked::all_well(project, &lock)?;
    if mappings.is_empty() {
        return Err(Problem::new("the project has no mapping")
            .hint("write one: INSERT INTO … SELECT … FROM … in a file that ends in .sql".to_owned())
            .into());
    }
    let sources = source_settings(project, &mappings)?;
    let plan = Plan {
        sources: plan_sources(&sources, &mappings),
        sinks: plan_sinks(project, &mappings)?,
        entities: project.entity_schemas().map(|schema| EntityPlan { schema }).collect(),
        transforms: mappings.iter().map(|mapping| mapping.transform.clone()).collect(),
    };
    let log = open_log(project)?;
    let pipeline = Pipeline::new(
        log.clone(),
        log.clone(),
        Arc::new(SystemClock),
        project.settings.runtime.clone(),
        plan,
    )?;
    let mappings: Vec<WatchedMapping> = mappings.iter().map(watched).collect();
    let readers: BTreeSet<Reading> =
        mappings.iter().map(|it| (it.lane.clone(), topic_of(&it.reads))).collect();
    Ok(Wired { pipeline, log, mappings, readers: readers.into_iter().collect(), sources })
}

/// The log in the state directory; no other process may have it.
pub(crate) fn open_log(project: &Project) -> Outcome<Arc<EmbeddedLog>> {
    let state = project.state();
    std::fs::create_dir_all(&state)
        .map_err(|error| Failure::io(format!("can't make {}", state.display()), &error))?;
    Ok(Arc::new(EmbeddedLog::open(&state.join("log"), project.settings.log.clone())?))
}

fn source_settings(
    project: &Project,
    mappings: &[Mapping],
) -> Outcome<BTreeMap<SystemName, Settings>> {
    let read = mappings.iter().filter_map(|mapping| mapping.reads.system());
    let read: BTreeSet<&SystemName> = read.collect();
    let mut settings = BTreeMap::new();
    for system in read {
        if let Some(found) = project.postgres(system)? {
            settings.insert(system.clone(), found);
        }
    }
    Ok(settings)
}

fn plan_sources(sources: &BTreeMap<SystemName, Settings>, mappings: &[Mapping]) -> Vec<SourcePlan> {
    let plans = sources.iter().map(|(system, settings)| {
        let (tables, _) = tables_of(mappings, system);
        let (name, settings) = (system.clone(), settings.clone());
        let make = move || -> Box<dyn Source> {
            Box::new(PostgresSource::new(name.clone(), settings.clone(), tables.clone()))
        };
        SourcePlan { system: system.clone(), make: Arc::new(make) }
    });
    plans.collect()
}

fn plan_sinks(project: &Project, mappings: &[Mapping]) -> Outcome<Vec<SinkPlan>> {
    let written = mappings.iter().filter_map(|mapping| mapping.writes.system());
    let written: BTreeSet<&SystemName> = written.collect();
    let mut plans = Vec::new();
    for system in written {
        let make: Arc<dyn Fn() -> Box<dyn Sink> + Send + Sync> = match project.postgres(system)? {
            Some(settings) => {
                let name = system.clone();
                Arc::new(move || Box::new(PostgresSink::new(name.clone(), settings.clone())))
            }
            None => Arc::new(|| Box::new(DiscardSink::new())),
        };
        plans.push(SinkPlan { system: system.clone(), make });
    }
    Ok(plans)
}

/// What the mappings read and write in one system.
pub(crate) fn tables_of(
    mappings: &[Mapping],
    system: &SystemName,
) -> (Vec<TableName>, Vec<TableName>) {
    let of_system = |names: BTreeSet<&TableName>| {
        names.into_iter().filter(|name| name.system() == Some(system)).cloned().collect()
    };
    (
        of_system(mappings.iter().map(|mapping| &mapping.reads).collect()),
        of_system(mappings.iter().map(|mapping| &mapping.writes).collect()),
    )
}

fn watched(mapping: &Mapping) -> WatchedMapping {
    let topic = topic_of(&mapping.reads);
    let lane = match mapping.writes.system() {
        Some(system) => ReaderName::apply(system, &topic),
        None => ReaderName::resolve(&topic),
    };
    WatchedMapping {
        name: mapping.name.clone(),
        reads: mapping.reads.clone(),
        writes: mapping.writes.clone(),
        lane,
    }
}

fn topic_of(name: &TableName) -> Topic {
    match name {
        TableName::Table { system, .. } => Topic::changes(system),
        TableName::Entity(name) => Topic::entity(name),
    }
}
