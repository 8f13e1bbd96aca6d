//! From a checked project to a pipeline: which systems are read and written, by what, for whom.

use crate::checked;
use crate::clock::SystemClock;
use crate::conflicts::Book;
use crate::decisions::{DecisionsSource, Store};
use crate::gates::Gatekeeper;
use crate::live::{Reading, WatchedMapping};
use crate::policies::Policies;
use crate::problem::{Failure, Outcome, Problem};
use crate::project::{Lock, Project, System};
use crate::state::State;
use crate::verify::{Scope, scopes};
use crate::weighing::Weighing;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use syncline_core::{CatalogTable, ReaderName, SystemName, TableName, Topic, Transform};
use syncline_debezium::{DebeziumSink, DebeziumSource};
use syncline_discard::DiscardSink;
use syncline_generator::GeneratorSource;
use syncline_mappings::Mapping;
use syncline_postgres::{PostgresSink, PostgresSource, Settings};
use syncline_resolve::EntityRules;
use syncline_resolve::decisions::{self, DecisionsOf};
use syncline_runtime::{EntityPlan, MakeSink, MakeSource, Pipeline, Plan, SinkPlan, SourcePlan};
use tokio::runtime::Handle;

/// Tables that are written, each with how it is verified, or why it can't be.
pub(crate) type Verifiable = BTreeMap<TableName, Result<Scope, (String, Option<String>)>>;

/// A project, put together.
pub(crate) struct Wired {
    /// What runs.
    pub(crate) pipeline: Pipeline,
    /// The state it runs on.
    pub(crate) state: State,
    /// The mappings and their lanes.
    pub(crate) mappings: Vec<WatchedMapping>,
    /// The readers and their topics.
    pub(crate) readers: Vec<Reading>,
    /// The PostgreSQL systems that are read.
    pub(crate) sources: BTreeMap<SystemName, Settings>,
    /// The systems that are read from topics.
    pub(crate) topics: BTreeSet<SystemName>,
    /// Where people's decisions come from, where there is anything to decide.
    pub(crate) decisions: Option<Arc<Store>>,
    /// The claims of all entities.
    pub(crate) weighing: Weighing,
    /// The tables that are written, to be verified.
    pub(crate) verifiable: Verifiable,
}

/// Checks the mappings, takes the project's state by `take` and puts all loops together.
pub(crate) fn wire_on(
    project: &Project,
    take: impl FnOnce(&Project) -> Outcome<State>,
) -> Outcome<Wired> {
    let lock = project.read_lock()?;
    let mappings = checked::all_well(project, &lock)?;
    if mappings.is_empty() {
        return Err(Problem::new("the project has no mapping")
            .hint("write one: INSERT INTO … SELECT … FROM … in a file that ends in .sql".to_owned())
            .into());
    }
    let sources = source_settings(project, &mappings)?;
    let topics = topic_systems(project, &mappings)?;
    let state = take(project)?;
    let rules = project.entity_rules(&mappings);
    let weighing = Weighing::open(project, &state, rules.clone())?;
    let (store, policies) = (Arc::new(Store::new(project.control()?)), Policies::of(&rules));
    let decided: Vec<TableName> = decided_entities(&rules);
    let decisions = (!decided.is_empty()).then(|| store.clone());
    let mut sources_planned = plan_sources(project, &mappings, &lock, &state.is_ours)?;
    sources_planned.extend(decisions.clone().map(|store| decisions_plan(project, store)));
    let plan = Plan {
        sources: sources_planned,
        sinks: plan_sinks(project, &mappings, &state.is_ours)?,
        entities: plan_entities(&rules, &weighing),
        transforms: transforms(&mappings, &decided),
        references: references(&lock),
        meanings: meanings(project, &mappings),
        conflicts: Arc::new(Book::new(store.clone(), policies)),
        gates: Arc::new(Gatekeeper::new(store)),
    };
    let pipeline = Pipeline::new(
        state.log.clone(),
        state.checkpoints.clone(),
        Arc::new(SystemClock),
        project.settings.runtime.clone(),
        plan,
    )?;
    let verifiable = scopes(project, &mappings)?;
    let mappings: Vec<WatchedMapping> = mappings.iter().map(watched).collect();
    let mut readers: BTreeSet<Reading> =
        mappings.iter().map(|it| (it.lane.clone(), topic_of(&it.reads))).collect();
    readers.extend(decided.iter().map(|entity| {
        let topic = Topic::changes(&decisions::system());
        (ReaderName::resolve(&entity.to_string(), &topic), topic)
    }));
    let readers = readers.into_iter().collect();
    Ok(Wired {
        pipeline,
        state,
        mappings,
        readers,
        sources,
        topics,
        decisions,
        weighing,
        verifiable,
    })
}

