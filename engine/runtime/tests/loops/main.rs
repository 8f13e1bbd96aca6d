//! The three loops together, on a log in memory.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it says")]

mod ahead;
mod claims;
mod collect;
mod gates;
mod law;
mod linked;
mod notes;
mod parked;
mod readers;
mod support;
mod two_way;

use notes::Notes;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Change, Rename, Script, Target, people, system, transaction, until};
use syncline_core::{Entry, Op, ReaderName, TableName, TableSchema, Transform};
use syncline_log::MemoryLog;
use syncline_runtime::{
    Clock, LoopState, Pipeline, Plan, Registry, Settings, ShutdownTrigger, SinkPlan, SourcePlan,
    run, shutdown,
};
use tokio::task::JoinHandle;

struct At(i64);

impl Clock for At {
    fn now(&self) -> i64 {
        self.0
    }
}

/// A running pipeline from `sis.public.people` to targets.
struct Running {
    log: Arc<MemoryLog>,
    notes: Arc<Notes>,
    copies: Arc<AtomicUsize>,
    registry: Arc<Registry>,
    source: Arc<TableSchema>,
    transactions: Arc<Mutex<Vec<Vec<Entry>>>>,
    trigger: ShutdownTrigger,
    ended: JoinHandle<syncline_core::Result<()>>,
}

impl Running {
    fn commit(&self, changes: &[Change]) {
        let mut transactions = self.transactions.lock().unwrap();
        let commit = transactions.len() as u64 + 1;
        transactions.push(transaction(&self.source, commit, changes));
    }

    async fn stop(self) {
        self.outcome().await.unwrap();
    }

    /// What it ends with when it is told to.
    async fn outcome(self) -> syncline_core::Result<()> {
        self.trigger.trigger();
        self.ended.await.unwrap()
    }

    /// The same source, for another run.
    fn script(&self) -> Script {
        Script {
            copies: self.copies.clone(),
            transactions: self.transactions.clone(),
            failures: Arc::default(),
        }
    }

    /// Whether a lane failed for good.
    fn is_stopped(&self, lane: &ReaderName) -> bool {
        let lanes = self.registry.status(0).lanes;
        matches!(lanes[lane.as_str()].state, LoopState::Stopped { .. })
    }

    /// Ends it, and begins another plan on the same log, from the same source.
    async fn followed_by(self, plan: Plan, settings: Settings) -> Self {
        let script = self.script();
        let (log, notes) = (self.log.clone(), self.notes.clone());
        drop(self.outcome().await);
        start_on(log, notes, plan, settings, script)
    }
}

fn rename(reads: &TableName, writes: &Arc<TableSchema>) -> Arc<dyn Transform> {
    rename_when(reads, writes, Arc::default())
}

fn rename_when(
    reads: &TableName,
    writes: &Arc<TableSchema>,
    held_up: Arc<AtomicBool>,
) -> Arc<dyn Transform> {
    let name = format!("{reads} to {}", writes.name());
    Arc::new(Rename { name, reads: reads.clone(), writes: writes.clone(), held_up })
}

fn start(targets: &[(&str, Target)], through_entity: bool, failures: Vec<usize>) -> Running {
    start_with(quick(), targets, through_entity, failures)
}

fn start_with(
    settings: Settings,
    targets: &[(&str, Target)],
    through_entity: bool,
    failures: Vec<usize>,
) -> Running {
    start_plan(plan(targets, through_entity), settings, failures)
}

/// People from one system to others, with an entity between or without.
fn plan(targets: &[(&str, Target)], through_entity: bool) -> Plan {
    let source = people(TableName::table(&system("sis"), "public", "people"));
    let person = people(TableName::entity("person"));
    let mut transforms = Vec::new();
    if through_entity {
        transforms.push(rename(source.name(), &person));
    }
    let from = if through_entity { person.name() } else { source.name() };
    for (name, _) in targets {
        let to = people(TableName::table(&system(name), "public", "users"));
        transforms.push(rename(from, &to));
    }
    let sinks = targets.iter().map(|(name, target)| sink_plan(name, target)).collect();
    Plan {
        sources: vec![],
        sinks,
        entities: vec![claims::fresh(&person, &transforms)],
        transforms,
        references: vec![],
        meanings: BTreeMap::new(),
        conflicts: Arc::new(claims::Noted::default()),
        gates: Arc::new(gates::Asked::default()),
    }
}

fn sink_plan(name: &str, target: &Target) -> SinkPlan {
    let target = target.clone();
    SinkPlan { system: system(name), make: Arc::new(move || target.sink()) }
}

/// Runs a plan with `sis.public.people` as its source.
fn start_plan(plan: Plan, settings: Settings, failures: Vec<usize>) -> Running {
    let failures = Arc::new(Mutex::new(failures));
    let script = Script { copies: Arc::default(), transactions: Arc::default(), failures };
    start_on(Arc::default(), Arc::default(), plan, settings, script)
}

fn start_on(
    log: Arc<MemoryLog>,
    notes: Arc<Notes>,
    mut plan: Plan,
    settings: Settings,
    script: Script,
) -> Running {
    let source = people(TableName::table(&system("sis"), "public", "people"));
    let Script { copies, transactions, failures } = script;
    let (script, counted) = (transactions.clone(), copies.clone());
    let make: syncline_runtime::MakeSource = Arc::new(move || {
        let (copies, transactions) = (counted.clone(), script.clone());
        Box::new(Script { copies, transactions, failures: failures.clone() })
    });
    plan.sources.push(SourcePlan { system: system("sis"), make });
    let pipeline = pipeline(log.clone(), notes.clone(), plan, settings);
    let registry = pipeline.registry();
    let (trigger, told) = shutdown();
    let ended = tokio::spawn(run(pipeline, told));
    Running { log, notes, copies, registry, source, transactions, trigger, ended }
}

