//! Sources whose clocks are ahead.

use crate::support::{Change, Target, transaction, until};
use crate::{I, Running, start};
use syncline_core::{Body, ChangeBatch, ChangeLog as _, Entry, Offset, SystemName, Topic};

/// The tests' clock stands at 1.0005 s; half a second may lie between.
const LATEST: i64 = 1_500_500;

/// A transaction by a clock of its own.
fn commit_at(running: &Running, committed_at: i64, changes: &[Change]) {
    let mut transactions = running.transactions.lock().unwrap();
    let commit = transactions.len() as u64 + 1;
    let mut entries = transaction(&running.source, commit, changes);
    entries.iter_mut().for_each(|entry| set_time(entry, committed_at));
    transactions.push(entries);
}

fn set_time(entry: &mut Entry, committed_at: i64) {
    if let Some(boundary) = &mut entry.boundary {
        boundary.committed_at = committed_at;
    }
    if let Body::Rows(batch) = &mut entry.body {
        let mut runs = batch.transactions().to_vec();
        runs.iter_mut().for_each(|run| run.transaction.committed_at = committed_at);
        *batch = ChangeBatch::try_new(
            batch.schema().clone(),
            batch.columns().columns().to_vec(),
            batch.ops().clone(),
            batch.ordinals().clone(),
            runs,
            batch.presence().clone(),
        )
        .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_can_not_be_right_yet_is_taken_back_and_told() {
    let lms = Target::default();
    let running = start(&[("lms", lms.clone())], false, vec![]);
    running.commit(&[(I, 1, Some("Ana"))]);
    commit_at(&running, 9_000_000_000, &[(I, 2, Some("Bo"))]);
    commit_at(&running, 8_000_000_000, &[(I, 3, Some("Cy"))]);
    until("all", || lms.names().len() == 3).await;
    let topic = Topic::changes(&SystemName::new("sis"));
    let records = running.log.read(&topic, Offset(0), usize::MAX).await.unwrap();
    let mut times = Vec::new();
    for record in &records {
        if let Body::Rows(batch) = &record.entry.body {
            times.extend(batch.row_transactions().map(|of| of.committed_at));
        }
        let boundary = record.entry.boundary.map(|boundary| boundary.committed_at);
        assert!(boundary.is_none_or(|at| at <= LATEST), "{boundary:?}");
    }
    assert_eq!(times, [1_000_000, LATEST, LATEST]);
    let notices = running.registry.status(0).captures["sis"].notices.clone();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].starts_with("the clock of sis is 8999.0 s ahead of ours"), "{notices:?}");
    running.stop().await;
}
