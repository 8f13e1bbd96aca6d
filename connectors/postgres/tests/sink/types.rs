//! Every type and its extremes, from Arrow to the table, compared by PostgreSQL's own text.

use crate::cluster::Database;
use crate::rows::{ints, opened, progress, rows, texts};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
    FixedSizeBinaryArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array,
    IntervalMonthDayNanoArray, LargeStringArray, NullArray, StringArray, StringViewArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, UInt32Array,
};
use arrow_buffer::IntervalMonthDayNano;
use std::sync::Arc;
use syncline_core::{Kind, Op, Sink};

/// By which way the rows went.
const WAYS: [(&str, Op, usize); 3] =
    [("copy", Op::Insert, 100), ("statement", Op::Insert, 0), ("update", Op::Update, 0)];

/// Writes the array into a column of this type by every way, binary and text, and compares.
async fn arrives(database: &Database, sql_type: &str, array: ArrayRef, expected: &[&str]) {
    // A column of a type without a binary form that we know makes the whole copy one of text.
    for beside in ["", ", beside inet DEFAULT '::1'"] {
        let table = format!("CREATE TABLE t (id bigint PRIMARY KEY, v {sql_type}{beside})");
        database.client.batch_execute(&format!("DROP TABLE IF EXISTS t; {table}")).await.unwrap();
        let mut sink = opened(database).await;
        for (way, op, padding) in WAYS {
            let len = array.len();
            let places: Vec<u32> = (0..u32::try_from(len).unwrap()).collect();
            let mut take = places.clone();
            take.extend(std::iter::repeat_n(0, padding));
            let values =
                arrow_select::take::take(&array, &arrow_array::UInt32Array::from(take), None);
            let count = i64::try_from(len + padding).unwrap();
            let mut columns = vec![("id", ints(0..count)), ("v", values.unwrap())];
            if !beside.is_empty() {
                columns.push(("beside", texts((0..count).map(|_| "10.0.0.0/8"))));
            }
            database.client.batch_execute("TRUNCATE t").await.unwrap();
            sink.write(&[rows("t", op, &columns)]).await.unwrap_or_else(|error| {
                panic!("{sql_type} by {way}: {error} {:?}", error.detail_text())
            });
            if op == Op::Update {
                // Once more, where the rows are there.
                sink.write(&[rows("t", op, &columns)]).await.unwrap();
            }
            sink.commit(&progress(1)).await.unwrap();
            let query =
                format!("SELECT coalesce(v::text, 'NULL') FROM t WHERE id < {len} ORDER BY id");
            let found = database.client.query(&query, &[]).await.unwrap();
            let found: Vec<String> = found.iter().map(|row| row.get(0)).collect();
            assert_eq!(found, expected, "{sql_type} by {way}{beside}");
        }
    }
}

#[tokio::test]
async fn whole_numbers_arrive_and_are_widened() {
    let database = Database::new("").await;
    let ints16: ArrayRef = Arc::new(Int16Array::from(vec![Some(i16::MIN), None, Some(i16::MAX)]));
    let expected = ["-32768", "NULL", "32767"];
    for sql_type in ["int2", "int4", "int8", "numeric", "float4", "float8"] {
        arrives(&database, sql_type, ints16.clone(), &expected).await;
    }
    let ints32 = Arc::new(Int32Array::from(vec![i32::MIN, i32::MAX]));
    arrives(&database, "int8", ints32.clone(), &["-2147483648", "2147483647"]).await;
    arrives(&database, "int4", ints32, &["-2147483648", "2147483647"]).await;
    let ints64 = Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX]));
    arrives(&database, "int8", ints64.clone(), &["-9223372036854775808", "9223372036854775807"])
        .await;
    arrives(&database, "numeric", ints64, &["-9223372036854775808", "9223372036854775807"]).await;
    arrives(&database, "int8", Arc::new(UInt32Array::from(vec![u32::MAX])), &["4294967295"]).await;
}

