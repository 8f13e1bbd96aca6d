//! Which image says what, and how changes become batches.

use crate::show::{Kept, batch, lines, table};
use std::sync::Arc;
use syncline_core::{Column, Op, TableSchema};
use syncline_debezium::{Event, Images, Reader, Settings, TableBuilder};

/// A table of two columns, whose records have no schema.
fn small(settings: Settings) -> TableBuilder {
    let column = |name: &str, data_type, nullable| Column {
        name: name.into(),
        id: 0,
        data_type,
        native_type: String::new(),
        nullable,
        has_default: false,
        generated: false,
    };
    let columns = vec![
        column("id", arrow_schema::DataType::Int32, false),
        column("name", arrow_schema::DataType::Utf8, true),
    ];
    let schema = TableSchema::new(table(), 4, columns, vec![0]);
    TableBuilder::with_columns(Arc::new(schema), settings)
}

fn change(op: char, before: &str, after: &str, source: &str, rest: &str) -> Kept {
    Kept::of(&format!(
        "{{\"key\":{{\"id\":1}},\"value\":{{\"op\":\"{op}\",\"before\":{before},\"after\":{after},\
         \"source\":{{{source},\"ts_ms\":1000}}{rest}}}}}"
    ))
}

fn postgresql(sequence: &str) -> String {
    format!("\"connector\":\"postgresql\",\"lsn\":9,\"sequence\":\"{sequence}\"")
}

const FIRST: &str = "[\\\"5\\\",\\\"9\\\"]";
const SECOND: &str = "[\\\"7\\\",\\\"8\\\"]";

fn append(builder: &mut TableBuilder, kept: &Kept) {
    assert!(builder.append(&kept.row()).unwrap().is_none());
}

#[test]
fn rows_of_one_transaction_are_counted_and_told_apart_from_the_next() {
    let mut builder = small(Settings::default());
    let row =
        |sequence| change('c', "null", "{\"id\":1,\"name\":\"a\"}", &postgresql(sequence), "");
    for sequence in [FIRST, FIRST, SECOND] {
        append(&mut builder, &row(sequence));
    }
    assert_eq!((builder.len(), builder.bytes()), (3, 3 * "{'id':1,'name':'a'}".len()));
    let batch = builder.finish().unwrap().unwrap();
    assert_eq!((builder.len(), builder.bytes()), (0, 0));
    assert_eq!(lines(&batch), ["Insert 5/0: 1 | a", "Insert 5/1: 1 | a", "Insert 7/0: 1 | a"]);
    assert_eq!(batch.transactions().len(), 2);
    append(&mut builder, &row(SECOND));
    let batch = builder.finish().unwrap().unwrap();
    assert_eq!(lines(&batch), ["Insert 7/1: 1 | a"], "counting goes on in the next batch");
}

#[test]
fn the_order_that_the_connector_says_is_taken() {
    let mut builder = small(Settings::default());
    let place = ",\"transaction\":{\"id\":\"3:9\",\"total_order\":12,\"data_collection_order\":2}";
    append(
        &mut builder,
        &change('c', "null", "{\"id\":1,\"name\":null}", &postgresql(FIRST), place),
    );
    assert_eq!(lines(&builder.finish().unwrap().unwrap()), ["Insert 5/12: 1 | NULL"]);
}

#[test]
fn a_before_image_of_postgresql_counts_where_its_identity_is_full() {
    let update = || {
        change('u', "{\"id\":1,\"name\":\"\"}", "{\"id\":1,\"name\":\"b\"}", &postgresql(FIRST), "")
    };
    let mut builder = small(Settings::default());
    append(&mut builder, &update());
    assert_eq!(lines(&builder.finish().unwrap().unwrap()), ["Update 5/0: 1 | b"]);
    let mut builder = small(Settings { images: Images::Whole, ..Settings::default() });
    append(&mut builder, &update());
    assert_eq!(
        lines(&builder.finish().unwrap().unwrap()),
        ["Before 5/0: 1 | ", "Update 5/0: 1 | b"]
    );
}

#[test]
fn a_key_that_changed_in_place_has_its_key_before() {
    let mut builder = small(Settings::default());
    let update = change(
        'u',
        "{\"id\":1,\"name\":\"\"}",
        "{\"id\":2,\"name\":\"b\"}",
        &postgresql(FIRST),
        "",
    );
    append(&mut builder, &update);
    assert_eq!(
        lines(&builder.finish().unwrap().unwrap()),
        ["Before 5/0: 1 | ·", "Update 5/0: 2 | b"]
    );
}

