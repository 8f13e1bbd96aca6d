//! The stages that a row goes through in our process, save what waits for a server or a disk.

use super::input::{Kind, batches, frames};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::sync::Arc;
use syncline_core::codec::{decode_standalone, encode_standalone};
use syncline_core::{ChangeBatch, Claims as _, LogId, Offset, SystemName, Topic, reduce};
use syncline_fuzz::{catalog, schemas};
use syncline_mappings::{Mapping, Options, SqlFile, check};
use syncline_postgres::fuzzing::copy;
use syncline_resolve::store::{RowStore, StoreSettings};
use syncline_resolve::{
    ClaimingMapping, Entity, EntityRules, Existence, Fallback, Policy, RecordKeys, Unit,
};
use syncline_segment::RealDisk;

/// A stage that is ready; takes the number of the round.
type Run = Box<dyn FnMut(u64) -> Result<()>>;
type Ready = fn(u32) -> Result<Run>;

/// More rounds than these have no rows of their own.
pub(super) const ROUNDS_MAX: u64 = 3;

/// All stages by name.
pub(super) const ALL: [(&str, Ready); 10] = [
    ("decode inserts", |rows| decode(Kind::Insert, rows)),
    ("decode updates", |rows| decode(Kind::Update, rows)),
    ("encode for the log", encode),
    ("read from the log", read),
    ("map", map),
    ("reduce", reduced),
    ("write as text and binary", written),
    ("hear of new keys", |rows| hear(rows, false)),
    ("hear of known keys", |rows| hear(rows, true)),
    ("hear of keys that are gone", hear_gone),
];

fn decode(kind: Kind, rows: u32) -> Result<Run> {
    let frames = frames(kind, 0..rows, 0);
    Ok(Box::new(move |_| batches(&frames).map(drop)))
}

fn encode(rows: u32) -> Result<Run> {
    let batches = batches(&frames(Kind::Insert, 0..rows, 0))?;
    Ok(Box::new(move |_| {
        batches.iter().try_for_each(|batch| Ok(encode_standalone(batch).map(drop)?))
    }))
}

fn read(rows: u32) -> Result<Run> {
    let batches = batches(&frames(Kind::Insert, 0..rows, 0))?;
    let encoded = batches.iter().map(encode_standalone);
    let encoded = encoded.collect::<syncline_core::Result<Vec<_>>>()?;
    Ok(Box::new(move |_| {
        encoded.iter().try_for_each(|bytes| Ok(decode_standalone(bytes).map(drop)?))
    }))
}

fn map(rows: u32) -> Result<Run> {
    let batches = batches(&frames(Kind::Update, 0..rows, 0))?;
    let mapping = mapping()?;
    Ok(Box::new(move |_| {
        batches.iter().try_for_each(|batch| {
            let mapped = mapping.transform.transform(batch)?;
            ensure!(mapped.rejected.is_empty(), "a row was refused");
            Ok(())
        })
    }))
}

fn reduced(rows: u32) -> Result<Run> {
    let batches = batches(&frames(Kind::Update, 0..rows, 0))?;
    Ok(Box::new(move |_| batches.iter().try_for_each(|batch| Ok(reduce(batch).map(drop)?))))
}

fn written(rows: u32) -> Result<Run> {
    let batches = batches(&frames(Kind::Insert, 0..rows, 0))?;
    Ok(Box::new(move |_| batches.iter().try_for_each(|batch| Ok(copy(batch).map(drop)?))))
}

/// What two systems say in turn, each later than all before: of the same keys, which are known, or of others.
fn hear(rows: u32, are_known: bool) -> Result<Run> {
    // The first two make keys known.
    let rounds = (0..ROUNDS_MAX + 2).map(|round| {
        let first = if are_known { 0 } else { u32::try_from(round)? * rows };
        batches(&frames(Kind::Update, first..first + rows, round))
    });
    let rounds = rounds.collect::<Result<Vec<_>>>()?;
    let mut claims = Claims::open()?;
    claims.hear(0, &rounds[0])?;
    claims.hear(1, &rounds[1])?;
    Ok(Box::new(move |number| claims.hear(number + 2, &rounds[usize::try_from(number + 2)?])))
}

