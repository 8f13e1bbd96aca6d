//! Two lanes of one target whose tables refer to each other: `cards` to `users`, which come by the
//! longer way.

use crate::support::{Target, people, system, text, until, wait_while};
use crate::{
    D, I, Running, U, claims, quick, rename, rename_when, sink_plan, start_on, start_plan,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use syncline_core::{
    ChangeBatch, ChangeLog as _, Checkpoints as _, Offset, Result, TableName, TableSchema, Topic,
    Transform, Transformed,
};
use syncline_runtime::{Plan, Settings};
use tokio::time::{sleep, timeout};

/// Holds mappings up until it is dropped at the latest: they would hold up a test that fails, too.
struct Hold(Arc<AtomicBool>);

impl Hold {
    fn begin() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}

impl std::ops::Deref for Hold {
    type Target = Arc<AtomicBool>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// A mapping that does not get past one name as long as it is held up.
#[derive(Debug)]
struct HeldUpAt {
    of: Arc<dyn Transform>,
    name: &'static str,
    held_up: Arc<AtomicBool>,
}

impl Transform for HeldUpAt {
    fn name(&self) -> &str {
        self.of.name()
    }

    fn reads(&self) -> &TableName {
        self.of.reads()
    }

    fn writes(&self) -> &Arc<TableSchema> {
        self.of.writes()
    }

    fn transform(&self, batch: &ChangeBatch) -> Result<Transformed> {
        let is_at = (0..batch.len()).any(|row| text(batch, 1, row).as_deref() == Some(self.name));
        if is_at {
            wait_while(&self.held_up);
        }
        self.of.transform(batch)
    }
}

/// `users` through the entity `person`, as long as they are not held up; `cards` straight.
fn start(lms: &Target, users_held_up: &Arc<AtomicBool>, linked_wait: Duration) -> Running {
    let settings = Settings { linked_wait, ..quick() };
    start_plan(plan(lms, |users| users, users_held_up), settings, vec![])
}

fn plan(
    lms: &Target,
    users_through: impl Fn(Arc<dyn Transform>) -> Arc<dyn Transform>,
    users_held_up: &Arc<AtomicBool>,
) -> Plan {
    let sis = TableName::table(&system("sis"), "public", "people");
    let person = people(TableName::entity("person"));
    let table = |name| people(TableName::table(&system("lms"), "public", name));
    let (users, cards) = (table("users"), table("cards"));
    let transforms = vec![
        rename(&sis, &person),
        users_through(rename_when(person.name(), &users, users_held_up.clone())),
        rename(&sis, &cards),
    ];
    Plan {
        sources: vec![],
        sinks: vec![sink_plan("lms", lms)],
        entities: vec![claims::fresh(&person, &transforms)],
        transforms,
        references: vec![(cards.name().clone(), users.name().clone())],
        meanings: BTreeMap::new(),
        conflicts: Arc::new(claims::Noted::default()),
        gates: Arc::new(crate::gates::Asked::default()),
    }
}

fn cards(lms: &Target) -> usize {
    lms.held.lock().unwrap().cards.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_comes_before_the_one_it_refers_to_waits_and_is_not_parked() {
    let (lms, held_up) = (Target::default(), Hold::begin());
    let running = start(&lms, &held_up, Duration::from_secs(60));
    running.commit(&[(I, 1, Some("Ana")), (I, 2, Some("Bo"))]);
    until("a refusal", || lms.too_early.load(Ordering::Relaxed) > 0).await;
    held_up.store(false, Ordering::Relaxed);
    until("both cards", || cards(&lms) == 2).await;
    running.stop().await;
    assert_eq!(lms.ever_parked.load(Ordering::Relaxed), 0);
}

/// Waits until a topic has everything before an offset.
async fn until_there(running: &Running, topic: &Topic, next: Offset) {
    let waiting = async {
        while running.log.tail(topic).await.unwrap().next < next {
            sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(timeout(Duration::from_secs(10), waiting).await.is_ok(), "{topic} ends before {next}");
}

/// Puts a user there by another hand than the lane's.
fn put_user(lms: &Target, id: usize) {
    lms.held.lock().unwrap().rows.insert(format!("[\"{id}\"]"), format!("by hand {id}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_goes_on_when_the_other_is_there_whoever_is_still_waited_for() {
    let (lms, held_up) = (Target::default(), Hold::begin());
    let running = start(&lms, &held_up, Duration::from_secs(60));
    running.commit(&[(I, 1, Some("Ana"))]);
    until("a refusal", || lms.too_early.load(Ordering::Relaxed) > 0).await;
    put_user(&lms, 1);
    until("the card", || cards(&lms) == 1).await;
    held_up.store(false, Ordering::Relaxed);
    running.stop().await;
    assert_eq!(lms.ever_parked.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn few_rows_without_the_others_hold_up_none_of_the_many_that_have_them() {
    let (lms, held_up) = (Target::default(), Hold::begin());
    (1..40).for_each(|id| put_user(&lms, id));
    let settings = Settings {
        linked_wait: Duration::from_secs(60),
        apply_bytes_max: 1 << 20,
        retry_longest: Duration::from_millis(20),
        ..quick()
    };
    // All of them are there before the first is read.
    lms.away.store(1, Ordering::Relaxed);
    let running = start_plan(plan(&lms, |users| users, &held_up), settings, vec![]);
    let name = |id: i64| -> &'static str { Box::leak(format!("name {id}").into_boxed_str()) };
    running.commit(&(1..=40).map(|id| (I, id, Some(name(id)))).collect::<Vec<_>>());
    let changes = Topic::changes(&system("sis"));
    until_there(&running, &changes, Offset(40)).await;
    lms.away.store(0, Ordering::Relaxed);
    until("all cards but one", || cards(&lms) == 39).await;
    until("that one set aside", || lms.held.lock().unwrap().parked.len() == 1).await;
    held_up.store(false, Ordering::Relaxed);
    until("that one too", || cards(&lms) == 40).await;
    until("nothing parked", || lms.held.lock().unwrap().parked.is_empty()).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_life_waits_for_no_more_than_the_one_before() {
    let (lms, held_up) = (Target::default(), Hold::begin());
    // Nobody ever has the first card.
    lms.refused.lock().unwrap().push("Ana".to_owned());
    let settings = Settings { linked_wait: Duration::from_secs(60), ..quick() };
    let running = start_plan(plan(&lms, |users| users, &held_up), settings.clone(), vec![]);
    running.commit(&[(I, 1, Some("Ana"))]);
    let is_noted = |name: &str| running.notes.load(name).unwrap().is_some();
    until("a note", || is_noted("linked/apply/lms/changes.sis")).await;
    running.commit(&[(I, 2, Some("Bo"))]);
    let entity = Topic::entity("person");
    until_there(&running, &entity, Offset(2)).await;
    // The second life could wait for what came since, which is held up for ever.
    let at_bo = Hold::begin();
    let until_bo = |of| Arc::new(HeldUpAt { of, name: "Bo", held_up: at_bo.clone() }) as _;
    let free = Arc::new(AtomicBool::new(false));
    let next = plan(&lms, until_bo, &free);
    let script = running.script();
    let (log, notes) = (running.log.clone(), running.notes.clone());
    running.trigger.trigger();
    held_up.store(false, Ordering::Relaxed);
    running.stop().await;
    let running = start_on(log, notes, next, settings, script);
    until("the card of nobody set aside", || {
        lms.held.lock().unwrap().parked.keys().any(|key| key.mapping.ends_with("cards"))
    })
    .await;
    at_bo.store(false, Ordering::Relaxed);
    until("the other", || cards(&lms) == 1).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_does_nothing_is_not_waited_for_without_end() {
    let (lms, held_up) = (Target::default(), Hold::begin());
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
    let (lms, held_up) = (Target::default(), Hold::begin());
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
    let (lms, held_up) = (Target::default(), Hold::begin());
    let running = start(&lms, &held_up, Duration::from_secs(60));
    running.commit(&[(I, 1, Some("Ana"))]);
    until("a refusal", || lms.too_early.load(Ordering::Relaxed) > 0).await;
    let stopped = tokio::time::timeout(Duration::from_secs(10), running.stop()).await;
    held_up.store(false, Ordering::Relaxed);
    assert!(stopped.is_ok(), "it ends");
    assert_eq!(lms.ever_parked.load(Ordering::Relaxed), 0);
}
