use super::*;
use crate::{
    Body, Boundary, ChangeBatch, Column, ColumnMask, Entry, Kind, Position, Presence, SystemName,
    TableName, TableSchema, Transaction, TransactionRun,
};
use arrow_array::builder::{Int32Builder, ListBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, Decimal128Array, DictionaryArray,
    FixedSizeBinaryArray, FixedSizeListArray, Int32Array, Int64Array, IntervalMonthDayNanoArray,
    LargeBinaryArray, NullArray, StringArray, StringViewArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow_buffer::{Buffer, IntervalMonthDayNano};
use arrow_schema::{DataType, Field, TimeUnit};
use proptest::prelude::*;
use std::sync::Arc;

fn schema(types: &[DataType]) -> Arc<TableSchema> {
    let columns = types
        .iter()
        .enumerate()
        .map(|(index, data_type)| Column {
            name: format!("c{index}"),
            id: i32::try_from(index).unwrap(),
            data_type: data_type.clone(),
            native_type: "text".into(),
            nullable: true,
            has_default: false,
            generated: false,
        })
        .collect();
    let name = TableName::table(&SystemName::new("sis"), "public", "students");
    Arc::new(TableSchema::new(name, 7, columns, vec![0]))
}

fn batch_of(columns: Vec<ArrayRef>, masks: Option<Vec<ColumnMask>>) -> ChangeBatch {
    let rows = columns[0].len();
    let types: Vec<_> = columns.iter().map(|column| column.data_type().clone()).collect();
    let transaction = Transaction { epoch: 3, commit: 0xFEED, committed_at: -1, ours: false };
    let count = u32::try_from(rows).unwrap();
    let runs = [
        TransactionRun { transaction, rows: count / 2 },
        TransactionRun {
            transaction: Transaction { commit: 0xFEED + 8, ..transaction },
            rows: count - count / 2,
        },
    ];
    ChangeBatch::try_new(
        schema(&types),
        columns,
        (0..rows).map(|row| u8::try_from(row % 5 + 1).unwrap()).collect::<Vec<_>>().into(),
        (0..count).collect::<Vec<_>>().into(),
        runs.into_iter().filter(|run| run.rows > 0).collect(),
        masks.map_or(Presence::all(types.len()), |masks| Presence::from_rows(types.len(), masks)),
    )
    .unwrap()
}

/// One column of every type that can be stored, `rows` long.
fn every_type(rows: usize) -> Vec<ArrayRef> {
    let count = i32::try_from(rows).unwrap();
    let optional = |n: i32| (n % 3 != 0).then_some(n);
    let texts = || (0..count).map(|n| optional(n).map(|n| "é€𝄞".repeat(n as usize % 7)));
    let mut lists = ListBuilder::new(Int32Builder::new());
    for n in 0..count {
        lists.append_option(optional(n).map(|n| (0..n % 4).map(Some)));
    }
    let lists = lists.finish();
    let numbers: ArrayRef = Arc::new((0..count).map(optional).collect::<Int32Array>());
    let fields = vec![
        (Arc::new(Field::new("n", DataType::Int32, true)), numbers.clone()),
        (
            Arc::new(Field::new("l", lists.data_type().clone(), true)),
            Arc::new(lists.clone()) as ArrayRef,
        ),
    ];
    let pairs: Int32Array = (0..count * 2).map(optional).collect();
    let item = Arc::new(Field::new("item", DataType::Int32, true));
    vec![
        numbers,
        Arc::new(texts().collect::<StringArray>()),
        Arc::new(texts().collect::<StringViewArray>()),
        Arc::new(texts().map(|text| text.map(String::into_bytes)).collect::<LargeBinaryArray>()),
        Arc::new(texts().map(|text| text.map(String::into_bytes)).collect::<BinaryViewArray>()),
        Arc::new((0..count).map(|n| optional(n).map(|n| n % 2 == 0)).collect::<BooleanArray>()),
        Arc::new(
            (0..count)
                .map(|n| optional(n).map(|n| i128::from(n) << 90))
                .collect::<Decimal128Array>(),
        ),
        Arc::new(
            (0..count)
                .map(|n| Some(i64::from(n)))
                .collect::<TimestampMicrosecondArray>()
                .with_timezone("UTC"),
        ),
        Arc::new(
            (0..count)
                .map(|n| Some(IntervalMonthDayNano::new(n, -n, 5)))
                .collect::<IntervalMonthDayNanoArray>(),
        ),
        Arc::new(
            FixedSizeBinaryArray::try_from_iter((0..count).map(|n| [n as u8; 16]))
                .unwrap_or_else(|_| FixedSizeBinaryArray::new_null(16, 0)),
        ),
        Arc::new(lists),
        Arc::new(FixedSizeListArray::new(item, 2, Arc::new(pairs), None)),
        match rows {
            0 => Arc::new(StructArray::new_empty_fields(0, None)) as ArrayRef,
            _ => Arc::new(StructArray::from(fields)),
        },
        Arc::new(NullArray::new(rows)),
    ]
}

fn assert_same(left: &ChangeBatch, right: &ChangeBatch) {
    assert_eq!(left.schema(), right.schema());
    assert_eq!(left.columns(), right.columns());
    assert_eq!(left.ops(), right.ops());
    assert_eq!(left.ordinals(), right.ordinals());
    assert_eq!(left.transactions(), right.transactions());
    for row in 0..left.len() {
        assert_eq!(left.mask(row), right.mask(row));
    }
}

fn bytes_of(encoded: Encoded) -> Vec<u8> {
    [encoded.head, encoded.body].concat()
}

fn rows_of(entry: Entry) -> ChangeBatch {
    let Body::Rows(batch) = entry.body else { panic!("rows") };
    batch
}

fn boundary() -> Option<Boundary> {
    let position = Position { epoch: 1, commit: u64::MAX - 1, ordinal: 9 };
    Some(Boundary { position, committed_at: i64::MIN })
}

fn entry(batch: &ChangeBatch) -> Entry {
    Entry { body: Body::Rows(batch.clone()), boundary: boundary() }
}

#[test]
fn every_type_comes_back_equal_whole_and_sliced() {
    for rows in [0, 1, 9, 100] {
        let whole = batch_of(every_type(rows), None);
        for batch in [whole.clone(), whole.slice(rows / 3..rows)] {
            let bytes = bytes_of(encode_entry(&entry(&batch), 42).unwrap());
            let known = batch.schema().clone();
            let back = decode_entry(&bytes.into(), |number| (number == 42).then_some(known));
            let back = back.unwrap();
            assert_eq!(back.boundary, boundary());
            assert_same(&rows_of(back), &batch);
            let back = decode_standalone(&encode_standalone(&batch).unwrap()).unwrap();
            assert_same(&back, &batch);
        }
    }
}

#[test]
fn entries_without_rows_come_back_equal() {
    let tables = vec![TableName::entity("person"), schema(&[DataType::Int8]).name().clone()];
    let truncate = Entry { body: Body::Truncate(tables.clone()), boundary: None };
    let bytes = bytes_of(encode_entry(&truncate, 0).unwrap());
    let back = decode_entry(&bytes.into(), |_| None).unwrap();
    assert!(back.boundary.is_none());
    assert!(matches!(back.body, Body::Truncate(found) if found == tables));
    for body in [Body::Abandoned, Body::Nothing] {
        let bytes = bytes_of(encode_entry(&Entry { body, boundary: boundary() }, 0).unwrap());
        let head = decode_head(&bytes).unwrap();
        let back = decode_entry(&bytes.into(), |_| None).unwrap();
        assert_eq!((back.boundary, head.boundary), (boundary(), boundary()));
        assert_eq!(matches!(back.body, Body::Abandoned), matches!(head.kind, BodyKind::Abandoned));
    }
}

#[test]
fn values_are_used_where_they_lie() {
    let batch = batch_of(vec![Arc::new(Int64Array::from_iter_values(0..1000))], None);
    let bytes = Buffer::from(bytes_of(encode_entry(&entry(&batch), 1).unwrap()).as_slice());
    let back = decode_entry(&bytes, |_| Some(batch.schema().clone())).unwrap();
    let data = rows_of(back).columns().column(0).to_data();
    let range = bytes.as_slice().as_ptr_range();
    assert!(range.contains(&data.buffers()[0].as_slice().as_ptr()));
}

#[test]
fn bytes_that_lie_askew_in_memory_are_read_too() {
    let batch = batch_of(every_type(20), None);
    let mut bytes = vec![0; 3];
    bytes.extend(bytes_of(encode_entry(&entry(&batch), 1).unwrap()));
    let askew = Buffer::from(bytes).slice(3);
    let back = decode_entry(&askew, |_| Some(batch.schema().clone())).unwrap();
    assert_same(&rows_of(back), &batch);
}

#[test]
fn types_without_a_stored_form_are_refused() {
    let words: DictionaryArray<Int32Type> = ["a", "b"].into_iter().collect();
    let batch = batch_of(vec![Arc::new(words)], None);
    assert_eq!(encode_standalone(&batch).unwrap_err().kind(), Kind::Internal);
}

#[test]
fn rows_of_a_schema_that_is_not_there_are_corrupt() {
    let batch = batch_of(every_type(2), None);
    let bytes = bytes_of(encode_entry(&entry(&batch), 5).unwrap());
    let error = decode_entry(&bytes.into(), |_| None).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(error.detail_text().unwrap().contains("schema 5"));
}

#[test]
fn another_schema_than_the_rows_have_is_corrupt_and_never_a_panic() {
    let batch = batch_of(every_type(9), None);
    let bytes = Buffer::from(bytes_of(encode_entry(&entry(&batch), 5).unwrap()));
    let types: Vec<_> = every_type(1).iter().map(|column| column.data_type().clone()).collect();
    let wrong = [
        DataType::FixedSizeBinary(-1),
        DataType::Time32(TimeUnit::Nanosecond),
        DataType::Int64,
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)),
    ];
    for (place, wrong) in (0..types.len()).flat_map(|place| wrong.iter().map(move |w| (place, w))) {
        let mut types = types.clone();
        types[place] = wrong.clone();
        if let Err(error) = decode_entry(&bytes, |_| Some(schema(&types))) {
            assert_eq!(error.kind(), Kind::Corrupt);
        }
    }
    let fewer = decode_entry(&bytes, |_| Some(schema(&types[..3])));
    let more = decode_entry(&bytes, |_| Some(schema(&[types.clone(), types.clone()].concat())));
    assert_eq!(more.unwrap_err().kind(), Kind::Corrupt);
    drop(fewer);
}

