//! A private Apache Kafka broker that lives as long as its [`Broker`].
//!
//! ```text
//!  directory/            ours alone, removed with the broker
//!    server.properties   one node, broker and controller (KRaft)
//!    log4j2.properties   what it is to say
//!    data/               its topics
//!    server.log          what it says
//! ```
//!
//! The jars are fetched by `./dev`; where they are is in the variable [`JARS_VARIABLE`], or else where `./dev`
//! puts them. Invariant: the only process ever signalled is the one started here.

use crate::cluster::wait_until;
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Names the variable with the address of a broker that tests and trials may use.
pub const KAFKA_VARIABLE: &str = "SYNCLINE_KAFKA";
/// Names the folder with the jars of a broker.
pub const JARS_VARIABLE: &str = "SYNCLINE_KAFKA_JARS";
/// Without it the broker says nothing.
pub(crate) const LOGGING: &str = "rootLogger.level = info
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{HH:mm:ss.SSS} %p %m (%c)%n
";
/// How often ports are looked for.
const TRIES: u32 = 5;
const START_DEADLINE: Duration = Duration::from_secs(120);
const STOP_DEADLINE: Duration = Duration::from_secs(40);

/// What a broker has beyond the ordinary.
#[derive(Debug, Clone, Default)]
pub struct BrokerOptions {
    /// Settings by name; they go before ours.
    pub settings: Vec<(String, String)>,
    /// Further listeners: a name in capitals, and a protocol such as `SASL_SSL`.
    pub listeners: Vec<(&'static str, &'static str)>,
    /// Users that log in by SCRAM: the mechanism, the name, the password.
    pub users: Vec<(&'static str, &'static str, &'static str)>,
}

/// A running broker. Stops when dropped.
#[derive(Debug)]
pub struct Broker {
    jars: PathBuf,
    directory: TempDir,
    port: u16,
    /// Of the further listeners, by name.
    ports: Vec<(&'static str, u16)>,
    server: Option<Child>,
}

impl Broker {
    /// Makes a broker and starts it. Blocks until it answers.
    ///
    /// # Errors
    /// When the jars are not there, or it won't start; the message has its last words.
    pub fn start() -> Result<Self> {
        Self::start_with(&BrokerOptions::default())
    }

    /// The same with more than the ordinary.
    ///
    /// # Errors
    /// The same.
    pub fn start_with(options: &BrokerOptions) -> Result<Self> {
        let jars = jars(JARS_VARIABLE, "kafka")?;
        let mut tries = 0;
        loop {
            tries += 1;
            match Self::start_on(&jars, &free_ports(2 + options.listeners.len())?, options) {
                // Between our look and its start somebody else may have taken a port.
                Err(error) if tries < TRIES && error.to_string().contains("in use") => {}
                started => return started,
            }
        }
    }

    fn start_on(jars: &Path, ports: &[u16], options: &BrokerOptions) -> Result<Self> {
        let &[port, controller, ref others @ ..] = ports else { bail!("too few ports") };
        let jars = jars.to_owned();
        let directory = tempfile::Builder::new().prefix("syncline-kafka-").tempdir()?;
        let names = options.listeners.iter().map(|(name, _)| *name);
        let ports = names.zip(others.iter().copied()).collect();
        let mut broker = Self { jars, directory, port, ports, server: None };
        std::fs::write(broker.path("server.properties"), broker.properties(controller, options))?;
        std::fs::write(broker.path("log4j2.properties"), LOGGING)?;
        broker.format(options)?;
        broker.resume()?;
        Ok(broker)
    }

