//! The law of parking: whatever a mapping or a target refuses for a while, once nothing is refused any
//! longer the target is as if nothing ever had been.

use crate::support::{Notes, Rename, Script, Target, system};
use crate::translate::Translate;
use crate::{pipeline, quick, sink_plan};
use arrow_array::{ArrayRef, StringArray};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use syncline_core::{
    Body, Boundary, ChangeBatch, ChangeLog as _, Column, ColumnMask, Entry, Op, Position, Presence,
    ReaderName, TableName, TableSchema, Topic, Transaction, TransactionRun, Transform,
};
use syncline_log::MemoryLog;
use syncline_runtime::{EntityPlan, Plan, Settings, SourcePlan, run, shutdown};

/// What a source tells of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// The key where it changes; a long text only where it does. The target's key is the source's.
    Key,
    /// The whole row before. The target's key is another column's.
    Full,
    /// The same of a table without a key.
    Keyless,
}

pub(crate) const IDENTITIES: [Identity; 3] = [Identity::Key, Identity::Full, Identity::Keyless];

/// `id`, `code`, `name`, `bio`.
type Record = [String; 4];

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Insert {
        id: u8,
        code: u8,
        name: u8,
        bio: u8,
    },
    /// `None` leaves a value as it is.
    Update {
        id: u8,
        to: Option<u8>,
        code: Option<u8>,
        name: Option<u8>,
        bio: Option<u8>,
    },
    Delete {
        id: u8,
    },
}

/// What is refused, until the next phase.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusals {
    /// Names and codes that the mapping can't map.
    pub(crate) mapping: Vec<String>,
    /// Whether the mapping does not fit the table.
    pub(crate) misfit: bool,
    /// Values that the target does not take.
    pub(crate) target: Vec<String>,
    /// Keys that the target does not delete.
    pub(crate) kept: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Phase {
    pub(crate) refusals: Refusals,
    /// Transactions, each of entries.
    pub(crate) transactions: Vec<Vec<Vec<Step>>>,
    pub(crate) restarts: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let id = || 0..4_u8;
    let value = || 0..4_u8;
    let maybe = |chance: f64| prop::option::weighted(chance, 0..4_u8);
    prop_oneof![
        3 => (id(), value(), value(), value())
            .prop_map(|(id, code, name, bio)| Step::Insert { id, code, name, bio }),
        6 => (id(), maybe(0.25), maybe(0.25), maybe(0.7), maybe(0.3))
            .prop_map(|(id, to, code, name, bio)| Step::Update { id, to, code, name, bio }),
        2 => id().prop_map(|id| Step::Delete { id }),
    ]
}

fn refusals() -> impl Strategy<Value = Refusals> {
    let some = |words: Vec<&'static str>, chance: f64| {
        prop::sample::subsequence(words.clone(), 0..=words.len())
            .prop_map(move |words| words)
            .prop_flat_map(move |words| {
                prop::bool::weighted(chance).prop_map(move |any| {
                    if any {
                        words.iter().map(|&word| word.to_owned()).collect()
                    } else {
                        Vec::new()
                    }
                })
            })
    };
    (
        some(vec!["name0", "name1", "k0", "k1"], 0.7),
        prop::bool::weighted(0.1),
        some(vec!["name1", "name2", "bio0", "bio1"], 0.6),
        some(vec!["k0", "k1", "k2"], 0.2),
    )
        .prop_map(|(mapping, misfit, target, kept)| Refusals { mapping, misfit, target, kept })
}

fn phases() -> impl Strategy<Value = Vec<Phase>> {
    let entry = || prop::collection::vec(step(), 1..5);
    let transaction = || prop::collection::vec(entry(), 1..3);
    let phase =
        (refusals(), prop::collection::vec(transaction(), 1..4), prop::bool::weighted(0.15))
            .prop_map(|(refusals, transactions, restarts)| Phase {
                refusals,
                transactions,
                restarts,
            });
    prop::collection::vec(phase, 1..4)
}

/// The source's rows, and what it says of each step.
struct Sis {
    identity: Identity,
    schema: Arc<TableSchema>,
    rows: BTreeMap<u8, Record>,
    commit: u64,
}

/// One change as it is sent: the values that it speaks of.
type Sent = (Op, [Option<String>; 4]);

fn all(record: &Record) -> [Option<String>; 4] {
    record.clone().map(Some)
}