/// The entities that mappings speak of, and people may decide on.
fn decided_entities(rules: &[EntityRules]) -> Vec<TableName> {
    let spoken_of = rules.iter().filter(|rules| !rules.mappings.is_empty());
    spoken_of.map(|rules| rules.schema.name().clone()).collect()
}

/// The mappings, and what brings each entity the decisions on it.
fn transforms(mappings: &[Mapping], decided: &[TableName]) -> Vec<Arc<dyn Transform>> {
    let mapped = mappings.iter().map(|mapping| mapping.transform.clone());
    let decided =
        decided.iter().map(|entity| Arc::new(DecisionsOf::new(entity)) as Arc<dyn Transform>);
    mapped.chain(decided).collect()
}

fn decisions_plan(project: &Project, store: Arc<Store>) -> SourcePlan {
    let (settings, runtime) = (project.settings.decisions, Handle::current());
    let make: MakeSource =
        Arc::new(move || Box::new(DecisionsSource::new(store.clone(), settings, runtime.clone())));
    SourcePlan { system: decisions::system(), make }
}

/// The PostgreSQL systems that are read.
fn source_settings(
    project: &Project,
    mappings: &[Mapping],
) -> Outcome<BTreeMap<SystemName, Settings>> {
    let mut settings = BTreeMap::new();
    for system in systems(mappings, |mapping| &mapping.reads) {
        if let System::Postgres(_) = project.system(system)? {
            settings.insert(system.clone(), project.postgres(system)?);
        }
    }
    Ok(settings)
}

/// The systems that are read from topics.
fn topic_systems(project: &Project, mappings: &[Mapping]) -> Outcome<BTreeSet<SystemName>> {
    let mut found = BTreeSet::new();
    for system in systems(mappings, |mapping| &mapping.reads) {
        if let System::Debezium(_) = project.system(system)? {
            found.insert(system.clone());
        }
    }
    Ok(found)
}

/// The systems at one end of the mappings.
fn systems(mappings: &[Mapping], end: impl Fn(&Mapping) -> &TableName) -> BTreeSet<&SystemName> {
    mappings.iter().filter_map(|mapping| end(mapping).system()).collect()
}

/// Says whether the project is ours, where several workers share it.
type IsOurs = Option<Arc<AtomicBool>>;

fn plan_sources(
    project: &Project,
    mappings: &[Mapping],
    lock: &Lock,
    is_ours: &IsOurs,
) -> Outcome<Vec<SourcePlan>> {
    let mut plans = Vec::new();
    for system in systems(mappings, |mapping| &mapping.reads) {
        let make: MakeSource = match project.system(system)? {
            System::Postgres(_) => {
                let tables = parents_first(tables_of(mappings, system).0, lock);
                let (name, mut settings) = (system.clone(), project.postgres(system)?);
                settings.takes_over = is_ours.clone();
                settings.written_for = writers_from_entities(mappings, system);
                Arc::new(move || {
                    Box::new(PostgresSource::new(name.clone(), settings.clone(), tables.clone()))
                })
            }
            System::Debezium(_) => {
                let tables = parents_first(tables_of(mappings, system).0, lock);
                let (name, settings) = (system.clone(), project.debezium(system)?);
                Arc::new(move || {
                    Box::new(DebeziumSource::new(name.clone(), settings.clone(), tables.clone()))
                })
            }
            System::Generator(settings) => {
                let settings = settings.clone();
                Arc::new(move || Box::new(GeneratorSource::new(settings.clone())))
            }
            System::Discard => return Err(one_way(system, "read", "it keeps nothing")),
        };
        plans.push(SourcePlan { system: system.clone(), make });
    }
    Ok(plans)
}

