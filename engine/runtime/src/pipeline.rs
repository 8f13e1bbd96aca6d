//! A whole project, ready to run.

use crate::apply::{Lane, Link};
use crate::capture::Capture;
use crate::clock::Clock;
use crate::marks::Marks;
use crate::resolve::Resolve;
use crate::supervise::{Attempt, supervised};
use crate::{Registry, Settings, Shutdown, ShutdownTrigger, notes, shutdown};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use syncline_core::{
    ChangeLog, Checkpoints, Error, Kind, Parked, ReaderName, Result, Sink, Source, SystemName,
    TableName, TableSchema, Topic, Transform,
};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

/// Makes the source of one system.
pub type MakeSource = Arc<dyn Fn() -> Box<dyn Source> + Send + Sync>;

/// Makes a sink of one system.
pub type MakeSink = Arc<dyn Fn() -> Box<dyn Sink> + Send + Sync>;

/// A system that is read. The source is made anew for each attempt.
pub struct SourcePlan {
    /// The system.
    pub system: SystemName,
    /// Makes its source.
    pub make: MakeSource,
}

/// A system that is written. The sink is made anew for each attempt of each lane.
pub struct SinkPlan {
    /// The system.
    pub system: SystemName,
    /// Makes its sink.
    pub make: MakeSink,
}

/// An entity: its columns and key.
#[derive(Debug, Clone)]
pub struct EntityPlan {
    /// Its name is [`TableName::Entity`].
    pub schema: Arc<TableSchema>,
}

/// What a project says there is to do.
pub struct Plan {
    /// Systems that are read.
    pub sources: Vec<SourcePlan>,
    /// Systems that are written.
    pub sinks: Vec<SinkPlan>,
    /// Entities that are written by mappings.
    pub entities: Vec<EntityPlan>,
    /// The mappings.
    pub transforms: Vec<Arc<dyn Transform>>,
    /// Which tables that are written refer to which: each pair is the one that refers and the one
    /// that it refers to.
    pub references: Vec<(TableName, TableName)>,
}

/// Everything that [`run`] needs.
pub struct Pipeline {
    log: Arc<dyn ChangeLog>,
    checkpoints: Arc<dyn Checkpoints>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    registry: Arc<Registry>,
    marks: Arc<Marks>,
    sources: Vec<SourcePlan>,
    resolves: Vec<ResolvePlan>,
    lanes: Vec<LanePlan>,
}

struct ResolvePlan {
    reader: ReaderName,
    topic: Topic,
    transforms: Vec<(Arc<dyn Transform>, Topic, Arc<TableSchema>)>,
}

struct LanePlan {
    reader: ReaderName,
    system: SystemName,
    topic: Topic,
    transforms: Vec<Arc<dyn Transform>>,
    links: Vec<Link>,
    make: MakeSink,
}

impl Pipeline {
    /// Puts the loops together: one resolve for each topic that feeds an entity, one lane for each
    /// topic and system that is written.
    ///
    /// # Errors
    /// `Config` where a mapping names an entity, or a system to write, that has no plan.
    pub fn new(
        log: Arc<dyn ChangeLog>,
        checkpoints: Arc<dyn Checkpoints>,
        clock: Arc<dyn Clock>,
        settings: Settings,
        plan: Plan,
    ) -> Result<Self> {
        let Plan { sources, sinks, entities, transforms, references } = plan;
        let resolves = plan_resolves(&entities, &transforms)?;
        let mut lanes = plan_lanes(sinks, &transforms)?;
        link(&mut lanes, &resolves, &references);
        let readers = resolves.iter().map(|it| &it.reader).chain(lanes.iter().map(|it| &it.reader));
        let systems = sources.iter().map(|it| it.system.clone());
        let marks = Arc::new(Marks::new(systems.clone(), readers.clone().cloned()));
        let mappings = transforms.iter().map(|it| it.name().to_owned());
        let registry = Arc::new(Registry::new(systems, readers.cloned(), mappings));
        Ok(Self { log, checkpoints, clock, settings, registry, marks, sources, resolves, lanes })
    }

    /// The counters of all loops.
    #[must_use]
    pub fn registry(&self) -> Arc<Registry> {
        self.registry.clone()
    }

    /// The topics, captured ones first.
    #[must_use]
    pub fn topics(&self) -> BTreeSet<Topic> {
        let captured = self.sources.iter().map(|it| Topic::changes(&it.system));
        let resolved =
            self.resolves.iter().flat_map(|it| it.transforms.iter().map(|it| it.1.clone()));
        captured.chain(resolved).collect()
    }

