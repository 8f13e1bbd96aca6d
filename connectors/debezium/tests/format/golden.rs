//! Records as Debezium's connectors write them.

use crate::show::{Kept, batch, columns, lines};
use syncline_core::Op;
use syncline_debezium::{Coordinates, Event, Settings, Snapshot, TableBuilder, TransactionMark};

#[track_caller]
fn shows(name: &str, expected: &[&str]) {
    let batch = batch(&Kept::read(name), Settings::default()).unwrap();
    assert_eq!(lines(&batch), expected);
}

#[test]
fn a_row_of_postgresql_has_its_types() {
    let batch = batch(&Kept::read("postgresql_create"), Settings::default()).unwrap();
    assert_eq!(
        columns(&batch),
        [
            "id Int32 (integer)",
            "name Utf8 (text)",
            "born Date32 (date)",
            "seen Timestamp(µs, \"UTC\") (timestamp with time zone)",
            "until Timestamp(µs) (timestamp)",
            "grade Decimal128(4, 2) (numeric(4,2))",
            "credits Utf8 (numeric)",
            "badge FixedSizeBinary(16) (uuid)",
            "extra Utf8 (json)",
            "tags Utf8 (text[])",
            "notes Utf8 (text)",
            "photo Binary (bytea)",
        ]
    );
    assert_eq!(batch.schema().key(), [0]);
    assert_eq!(batch.transactions()[0].transaction.committed_at, 1_764_064_799_500_250);
    let until = batch.columns().column(4);
    let until = arrow_array::cast::AsArray::as_primitive::<
        arrow_array::types::TimestampMicrosecondType,
    >(until);
    assert_eq!(until.value(0), i64::MAX, "infinity");
}

#[test]
fn what_toast_kept_back_is_absent() {
    let batch = batch(&Kept::read("postgresql_update"), Settings::default()).unwrap();
    let has: Vec<bool> = (0..12).map(|column| batch.presence().has(0, column)).collect();
    let absent: Vec<usize> = (0..12).filter(|&column| !has[column]).collect();
    assert_eq!(absent, [9, 10, 11], "tags, notes and photo");
    assert!(
        arrow_array::Array::is_null(batch.columns().column(5), 0),
        "grade is NULL, and is said"
    );
    assert_eq!((batch.len(), batch.op(0)), (1, Op::Update));
}

#[test]
fn a_delete_of_postgresql_says_its_key_alone() {
    shows(
        "postgresql_delete",
        &["Delete 16e92f8/0: 7 | · | · | · | · | · | · | · | · | · | · | ·"],
    );
}

#[test]
fn a_snapshot_of_postgresql_is_one() {
    let kept = Kept::read("postgresql_read");
    assert_eq!(kept.row().source.snapshot, Snapshot::Last);
    let batch = batch(&kept, Settings::default()).unwrap();
    assert_eq!(
        (batch.op(0), batch.transactions()[0].transaction.commit),
        (Op::Snapshot, 24_020_000)
    );
}

#[test]
fn mysql_updates_have_both_images() {
    let row = "annek@noanswer.org | 200 | 2025-11-25T09:59:59 | 08:30:00 | 2025-11-25T09:59:59 | \
               2025 | 1000000001 | a | x,z | 0.1";
    let after = row.replace("annek@noanswer.org | 200", "NULL | 255").replace("0.1", "NaN");
    shows(
        "mysql_update",
        &[
            &format!("Before 300000001e4/1: 1004 | {row}"),
            &format!("Update 300000001e4/1: 1004 | {after}"),
        ],
    );
    shows("mysql_delete", &[&format!("Delete 30000000325/0: 1004 | {after}")]);
    let batch = batch(&Kept::read("mysql_update"), Settings::default()).unwrap();
    assert_eq!(
        columns(&batch)[1..3],
        ["email Utf8 (varchar(255))", "flags Int16 (tinyint unsigned)"]
    );
}

