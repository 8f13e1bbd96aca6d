//! The law of parking: whatever a mapping or a target refuses for a while, once nothing is refused any
//! longer the target is as if nothing ever had been.

mod sis;

use crate::notes::Notes;
use crate::support::{Rename, Script, Target, system};
use crate::{claims, pipeline, quick, sink_plan};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use sis::{Sis, Translate, key_of, table};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use syncline_core::{ChangeLog as _, Entry, ReaderName, TableName, TableSchema, Topic, Transform};
use syncline_log::MemoryLog;
use syncline_resolve::{Fallback, Policy};
use syncline_runtime::{Plan, Settings, SourcePlan, run, shutdown};

/// What a source tells of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Identity {
    /// The key where it changes; a long text only where it does. The target's key is the source's.
    Key,
    /// The whole row before. The target's key is another column's.
    Full,
    /// The same of a table without a key.
    Keyless,
}

const IDENTITIES: [Identity; 3] = [Identity::Key, Identity::Full, Identity::Keyless];

/// `id`, `code`, `name`, `bio`.
type Record = [String; 4];

#[derive(Debug, Clone)]
enum Step {
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
struct Refusals {
    /// Names and codes that the mapping can't map.
    mapping: Vec<String>,
    /// Whether the mapping does not fit the table.
    misfit: bool,
    /// Values that the target does not take.
    target: Vec<String>,
    /// Keys that the target does not delete.
    kept: Vec<String>,
}

#[derive(Debug, Clone)]
struct Phase {
    refusals: Refusals,
    /// Transactions, each of entries.
    transactions: Vec<Vec<Vec<Step>>>,
    restarts: bool,
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

/// Everything that outlives a process.
struct World {
    through_entity: bool,
    sis: Sis,
    refusals: Arc<Mutex<Refusals>>,
    target: Target,
    transactions: Arc<Mutex<Vec<Vec<Entry>>>>,
    log: Arc<MemoryLog>,
    notes: Arc<Notes>,
    claims: claims::Rested,
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
            claims: claims::Rested::default(),
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
            Box::new(Script {
                copies: Arc::default(),
                transactions: transactions.clone(),
                failures: Arc::default(),
            })
        });
        Plan {
            sources: vec![SourcePlan { system: system("sis"), make }],
            sinks: vec![sink_plan("lms", &self.target)],
            entities: vec![claims::entity(
                &person,
                &transforms,
                &self.claims,
                &Policy::Ask(Fallback::Ask),
            )],
            transforms,
            references: vec![],
            meanings: BTreeMap::new(),
            conflicts: Arc::new(claims::Noted::default()),
            gates: Arc::new(crate::gates::Asked::default()),
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
        vec![(ReaderName::resolve("person", &changes), changes), (apply, person)]
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

fn check(identity: Identity, through_entity: bool, phases: &[Phase]) -> Result<(), TestCaseError> {
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

/// A phase whose transactions have one entry each.
fn phase(mapping: &[&str], target: &[&str], transactions: &[&[Step]]) -> Phase {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let refusals =
        Refusals { mapping: words(mapping), target: words(target), ..Refusals::default() };
    let transactions = transactions.iter().map(|steps| vec![steps.to_vec()]).collect();
    Phase { refusals, transactions, restarts: false }
}

fn insert(id: u8, code: u8, name: u8) -> Step {
    Step::Insert { id, code, name, bio: 0 }
}

fn rename(id: u8, name: u8) -> Step {
    Step::Update { id, to: None, code: None, name: Some(name), bio: None }
}

fn move_to(id: u8, to: u8, name: u8) -> Step {
    Step::Update { id, to: Some(to), code: None, name: Some(name), bio: None }
}

fn assert_law(identity: Identity, phases: &[Phase]) {
    for through_entity in [false, true] {
        check(identity, through_entity, phases).unwrap();
    }
}

#[test]
fn refused_rows_of_a_table_without_a_key_do_not_replace_each_other() {
    let rows = [insert(0, 0, 0), insert(1, 1, 0), insert(2, 2, 1)];
    assert_law(Identity::Keyless, &[phase(&["name0"], &[], &[&rows])]);
}

#[test]
fn a_row_that_the_target_refused_outlives_a_later_refusal_by_the_mapping() {
    let with_bio = Step::Update { id: 0, to: None, code: None, name: None, bio: Some(1) };
    let phases = [
        phase(&[], &["bio1"], &[&[insert(0, 0, 1)], &[with_bio]]),
        // The bio is not sent again.
        phase(&["name0"], &["bio1"], &[&[rename(0, 0)]]),
    ];
    assert_law(Identity::Key, &phases);
}

#[test]
fn a_source_row_and_a_target_row_of_the_same_key_wait_side_by_side() {
    // The target's row "k1" is of the source's "k0"; the source's "k1" is another row.
    let rows = [insert(0, 1, 2), insert(1, 0, 0)];
    assert_law(Identity::Full, &[phase(&["name0"], &["name2"], &[&rows[..1], &rows[1..]])]);
}

#[test]
fn a_refused_change_of_the_key_leaves_nothing_behind() {
    for last in [rename(1, 2), Step::Delete { id: 1 }] {
        let phases = [phase(&["name0"], &[], &[&[insert(0, 0, 1)], &[move_to(0, 1, 0)], &[last]])];
        assert_law(Identity::Key, &phases);
        assert_law(Identity::Full, &phases);
    }
}

#[test]
fn a_row_that_takes_the_old_key_of_a_refused_one_stays() {
    let moved = Step::Update { id: 0, to: None, code: Some(2), name: Some(0), bio: None };
    let steps = [insert(0, 1, 1), moved, insert(1, 1, 1)];
    assert_law(Identity::Full, &[phase(&["name0"], &[], &[&steps[..1], &steps[1..]])]);
}

#[test]
fn a_parked_row_whose_key_changes_is_not_written_under_the_old_one() {
    let steps = [insert(2, 2, 0), move_to(2, 3, 1)];
    for identity in IDENTITIES {
        assert_law(identity, &[phase(&["name0"], &[], &[&steps[..1], &steps[1..]])]);
        assert_law(identity, &[phase(&["name0"], &[], &[&steps])]);
    }
}

#[test]
fn a_refused_row_does_not_overtake_later_changes_of_the_same_batch() {
    let steps = [insert(0, 0, 0), rename(0, 1)];
    for identity in IDENTITIES {
        assert_law(identity, &[phase(&["name0"], &[], &[&steps])]);
    }
}

#[test]
fn what_was_deleted_while_the_mapping_did_not_fit_goes_before_its_key_is_taken_again() {
    let mut misfit = phase(&[], &[], &[&[Step::Delete { id: 2 }]]);
    misfit.refusals.misfit = true;
    let phases =
        [phase(&[], &[], &[&[insert(2, 1, 0)]]), misfit, phase(&[], &[], &[&[insert(0, 1, 0)]])];
    assert_law(Identity::Full, &phases);
}

#[test]
fn a_key_left_while_the_mapping_did_not_fit_goes_though_a_row_that_is_left_out_takes_it() {
    // The mapping leaves out rows of the name 3.
    let steps = [Step::Delete { id: 0 }, move_to(2, 0, 0), insert(2, 0, 3)];
    let here = phase(&[], &[], &[&[insert(0, 0, 0)], &[insert(2, 1, 0)]]);
    for transactions in [&[&steps[..1], &steps[1..2], &steps[2..]][..], &[&steps]] {
        let mut misfit = phase(&[], &[], transactions);
        misfit.refusals.misfit = true;
        assert_law(Identity::Key, &[here.clone(), misfit]);
    }
}