    /// The readers, resolves first.
    pub fn readers(&self) -> impl Iterator<Item = &ReaderName> {
        self.resolves.iter().map(|it| &it.reader).chain(self.lanes.iter().map(|it| &it.reader))
    }
}

fn topic_of(table: &TableName) -> Topic {
    match table {
        TableName::Table { system, .. } => Topic::changes(system),
        TableName::Entity(name) => Topic::entity(name),
    }
}

fn plan_resolves(
    entities: &[EntityPlan],
    transforms: &[Arc<dyn Transform>],
) -> Result<Vec<ResolvePlan>> {
    let mut plans: BTreeMap<Topic, ResolvePlan> = BTreeMap::new();
    for transform in transforms {
        let TableName::Entity(_) = transform.writes().name() else { continue };
        let entity = entities
            .iter()
            .find(|entity| entity.schema.name() == transform.writes().name())
            .ok_or_else(|| unplanned(transform))?;
        let topic = topic_of(transform.reads());
        let plan = plans.entry(topic.clone()).or_insert_with(|| ResolvePlan {
            reader: ReaderName::resolve(&topic),
            topic,
            transforms: Vec::new(),
        });
        let to = topic_of(transform.writes().name());
        plan.transforms.push((transform.clone(), to, entity.schema.clone()));
    }
    Ok(plans.into_values().collect())
}

fn plan_lanes(sinks: Vec<SinkPlan>, transforms: &[Arc<dyn Transform>]) -> Result<Vec<LanePlan>> {
    let sinks: BTreeMap<SystemName, MakeSink> =
        sinks.into_iter().map(|sink| (sink.system, sink.make)).collect();
    let mut plans: BTreeMap<(SystemName, Topic), LanePlan> = BTreeMap::new();
    for transform in transforms {
        let Some(system) = transform.writes().name().system() else { continue };
        let make = sinks.get(system).ok_or_else(|| unplanned(transform))?;
        let topic = topic_of(transform.reads());
        let plan = plans.entry((system.clone(), topic.clone())).or_insert_with(|| LanePlan {
            reader: ReaderName::apply(system, &topic),
            system: system.clone(),
            topic,
            transforms: Vec::new(),
            links: Vec::new(),
            make: make.clone(),
        });
        plan.transforms.push(transform.clone());
    }
    Ok(plans.into_values().collect())
}

/// Tells each lane which others write what its rows refer to, or what refers to them.
fn link(lanes: &mut [LanePlan], resolves: &[ResolvePlan], references: &[(TableName, TableName)]) {
    let writes = |lane: &LanePlan, table: &TableName| {
        lane.transforms.iter().any(|transform| transform.writes().name() == table)
    };
    let refers = |from: &LanePlan, to: &LanePlan| {
        references.iter().any(|(child, parent)| writes(from, child) && writes(to, parent))
    };
    let links: Vec<Vec<Link>> = lanes
        .iter()
        .map(|lane| {
            let others = lanes.iter().filter(|other| other.reader != lane.reader);
            let linked = others.filter(|other| refers(lane, other) || refers(other, lane));
            linked.map(|other| link_to(other, &lane.topic, resolves)).collect()
        })
        .collect();
    for (lane, links) in lanes.iter_mut().zip(links) {
        lane.links = links;
    }
}

/// A link to a lane, from one that reads `topic`.
fn link_to(lane: &LanePlan, topic: &Topic, resolves: &[ResolvePlan]) -> Link {
    let feeds = |plan: &&ResolvePlan| plan.transforms.iter().any(|(_, to, _)| *to == lane.topic);
    let resolves: Vec<_> = resolves.iter().filter(feeds).collect();
    let through =
        resolves.iter().flat_map(|plan| &plan.transforms).map(|(transform, ..)| transform);
    let systems = lane.transforms.iter().chain(through).filter_map(|it| it.reads().system());
    let systems: BTreeSet<&SystemName> =
        systems.filter(|system| Topic::changes(system) != *topic).collect();
    Link {
        lane: lane.reader.clone(),
        topic: lane.topic.clone(),
        resolves: resolves.iter().map(|it| (it.reader.clone(), it.topic.clone())).collect(),
        systems: systems.into_iter().cloned().collect(),
    }
}

