//! Which loops a plan comes to: what each reads, what it runs, and whom it may have to wait for. Pure.

use crate::apply::Link;
use crate::pipeline::{EntityPlan, MakeSink, SinkPlan};
use crate::readers::{Planned, Tables, feeding};
use crate::resolve::{Input, SharedClaims};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use syncline_core::{Error, Kind, ReaderName, Result, SystemName, TableName, Topic, Transform};

/// What weighs the claims on one entity.
pub(crate) struct ResolvePlan {
    pub(crate) entity: String,
    /// Its topic.
    pub(crate) topic: Topic,
    pub(crate) inputs: Vec<Input>,
    pub(crate) claims: SharedClaims,
}

/// What writes one topic to one system.
pub(crate) struct LanePlan {
    pub(crate) reader: ReaderName,
    pub(crate) system: SystemName,
    pub(crate) topic: Topic,
    pub(crate) transforms: Vec<Arc<dyn Transform>>,
    pub(crate) links: Vec<Link>,
    pub(crate) tables: Tables,
    pub(crate) make: MakeSink,
}

fn topic_of(table: &TableName) -> Topic {
    match table {
        TableName::Table { system, .. } => Topic::changes(system),
        TableName::Entity(name) => Topic::entity(name),
    }
}

pub(crate) fn plan_resolves(
    entities: Vec<EntityPlan>,
    transforms: &[Arc<dyn Transform>],
) -> Result<Vec<ResolvePlan>> {
    let mut plans: BTreeMap<String, ResolvePlan> = BTreeMap::new();
    for EntityPlan { schema, claims } in entities {
        let (entity, topic) = (schema.name().to_string(), topic_of(schema.name()));
        let (inputs, claims) = (Vec::new(), Arc::new(Mutex::new(claims)));
        plans.insert(entity.clone(), ResolvePlan { entity, topic, inputs, claims });
    }
    for transform in transforms {
        let TableName::Entity(entity) = transform.writes().name() else { continue };
        let plan = plans.get_mut(&**entity).ok_or_else(|| unplanned(transform))?;
        let topic = topic_of(transform.reads());
        match plan.inputs.iter_mut().find(|input| input.topic == topic) {
            Some(input) => input.transforms.push(transform.clone()),
            None => {
                let reader = ReaderName::resolve(entity, &topic);
                plan.inputs.push(Input { reader, topic, transforms: vec![transform.clone()] });
            }
        }
    }
    Ok(plans.into_values().filter(|plan| !plan.inputs.is_empty()).collect())
}

pub(crate) fn plan_lanes(
    sinks: Vec<SinkPlan>,
    transforms: &[Arc<dyn Transform>],
) -> Result<Vec<LanePlan>> {
    let sinks: BTreeMap<SystemName, MakeSink> =
        sinks.into_iter().map(|sink| (sink.system, sink.make)).collect();
    let mut plans: BTreeMap<(SystemName, Topic), LanePlan> = BTreeMap::new();
    for transform in transforms {
        let Some(system) = transform.writes().name().system() else { continue };
        let make = sinks.get(system).ok_or_else(|| unplanned(transform))?;
        let topic = topic_of(transform.reads());
        let plan = plans.entry((system.clone(), topic.clone())).or_insert_with(|| LanePlan {
            reader: ReaderName::apply(system, &topic),
            system: system.clone(),
            topic,
            transforms: Vec::new(),
            links: Vec::new(),
            tables: Tables::new(),
            make: make.clone(),
        });
        plan.transforms.push(transform.clone());
        for (system, tables) in feeding(transform.as_ref(), transforms) {
            plan.tables.entry(system).or_default().extend(tables);
        }
    }
    Ok(plans.into_values().collect())
}

/// `claims` are the ids of the entities' claims: claims that were begun anew have heard nothing.
pub(crate) fn plan_mappings(
    transforms: &[Arc<dyn Transform>],
    meanings: &BTreeMap<String, String>,
    claims: &BTreeMap<String, u64>,
) -> Vec<Planned> {
    let plan = |transform: &Arc<dyn Transform>| {
        let (reads, writes) = (transform.reads(), transform.writes().name());
        let meaning = meanings.get(transform.name()).map_or(transform.name(), String::as_str);
        let topic = topic_of(reads);
        Planned {
            name: transform.name().to_owned(),
            meaning: match claims.get(&writes.to_string()) {
                Some(id) => format!("{reads} to {writes} ({id:016x}): {meaning}"),
                None => format!("{reads} to {writes}: {meaning}"),
            },
            reader: match writes {
                TableName::Table { system, .. } => ReaderName::apply(system, &topic),
                TableName::Entity(entity) => ReaderName::resolve(entity, &topic),
            },
            tables: feeding(transform.as_ref(), transforms),
        }
    };
    transforms.iter().map(plan).collect()
}

/// Tells each lane which others write what its rows refer to, or what refers to them.
pub(crate) fn link(
    lanes: &mut [LanePlan],
    resolves: &[ResolvePlan],
    references: &[(TableName, TableName)],
) {
    let writes = |lane: &LanePlan, table: &TableName| {
        lane.transforms.iter().any(|transform| transform.writes().name() == table)
    };
    let refers = |from: &LanePlan, to: &LanePlan| {
        references.iter().any(|(child, parent)| writes(from, child) && writes(to, parent))
    };
    let links: Vec<Vec<Link>> = lanes
        .iter()
        .map(|lane| {
            let others = lanes.iter().filter(|other| other.reader != lane.reader);
            let linked = others.filter(|other| refers(lane, other) || refers(other, lane));
            linked.map(|other| link_to(other, &lane.topic, resolves)).collect()
        })
        .collect();
    for (lane, links) in lanes.iter_mut().zip(links) {
        lane.links = links;
    }
}

/// Who reads a topic.
pub(crate) fn readers_of(
    topic: &Topic,
    resolves: &[ResolvePlan],
    lanes: &[LanePlan],
) -> Vec<ReaderName> {
    let inputs = resolves.iter().flat_map(|plan| &plan.inputs);
    let inputs = inputs.filter(|input| input.topic == *topic).map(|input| &input.reader);
    let lanes = lanes.iter().filter(|lane| lane.topic == *topic).map(|lane| &lane.reader);
    inputs.chain(lanes).cloned().collect()
}

/// A link to a lane, from one that reads `topic`.
fn link_to(lane: &LanePlan, topic: &Topic, resolves: &[ResolvePlan]) -> Link {
    let feeding = resolves.iter().filter(|plan| plan.topic == lane.topic);
    let inputs: Vec<&Input> = feeding.flat_map(|plan| &plan.inputs).collect();
    let through = inputs.iter().flat_map(|input| &input.transforms);
    let systems = lane.transforms.iter().chain(through).filter_map(|it| it.reads().system());
    let systems: BTreeSet<&SystemName> =
        systems.filter(|system| Topic::changes(system) != *topic).collect();
    Link {
        lane: lane.reader.clone(),
        topic: lane.topic.clone(),
        resolves: inputs.iter().map(|it| (it.reader.clone(), it.topic.clone())).collect(),
        systems: systems.into_iter().cloned().collect(),
    }
}

fn unplanned(transform: &Arc<dyn Transform>) -> Error {
    let message =
        format!("{} writes {}, which is not there", transform.name(), transform.writes().name());
    Error::new(Kind::Config, message)
}
