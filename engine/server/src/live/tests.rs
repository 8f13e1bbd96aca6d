//! The running engine as it is seen from outside: over HTTP, and when it has caught up.

use super::caught_up::caught_up;
use super::report::{CaptureReport, Report};
use super::{ADDRESS_FILE, Observer, Served, Serving, ask, routes, standing_by};
use crate::clock::SystemClock;
use crate::problem::Exit;
use crate::verify::{Flow, Outcomes, Verifier};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use syncline_core::{Body, Boundary, ChangeLog, Entry, Position, ReaderName, SystemName, Topic};
use syncline_log::{EmbeddedLog, MemoryLog};
use syncline_runtime::{CaptureStatus, LaneStatus, Latency, LoopState, Pipeline, Plan, Settings};
use tokio::sync::watch;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);

fn empty_pipeline(log: &Arc<EmbeddedLog>) -> Pipeline {
    let store = Arc::new(crate::decisions::Store::in_directory(std::path::Path::new("")));
    let plan = Plan {
        sources: Vec::new(),
        sinks: Vec::new(),
        entities: Vec::new(),
        transforms: Vec::new(),
        references: Vec::new(),
        conflicts: Arc::new(crate::conflicts::Book::new(
            store.clone(),
            crate::policies::Policies::of(&[]),
        )),
        gates: Arc::new(crate::gates::Gatekeeper::new(store)),
        meanings: BTreeMap::new(),
    };
    Pipeline::new(log.clone(), log.clone(), Arc::new(SystemClock), Settings::default(), plan)
        .expect("nothing to do is a plan")
}

#[tokio::test]
async fn status_metrics_and_health_are_served_where_the_address_file_says() {
    let state = tempfile::tempdir().expect("a temporary directory");
    let log = EmbeddedLog::open(&state.path().join("log"), syncline_log::Settings::default());
    let log = Arc::new(log.expect("the log opens"));
    let pipeline = empty_pipeline(&log);
    let registry = pipeline.registry();
    let outcomes = Outcomes::default();
    let watching =
        Observer::new("university", registry.clone(), Vec::new(), outcomes.clone()).spawn();
    let weighing = crate::weighing::Weighing::default();
    let verifier = Verifier::new(
        BTreeMap::new(),
        Flow::new(watching.clone(), log.clone()),
        weighing.clone(),
        pipeline.backfills(),
        Settings::default().gates,
        (state.path(), outcomes.clone()),
    );
    let served = Served {
        watching,
        verifier,
        outcomes,
        registry,
        checkpoints: log,
        weighing,
        resolves: vec![ReaderName::resolve("person", &Topic::changes(&SystemName::new("sis")))],
    };
    let listen = "127.0.0.1:0".parse().expect("an address");
    let serving = Serving::begin(listen, state.path(), routes(served)).await.expect("it serves");

    let status = ask(state.path(), "/status", "application/json").await.expect("an answer");
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    assert_eq!(status["project"], "university");
    let text = ask(state.path(), "/status", "text/plain").await.expect("an answer");
    assert!(text.starts_with("university, up "), "{text}");
    let metrics = ask(state.path(), "/metrics", "*/*").await.expect("an answer");
    assert!(metrics.contains("# TYPE syncline_loop_up gauge"), "{metrics}");
    let health = ask(state.path(), "/health", "*/*").await.expect("an answer");
    assert!(health.contains("\"well\":true"), "{health}");
    let parked = ask(state.path(), "/parked", "*/*").await.expect("an answer");
    assert_eq!(parked, "[]");
    let verified = ask(state.path(), "/verify", "*/*").await.expect("an answer");
    assert!(verified.contains("\"table\":null"), "{verified}");
    let missing = ask(state.path(), "/nothing", "*/*").await.expect_err("no such page");
    assert_eq!(missing.exit, Exit::Unavailable);
    // Where it served another may.
    let address = serving.address;
    serving.end().await;
    let again = Serving::begin(address, state.path(), axum::Router::new()).await;
    assert_eq!(again.expect("it is free").address, address);
}

