//! The whole project, opened: settings, entities, mappings, cases and the lock.

use super::claims::unknown_sources;
use super::entity::Entity;
use super::files::{Files, TextFile, read_text};
use super::kafka::Kafka;
use super::lock::{self, Lock};
use super::log::Log;
use super::settings::{self, Settings};
use super::systems::{Postgres, System};
use super::topics::Topics;
use super::values::Surroundings;
use crate::decisions;
use crate::durable;
use crate::problem::{Exit, Failure, Outcome, Problem, did_you_mean};
use crate::state::{Directory, EMBEDDED};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use syncline_core::{CatalogTable, ChangeLog, Checkpoints, SystemName, TableSchema};
use syncline_log::{EmbeddedLog, KafkaLease, KafkaLog, KafkaSettings, worker_elsewhere};
use syncline_mappings::{Catalog, Entity as MappedEntity, Options, SqlFile};

/// The log, what is kept with it, and whether it is at Kafka brokers.
type OpenLog = (Arc<dyn ChangeLog>, Arc<dyn Checkpoints>, Option<Arc<KafkaLog>>);

/// A project as its files say it.
#[derive(Debug)]
pub(crate) struct Project {
    /// What `syncline.toml` says.
    pub(crate) settings: Settings,
    /// The mappings.
    pub(crate) mappings: Vec<TextFile>,
    /// The test cases.
    pub(crate) cases: Vec<TextFile>,
    pub(super) entities: Vec<Entity>,
    from: Surroundings,
}

impl Project {
    /// Reads all files of a project; what is wrong in any of them is told at once.
    pub(crate) fn open(directory: &Path) -> Outcome<Self> {
        Self::open_with(directory, [])
    }