/// The readers that write agreed values to a system.
fn writers_from_entities(mappings: &[Mapping], system: &SystemName) -> BTreeSet<ReaderName> {
    let into_system = mappings.iter().filter(|it| it.writes.system() == Some(system));
    let from_entities = into_system.filter(|it| matches!(it.reads, TableName::Entity(_)));
    from_entities.map(|it| ReaderName::apply(system, &topic_of(&it.reads))).collect()
}

fn plan_sinks(project: &Project, mappings: &[Mapping], is_ours: &IsOurs) -> Outcome<Vec<SinkPlan>> {
    let mut plans = Vec::new();
    for system in systems(mappings, |mapping| &mapping.writes) {
        let make: MakeSink = match project.system(system)? {
            System::Postgres(_) => {
                let (name, mut settings) = (system.clone(), project.postgres(system)?);
                settings.takes_over = is_ours.clone();
                // What comes back to us, or goes on from there, is only read once it is on that disk.
                let is_read = systems(mappings, |mapping| &mapping.reads).contains(system);
                let usual = (!is_read).then_some("off");
                settings.synchronous_commit = settings.synchronous_commit.or(usual);
                Arc::new(move || Box::new(PostgresSink::new(name.clone(), settings.clone())))
            }
            System::Discard => Arc::new(|| Box::new(DiscardSink::new())),
            System::Generator(_) => return Err(one_way(system, "written", "it makes up its rows")),
            System::Debezium(topics) => {
                let declared = topics.written().map_or(&[][..], |feeds| &feeds.tables);
                let (_, writes) = tables_of(mappings, system);
                let is_declared =
                    |name: &TableName| declared.iter().any(|table| table.schema.name() == name);
                if let Some(name) = writes.iter().find(|name| !is_declared(name)) {
                    return Err(undeclared(system, name));
                }
                let (name, settings) = (system.clone(), project.feeds(system)?);
                Arc::new(move || Box::new(DebeziumSink::new(name.clone(), settings.clone())))
            }
        };
        plans.push(SinkPlan { system: system.clone(), make });
    }
    Ok(plans)
}

/// The entities, each with the claims that rest in the state directory.
fn plan_entities(rules: &[EntityRules], weighing: &Weighing) -> Vec<EntityPlan> {
    let plan = |rules: &EntityRules| {
        let claims = weighing.entity(&rules.schema.name().to_string())?.clone();
        Some(EntityPlan { schema: rules.schema.clone(), claims: Box::new(claims) })
    };
    rules.iter().filter_map(plan).collect()
}

/// A system that a mapping uses the wrong way round.
fn one_way(system: &SystemName, use_: &str, why: &str) -> Failure {
    Problem::new(format!("system {system} can't be {use_}: {why}"))
        .hint("name another system in the mapping, or give this one another connector".to_owned())
        .into()
}

/// A table that is read from a topic, and that a mapping writes.
fn undeclared(system: &SystemName, table: &TableName) -> Failure {
    Problem::new(format!("{table} can't be written: it is read from a topic"))
        .hint(format!("declare the table that is written in [systems.{system}.tables]"))
        .into()
}

/// What the mappings mean; the time zone is part of it.
fn meanings(project: &Project, mappings: &[Mapping]) -> BTreeMap<String, String> {
    let zone = project.mapping_options().time_zone;
    let meaning = |it: &Mapping| (it.name.clone(), format!("{} IN {zone}", it.meaning()));
    mappings.iter().map(meaning).collect()
}

