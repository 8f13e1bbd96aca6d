//! Each refusal, once: kind, message, detail and hint, without a row's value.

use crate::show::{Kept, batch, table};
use arrow_schema::{DataType, TimeUnit};
use std::sync::Arc;
use syncline_core::{Column, Error, TableSchema};
use syncline_debezium::{BinaryMode, DecimalMode, Settings, TableBuilder, TimePrecision};

fn told(error: &Error) -> String {
    let part =
        |name, text: Option<&str>| text.map(|it| format!("\n{name}: {it}")).unwrap_or_default();
    let (detail, hint) = (part("detail", error.detail_text()), part("hint", error.hint_text()));
    format!("{}: {error}{detail}{hint}", error.kind().as_str())
}

#[track_caller]
fn value(json: &str, expected: &str) {
    let text = format!("{{\"key\":null,\"value\":{json}}}");
    assert_eq!(told(&Kept::of(&text).event().unwrap_err()), expected);
}

/// A row of one column, with its schema.
fn row(schema: &str, json: &str) -> Kept {
    Kept::of(&format!(
        "{{\"key\":null,\"value\":{{\"schema\":{{\"type\":\"struct\",\"fields\":[{{\"type\":\"struct\",\
         \"fields\":[{{\"field\":\"x\",{schema}}}],\"field\":\"after\"}}]}},\"payload\":{{\"op\":\"c\",\
         \"after\":{{\"x\":{json}}},\"source\":{{\"connector\":\"mongodb\",\"ord\":1,\"ts_ms\":0}}}}}}}}"
    ))
}

#[track_caller]
fn refuses(schema: &str, json: &str, expected: &str) {
    let error = batch(&row(schema, json), Settings::default()).unwrap_err();
    assert_eq!(told(&error), expected);
}

/// The second of two columns of one name was NULL, whatever was sent.
#[test]
fn a_column_that_is_there_twice() {
    let twice = "\"type\":\"int32\"},{\"field\":\"x\",\"type\":\"int64\"";
    refuses(
        twice,
        "1",
        "corrupt: the schema is not as Debezium writes it\n\
         detail: expected each column once, found \"x\" again",
    );
}

#[test]
fn values_that_are_no_envelope() {
    let broken = syncline_debezium::Record { key: None, value: Some(b"{\"a\":") };
    assert_eq!(
        told(&syncline_debezium::Reader::new().read(broken).unwrap_err()),
        "corrupt: the value is not as Debezium writes it\n\
         detail: expected one value of JSON, found 5 other bytes"
    );
    value(
        "[1]",
        "corrupt: the value is not as Debezium writes it\n\
        detail: expected an envelope, found an array",
    );
    value(
        "{\"id\":1,\"name\":\"x\"}",
        "corrupt: the value is not as Debezium writes it\n\
        detail: expected an envelope, a transaction's mark, a heartbeat or a schema change, found \"id\", \"name\"\n\
        hint: take the transform ExtractNewRecordState out of the connector, if it is there",
    );
    value(
        "{\"op\":\"x\"}",
        "corrupt: the operation is not as Debezium writes it\n\
        detail: expected one of c, u, d, r, t and m, found another",
    );
    value(
        "{\"op\":\"c\"}",
        "corrupt: a new row's envelope is not as Debezium writes it\n\
        detail: expected an image after, found none",
    );
    value(
        "{\"op\":\"d\"}",
        "corrupt: the envelope is not as Debezium writes it\n\
        detail: expected a block \"source\", found none",
    );
    value(
        "{\"op\":\"m\"}",
        "corrupt: a message's envelope is not as Debezium writes it\n\
        detail: expected a block \"message\", found none",
    );
    value(
        "{\"status\":\"HALF\",\"id\":\"1\"}",
        "corrupt: a transaction's status is not as Debezium writes it\n\
        detail: expected BEGIN or END, found another",
    );
    value(
        "{\"status\":\"END\",\"id\":\"1\"}",
        "corrupt: the end of a transaction is not as Debezium writes it\n\
        detail: expected counts of its events, found others",
    );
}

