//! What is compared with what: the target tables, the mappings that write them, and where these read.

use crate::live::Reading;
use crate::problem::Outcome;
use crate::project::{Project, System};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use syncline_core::{ReaderName, SystemName, TableName, Topic, Transform};
use syncline_mappings::Mapping;
use syncline_postgres::Settings;
use syncline_resolve::decisions;

/// One target table.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// Its name.
    pub(crate) table: TableName,
    /// Where it is.
    pub(crate) target: Settings,
    /// The mappings that write it.
    pub(crate) writers: Vec<Writer>,
    /// The PostgreSQL systems that what is said comes from, also by way of an entity.
    pub(crate) sources: BTreeMap<SystemName, Settings>,
    /// What resolves the entities that are read.
    pub(crate) resolves: BTreeSet<Reading>,
    /// The lanes that write the table.
    pub(crate) lanes: BTreeSet<Reading>,
    /// The source tables to copy again so that all rows are told once more.
    pub(crate) fed_by: BTreeSet<TableName>,
    /// Whether a mapping reads the table, too.
    pub(crate) is_read: bool,
}

/// A mapping that writes the table.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    /// Its file.
    pub(crate) name: String,
    /// What it does.
    pub(crate) transform: Arc<dyn Transform>,
    /// What it reads.
    pub(crate) reads: Reads,
    /// The columns that nobody can tell again.
    pub(crate) left_out: BTreeSet<String>,
}

/// What a mapping reads.
#[derive(Debug, Clone)]
pub(crate) enum Reads {
    /// A table of PostgreSQL, and of it these columns.
    Table {
        system: SystemName,
        settings: Box<Settings>,
        table: TableName,
        columns: BTreeSet<String>,
    },
    /// An entity.
    Entity(String),
}

/// A target table that can't be verified: why, and what helps.
pub(crate) type Unverifiable = (String, Option<String>);

/// All target tables that mappings write.
pub(crate) fn scopes(
    project: &Project,
    mappings: &[Mapping],
) -> Outcome<BTreeMap<TableName, Result<Scope, Unverifiable>>> {
    let targets: BTreeSet<&TableName> =
        mappings.iter().map(|it| &it.writes).filter(|it| it.system().is_some()).collect();
    let scoped =
        targets.into_iter().map(|table| Ok((table.clone(), scope(project, mappings, table)?)));
    scoped.collect()
}

fn scope(
    project: &Project,
    mappings: &[Mapping],
    table: &TableName,
) -> Outcome<Result<Scope, Unverifiable>> {
    let Some(system) = table.system() else { return Ok(Err(("it is no table".into(), None))) };
    let target = match project.system(system)? {
        System::Postgres(_) => project.postgres(system)?,
        System::Debezium(_) => {
            let why = "it is a topic: what its consumers made of it is with them";
            return Ok(Err((why.into(), None)));
        }
        System::Discard => return Ok(Err(("a discard keeps nothing".into(), None))),
        System::Generator(_) => return Ok(Err(("a generator is not written".into(), None))),
    };
    let mut scope = Scope {
        table: table.clone(),
        target,
        writers: Vec::new(),
        sources: BTreeMap::new(),
        resolves: BTreeSet::new(),
        lanes: BTreeSet::new(),
        fed_by: BTreeSet::new(),
        is_read: mappings.iter().any(|it| it.reads == *table),
    };
    for mapping in mappings.iter().filter(|it| it.writes == *table) {
        let key = mapping.transform.writes();
        let key: BTreeSet<&str> =
            key.key().iter().filter_map(|&at| Some(key.columns().get(at)?.name.as_str())).collect();
        let mut timed = mapping.columns.iter().filter(|column| column.reads_commit_time);
        if mapping.filter_reads_commit_time
            || timed.clone().any(|it| key.contains(it.target.as_str()))
        {
            let why = format!("what {} says depends on when a row was changed", mapping.name);
            return Ok(Err((why, None)));
        }
        let left_out = timed.by_ref().map(|column| column.target.clone()).collect();
        let reads = match reads(project, mappings, mapping, &mut scope)? {
            Ok(reads) => reads,
            Err(why) => return Ok(Err(why)),
        };
        let topic = topic_of(&mapping.reads);
        scope.lanes.insert((ReaderName::apply(system, &topic), topic));
        scope.writers.push(Writer {
            name: mapping.name.clone(),
            transform: mapping.transform.clone(),
            reads,
            left_out,
        });
    }
    Ok(Ok(scope))
}

fn reads(
    project: &Project,
    mappings: &[Mapping],
    mapping: &Mapping,
    scope: &mut Scope,
) -> Outcome<Result<Reads, Unverifiable>> {
    match &mapping.reads {
        table @ TableName::Table { system, .. } => {
            let System::Postgres(_) = project.system(system)? else {
                let why =
                    format!("{} reads {system}, which can't be read in whole again", mapping.name);
                let hint = "what comes from topics by way of an entity can be verified";
                return Ok(Err((why, Some(hint.into()))));
            };
            let settings = project.postgres(system)?;
            scope.sources.insert(system.clone(), settings.clone());
            scope.fed_by.insert(table.clone());
            let of_columns = mapping.columns.iter().flat_map(|it| &it.inputs);
            let columns = of_columns.chain(&mapping.filter_inputs).cloned().collect();
            let (system, table) = (system.clone(), table.clone());
            let settings = Box::new(settings);
            Ok(Ok(Reads::Table { system, settings, table, columns }))
        }
        TableName::Entity(entity) => {
            for feeding in mappings.iter().filter(|it| it.writes == mapping.reads) {
                let Some(system) = feeding.reads.system() else { continue };
                if let System::Postgres(_) = project.system(system)? {
                    scope.sources.insert(system.clone(), project.postgres(system)?);
                }
                scope.fed_by.insert(feeding.reads.clone());
                let topic = Topic::changes(system);
                scope.resolves.insert((ReaderName::resolve(entity, &topic), topic));
            }
            let topic = Topic::changes(&decisions::system());
            scope.resolves.insert((ReaderName::resolve(entity, &topic), topic));
            Ok(Ok(Reads::Entity(entity.to_string())))
        }
    }
}

fn topic_of(name: &TableName) -> Topic {
    match name {
        TableName::Table { system, .. } => Topic::changes(system),
        TableName::Entity(name) => Topic::entity(name),
    }
}
