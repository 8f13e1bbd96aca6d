//! Which of several workers has the project: the one to which Kafka gives the only partition of a topic.
//!
//! ```text
//!  workers, each a member of the group <prefix>.workers
//!     a: has partition 0 of <prefix>.work ─▶ Working
//!     b, c: have none                     ─▶ Waiting
//!  a is not heard of for `session_timeout` ─▶ the group gives the partition to b
//! ```
//!
//! The group only says who should work. That a worker which does not know yet that it lost its place does no harm is
//! up to what it writes to: see [`super::owned`], and offsets that name themselves.
//!
//! Members are static: a worker that is started again within the time-out has its place still.

use super::client::{Clients, Context};
use super::settings::{KafkaSettings, Purpose};
use super::topics::Use;
use super::{names, topics};
use crate::rules::new_id;
use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use syncline_core::{Error, Kind, Result};
use tokio::sync::watch;

/// How often the group is listened to.
const POLL: Duration = Duration::from_millis(50);

/// Where a worker stands among the others.
#[derive(Debug, Clone, Default)]
pub enum Standing {
    /// Another has the project, or nobody yet.
    #[default]
    Waiting,
    /// The project is ours.
    Working,
    /// It never will be: why.
    Failed(Arc<Error>),
}

/// A worker's place in the group. Dropping it ends it; the group notices after the session's time-out.
#[derive(Debug)]
pub struct KafkaLease {
    standing: watch::Receiver<Standing>,
    is_over: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl KafkaLease {
    /// Joins the workers of a project under a name that no other has, and that is the same when this one is
    /// started again. Blocks until the brokers answer.
    ///
    /// # Errors
    /// `Unavailable` where they are away, `Config` where they refuse us.
    pub fn join(settings: KafkaSettings, worker: &str) -> Result<Self> {
        settings.check(&Purpose::Log)?;
        let clients = Clients::new(settings);
        let admin = clients.admin()?;
        topics::greet(&clients)?;
        let prefix = clients.settings.prefix.clone();
        let topic = names::work(&prefix)?;
        topics::ensure(&clients, &admin, &topic, Use::Work)?;
        let (told, standing) = watch::channel(Standing::default());
        let told = Arc::new(told);
        let member = clients.member(&names::workers(&prefix), worker, |context| Member {
            context,
            told: told.clone(),
        })?;
        let subscribed = member.subscribe(&[&topic]);
        subscribed.map_err(|error| clients.error("can't join the workers at Kafka", &error))?;
        let is_over = Arc::new(AtomicBool::new(false));
        let until = is_over.clone();
        let thread = std::thread::Builder::new().name("kafka-lease".to_owned());
        let listening = thread.spawn(move || listen(&clients, &member, &told, &until));
        let listening = listening.map_err(|error| {
            Error::new(Kind::Unavailable, "can't start a thread").caused_by(error)
        })?;
        Ok(Self { standing, is_over, listening: Some(listening) })
    }

    /// Where we stand, now and as that changes.
    #[must_use]
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }
}

impl Drop for KafkaLease {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

/// What the group tells a member.
struct Member {
    context: Context,
    told: Arc<watch::Sender<Standing>>,
}

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.context.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.context.error(error, reason);
    }
}

impl ConsumerContext for Member {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance
            && partitions.count() > 0
        {
            self.told.send_replace(Standing::Waiting);
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        // One that only hears that others came or went is given none.
        if let Rebalance::Assign(partitions) = rebalance
            && partitions.count() > 0
        {
            self.told.send_replace(Standing::Working);
        }
    }
}

/// Keeps the membership alive, on a thread of its own: how busy the worker is does not matter.
fn listen(
    clients: &Clients,
    member: &BaseConsumer<Member>,
    told: &watch::Sender<Standing>,
    is_over: &AtomicBool,
) {
    while !is_over.load(Ordering::Relaxed) {
        let Some(Err(error)) = member.poll(POLL) else { continue };
        let fatal = member.client().fatal_error();
        let failed = clients.error("can't be one of the workers at Kafka", &error);
        match fatal {
            Some((_, why)) => {
                let failed = Error::new(Kind::Fenced, "another process has this worker's place")
                    .detail(why)
                    .hint("is the state directory a copy of another worker's? each needs its own");
                told.send_replace(Standing::Failed(Arc::new(failed)));
                return;
            }
            None if failed.kind() == Kind::Config => {
                told.send_replace(Standing::Failed(Arc::new(failed)));
                return;
            }
            None => tracing::debug!(detail = failed.detail_text(), "{failed}"),
        }
    }
}

/// A name that no other worker has.
#[must_use]
pub fn worker_name() -> String {
    format!("worker-{:016x}", new_id().0)
}

/// Which other worker than the one of this name has the project now: the host that the brokers see; none
/// where no other has. Blocks.
///
/// # Errors
/// As of [`KafkaLease::join`].
pub fn worker_elsewhere(settings: KafkaSettings, worker: &str) -> Result<Option<String>> {
    settings.check(&Purpose::Log)?;
    let clients = Clients::new(settings);
    let admin = clients.admin()?;
    let group = names::workers(&clients.settings.prefix);
    working(&clients, admin.inner(), &group, worker)
}

fn working<C: ClientContext>(
    clients: &Clients,
    client: &Client<C>,
    group: &str,
    except: &str,
) -> Result<Option<String>> {
    let timeout = clients.settings.request_timeout;
    let found = client.fetch_group_list(Some(group), timeout);
    let found =
        found.map_err(|error| clients.error("can't ask Kafka who works on the project", &error))?;
    let members = found.groups().iter().flat_map(|group| group.members());
    let has_it = |assignment: &[u8]| {
        // The version, then how many topics (Kafka's consumer protocol).
        let topics = assignment.get(2..6).and_then(|it| it.try_into().ok());
        topics.is_some_and(|it| i32::from_be_bytes(it) > 0)
    };
    // A static member's id begins with the name it gave itself.
    let mut working = members.filter(|member| {
        member.assignment().is_some_and(has_it) && !member.id().starts_with(except)
    });
    Ok(working.next().map(|member| member.client_host().trim_start_matches('/').to_owned()))
}