#[tokio::test]
async fn floats_keep_every_bit_that_postgresql_shows() {
    let database = Database::new("").await;
    let floats = vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 5e-324, f64::MAX, 0.1];
    let expected =
        ["NaN", "Infinity", "-Infinity", "-0", "5e-324", "1.7976931348623157e+308", "0.1"];
    arrives(&database, "float8", Arc::new(Float64Array::from(floats)), &expected).await;
    let floats = vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 1e-45, f32::MAX, 0.1];
    let expected = ["NaN", "Infinity", "-Infinity", "-0", "1e-45", "3.4028235e+38", "0.1"];
    arrives(&database, "float4", Arc::new(Float32Array::from(floats)), &expected).await;
}

#[tokio::test]
async fn numerics_keep_every_digit_and_their_scale() {
    let database = Database::new("").await;
    let decimals = Decimal128Array::from(vec![123_450, 0, -1, i128::MAX, 10_000])
        .with_precision_and_scale(10, 2)
        .unwrap();
    let expected = ["1234.50", "0.00", "-0.01", "NaN", "100.00"];
    arrives(&database, "numeric(10,2)", Arc::new(decimals.clone()), &expected).await;
    arrives(&database, "numeric", Arc::new(decimals), &expected).await;
    let widest = 99_999_999_999_999_999_999_999_999_999_999_999_999_i128;
    let decimals =
        Decimal128Array::from(vec![widest, -widest, 1]).with_precision_and_scale(38, 38).unwrap();
    let nines = "9".repeat(38);
    let (most, least, small) =
        (format!("0.{nines}"), format!("-0.{nines}"), format!("0.{}1", "0".repeat(37)));
    arrives(&database, "numeric(38,38)", Arc::new(decimals), &[&most, &least, &small]).await;
    let long = format!("{}.{}", "1234567890".repeat(1000), "0987654321".repeat(500));
    let digits = ["NaN", "Infinity", "-Infinity", "0", "-0.000", "1.10", "1e3", &long];
    let expected = ["NaN", "Infinity", "-Infinity", "0", "0.000", "1.10", "1000", &long];
    arrives(&database, "numeric", texts(digits), &expected).await;
    let longest = format!("{}.{}", "9".repeat(131_072), "7".repeat(16_383));
    arrives(&database, "numeric", texts([&longest]), &[&longest]).await;
}

#[tokio::test]
async fn dates_and_times_of_all_eras_arrive() {
    let database = Database::new("").await;
    let days = vec![i32::MAX, i32::MIN, -2_440_588, 2_145_042_905, -719_163, 0, 11_016];
    let expected = [
        "infinity",
        "-infinity",
        "4714-11-24 BC",
        "5874897-12-31",
        "0001-12-31 BC",
        "1970-01-01",
        "2000-02-29",
    ];
    arrives(&database, "date", Arc::new(Date32Array::from(days)), &expected).await;
    let times = vec![0, 86_399_999_999, 86_400_000_000];
    arrives(
        &database,
        "time",
        Arc::new(Time64MicrosecondArray::from(times)),
        &["00:00:00", "23:59:59.999999", "24:00:00"],
    )
    .await;
    let moments = vec![i64::MAX, i64::MIN, -210_866_803_200_000_000, -62_135_596_800_000_001, 1];
    let expected = [
        "infinity",
        "-infinity",
        "4714-11-24 00:00:00 BC",
        "0001-12-31 23:59:59.999999 BC",
        "1970-01-01 00:00:00.000001",
    ];
    let naive = TimestampMicrosecondArray::from(moments);
    arrives(&database, "timestamp", Arc::new(naive.clone()), &expected).await;
    let expected = [
        "infinity",
        "-infinity",
        "4714-11-24 00:00:00+00 BC",
        "0001-12-31 23:59:59.999999+00 BC",
        "1970-01-01 00:00:00.000001+00",
    ];
    arrives(&database, "timestamptz", Arc::new(naive.with_timezone("UTC")), &expected).await;
    let intervals = vec![
        IntervalMonthDayNano::new(-14, 3, -1_000),
        IntervalMonthDayNano::new(0, 0, 90_061_000_001_000),
    ];
    let expected = ["-1 years -2 mons +3 days -00:00:00.000001", "25:01:01.000001"];
    arrives(&database, "interval", Arc::new(IntervalMonthDayNanoArray::from(intervals)), &expected)
        .await;
}

