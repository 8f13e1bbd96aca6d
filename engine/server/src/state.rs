//! The project's state directory: one process at a time has it.

use crate::durable;
use crate::problem::{Exit, Failure, Outcome, Problem};
use crate::project::Project;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use syncline_core::{ChangeLog, Checkpoints, Journal};
use syncline_log::{KafkaLog, worker_name};

/// Where the embedded log is, in the directory.
pub(crate) const EMBEDDED: &str = "log";
/// The file that is locked; it holds the number of the process that has the directory.
const LOCK_FILE: &str = "lock";
/// The file that holds the name by which other workers know this one.
const WORKER_FILE: &str = "worker";

/// The state directory, this process's alone until dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    /// Where it is.
    pub(crate) path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Takes the directory; makes it if need be.
    pub(crate) fn take(project: &Project) -> Outcome<Arc<Self>> {
        let path = project.state();
        let lock = lock(&path)?;
        Ok(Arc::new(Self { path, _lock: lock }))
    }

    /// The name of the worker that has this directory: the same at each start, and no other's.
    pub(crate) fn worker(&self) -> Outcome<String> {
        let path = self.path.join(WORKER_FILE);
        let failed =
            |error: std::io::Error| Failure::io(format!("can't use {}", path.display()), &error);
        match std::fs::read_to_string(&path) {
            Ok(name) if !name.trim().is_empty() => return Ok(name.trim().to_owned()),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let name = worker_name();
        durable::replace(&path, name.as_bytes()).map_err(failed)?;
        Ok(name)
    }
}

/// The state directory and the log, open.
pub(crate) struct State {
    /// The directory.
    pub(crate) directory: PathBuf,
    /// The log, in it or elsewhere.
    pub(crate) log: Arc<dyn ChangeLog>,
    /// Kept with the log.
    pub(crate) checkpoints: Arc<dyn Checkpoints>,
    /// The log, where it is at Kafka brokers.
    pub(crate) kafka: Option<Arc<KafkaLog>>,
    /// Says, where several workers share the project, whether it is this one's now: then it takes the
    /// place of whoever still reads or writes a system for it.
    pub(crate) is_ours: Option<Arc<AtomicBool>>,
    _held: Arc<Directory>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl State {
    /// Takes the project's state; makes it if need be.
    pub(crate) fn open(project: &Project) -> Outcome<Self> {
        check_moved(project)?;
        Self::open_to_move(project)
    }

    /// The same where the embedded log may be left from before.
    pub(crate) fn open_to_move(project: &Project) -> Outcome<Self> {
        let held = Directory::take(project)?;
        if let Some(host) = project.worker_elsewhere(&held)? {
            return Err(worked_on(&host));
        }
        Self::open_in(project, held, None)
    }

    /// Opens the state for a worker that has the project now.
    pub(crate) fn open_for_worker(
        project: &Project,
        held: Arc<Directory>,
        is_ours: Arc<AtomicBool>,
    ) -> Outcome<Self> {
        check_moved(project)?;
        Self::open_in(project, held, Some(is_ours))
    }

    fn open_in(
        project: &Project,
        held: Arc<Directory>,
        is_ours: Option<Arc<AtomicBool>>,
    ) -> Outcome<Self> {
        let (log, checkpoints, kafka) = project.open_log()?;
        let directory = held.path.clone();
        Ok(Self { directory, log, checkpoints, kafka, is_ours, _held: held })
    }

    /// Where the claims on an entity are kept so that other workers can go on with them; none where they
    /// rest in the directory alone.
    pub(crate) fn journal(&self, entity: &str) -> Outcome<Option<Box<dyn Journal>>> {
        let Some(kafka) = &self.kafka else { return Ok(None) };
        Ok(Some(Box::new(kafka.journal(entity)?)))
    }
}

fn check_moved(project: &Project) -> Outcome<()> {
    let left = project.state().join(EMBEDDED);
    if project.has_log_elsewhere() && left.exists() {
        return Err(left_behind(&left));
    }
    Ok(())
}

fn lock(directory: &PathBuf) -> Outcome<File> {
    let failed = |error: std::io::Error| {
        Failure::io(format!("can't use the state directory {}", directory.display()), &error)
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(directory.join(LOCK_FILE)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(in_use(&mut file)),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let process = std::process::id().to_string();
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(process.as_bytes()))
        .map_err(failed)?;
    Ok(file)
}

fn left_behind(left: &Path) -> Failure {
    Problem::new("the project's log was embedded until now, and was not moved")
        .detail(format!("{} has what is not at its targets yet", left.display()))
        .hint("`syncline log move` takes it along; without the directory, all tables are copied once more".to_owned())
        .into()
}

fn in_use(file: &mut File) -> Failure {
    let mut process = String::new();
    let holder = match file.take(20).read_to_string(&mut process) {
        Ok(length) if length > 0 => format!("process {} works on it", process.trim()),
        _ => "another process works on it".to_owned(),
    };
    let wrong = Problem::new("the project is in use")
        .detail(holder)
        .hint("ask it with `syncline status`, or stop it first".to_owned());
    Failure::new(Exit::InUse, wrong)
}

fn worked_on(host: &str) -> Failure {
    let wrong = Problem::new("the project is in use")
        .detail(format!("a worker at {host} has it"))
        .hint("run this there, or stop all workers first".to_owned());
    Failure::new(Exit::InUse, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_told_who_has_the_state() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("state");
        let held = lock(&path).expect("nobody has it");
        // A lock belongs to the open file, so a second one in this process is as good as another's.
        let failure = lock(&path).expect_err("it is taken");
        assert_eq!(failure.exit, Exit::InUse);
        let detail = failure.problems[0].detail.clone().expect("says who");
        assert_eq!(detail, format!("process {} works on it", std::process::id()));
        drop(held);
        assert!(lock(&path).is_ok());
    }

    #[test]
    fn a_worker_keeps_its_name() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("state");
        let held = Directory { _lock: lock(&path).expect("nobody has it"), path };
        let name = held.worker().expect("a name");
        assert_eq!(held.worker().expect("a name"), name);
    }
}
