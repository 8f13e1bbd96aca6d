//! What can't be written, and what is left of the transaction then.

use super::scene::{Target, progress};
use syncline_core::conformance::sink::{ItemChange, batch, items, whole};
use syncline_core::{Kind, Op, Sink, TargetChange};
use syncline_debezium::Absent;

fn rows(changes: &[ItemChange]) -> [TargetChange; 1] {
    [TargetChange::Rows(batch(changes))]
}

/// The first rows of a write that is refused are not sent either.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_too_long_leaves_the_transaction_as_it_was() {
    let target = Target::new("long");
    target.make(1, &[("max.message.bytes", "20000")]);
    let mut sink = target.opened().await;
    sink.write(&rows(&[whole(Op::Insert, 1, "a", 1)])).await.unwrap();
    let long = "x".repeat(20_000);
    let changes = [
        TargetChange::Rows(batch(&[whole(Op::Insert, 2, "b", 2)])),
        TargetChange::Rows(batch(&[whole(Op::Insert, 3, &long, 3)])),
    ];
    let refused = sink.write(&changes).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Rejected, "{refused}");
    let detail = refused.detail_text().unwrap();
    assert!(detail.contains("its key is (id)") && !detail.contains("xxx"), "{detail}");
    assert!(refused.hint_text().unwrap().contains("max.message.bytes"));
    sink.write(&rows(&[whole(Op::Insert, 4, "d", 4)])).await.unwrap();
    sink.commit(&progress(1)).await.unwrap();
    assert_eq!(target.items().into_keys().collect::<Vec<_>>(), [1, 4]);
}

fn part(id: i64, name: Option<&str>, amount: Option<i64>) -> ItemChange {
    let name = name.map(|name| Some(name.to_owned()));
    ItemChange { op: Op::Update, id, name, amount: amount.map(Some) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_not_whole_is_refused_or_has_the_placeholder() {
    let mut target = Target::new("parts");
    let mut sink = target.opened().await;
    let refused = sink.write(&rows(&[part(1, None, Some(2))])).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Rejected);
    assert!(refused.hint_text().unwrap().contains("placeholder"), "{refused:?}");

    target.settings.absent = Absent::Placeholder;
    let mut sink = target.opened().await;
    sink.write(&rows(&[part(1, None, Some(2))])).await.unwrap();
    // Nothing can stand for a number.
    let refused = sink.write(&rows(&[part(1, Some("a"), None)])).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Rejected);
    sink.commit(&progress(1)).await.unwrap();
    let expected = (Some("__debezium_unavailable_value".to_owned()), Some(2));
    assert_eq!(target.items().get(&1), Some(&expected));
}

/// Where a truncate could take what came after it, or would be refused by the broker, it is not sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_truncate_is_written_only_where_it_has_a_place() {
    let partitioned = Target::new("partitioned");
    partitioned.make(3, &[]);
    let compacted = Target::new("compacted");
    compacted.make(1, &[("cleanup.policy", "compact")]);
    for target in [partitioned, compacted] {
        let mut sink = target.opened().await;
        sink.write(&rows(&[whole(Op::Insert, 1, "a", 1)])).await.unwrap();
        let refused = sink.write(&[TargetChange::Truncate(items())]).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Config, "{refused}");
        assert!(refused.hint_text().is_some());
        sink.commit(&progress(1)).await.unwrap();
        assert_eq!(target.items().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_kafka_refuses_is_told_with_the_setting() {
    let mut target = Target::new("named");
    target.settings.topic_prefix = "Universität".into();
    let mut sink = target.opened().await;
    let refused = sink.write(&rows(&[whole(Op::Insert, 1, "a", 1)])).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Config);
    assert_eq!(refused.hint_text(), Some("set topic_prefix in [systems.target]"));
}