impl Sis {
    fn new(identity: Identity) -> Self {
        let key = if identity == Identity::Keyless { vec![] } else { vec![0] };
        let name = TableName::table(&system("sis"), "public", "people");
        let schema = table(name, &["id", "code", "name", "bio"], key);
        Self { identity, schema, rows: BTreeMap::new(), commit: 0 }
    }

    fn has_code(&self, code: &str, but: u8) -> bool {
        self.rows.iter().any(|(&id, row)| id != but && row[1] == code)
    }

    /// Steps that can't be taken say nothing.
    fn take(&mut self, step: &Step) -> Vec<Sent> {
        match *step {
            Step::Insert { id, code, name, bio } => {
                let row = [key_of(id), key_of(code), name_of(name), bio_of(bio)];
                if self.rows.contains_key(&id) || self.has_code(&row[1], id) {
                    return Vec::new();
                }
                self.rows.insert(id, row.clone());
                vec![(Op::Insert, all(&row))]
            }
            Step::Update { id, to, code, name, bio } => self.update(id, to, [code, name, bio]),
            Step::Delete { id } => {
                let Some(row) = self.rows.remove(&id) else { return Vec::new() };
                match self.identity {
                    Identity::Key => vec![(Op::Delete, [Some(row[0].clone()), None, None, None])],
                    Identity::Full | Identity::Keyless => vec![(Op::Delete, all(&row))],
                }
            }
        }
    }

    fn update(&mut self, id: u8, to: Option<u8>, values: [Option<u8>; 3]) -> Vec<Sent> {
        let Some(older) = self.rows.get(&id).cloned() else { return Vec::new() };
        let [code, name, bio] = values;
        let to = to.filter(|to| !self.rows.contains_key(to)).unwrap_or(id);
        let code = code.map(key_of).filter(|code| !self.has_code(code, id));
        let newer = [
            key_of(to),
            code.unwrap_or(older[1].clone()),
            name.map_or(older[2].clone(), name_of),
            bio.map_or(older[3].clone(), bio_of),
        ];
        self.rows.remove(&id);
        self.rows.insert(to, newer.clone());
        let mut after = all(&newer);
        let mut before = all(&older);
        if self.identity == Identity::Key {
            before = [Some(older[0].clone()), None, None, None];
            if to == id {
                // A row that was left out until now can't be had from a part of it, refused or not.
                after[3] = after[3].take_if(|_| bio.is_some() || older[2] == HIDDEN);
                return vec![(Op::Update, after)];
            }
        }
        vec![(Op::Before, before), (Op::Update, after)]
    }

    /// A transaction as entries of several rows.
    fn transaction(&mut self, entries: &[Vec<Step>]) -> Vec<Entry> {
        let sent: Vec<Vec<Sent>> = entries
            .iter()
            .map(|steps| steps.iter().flat_map(|step| self.take(step)).collect())
            .filter(|sent: &Vec<Sent>| !sent.is_empty())
            .collect();
        if sent.is_empty() {
            return Vec::new();
        }
        self.commit += 1;
        let position = Position { epoch: 1, commit: self.commit, ordinal: 0 };
        let boundary = Boundary { position, committed_at: 1_000_000 };
        let last = sent.len() - 1;
        let mut first = 0;
        let entry = |(index, sent): (usize, Vec<Sent>)| {
            let batch = self.batch(first, &sent);
            first += u32::try_from(sent.len()).unwrap();
            Entry { body: Body::Rows(batch), boundary: (index == last).then_some(boundary) }
        };
        sent.into_iter().enumerate().map(entry).collect()
    }

    fn batch(&self, first: u32, sent: &[Sent]) -> ChangeBatch {
        let ops = sent.iter().map(|(op, _)| *op as u8).collect::<Vec<_>>();
        let places = (first..).take(sent.len()).collect::<Vec<_>>();
        let rows: Vec<_> = sent.iter().map(|(_, values)| values.clone()).collect();
        let rows_len = u32::try_from(sent.len()).unwrap();
        let transaction = Transaction { epoch: 1, commit: self.commit, committed_at: 1_000_000 };
        let runs = vec![TransactionRun { transaction, rows: rows_len }];
        batch_of(&self.schema, &rows, ops, places, runs)
    }

    /// What the target has to hold in the end.
    fn mapped(&self) -> BTreeMap<String, [Option<String>; 2]> {
        let shown = self.rows.values().filter(|row| row[2] != HIDDEN);
        let key = if self.identity == Identity::Key { 0 } else { 1 };
        shown.map(|row| (row[key].clone(), [2, 3].map(|at| Some(row[at].clone())))).collect()
    }
}