#[test]
fn sources_that_are_not_known() {
    value(
        "{\"op\":\"d\",\"source\":{}}",
        "corrupt: the block source is not as Debezium writes it\n\
        detail: expected the connector's kind, found none",
    );
    value(
        "{\"op\":\"d\",\"source\":{\"connector\":\"excel\",\"ts_ms\":1}}",
        "corrupt: the connector's kind is not as Debezium writes it\n\
        detail: expected postgresql, mysql, mariadb, sqlserver, oracle, mongodb or syncline, found \"excel\"",
    );
    value(
        "{\"op\":\"d\",\"source\":{\"connector\":\"mysql\",\"ts_ms\":1}}",
        "corrupt: the block source is not as Debezium writes it\n\
        detail: expected \"file\", found none",
    );
    value(
        "{\"op\":\"d\",\"source\":{\"connector\":\"postgresql\"}}",
        "corrupt: the block source is not as Debezium writes it\n\
        detail: expected a time of commit, found none",
    );
}

#[test]
fn places_that_are_too_far() {
    let place = |from: &str, to: &str| {
        let kept = Kept::read("mysql_update").with(from, to);
        told(&batch(&kept, Settings::default()).unwrap_err())
    };
    let expected = "corrupt: the place in the binlog is not as Debezium writes it\n\
        detail: expected a file numbered up to 16777215 and a position below 2^40, found others";
    assert_eq!(place("mysql-bin.000003", "mysql-bin.99000003"), expected);
    assert_eq!(place("mysql-bin.000003", "mysql-bin"), expected);
    let kept =
        Kept::read("sqlserver_update").with("00000027:00000ac0:0007", "00000027:01000000:0007");
    assert_eq!(
        told(&batch(&kept, Settings::default()).unwrap_err()),
        "corrupt: \"commit_lsn\" is not as Debezium writes it\n\
         detail: expected three hexadecimal numbers of 24, 24 and 16 bits, found another form"
    );
}

#[test]
fn columns_that_are_not_sent_exactly() {
    let of = |kind: &str| {
        format!("\"parameters\":{{\"__debezium.source.column.type\":\"{kind}\"}},\"optional\":true")
    };
    refuses(
        &format!("\"type\":\"double\",{}", of("NUMERIC")),
        "1.5",
        "config: column \"x\" is not sent exactly\n\
        detail: it is sent as a floating-point number, and is a decimal\n\
        hint: set decimal.handling.mode=precise",
    );
    refuses(
        &format!("\"type\":\"int64\",{}", of("BIGINT UNSIGNED")),
        "1",
        "config: column \"x\" is not sent exactly\n\
        detail: it is sent as a signed number of 64 bits, and is unsigned\n\
        hint: set bigint.unsigned.handling.mode=precise",
    );
    refuses(
        "\"type\":\"int64\",\"name\":\"io.debezium.time.MicroDuration\"",
        "1",
        "config: column \"x\" is not sent exactly\n\
        detail: it is sent as a number, and may have months\n\
        hint: set interval.handling.mode=string",
    );
    refuses(
        "\"type\":\"int64\",\"name\":\"org.apache.kafka.connect.data.Timestamp\"",
        "1",
        "config: column \"x\" is not sent exactly\n\
        detail: it is sent as milliseconds, and may be finer\n\
        hint: set time.precision.mode=adaptive, or column.propagate.source.type to show that it is not",
    );
    refuses(
        &format!("\"type\":\"string\",{}", of("BYTEA")),
        "\"AA==\"",
        "config: column \"x\" is not sent exactly\n\
        detail: it is sent as a text, and holds bytes\n\
        hint: set binary to the connector's binary.handling.mode, or that to bytes",
    );
    refuses(
        "\"type\":\"bytes\",\"name\":\"io.debezium.data.Bits\",\"parameters\":{\"length\":\"2147483647\"}",
        "\"AA==\"",
        "config: column \"x\" is not sent exactly\n\
        detail: it is sent as bits without their number, and that varies\n\
        hint: leave it out by column.exclude.list: no setting sends it",
    );
    let kept = Kept::read("mongodb_update");
    assert_eq!(
        told(&batch(&kept, Settings::default()).unwrap_err()),
        "config: column \"document\" is not sent exactly\n\
        detail: it is sent as what an update changed in it\n\
        hint: set capture.mode=change_streams_update_full"
    );
}

