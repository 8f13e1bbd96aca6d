//! What is written, as a consumer sees it, and what can't be.

use crate::show::table;
use arrow_array::{
    ArrayRef, Decimal128Array, Int32Array, Int64Array, StringArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{DataType, TimeUnit};
use serde_json::{Value, json};
use std::sync::Arc;
use syncline_core::{
    ChangeBatch, Column, ColumnMask, Op, Presence, TableName, TableSchema, Transaction,
    TransactionRun,
};
use syncline_debezium::{Writer, Written};

fn column(name: &str, data_type: DataType, native: &str) -> Column {
    Column {
        name: name.into(),
        id: 0,
        data_type,
        native_type: native.into(),
        nullable: name != "id",
        has_default: false,
        generated: false,
    }
}

/// The names of rows with these ids.
fn ids(ops: &[Op], ids: Vec<i32>) -> ChangeBatch {
    let values: StringArray = ops.iter().map(|_| Some("Zoë")).collect();
    rows(table(), column("name", DataType::Utf8, "text"), Arc::new(values), ops, &[], ids)
}

/// Rows of a key and one more column; `absent` are the rows that don't speak of it.
fn batch(
    name: TableName,
    more: Column,
    values: ArrayRef,
    ops: &[Op],
    absent: &[usize],
) -> ChangeBatch {
    // The image before has the key of the row after it.
    let id = |row: usize| row as i32 + i32::from(ops[row] == Op::Before);
    rows(name, more, values, ops, absent, (0..ops.len()).map(id).collect())
}

fn rows(
    name: TableName,
    more: Column,
    values: ArrayRef,
    ops: &[Op],
    absent: &[usize],
    ids: Vec<i32>,
) -> ChangeBatch {
    let rows = ops.len();
    let columns = vec![column("id", DataType::Int32, "integer"), more];
    let schema = Arc::new(TableSchema::new(name, 1, columns, vec![0]));
    let ids = Arc::new(Int32Array::from(ids));
    let transaction = Transaction {
        epoch: 1,
        commit: u64::MAX,
        committed_at: 1_764_064_799_500_250,
        ours: false,
    };
    let mask = |row: usize| {
        let mut mask = ColumnMask::all(2);
        if absent.contains(&row) {
            mask.clear(1);
        }
        mask
    };
    ChangeBatch::try_new(
        schema,
        vec![ids, values],
        ops.iter().map(|&op| op as u8).collect::<Vec<_>>().into(),
        (0..rows as u32).collect::<Vec<_>>().into(),
        vec![TransactionRun { transaction, rows: rows as u32 }],
        Presence::from_rows(2, (0..rows).map(mask)),
    )
    .unwrap()
}

fn names(ops: &[Op], absent: &[usize]) -> ChangeBatch {
    let values = ops.iter().enumerate().map(|(row, _)| (!absent.contains(&row)).then_some("Zoë"));
    let values: StringArray = values.collect();
    batch(table(), column("name", DataType::Utf8, "text"), Arc::new(values), ops, absent)
}

fn parsed(bytes: Option<&Vec<u8>>) -> Value {
    serde_json::from_slice(bytes.unwrap()).unwrap()
}

fn payloads(written: &[Written]) -> Vec<Value> {
    written.iter().map(|it| parsed(it.value.as_ref())["payload"].clone()).collect()
}

#[test]
fn an_envelope_is_what_debezium_writes() {
    let written = Writer::new("uni").write(&names(&[Op::Insert], &[]), 1_764_064_800_123).unwrap();
    let key = parsed(written[0].key.as_ref());
    assert_eq!(key["payload"], json!({"id": 0}));
    assert_eq!(key["schema"]["name"], "uni.public.students.Key");
    let value = parsed(written[0].value.as_ref());
    assert_eq!(value["schema"]["name"], "uni.public.students.Envelope");
    let fields: Vec<&str> = value["schema"]["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["field"].as_str().unwrap())
        .collect();
    assert_eq!(
        fields,
        ["before", "after", "source", "op", "ts_ms", "ts_us", "ts_ns", "transaction"]
    );
    assert_eq!(value["schema"]["fields"][1]["name"], "uni.public.students.Value");
    assert_eq!(
        value["schema"]["fields"][1]["fields"][1],
        json!({"type": "string", "optional": true, "field": "name", "parameters": {
            "syncline.type": "text", "__debezium.source.column.type": "TEXT"}})
    );
    let payload = &value["payload"];
    assert_eq!(payload["after"], json!({"id": 0, "name": "Zoë"}));
    assert_eq!((&payload["before"], &payload["op"]), (&Value::Null, &json!("c")));
    assert_eq!(payload["ts_ms"], 1_764_064_800_123_i64);
    let source = &payload["source"];
    assert_eq!(
        (&source["connector"], &source["db"], &source["schema"], &source["table"]),
        (&json!("syncline"), &json!("sis"), &json!("public"), &json!("students"))
    );
    assert_eq!(
        (&source["ts_ms"], &source["ts_us"], &source["commit"]),
        (
            &json!(1_764_064_799_500_i64),
            &json!(1_764_064_799_500_250_i64),
            &json!("18446744073709551615")
        )
    );
}

#[test]
fn each_field_that_is_sent_is_in_its_schema() {
    let ops = [Op::Insert, Op::Before, Op::Update, Op::Delete, Op::Snapshot];
    for written in Writer::new("uni").write(&names(&ops, &[1]), 0).unwrap() {
        let Some(value) = written.value else { continue };
        let value: Value = serde_json::from_slice(&value).unwrap();
        described(&value["schema"], &value["payload"]);
    }
}

/// Whether a struct has just the members of its schema, and null where it may.
#[track_caller]
fn described(schema: &Value, value: &Value) {
    if value.is_null() {
        assert_eq!(schema["optional"], true, "{schema}");
        return;
    }
    let Some(members) = value.as_object() else { return };
    let fields = schema["fields"].as_array().unwrap();
    assert_eq!(fields.len(), members.len(), "{schema} {value}");
    for field in fields {
        described(field, &members[field["field"].as_str().unwrap()]);
    }
}

#[test]
fn a_changed_key_is_a_delete_a_tombstone_and_an_insert() {
    let batch = ids(&[Op::Before, Op::Update], (0..2).collect());
    let written = Writer::new("uni").without_schema().write(&batch, 0).unwrap();
    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).unwrap();
    let keys: Vec<String> = written.iter().filter_map(|it| it.key.as_ref()).map(text).collect();
    assert_eq!(keys, ["{\"id\":0}", "{\"id\":0}", "{\"id\":1}"]);
    let value = |at: usize| parsed(written[at].value.as_ref());
    assert_eq!((&value(0)["op"], &value(2)["op"]), (&json!("d"), &json!("c")));
    assert_eq!(written[1].value, None);
    let headers =
        |at: usize| written[at].headers.iter().map(|it| (it.0, text(&it.1))).collect::<Vec<_>>();
    assert_eq!(headers(0), [("__debezium.newkey", "{\"id\":1}".to_owned())]);
    assert_eq!(headers(1), []);
    assert_eq!(headers(2), [("__debezium.oldkey", "{\"id\":0}".to_owned())]);
    let ordinals = [0, 2].map(|at| value(at)["source"]["ordinal"].clone());
    assert_eq!(ordinals, [json!(0), json!(1)], "each has its own place");
}

#[test]
fn operations_are_named_and_a_delete_is_followed_by_a_tombstone() {
    let ops = [Op::Before, Op::Update, Op::Snapshot, Op::Delete];
    let written = Writer::new("uni").write(&names(&ops, &[]), 0).unwrap();
    assert_eq!(written.len(), 4);
    assert_eq!((&written[3].value, &written[3].key), (&None, &written[2].key));
    let payloads = payloads(&written[..3]);
    let ops: Vec<&str> = payloads.iter().map(|it| it["op"].as_str().unwrap()).collect();
    assert_eq!(ops, ["u", "r", "d"]);
    assert_eq!(payloads[0]["before"], json!({"id": 1, "name": "Zoë"}));
    assert_eq!((&payloads[2]["before"]["id"], &payloads[2]["after"]), (&json!(3), &Value::Null));
    assert_eq!(payloads[1]["source"]["snapshot"], "true");
}

#[test]
fn an_absent_text_is_the_placeholder_and_nothing_in_a_delete() {
    let batch = names(&[Op::Update, Op::Delete], &[0, 1]);
    let written = Writer::new("uni").write(&batch, 0).unwrap();
    let payloads = payloads(&written[..2]);
    assert_eq!(payloads[0]["after"]["name"], "__debezium_unavailable_value");
    assert_eq!(payloads[1]["before"], json!({"id": 1, "name": null}));
    assert_eq!(payloads[1]["source"]["absent"], json!(["name"]));
}

#[test]
fn an_entity_is_named_by_itself() {
    let values: StringArray = [Some("x")].into_iter().collect();
    let name = column("name", DataType::Utf8, "text");
    let batch = batch(TableName::entity("person"), name, Arc::new(values), &[Op::Insert], &[]);
    let written = Writer::new("uni").write(&batch, 0).unwrap();
    assert_eq!(parsed(written[0].value.as_ref())["schema"]["name"], "uni.person.Envelope");
}

#[track_caller]
fn refuses(data_type: DataType, values: ArrayRef, absent: &[usize], kind: &str, detail: &str) {
    let more = column("x", data_type, "");
    let batch = batch(table(), more, values, &[Op::Update], absent);
    let error = Writer::new("uni").write(&batch, 0).unwrap_err();
    assert_eq!((error.kind().as_str(), error.detail_text()), (kind, Some(detail)));
    assert!(error.to_string().contains("\"x\""), "{error}");
}

#[test]
fn what_the_format_has_no_form_for_is_refused() {
    let micros = TimeUnit::Microsecond;
    let one: ArrayRef = Arc::new(Int64Array::from(vec![None::<i64>]));
    refuses(
        DataType::Int64,
        one,
        &[0],
        "rejected",
        "it is absent, and Debezium's format can say so of texts and bytes alone",
    );
    let nan = Decimal128Array::from(vec![i128::MAX]).with_precision_and_scale(10, 2).unwrap();
    refuses(
        DataType::Decimal128(10, 2),
        Arc::new(nan),
        &[],
        "rejected",
        "NaN is written where decimals are texts alone",
    );
    let taken = TimestampMicrosecondArray::from(vec![9_223_372_036_825_200_000]);
    refuses(
        DataType::Timestamp(micros, None),
        Arc::new(taken),
        &[],
        "rejected",
        "Debezium's format takes this time for infinity",
    );
    let late = Time64MicrosecondArray::from(vec![86_400_000_001]);
    refuses(
        DataType::Time64(micros),
        Arc::new(late),
        &[],
        "rejected",
        "times are written from 00:00 to 24:00",
    );
    let early = arrow_array::Date32Array::from(vec![-2_440_551]);
    refuses(
        DataType::Date32,
        Arc::new(early),
        &[],
        "rejected",
        "dates are written from 4713 BC to 5874897",
    );
    let unsigned = arrow_array::UInt8Array::from(vec![1]);
    refuses(DataType::UInt8, Arc::new(unsigned), &[], "config", "its type is UInt8");
}

#[test]
fn texts_that_are_not_what_their_type_says_are_refused() {
    for (native, text, detail) in [
        ("numeric", "NaN", "what is no plain number is written where decimals are texts alone"),
        ("numeric", "01", "what is no plain number is written where decimals are texts alone"),
        ("bit(3)", "01", "bit strings are written in as many binary digits as their type has"),
        ("bit(3)", "0x1", "bit strings are written in as many binary digits as their type has"),
    ] {
        let values = StringArray::from(vec![text]);
        let more = column("x", DataType::Utf8, native);
        let batch = batch(table(), more, Arc::new(values), &[Op::Update], &[]);
        let error = Writer::new("uni").write(&batch, 0).unwrap_err();
        assert_eq!(error.detail_text(), Some(detail));
    }
}
