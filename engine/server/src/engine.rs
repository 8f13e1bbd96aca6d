//! The engine in this process: started, watched, told to stop.

use crate::decisions::Store;
use crate::live::{
    Observer, Reading, Report, Served, Serving, Watching, caught_up, routes, take_up, watch_asked,
};
use crate::problem::{Exit, Failure, Outcome, Problem};
use crate::project::Project;
use crate::state::State;
use crate::verify::{Flow, Outcomes, Verifier, in_turn};
use crate::weighing::Weighing;
use crate::wiring::{Wired, wire_on};
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use syncline_core::{ReaderName, SystemName};
use syncline_postgres::Settings;
use syncline_resolve::decisions;
use syncline_runtime::{ShutdownTrigger, run, shutdown};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};

/// A running engine. Dropping it tells it to stop.
pub(crate) struct Engine {
    /// Where it serves.
    pub(crate) address: SocketAddr,
    watching: Watching,
    trigger: ShutdownTrigger,
    /// None once its outcome was taken.
    running: Option<JoinHandle<syncline_core::Result<()>>>,
    readers: Vec<Reading>,
    asking: JoinHandle<()>,
    /// Verifies targets in turn, where that is asked for.
    rota: Option<JoinHandle<()>>,
    sources: BTreeMap<SystemName, Settings>,
    topics: BTreeSet<SystemName>,
    decisions: Option<Arc<Store>>,
    weighing: Weighing,
    // Dropped in this order: the address goes before the state is another's.
    serving: Serving,
    state: State,
}

/// How long claims may still be written to after all loops were told to end.
const CLAIMS_END: Duration = Duration::from_secs(120);

impl Engine {
    /// Starts the project's engine in the background.
    pub(crate) async fn start(project: &Project) -> Outcome<Self> {
        Self::start_on(project, State::open).await
    }

    /// The same on a state that is taken another way.
    pub(crate) async fn start_on(
        project: &Project,
        take: impl FnOnce(&Project) -> Outcome<State>,
    ) -> Outcome<Self> {
        let Wired {
            pipeline,
            state,
            mappings,
            readers,
            sources,
            topics,
            decisions,
            weighing,
            verifiable,
        } = wire_on(project, take)?;
        let into_entities = mappings.iter().filter(|it| it.writes.system().is_none());
        let resolves: BTreeSet<ReaderName> = into_entities.map(|it| it.lane.clone()).collect();
        let (registry, backfills) = (pipeline.registry(), pipeline.backfills());
        // Order: before anything runs, so that a run until all is caught up has it in it.
        take_up(&state.directory, &backfills)?;
        let outcomes = Outcomes::default();
        let name = &project.settings.name;
        let observer = Observer::new(name, registry.clone(), mappings, outcomes.clone());
        let watching = observer.spawn();
        let verifier = Verifier::new(
            verifiable,
            Flow::new(watching.clone(), state.log.clone()),
            weighing.clone(),
            backfills.clone(),
            project.settings.runtime.gates,
            (&state.directory, outcomes.clone()),
        );
        let verify_every = project.settings.verify_every;
        let rota = verify_every.map(|every| in_turn(verifier.clone(), every));
        let served = Served {
            watching: watching.clone(),
            registry,
            checkpoints: state.checkpoints.clone(),
            resolves: resolves.into_iter().collect(),
            weighing: weighing.clone(),
            verifier,
            outcomes,
        };
        let serving = Serving::begin(project.settings.listen, &state.directory, routes(served));
        let serving = serving.await?;
        let (trigger, told) = shutdown();
        let running = Some(tokio::spawn(run(pipeline, told)));
        let asking = watch_asked(state.directory.clone(), backfills);
        Ok(Self {
            address: serving.address,
            watching,
            trigger,
            running,
            readers,
            asking,
            rota,
            sources,
            topics,
            decisions,
            weighing,
            serving,
            state,
        })
    }

    /// Reports as they come.
    pub(crate) fn watch(&self) -> Watching {
        self.watching.clone()
    }

    /// Waits until everything committed by now is at its target.
    pub(crate) async fn catch_up(&self) -> Outcome<Arc<Report>> {
        let asked = self.sources.iter().map(|(system, settings)| async move {
            let mark = syncline_postgres::current_commit(settings).await?;
            Ok::<_, syncline_core::Error>((system.clone(), mark))
        });
        let marks = join_all(asked).await.into_iter().collect::<Result<BTreeMap<_, _>, _>>();
        let mut marks = marks?;
        // These say that they stream once all that was in the topics is durable.
        marks.extend(self.topics.iter().map(|system| (system.clone(), 0)));
        if let Some(store) = &self.decisions {
            let last = store.open().await?.last_said().await.map_err(syncline_core::Error::from)?;
            marks.insert(decisions::system(), last.unsigned_abs());
        }
        caught_up(self.watch(), self.state.log.as_ref(), &marks, &self.readers).await
    }

    /// Waits until nothing is left to do, since every capture failed for good and the log is written,
    /// or no loop is left running. Cancel-safe.
    pub(crate) async fn ended(&mut self) -> Outcome<()> {
        let mut watching = self.watching.clone();
        let Some(running) = self.running.as_mut() else { return Ok(()) };
        tokio::select! { biased;
            ended = running => {
                self.running = None;
                outcome(ended)
            }
            report = watching.wait_for(|report| report.is_nothing_left()) => {
                report.ok().and_then(|report| report.failure()).map_or(Ok(()), Err)
            }
        }
    }

    /// Becomes true once it is known that another process has opened the log since; none where no
    /// other can.
    pub(crate) fn is_fenced(&self) -> Option<watch::Receiver<bool>> {
        self.state.kafka.as_ref().map(|log| log.is_fenced())
    }

    /// Lets every loop finish what it does and waits, within the project's `drain_timeout`.
    pub(crate) async fn stop(self) -> Outcome<()> {
        self.asking.abort();
        self.rota.iter().for_each(JoinHandle::abort);
        self.trigger.trigger();
        match self.running {
            Some(running) => outcome(running.await),
            None => Ok(()),
        }
    }

    /// The same, so that another engine can begin in this process afterwards.
    ///
    /// # Errors
    /// Where something goes on that would get in the way of it.
    pub(crate) async fn clear_away(self) -> Outcome<()> {
        let Self { asking, rota, trigger, running, serving, weighing, .. } = self;
        asking.abort();
        rota.iter().for_each(JoinHandle::abort);
        trigger.trigger();
        if let Some(running) = running
            && let Err(failure) = outcome(running.await)
        {
            let problems = &failure.problems;
            let said = problems.first().map(|it| it.message.as_str()).unwrap_or_default();
            tracing::warn!("the engine ended: {said}");
        }
        serving.end().await;
        // A thread may still wait for the brokers with claims in its hands.
        let mut ticks = interval(Duration::from_millis(50));
        let at_rest = async {
            while !weighing.is_alone() {
                ticks.tick().await;
            }
        };
        timeout(CLAIMS_END, at_rest).await.map_err(|_| {
            let wrong =
                Problem::new("claims are still being written to, for a work that is not ours");
            Failure::new(Exit::Unavailable, wrong.hint("start the process again".to_owned()))
        })
    }
}

fn outcome(ended: Result<syncline_core::Result<()>, tokio::task::JoinError>) -> Outcome<()> {
    match ended {
        Ok(outcome) => Ok(outcome?),
        Err(panic) => {
            let wrong = Problem::new("the engine panicked").detail(panic.to_string());
            Err(Failure::new(Exit::Internal, wrong))
        }
    }
}
