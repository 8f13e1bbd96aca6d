//! Who may write, and what becomes of what was left open.

use super::scene::{Target, progress, reader};
use syncline_core::conformance::sink::{batch, delete, whole};
use syncline_core::{Kind, LogId, Op, Progress, Sink, TargetChange};

fn row(id: i64, name: &str) -> [TargetChange; 1] {
    [TargetChange::Rows(batch(&[whole(Op::Insert, id, name, id)]))]
}

/// A process that is killed leaves its transaction as it is: nothing is given up in an orderly way.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_left_open_is_never_heard() {
    let target = Target::new("killed");
    let mut killed = target.opened().await;
    killed.write(&row(1, "first")).await.unwrap();
    killed.commit(&progress(1)).await.unwrap();
    killed.write(&row(2, "never")).await.unwrap();
    std::mem::forget(killed);
    assert_eq!(target.heard().len(), 1);
    let mut next = target.new_sink();
    assert_eq!(next.open(&reader()).await.unwrap(), Some(progress(1)));
    next.write(&row(3, "third")).await.unwrap();
    next.commit(&progress(2)).await.unwrap();
    assert_eq!(target.items().into_keys().collect::<Vec<_>>(), [1, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_process_commits_nothing_and_does_not_take_its_place_back() {
    let target = Target::new("late");
    let mut late = target.opened().await;
    late.write(&row(1, "late")).await.unwrap();
    let mut next = target.opened().await;
    next.write(&row(2, "next")).await.unwrap();
    let refused = late.commit(&progress(9)).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Fenced, "{refused}");
    assert_eq!(late.open(&reader()).await.unwrap_err().kind(), Kind::Fenced);
    assert_eq!(late.rollback().await.unwrap_err().kind(), Kind::Fenced);
    next.commit(&progress(1)).await.unwrap();
    assert_eq!(target.items().into_keys().collect::<Vec<_>>(), [2]);
    assert_eq!(next.open(&reader()).await.unwrap(), Some(progress(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_never_goes_back_in_the_same_log() {
    let target = Target::new("back");
    let mut sink = target.opened().await;
    sink.commit(&progress(7)).await.unwrap();
    sink.write(&row(1, "a")).await.unwrap();
    sink.commit(&progress(3)).await.unwrap();
    assert_eq!(sink.open(&reader()).await.unwrap(), Some(progress(7)));
    let other = Progress { log: LogId(6), ..progress(2) };
    sink.commit(&other).await.unwrap();
    assert_eq!(target.new_sink().open(&reader()).await.unwrap(), Some(other));
    assert_eq!(target.items().len(), 1);
}

/// Readers of one target have a place each: they do not keep one another from writing.
#[tokio::test(flavor = "multi_thread")]
async fn readers_of_one_target_write_beside_each_other() {
    let target = Target::new("beside");
    let other = syncline_core::ReaderName::apply(
        &syncline_core::conformance::sink::system(),
        &syncline_core::Topic::entity("person"),
    );
    let (mut one, mut two) = (target.opened().await, target.new_sink());
    assert_eq!(two.open(&other).await.unwrap(), None);
    one.write(&row(1, "one")).await.unwrap();
    two.write(&row(2, "two")).await.unwrap();
    one.commit(&progress(1)).await.unwrap();
    two.write(&[TargetChange::Rows(batch(&[delete(7)]))]).await.unwrap();
    two.commit(&progress(5)).await.unwrap();
    assert_eq!(target.items().into_keys().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(two.open(&other).await.unwrap(), Some(progress(5)));
}
