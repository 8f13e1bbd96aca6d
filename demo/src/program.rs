//! The `syncline` program as another process: what tests kill and benchmarks time.

use crate::cluster::wait_until;
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

const NAME: &str = "syncline";
/// Longest time a process may take to drain after SIGTERM.
const DRAIN_DEADLINE: Duration = Duration::from_secs(60);

/// The program's file, and the variables it is started with.
#[derive(Debug, Clone)]
pub struct Program {
    file: PathBuf,
    environment: Vec<(String, String)>,
}

impl Program {
    /// The program that was built together with the one that asks: in the same directory, or in
    /// the one above for tests.
    ///
    /// # Errors
    /// When it was not built yet; the message says how.
    pub fn beside_us() -> Result<Self> {
        let ours = std::env::current_exe()?;
        let file = ours
            .ancestors()
            .skip(1)
            .take(2)
            .map(|directory| directory.join(NAME))
            .find(|file| file.is_file())
            .with_context(|| {
                format!(
                    "there is no {NAME} beside {}\n  hint: cargo build --release --package {NAME}",
                    ours.display()
                )
            })?;
        Ok(Self { file, environment: Vec::new() })
    }

    /// A copy of the program in a folder.
    ///
    /// # Errors
    /// When it can't be copied.
    pub fn copied_to(&self, folder: &Path) -> Result<Self> {
        let file = folder.join(NAME);
        // A file that is being run can be replaced, and not written.
        let new = folder.join(format!("{NAME}.new"));
        std::fs::copy(&self.file, &new)?;
        std::fs::rename(&new, &file)?;
        Ok(Self { file, environment: self.environment.clone() })
    }

    /// The same program with further variables.
    #[must_use]
    pub fn with(mut self, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment.extend(environment);
        self
    }

    /// The folder it is in, for a `PATH`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("/"))
    }

    /// A command on a project.
    #[must_use]
    pub fn command(&self, project: &Path) -> Command {
        let mut command = Command::new(&self.file);
        command.arg("--project").arg(project).envs(self.environment.iter().cloned());
        command.stdin(Stdio::null());
        command
    }

    /// Starts `syncline run`; what it says is added to `run.log` beside the project.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn run(&self, project: &Path) -> Result<Running> {
        let log = project.with_extension("log");
        let file = OpenOptions::new().create(true).append(true).open(&log)?;
        let process = self
            .command(project)
            .arg("run")
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("can't start {}", self.file.display()))?;
        Ok(Running { process, log })
    }
}

/// A `syncline run` at work. Killed when dropped.
#[derive(Debug)]
pub struct Running {
    process: Child,
    log: PathBuf,
}

impl Running {
    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Fails when it ended by itself; the message has its last words.
    ///
    /// # Errors
    /// When it did.
    pub fn check(&mut self) -> Result<()> {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{NAME} ended with {status}\n{}", self.last_words()),
        }
    }

    /// How it ended, if it did.
    ///
    /// # Errors
    /// When the system can't tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.process.try_wait()?)
    }

    /// Ends it at once, as a power cut would.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Asks it to stop, and waits until it has drained.
    ///
    /// # Errors
    /// When it takes too long.
    pub fn terminate(mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.wait(DRAIN_DEADLINE)
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it takes too long.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let mut ended = None;
        wait_until(deadline, || {
            ended = self.process.try_wait()?;
            Ok(ended.is_some())
        })
        .with_context(|| format!("{NAME} does not end\n{}", self.last_words()))?;
        ended.context("ended, or the wait had failed")
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.id())?), signal)?)
    }

    /// The most memory it ever had, in bytes.
    ///
    /// # Errors
    /// When it has ended.
    pub fn peak_memory(&self) -> Result<u64> {
        peak_memory(self.id())
    }

    /// What it said, all of it.
    #[must_use]
    pub fn said(&self) -> String {
        std::fs::read(&self.log)
            .map_or(String::new(), |log| String::from_utf8_lossy(&log).into_owned())
    }

    /// The end of what it said.
    #[must_use]
    pub fn last_words(&self) -> String {
        let said = self.said();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// Has the most memory of a process counted from now on.
///
/// # Errors
/// When there is no such process.
pub fn forget_peak_memory(process: u32) -> Result<()> {
    // "5" resets the peak, see proc_pid_clear_refs(5).
    Ok(std::fs::write(format!("/proc/{process}/clear_refs"), "5")?)
}

/// The most memory that a process ever had, or since that was forgotten, in bytes.
///
/// # Errors
/// When there is no such process.
pub fn peak_memory(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kilobytes.context("no VmHWM")? * 1024)
}

/// The processor time that a process has had so far, user and system.
///
/// # Errors
/// When there is no such process.
pub fn processor_time(process: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in parentheses, may have spaces; utime and stime are the 12th and 13th after it.
    let (_, fields) = stat.rsplit_once(") ").context("no name")?;
    Ok(ticks(fields, 2))
}

/// The same of a process, those that it started and still has, and those that it had.
///
/// # Errors
/// When there is no such process.
pub(crate) fn processor_time_of_all(process: u32) -> Result<Duration> {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children"))?;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat.rsplit_once(") ").context("no name")?;
    let mut sum = ticks(fields, 4);
    for child in children.split_ascii_whitespace() {
        // One that ends meanwhile is counted among those that were there.
        sum += processor_time(child.parse()?).unwrap_or_default();
    }
    Ok(sum)
}

/// So many of utime, stime, cutime and cstime, the fields from the 12th after the name on.
fn ticks(fields: &str, count: usize) -> Duration {
    let ticks = fields.split(' ').skip(11).take(count).filter_map(|t| t.parse::<u64>().ok());
    // Linux counts a hundred ticks a second towards programs, whatever it does inside.
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

impl Drop for Running {
    fn drop(&mut self) {
        let ended = self.process.kill().and_then(|()| self.process.wait());
        if let Err(error) = ended {
            tracing::warn!(%error, "a process of ours was left running");
        }
    }
}
