//! What weighing claims costs: `cargo run --release -p syncline-resolve --example weigh [KEYS]`. Rows that mappings gave for an entity, merged with what is kept of their
//! keys, decided, and made durable batch by batch.
//!
//! ```text
//!  new keys ─▶ the same keys again ─▶ a second source's word ─▶ after opening the store anew
//! ```
//! A key has 8 fields: four decided by a list of sources, four by who spoke last. Keys come in no order. The
//! time is that of the processor, of this one thread; what it waits for the disk is not in it.
#![expect(clippy::disallowed_macros, reason = "a program for a person at a terminal")]

use arrow_array::{ArrayRef, Int64Array, StringArray};
use arrow_schema::DataType;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use syncline_core::{
    ChangeBatch, Claims as _, Column, LogId, Offset, Op, Presence, SystemName, TableName,
    TableSchema, Topic, Transaction, TransactionRun,
};
use syncline_resolve::store::{RowStore, StoreSettings};
use syncline_resolve::{
    ClaimingMapping, Entity, EntityRules, Existence, Fallback, Policy, RecordKeys, Unit,
};
use syncline_segment::RealDisk;

const BATCH_ROWS: usize = 8192;

/// The columns beside the key.
const COLUMNS: [&str; 8] =
    ["given_name", "family_name", "email", "department", "phone", "street", "city", "postcode"];

fn main() -> Result<(), Box<dyn Error>> {
    let keys = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    println!("{:<32} {:>12} {:>12} {:>12}", "stage", "rows/s", "µs a row", "µs of CPU");
    weigh(keys)
}

/// Wall and processor time since it was made.
struct Stopwatch {
    began: Instant,
    processor: u64,
}

impl Stopwatch {
    fn start() -> Result<Self, Box<dyn Error>> {
        Ok(Self { began: Instant::now(), processor: processor()? })
    }

    /// Prints what a stage took for so many rows; rows a second of processor time.
    fn stop(self, stage: &str, rows: u32) -> Result<(), Box<dyn Error>> {
        let (took, used) = (self.began.elapsed(), processor()? - self.processor);
        let (took, used) =
            (took.as_secs_f64() / f64::from(rows), used as f64 / 1e9 / f64::from(rows));
        println!("{stage:<32} {:>12.0} {:>12.3} {:>12.3}", 1.0 / used, took * 1e6, used * 1e6);
        Ok(())
    }
}

/// What this thread used of the processor, in ns.
fn processor() -> Result<u64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}

/// Numbers in no order, the same each time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn shuffle(&mut self, order: &mut [u32]) {
        for place in (1..order.len()).rev() {
            let other = self.next() as usize % (place + 1);
            order.swap(place, other);
        }
    }
}

/// A batch and the records of its rows.
type Rows = (ChangeBatch, RecordKeys);

/// All passes over so many keys.
fn weigh(keys: u32) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let mut chance = Chance(11);
    let mut order: Vec<u32> = (0..keys).collect();
    chance.shuffle(&mut order);
    let mut entity = open(directory.path())?;
    let passes = [
        ("claims, new keys", "from_sis", Op::Insert),
        ("claims, updates", "from_sis", Op::Update),
        ("claims, updates again", "from_sis", Op::Update),
        ("claims, a second source", "from_hr", Op::Insert),
        ("claims, updates, two sources", "from_sis", Op::Update),
        ("claims, updates, store reopened", "from_hr", Op::Update),
    ];
    for (pass, (stage, mapping, op)) in (1..).zip(passes) {
        if stage.ends_with("reopened") {
            drop(entity);
            let watch = Stopwatch::start()?;
            entity = open(directory.path())?;
            watch.stop("claims, opening the store", keys)?;
        }
        chance.shuffle(&mut order);
        let batches: Vec<Rows> = order
            .chunks(BATCH_ROWS)
            .enumerate()
            .map(|(place, ids)| rows(ids, op, pass * 1_000_000 + place as u64, &mut chance))
            .collect::<Result<_, _>>()?;
        let watch = Stopwatch::start()?;
        hear(&mut entity, mapping, &batches)?;
        watch.stop(stage, keys)?;
    }
    Ok(())
}

fn hear(entity: &mut Entity, mapping: &str, batches: &[Rows]) -> Result<(), Box<dyn Error>> {
    let (log, topic) = (LogId(1), Topic::changes(&SystemName::new("sis")));
    for (place, (rows, records)) in (0..).zip(batches) {
        entity.hear_rows(mapping, rows, records, false)?;
        entity.commit(log, &topic, Offset(place))?;
    }
    Ok(())
}

fn open(directory: &Path) -> Result<Entity, Box<dyn Error>> {
    let store = RowStore::open(Arc::new(RealDisk), directory, StoreSettings::default())?;
    Ok(Entity::open(Box::new(store), rules(), 1)?)
}

fn rules() -> EntityRules {
    let systems = ["sis", "hr"].map(SystemName::new);
    let unit = |(place, name): (usize, &&str)| Unit {
        name: (*name).to_owned(),
        columns: vec![place + 1],
        policy: match place {
            0..4 => Policy::Prefer(systems.to_vec()),
            _ => Policy::Newest(Fallback::Prefer(systems.to_vec())),
        },
        null_is_value: false,
    };
    let mapping = |system: &SystemName| ClaimingMapping {
        name: format!("from_{system}"),
        system: system.clone(),
        columns: (1..=COLUMNS.len()).collect(),
        returned: None,
    };
    EntityRules {
        schema: schema(),
        units: COLUMNS.iter().enumerate().map(unit).collect(),
        existence: Existence::Any,
        mappings: systems.iter().map(mapping).collect(),
        uncertainty: std::collections::BTreeMap::new(),
    }
}

fn schema() -> Arc<TableSchema> {
    let column = |name: &str, data_type: &DataType| Column {
        name: name.into(),
        id: 0,
        data_type: data_type.clone(),
        native_type: if *data_type == DataType::Int64 { "bigint" } else { "text" }.into(),
        nullable: name != "id",
        has_default: false,
        generated: false,
    };
    let text = COLUMNS.iter().map(|name| column(name, &DataType::Utf8));
    let columns = std::iter::once(column("id", &DataType::Int64)).chain(text).collect();
    Arc::new(TableSchema::new(TableName::entity("person"), 1, columns, vec![0]))
}

/// A row for each id; an update has another e-mail address and telephone than before.
fn rows(ids: &[u32], op: Op, commit: u64, chance: &mut Chance) -> Result<Rows, Box<dyn Error>> {
    let mut records = RecordKeys::default();
    ids.iter().for_each(|id| records.push(&format!("[\"{id}\"]")));
    let mut columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from_iter_values(ids.iter().map(|&id| i64::from(id))))];
    for name in COLUMNS {
        let changes = matches!(name, "email" | "phone");
        let texts = ids.iter().map(|id| match changes {
            true => format!("{name}{}@university.example", chance.next() % 1_000_000_000),
            false => format!("{name} of {id}"),
        });
        columns.push(Arc::new(StringArray::from_iter_values(texts)));
    }
    let at = Transaction {
        epoch: 1,
        commit,
        committed_at: i64::try_from(commit)? * 10_000_000,
        ours: false,
    };
    let count = u32::try_from(ids.len())?;
    let batch = ChangeBatch::try_new(
        schema(),
        columns,
        vec![op as u8; ids.len()].into(),
        (0..count).collect::<Vec<_>>().into(),
        vec![TransactionRun { transaction: at, rows: count }],
        Presence::all(COLUMNS.len() + 1),
    )?;
    Ok((batch, records))
}