    /// As [`Project::open`], with variables that go before those of the environment.
    pub(crate) fn open_with(
        directory: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Outcome<Self> {
        let directory = directory
            .canonicalize()
            .map_err(|error| Failure::io(format!("can't open {}", directory.display()), &error))?;
        let text = read_text(&directory, &directory.join(settings::FILE))?.text;
        let settings = Settings::parse(&text);
        let state = settings.as_ref().map_or(".syncline".into(), |settings| settings.state.clone());
        let files = Files::read(&directory, &directory.join(state))?;
        let entities = read_entities(&files.entities);
        let sources = match (&settings, &entities) {
            (Ok(settings), Ok(entities)) => {
                unknown_sources(entities, &settings.systems.keys().collect::<Vec<_>>())
            }
            _ => Vec::new(),
        };
        match (settings, entities) {
            (Ok(settings), Ok(entities)) if sources.is_empty() => Ok(Self {
                settings,
                mappings: files.mappings,
                cases: files.cases,
                entities,
                from: Surroundings::of_process(&directory, variables),
            }),
            (settings, entities) => {
                let problems = settings.err().into_iter().chain(entities.err()).flatten();
                Err(Failure::config(problems.chain(sources).collect()))
            }
        }
    }

    /// Where the log and the checkpoints rest.
    pub(crate) fn state(&self) -> PathBuf {
        self.from.directory.join(&self.settings.state)
    }

    /// Whether the log is not in the state directory.
    pub(crate) fn has_log_elsewhere(&self) -> bool {
        matches!(self.settings.log, Log::Kafka(_))
    }

    /// The log, every text looked up. Blocks where it is at Kafka brokers.
    pub(crate) fn open_log(&self) -> Outcome<OpenLog> {
        Ok(match &self.settings.log {
            Log::Embedded(settings) => {
                let log = EmbeddedLog::open(&self.state().join(EMBEDDED), settings.clone())?;
                let log = Arc::new(log);
                (log.clone(), log, None)
            }
            Log::Kafka(kafka) => {
                let log = Arc::new(KafkaLog::open(self.resolve_kafka(kafka)?)?);
                (log.clone(), log.clone(), Some(log))
            }
        })
    }

    fn resolve_kafka(&self, kafka: &Kafka) -> Outcome<KafkaSettings> {
        kafka.resolve(&self.from).map_err(Failure::config)
    }

    /// Joins the workers that share the project; none where the log is embedded, which no other can
    /// reach. Blocks until the brokers answer.
    pub(crate) fn join_workers(&self, held: &Directory) -> Outcome<Option<KafkaLease>> {
        let Log::Kafka(kafka) = &self.settings.log else { return Ok(None) };
        Ok(Some(KafkaLease::join(self.resolve_kafka(kafka)?, &held.worker()?)?))
    }

    /// The host of the worker that has the project, where it is another one's now. Blocks.
    pub(crate) fn worker_elsewhere(&self, held: &Directory) -> Outcome<Option<String>> {
        let Log::Kafka(kafka) = &self.settings.log else { return Ok(None) };
        Ok(worker_elsewhere(self.resolve_kafka(kafka)?, &held.worker()?)?)
    }

    /// Where conflicts and decisions rest, as [`syncline_control::Control`] takes it.
    pub(crate) fn control(&self) -> Outcome<String> {
        let Some(control) = &self.settings.control else {
            return Ok(self.state().join(decisions::FILE).to_string_lossy().into_owned());
        };
        let one = |problem| Failure::config(vec![problem]);
        let address = control.resolve(&self.from).map_err(one)?;
        if !address.starts_with("postgres://") && !address.starts_with("postgresql://") {
            let wrong =
                Problem::new("database in [control] is no address of a PostgreSQL database")
                    .hint(r#"database = "postgres://user:password@host:5432/database""#.to_owned());
            return Err(one(wrong));
        }
        Ok(address)
    }

    /// The settings of a PostgreSQL system, every text looked up.
    pub(crate) fn postgres(&self, name: &SystemName) -> Outcome<syncline_postgres::Settings> {
        match self.system(name)? {
            System::Postgres(postgres) => self.resolve(name, postgres),
            other => {
                let message = format!("{name} is {}, not a PostgreSQL database", other.kind());
                Err(Problem::new(message).into())
            }
        }
    }

    /// The settings of a system that is read from topics, every text looked up.
    pub(crate) fn debezium(&self, name: &SystemName) -> Outcome<syncline_debezium::SourceSettings> {
        let settings = self.topics(name)?.resolve(&self.from).map_err(Failure::config)?;
        settings.ok_or_else(|| {
            Problem::new(format!("system {name} has no topics that are read"))
                .hint(format!("name them: [systems.{name}.topics]"))
                .into()
        })
    }

    /// The settings of a system whose topics are written, the same way.
    pub(crate) fn feeds(&self, name: &SystemName) -> Outcome<syncline_debezium::SinkSettings> {
        let settings = self.topics(name)?.resolve_written(&self.from).map_err(Failure::config)?;
        settings.ok_or_else(|| {
            Problem::new(format!("system {name} has no tables that are written"))
                .hint(format!("declare them: [systems.{name}.tables.\"schema.table\"]"))
                .into()
        })
    }

    fn topics(&self, name: &SystemName) -> Outcome<&Topics> {
        match self.system(name)? {
            System::Debezium(topics) => Ok(topics),
            other => {
                let message = format!("{name} is {}, not topics of Debezium", other.kind());
                Err(Problem::new(message).into())
            }
        }
    }

    fn all_topics(&self) -> impl Iterator<Item = (&SystemName, &Topics)> {
        self.settings.systems.iter().filter_map(|(name, system)| match system {
            System::Debezium(topics) => Some((name, topics.as_ref())),
            _ => None,
        })
    }

    /// The settings of all systems that are read from topics.
    pub(crate) fn all_debezium(
        &self,
    ) -> Outcome<Vec<(SystemName, syncline_debezium::SourceSettings)>> {
        let read = self.all_topics().filter(|(_, topics)| topics.is_read());
        read.map(|(name, _)| Ok((name.clone(), self.debezium(name)?))).collect()
    }

    /// The settings of all systems whose topics are written.
    pub(crate) fn all_feeds(&self) -> Outcome<Vec<(SystemName, syncline_debezium::SinkSettings)>> {
        let written = self.all_topics().filter(|(_, topics)| topics.written().is_some());
        written.map(|(name, _)| Ok((name.clone(), self.feeds(name)?))).collect()
    }

    /// The tables that the project itself declares.
    pub(crate) fn declared_tables(&self) -> impl Iterator<Item = &CatalogTable> {
        self.all_topics().filter_map(|(_, topics)| topics.written()).flat_map(|it| &it.tables)
    }

    /// The settings of all PostgreSQL systems.
    pub(crate) fn all_postgres(&self) -> Outcome<Vec<(SystemName, syncline_postgres::Settings)>> {
        let mut found = Vec::new();
        let mut problems = Vec::new();
        for (name, system) in &self.settings.systems {
            let System::Postgres(postgres) = system else { continue };
            match self.resolve(name, postgres) {
                Ok(settings) => found.push((name.clone(), settings)),
                Err(failure) => problems.extend(failure.problems),
            }
        }
        if problems.is_empty() { Ok(found) } else { Err(Failure::config(problems)) }
    }

    fn resolve(
        &self,
        name: &SystemName,
        postgres: &Postgres,
    ) -> Outcome<syncline_postgres::Settings> {
        let mut settings = postgres.resolve(&self.from).map_err(Failure::config)?;
        settings.spill_directory = self.state().join("spill").join(name.as_str());
        Ok(settings)
    }

    /// A system that mappings name.
    pub(crate) fn system(&self, name: &SystemName) -> Outcome<&System> {
        self.settings.systems.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.settings.systems.keys().map(SystemName::as_str).collect();
            Problem::new(format!("unknown system {:?}", name.as_str()))
                .detail(format!("{} has {}", settings::FILE, known.join(", ")))
                .hint(did_you_mean(name.as_str(), known.iter().copied()))
                .into()
        })
    }