/// Little at a time, and again soon.
fn quick() -> Settings {
    Settings {
        apply_bytes_max: 1,
        retry_first: Duration::from_millis(1),
        park_retry: Duration::from_millis(5),
        ..Settings::default()
    }
}

fn pipeline(log: Arc<MemoryLog>, notes: Arc<Notes>, plan: Plan, settings: Settings) -> Pipeline {
    Pipeline::new(log, notes, Arc::new(At(1_000_500)), settings, plan).unwrap()
}

const I: Op = Op::Insert;
const U: Op = Op::Update;
const D: Op = Op::Delete;

#[tokio::test(flavor = "multi_thread")]
async fn changes_reach_a_table_by_the_short_path() {
    let lms = Target::default();
    let running = start(&[("lms", lms.clone())], false, vec![]);
    running.commit(&[(I, 1, Some("Ana")), (I, 2, Some("Bo"))]);
    running.commit(&[(U, 1, Some("Anna")), (D, 2, None)]);
    until("Anna alone", || lms.names() == ["Anna"]).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_reach_a_table_through_an_entity() {
    let lms = Target::default();
    let running = start(&[("lms", lms.clone())], true, vec![]);
    running.commit(&[(I, 1, Some("Ana")), (I, 2, Some("Bo"))]);
    running.commit(&[(U, 1, Some("Anna")), (D, 2, None)]);
    until("Anna alone", || lms.names() == ["Anna"]).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_larger_than_a_read_is_committed_whole() {
    let lms = Target::default();
    let running = start(&[("lms", lms.clone())], false, vec![]);
    running.commit(&[(I, 1, Some("a")), (I, 2, Some("b")), (I, 3, Some("c")), (I, 4, Some("d"))]);
    until("four rows", || lms.names().len() == 4).await;
    running.stop().await;
    let held = lms.held.lock().unwrap();
    assert!(held.seen.iter().all(|&rows| rows == 0 || rows == 4), "{:?}", held.seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_breaks_inside_a_transaction_neither_loses_nor_doubles() {
    for through_entity in [false, true] {
        let lms = Target::default();
        let running = start(&[("lms", lms.clone())], through_entity, vec![5, 4, 1, 2]);
        running.commit(&[(I, 1, Some("a")), (I, 2, Some("b")), (I, 3, Some("c"))]);
        running.commit(&[(D, 1, None), (I, 4, Some("a")), (I, 5, Some("e"))]);
        until("all rows", || lms.names() == ["b", "c", "a", "e"]).await;
        running.stop().await;
        let held = lms.held.lock().unwrap();
        assert!(held.seen.iter().all(|rows| [0, 3, 4].contains(rows)), "{:?}", held.seen);
        assert!(held.parked.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_row_stops_only_its_key_and_returns_when_the_cause_is_gone() {
    let lms = Target::default();
    lms.refused.lock().unwrap().push("Eve".into());
    let running = start(&[("lms", lms.clone())], false, vec![]);
    running.commit(&[(I, 1, Some("Ana")), (I, 2, Some("Eve")), (I, 3, Some("Bo"))]);
    until("the others", || lms.names() == ["Ana", "Bo"]).await;
    until("a parked row", || lms.held.lock().unwrap().parked.len() == 1).await;
    running.commit(&[(U, 2, None), (U, 1, Some("Anna"))]);
    until("the next change", || lms.names() == ["Anna", "Bo"]).await;
    lms.refused.lock().unwrap().clear();
    until("Eve", || lms.names() == ["Anna", "Eve", "Bo"]).await;
    until("nothing parked", || lms.held.lock().unwrap().parked.is_empty()).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_exchanged_in_the_order_of_their_source() {
    let lms = Target::default();
    let running = start(&[("lms", lms.clone())], false, vec![]);
    running.commit(&[(I, 1, Some("a")), (I, 2, Some("b"))]);
    running.commit(&[(U, 1, Some("t")), (U, 2, Some("a")), (U, 1, Some("b"))]);
    until("the exchange", || lms.names() == ["b", "a"]).await;
    running.stop().await;
    assert!(lms.held.lock().unwrap().parked.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_its_mapping_refuses_is_parked_and_settled_by_a_later_change() {
    for through_entity in [false, true] {
        let lms = Target::default();
        let running = start(&[("lms", lms.clone())], through_entity, vec![]);
        running.commit(&[(I, 1, Some("bad")), (I, 2, Some("Bo"))]);
        until("the other", || lms.names() == ["Bo"]).await;
        running.commit(&[(U, 1, None)]);
        running.commit(&[(U, 1, Some("good"))]);
        until("the mended row", || lms.names() == ["good", "Bo"]).await;
        until("nothing parked", || lms.held.lock().unwrap().parked.is_empty()).await;
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_away_holds_nobody() {
    let (lms, finance) = (Target::default(), Target::default());
    finance.away.store(1, Ordering::Relaxed);
    let targets = [("lms", lms.clone()), ("finance", finance.clone())];
    let running = start(&targets, false, vec![]);
    running.commit(&[(I, 1, Some("Ana"))]);
    until("Ana at the one", || lms.names() == ["Ana"]).await;
    assert!(finance.names().is_empty());
    finance.away.store(0, Ordering::Relaxed);
    until("Ana at the other", || finance.names() == ["Ana"]).await;
    running.stop().await;
}