#[tokio::test]
async fn texts_arrive_whatever_they_hold() {
    let database = Database::new("").await;
    let hard = [
        "",
        " ",
        "\\N",
        "\\.",
        "tab\tnew\nreturn\r",
        "back\\slash",
        "quo\"te'",
        "{a,b}",
        "naïve 日本 👩🏽‍🎓",
    ];
    arrives(&database, "text", texts(hard), &hard).await;
    arrives(&database, "varchar(40)", Arc::new(StringViewArray::from_iter_values(hard)), &hard)
        .await;
    arrives(&database, "text", Arc::new(LargeStringArray::from_iter_values(hard)), &hard).await;
    let dictionary: DictionaryArray<Int32Type> =
        vec![Some("a"), None, Some("a")].into_iter().collect();
    arrives(&database, "text", Arc::new(dictionary), &["a", "NULL", "a"]).await;
    arrives(&database, "char(3)", texts(["ab"]), &["ab"]).await;
    arrives(&database, "text", Arc::new(NullArray::new(2)), &["NULL", "NULL"]).await;
    arrives(&database, "inet", Arc::new(NullArray::new(1)), &["NULL"]).await;
}

#[tokio::test]
async fn documents_keep_their_text_or_their_meaning() {
    let database = Database::new("").await;
    let json = ["{\"b\": 1,  \"a\": \"\\u00e9\", \"b\": 2}", "null", "[]"];
    arrives(&database, "json", texts(json), &json).await;
    arrives(&database, "jsonb", texts(json), &["{\"a\": \"é\", \"b\": 2}", "null", "[]"]).await;
    arrives(&database, "xml", texts(["<a>\u{e9}&amp;</a>"]), &["<a>\u{e9}&amp;</a>"]).await;
}

#[tokio::test]
async fn bytes_and_identifiers_arrive() {
    let database = Database::new("").await;
    let bytes: Vec<&[u8]> = vec![b"", b"\0\0", b"\\x41", &[0xFF, 0x0A, 0x09]];
    let expected = ["\\x", "\\x0000", "\\x5c783431", "\\xff0a09"];
    arrives(&database, "bytea", Arc::new(BinaryArray::from(bytes)), &expected).await;
    let id = 0x1234_5678_9abc_def0_1122_3344_5566_7788_u128.to_be_bytes();
    let ids = FixedSizeBinaryArray::try_from_iter([id, [0; 16]].into_iter()).unwrap();
    let expected = ["12345678-9abc-def0-1122-334455667788", "00000000-0000-0000-0000-000000000000"];
    arrives(&database, "uuid", Arc::new(ids), &expected).await;
    arrives(
        &database,
        "bool",
        Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
        &["true", "false", "NULL"],
    )
    .await;
}

#[tokio::test]
async fn whatever_else_arrives_by_its_text() {
    let database = Database::new("").await;
    for (sql_type, values) in [
        ("inet", &["10.0.0.1/32", "fe80::1/64"][..]),
        ("macaddr", &["08:00:2b:01:02:03"]),
        ("timetz", &["24:00:00+00", "12:00:00-15:59"]),
        ("tsvector", &["'a':1 'it''s':2", ""]),
        ("bit varying", &["0101", ""]),
        ("money", &["$1.00"]),
        ("point", &["(1,-2.5)"]),
        ("int8[]", &["{}", "{{1,NULL},{3,4}}", "[0:1]={1,2}"]),
        ("text[]", &["{\"a,b\",\"q\\\"q\",\"b\\\\s\",NULL,\"NULL\",\"\"}"]),
        ("int4range", &["[1,5)", "empty", "(,)"]),
        ("int4multirange", &["{[1,2),[5,7)}"]),
        ("interval", &["-1 years -2 mons +3 days -00:00:00.000001"]),
        ("oid", &["4294967295"]),
        ("pg_lsn", &["16/B374D848"]),
        ("uuid", &["12345678-9abc-def0-1122-334455667788"]),
        ("date", &["0044-03-15 BC"]),
    ] {
        arrives(&database, sql_type, texts(values), values).await;
    }
}

