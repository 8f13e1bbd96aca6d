//! `syncline.toml`: what the project is called, where its state rests, and its systems.

use super::document::{Document, Section, Value, Wrong};
use super::limits::{claims_settings, decisions_settings, gate_settings, runtime_settings};
use super::log::Log;
use super::systems::System;
use super::values::Text;
use crate::decisions;
use crate::problem::{Place, Problem};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use syncline_core::SystemName;
use syncline_resolve::store::StoreSettings;
use toml::de::DeValue;

/// The name of the file; a directory that has it is a project.
pub(crate) const FILE: &str = "syncline.toml";

/// What `syncline.toml` says.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The project's name.
    pub(crate) name: String,
    /// Applies wherever a time without a zone meets one with a zone.
    pub(crate) time_zone: String,
    /// Where the log and the checkpoints rest, from the project directory.
    pub(crate) state: PathBuf,
    /// Where `/status`, `/metrics` and `/health` are served.
    pub(crate) listen: SocketAddr,
    /// Where changes rest on their way.
    pub(crate) log: Log,
    /// How claims rest on the disk.
    pub(crate) claims: StoreSettings,
    /// The loops' limits.
    pub(crate) runtime: syncline_runtime::Settings,
    /// The systems by name.
    pub(crate) systems: BTreeMap<SystemName, System>,
    /// Within how long each target table is verified once; none where that is not done by itself.
    pub(crate) verify_every: Option<Duration>,
    /// How decisions are looked for.
    pub(crate) decisions: decisions::Settings,
    /// The address of the database in which conflicts and decisions rest; in the state directory without it.
    pub(crate) control: Option<Text>,
    /// By how much a system's clock may be wrong, where that is said.
    pub(crate) clock_uncertainty: BTreeMap<SystemName, Duration>,
}

impl Settings {
    /// Reads the file's text.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let document = Document::new(FILE, text);
        let settings = document.read(Self::from_root);
        document.finish(settings)
    }

    fn from_root(root: &Section<'_>) -> Option<Self> {
        // Every part is read before the first `?`, so that all mistakes are told.
        let project = root.required_section("project").map(|section| {
            let read = (section.required::<String>("name"), section.or("time_zone", "UTC".into()));
            section.finish();
            read
        });
        let state = root.section("state").map(|section| {
            let directory = section.or("directory", default_state());
            section.finish();
            directory
        });
        let listen = root.section("http").map(|section| {
            let Listen(address) = section.or("listen", default_listen());
            section.finish();
            address
        });
        let named = project.as_ref().and_then(|(name, _)| name.as_deref()).unwrap_or_default();
        let log = match root.section("log") {
            Some(section) => Log::from_section(&section, named),
            None => Some(Log::default()),
        };
        let mut runtime = runtime_settings(root.section("runtime").as_ref());
        runtime.gates = gate_settings(root.section("gates").as_ref());
        let claims = claims_settings(root.section("claims").as_ref());
        let control = root.section("control").map(|section| {
            let database = section.required("database");
            section.finish();
            database
        });
        let verify_every = root.section("verify").and_then(|section| {
            let every = section.required("every");
            section.finish();
            every
        });
        let decisions = decisions_settings(root.section("decisions").as_ref());
        let systems = root.required_section("systems").map(|section| read_systems(&section, named));
        let (name, time_zone) = project?;
        let (systems, clock_uncertainty) = systems?;
        Some(Self {
            name: name?,
            time_zone,
            state: state.unwrap_or_else(default_state),
            listen: listen.unwrap_or(default_listen().0),
            log: log?,
            claims,
            runtime,
            systems,
            verify_every,
            decisions,
            control: control.map_or(Some(None), |database| database.map(Some))?,
            clock_uncertainty,
        })
    }
}

fn default_state() -> PathBuf {
    ".syncline".into()
}

fn default_listen() -> Listen {
    Listen(SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// `[systems.NAME]`, and by how much their clocks may be wrong.
fn read_systems(
    section: &Section<'_>,
    project: &str,
) -> (BTreeMap<SystemName, System>, BTreeMap<SystemName, Duration>) {
    let mut uncertainty = BTreeMap::new();
    let named = section.sections().into_iter().filter_map(|(name, section)| {
        let system = SystemName::new(name);
        if !is_name(name) {
            let wrong = Problem::new(format!("{name:?} can't be a system's name"))
                .detail("a name has lowercase letters, digits and _, and begins with a letter");
            section.report_here(wrong);
        }
        if decisions::is_decisions(name) {
            let wrong = Problem::new(format!("a system can't be named {name:?}"))
                .detail("what people decide comes from there")
                .hint("give it another name, here and in the mappings".to_owned());
            section.report_here(wrong);
        }
        uncertainty.extend(section.optional("clock_uncertainty").map(|by| (system.clone(), by)));
        let read = System::from_section(&system, &section, project);
        section.finish();
        Some((system, read?))
    });
    (named.collect(), uncertainty)
}

/// Whether a name can stand in SQL without quotes, and in topics and directory names as it is.
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |character: char| {
        character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_'
    };
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.chars().all(allowed)
}

/// An address to listen on.
#[derive(Debug, Clone, Copy)]
struct Listen(SocketAddr);

impl Value for Listen {
    fn read(value: &DeValue<'_>, _: &Place) -> Result<Self, Wrong> {
        let wrong = || Wrong {
            hint: Some("port 0 takes any free port".into()),
            ..Wrong::expected(r#"an address and port such as "127.0.0.1:9400""#)
        };
        match value {
            DeValue::String(text) => text.parse().map(Self).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}
