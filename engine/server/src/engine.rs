//! The engine in this process: started, watched, told to stop.

use crate::decisions::Store;
use crate::live::{
    ADDRESS_FILE, Observer, Reading, Report, Served, Watching, caught_up, serve, take_up,
    watch_asked,
};
use crate::problem::{Exit, Failure, Outcome, Problem};
use crate::project::Project;
use crate::state::State;
use crate::wiring::{Wired, wire};
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use syncline_core::{ReaderName, SystemName};
use syncline_postgres::Settings;
use syncline_resolve::decisions;
use syncline_runtime::{ShutdownTrigger, run, shutdown};
use tokio::task::JoinHandle;

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
    sources: BTreeMap<SystemName, Settings>,
    decisions: Option<Arc<Store>>,
    // Dropped in this order: the address goes before the state is another's.
    _address_file: AddressFile,
    state: State,
}

/// The file that tells `status` where to ask; gone with the engine.
struct AddressFile(PathBuf);

impl Drop for AddressFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Engine {
    /// Starts the project's engine in the background.
    pub(crate) async fn start(project: &Project) -> Outcome<Self> {
        let Wired { pipeline, state, mappings, readers, sources, decisions, weighing } =
            wire(project)?;
        let into_entities = mappings.iter().filter(|it| it.writes.system().is_none());
        let resolves: BTreeSet<ReaderName> = into_entities.map(|it| it.lane.clone()).collect();
        let (registry, backfills) = (pipeline.registry(), pipeline.backfills());
        // Order: before anything runs, so that a run until all is caught up has it in it.
        take_up(&state.directory, &backfills)?;
        let observer = Observer::new(&project.settings.name, registry.clone(), mappings);
        let watching = observer.spawn();
        let served = Served {
            watching: watching.clone(),
            registry,
            checkpoints: state.checkpoints.clone(),
            resolves: resolves.into_iter().collect(),
            weighing,
        };
        let address = serve(project.settings.listen, served).await?;
        let file = state.directory.join(ADDRESS_FILE);
        std::fs::write(&file, address.to_string())
            .map_err(|error| Failure::io(format!("can't write {}", file.display()), &error))?;
        let (trigger, told) = shutdown();
        let running = Some(tokio::spawn(run(pipeline, told)));
        let asking = watch_asked(state.directory.clone(), backfills);
        Ok(Self {
            address,
            watching,
            trigger,
            running,
            readers,
            asking,
            sources,
            decisions,
            _address_file: AddressFile(file),
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

    /// Lets every loop finish what it does and waits, within the project's `drain_timeout`.
    pub(crate) async fn stop(self) -> Outcome<()> {
        self.asking.abort();
        self.trigger.trigger();
        match self.running {
            Some(running) => outcome(running.await),
            None => Ok(()),
        }
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