/// Which tables refer to which other ones.
fn references(lock: &Lock) -> Vec<(TableName, TableName)> {
    let of_table = |(name, table): (&TableName, &CatalogTable)| {
        let others = table.foreign_keys.iter().filter(|key| key.references != *name);
        others.map(|key| (name.clone(), key.references.clone())).collect::<Vec<_>>()
    };
    lock.tables.iter().flat_map(of_table).collect()
}

/// What the mappings read and write in one system.
pub(crate) fn tables_of(
    mappings: &[Mapping],
    system: &SystemName,
) -> (Vec<TableName>, Vec<TableName>) {
    let of_system = |names: BTreeSet<&TableName>| {
        names.into_iter().filter(|name| name.system() == Some(system)).cloned().collect()
    };
    (
        of_system(mappings.iter().map(|mapping| &mapping.reads).collect()),
        of_system(mappings.iter().map(|mapping| &mapping.writes).collect()),
    )
}

/// The tables in an order in which what is referred to goes before what refers to it, as far as the
/// references have no circle.
fn parents_first(mut waiting: Vec<TableName>, lock: &Lock) -> Vec<TableName> {
    let mut ordered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let waits_for_another = |name: &TableName| {
            let keys = lock.tables.get(name).map_or(&[][..], |table| &table.foreign_keys);
            keys.iter().any(|key| key.references != *name && waiting.contains(&key.references))
        };
        let next = waiting.iter().position(|name| !waits_for_another(name)).unwrap_or(0);
        ordered.push(waiting.remove(next));
    }
    ordered
}

fn watched(mapping: &Mapping) -> WatchedMapping {
    let topic = topic_of(&mapping.reads);
    let lane = match &mapping.writes {
        TableName::Table { system, .. } => ReaderName::apply(system, &topic),
        TableName::Entity(entity) => ReaderName::resolve(entity, &topic),
    };
    WatchedMapping {
        name: mapping.name.clone(),
        reads: mapping.reads.clone(),
        writes: mapping.writes.clone(),
        lane,
    }
}

fn topic_of(name: &TableName) -> Topic {
    match name {
        TableName::Table { system, .. } => Topic::changes(system),
        TableName::Entity(name) => Topic::entity(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_core::{ForeignKey, Identity, TableSchema};

    fn name(table: &str) -> TableName {
        TableName::table(&SystemName::new("sis"), "public", table)
    }

    fn table(of: &str, references: &[&str]) -> CatalogTable {
        let keys = references.iter().map(|table| ForeignKey {
            name: (*table).into(),
            columns: Vec::new(),
            references: name(table),
            referenced: Vec::new(),
        });
        CatalogTable {
            schema: TableSchema::new(name(of), 0, Vec::new(), Vec::new()),
            identity: Identity::Key,
            foreign_keys: keys.collect(),
            unique: Vec::new(),
            enums: Vec::new(),
            domains: Vec::new(),
            rows_estimated: 0,
        }
    }

    fn ordered(tables: &[CatalogTable]) -> Vec<TableName> {
        let names = tables.iter().map(|table| table.schema.name().clone()).collect();
        parents_first(names, &Lock::of(tables.to_vec()))
    }

    #[test]
    fn what_is_referred_to_goes_first() {
        let tables = [
            table("enrolments", &["students", "courses"]),
            table("students", &["students"]),
            table("courses", &["departments"]),
        ];
        let expected = ["students", "courses", "enrolments"].map(name);
        assert_eq!(ordered(&tables), expected);
    }

    #[test]
    fn a_circle_of_references_loses_no_table() {
        let tables = [table("a", &["b"]), table("b", &["a"]), table("c", &["a"])];
        assert_eq!(ordered(&tables), ["a", "b", "c"].map(name));
    }
}