    /// The lock as it is on disk.
    pub(crate) fn read_lock(&self) -> Outcome<Lock> {
        let path = self.from.directory.join(lock::FILE);
        if !path.exists() {
            let wrong = Problem::new(format!("{} is missing", lock::FILE))
                .detail("it holds the systems' tables, which mappings are checked against")
                .hint("run `syncline lock` where the systems can be reached".to_owned());
            return Err(wrong.into());
        }
        let text = read_text(&self.from.directory, &path)?.text;
        let mut lock = Lock::parse(&text).map_err(|problem| Failure::new(Exit::Config, problem))?;
        // What is declared counts as it is said now.
        for table in self.declared_tables() {
            lock.tables.insert(table.schema.name().clone(), table.clone());
        }
        Ok(lock)
    }

    /// Replaces the lock, whole or not at all.
    pub(crate) fn write_lock(&self, lock: &Lock) -> Outcome<()> {
        let failed =
            |error: std::io::Error| Failure::io(format!("can't write {}", lock::FILE), &error);
        let path = self.from.directory.join(lock::FILE);
        durable::replace(&path, lock.to_text().as_bytes()).map_err(failed)
    }

    /// What mappings may name: the tables of a lock and the project's entities.
    pub(crate) fn catalog(&self, lock: &Lock) -> Catalog {
        let entities = self.entities.iter().map(|entity| {
            let mapped = MappedEntity { schema: entity.schema.clone(), file: entity.file.clone() };
            (entity.name(), mapped)
        });
        Catalog { tables: lock.tables.clone(), entities: entities.collect() }
    }

    /// The entity of this name.
    pub(crate) fn entity(&self, name: &str) -> Option<&Entity> {
        self.entities.iter().find(|entity| entity.name() == name)
    }

    /// All entities.
    pub(crate) fn entities(&self) -> impl Iterator<Item = &Entity> {
        self.entities.iter()
    }

    /// The entities' fields and keys.
    pub(crate) fn entity_schemas(&self) -> impl Iterator<Item = Arc<TableSchema>> {
        self.entities.iter().map(|entity| entity.schema.clone())
    }

    /// The fields of each entity whose values are shown only to those who may see them.
    pub(crate) fn sensitive_fields(&self) -> BTreeMap<String, BTreeSet<String>> {
        let of_entity = |entity: &Entity| {
            let fields = entity.schema.columns().iter().zip(&entity.fields);
            let sensitive = fields.filter(|(_, field)| field.sensitive);
            (entity.name(), sensitive.map(|(column, _)| column.name.clone()).collect())
        };
        self.entities.iter().map(of_entity).collect()
    }

    /// The mappings as `check` takes them.
    pub(crate) fn sql_files(&self) -> Vec<SqlFile> {
        let file = |file: &TextFile| SqlFile { path: file.path.clone(), text: file.text.clone() };
        self.mappings.iter().map(file).collect()
    }

    /// What holds for all mappings.
    pub(crate) fn mapping_options(&self) -> Options {
        Options { time_zone: self.settings.time_zone.clone() }
    }
}

fn read_entities(files: &[TextFile]) -> Result<Vec<Entity>, Vec<Problem>> {
    let mut entities: BTreeMap<String, Entity> = BTreeMap::new();
    let mut problems = Vec::new();
    for file in files {
        match Entity::parse(&file.path, &file.text) {
            Ok(entity) => {
                if let Some(other) = entities.get(&entity.name()) {
                    let wrong =
                        Problem::new(format!("entity {:?} is declared twice", entity.name()))
                            .at(entity.place)
                            .detail(format!("first in {}", other.file));
                    problems.push(wrong);
                } else {
                    entities.insert(entity.name(), entity);
                }
            }
            Err(wrong) => problems.extend(wrong),
        }
    }
    if problems.is_empty() { Ok(entities.into_values().collect()) } else { Err(problems) }
}
