//! Nothing of a source is missing at a target: who is waited for by trimming, and what is copied again.

use crate::notes::Notes;
use crate::support::{Script, Target, people, system, until};
use crate::{D, I, Running, U, claims, quick, rename, sink_plan, start_on, start_plan};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use syncline_core::{ChangeLog, Offset, ReaderName, TableName, Topic, Transform};
use syncline_runtime::{Plan, Settings};

fn sis() -> TableName {
    TableName::table(&system("sis"), "public", "people")
}

/// From `sis.public.people` to `users` of each target.
fn straight(targets: &[(&str, &Target)]) -> Plan {
    let to = |name: &str| people(TableName::table(&system(name), "public", "users"));
    plan(targets, targets.iter().map(|(name, _)| rename(&sis(), &to(name))).collect())
}

fn plan(targets: &[(&str, &Target)], transforms: Vec<Arc<dyn Transform>>) -> Plan {
    Plan {
        sources: vec![],
        sinks: targets.iter().map(|(name, target)| sink_plan(name, target)).collect(),
        entities: vec![claims::fresh(&people(TableName::entity("person")), &transforms)],
        transforms,
        references: vec![],
        meanings: BTreeMap::new(),
        conflicts: Arc::new(claims::Noted::default()),
        gates: Arc::new(crate::gates::Asked::default()),
    }
}

fn trimming() -> Settings {
    Settings { trim_interval: Duration::from_millis(5), ..quick() }
}

fn changes() -> Topic {
    Topic::changes(&system("sis"))
}

