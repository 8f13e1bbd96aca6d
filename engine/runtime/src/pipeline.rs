//! A whole project, ready to run.

use crate::apply::Lane;
use crate::capture::Capture;
use crate::clock::Clock;
use crate::marks::Marks;
use crate::readers::{Planned, Readers};
use crate::resolve::{Input, Resolve};
use crate::route::{
    LanePlan, ResolvePlan, link, plan_lanes, plan_mappings, plan_resolves, readers_of,
};
use crate::status::{LoopState, StateCell};
use crate::supervise::{Attempt, supervised};
use crate::{Backfills, Registry, Settings, Shutdown, ShutdownTrigger, notes, shutdown};
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use syncline_core::{
    ChangeLog, Checkpoints, Claims, ConflictBook, Error, Gates, Kind, Parked, ReaderName, Result,
    Sink, Source, SystemName, TableName, TableSchema, Topic, Transform,
};
use tokio::sync::Mutex;
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

/// A system that is written. Each lane has a sink of its own.
pub struct SinkPlan {
    /// The system.
    pub system: SystemName,
    /// Makes its sink.
    pub make: MakeSink,
}

/// An entity: its columns and key, and what was said of it so far.
pub struct EntityPlan {
    /// Its name is [`TableName::Entity`].
    pub schema: Arc<TableSchema>,
    /// Its claims.
    pub claims: Box<dyn Claims>,
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
    /// What mappings mean, by their names: a text that is the same as long as they make the same of
    /// every row. A mapping that means something else than at the last start gets all rows again.
    pub meanings: BTreeMap<String, String>,
    /// Where conflicts are written down.
    pub conflicts: Arc<dyn ConflictBook>,
    /// Where mass changes wait for a person.
    pub gates: Arc<dyn Gates>,
}

/// Everything that [`run`] needs.
pub struct Pipeline {
    pub(crate) log: Arc<dyn ChangeLog>,
    pub(crate) checkpoints: Arc<dyn Checkpoints>,
    clock: Arc<dyn Clock>,
    settings: Settings,
    registry: Arc<Registry>,
    marks: Arc<Marks>,
    backfills: Arc<Backfills>,
    pub(crate) sources: Vec<SourcePlan>,
    resolves: Vec<ResolvePlan>,
    pub(crate) lanes: Vec<LanePlan>,
    mappings: Vec<Planned>,
    conflicts: Arc<dyn ConflictBook>,
    gates: Arc<dyn Gates>,
}

impl Pipeline {
    /// Puts the loops together: one resolve for each entity, one lane for each topic and system that is
    /// written.
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
        let Plan { sources, sinks, entities, transforms, references, meanings, conflicts, gates } =
            plan;
        let claims = entities.iter().map(|it| (it.schema.name().to_string(), it.claims.id()));
        let mappings = plan_mappings(&transforms, &meanings, &claims.collect());
        let resolves = plan_resolves(entities, &transforms)?;
        let mut lanes = plan_lanes(sinks, &transforms)?;
        link(&mut lanes, &resolves, &references);
        let inputs = resolves.iter().flat_map(|it| &it.inputs);
        let readers = inputs.map(|it| &it.reader).chain(lanes.iter().map(|it| &it.reader));
        let systems = sources.iter().map(|it| it.system.clone());
        let marks = Arc::new(Marks::new(systems.clone(), readers.clone().cloned()));
        let names = transforms.iter().map(|it| it.name().to_owned());
        let entities = resolves.iter().map(|it| it.entity.clone());
        let registry = Arc::new(Registry::new(systems, readers.cloned(), names, entities));
        let backfills = Arc::new(Backfills::new(checkpoints.clone(), registry.clone()));
        Ok(Self {
            log,
            checkpoints,
            clock,
            settings,
            registry,
            marks,
            backfills,
            sources,
            resolves,
            lanes,
            mappings,
            conflicts,
            gates,
        })
    }

    /// The counters of all loops.
    #[must_use]
    pub fn registry(&self) -> Arc<Registry> {
        self.registry.clone()
    }

    /// What takes requests to copy tables again.
    #[must_use]
    pub fn backfills(&self) -> Arc<Backfills> {
        self.backfills.clone()
    }

    /// The topics, captured ones first.
    #[must_use]
    pub fn topics(&self) -> BTreeSet<Topic> {
        let captured = self.sources.iter().map(|it| Topic::changes(&it.system));
        captured.chain(self.resolves.iter().map(|it| it.topic.clone())).collect()
    }

    /// The readers, resolves first.
    pub fn readers(&self) -> impl Iterator<Item = &ReaderName> {
        self.inputs().map(|it| &it.reader).chain(self.lanes.iter().map(|it| &it.reader))
    }

    fn inputs(&self) -> impl Iterator<Item = &Input> {
        self.resolves.iter().flat_map(|it| &it.inputs)
    }

    /// Topics that no loop reads.
    fn unread(&self) -> BTreeSet<Topic> {
        let mut topics = self.topics();
        topics.retain(|topic| self.inputs().all(|it| it.topic != *topic));
        topics.retain(|topic| self.lanes.iter().all(|it| it.topic != *topic));
        topics
    }

    /// All who are waited for by trimming, each with its topic.
    pub(crate) fn all_readers(&self) -> BTreeMap<ReaderName, Topic> {
        let resolves = self.inputs().map(|it| (it.reader.clone(), it.topic.clone()));
        let lanes = self.lanes.iter().map(|it| (it.reader.clone(), it.topic.clone()));
        let unread = self.unread().into_iter().map(|it| (ReaderName::unread(&it), it));
        resolves.chain(lanes).chain(unread).collect()
    }
}

