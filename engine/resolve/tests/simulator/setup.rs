//! Which systems there are, and by what rules their words are weighed.

use crate::draw::Draw;
use crate::value::{Fields, Form, INFO, NAMES, ORDER, SEATS, STATUS, TAGS};
use arrow_schema::DataType;
use std::collections::BTreeMap;
use std::sync::Arc;
use syncline_core::{Column, SystemName, TableName, TableSchema};
use syncline_resolve::{ClaimingMapping, EntityRules, Existence, Fallback, Policy, Unit};

const SYSTEMS: [&str; 5] = ["sis", "hr", "lms", "crm", "lib"];

/// How one system takes part.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// The fields that its mapping reads, where it is a source.
    pub(crate) reads: Option<Fields>,
    /// The fields that are written to it, where it is a target.
    pub(crate) writes: Option<Fields>,
    pub(crate) form: Form,
    /// Whether a job of its own takes back what is written to it.
    pub(crate) fights: bool,
    /// The system that a job of its own copies rows to.
    pub(crate) copies_to: Option<usize>,
    /// How far its clock is ahead, in µs.
    pub(crate) skew: i64,
    /// By how much its clock is said to be wrong, in µs.
    pub(crate) uncertainty: i64,
    /// Whether an update that changes nothing is in its stream.
    pub(crate) tells_same: bool,
}

impl Part {
    /// A system that is read and written, field by field.
    pub(crate) fn both_ways(name: &'static str) -> Self {
        Self {
            name,
            reads: Some(Fields::ALL),
            writes: Some(Fields::ALL),
            form: Form::AsIs,
            fights: false,
            copies_to: None,
            skew: 0,
            uncertainty: 1_000,
            tells_same: true,
        }
    }

    pub(crate) fn mapping(&self) -> String {
        format!("from_{}", self.name)
    }

    /// What is written to where it is read from.
    pub(crate) fn returned(&self) -> Option<Fields> {
        Some(self.reads?.both(self.writes?))
    }

    /// Records have keys of their own only where nobody else makes any.
    pub(crate) fn has_own_keys(&self) -> bool {
        self.writes.is_none()
    }
}

/// All that is fixed while a world runs.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) parts: Vec<Part>,
    /// The rules, and others that are tried in between.
    pub(crate) rules: [EntityRules; 2],
    /// Whether claims rest on a disk.
    pub(crate) on_disk: bool,
}

impl Setup {
    pub(crate) fn any(draw: &mut Draw) -> Self {
        let count = 2 + draw.below(4);
        let mut parts: Vec<Part> = (0..count).map(|place| any_part(place, draw)).collect();
        if parts.iter().all(|part| part.writes.is_none()) {
            parts[1] = Part::both_ways(parts[1].name);
        }
        let rules = [any_rules(&parts, draw), any_rules(&parts, draw)];
        Self { parts, rules, on_disk: draw.happens(3) }
    }

    /// These systems by one set of rules: every field by one policy where it fits.
    pub(crate) fn of(parts: Vec<Part>, policy: &Policy) -> Self {
        let units = units(|_| policy.clone(), |_| false);
        let rules = entity_rules(&parts, units, Existence::Any);
        Self { parts, rules: [rules.clone(), rules], on_disk: false }
    }
}

/// The first two are sources, so that there is something to weigh.
fn any_part(place: usize, draw: &mut Draw) -> Part {
    let (reads, writes) = match draw.below(6) {
        0 if place > 1 => (false, true),
        1 | 2 => (true, false),
        _ => (true, true),
    };
    let columns = Fields::any(draw);
    let way_back = if draw.happens(85) { columns } else { Fields::any(draw) };
    let skew = draw.pick(&[0, 0, -400_000, 900_000, 2_500_000, -7_200_000_000]);
    Part {
        name: SYSTEMS[place],
        reads: reads.then_some(columns),
        writes: writes.then_some(way_back),
        form: if draw.happens(50) { Form::AsIs } else { draw.pick(&Form::ALL) },
        fights: reads && writes && draw.happens(6),
        copies_to: None,
        skew,
        uncertainty: draw.pick(&[0, 1_000, 1_000_000]),
        tells_same: draw.happens(50),
    }
}

