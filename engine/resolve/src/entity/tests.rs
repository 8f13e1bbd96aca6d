//! What is told of people's decisions, which no source brings.

use super::keep::Entity;
use super::preview::Preview;
use super::why::{Change, DecidedBy, DecisionStanding, WhyUnit};
use crate::claims::{Claims, Observation, Said, Touched, encode};
use crate::policy::{EXISTENCE, Registry, decision_cell, evidence, exists, words};
use crate::{
    ClaimingMapping, EntityRules, Existence, Fallback, Mark, MemoryRows, Policy, Stamp, Unit,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use syncline_core::{Column, Cursor, Position, SystemName, TableName, TableSchema};

const KEY: &[u8] = &[1, 0, 0, 0, b'7'];

/// A person whose name these mappings speak of, and a person is asked about.
fn rules(mappings: &[&str]) -> EntityRules {
    let column = |name: &str| Column {
        name: name.into(),
        id: 0,
        data_type: arrow_schema::DataType::Utf8,
        native_type: "text".into(),
        nullable: true,
        has_default: false,
        generated: false,
    };
    let columns = vec![column("id"), column("name")];
    let mapping = |name: &&str| ClaimingMapping {
        name: (*name).into(),
        system: SystemName::new(name),
        columns: vec![0, 1],
        returned: None,
    };
    let name = Unit {
        name: "name".into(),
        columns: vec![1],
        policy: Policy::Ask(Fallback::Ask),
        null_is_value: false,
    };
    EntityRules {
        schema: Arc::new(TableSchema::new(TableName::entity("person"), 0, columns, vec![0])),
        units: vec![name],
        existence: Existence::Any,
        mappings: mappings.iter().map(mapping).collect(),
        uncertainty: BTreeMap::new(),
    }
}

/// The record of a decision is the JSON array of its id.
const DECISION: &[u8] = b"[\"d-1\"]";

fn say<'a>(claims: &mut Claims<'a>, mapping: u16, at: u64, (field, value): (u16, &'a [u8])) {
    let record = if mapping == Registry::DECISIONS { DECISION } else { b"r" };
    let position = Position { epoch: 1, commit: at, ordinal: 0 };
    let stamp = Stamp { micros: i64::try_from(at).unwrap() * 1_000_000, copied: false };
    let said = Said::Here(vec![(field, Some(value), 15)]);
    let mark = Mark { position, stamp };
    let observation = Observation { mapping, record, mark, said, echo: false };
    claims.merge(&observation, &mut Touched::default());
}

/// Three sources said three names, and somebody decided on a fourth; then hr may say another one.
fn entity(later: Option<&[u8]>) -> Entity {
    let mut entity =
        Entity::open(Box::new(MemoryRows::default()), rules(&["sis", "hr", "crm"]), 1).unwrap();
    let field = entity.rules.units[0].fields[0];
    let mut claims = Claims::default();
    for (at, (name, value)) in (1..).zip([("sis", "Ana"), ("hr", "Anna"), ("crm", "A.")]) {
        say(&mut claims, entity.registry.mapping(name), at, (field, value.as_bytes()));
    }
    let said = evidence(&words(&entity.rules, &entity.rules.units[0], &claims));
    let cell = decision_cell(said, Some(b"Anne"));
    say(&mut claims, Registry::DECISIONS, 4, (field, &cell));
    if let Some(value) = later {
        say(&mut claims, entity.registry.mapping("hr"), 5, (field, value));
    }
    let mut row = Vec::new();
    encode(&claims, &mut row);
    entity.rows.write(KEY, &row).unwrap();
    entity
}

fn name(entity: &mut Entity) -> WhyUnit {
    entity.why(&["7"], Some("name")).unwrap().unwrap().units.remove(0)
}

#[test]
fn a_decision_that_stands_decides_and_would_be_missed() {
    let unit = name(&mut entity(None));
    assert_eq!(unit.value.as_deref(), Some("Anne"));
    assert_eq!(unit.by, DecidedBy::Decision { id: "d-1".into() });
    assert_eq!(unit.decisions[0].standing, DecisionStanding::Stands);
    assert_eq!(unit.decisions[0].value.as_deref(), Some("Anne"));
    // No single source can change what three disagree on; to take the decision back does.
    let flip = unit.flip.unwrap();
    assert_eq!(flip.change, Change::Undone { id: "d-1".into() });
    assert_eq!(flip.becomes.as_deref(), Some("Ana"), "sis was alone at first");
    assert!(flip.conflict.is_some());
}

#[test]
fn a_decision_on_other_words_is_outdated_and_still_in_force() {
    let unit = name(&mut entity(Some(b"Annie")));
    assert_eq!((unit.value.as_deref(), unit.by), (Some("Anne"), DecidedBy::LastAgreed));
    assert_eq!(unit.decisions[0].standing, DecisionStanding::Outdated);
    assert!(unit.conflict.is_some());
    let hr = unit.said.iter().find(|said| said.source.as_deref() == Some("hr")).unwrap();
    assert_eq!(hr.before[0].value.as_deref(), Some("Anna"));
}

fn previewed(entity: &mut Entity, rules: EntityRules) -> Preview {
    let mut previewing = entity.previewing(rules).unwrap().expect("they are others");
    assert_eq!(entity.preview(&mut previewing, Cursor::default()).unwrap(), None);
    previewing.finish()
}

#[test]
fn rules_that_take_a_decisions_evidence_away_contradict_it() {
    let mut entity = entity(None);
    let without = previewed(&mut entity, rules(&["sis", "hr"]));
    assert_eq!((without.contradicted, without.conflicts_open), (1, 1));
    let contradiction = &without.contradictions[0];
    assert_eq!((contradiction.key[0].as_str(), contradiction.subject.as_str()), ("7", "name"));
    assert_eq!(contradiction.decided.as_deref(), Some("Anne"));
    assert_eq!(contradiction.becomes.as_deref(), Some("Anne"), "in force until it is answered");

    let alone = previewed(&mut entity, rules(&["hr"]));
    assert_eq!((alone.contradicted, alone.conflicts_open), (1, 0));
    assert_eq!(alone.contradictions[0].becomes.as_deref(), Some("Anna"));
    assert_eq!(alone.fields, BTreeMap::from([("name".to_owned(), 1)]));
    let sample = &alone.samples[0];
    assert_eq!((sample.from.as_deref(), sample.to.as_deref()), (Some("Anne"), Some("Anna")));

    assert_eq!(contradiction.decision, "d-1");

    let mut newest = rules(&["sis", "hr", "crm"]);
    newest.units[0].policy = Policy::Newest(Fallback::Ask);
    assert_eq!(previewed(&mut entity, newest).contradicted, 0, "it outranks any policy");
}

/// hr deleted what sis still has, and a person decided that it is to go.
fn torn() -> Entity {
    let mut asking = rules(&["sis", "hr"]);
    asking.existence = Existence::Ask;
    let mut entity = Entity::open(Box::new(MemoryRows::default()), asking, 1).unwrap();
    let field = entity.rules.units[0].fields[0];
    let (sis, hr) = (entity.registry.mapping("sis"), entity.registry.mapping("hr"));
    let mut claims = Claims::default();
    say(&mut claims, sis, 1, (field, b"Ana"));
    say(&mut claims, hr, 2, (field, b"Ana"));
    let mark = Mark {
        position: Position { epoch: 1, commit: 3, ordinal: 0 },
        stamp: Stamp { micros: 3_000_000, copied: false },
    };
    let gone = Observation { mapping: hr, record: b"r", mark, said: Said::Gone, echo: false };
    claims.merge(&gone, &mut Touched::default());
    let (_, evidence) = exists(&entity.rules, &claims).conflict.expect("a person is asked");
    let cell = decision_cell(evidence, Some(&[0]));
    say(&mut claims, Registry::DECISIONS, 4, (EXISTENCE, &cell));
    let mut row = Vec::new();
    encode(&claims, &mut row);
    entity.rows.write(KEY, &row).unwrap();
    entity
}

#[test]
fn a_decision_on_existence_is_told_and_can_be_contradicted() {
    let mut entity = torn();
    let why = entity.why(&["7"], None).unwrap().unwrap();
    assert_eq!((why.existence.exists, why.existence.decision.as_deref()), (false, Some("d-1")));
    assert_eq!(why.units[0].flip, None, "no value is in force");
    // Without hr nothing is torn, and what was decided was decided on other words.
    let without = previewed(&mut entity, rules(&["sis"]));
    assert_eq!((without.appear, without.contradicted), (1, 1));
    let contradiction = &without.contradictions[0];
    assert_eq!(contradiction.subject, "existence");
    assert_eq!(contradiction.decided.as_deref(), Some("deleted"));
    assert_eq!(contradiction.becomes.as_deref(), Some("exists"));
}