/// Of two systems the one that spoke last has keys no more; its are the odd rounds.
fn hear_gone(rows: u32) -> Result<Run> {
    let mut claims = Claims::open()?;
    let all = 0..rows * u32::try_from(ROUNDS_MAX)?;
    for round in [0, 1] {
        claims.hear(round, &batches(&frames(Kind::Update, all.clone(), round))?)?;
    }
    let gone = all
        .step_by(rows as usize)
        .zip(0..)
        .map(|(first, round)| batches(&frames(Kind::Delete, first..first + rows, 2 * round + 3)));
    let gone = gone.collect::<Result<Vec<_>>>()?;
    Ok(Box::new(move |number| claims.hear(2 * number + 3, &gone[usize::try_from(number)?])))
}

/// An entity of two systems.
struct Claims {
    entity: Entity,
    _folder: tempfile::TempDir,
}

impl Claims {
    fn open() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = RowStore::open(Arc::new(RealDisk), folder.path(), StoreSettings::default())?;
        Ok(Self { entity: Entity::open(Box::new(store), rules()?, 1)?, _folder: folder })
    }

    /// What one of them says, by turns.
    fn hear(&mut self, round: u64, said: &[ChangeBatch]) -> Result<()> {
        let topic = Topic::changes(&SystemName::new(SYSTEMS[0]));
        let system = SYSTEMS[usize::try_from(round % 2)?];
        for batch in said {
            let all: Vec<u32> = (0..).take(batch.len()).collect();
            let records = RecordKeys::of(batch, batch, &all);
            let rows = as_entity(batch)?;
            let heard = self.entity.hear_rows(system, &rows, &records, false)?;
            ensure!(heard.conflicts.is_empty(), "a person is asked");
            ensure!(heard.golden.is_some_and(|told| told.len() == rows.len()), "not all is told");
            self.entity.commit(LogId(1), &topic, Offset(round + 1))?;
        }
        Ok(())
    }
}

const SYSTEMS: [&str; 2] = ["sis", "hr"];

/// The same rows, as a mapping gives them for the entity.
fn as_entity(batch: &ChangeBatch) -> Result<ChangeBatch> {
    Ok(ChangeBatch::try_new(
        schemas()[1].clone(),
        batch.columns().columns().to_vec(),
        batch.ops().clone(),
        batch.ordinals().clone(),
        batch.transactions().to_vec(),
        batch.presence().clone(),
    )?)
}

fn rules() -> Result<EntityRules> {
    let schema = Arc::clone(schemas().get(1).context("the entity's schema")?);
    let columns = schema.columns().iter().enumerate().skip(1);
    let unit = |(at, column): (usize, &syncline_core::Column)| Unit {
        name: column.name.clone(),
        columns: vec![at],
        policy: Policy::Newest(Fallback::Ask),
        null_is_value: false,
    };
    let units: Vec<Unit> = columns.map(unit).collect();
    let spoken_of: Vec<usize> = (1..=units.len()).collect();
    let mapping = |name: &str| ClaimingMapping {
        name: name.to_owned(),
        system: SystemName::new(name),
        columns: spoken_of.clone(),
        returned: None,
    };
    let mappings = SYSTEMS.map(mapping).into();
    let uncertainty = BTreeMap::new();
    Ok(EntityRules { schema, units, existence: Existence::Any, mappings, uncertainty })
}

/// Three expressions and a filter that takes one in twenty away.
const MAPPING: &str = "
    INSERT INTO lms.public.everything (id, small, big, txt, exact, instant, who, doc)
    SELECT id, small, coalesce(big, 0) * 2, upper(txt) || ' ' || padded, CAST(exact + 1 AS numeric(20,4)), instant,
        who, doc
    FROM sis.public.everything WHERE flag";

fn mapping() -> Result<Mapping> {
    let file = SqlFile { path: "everything.sql".to_owned(), text: MAPPING.to_owned() };
    let checked = check(&[file], catalog(), &Options::default());
    let said = checked.diagnostics.iter().map(|found| found.render(MAPPING)).collect::<String>();
    checked.mappings.into_iter().next().context(said)
}