#[test]
fn a_changed_key_is_a_delete_a_tombstone_and_an_insert() {
    let mut builder = small(Settings::default());
    let delete = change('d', "{\"id\":1,\"name\":\"\"}", "null", &postgresql(FIRST), "");
    let insert = change('c', "null", "{\"id\":2,\"name\":\"a\"}", &postgresql(FIRST), "");
    append(&mut builder, &delete);
    let tombstone = Kept::of("{\"key\":{\"id\":1},\"value\":null}");
    assert!(matches!(tombstone.event(), Ok(Event::Tombstone)));
    append(&mut builder, &insert);
    let batch = builder.finish().unwrap().unwrap();
    assert_eq!(lines(&batch), ["Delete 5/0: 1 | ·", "Insert 5/1: 2 | a"]);
    assert_eq!(batch.transactions().len(), 1);
}

#[test]
fn the_placeholder_is_the_one_that_was_set() {
    let settings = Settings { placeholder: "<none>".into(), ..Settings::default() };
    let mut builder = small(settings);
    let row = |name: &str| {
        change('u', "null", &format!("{{\"id\":1,\"name\":\"{name}\"}}"), &postgresql(FIRST), "")
    };
    append(&mut builder, &row("<none>"));
    append(&mut builder, &row("__debezium_unavailable_value"));
    let batch = builder.finish().unwrap().unwrap();
    assert_eq!(
        lines(&batch),
        ["Update 5/0: 1 | ·", "Update 5/1: 1 | __debezium_unavailable_value"]
    );
}

#[test]
fn our_own_writes_are_known_by_their_origin() {
    let settings = Settings { our_origin: Some("syncline".into()), ..Settings::default() };
    for (origin, ours) in [("syncline", true), ("other", false)] {
        let mut builder = small(settings.clone());
        let source = format!("{},\"origin\":\"{origin}\"", postgresql(FIRST));
        append(&mut builder, &change('c', "null", "{\"id\":1,\"name\":null}", &source, ""));
        let batch = builder.finish().unwrap().unwrap();
        assert_eq!(batch.transactions()[0].transaction.ours, ours);
    }
}

#[test]
fn another_schema_ends_the_batch_and_is_a_revision() {
    let mut reader = Reader::new();
    let mut builder = TableBuilder::new(table(), Settings::default());
    let kept = Kept::read("mysql_update");
    let Event::Row(first) = reader.read(kept.record()).unwrap() else { panic!("a row") };
    assert!(builder.append(&first).unwrap().is_none());
    assert!(builder.append(&first).unwrap().is_none(), "the same schema goes on");
    let wider = Kept::read("mysql_update").with("\"type\": \"int16\"", "\"type\": \"int32\"");
    let Event::Row(second) = reader.read(wider.record()).unwrap() else { panic!("a row") };
    let before = builder.append(&second).unwrap().expect("the rows of the schema before");
    let after = builder.finish().unwrap().unwrap();
    assert_eq!((before.len(), before.schema().revision()), (4, 1));
    assert_eq!((after.len(), after.schema().revision()), (2, 2));
    let renamed = Kept::read("mysql_update")
        .with("\"type\": \"int16\"", "\"doc\": \"x\", \"type\": \"int32\"");
    let Event::Row(third) = reader.read(renamed.record()).unwrap() else { panic!("a row") };
    builder.append(&third).unwrap();
    let same = builder.finish().unwrap().unwrap();
    assert_eq!(same.schema().revision(), 2, "what says nothing of columns is no revision");
}

#[test]
fn a_refused_change_leaves_the_rows_before_it() {
    let mut builder = small(Settings::default());
    append(&mut builder, &change('c', "null", "{\"id\":1,\"name\":\"a\"}", &postgresql(FIRST), ""));
    let bad = change('c', "null", "{\"id\":\"x\",\"name\":\"b\"}", &postgresql(FIRST), "");
    assert!(builder.append(&bad.row()).is_err());
    append(&mut builder, &change('c', "null", "{\"id\":2,\"name\":\"c\"}", &postgresql(FIRST), ""));
    let batch = builder.finish().unwrap().unwrap();
    assert_eq!(lines(&batch), ["Insert 5/0: 1 | a", "Insert 5/1: 2 | c"]);
}

#[test]
fn a_delete_without_a_key_says_the_row() {
    let kept = Kept::read("postgresql_delete").without_key();
    let batch = batch(&kept, Settings::default()).unwrap();
    assert_eq!((batch.op(0), batch.presence().is_all()), (Op::Delete, true));
}

#[test]
fn an_update_without_a_key_says_both_rows() {
    let kept = Kept::read("postgresql_update")
        .with("\"before\": null", "\"before\": {\"id\": 7, \"name\": \"Zoë\"}");
    let whole = batch(&kept, Settings::default()).unwrap();
    assert_eq!(whole.ops().as_ref(), [Op::Update as u8], "its key is the same");
    let whole = batch(&kept.without_key(), Settings::default()).unwrap();
    assert_eq!(whole.ops().as_ref(), [Op::Before as u8, Op::Update as u8]);
}
