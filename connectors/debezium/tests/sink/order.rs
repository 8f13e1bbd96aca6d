//! The order that consumers hear records in, and what is said in them.

use super::scene::{Target, progress};
use std::collections::{BTreeMap, BTreeSet};
use syncline_core::conformance::sink::{batch, delete, items, whole};
use syncline_core::{Op, Sink, TargetChange};

#[tokio::test(flavor = "multi_thread")]
async fn the_records_of_a_key_are_in_one_partition_in_order() {
    let mut target = Target::new("keys");
    target.settings.partitions = 4;
    let mut sink = target.opened().await;
    for round in 0..5 {
        let changes: Vec<_> =
            (0..40).map(|id| whole(Op::Update, id, &format!("round {round}"), round)).collect();
        sink.write(&[TargetChange::Rows(batch(&changes))]).await.unwrap();
        sink.commit(&progress(1)).await.unwrap();
    }
    let mut amounts: BTreeMap<i64, Vec<(i32, i64)>> = BTreeMap::new();
    for record in target.heard() {
        assert_eq!(record.partition, of_kafka(&record.key_bytes, 4));
        let id = record.key.as_ref().unwrap()["id"].as_i64().unwrap();
        let amount = record.value.as_ref().unwrap()["after"]["amount"].as_i64().unwrap();
        amounts.entry(id).or_default().push((record.partition, amount));
    }
    assert_eq!(amounts.len(), 40);
    let mut partitions = BTreeSet::new();
    for heard in amounts.values() {
        let partition = heard[0].0;
        partitions.insert(partition);
        let expected: Vec<_> = (0..5).map(|round| (partition, round)).collect();
        assert_eq!(*heard, expected);
    }
    assert_eq!(partitions.len(), 4, "keys are spread over the partitions");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_hears_operations_as_debezium_says_them() {
    let target = Target::new("said");
    let mut sink = target.opened().await;
    let changes = [
        TargetChange::Rows(batch(&[whole(Op::Snapshot, 1, "a", 1), whole(Op::Insert, 2, "b", 2)])),
        TargetChange::Rows(batch(&[whole(Op::Update, 2, "c", 3), delete(1)])),
        TargetChange::Truncate(items()),
    ];
    let written = sink.write(&changes).await.unwrap();
    assert_eq!((written.inserted, written.updated, written.deleted), (2, 1, 1));
    sink.commit(&progress(1)).await.unwrap();
    let heard = target.heard();
    assert_eq!(heard.iter().map(|it| it.op()).collect::<Vec<_>>(), ["r", "c", "u", "d", "-", "t"]);
    let truncate = heard.last().unwrap();
    assert_eq!(truncate.key, None);
    let value = truncate.value.as_ref().unwrap();
    assert!(value["before"].is_null() && value["after"].is_null());
    assert_eq!(
        (&value["source"]["schema"], &value["source"]["table"]),
        (&"public".into(), &"items".into())
    );
    let delete = heard[3].value.as_ref().unwrap();
    assert_eq!(delete["source"]["absent"], serde_json::json!(["name", "amount"]));
}

/// What would not fit into memory at once comes all the same, and in order.
#[tokio::test(flavor = "multi_thread")]
async fn more_than_is_kept_encoded_is_written_in_order() {
    let mut target = Target::new("much");
    target.settings.kafka.unsynced_bytes = 100_000;
    let mut sink = target.opened().await;
    let rows: Vec<_> = (0..1000).map(|id| whole(Op::Insert, id, "a", id)).collect();
    let changes = [
        TargetChange::Truncate(items()),
        TargetChange::Rows(batch(&rows)),
        TargetChange::Rows(batch(&[delete(7)])),
    ];
    assert_eq!(sink.write(&changes).await.unwrap().inserted, 1000);
    sink.commit(&progress(1)).await.unwrap();
    let heard = target.heard();
    let ids: Vec<_> = heard.iter().filter_map(|it| it.key.as_ref()?["id"].as_i64()).collect();
    assert_eq!(heard.first().map(|it| it.op()), Some("t"));
    assert_eq!(ids, (0..1000).chain([7, 7]).collect::<Vec<_>>());
}

/// The partition that Kafka's own producers choose: `Utils.toPositive(Utils.murmur2(key)) % partitions`.
fn of_kafka(key: &[u8], partitions: i32) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ u32::try_from(key.len()).unwrap();
    let mut words = key.chunks_exact(4);
    for word in &mut words {
        let mut word = u32::from_le_bytes(word.try_into().unwrap()).wrapping_mul(M);
        word = (word ^ (word >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ word;
    }
    let left = words.remainder();
    if !left.is_empty() {
        let word = left.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
        hash = (hash ^ word).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^= hash >> 15;
    (hash & 0x7fff_ffff).cast_signed() % partitions
}