/// Decodes and looks at every value, so that a buffer that lies would show.
fn decode_and_look(bytes: &[u8], schema: &Arc<TableSchema>) -> crate::Result<()> {
    let back = decode_entry(&Buffer::from(bytes), |_| Some(schema.clone()))?;
    if let Body::Rows(batch) = back.body {
        let copy = batch.take(&(0..u32::try_from(batch.len()).unwrap()).collect::<Vec<_>>());
        assert_eq!(copy.unwrap().len(), batch.len());
        assert!(!format!("{:?}", batch.columns()).is_empty());
    }
    Ok(())
}

fn masked(rows: usize) -> ChangeBatch {
    let columns = every_type(rows);
    let mut some = ColumnMask::none(columns.len());
    some.set(0);
    some.set(13);
    let all = ColumnMask::all(columns.len());
    let masks = (0..rows).map(|row| if row % 2 == 0 { some.clone() } else { all.clone() });
    let masks = masks.collect();
    batch_of(columns, Some(masks))
}

#[test]
fn bytes_cut_anywhere_are_corrupt() {
    let batch = masked(11);
    let bytes = bytes_of(encode_entry(&entry(&batch), 5).unwrap());
    decode_and_look(&bytes, batch.schema()).unwrap();
    let standalone = encode_standalone(&batch).unwrap();
    for cut in 0..bytes.len() {
        let error = decode_and_look(&bytes[..cut], batch.schema()).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt, "cut at {cut}");
    }
    for cut in 0..standalone.len() {
        let error = decode_standalone(&standalone[..cut]).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt, "cut at {cut}");
    }
}