/// Runs every loop until told to stop.
///
/// # Errors
/// The first error that stopped a loop for good, once all loops have ended: either they were told
/// to, or none was left running.
pub async fn run(mut pipeline: Pipeline, mut told: Shutdown) -> Result<()> {
    let (end_loops, loops_end) = shutdown();
    let readers = Arc::new(Readers::open(pipeline.checkpoints.clone())?);
    // Order: before anything is captured or trimmed.
    let registering = Registering {
        log: pipeline.log.clone(),
        readers: readers.clone(),
        all: pipeline.all_readers(),
        mappings: std::mem::take(&mut pipeline.mappings),
        backfills: pipeline.backfills.clone(),
    };
    supervised(Arc::new(registering), pipeline.settings.clone(), told.clone()).await?;
    let trimming = tokio::spawn(trim(
        pipeline.log.clone(),
        pipeline.topics(),
        pipeline.unread(),
        pipeline.settings.clone(),
        loops_end.clone(),
    ));
    let drain_timeout = pipeline.settings.drain_timeout;
    let mut asked = pipeline.backfills.watch();
    let mut loops = start(pipeline, readers, &loops_end);
    loop {
        tokio::select! { biased;
            () = told.requested() => break,
            ended = loops.running.join_next() => match ended {
                Some(ended) => loops.note_end(ended),
                None => break,
            },
            Ok(()) = asked.changed() => {}
        }
        loops.revive(&loops_end);
    }
    let Loops { mut running, mut failures, .. } = loops;
    drain(&mut running, &end_loops, drain_timeout, &mut failures).await;
    trimming.abort();
    failures.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
}

/// Makes all readers known to the log, which may be away for a while.
struct Registering {
    log: Arc<dyn ChangeLog>,
    readers: Arc<Readers>,
    all: BTreeMap<ReaderName, Topic>,
    mappings: Vec<Planned>,
    backfills: Arc<Backfills>,
}

#[async_trait]
impl Attempt for Registering {
    fn name(&self) -> String {
        "registering readers".to_owned()
    }

    fn states(&self) -> Vec<&StateCell> {
        Vec::new()
    }

    async fn attempt(&self, _shutdown: &mut Shutdown) -> Result<()> {
        let Self { log, readers, all, mappings, backfills } = self;
        readers.prepare(log.as_ref(), all, mappings, backfills).await
    }
}

/// How a loop ended: its name and outcome.
type End = (String, Result<()>);

/// The loops of a pipeline.
struct Loops {
    running: JoinSet<End>,
    captures: Vec<Arc<Capture>>,
    settings: Settings,
    /// Why loops stopped for good, in the order in which they did.
    failures: Vec<(String, Error)>,
}

impl Loops {
    fn spawn(&mut self, work: Arc<dyn Attempt>, end: &Shutdown) {
        let (settings, end) = (self.settings.clone(), end.clone());
        self.running.spawn(async move { (work.name(), supervised(work, settings, end).await) });
    }

    fn note_end(&mut self, ended: std::result::Result<End, tokio::task::JoinError>) {
        note_end(ended, &mut self.failures);
    }

    /// Begins captures anew that had stopped for good, and were asked to copy tables since: that may
    /// be what mends them.
    fn revive(&mut self, end: &Shutdown) {
        for capture in self.captures.clone() {
            let name = capture.name();
            let has_ended = self.failures.iter().any(|(failed, _)| *failed == name);
            if has_ended && capture.may_be_mended() {
                self.failures.retain(|(failed, _)| *failed != name);
                capture.state().set(LoopState::Starting);
                self.spawn(capture, end);
            }
        }
    }
}