#[tokio::test]
async fn types_of_the_database_itself_arrive() {
    let types = "CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'happy');
        CREATE DOMAIN score AS integer CHECK (VALUE >= 0); CREATE DOMAIN high AS score;
        CREATE TYPE pair AS (a int, b text); CREATE DOMAIN moods AS mood[];
        CREATE SCHEMA \"odd name\"; CREATE TYPE \"odd name\".\"Kind\" AS ENUM ('a');
        CREATE TABLE t (id bigint PRIMARY KEY, m mood, h high, p pair, ms moods, k \"odd name\".\"Kind\")";
    let database = Database::new(types).await;
    let mut sink = opened(&database).await;
    for (op, count) in [(Op::Insert, 100), (Op::Insert, 2), (Op::Update, 2)] {
        let some = |text: &'static str| texts((0..count).map(move |_| text));
        let columns = [
            ("id", ints(0..count)),
            ("m", some("it's ok")),
            ("h", Arc::new((0..count).map(|_| Some(7)).collect::<Int32Array>()) as ArrayRef),
            ("p", some("(1,\"a,\"\"b\")")),
            ("ms", some("{happy,NULL}")),
            ("k", some("a")),
        ];
        database.client.batch_execute("TRUNCATE t").await.unwrap();
        sink.write(&[rows("t", op, &columns)]).await.unwrap();
        sink.commit(&progress(1)).await.unwrap();
        let row = database.text("SELECT t FROM t WHERE id = 1").await;
        assert_eq!(row, r#"(1,"it's ok",7,"(1,""a,""""b"")","{happy,NULL}",a)"#);
    }
}

#[tokio::test]
async fn an_array_that_does_not_fit_its_column_is_a_mistake_of_the_mapping() {
    let database = Database::new("CREATE TABLE t (id bigint PRIMARY KEY, v int)").await;
    let mut sink = opened(&database).await;
    let columns = [("id", ints([1])), ("v", ints([1]))];
    let error = sink.write(&[rows("t", Op::Insert, &columns)]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.to_string().contains("\"v\""), "{error}");
    assert!(error.hint_text().unwrap().contains("CAST"), "{:?}", error.hint_text());
}

#[tokio::test]
async fn a_value_that_its_type_can_not_hold_refuses_its_row() {
    let table = "CREATE TYPE mood AS ENUM ('sad');
        CREATE TABLE t (id bigint PRIMARY KEY, v varchar(3), n numeric, m mood, i inet)";
    let database = Database::new(table).await;
    let mut sink = opened(&database).await;
    for count in [2, 100] {
        for (name, value) in [("v", "lengthy"), ("n", "many"), ("m", "glad"), ("i", "1.2.3")] {
            let columns = [("id", ints(0..count)), (name, texts((0..count).map(|_| value)))];
            for op in [Op::Insert, Op::Update] {
                let error = sink.write(&[rows("t", op, &columns)]).await.unwrap_err();
                assert_eq!(error.kind(), Kind::Rejected, "{name}: {error}");
                assert!(!error.to_string().contains(value), "{error}");
            }
        }
    }
    let fits = StringArray::from(vec!["abc"]);
    let columns = [("id", ints([1])), ("v", Arc::new(fits) as ArrayRef)];
    sink.write(&[rows("t", Op::Insert, &columns)]).await.unwrap();
    sink.commit(&progress(1)).await.unwrap();
    assert_eq!(database.text("SELECT count(*) FROM t").await, "1");
}