#[test]
fn bytes_flipped_anywhere_never_panic() {
    let batch = masked(11);
    let bytes = bytes_of(encode_entry(&entry(&batch), 5).unwrap());
    let standalone = encode_standalone(&batch).unwrap();
    for (place, flip) in (0..bytes.len()).flat_map(|place| [1, 0x80, 0xFF].map(|f| (place, f))) {
        let mut flipped = bytes.clone();
        flipped[place] ^= flip;
        if let Err(error) = decode_and_look(&flipped, batch.schema()) {
            assert_eq!(error.kind(), Kind::Corrupt, "{flip:x} at {place}");
        }
    }
    for place in 0..standalone.len() {
        let mut flipped = standalone.clone();
        flipped[place] ^= 0x10;
        let error = decode_standalone(&flipped).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt, "at {place}");
    }
}

prop_compose! {
    fn batches()(
        rows in prop::collection::vec(
            (any::<Option<i64>>(), any::<Option<String>>(), any::<bool>(), any::<bool>()), 1..40),
        from in any::<prop::sample::Index>(),
    ) -> ChangeBatch {
        let masks = rows.iter().map(|(_, _, first, second)| {
            let mut mask = ColumnMask::none(2);
            if *first { mask.set(0) }
            if *second { mask.set(1) }
            mask
        });
        let masks = masks.collect();
        let numbers: Int64Array = rows.iter().map(|row| row.0).collect();
        let texts: StringArray = rows.iter().map(|row| row.1.as_deref()).collect();
        let batch = batch_of(vec![Arc::new(numbers), Arc::new(texts)], Some(masks));
        batch.slice(from.index(rows.len())..rows.len())
    }
}

proptest! {
    #[test]
    fn any_batch_comes_back_equal(batch in batches(), number in any::<u32>()) {
        let bytes = bytes_of(encode_entry(&entry(&batch), number).unwrap());
        let back = decode_entry(&bytes.into(), |found| {
            assert_eq!(found, number);
            Some(batch.schema().clone())
        });
        assert_same(&rows_of(back.unwrap()), &batch);
        assert_same(&decode_standalone(&encode_standalone(&batch).unwrap()).unwrap(), &batch);
    }

    #[test]
    fn any_bytes_never_panic(
        batch in batches(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        noise in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut bytes = bytes_of(encode_entry(&entry(&batch), 1).unwrap());
        for (place, byte) in flips {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        drop(decode_and_look(&bytes, batch.schema()));
        prop_assert!(decode_standalone(&noise).is_err());
        drop(decode_and_look(&noise, batch.schema()));
    }
}