fn any_rules(parts: &[Part], draw: &mut Draw) -> EntityRules {
    let mut drawn = |place: usize| any_policy(parts, place, draw);
    let policies: Vec<Policy> = (0..7).map(&mut drawn).collect();
    let nulls: Vec<bool> = (0..7).map(|_| draw.happens(10)).collect();
    let sources = sources(parts);
    let existence = match draw.below(10) {
        0 | 1 => Existence::Owner(draw.pick(&sources)),
        2 => Existence::All,
        3 => Existence::Ask,
        _ => Existence::Any,
    };
    let units = units(|place| policies[place].clone(), |place| nulls[place]);
    entity_rules(parts, units, existence)
}

fn sources(parts: &[Part]) -> Vec<SystemName> {
    let sources = parts.iter().filter(|part| part.reads.is_some());
    sources.map(|part| SystemName::new(part.name)).collect()
}

fn any_policy(parts: &[Part], place: usize, draw: &mut Draw) -> Policy {
    let sources = sources(parts);
    let all = |draw: &mut Draw| {
        let mut list = draw.some(&sources);
        list.extend(sources.iter().filter(|it| !list.contains(it)).cloned().collect::<Vec<_>>());
        list
    };
    let fallback = |draw: &mut Draw| match draw.happens(50) {
        true => Fallback::Prefer(draw.some(&sources)),
        false => Fallback::Ask,
    };
    match draw.below(if place == 6 { 7 } else { 11 }) {
        0 | 1 => Policy::Newest(fallback(draw)),
        2 | 3 => Policy::Prefer(all(draw)),
        4 => Policy::Oldest(fallback(draw)),
        5 | 6 => Policy::Ask(fallback(draw)),
        7 => Policy::Longest(draw.some(&sources)),
        8 => Policy::MostCommon(draw.some(&sources)),
        9 => Policy::Max,
        _ => Policy::Min,
    }
}

/// The units: one a field, and the address. Some fields are there for one policy.
fn units(policy: impl Fn(usize) -> Policy, null: impl Fn(usize) -> bool) -> Vec<Unit> {
    let unit = |place: usize| {
        let (name, columns) = match place {
            6 => ("address", vec![7, 8]),
            field => (NAMES[field], vec![field + 1]),
        };
        let policy = match (place, policy(place)) {
            (STATUS, _) => Policy::Ordered(ORDER.map(str::to_owned).to_vec()),
            (TAGS, Policy::Min | Policy::Oldest(_)) => Policy::Intersection,
            (TAGS, _) => Policy::Union,
            (SEATS, _) => Policy::Sum,
            (INFO, _) => Policy::All,
            (_, policy) => policy,
        };
        Unit { name: name.to_owned(), columns, policy, null_is_value: null(place) }
    };
    (0..7).map(unit).collect()
}

fn entity_rules(parts: &[Part], units: Vec<Unit>, existence: Existence) -> EntityRules {
    let mapping = |part: &Part| {
        let columns = |fields: Fields| fields.iter().map(|field| field + 1).collect();
        Some(ClaimingMapping {
            name: part.mapping(),
            system: SystemName::new(part.name),
            columns: columns(part.reads?),
            returned: part.returned().map(columns),
        })
    };
    let uncertainty = |part: &Part| (SystemName::new(part.name), part.uncertainty);
    EntityRules {
        schema: schema(),
        units,
        existence,
        mappings: parts.iter().filter_map(mapping).collect(),
        uncertainty: parts.iter().map(uncertainty).collect::<BTreeMap<_, _>>(),
    }
}

/// Rules that show what every record says, in each field that holds text.
pub(crate) fn revealing(rules: &EntityRules) -> EntityRules {
    let unit = |field: usize| Unit {
        name: NAMES[field].to_owned(),
        columns: vec![field + 1],
        policy: if field == SEATS { Policy::Sum } else { Policy::All },
        null_is_value: false,
    };
    let units = (0..NAMES.len()).map(unit).collect();
    EntityRules { units, existence: Existence::Any, ..rules.clone() }
}

pub(crate) fn column(name: &str) -> Column {
    let (data_type, native_type) = match name {
        "tags" => (DataType::Utf8, "text[]"),
        "seats" => (DataType::Int32, "integer"),
        _ => (DataType::Utf8, "text"),
    };
    Column {
        name: name.into(),
        id: 0,
        data_type,
        native_type: native_type.into(),
        nullable: true,
        has_default: false,
        generated: false,
    }
}

fn schema() -> Arc<TableSchema> {
    let columns = ["id"].iter().chain(&NAMES).map(|name| column(name)).collect();
    Arc::new(TableSchema::new(TableName::entity("person"), 1, columns, vec![0]))
}