    fn properties(&self, controller: u16, options: &BrokerOptions) -> String {
        let port = self.port;
        let further = |host: &str| {
            let each = self.ports.iter().map(|(name, port)| format!(",{name}://{host}:{port}"));
            each.collect::<String>()
        };
        let protocols = options.listeners.iter().map(|(name, it)| format!(",{name}:{it}"));
        let ours = [
            ("process.roles", "broker,controller".to_owned()),
            ("node.id", "1".to_owned()),
            ("controller.quorum.voters", format!("1@127.0.0.1:{controller}")),
            (
                "listeners",
                format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}")
                    + &further("127.0.0.1"),
            ),
            (
                "advertised.listeners",
                format!("PLAINTEXT://127.0.0.1:{port}") + &further("localhost"),
            ),
            ("controller.listener.names", "CONTROLLER".to_owned()),
            (
                "listener.security.protocol.map",
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned()
                    + &protocols.collect::<String>(),
            ),
            ("inter.broker.listener.name", "PLAINTEXT".to_owned()),
            ("log.dirs", self.path("data").display().to_string()),
            ("auto.create.topics.enable", "false".to_owned()),
            ("offsets.topic.replication.factor", "1".to_owned()),
            ("offsets.topic.num.partitions", "4".to_owned()),
            ("transaction.state.log.replication.factor", "1".to_owned()),
            ("transaction.state.log.min.isr", "1".to_owned()),
            ("share.coordinator.state.topic.replication.factor", "1".to_owned()),
            ("share.coordinator.state.topic.min.isr", "1".to_owned()),
            ("group.initial.rebalance.delay.ms", "0".to_owned()),
            ("num.partitions", "1".to_owned()),
        ];
        let given = options.settings.iter().map(|(name, value)| (name.as_str(), value.clone()));
        // The last line for a name wins.
        let lines = ours.into_iter().chain(given).map(|(name, value)| format!("{name}={value}\n"));
        lines.collect()
    }

    /// Where clients find it: `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where clients find a further listener: `localhost:PORT`.
    #[must_use]
    pub fn listener(&self, name: &str) -> Option<String> {
        let found = self.ports.iter().find(|(known, _)| *known == name);
        found.map(|(_, port)| format!("localhost:{port}"))
    }

    /// Runs one of Kafka's own tools on it, such as `org.apache.kafka.tools.AclCommand`; gives what it says.
    ///
    /// # Errors
    /// When it fails; the message has its last words.
    pub fn run_tool(&self, class: &str, arguments: &[&str]) -> Result<String> {
        let mut tool = self.java(class);
        let output = tool.args(["--bootstrap-server", &self.address()]).args(arguments).output()?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        ensure!(output.status.success(), "{class} failed\n{said}");
        Ok(said)
    }

    /// The section of a `syncline.toml` whose log is to be here, under the project's name.
    #[must_use]
    pub fn log_section(&self) -> String {
        log_section(&self.address(), None)
    }

    /// Its own directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    /// Stops it in an orderly way.
    ///
    /// # Errors
    /// When it won't stop.
    pub fn stop(&mut self) -> Result<()> {
        self.end_by(Signal::SIGTERM)
    }

    /// Ends it at once, as a crash would.
    ///
    /// # Errors
    /// When it won't end.
    pub fn kill(&mut self) -> Result<()> {
        self.end_by(Signal::SIGKILL)
    }

