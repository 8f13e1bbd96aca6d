//! What holds for all batches and all bytes.

use crate::sample;
use crate::show::{Kept, table};
use proptest::prelude::*;
use syncline_core::{ChangeBatch, Op};
use syncline_debezium::{
    DecimalMode, Event, Reader, Record, Settings, TableBuilder, TimePrecision, Writer, Written,
};

/// Reads records back into one batch.
fn read(records: &[Written], mut builder: TableBuilder) -> ChangeBatch {
    let mut reader = Reader::new();
    for written in records {
        let record = Record { key: written.key.as_deref(), value: written.value.as_deref() };
        match reader.read(record).unwrap() {
            Event::Row(change) => assert!(builder.append(&change).unwrap().is_none(), "one batch"),
            Event::Tombstone => assert!(written.value.is_none()),
            other => panic!("a row or a tombstone, not {other:?}"),
        }
    }
    builder.finish().unwrap().unwrap()
}

#[track_caller]
fn same(read: &ChangeBatch, written: &ChangeBatch) {
    assert_eq!(read.schema(), written.schema());
    assert_eq!(read.ops(), written.ops());
    assert_eq!(read.ordinals(), written.ordinals());
    assert!(read.row_transactions().eq(written.row_transactions()), "transactions");
    for row in 0..read.len() {
        assert_eq!(read.mask(row), written.mask(row), "presence of row {row}");
    }
    for (column, (read, written)) in
        read.columns().columns().iter().zip(written.columns().columns()).enumerate()
    {
        assert_eq!(read, written, "column {column}");
    }
}

/// How a connector would be set up that writes as [`Writer`] does.
fn as_written(decimal: DecimalMode) -> Settings {
    Settings { time: TimePrecision::Microseconds, decimal, ..Settings::default() }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(seeds in sample::seeds()) {
        let batch = sample::batch(&seeds, false);
        let records = Writer::new("sis").write(&batch, 1_764_064_800_123).unwrap();
        same(&read(&records, TableBuilder::new(table(), Settings::default())), &batch);
    }

    #[test]
    fn decimals_as_texts_can_be_anything(seeds in sample::seeds()) {
        let batch = sample::batch(&seeds, true);
        let mut writer = Writer::new("sis").decimals_as_text();
        let records = writer.write(&batch, 0).unwrap();
        let settings = as_written(DecimalMode::String);
        same(&read(&records, TableBuilder::new(table(), settings)), &batch);
    }

    #[test]
    fn records_with_and_without_schema_agree(seeds in sample::seeds(), as_text: bool) {
        let batch = sample::batch(&seeds, as_text);
        let (writer, mode) = match as_text {
            true => (Writer::new("sis").decimals_as_text(), DecimalMode::String),
            false => (Writer::new("sis"), DecimalMode::Precise),
        };
        let records = writer.without_schema().write(&batch, 0).unwrap();
        let builder = TableBuilder::with_columns(sample::schema(), as_written(mode));
        same(&read(&records, builder), &batch);
    }

    #[test]
    fn mutated_records_are_no_panic(
        file in 0..RECORDS.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..8),
        of_key: bool,
    ) {
        let kept = Kept::read(RECORDS[file]);
        let record = kept.record();
        let mut key = record.key.unwrap_or_default().to_vec();
        let mut value = record.value.unwrap_or_default().to_vec();
        let bytes = if of_key && !key.is_empty() { &mut key } else { &mut value };
        for (place, byte, kind) in edits {
            if bytes.is_empty() { break }
            let at = place.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => { bytes.remove(at); }
                _ => bytes.insert(at, b"0123456789-\"{}[],:tfn.eE"[usize::from(byte) % 24]),
            }
        }
        take(Some(&key), Some(&value));
        agrees(kept.record(), Record { key: Some(&key), value: Some(&value) });
    }

    #[test]
    fn any_bytes_are_no_panic(
        key in prop::collection::vec(any::<u8>(), 0..40),
        value in prop::collection::vec(any::<u8>(), 0..80),
        json in "[\\[\\]{}:,\"a-z0-9.eE+-]{0,60}",
    ) {
        take(Some(&key), Some(&value));
        take(None, Some(json.as_bytes()));
    }
}

