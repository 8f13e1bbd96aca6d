//! Workers at a real broker: one has the project at a time.

use crate::kafka::{settings, shared};
use std::time::{Duration, Instant};
use syncline_log::{KafkaLease, KafkaSettings, Standing, worker_elsewhere};

/// Within that a member is missed and its place given away: the session's time-out is 6 s.
const MISSED: Duration = Duration::from_secs(12);

async fn works(lease: &KafkaLease) {
    let mut standing = lease.standing();
    let works = standing.wait_for(|it| matches!(it, Standing::Working));
    tokio::time::timeout(MISSED, works).await.expect("it is its turn").unwrap();
}

fn is_waiting(lease: &KafkaLease) -> bool {
    matches!(*lease.standing().borrow(), Standing::Waiting)
}

fn join(settings: &KafkaSettings, worker: &str) -> KafkaLease {
    KafkaLease::join(settings.clone(), worker).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_works_and_another_takes_over_from_it() {
    let broker = shared();
    let settings = settings(&broker, "workers");
    assert_eq!(worker_elsewhere(settings.clone(), "").unwrap(), None);
    let first = join(&settings, "first");
    works(&first).await;
    let second = join(&settings, "second");
    assert_eq!(worker_elsewhere(settings.clone(), "second").unwrap().as_deref(), Some("127.0.0.1"));
    assert_eq!(worker_elsewhere(settings.clone(), "first").unwrap(), None, "it is itself");
    // One that comes does not take it from the one that works.
    let standing = second.standing();
    let taken = tokio::time::timeout(Duration::from_secs(2), {
        let mut standing = standing.clone();
        async move { standing.wait_for(|it| matches!(it, Standing::Working)).await.map(drop) }
    });
    assert!(taken.await.is_err());
    assert!(!is_waiting(&first) && is_waiting(&second));
    drop(first);
    works(&second).await;
    // It comes back, and waits.
    let first = join(&settings, "first");
    assert!(!is_waiting(&second) && is_waiting(&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_started_again_has_its_place_still() {
    let broker = shared();
    let settings = settings(&broker, "again");
    let first = join(&settings, "first");
    works(&first).await;
    let second = join(&settings, "second");
    drop(first);
    let began = Instant::now();
    let first = join(&settings, "first");
    works(&first).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(is_waiting(&second));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_one_name_are_told_so() {
    let broker = shared();
    let settings = settings(&broker, "same");
    let first = join(&settings, "same");
    works(&first).await;
    let second = join(&settings, "same");
    works(&second).await;
    let mut standing = first.standing();
    let failed = standing.wait_for(|it| matches!(it, Standing::Failed(_)));
    let failed = tokio::time::timeout(MISSED, failed).await.expect("it is told").unwrap();
    let Standing::Failed(error) = &*failed else { panic!("it failed") };
    assert!(error.hint_text().unwrap().contains("state directory"), "{error:?}");
}
