//! What can't be written, and what is left of the transaction then.

use super::scene::{Target, progress, reader};
use syncline_core::conformance::same_batch;
use syncline_core::conformance::sink::{ItemChange, batch, items, system, whole};
use syncline_core::{Kind, Offset, Op, ParkKey, Parked, Sink, Stage, TargetChange};
use syncline_debezium::{Absent, Asked, DebeziumSink, ask_parked};

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

fn parked(key: &str) -> Parked {
    Parked {
        key: ParkKey { mapping: "m.sql".into(), stage: Stage::Write, key: key.into() },
        table: items().name().to_string(),
        image: batch(&[whole(Op::Insert, 1, "a", 1)]),
        reason: "too long".into(),
        culprit: None,
        hint: None,
        offset: Offset(1),
        attempts: 5,
    }
}

/// Whoever asks does not take the reader's place.
#[tokio::test(flavor = "multi_thread")]
async fn rows_set_aside_are_tried_again_or_forgotten_when_somebody_asks() {
    let target = Target::new("asked");
    let mut sink = target.opened().await;
    let rows = ["[\"1\"]", "[\"2\"]", "[\"3\"]"].map(parked);
    sink.park(&rows, &[]).await.unwrap();
    sink.commit(&progress(1)).await.unwrap();
    let keys = rows.map(|row| row.key);
    let ask = async |keys: &[ParkKey], asked| {
        let (settings, keys) = (target.settings.clone(), keys.to_vec());
        let ask = move || ask_parked(&system(), &settings, &reader(), &keys, asked);
        tokio::task::spawn_blocking(ask).await.unwrap().unwrap();
    };
    let attempts = async |sink: &mut DebeziumSink| {
        let marks = sink.park_marks().await.unwrap();
        marks.into_iter().map(|it| (it.key.key, it.attempts)).collect::<Vec<_>>()
    };
    let named = |key: &str, attempts| (key.to_owned(), attempts);
    ask(&keys[..1], Asked::Replay).await;
    ask(&keys[1..2], Asked::Drop).await;
    assert_eq!(attempts(&mut sink).await, [named("[\"1\"]", 0), named("[\"3\"]", 5)]);
    assert_eq!(sink.parked().await.unwrap().len(), 2);
    // It was tried again in vain, and another is asked for in the open transaction.
    sink.park(&[Parked { attempts: 1, ..parked("[\"1\"]") }], &[]).await.unwrap();
    ask(&keys[2..], Asked::Replay).await;
    sink.commit(&progress(2)).await.unwrap();
    assert_eq!(attempts(&mut sink).await, [named("[\"1\"]", 1), named("[\"3\"]", 0)]);
    // All of it is known to whoever comes next, and what was forgotten may be set aside anew.
    let mut next = target.opened().await;
    assert_eq!(attempts(&mut next).await, [named("[\"1\"]", 1), named("[\"3\"]", 0)]);
    next.park(&[parked("[\"2\"]")], &keys[2..]).await.unwrap();
    next.commit(&progress(3)).await.unwrap();
    let mut last = target.opened().await;
    assert_eq!(attempts(&mut last).await, [named("[\"1\"]", 1), named("[\"2\"]", 5)]);
    assert_eq!(last.parked().await.unwrap().len(), 2);
}

/// It is refused because it is too long for a record, and kept in records all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_too_long_for_a_record_can_be_set_aside() {
    let mut target = Target::new("pieces");
    target.settings.kafka.message_bytes_max = 20_000;
    let mut sink = target.opened().await;
    let long = |attempts: u32, length| Parked {
        image: batch(&[whole(Op::Insert, 1, &"x".repeat(length), attempts.into())]),
        attempts,
        ..parked("[\"1\"]")
    };
    for (attempts, length) in [(1, 100_000), (2, 30_000), (3, 10)] {
        let row = long(attempts, length);
        sink.park(std::slice::from_ref(&row), &[]).await.unwrap();
        sink.commit(&progress(1)).await.unwrap();
        let found = target.opened().await.parked().await.unwrap();
        assert_eq!(found.len(), 1);
        assert!(same_batch(&found[0].image, &row.image), "{length}");
        sink = target.opened().await;
    }
    sink.park(&[], &[parked("[\"1\"]").key]).await.unwrap();
    sink.commit(&progress(2)).await.unwrap();
    assert!(target.opened().await.parked().await.unwrap().is_empty());
}
