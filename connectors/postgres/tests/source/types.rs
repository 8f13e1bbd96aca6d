//! Every type with its extremes: the same bytes in Arrow by snapshot and by stream.

use crate::cluster::{Cluster, table};
use crate::recorder::Recorder;
use arrow_array::Array;
use arrow_schema::{DataType, TimeUnit};
use syncline_core::ChangeBatch;

const TYPES: &str = r#"
CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE EXTENSION citext;
CREATE TYPE mood AS ENUM ('sad', 'o"k', 'happy, very');
CREATE TYPE pair AS (a int, "b c" text);
CREATE DOMAIN amount AS numeric(12, 3) CHECK (VALUE >= 0);
CREATE DOMAIN price AS amount;
CREATE DOMAIN words AS text[];
"#;

const COLUMNS: &[(&str, &str)] = &[
    ("id", "int PRIMARY KEY"),
    ("small", "int2"),
    ("big", "int8"),
    ("single", "float4"),
    ("double", "float8"),
    ("flag", "bool"),
    ("exact", "numeric(20, 4)"),
    ("widest", "numeric(38, 10)"),
    ("wide", "numeric(60, 20)"),
    ("unbounded", "numeric"),
    ("hundreds", "numeric(5, -2)"),
    ("tiny", "numeric(3, 5)"),
    ("txt", "text"),
    ("var", "varchar(10)"),
    ("padded", "char(6)"),
    ("insensitive", "citext"),
    ("feeling", "mood"),
    ("cost", "price"),
    ("wordlist", "words"),
    ("raw", "bytea"),
    ("day", "date"),
    ("clock", "time"),
    ("zoned_clock", "timetz"),
    ("local", "timestamp"),
    ("instant", "timestamptz"),
    ("span", "interval"),
    ("who", "uuid"),
    ("doc", "json"),
    ("docb", "jsonb"),
    ("numbers", "int[]"),
    ("texts", "text[]"),
    ("couple", "pair"),
    ("pairs", "pair[]"),
    ("span_of_ints", "int4range"),
    ("spans", "tstzmultirange"),
    ("bag", "hstore"),
    ("path", "ltree"),
    ("address", "inet"),
    ("lexemes", "tsvector"),
    ("markup", "xml"),
    ("bits", "varbit"),
    ("shape", "point"),
    ("cash", "money"),
];