    /// Holds it, as a machine without time to give would: it answers nobody until it is let go.
    ///
    /// # Errors
    /// When it does not run.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Starts a broker that was stopped or killed, on the same port and directory.
    ///
    /// # Errors
    /// When it won't start.
    pub fn resume(&mut self) -> Result<()> {
        if self.server.is_some() {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(self.path("server.log"))?;
        let server = self
            .java("kafka.Kafka")
            .arg(self.path("server.properties"))
            .stdout(log.try_clone()?)
            .stderr(log)
            // A Ctrl-C at the terminal is for us; we stop the broker when we are done with it.
            .process_group(0)
            .spawn()
            .context("can't run java")?;
        self.server = Some(server);
        wait_until(START_DEADLINE, || self.is_ready())
    }

    fn format(&self, options: &BrokerOptions) -> Result<()> {
        let mut format = self.java("kafka.tools.StorageTool");
        let properties = self.path("server.properties");
        // Any 16 bytes, in base 64, will do: the cluster is this one alone.
        format.args(["format", "-t", "c3luY2xpbmUtcHJpdmF0ZQ", "-c"]).arg(properties);
        for (mechanism, name, password) in &options.users {
            let user = format!("{mechanism}=[name={name},password={password}]");
            format.args(["--add-scram", &user]);
        }
        let output = format.output().context("can't run java\n  hint: install Java 17 or newer")?;
        let said = [output.stdout, output.stderr].concat();
        ensure!(output.status.success(), "Kafka can't begin\n{}", String::from_utf8_lossy(&said));
        Ok(())
    }

    fn java(&self, class: &str) -> Command {
        let mut java = Command::new("java");
        let logging =
            format!("-Dlog4j2.configurationFile={}", self.path("log4j2.properties").display());
        java.args(["-Xms256m", "-Xmx768m", "-XX:+UseSerialGC", &logging, "-cp"])
            .arg(self.jars.join("*"))
            .arg(class)
            .stdin(Stdio::null());
        java
    }

    fn is_ready(&mut self) -> Result<bool> {
        let server = self.server.as_mut().context("it was not started")?;
        if let Some(status) = server.try_wait()? {
            bail!("the Kafka broker ended with {status}\n  detail: {}", self.last_words());
        }
        let log = std::fs::read(self.path("server.log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        // Said once a start; a log of several starts has it as often.
        let started = log.rsplit("starting (kafka.server").next().unwrap_or_default();
        Ok(started.contains("started (kafka.server.KafkaRaftServer)")
            && TcpStream::connect(("127.0.0.1", self.port)).is_ok())
    }

    fn last_words(&self) -> String {
        let log = std::fs::read(self.path("server.log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n          ")
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let server = self.server.as_ref().context("the Kafka broker does not run")?;
        Ok(kill(Pid::from_raw(i32::try_from(server.id())?), signal)?)
    }

    fn end_by(&mut self, signal: Signal) -> Result<()> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        for signal in [Signal::SIGCONT, signal, Signal::SIGKILL] {
            if server.try_wait()?.is_some() {
                return Ok(());
            }
            kill(Pid::from_raw(i32::try_from(server.id())?), signal)?;
            let is_over = || Ok(server.try_wait()?.is_some());
            if signal != Signal::SIGCONT && wait_until(STOP_DEADLINE, is_over).is_ok() {
                return Ok(());
            }
        }
        bail!("the Kafka broker {} does not end", server.id())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It keeps nothing that anyone needs.
        if let Err(error) = self.kill() {
            tracing::warn!(%error, "a private Kafka broker was left running");
        }
    }
}

/// The section of a `syncline.toml` whose log is to be at these brokers, its topics named after the prefix or
/// else the project.
#[must_use]
pub fn log_section(brokers: &str, prefix: Option<&str>) -> String {
    let prefix = prefix.map_or_else(String::new, |prefix| format!("prefix = \"{prefix}\"\n"));
    format!("\n[log]\nkind = \"kafka\"\nbrokers = \"{brokers}\"\n{prefix}")
}

/// The folder that a variable names, or else the one of this name that `./dev` fills.
pub(crate) fn jars(variable: &str, name: &str) -> Result<PathBuf> {
    let folder = match std::env::var_os(variable) {
        Some(folder) => PathBuf::from(folder),
        None => {
            let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
            cache.or(home).context("there is no HOME")?.join("syncline").join(name)
        }
    };
    ensure!(
        folder.join("done").is_file(),
        "there are no jars in {}\n  hint: ./dev setup fetches them",
        folder.display()
    );
    Ok(folder)
}

/// Ports that nobody has.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>> {
    let listen = || TcpListener::bind(("127.0.0.1", 0));
    // All are held until all are known, so that they differ.
    let held = (0..count).map(|_| listen()).collect::<std::io::Result<Vec<_>>>()?;
    held.iter().map(|it| Ok(it.local_addr()?.port())).collect()
}