#[tokio::test]
async fn a_worker_that_stands_by_says_who_works() {
    let state = tempfile::tempdir().expect("a temporary directory");
    let pages = standing_by("university", Arc::new(|| Some("10.0.0.7".to_owned())));
    let listen = "127.0.0.1:0".parse().expect("an address");
    let serving = Serving::begin(listen, state.path(), pages).await.expect("it serves");
    let status = ask(state.path(), "/status", "text/plain").await.expect("an answer");
    assert_eq!(status, "university, standing by: a worker at 10.0.0.7 has the project\n");
    let status = ask(state.path(), "/status", "application/json").await.expect("an answer");
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    assert_eq!((&status["standing_by"], &status["works"]), (&true.into(), &"10.0.0.7".into()));
    let metrics = ask(state.path(), "/metrics", "*/*").await.expect("an answer");
    assert!(metrics.ends_with("syncline_standing_by 1\n"), "{metrics}");
    let why = ask(state.path(), "/why?entity=person", "*/*").await.expect_err("not from here");
    insta::assert_snapshot!(crate::render::problems(&why.problems));
    serving.end().await;
}

#[tokio::test]
async fn status_without_a_process_says_how_to_start_one() {
    let state = tempfile::tempdir().expect("a temporary directory");
    let failure = ask(state.path(), "/status", "*/*").await.expect_err("nobody runs");
    insta::assert_snapshot!(crate::render::problems(&failure.problems));
    // A process that was killed leaves its file behind.
    std::fs::write(state.path().join(ADDRESS_FILE), "127.0.0.1:1").expect("written");
    let failure = ask(state.path(), "/status", "*/*").await.expect_err("nobody runs");
    assert_eq!(failure.exit, Exit::Unavailable);
}

fn capture(streaming: bool, durable_commit: u64) -> CaptureReport {
    let status = CaptureStatus {
        state: LoopState::Running,
        streaming,
        snapshots: BTreeMap::new(),
        rows: 0,
        durable_commit,
        retained_bytes: None,
        retained_bytes_max: None,
        commit_to_durable: Latency::default(),
        notices: Vec::new(),
    };
    CaptureReport { status, rows_per_second: 0.0, retained_growth: 0.0 }
}

fn lane(next: u64, state: LoopState) -> LaneStatus {
    LaneStatus {
        state,
        next,
        end: 0,
        lag_ms: 0.0,
        inserted: 0,
        updated: 0,
        deleted: 0,
        parked: 0,
        commit_to_target: Latency::default(),
    }
}

/// sis is captured, resolved into person, and person applied to lms.
struct Chain {
    log: MemoryLog,
    changes: Topic,
    entity: Topic,
    resolve: ReaderName,
    apply: ReaderName,
}

impl Chain {
    fn new() -> Self {
        let (changes, entity) = (Topic::changes(&SystemName::new("sis")), Topic::entity("person"));
        let resolve = ReaderName::resolve("person", &changes);
        let apply = ReaderName::apply(&SystemName::new("lms"), &entity);
        Self { log: MemoryLog::default(), changes, entity, resolve, apply }
    }

    async fn append(&self, topic: &Topic) {
        let boundary = Boundary { position: Position::default(), committed_at: 0 };
        let entry = Entry { body: Body::Nothing, boundary: Some(boundary) };
        let appended = self.log.append(topic, vec![entry]).await.expect("appended");
        appended.durable.await.expect("durable");
    }

    fn report(&self, captured: CaptureReport, resolved: LaneStatus, applied: LaneStatus) -> Report {
        Report {
            project: "university".into(),
            version: "0",
            process: 1,
            uptime_seconds: 0.0,
            captures: BTreeMap::from([("sis".into(), captured)]),
            entities: BTreeMap::new(),
            verified: BTreeMap::new(),
            mappings: BTreeMap::new(),
            lanes: BTreeMap::from([
                (self.resolve.to_string(), resolved),
                (self.apply.to_string(), applied),
            ]),
        }
    }
}