/// Waits until what a topic holds is trimmed. Nothing else happens meanwhile: a lane at rest tells the log of its
/// progress too.
async fn until_trimmed(running: &Running, topic: &Topic) {
    let end = running.log.tail(topic).await.unwrap().next.max(Offset(1));
    let waiting = async {
        while running.log.trim(topic).await.unwrap() < end {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let trimmed = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    assert!(trimmed.is_ok(), "{topic} is not trimmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_away_at_the_first_start_misses_nothing() {
    let (lms, finance) = (Target::default(), Target::default());
    finance.away.store(1, Ordering::Relaxed);
    let plan = straight(&[("lms", &lms), ("finance", &finance)]);
    let running = start_plan(plan, trimming(), vec![]);
    running.commit(&[(I, 1, Some("Ana"))]);
    running.commit(&[(I, 2, Some("Bo"))]);
    until("both at the one", || lms.names() == ["Ana", "Bo"]).await;
    let reader = ReaderName::apply(&system("lms"), &changes());
    let told = async {
        while running.log.progress(&reader, &changes()).await.unwrap() < Some(Offset(2)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), told).await.unwrap();
    assert_eq!(running.log.trim(&changes()).await.unwrap(), Offset(0), "the other is waited for");
    finance.away.store(0, Ordering::Relaxed);
    until("both at the other", || finance.names() == ["Ana", "Bo"]).await;
    assert_eq!(running.copies.load(Ordering::Relaxed), 0, "nothing was copied twice");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_lane_gets_what_was_trimmed_before_it_came() {
    let (lms, finance) = (Target::default(), Target::default());
    let running = start_plan(straight(&[("lms", &lms)]), trimming(), vec![]);
    running.commit(&[(I, 1, Some("Ana")), (I, 2, Some("Bo"))]);
    until("both", || lms.names() == ["Ana", "Bo"]).await;
    until_trimmed(&running, &changes()).await;
    let both = straight(&[("lms", &lms), ("finance", &finance)]);
    let running = running.followed_by(both, trimming()).await;
    running.commit(&[(I, 3, Some("Cy"))]);
    until("all at the new one", || finance.names() == ["Ana", "Bo", "Cy"]).await;
    until("all at the old one", || lms.names() == ["Ana", "Bo", "Cy"]).await;
    assert_eq!(running.copies.load(Ordering::Relaxed), 1);
    let both = straight(&[("lms", &lms), ("finance", &finance)]);
    let running = running.followed_by(both, trimming()).await;
    running.commit(&[(U, 1, Some("Anna"))]);
    until("the change", || finance.names() == ["Anna", "Bo", "Cy"]).await;
    assert_eq!(running.copies.load(Ordering::Relaxed), 1, "what is known is not copied again");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_that_means_something_else_gets_all_rows_again() {
    let lms = Target::default();
    let running = start_plan(straight(&[("lms", &lms)]), trimming(), vec![]);
    running.commit(&[(I, 1, Some("Ana"))]);
    until("Ana", || lms.names() == ["Ana"]).await;
    let mut plan = straight(&[("lms", &lms)]);
    let name = plan.transforms[0].name().to_owned();
    plan.meanings.insert(name, "another statement".into());
    lms.held.lock().unwrap().rows.clear();
    let running = running.followed_by(plan, trimming()).await;
    until("Ana again", || lms.names() == ["Ana"]).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_is_gone_is_not_waited_for() {
    let (lms, finance) = (Target::default(), Target::default());
    finance.away.store(1, Ordering::Relaxed);
    let both = straight(&[("lms", &lms), ("finance", &finance)]);
    let running = start_plan(both, trimming(), vec![]);
    running.commit(&[(I, 1, Some("Ana"))]);
    until("Ana", || lms.names() == ["Ana"]).await;
    let running = running.followed_by(straight(&[("lms", &lms)]), trimming()).await;
    running.commit(&[(I, 2, Some("Bo"))]);
    until("Bo", || lms.names() == ["Ana", "Bo"]).await;
    until_trimmed(&running, &changes()).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_that_nobody_reads_is_trimmed_and_a_reader_that_comes_gets_it_all() {
    let lms = Target::default();
    let person = people(TableName::entity("person"));
    let into = rename(&sis(), &person);
    let running = start_plan(plan(&[], vec![into.clone()]), trimming(), vec![]);
    running.commit(&[(I, 1, Some("Ana"))]);
    until_trimmed(&running, &Topic::entity("person")).await;
    let users = people(TableName::table(&system("lms"), "public", "users"));
    let out = rename(person.name(), &users);
    let read = plan(&[("lms", &lms)], vec![into, out]);
    let running = running.followed_by(read, trimming()).await;
    until("Ana", || lms.names() == ["Ana"]).await;
    until_trimmed(&running, &Topic::entity("person")).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_lost_its_progress_gets_everything_again() {
    let lms = Target::default();
    let running = start_plan(straight(&[("lms", &lms)]), trimming(), vec![]);
    running.commit(&[(I, 1, Some("Ana")), (I, 2, Some("Bo"))]);
    until("both", || lms.names() == ["Ana", "Bo"]).await;
    until_trimmed(&running, &changes()).await;
    let plan = straight(&[("lms", &lms)]);
    // As a target that was made anew.
    *lms.held.lock().unwrap() = crate::support::Held::default();
    let running = running.followed_by(plan, trimming()).await;
    until("both again", || lms.names() == ["Ana", "Bo"]).await;
    assert_eq!(running.copies.load(Ordering::Relaxed), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_in_another_log_is_none_in_this_one() {
    let lms = Target::default();
    let first = start_plan(straight(&[("lms", &lms)]), trimming(), vec![]);
    for (id, name) in [(1, "Ana"), (2, "Bo"), (3, "Cy")] {
        first.commit(&[(I, id, Some(name))]);
    }
    until("three", || lms.names().len() == 3).await;
    first.stop().await;
    // A log that begins anew, and is longer than the progress before the lane is there.
    lms.away.store(1, Ordering::Relaxed);
    let second = start_plan(straight(&[("lms", &lms)]), trimming(), vec![]);
    for (id, name) in [(4, "Di"), (5, "Ed"), (6, "Flo"), (7, "Gus"), (8, "Hal")] {
        second.commit(&[(I, id, Some(name))]);
    }
    let reaches = async {
        while second.log.tail(&changes()).await.unwrap().next < Offset(5) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reaches).await.unwrap();
    lms.away.store(0, Ordering::Relaxed);
    until("all eight", || lms.names().len() == 8).await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_fell_back_is_read_again_from_there() {
    let (lms, finance) = (Target::default(), Target::default());
    // The log is not trimmed, since this one reads nothing.
    finance.away.store(1, Ordering::Relaxed);
    let both = || straight(&[("lms", &lms), ("finance", &finance)]);
    let running = start_plan(both(), trimming(), vec![]);
    running.commit(&[(I, 1, Some("Ana"))]);
    until("Ana", || lms.names() == ["Ana"]).await;
    let restored = lms.held.lock().unwrap().clone();
    running.commit(&[(I, 2, Some("Bo")), (D, 1, None)]);
    until("Bo", || lms.names() == ["Bo"]).await;
    let (log, notes) = (running.log.clone(), running.notes.clone());
    let script = running.script();
    running.stop().await;
    *lms.held.lock().unwrap() = restored;
    let running = start_on(log, notes, both(), trimming(), script);
    until("Bo again, and Ana deleted", || lms.names() == ["Bo"]).await;
    assert_eq!(running.copies.load(Ordering::Relaxed), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_ahead_of_the_log_stays_stopped_however_long_the_log_grows() {
    let lms = Target::default();
    let reader = ReaderName::apply(&system("lms"), &changes());
    let running = start_plan(straight(&[("lms", &lms)]), trimming(), vec![]);
    running.commit(&[(I, 1, Some("Ana"))]);
    until("Ana", || lms.names() == ["Ana"]).await;
    let (log, notes) = (running.log.clone(), running.notes.clone());
    let script = running.script();
    running.stop().await;
    // As if the log were one of yesterday.
    lms.held.lock().unwrap().progress.get_mut(&reader).unwrap().next.0 += 2;
    let running = start_on(log, notes, straight(&[("lms", &lms)]), trimming(), script);
    until("the lane stopped", || running.is_stopped(&reader)).await;
    for (id, name) in [(2, "Bo"), (3, "Cy"), (4, "Di")] {
        running.commit(&[(I, id, Some(name))]);
    }
    let grown = async {
        while running.log.tail(&changes()).await.unwrap().next < Offset(4) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), grown).await.unwrap();
    let running = running.followed_by(straight(&[("lms", &lms)]), trimming()).await;
    until("the lane stopped again", || running.is_stopped(&reader)).await;
    // The way out that the error names.
    lms.held.lock().unwrap().progress.remove(&reader);
    let running = running.followed_by(straight(&[("lms", &lms)]), trimming()).await;
    until("all", || lms.names() == ["Ana", "Bo", "Cy", "Di"]).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_streams_once_its_copy_is_noted() {
    let (lms, notes) = (Target::default(), Arc::new(Notes::default()));
    notes.are_held_up.store(true, Ordering::Relaxed);
    let plan = straight(&[("lms", &lms)]);
    let running = start_on(Arc::default(), notes.clone(), plan, quick(), Script::default());
    let streams = || running.registry.status(0).captures["sis"].streaming;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let streamed_before = streams();
    notes.are_held_up.store(false, Ordering::Relaxed);
    assert!(!streamed_before, "what it copied may be copied again");
    until("it streams", streams).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_hears_of_nothing_that_a_crash_of_the_target_could_take_back() {
    let lms = Target::default();
    let running = start_plan(straight(&[("lms", &lms)]), trimming(), vec![]);
    let lane = ReaderName::apply(&system("lms"), &changes());
    let told = async || running.log.progress(&lane, &changes()).await.unwrap();
    for number in 0..200 {
        running.commit(&[(I, number, Some("Ana")), (D, number, None)]);
        // Order: what is synced only grows.
        let told = told().await.unwrap_or_default();
        let synced = lms.held.lock().unwrap().synced.get(&lane).copied().unwrap_or_default();
        assert!(told <= synced, "the log was told {told}, the target is sure of {synced}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    until_trimmed(&running, &changes()).await;
    assert!(told().await > Some(Offset(0)));
    running.stop().await;
}