/// The mapping leaves out rows of this name.
pub(crate) const HIDDEN: &str = "name3";

/// The same words for both keys, so that a row of the one may be taken for a row of the other.
fn key_of(key: u8) -> String {
    format!("k{key}")
}

fn name_of(name: u8) -> String {
    format!("name{name}")
}

fn bio_of(bio: u8) -> String {
    format!("bio{bio}")
}

fn table(name: TableName, columns: &[&str], key: Vec<usize>) -> Arc<TableSchema> {
    let column = |name: &&str| Column {
        name: (*name).to_owned(),
        id: 0,
        data_type: arrow_schema::DataType::Utf8,
        native_type: "text".into(),
        nullable: true,
        has_default: false,
        generated: false,
    };
    Arc::new(TableSchema::new(name, 1, columns.iter().map(column).collect(), key))
}

/// Rows whose absent values are `None`.
pub(crate) fn batch_of<const WIDTH: usize>(
    schema: &Arc<TableSchema>,
    rows: &[[Option<String>; WIDTH]],
    ops: Vec<u8>,
    places: Vec<u32>,
    runs: Vec<TransactionRun>,
) -> ChangeBatch {
    let column = |at: usize| -> ArrayRef {
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row[at].as_deref())))
    };
    let masks = rows.iter().map(|row| {
        let mut mask = ColumnMask::none(WIDTH);
        (0..WIDTH).filter(|&at| row[at].is_some()).for_each(|at| mask.set(at));
        mask
    });
    let presence = Presence::from_rows(WIDTH, masks);
    let columns = (0..WIDTH).map(column).collect();
    ChangeBatch::try_new(schema.clone(), columns, ops.into(), places.into(), runs, presence)
        .unwrap()
}

/// Everything that outlives a process.
struct World {
    through_entity: bool,
    sis: Sis,
    refusals: Arc<Mutex<Refusals>>,
    target: Target,
    transactions: Arc<Mutex<Vec<Vec<Entry>>>>,
    log: Arc<MemoryLog>,
    notes: Arc<Notes>,
}

impl World {
    fn new(identity: Identity, through_entity: bool) -> Self {
        Self {
            through_entity,
            sis: Sis::new(identity),
            refusals: Arc::default(),
            target: Target::default(),
            transactions: Arc::default(),
            log: Arc::default(),
            notes: Arc::default(),
        }
    }

    fn plan(&self) -> Plan {
        let columns = ["key", "name", "bio"];
        let person = table(TableName::entity("person"), &columns, vec![0]);
        let records =
            table(TableName::table(&system("lms"), "public", "records"), &columns, vec![0]);
        let translate = |writes: &Arc<TableSchema>| {
            Arc::new(Translate {
                key: usize::from(self.sis.identity != Identity::Key),
                reads: self.sis.schema.name().clone(),
                writes: writes.clone(),
                refusals: self.refusals.clone(),
            })
        };
        let mut transforms: Vec<Arc<dyn Transform>> = Vec::new();
        if self.through_entity {
            transforms.push(translate(&person));
            transforms.push(Arc::new(Rename {
                name: "person to records".into(),
                reads: person.name().clone(),
                writes: records,
                held_up: Arc::default(),
            }));
        } else {
            transforms.push(translate(&records));
        }
        let transactions = self.transactions.clone();
        let make: syncline_runtime::MakeSource = Arc::new(move || {
            Box::new(Script { transactions: transactions.clone(), failures: Arc::default() })
        });
        Plan {
            sources: vec![SourcePlan { system: system("sis"), make }],
            sinks: vec![sink_plan("lms", &self.target)],
            entities: vec![EntityPlan { schema: person }],
            transforms,
            references: vec![],
        }
    }

    fn refuse(&self, refusals: &Refusals) {
        *self.refusals.lock().unwrap() = refusals.clone();
        *self.target.refused.lock().unwrap() = refusals.target.clone();
        *self.target.kept.lock().unwrap() = refusals.kept.clone();
    }

    /// The readers in the order of the path, each with its topic.
    fn readers(&self) -> Vec<(ReaderName, Topic)> {
        let changes = Topic::changes(&system("sis"));
        if !self.through_entity {
            return vec![(ReaderName::apply(&system("lms"), &changes), changes)];
        }
        let person = Topic::entity("person");
        let apply = ReaderName::apply(&system("lms"), &person);
        vec![(ReaderName::resolve(&changes), changes), (apply, person)]
    }

