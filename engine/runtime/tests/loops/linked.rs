//! Two lanes of one target whose tables refer to each other: `cards` to `users`, which come by the
//! longer way.

use crate::support::{Target, people, system, until};
use crate::{D, I, Running, U, claims, quick, rename, rename_when, sink_plan, start_plan};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use syncline_core::TableName;
use syncline_runtime::{Plan, Settings};

/// `users` through the entity `person`, as long as they are not held up; `cards` straight.
fn start(lms: &Target, users_held_up: &Arc<AtomicBool>, linked_wait: Duration) -> Running {
    let sis = TableName::table(&system("sis"), "public", "people");
    let person = people(TableName::entity("person"));
    let table = |name| people(TableName::table(&system("lms"), "public", name));
    let (users, cards) = (table("users"), table("cards"));
    let transforms = vec![
        rename(&sis, &person),
        rename_when(person.name(), &users, users_held_up.clone()),
        rename(&sis, &cards),
    ];
    let plan = Plan {
        sources: vec![],
        sinks: vec![sink_plan("lms", lms)],
        entities: vec![claims::fresh(&person, &transforms)],
        transforms,
        references: vec![(cards.name().clone(), users.name().clone())],
        meanings: BTreeMap::new(),
        conflicts: Arc::new(claims::Noted::default()),
        gates: Arc::new(crate::gates::Asked::default()),
    };
    start_plan(plan, Settings { linked_wait, ..quick() }, vec![])
}

fn cards(lms: &Target) -> usize {
    lms.held.lock().unwrap().cards.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_comes_before_the_one_it_refers_to_waits_and_is_not_parked() {
    let (lms, held_up) = (Target::default(), Arc::new(AtomicBool::new(true)));
    let running = start(&lms, &held_up, Duration::from_secs(60));
    running.commit(&[(I, 1, Some("Ana")), (I, 2, Some("Bo"))]);
    until("a refusal", || lms.too_early.load(Ordering::Relaxed) > 0).await;
    held_up.store(false, Ordering::Relaxed);
    until("both cards", || cards(&lms) == 2).await;
    running.stop().await;
    assert_eq!(lms.ever_parked.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_does_nothing_is_not_waited_for_without_end() {
    let (lms, held_up) = (Target::default(), Arc::new(AtomicBool::new(true)));
    let running = start(&lms, &held_up, Duration::from_millis(20));
    running.commit(&[(I, 1, Some("Ana"))]);
    until("a parked card", || lms.held.lock().unwrap().parked.len() == 1).await;
    held_up.store(false, Ordering::Relaxed);
    until("the card", || cards(&lms) == 1).await;
    until("nothing parked", || lms.held.lock().unwrap().parked.is_empty()).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_that_wait_for_each_other_come_to_an_end() {
    let (lms, held_up) = (Target::default(), Arc::new(AtomicBool::new(true)));
    let running = start(&lms, &held_up, Duration::from_secs(60));
    running.commit(&[(I, 1, Some("Ana"))]);
    held_up.store(false, Ordering::Relaxed);
    until("the card", || cards(&lms) == 1).await;
    held_up.store(true, Ordering::Relaxed);
    // The first can't go before its card has gone, the second's card not come before it has.
    running.commit(&[(D, 1, None), (I, 2, Some("Bo")), (U, 2, Some("Bob"))]);
    held_up.store(false, Ordering::Relaxed);
    until("Bob alone", || lms.names() == ["Bob"] && cards(&lms) == 1).await;
    until("nothing parked", || lms.held.lock().unwrap().parked.is_empty()).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_waits_ends_when_told_to() {
    let (lms, held_up) = (Target::default(), Arc::new(AtomicBool::new(true)));
    let running = start(&lms, &held_up, Duration::from_secs(60));
    running.commit(&[(I, 1, Some("Ana"))]);
    until("a refusal", || lms.too_early.load(Ordering::Relaxed) > 0).await;
    let stopped = tokio::time::timeout(Duration::from_secs(10), running.stop()).await;
    held_up.store(false, Ordering::Relaxed);
    assert!(stopped.is_ok(), "it ends");
    assert_eq!(lms.ever_parked.load(Ordering::Relaxed), 0);
}