/// Every member of a payload, with every other value in its place.
#[test]
fn other_values_in_the_place_of_a_value_are_no_panic() {
    for name in RECORDS {
        let kept = Kept::read(name);
        let text = String::from_utf8(kept.record().value.unwrap().to_vec()).unwrap();
        let payload = text.find("\"payload\"").unwrap();
        for (place, _) in text.match_indices(": ").filter(|it| it.0 > payload) {
            let at = place + 2;
            let end = text[at..].find([',', '\n']).map_or(text.len(), |end| at + end);
            for other in OTHERS {
                let other = format!("{}{other}{}", &text[..at], &text[end..]);
                take(kept.record().key, Some(other.as_bytes()));
            }
        }
    }
}

#[test]
fn a_known_beginning_passes_nothing_that_is_none() {
    for name in RECORDS {
        let kept = Kept::read(name);
        let value = kept.record().value.unwrap();
        let (_, cut) = value.split_last().unwrap();
        let ends: [&[u8]; 7] = [b"", b"]", b" ", b"} ", b"}}", b"x", b",\"a\":1}"];
        for end in ends {
            let other = [cut, end].concat();
            agrees(kept.record(), Record { key: kept.record().key, value: Some(&other) });
        }
    }
}

/// Values that a record may hold where another is expected.
const OTHERS: [&str; 16] = [
    "null",
    "true",
    "0",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "1e999",
    "\"\"",
    "\"2025-13-45T99:99:99Z\"",
    "\"P9999999999Y\"",
    "[]",
    "{}",
    "[[[1]]]",
    "99999999999999999999",
    "{\"scale\":2147483647,\"value\":\"AQ==\"}",
    "\"-2147483648\"",
];

const RECORDS: [&str; 17] = [
    "heartbeat",
    "mongodb_create",
    "mongodb_delete",
    "mongodb_update",
    "mysql_delete",
    "mysql_schema_change",
    "mysql_update",
    "oracle_create",
    "postgresql_create",
    "postgresql_delete",
    "postgresql_message",
    "postgresql_read",
    "postgresql_truncate",
    "postgresql_update",
    "sqlserver_update",
    "transaction_begin",
    "transaction_end",
];

/// A reader that has seen another record finds in this one what one that has not does.
#[track_caller]
fn agrees(seen: Record<'_>, record: Record<'_>) {
    let mut reader = Reader::new();
    reader.read(seen).unwrap();
    let told = |event: syncline_core::Result<Event<'_>>| format!("{event:?}");
    assert_eq!(told(reader.read(record)), told(Reader::new().read(record)));
}

/// Takes a record as far as it goes.
fn take(key: Option<&[u8]>, value: Option<&[u8]>) {
    let Ok(Event::Row(change)) = Reader::new().read(Record { key, value }) else { return };
    let mut builder = TableBuilder::new(table(), Settings::default());
    if builder.append(&change).is_ok() {
        builder.finish().unwrap().unwrap();
    }
    let mut builder = TableBuilder::with_columns(sample::schema(), Settings::default());
    let _ = builder.append(&change);
}

#[test]
fn deep_values_and_schemas_do_not_overflow() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("{\"type\":\"array\",\"items\":", "}")] {
        let deep = format!("{}1{}", open.repeat(200_000), close.repeat(200_000));
        take(Some(deep.as_bytes()), Some(deep.as_bytes()));
        let value = format!(
            "{{\"schema\":{deep},\"payload\":{{\"op\":\"c\",\"after\":{{\"text\":{deep}}}}}}}"
        );
        take(None, Some(value.as_bytes()));
        let source = "{\"connector\":\"postgresql\",\"lsn\":1,\"ts_ms\":1}";
        let value =
            format!("{{\"op\":\"c\",\"after\":{{\"numbers\":{deep}}},\"source\":{source}}}");
        take(None, Some(value.as_bytes()));
    }
}

#[test]
fn a_delete_is_followed_by_its_tombstone() {
    let seed = || sample::seeds().prop_map(|seeds| sample::batch(&seeds, false));
    proptest!(|(batch in seed())| {
        let records = Writer::new("sis").write(&batch, 0).unwrap();
        let deletes = (0..batch.len()).filter(|&row| batch.op(row) == Op::Delete).count();
        let befores = (0..batch.len()).filter(|&row| batch.op(row) == Op::Before).count();
        prop_assert_eq!(records.len(), batch.len() - befores + deletes);
        for pair in records.windows(2) {
            if pair[1].value.is_none() {
                prop_assert_eq!(&pair[0].key, &pair[1].key);
            }
        }
    });
}