    async fn is_applied(&self, registry: &syncline_runtime::Registry) -> bool {
        let changes = self.log.tail(&Topic::changes(&system("sis"))).await.unwrap();
        if changes.boundary.map_or(0, |boundary| boundary.position.commit) < self.sis.commit {
            return false;
        }
        for (reader, topic) in self.readers() {
            let end = self.log.tail(&topic).await.unwrap().next.0;
            let status = registry.status(0);
            if status.lanes.get(reader.as_str()).is_none_or(|lane| lane.next < end) {
                return false;
            }
        }
        true
    }

    /// Runs a process until all is applied, and, where nothing is to be refused, nothing parked.
    async fn live(&mut self, phases: &[Phase], to_rest: bool) -> Result<(), TestCaseError> {
        let settings = Settings {
            apply_bytes_max: 8 << 20,
            trim_interval: Duration::from_millis(50),
            ..quick()
        };
        let pipeline = pipeline(self.log.clone(), self.notes.clone(), self.plan(), settings);
        let registry = pipeline.registry();
        let (trigger, told) = shutdown();
        let ended = tokio::spawn(run(pipeline, told));
        let mut outcome = Ok(());
        for phase in phases {
            self.refuse(&phase.refusals);
            for entries in &phase.transactions {
                let transaction = self.sis.transaction(entries);
                if !transaction.is_empty() {
                    self.transactions.lock().unwrap().push(transaction);
                }
            }
            outcome = outcome.and(self.wait(&registry, false).await);
        }
        if to_rest {
            outcome = outcome.and(self.wait(&registry, true).await);
        }
        trigger.trigger();
        ended.await.unwrap().map_err(|error| TestCaseError::fail(format!("{error}")))?;
        outcome
    }

    async fn wait(
        &self,
        registry: &syncline_runtime::Registry,
        to_rest: bool,
    ) -> Result<(), TestCaseError> {
        for _ in 0..2000 {
            let parked = || registry.status(0).lanes.values().map(|lane| lane.parked).sum::<u64>();
            if self.is_applied(registry).await && (!to_rest || parked() == 0) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let held = self.target.held.lock().unwrap();
        let parked: Vec<_> = held.parked.values().map(|row| (&row.key, &row.reason)).collect();
        Err(TestCaseError::fail(format!("it does not come to rest: {parked:?}")))
    }
}

/// A key that was mapped once is mapped ever after: a mapping does not begin to fail on what it gave.
fn with_keys_that_stay_mapped(phases: &[Phase]) -> Vec<Phase> {
    let mut mapped: Vec<String> = Vec::new();
    let mut phases = phases.to_vec();
    for phase in &mut phases {
        let refused = &mut phase.refusals.mapping;
        refused.retain(|value| !mapped.contains(value));
        mapped.extend((0..4).map(key_of).filter(|key| !refused.contains(key)));
    }
    phases
}

async fn run_case(
    identity: Identity,
    through_entity: bool,
    phases: &[Phase],
) -> Result<(), TestCaseError> {
    let mut world = World::new(identity, through_entity);
    let phases = &with_keys_that_stay_mapped(phases);
    for lived in phases.split_inclusive(|phase| phase.restarts) {
        world.live(lived, false).await?;
    }
    // What is parked before an entity is tried again by another process alone.
    world.refuse(&Refusals::default());
    world.live(&[], true).await?;
    let held = world.target.held.lock().unwrap();
    prop_assert_eq!(&held.records, &world.sis.mapped());
    prop_assert!(held.parked.is_empty());
    prop_assert_eq!(world.target.away.load(Ordering::Relaxed), 0);
    Ok(())
}

pub(crate) fn check(
    identity: Identity,
    through_entity: bool,
    phases: &[Phase],
) -> Result<(), TestCaseError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run_case(identity, through_entity, phases))
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_time: 30_000, ..ProptestConfig::default() })]

    #[test]
    fn once_nothing_is_refused_the_target_is_as_if_nothing_ever_had_been(
        identity in prop::sample::select(&IDENTITIES[..]),
        through_entity in prop::bool::weighted(0.3),
        phases in phases(),
    ) {
        check(identity, through_entity, &phases)?;
    }
}