fn unplanned(transform: &Arc<dyn Transform>) -> Error {
    let message =
        format!("{} writes {}, which is not there", transform.name(), transform.writes().name());
    Error::new(Kind::Config, message)
}

/// Runs every loop until told to stop.
///
/// # Errors
/// The first error that stopped a loop for good, once all loops have ended: either they were told
/// to, or none was left running.
pub async fn run(pipeline: Pipeline, mut told: Shutdown) -> Result<()> {
    let (end_loops, loops_end) = shutdown();
    let trimming = tokio::spawn(trim(
        pipeline.log.clone(),
        pipeline.topics(),
        pipeline.settings.clone(),
        loops_end.clone(),
    ));
    let drain_timeout = pipeline.settings.drain_timeout;
    let mut loops = start(pipeline, &loops_end);
    let mut first_error = None;
    loop {
        tokio::select! { biased;
            () = told.requested() => break,
            ended = loops.join_next() => match ended {
                Some(ended) => note_end(ended, &mut first_error),
                None => break,
            },
        }
    }
    drain(loops, &end_loops, drain_timeout, &mut first_error).await;
    trimming.abort();
    first_error.map_or(Ok(()), Err)
}

/// Tells the loops to end and waits, but not for ever.
async fn drain(
    mut loops: JoinSet<Result<()>>,
    end_loops: &ShutdownTrigger,
    longest: std::time::Duration,
    first_error: &mut Option<Error>,
) {
    end_loops.trigger();
    let draining = async {
        while let Some(ended) = loops.join_next().await {
            note_end(ended, first_error);
        }
    };
    if timeout(longest, draining).await.is_err() {
        tracing::warn!("some loops did not end in time; what they hold is not committed");
    }
}

fn note_end(
    ended: std::result::Result<Result<()>, tokio::task::JoinError>,
    first_error: &mut Option<Error>,
) {
    let outcome = ended.unwrap_or_else(|panic| {
        Err(Error::new(Kind::Internal, "a loop panicked").caused_by(panic))
    });
    if let Err(error) = outcome {
        first_error.get_or_insert(error);
    }
}

fn start(pipeline: Pipeline, loops_end: &Shutdown) -> JoinSet<Result<()>> {
    let mut loops = JoinSet::new();
    let Pipeline { log, checkpoints, clock, settings, registry, marks, sources, resolves, lanes } =
        pipeline;
    let mut works: Vec<Box<dyn Attempt>> = Vec::new();
    for SourcePlan { system, make } in sources {
        works.push(Box::new(Capture {
            topic: Topic::changes(&system),
            system,
            make,
            log: log.clone(),
            checkpoints: checkpoints.clone(),
            registry: registry.clone(),
            marks: marks.clone(),
            clock: clock.clone(),
            settings: settings.clone(),
        }));
    }
    for ResolvePlan { reader, topic, transforms } in resolves {
        works.push(Box::new(Resolve {
            reader,
            topic,
            transforms,
            log: log.clone(),
            checkpoints: checkpoints.clone(),
            registry: registry.clone(),
            marks: marks.clone(),
            settings: settings.clone(),
        }));
    }
    for LanePlan { reader, system, topic, transforms, links, make } in lanes {
        works.push(Box::new(Lane {
            reader,
            system,
            topic,
            transforms,
            links,
            make,
            log: log.clone(),
            registry: registry.clone(),
            marks: marks.clone(),
            clock: clock.clone(),
            settings: settings.clone(),
        }));
    }
    for work in works {
        loops.spawn(supervised(work, settings.clone(), loops_end.clone()));
    }
    loops
}

/// Trims every topic now and then.
async fn trim(
    log: Arc<dyn ChangeLog>,
    topics: BTreeSet<Topic>,
    settings: Settings,
    mut told: Shutdown,
) {
    let mut ticks = interval(settings.trim_interval);
    loop {
        tokio::select! {
            () = told.requested() => return,
            _ = ticks.tick() => {}
        }
        for topic in &topics {
            if let Err(error) = log.trim(topic).await {
                tracing::warn!("can't trim {topic}: {error}");
            }
        }
    }
}

/// The rows that resolve has set aside for one topic, for people.
///
/// # Errors
/// `Corrupt` when the note can't be understood.
pub fn parked_before_entities(checkpoints: &dyn Checkpoints, topic: &Topic) -> Result<Vec<Parked>> {
    notes::load(checkpoints, &ReaderName::resolve(topic))
}