#[test]
fn columns_are_exact_where_the_connector_shows_it() {
    let milliseconds = "\"type\":\"int64\",\"name\":\"org.apache.kafka.connect.data.Timestamp\",\
        \"parameters\":{\"__debezium.source.column.type\":\"DATETIME\",\"__debezium.source.column.length\":\"3\"}";
    assert!(batch(&row(milliseconds, "1"), Settings::default()).is_ok());
    let bytes = "\"type\":\"string\",\"parameters\":{\"__debezium.source.column.type\":\"BYTEA\"}";
    for (mode, text) in
        [(BinaryMode::Base64, "_-8="), (BinaryMode::Base64UrlSafe, "+/8="), (BinaryMode::Hex, "0")]
    {
        let settings = Settings { binary: mode, ..Settings::default() };
        assert!(batch(&row(bytes, &format!("\"{text}\"")), settings.clone()).is_err(), "{mode:?}");
        let right = match mode {
            BinaryMode::Base64 => "+/8=",
            BinaryMode::Base64UrlSafe => "-_8=",
            _ => "fbff",
        };
        let read = batch(&row(bytes, &format!("\"{right}\"")), settings).unwrap();
        let column = read.columns().column(0);
        assert_eq!(arrow_array::cast::AsArray::as_binary::<i32>(column).value(0), [0xfb, 0xff]);
    }
}

#[test]
fn values_that_have_no_place() {
    refuses(
        "\"type\":\"int64\",\"name\":\"io.debezium.time.NanoTimestamp\"",
        "1234567",
        "rejected: a value of column \"x\" can't be carried exactly\n\
        detail: times are carried in microseconds, and this one is finer",
    );
    refuses(
        "\"type\":\"int64\",\"name\":\"io.debezium.time.MicroTime\"",
        "-1",
        "rejected: a value of column \"x\" can't be carried exactly\n\
        detail: times are carried from 00:00 to 24:00",
    );
    refuses(
        "\"type\":\"int32\",\"name\":\"io.debezium.time.Date\"",
        "-2440551",
        "rejected: a value of column \"x\" can't be carried exactly\n\
        detail: dates are carried from 4713 BC to 5874897",
    );
    refuses(
        "\"type\":\"int16\"",
        "40000",
        "corrupt: column \"x\" is not as Debezium writes it\n\
        detail: expected a whole number of its column's size, found a number that is none",
    );
    refuses(
        "\"type\":\"string\"",
        "null",
        "corrupt: column \"x\" is not as Debezium writes it\n\
        detail: expected a value, found null",
    );
    refuses(
        "\"type\":\"string\"",
        "{\"secret\":1}",
        "corrupt: column \"x\" is not as Debezium writes it\n\
        detail: expected a text, found an object that is none",
    );
    refuses(
        "\"type\":\"array\"",
        "[]",
        "corrupt: the schema of column \"x\" is not as Debezium writes it\n\
        detail: expected the schema of its elements, found none",
    );
}

#[test]
fn rows_without_columns() {
    let kept = Kept::of(
        "{\"key\":null,\"value\":{\"op\":\"c\",\"after\":{\"x\":1},\
        \"source\":{\"connector\":\"postgresql\",\"lsn\":1,\"ts_ms\":1}}}",
    );
    let mut builder = TableBuilder::new(table(), Settings::default());
    assert_eq!(
        told(&builder.append(&kept.row()).unwrap_err()),
        "config: records of sis.public.students come without a schema\n\
        detail: nothing says what their columns are\n\
        hint: set value.converter.schemas.enable=true, or give the table's columns"
    );
    let none = syncline_core::TableSchema::new(table(), 1, Vec::new(), Vec::new());
    let mut builder = TableBuilder::with_columns(std::sync::Arc::new(none), Settings::default());
    assert_eq!(
        told(&builder.append(&kept.row()).unwrap_err()),
        "config: a row of sis.public.students has a column that is not known\n\
        detail: expected the columns of its schema, found \"x\" beside them\n\
        hint: set value.converter.schemas.enable=true, or give all of the table's columns"
    );
}

/// A table of one column, whose records have no schema.
fn given(data_type: DataType, native: &str, settings: Settings, value: &str) -> String {
    let column = Column {
        name: "x".into(),
        id: 0,
        data_type,
        native_type: native.into(),
        nullable: true,
        has_default: false,
        generated: false,
    };
    let schema = Arc::new(TableSchema::new(table(), 1, vec![column], Vec::new()));
    let kept = Kept::of(&format!(
        "{{\"key\":null,\"value\":{{\"op\":\"c\",\"after\":{{\"x\":{value}}},\
         \"source\":{{\"connector\":\"postgresql\",\"lsn\":1,\"ts_ms\":1}}}}}}"
    ));
    match TableBuilder::with_columns(schema, settings).append(&kept.row()) {
        Ok(_) => "fine".into(),
        Err(error) => told(&error),
    }
}