#[test]
fn sql_server_updates_have_both_images() {
    let row = |amount, late| format!("1 | 2025-11-25T09:59:59.500250 | {amount} | {late} | 0.1");
    shows(
        "sqlserver_update",
        &[
            &format!("Before 27000ac00007/0: {}", row("1236.5408", false)),
            &format!("Update 27000ac00007/0: {}", row("-0.0006", true)),
        ],
    );
}

#[test]
fn oracle_rows_have_numbers_and_spans() {
    shows(
        "oracle_create",
        &["Insert 2061d7/0: 1004 | Algebra | 2025-11-25T00:00:00 | 1 hours 30 mins"],
    );
}

#[test]
fn mongodb_documents_are_texts() {
    shows(
        "mongodb_create",
        &["Insert 69257e1f00000001/0: {\"$oid\": \"596e275826f08b2730779e1f\"} | \
           {\"_id\": {\"$oid\": \"596e275826f08b2730779e1f\"},\"title\": \"Faust\"}"],
    );
    shows(
        "mongodb_delete",
        &["Delete 69257e1f00000003/0: {\"$oid\": \"596e275826f08b2730779e1f\"} | ·"],
    );
}

#[test]
fn other_records_are_told_apart() {
    let event = |name| Kept::read(name);
    let kept = event("postgresql_truncate");
    let Event::Truncate(truncated) = kept.event().unwrap() else { panic!("a truncate") };
    assert_eq!(
        (truncated.source.schema.as_deref(), truncated.source.table.as_str()),
        (Some("public"), "students")
    );
    let kept = event("postgresql_message");
    let Event::Message(message) = kept.event().unwrap() else { panic!("a message") };
    assert_eq!(
        (message.prefix.as_str(), message.content.as_deref()),
        ("syncline", Some("aGVsbG8="))
    );
    assert!(matches!(event("mysql_schema_change").event(), Ok(Event::SchemaChange)));
    assert!(matches!(
        event("heartbeat").event(),
        Ok(Event::Heartbeat { at_ms: 1_764_064_800_123 })
    ));
    let kept = event("transaction_begin");
    let Event::Transaction(TransactionMark::Begin { id }) = kept.event().unwrap() else { panic!() };
    assert_eq!(id, "771:24023128");
    let kept = event("transaction_end");
    let Event::Transaction(TransactionMark::End { event_count, tables, .. }) =
        kept.event().unwrap()
    else {
        panic!("an end")
    };
    assert_eq!(
        (event_count, tables.len(), tables[0].clone()),
        (3, 2, ("public.students".into(), 2))
    );
    for tombstone in ["null", "{\"schema\":null,\"payload\":null}"] {
        let kept = Kept::of(&format!("{{\"key\":{{\"id\":1}},\"value\":{tombstone}}}"));
        assert!(matches!(kept.event(), Ok(Event::Tombstone)));
    }
}

#[test]
fn a_row_knows_its_transaction_and_its_place() {
    let kept = Kept::read("postgresql_create");
    let row = kept.row();
    let place = row.transaction.unwrap();
    assert_eq!(
        (place.id.as_str(), place.total_order, place.data_collection_order),
        ("771:24023128", 1, 1)
    );
    assert_eq!(
        row.source.coordinates,
        Coordinates::PostgreSql {
            lsn: Some(24_023_128),
            committed_before: Some(24_023_000),
            transaction: Some(771),
            origin: None,
        }
    );
}

#[test]
fn a_record_without_its_schema_says_the_same() {
    let names = [
        "postgresql_create",
        "postgresql_update",
        "postgresql_delete",
        "mysql_update",
        "mysql_delete",
        "sqlserver_update",
        "mongodb_create",
        "mongodb_delete",
    ];
    for name in names {
        let whole = batch(&Kept::read(name), Settings::default()).unwrap();
        let bare = Kept::read(name).without_schema();
        let mut builder = TableBuilder::with_columns(whole.schema().clone(), Settings::default());
        builder.append(&bare.row()).unwrap();
        let read = builder.finish().unwrap().unwrap();
        assert_eq!(lines(&read), lines(&whole), "{name}");
        assert_eq!(read.columns(), whole.columns(), "{name}");
    }
}
