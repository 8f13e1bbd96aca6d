//! What parked rows cost, and what a person does to them.

use crate::support::{Change, Target, rows, system, until};
use crate::{D, I, Running, U, quick, start, start_with};
use std::sync::atomic::Ordering;
use std::time::Duration;
use syncline_core::{Body, Boundary, ChangeBatch, Entry, Position, ReaderName, Topic};
use syncline_runtime::{LoopState, Settings, parked_before_entity};

impl Running {
    /// One transaction of one entry.
    fn commit_together(&self, changes: &[Change]) {
        let commit = self.transactions.lock().unwrap().len() as u64 + 1;
        self.commit_batch(rows(&self.source, commit, 0, changes));
    }

    fn commit_batch(&self, rows: ChangeBatch) {
        let mut transactions = self.transactions.lock().unwrap();
        let position = Position { epoch: 1, commit: transactions.len() as u64 + 1, ordinal: 0 };
        let boundary = Some(Boundary { position, committed_at: 1_000_000 });
        transactions.push(vec![Entry { body: Body::Rows(rows), boundary }]);
    }
}

fn parked(lms: &Target) -> usize {
    lms.held.lock().unwrap().parked.len()
}

fn attempts(lms: &Target) -> Vec<u32> {
    lms.held.lock().unwrap().parked.values().map(|row| row.attempts).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_wait_are_not_read_again_at_each_round() {
    let lms = Target::default();
    lms.refused.lock().unwrap().push("Eve".into());
    let running = start(&[("lms", lms.clone())], false, vec![]);
    running.commit(&[(I, 1, Some("Eve"))]);
    until("a parked row", || parked(&lms) == 1).await;
    let reads = lms.reads.load(Ordering::Relaxed);
    until("rounds", || attempts(&lms).iter().any(|&attempts| attempts > 2)).await;
    assert_eq!(lms.reads.load(Ordering::Relaxed), reads);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_refused_again_and_again_does_not_take_others_apart() {
    let lms = Target::default();
    lms.refused.lock().unwrap().extend(["Eve".into(), "Eva".into()]);
    // Nothing is tried again by itself.
    let settings = Settings { park_retry_time: Duration::ZERO, ..quick() };
    let running = start_with(settings, &[("lms", lms.clone())], false, vec![]);
    running.commit(&[(I, 0, Some("Eve"))]);
    until("a parked row", || parked(&lms) == 1).await;
    assert_eq!(lms.writes.load(Ordering::Relaxed), 2, "with others, then by itself");
    let names: Vec<&'static str> =
        ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"].to_vec();
    let others = (10..).zip(&names).map(|(key, &name)| (I, key, Some(name)));
    let changes: Vec<Change> =
        [(U, 0, Some("Eva"))].into_iter().chain(others).chain([(U, 0, Some("Eve"))]).collect();
    running.commit_together(&changes);
    until("the others", || lms.names() == names).await;
    assert_eq!(lms.writes.load(Ordering::Relaxed), 4, "the others, then the parked row");
    assert_eq!(attempts(&lms), [0]);
    running.stop().await;
}

/// Rows of an entity have the places of many sources: what was told last counts, whatever its place.
#[tokio::test(flavor = "multi_thread")]
async fn one_refused_row_puts_no_others_out_of_their_order() {
    let lms = Target::default();
    lms.refused.lock().unwrap().push("Eve".into());
    let running = start(&[("lms", lms.clone())], false, vec![]);
    let told = [
        rows(&running.source, 90, 0, &[(I, 1, Some("before")), (I, 2, Some("Eve"))]),
        rows(&running.source, 40, 7, &[(U, 1, Some("after"))]),
        rows(&running.source, 70, 3, &[(I, 3, Some("Ana")), (D, 3, None), (I, 4, Some("Bo"))]),
    ];
    running.commit_batch(ChangeBatch::concat(&told).unwrap());
    until("all but the refused row", || parked(&lms) == 1).await;
    assert_eq!(lms.names(), ["after", "Bo"]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_come_back_soon_once_their_cause_is_gone() {
    let lms = Target::default();
    lms.away.store(0, Ordering::Relaxed);
    let names: Vec<&'static str> = (0..300).map(|name| &*format!("n{name:03}").leak()).collect();
    *lms.refused.lock().unwrap() = names.iter().map(|&name| name.to_owned()).collect();
    let settings = Settings { park_retry: Duration::from_millis(200), ..quick() };
    let running = start_with(settings, &[("lms", lms.clone())], false, vec![]);
    let changes: Vec<Change> = (0..).zip(&names).map(|(key, &name)| (I, key, Some(name))).collect();
    running.commit_together(&changes);
    until("parked rows", || parked(&lms) == 300).await;
    lms.refused.lock().unwrap().clear();
    until("all rows", || lms.names().len() == 300 && parked(&lms) == 0).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_could_not_be_noted_is_not_heard_yet() {
    let lms = Target::default();
    let running = start(&[("lms", lms.clone())], true, vec![]);
    running.notes.refuses.store(3, Ordering::Relaxed);
    running.commit(&[(I, 1, Some("bad")), (I, 2, Some("Bo"))]);
    until("the other", || lms.names() == ["Bo"]).await;
    let parked = || running.registry.status(0).lanes.values().map(|lane| lane.parked).sum::<u64>();
    until("a parked row", || parked() == 1).await;
    assert_eq!(running.notes.refuses.load(Ordering::Relaxed), 0);
    running.commit(&[(U, 1, Some("good"))]);
    until("the mended row", || lms.names() == ["good", "Bo"]).await;
    until("nothing parked", || parked() == 0).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_refused_rows_than_may_be_parked_stop_the_lane_within_their_transaction() {
    let lms = Target::default();
    let settings = Settings { parked_max: 2, apply_bytes_max: 8 << 20, ..quick() };
    let running = start_with(settings, &[("lms", lms.clone())], false, vec![]);
    let bad = |key| (I, key, Some("bad"));
    running.commit(&[(I, 1, Some("Ana")), bad(2), bad(3), bad(4), bad(5)]);
    let stopped = || {
        let status = running.registry.status(0);
        status.lanes.values().any(|lane| matches!(lane.state, LoopState::Stopped { .. }))
    };
    until("a stopped lane", stopped).await;
    assert!(lms.names().is_empty() && parked(&lms) == 0, "nothing is lost: nothing was taken");
    running.trigger.trigger();
    assert!(running.ended.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_a_person_drops_is_not_tried_again() {
    let lms = Target::default();
    lms.refused.lock().unwrap().push("Eve".into());
    let running = start(&[("lms", lms.clone())], false, vec![]);
    running.commit(&[(I, 1, Some("Eve")), (I, 2, Some("Bo"))]);
    until("a parked row", || parked(&lms) == 1).await;
    let lane = || running.registry.status(0).lanes.values().map(|lane| lane.parked).sum::<u64>();
    // A round may just have been about to set it aside again.
    until("that it is gone", || {
        lms.held.lock().unwrap().parked.clear();
        lane() == 0
    })
    .await;
    lms.refused.lock().unwrap().clear();
    running.commit(&[(I, 3, Some("Cy"))]);
    until("the next", || lms.names() == ["Bo", "Cy"]).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_taken_back_is_set_aside_no_more_though_that_could_not_be_noted() {
    let lms = Target::default();
    let running = start(&[("lms", lms.clone())], true, vec![]);
    let reader = ReaderName::resolve("person", &Topic::changes(&system("sis")));
    let set_aside = || parked_before_entity(running.notes.as_ref(), &reader).unwrap().len();
    running.commit(&[(I, 1, Some("bad")), (I, 2, Some("bad"))]);
    until("two rows are set aside", || set_aside() == 2).await;
    // What is known before the claims are committed is noted, and not what is known after it.
    running.notes.takes_first.store(1, Ordering::Relaxed);
    running.notes.refuses.store(1, Ordering::Relaxed);
    running.commit(&[(U, 1, Some("Ana"))]);
    until("it is there", || lms.names() == ["Ana"]).await;
    until("the other alone is set aside", || set_aside() == 1).await;
    assert_eq!(running.notes.refuses.load(Ordering::Relaxed), 0);
    running.commit(&[(U, 2, Some("Bo"))]);
    until("none is", || set_aside() == 0).await;
    running.stop().await;
}