/// One value a column and row; a column with fewer values repeats its last.
fn values(column: &str) -> Vec<&'static str> {
    match column {
        "small" => vec!["-32768", "32767", "0", "NULL"],
        "big" => vec!["-9223372036854775808", "9223372036854775807", "0", "NULL"],
        "single" => {
            vec!["'NaN'", "'Infinity'", "'-Infinity'", "'1.17549435e-38'", "'-0'", "3.4028235e38"]
        }
        "double" => vec![
            "'NaN'",
            "'-Infinity'",
            "'4.9e-324'",
            "'-0'",
            "1.7976931348623157e308",
            "0.1",
            "'Infinity'",
        ],
        "flag" => vec!["true", "false", "NULL"],
        "exact" => vec!["-9999999999999999.9999", "9999999999999999.9999", "'NaN'", "0", "NULL"],
        "widest" => vec![
            "-9999999999999999999999999999.9999999999",
            "9999999999999999999999999999.9999999999",
            "'NaN'",
            "0.0000000001",
        ],
        "wide" => vec!["1234567890123456789012345678901234567890.12345678901234567890", "'NaN'"],
        "unbounded" => vec![
            "('1' || repeat('0', 131071))::numeric",
            "('0.' || repeat('0', 16382) || '1')::numeric",
            "'Infinity'",
            "'-Infinity'",
            "'NaN'",
            "1.10",
            "-0.00",
        ],
        "hundreds" => vec!["12345", "-9999949", "0"],
        "tiny" => vec!["0.00999", "-0.00001"],
        "txt" => vec![
            "''",
            r"E'tab\t newline\n return\r back\\slash \\N'",
            "'ünïcødé 🎓 ﷽'",
            "repeat('x', 100000)",
            r"E'\u0001\b\f\v'",
            "NULL",
            r"'\N'",
        ],
        "var" => vec!["'0123456789'", "''"],
        "padded" => vec!["'ab'", "''"],
        "insensitive" => vec!["'MiXed'"],
        "feeling" => vec![r#"'o"k'"#, "'happy, very'", "NULL"],
        "cost" => vec!["999999999.999", "0", "NULL"],
        "wordlist" => vec![r#"ARRAY['a', 'b "c"', NULL]::words"#],
        "raw" => vec![r"'\x'", r"'\x00ff0a5c'", "decode(repeat('00', 5000), 'hex')", "NULL"],
        "day" => vec![
            "'infinity'",
            "'-infinity'",
            "'4713-01-01 BC'",
            "'5874897-12-31'",
            "'2000-02-29'",
            "'0001-01-01'",
            "'0001-12-31 BC'",
        ],
        "clock" => vec!["'00:00'", "'23:59:59.999999'", "'24:00:00'", "NULL"],
        "zoned_clock" => vec!["'00:00+15:59'", "'23:59:59.999999-15:59'"],
        "local" => vec![
            "'infinity'",
            "'-infinity'",
            "'4713-01-01 00:00:00 BC'",
            "'294247-01-10 04:00:54.775806'",
            "'1969-12-31 23:59:59.999999'",
            "'0044-03-15 12:00:00.5 BC'",
        ],
        "instant" => vec![
            "'infinity'",
            "'-infinity'",
            "'4713-01-02 00:00:00+00 BC'",
            "'294247-01-10 04:00:54.775806+00'",
            "'2026-03-29 02:30:00 Europe/Berlin'",
        ],
        "span" => vec!["'1 year -2 days +03:04:05.000006'", "'-178000000 years'", "'0'"],
        "who" => vec![
            "'00000000-0000-0000-0000-000000000000'",
            "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
            "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'",
            "NULL",
        ],
        "doc" => vec![r#"'{"a" : 1, "a": 2, "u": "\u00e9\ud83c\udf93"}'"#, "'null'", "NULL"],
        "docb" => vec![r#"'{"b":1e400,"a":[null,"\u00e9"]}'"#, "'null'", "'\"\"'"],
        "numbers" => vec![
            "'{}'",
            "'{{1,2},{3,NULL}}'",
            "'[0:1]={7,8}'",
            "ARRAY[[[1],[2]],[[3],[4]]]",
            "NULL",
        ],
        "texts" => vec![r#"ARRAY['a,b', 'q"q', 'b\s', 'NULL', NULL, '', ' s ', '{}']"#, "'{}'"],
        "couple" => vec![r#"ROW(1, 'x "y", (z) \')::pair"#, "ROW(NULL, NULL)::pair", "ROW(1, '')"],
        "pairs" => vec![r#"ARRAY[ROW(1, 'a"b')::pair, NULL]"#],
        "span_of_ints" => vec!["'empty'", "'(,5]'", "'[1,10)'", "NULL"],
        "spans" => vec!["'{}'", "'{[2026-01-01,2026-02-01),[infinity,)}'"],
        "bag" => vec![r#"'"k 1"=>"v\"1", b=>NULL'"#, "''"],
        "path" => vec!["'Top.Science.Astronomy'", "''"],
        "address" => vec!["'::1'", "'10.1.2.3/8'"],
        "lexemes" => vec![r"to_tsvector('simple', 'it''s a \ test')"],
        "markup" => vec!["'<a b=\"c\">d</a>'"],
        "bits" => vec!["B''", "B'10101'"],
        "shape" => vec!["'(1.5,-0)'"],
        "cash" => vec!["'-92233720368547758.08'", "'12.34'"],
        _ => vec!["NULL"],
    }
}

const ROWS: usize = 8;

fn insert(into: &str) -> String {
    let rows: Vec<String> = (0..ROWS)
        .map(|row| {
            let cells: Vec<String> = COLUMNS
                .iter()
                .map(|(column, _)| match *column {
                    "id" => row.to_string(),
                    column => {
                        let values = values(column);
                        values[row.min(values.len() - 1)].to_owned()
                    }
                })
                .collect();
            format!("INSERT INTO {into} VALUES ({})", cells.join(", "))
        })
        .collect();
    rows.join(";\n")
}

/// Buffers and nulls of every column: equal means the same bytes.
fn bytes(batch: &ChangeBatch) -> Vec<(String, Vec<Vec<u8>>, Vec<bool>)> {
    let columns = batch.schema().columns().iter().zip(batch.columns().columns());
    columns
        .map(|(column, array)| {
            let data = array.to_data();
            let buffers = data.buffers().iter().map(|buffer| buffer.as_slice().to_vec()).collect();
            let nulls = (0..array.len()).map(|row| array.is_null(row)).collect();
            (column.name.clone(), buffers, nulls)
        })
        .collect()
}

#[test]
fn every_type_has_the_same_bytes_by_snapshot_and_by_stream() {
    let database = Cluster::shared().database();
    let columns: Vec<String> =
        COLUMNS.iter().map(|(name, native)| format!("{name} {native}")).collect();
    let columns = columns.join(", ");
    database.run(TYPES);
    database.run(&format!("CREATE TABLE copied ({columns}); CREATE TABLE streamed ({columns})"));
    database.run(&insert("copied"));
    let recorder = Recorder::new();
    let tables = [table("copied"), table("streamed")];
    let running = recorder.start(&database.settings(), &tables);
    recorder.wait("streaming", |state| state.is_streaming());
    database.run(&insert("streamed"));
    let wal = database.wal();
    recorder.wait("the stream", |state| state.is_past(wal));
    running.stop();
    let (copied, streamed) = recorder.with(|state| {
        let copied = ChangeBatch::concat(&state.batches(&tables[0])).unwrap();
        (copied, ChangeBatch::concat(&state.batches(&tables[1])).unwrap())
    });
    assert_eq!((copied.len(), streamed.len()), (ROWS, ROWS));
    assert!(streamed.presence().is_all());
    for (copied, streamed) in bytes(&copied).into_iter().zip(bytes(&streamed)) {
        assert_eq!(copied.2, streamed.2, "nulls of {}", copied.0);
        assert!(copied == streamed, "column {} differs", copied.0);
    }
    expect_types(&copied);
}

fn expect_types(batch: &ChangeBatch) {
    let of = |name: &str| {
        let at = batch.schema().index_of(name).unwrap();
        batch.schema().columns()[at].data_type.clone()
    };
    assert_eq!(of("exact"), DataType::Decimal128(20, 4));
    assert_eq!(of("cost"), DataType::Decimal128(12, 3));
    assert_eq!(of("hundreds"), DataType::Decimal128(7, 0));
    assert_eq!(of("tiny"), DataType::Decimal128(5, 5));
    assert_eq!(
        (of("wide"), of("unbounded"), of("span")),
        (DataType::Utf8, DataType::Utf8, DataType::Utf8)
    );
    assert_eq!(of("instant"), DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    assert_eq!(of("who"), DataType::FixedSizeBinary(16));
    assert_eq!(of("raw"), DataType::Binary);
}