#[test]
fn settings_that_lose_something() {
    let settings = |time, decimal| Settings { time, decimal, ..Settings::default() };
    let double = settings(TimePrecision::Adaptive, DecimalMode::Double);
    assert_eq!(
        given(DataType::Decimal128(5, 2), "numeric(5,2)", double, "1.5"),
        "config: column \"x\" is not sent exactly\n\
         detail: it is sent as a floating-point number, and is a decimal\n\
         hint: set decimal.handling.mode=precise"
    );
    let connect = || settings(TimePrecision::Connect, DecimalMode::Precise);
    let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
    let fine = "timestamp(3) without time zone";
    assert_eq!(given(timestamp.clone(), fine, connect(), "1"), "fine");
    assert_eq!(
        given(timestamp, "timestamp without time zone", connect(), "1"),
        "config: column \"x\" is not sent exactly\n\
         detail: it is sent as milliseconds, and is finer\n\
         hint: set time.precision.mode=adaptive"
    );
}

#[test]
fn columns_that_can_not_be_told() {
    assert_eq!(
        given(DataType::Utf8, "date[]", Settings::default(), "[1]"),
        "config: the elements of column \"x\" can't be told without a schema\n\
         detail: they are of type date\n\
         hint: set value.converter.schemas.enable=true"
    );
    assert_eq!(
        given(DataType::UInt8, "oid", Settings::default(), "1"),
        "config: column \"x\" has a type that no record has\n\
         detail: its type is UInt8"
    );
}

#[test]
fn schemas_that_are_none() {
    let with = |schema: &str| {
        format!("{{\"schema\":{schema},\"payload\":{{\"op\":\"c\",\"after\":{{}}}}}}")
    };
    value(
        &with("{\"type\":\"decimal\"}"),
        "corrupt: the value's schema is not as Debezium writes it\n\
         detail: expected a schema of Kafka Connect, found an object",
    );
    value(
        &with("{\"type\":\"struct\"}"),
        "corrupt: the value's schema is not as Debezium writes it\n\
         detail: expected a field \"after\", found none",
    );
    refuses(
        "\"type\":\"bytes\",\"name\":\"org.apache.kafka.connect.data.Decimal\"",
        "\"AA==\"",
        "corrupt: the schema of column \"x\" is not as Debezium writes it\n\
         detail: expected a decimal's scale, found none",
    );
}

#[test]
fn parts_that_do_not_belong_together() {
    let change = |key: &str, op: char, images: &str, more: &str| {
        Kept::of(&format!(
            "{{\"key\":{key},\"value\":{{\"op\":\"{op}\",{images},\"source\":{{\
             \"connector\":\"mysql\",\"file\":\"b.1\",\"pos\":1,\"row\":0,\"ts_ms\":1}}{more}}}}}"
        ))
    };
    let column = |name: &str| Column {
        name: name.into(),
        id: 0,
        data_type: DataType::Int32,
        native_type: "integer".into(),
        nullable: true,
        has_default: false,
        generated: false,
    };
    let schema = Arc::new(TableSchema::new(table(), 1, vec![column("x")], Vec::new()));
    let refusal = |kept: Kept| {
        let mut builder = TableBuilder::with_columns(schema.clone(), Settings::default());
        told(&builder.append(&kept.row()).unwrap_err())
    };
    assert_eq!(
        refusal(change("{\"y\":1}", 'c', "\"after\":{\"x\":1}", "")),
        "corrupt: the key is not as Debezium writes it\n\
         detail: expected columns of the row alone, found \"y\""
    );
    assert_eq!(
        refusal(change("null", 'u', "\"before\":{\"x\":1}", "")),
        "corrupt: an update's envelope is not as Debezium writes it\n\
         detail: expected an image after, found none"
    );
    assert_eq!(
        refusal(change("null", 'd', "\"before\":null", "")),
        "corrupt: a delete's record is not as Debezium writes it\n\
         detail: expected a key or an image before, found neither"
    );
    assert_eq!(
        refusal(change("null", 'c', "\"after\":[1]", "")),
        "corrupt: a row's image is not as Debezium writes it\n\
         detail: expected an object, found an array"
    );
    let place = change("null", 'c', "\"after\":{\"x\":1}", ",\"transaction\":{\"id\":\"1\"}");
    assert_eq!(
        told(&place.event().unwrap_err()),
        "corrupt: the block transaction is not as Debezium writes it\n\
         detail: expected id, total_order and data_collection_order, found others"
    );
    let kept = Kept::read("mongodb_create").without_key();
    assert_eq!(
        told(&batch(&kept, Settings::default()).unwrap_err()),
        "corrupt: a document's record is not as Debezium writes it\n\
         detail: expected a key, found none"
    );
}