/// Tells the loops to end and waits, but not for ever.
async fn drain(
    loops: &mut JoinSet<End>,
    end_loops: &ShutdownTrigger,
    longest: std::time::Duration,
    failures: &mut Vec<(String, Error)>,
) {
    end_loops.trigger();
    let draining = async {
        while let Some(ended) = loops.join_next().await {
            note_end(ended, failures);
        }
    };
    if timeout(longest, draining).await.is_err() {
        tracing::warn!("some loops did not end in time; what they hold is not committed");
    }
}

fn note_end(
    ended: std::result::Result<End, tokio::task::JoinError>,
    failures: &mut Vec<(String, Error)>,
) {
    let (name, outcome) = ended.unwrap_or_else(|panic| {
        let error = Error::new(Kind::Internal, "a loop panicked").caused_by(panic);
        ("a loop".to_owned(), Err(error))
    });
    if let Err(error) = outcome {
        failures.push((name, error));
    }
}

fn start(pipeline: Pipeline, readers: Arc<Readers>, loops_end: &Shutdown) -> Loops {
    let Pipeline {
        log,
        checkpoints,
        clock,
        settings,
        registry,
        marks,
        backfills,
        sources,
        resolves,
        lanes,
        mappings: _,
        conflicts,
        gates,
    } = pipeline;
    let mut captures = Vec::new();
    for SourcePlan { system, make } in sources {
        captures.push(Arc::new(Capture {
            topic: Topic::changes(&system),
            system,
            make,
            log: log.clone(),
            checkpoints: checkpoints.clone(),
            backfills: backfills.clone(),
            registry: registry.clone(),
            marks: marks.clone(),
            clock: clock.clone(),
            settings: settings.clone(),
        }));
    }
    let mut works: Vec<Arc<dyn Attempt>> = Vec::new();
    let readers_of: Vec<Vec<ReaderName>> =
        resolves.iter().map(|it| readers_of(&it.topic, &resolves, &lanes)).collect();
    for (ResolvePlan { entity, topic, inputs, claims }, readers) in
        resolves.into_iter().zip(readers_of)
    {
        works.push(Arc::new(Resolve {
            entity,
            topic,
            inputs,
            readers,
            claims,
            conflicts: conflicts.clone(),
            log: log.clone(),
            checkpoints: checkpoints.clone(),
            registry: registry.clone(),
            marks: marks.clone(),
            clock: clock.clone(),
            settings: settings.clone(),
        }));
    }
    for LanePlan { reader, system, topic, transforms, links, tables, make } in lanes {
        works.push(Arc::new(Lane {
            reader,
            system,
            topic,
            transforms,
            links,
            tables,
            readers: readers.clone(),
            backfills: backfills.clone(),
            sink: Mutex::new(make()),
            gates: gates.clone(),
            log: log.clone(),
            checkpoints: checkpoints.clone(),
            registry: registry.clone(),
            marks: marks.clone(),
            clock: clock.clone(),
            settings: settings.clone(),
        }));
    }
    let (running, failures) = (JoinSet::new(), Vec::new());
    let mut loops = Loops { running, captures: captures.clone(), settings, failures };
    for capture in captures {
        loops.spawn(capture, loops_end);
    }
    for work in works {
        loops.spawn(work, loops_end);
    }
    loops
}

/// Trims every topic now and then, those whole that nobody reads.
async fn trim(
    log: Arc<dyn ChangeLog>,
    topics: BTreeSet<Topic>,
    unread: BTreeSet<Topic>,
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
            let passed = match unread.contains(topic) {
                true => pass_over(log.as_ref(), topic).await,
                false => Ok(()),
            };
            if let Err(error) = passed.and(log.trim(topic).await) {
                tracing::warn!("can't trim {topic}: {error}");
            }
        }
    }
}

async fn pass_over(log: &dyn ChangeLog, topic: &Topic) -> Result<()> {
    let end = log.tail(topic).await?.next;
    log.commit(&ReaderName::unread(topic), topic, end).await
}

/// The rows of one topic that were set aside before they reached an entity, for people.
///
/// # Errors
/// `Corrupt` when the note can't be understood.
pub fn parked_before_entity(
    checkpoints: &dyn Checkpoints,
    reader: &ReaderName,
) -> Result<Vec<Parked>> {
    notes::load(checkpoints, reader)
}