#[tokio::test]
async fn caught_up_waits_for_the_mark_then_for_resolve_then_for_apply() {
    let chain = Chain::new();
    chain.append(&chain.changes).await;
    let marks = BTreeMap::from([(SystemName::new("sis"), 100)]);
    let readers = [
        (chain.resolve.clone(), chain.changes.clone()),
        (chain.apply.clone(), chain.entity.clone()),
    ];
    let running = || LoopState::Running;
    let steps = [
        // Behind somewhere, each time by a little less.
        chain.report(capture(false, 100), lane(1, running()), lane(1, running())),
        chain.report(capture(true, 99), lane(1, running()), lane(1, running())),
        chain.report(capture(true, 100), lane(0, running()), lane(1, running())),
    ];
    let [first, rest @ ..] = steps;
    let (publish, watching) = watch::channel(Arc::new(first));
    let waiting = caught_up(watching, &chain.log, &marks, &readers);
    tokio::pin!(waiting);
    for step in rest {
        let early = timeout(Duration::from_millis(50), &mut waiting).await;
        assert!(early.is_err(), "it is behind");
        publish.send_replace(Arc::new(step));
    }
    assert!(timeout(Duration::from_millis(50), &mut waiting).await.is_err(), "resolve is behind");
    // Resolve passes the end, and with it gives apply something more to do.
    chain.append(&chain.entity).await;
    let resolved = chain.report(capture(true, 100), lane(1, running()), lane(0, running()));
    publish.send_replace(Arc::new(resolved));
    assert!(timeout(Duration::from_millis(50), &mut waiting).await.is_err(), "apply is behind");
    let applied = chain.report(capture(true, 100), lane(1, running()), lane(1, running()));
    publish.send_replace(Arc::new(applied.clone()));
    // Apply found that its target needs a copy, which the report that it has begun may not know yet.
    assert!(
        timeout(Duration::from_millis(50), &mut waiting).await.is_err(),
        "one more is looked at"
    );
    let copying = chain.report(capture(false, 100), lane(1, running()), lane(1, running()));
    publish.send_replace(Arc::new(copying));
    assert!(timeout(Duration::from_millis(50), &mut waiting).await.is_err(), "it is copied again");
    publish.send_replace(Arc::new(applied.clone()));
    assert!(timeout(Duration::from_millis(50), &mut waiting).await.is_err(), "one more, as before");
    publish.send_replace(Arc::new(applied));
    timeout(SOON, waiting).await.expect("in time").expect("caught up");
}

#[tokio::test]
async fn caught_up_fails_where_a_loop_failed_for_good() {
    let chain = Chain::new();
    let stopped = LoopState::Stopped {
        kind: "corrupt",
        error: "the slot is gone".into(),
        detail: None,
        hint: None,
    };
    let report = chain.report(capture(true, 0), lane(0, stopped), lane(0, LoopState::Running));
    let (_publish, watching) = watch::channel(Arc::new(report));
    let marks = BTreeMap::from([(SystemName::new("sis"), 100)]);
    let failure = caught_up(watching, &chain.log, &marks, &[]).await.expect_err("it stopped");
    assert_eq!(failure.exit, Exit::Corrupt);
}

#[test]
fn nothing_is_left_once_captures_failed_and_the_log_is_written() {
    let chain = Chain::new();
    let stopped = || LoopState::Stopped {
        kind: "config",
        error: "the slot is gone".into(),
        detail: None,
        hint: None,
    };
    let failed = || {
        let mut capture = capture(true, 0);
        capture.status.state = stopped();
        capture
    };
    let is_left = |captured, applied: LaneStatus| {
        !chain.report(captured, lane(1, LoopState::Running), applied).is_nothing_left()
    };
    let behind = LaneStatus { end: 5, ..lane(4, LoopState::Running) };
    let level = LaneStatus { end: 5, ..lane(5, LoopState::Running) };
    let away = LoopState::Retrying { error: "the target is away".into(), detail: None, hint: None };
    assert!(is_left(failed(), behind), "the lane writes what is there");
    assert!(is_left(failed(), lane(0, away)), "the target may come back");
    assert!(is_left(failed(), lane(0, LoopState::Starting)), "the lane does not know yet");
    assert!(is_left(capture(true, 0), level.clone()), "more may come");
    assert!(!is_left(failed(), level));
    assert!(!is_left(failed(), lane(0, stopped())));
}
