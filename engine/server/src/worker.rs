//! One of the workers that share a project: it stands by until the project is its own, works, and stands by again
//! once it is another's.
//!
//! ```text
//!  stands by ──the group gives it the project──▶ engine starts ──▶ works
//!      ▲                                                             │
//!      └── engine cleared away ◀── the group took it, or another opened the log ──┘
//! ```

use crate::engine::Engine;
use crate::live::{Serving, WhoWorks, sentence, standing_by};
use crate::output::Output;
use crate::problem::{Exit, Failure, Outcome, Problem};
use crate::project::Project;
use crate::state::{Directory, State};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use syncline_log::{KafkaLease, Standing};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// After a start that failed for now, or was somebody else's turn after all.
const AGAIN: Duration = Duration::from_millis(500);

/// A group that settles takes no longer than that.
const SETTLING: Duration = Duration::from_secs(1);

/// This process's place among the workers.
pub(crate) struct Worker {
    project: Arc<Project>,
    held: Arc<Directory>,
    lease: KafkaLease,
    /// Whether the project is ours, for whoever asks in between.
    is_ours: Arc<AtomicBool>,
    following: JoinHandle<()>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.following.abort();
    }
}

impl Worker {
    /// Joins the workers of a project; none where it has no others, as its log is embedded.
    pub(crate) fn join(project: &Arc<Project>) -> Outcome<Option<Self>> {
        if !project.has_log_elsewhere() {
            return Ok(None);
        }
        let held = Directory::take(project)?;
        let Some(lease) = project.join_workers(&held)? else { return Ok(None) };
        let is_ours = Arc::new(AtomicBool::new(false));
        let following = tokio::spawn(follow(lease.standing(), is_ours.clone()));
        Ok(Some(Self { project: project.clone(), held, lease, is_ours, following }))
    }

    /// Waits for the project to be ours, and starts its engine. Cancel-safe but for what the engine began.
    ///
    /// # Errors
    /// What a person has to mend.
    pub(crate) async fn engine(&self, output: &Output) -> Outcome<Engine> {
        loop {
            self.stand_by(output).await?;
            let take = |project: &Project| {
                State::open_for_worker(project, self.held.clone(), self.is_ours.clone())
            };
            match Engine::start_on(&self.project, take).await {
                Ok(engine) => return Ok(engine),
                Err(failure) if matches!(failure.exit, Exit::Unavailable | Exit::InUse) => {
                    tell(&failure);
                    sleep(AGAIN).await;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Waits until the project is ours.
    async fn stand_by(&self, output: &Output) -> Outcome<()> {
        let mut standing = self.lease.standing();
        if let Ok(now) = timeout(SETTLING, ours(&mut standing)).await {
            return now;
        }
        let (project, held) = (self.project.clone(), self.held.clone());
        let who: WhoWorks = Arc::new(move || project.worker_elsewhere(&held).ok().flatten());
        let (works, must_be_alone) = (ask(&who).await, self.project.settings.control.is_none());
        if let Some(host) = works.as_deref().filter(|_| must_be_alone) {
            return Err(apart(host));
        }
        let pages = standing_by(&self.project.settings.name, who.clone());
        let listen = self.project.settings.listen;
        let serving = Serving::begin(listen, &self.held.path, pages).await?;
        output.progress(&format!(
            "{}; status at http://{}/status",
            sentence(works.as_deref()),
            serving.address
        ));
        let now = tokio::select! { biased;
            now = ours(&mut standing) => now,
            // A group that begins may give the project to nobody for a while.
            host = another(&who), if must_be_alone => Err(apart(&host)),
        };
        if now.is_ok() {
            tracing::info!("this worker has the project now");
        }
        serving.end().await;
        now
    }

    /// What waits until the project is not ours any more, or another has opened its log or taken the place of one
    /// of our loops: then all of them begin anew, once it is our turn. Cancel-safe.
    pub(crate) fn lost(&self, engine: &Engine) -> impl Future<Output = ()> + use<> {
        let (mut standing, fenced) = (self.lease.standing(), engine.is_fenced());
        let mut watching = engine.watch();
        async move {
            let fenced = async {
                match fenced {
                    Some(mut fenced) => drop(fenced.wait_for(|it| *it).await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = standing.wait_for(|it| !matches!(it, Standing::Working)) => {}
                () = fenced => {}
                Ok(_) = watching.wait_for(|report| report.is_overtaken()) => {}
            }
        }
    }
}

/// What a person asks and answers at one worker has to be at the others too.
fn apart(host: &str) -> Failure {
    let wrong = Problem::new("several workers need [control]")
        .detail(format!(
            "a worker at {host} has the project, and notes conflicts where only it finds them"
        ))
        .hint("set database in [control] for each of them, or stop that one first".to_owned());
    Failure::config(vec![wrong])
}

/// Who has the project, as far as that can be told.
async fn ask(who: &WhoWorks) -> Option<String> {
    let who = who.clone();
    tokio::task::spawn_blocking(move || who()).await.ok().flatten()
}

/// Waits until another has the project.
async fn another(who: &WhoWorks) -> String {
    loop {
        sleep(AGAIN).await;
        if let Some(host) = ask(who).await {
            return host;
        }
    }
}

/// Waits until it is ours.
async fn ours(standing: &mut watch::Receiver<Standing>) -> Outcome<()> {
    let settled = standing.wait_for(|it| !matches!(it, Standing::Waiting)).await;
    match settled.as_deref() {
        Ok(Standing::Failed(error)) => Err(error.as_ref().into()),
        // The membership ends with the process only.
        _ => Ok(()),
    }
}

async fn follow(mut standing: watch::Receiver<Standing>, is_ours: Arc<AtomicBool>) {
    loop {
        let now = matches!(*standing.borrow_and_update(), Standing::Working);
        is_ours.store(now, Ordering::Relaxed);
        if standing.changed().await.is_err() {
            return;
        }
    }
}

fn tell(failure: &Failure) {
    for problem in &failure.problems {
        tracing::warn!(
            "can't begin yet: {}; {} (trying again)",
            problem.message,
            problem.detail.as_deref().unwrap_or_default()
        );
    }
}
