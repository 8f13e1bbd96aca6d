//! Keys that are gone, while the loops run.

use crate::claims::{Noted, Rested, entity};
use crate::support::{Change, Target, people, system, until};
use crate::{D, I, Running, U, quick, rename, sink_plan, start_plan};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use syncline_core::{Cursor, TableName};
use syncline_resolve::{Fallback, Policy, Rows as _, Scanned};
use syncline_runtime::{Plan, Settings};

/// From `sis.public.people` through an entity to targets, with looks for keys that are gone at this interval.
fn start(targets: &[(&str, Target)], rested: &Rested, interval: Duration) -> Running {
    let (plan, settings) = plan(targets, rested, interval);
    start_plan(plan, settings, vec![])
}

fn plan(targets: &[(&str, Target)], rested: &Rested, interval: Duration) -> (Plan, Settings) {
    let person = people(TableName::entity("person"));
    let mut transforms =
        vec![rename(&TableName::table(&system("sis"), "public", "people"), &person)];
    for (name, _) in targets {
        let to = people(TableName::table(&system(name), "public", "users"));
        transforms.push(rename(person.name(), &to));
    }
    let plan = Plan {
        sources: vec![],
        sinks: targets.iter().map(|(name, target)| sink_plan(name, target)).collect(),
        entities: vec![entity(&person, &transforms, rested, &Policy::Ask(Fallback::Ask))],
        transforms,
        references: vec![],
        meanings: BTreeMap::new(),
        conflicts: Arc::new(Noted::default()),
    };
    let pause = Duration::from_millis(1);
    (plan, Settings { collect_interval: interval, collect_pause: pause, ..quick() })
}

const SOON: Duration = Duration::from_millis(5);

/// How many keys claims are kept of.
fn kept(rested: &Rested) -> usize {
    let mut scanned = Scanned::default();
    let next = rested.clone().scan(Cursor::default(), usize::MAX, &mut scanned).unwrap();
    assert_eq!(next, None);
    (0..scanned.len()).filter_map(|at| scanned.get(at)).filter(|(key, _)| !key.is_empty()).count()
}

fn dropped(running: &Running) -> u64 {
    running.registry.status(0).entities["person"].dropped
}

const COME_AND_GO: [&[Change]; 2] = [
    &[(I, 1, Some("Ana")), (I, 2, Some("Bo")), (I, 3, Some("Chen"))],
    &[(D, 2, None), (U, 1, Some("Anna")), (D, 3, None)],
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_of_keys_that_are_gone_goes_while_the_loops_run() {
    let (lms, rested) = (Target::default(), Rested::default());
    let running = start(&[("lms", lms.clone())], &rested, SOON);
    COME_AND_GO.iter().for_each(|changes| running.commit(changes));
    until("Anna alone", || lms.names() == ["Anna"]).await;
    until("two keys dropped", || dropped(&running) == 2).await;
    assert_eq!(kept(&rested), 1);
    // The key that stayed is known as it was, and those that went come again as new.
    running.commit(&[(U, 1, Some("Annie")), (I, 3, Some("Cho"))]);
    until("who is there", || lms.names() == ["Annie", "Cho"]).await;
    running.commit(&[(D, 1, None), (D, 3, None)]);
    until("all dropped", || dropped(&running) == 4 && kept(&rested) == 0).await;
    assert!(lms.names().is_empty());
    running.stop().await;
}

/// A target that is away does not know yet that the keys are gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_away_keeps_keys_that_are_gone() {
    let (lms, finance, rested) = (Target::default(), Target::default(), Rested::default());
    finance.away.store(1, Ordering::Relaxed);
    let targets = [("lms", lms.clone()), ("finance", finance.clone())];
    let running = start(&targets, &rested, SOON);
    COME_AND_GO.iter().for_each(|changes| running.commit(changes));
    until("Anna alone", || lms.names() == ["Anna"]).await;
    tokio::time::sleep(20 * SOON).await;
    assert_eq!((dropped(&running), kept(&rested)), (0, 3));
    finance.away.store(0, Ordering::Relaxed);
    until("two keys dropped", || dropped(&running) == 2).await;
    assert_eq!(finance.names(), ["Anna"], "it was told before");
    running.stop().await;
}

/// A delete that the target refuses is set aside there: it needs no claims.
#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_is_set_aside_holds_nobody_and_is_made_later() {
    let (lms, rested) = (Target::default(), Rested::default());
    let running = start(&[("lms", lms.clone())], &rested, SOON);
    running.commit(&[(I, 1, Some("Ana")), (I, 2, Some("Bo"))]);
    until("both", || lms.names() == ["Ana", "Bo"]).await;
    let key = lms.held.lock().unwrap().rows.keys().next_back().unwrap().clone();
    lms.held.lock().unwrap().cards.insert(key.clone(), "a card".into());
    running.commit(&[(D, 2, None)]);
    until("a parked delete", || lms.held.lock().unwrap().parked.len() == 1).await;
    until("a key dropped", || dropped(&running) == 1).await;
    assert_eq!(lms.names(), ["Ana", "Bo"]);
    lms.held.lock().unwrap().cards.remove(&key);
    until("Ana alone", || lms.names() == ["Ana"]).await;
    until("nothing parked", || lms.held.lock().unwrap().parked.is_empty()).await;
    running.stop().await;
}

/// What an earlier process left is found by the next.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_went_before_a_restart_are_dropped_after_it() {
    let (lms, rested) = (Target::default(), Rested::default());
    let targets = [("lms", lms.clone())];
    let running = start(&targets, &rested, Duration::from_secs(3600));
    COME_AND_GO.iter().for_each(|changes| running.commit(changes));
    until("Anna alone", || lms.names() == ["Anna"]).await;
    assert_eq!((dropped(&running), kept(&rested)), (0, 3));
    let (plan, settings) = plan(&targets, &rested, SOON);
    let running = running.followed_by(plan, settings).await;
    until("two keys dropped", || dropped(&running) == 2).await;
    assert_eq!((kept(&rested), lms.names()), (1, vec!["Anna".to_owned()]));
    running.stop().await;
}
