//! G5: values are exact. Every type and its extremes, through the first copy, through the stream,
//! and through updates, compared as PostgreSQL itself prints them.

use anyhow::{Result, ensure};
use std::fmt::Write as _;
use std::time::Duration;
use syncline_tests::{Scene, until};
use tokio_postgres::Client;

const DEADLINE: Duration = Duration::from_secs(90);

/// Types that must be made first, in both databases.
const MADE: &str = "
    CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE EXTENSION citext;
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'très heureux', 'a, \"b\"');
    CREATE DOMAIN percent AS numeric(5,2) CHECK (VALUE <= 100);
    CREATE DOMAIN good_percent AS percent CHECK (VALUE >= 50);
    CREATE TYPE place AS (street text, number integer, tags text[]);
";

/// A type, and values of it as SQL.
type Case = (&'static str, &'static [&'static str]);

const NUMBERS: &[Case] = &[
    ("smallint", &["0", "32767", "-32768"]),
    ("integer", &["0", "2147483647", "-2147483648"]),
    ("bigint", &["0", "9223372036854775807", "-9223372036854775808"]),
    ("real", &["'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "1e-45", "3.4028235e38", "0.1"]),
    (
        "double precision",
        &["'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "5e-324", "1.7976931348623157e308", "0.1"],
    ),
    ("boolean", &["true", "false"]),
    ("numeric(10,2)", &["0", "99999999.99", "-99999999.99", "'NaN'", "0.01"]),
    ("numeric(38,10)", &["9999999999999999999999999999.9999999999", "-0.0000000001", "'NaN'"]),
    ("numeric(38,0)", &["99999999999999999999999999999999999999", "0"]),
    ("numeric(5,-2)", &["12300", "-9999900", "0"]),
    ("numeric(60,30)", &["123456789012345678901234567890.123456789012345678901234567891"]),
    (
        "numeric",
        &[
            "'NaN'",
            "'Infinity'",
            "'-Infinity'",
            "0",
            "0.000",
            "1.50",
            "-1e-1000",
            "repeat('9', 131072)::numeric",
            "('0.' || repeat('7', 16383))::numeric",
        ],
    ),
    ("money", &["'$1,234.56'", "'-$0.01'"]),
    ("oid", &["0", "4294967295"]),
];

const TEXTS: &[Case] = &[
    (
        "text",
        &[
            "''",
            "' '",
            "E'tab\\t newline\\n return\\r back\\\\slash'",
            "'NULL'",
            "'\\N'",
            "'𠮷 👩‍👩‍👧 ‏עברית'",
            "E'\\x7f\\x01'",
            "normalize('é', NFD)",
            "repeat('långt ', 200000)",
            "'\"quoted\" ''single'' {braces} (parens), comma'",
        ],
    ),
    ("varchar(20)", &["''", "'exactly twenty chars'", "'  '"]),
    ("char(5)", &["'ab'", "''", "'éàüßñ'"]),
    ("\"char\"", &["'x'", "''"]),
    ("name", &["'a_name'"]),
    ("citext", &["'MiXeD'"]),
    ("xml", &["'<a b=\"1\">text &amp; more</a>'"]),
    ("json", &["'{\"a\": 1, \"a\":  2, \"b\":\"\\u00e9\"}'", "'null'", "'[ ]'", "'1e400'"]),
    (
        "jsonb",
        &[
            "'{\"a\": 1, \"a\": 2, \"b\": \"\\u00e9\\ud83d\\ude00\"}'",
            "'null'",
            "'[]'",
            "'123456789012345678901234567890.1234567890'",
        ],
    ),
    ("tsvector", &["'a:1A fat:2B,4C cat:5'", "''"]),
    ("tsquery", &["'fat & (rat | !cat)'"]),
    ("bytea", &["''", "'\\x00'", "'\\x0001ff5c27'", "decode(repeat('00ff', 100000), 'hex')"]),
    ("uuid", &["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"]),
    ("bit(5)", &["B'10101'", "B'00000'"]),
    ("bit varying", &["B''", "B'1'", "B'101010101010101010101'"]),
    ("mood", &["'sad'", "'très heureux'", "'a, \"b\"'"]),
    ("percent", &["0", "100", "33.33"]),
    ("good_percent", &["50", "100"]),
];

const TIMES: &[Case] = &[
    (
        "date",
        &[
            "'infinity'",
            "'-infinity'",
            "'4713-01-01 BC'",
            "'5874897-12-31'",
            "'0001-12-31 BC'",
            "'1970-01-01'",
            "'2024-02-29'",
        ],
    ),
    ("time", &["'00:00'", "'24:00:00'", "'23:59:59.999999'"]),
    ("time(3)", &["'12:34:56.789'"]),
    ("timetz", &["'00:00+15:59'", "'24:00:00-15:59'", "'12:00:00.000001+05:30'"]),
    (
        "timestamp",
        &[
            "'infinity'",
            "'-infinity'",
            "'4713-01-01 00:00:00 BC'",
            "'294246-12-31 23:59:59.999999'",
            "'1969-12-31 23:59:59.999999'",
        ],
    ),
    (
        "timestamptz",
        &[
            "'infinity'",
            "'-infinity'",
            "'4713-01-01 00:00:00+00 BC'",
            "'294246-12-31 23:59:59.999999+00'",
            "'2026-03-29 01:59:59+00'",
            "'1883-11-18 12:03:57-05'",
        ],
    ),
    ("timestamptz(0)", &["'2026-10-25 00:30:00+02'"]),
    (
        "interval",
        &[
            "'178000000 years'",
            "'-178000000 years'",
            "'1 mon -1 day 00:00:00.000001'",
            "'-00:00:01'",
            "'0'",
            "'2147483647 days'",
        ],
    ),
];

const NETWORKS_AND_SHAPES: &[Case] = &[
    ("inet", &["'192.168.0.1/24'", "'::1'", "'fe80::1/64'"]),
    ("cidr", &["'10.0.0.0/8'", "'2001:db8::/32'"]),
    ("macaddr", &["'08:00:2b:01:02:03'"]),
    ("macaddr8", &["'08:00:2b:01:02:03:04:05'"]),
    ("point", &["'(1.5,-2)'", "'(NaN,Infinity)'"]),
    ("box", &["'(1,1),(0,0)'"]),
    ("path", &["'[(0,0),(1,1)]'", "'((0,0),(1,1))'"]),
    ("polygon", &["'((0,0),(1,1),(1,0))'"]),
    ("circle", &["'<(1,2),3>'"]),
    ("pg_lsn", &["'16/B374D848'"]),
    ("int4range", &["'empty'", "'[1,10)'", "'(,)'"]),
    ("numrange", &["'[1.50,)'", "'(0,0.1]'"]),
    ("tstzrange", &["'[2026-01-01 00:00+00,infinity)'"]),
    ("daterange", &["'[2026-01-01,2026-02-01)'"]),
    ("int4multirange", &["'{}'", "'{[1,3),[5,9)}'"]),
    ("hstore", &["''", "'\"a b\"=>NULL, c=>\"d\\\"e\"'"]),
    ("ltree", &["'top.science.astronomy'"]),
];

const NESTED: &[Case] = &[
    ("integer[]", &["'{}'", "'{1,NULL,-3}'", "'{{1,2},{3,4}}'", "'[0:1]={1,2}'", "'{{{1}}}'"]),
    (
        "text[]",
        &[
            "'{}'",
            "'{NULL,\"NULL\",\"\",\"a,b\",\"q\\\"q\",\"back\\\\slash\",\"{}\"}'",
            "'{{a,b},{\"c d\",NULL}}'",
            "'{\" lead\",\"trail \"}'",
        ],
    ),
    ("numeric(8,2)[]", &["'{1.50,NULL,NaN}'"]),
    ("numeric[]", &["'{1.500,Infinity,NaN}'"]),
    ("double precision[]", &["'{NaN,-0,1e-300,NULL}'"]),
    ("boolean[]", &["'{t,f,NULL}'"]),
    ("date[]", &["'{infinity,\"0044-03-15 BC\",NULL}'"]),
    ("timestamptz[]", &["'{infinity,\"2026-01-01 00:00:00+00\"}'"]),
    ("bytea[]", &["ARRAY['\\x00'::bytea, NULL, '\\x5c22']"]),
    ("uuid[]", &["'{00000000-0000-0000-0000-000000000001,NULL}'"]),
    ("jsonb[]", &["ARRAY['{\"a\": [1, null]}'::jsonb, NULL]"]),
    ("interval[]", &["'{1 mon,-1 day,NULL}'"]),
    ("mood[]", &["'{sad,NULL,\"a, \\\"b\\\"\"}'"]),
    ("percent[]", &["'{1.5,NULL}'"]),
    ("varchar(5)[]", &["'{abc,NULL}'"]),
    (
        "place",
        &["ROW('Calle Ñ, 1', 5, '{a,\"b c\"}')", "ROW(NULL, NULL, NULL)", "ROW('', 0, '{}')"],
    ),
    ("place[]", &["ARRAY[ROW('a \"b\"', 1, NULL)::place, NULL]"]),
];

fn cases() -> Vec<Case> {
    [NUMBERS, TEXTS, TIMES, NETWORKS_AND_SHAPES, NESTED].concat()
}

fn columns() -> Vec<String> {
    (0..cases().len()).map(|place| format!("c{place}")).collect()
}

fn rows() -> usize {
    cases().iter().map(|(_, values)| values.len()).max().unwrap_or(0)
}

fn create() -> String {
    let mut table = "CREATE TABLE everything (id integer PRIMARY KEY".to_owned();
    for (column, (sql_type, _)) in columns().iter().zip(cases()) {
        let _ = write!(table, ", {column} {sql_type}");
    }
    table + ")"
}

/// One statement a row: the nth value of every type, NULL where a type has no more.
fn inserts(first: usize) -> String {
    let mut sql = String::new();
    for row in 0..=rows() {
        let values: Vec<String> = cases()
            .iter()
            .map(|(sql_type, values)| match values.get(row) {
                Some(value) => format!("({value})::{sql_type}"),
                None => "NULL".into(),
            })
            .collect();
        let _ = writeln!(
            sql,
            "INSERT INTO everything VALUES ({}, {});",
            first + row,
            values.join(", ")
        );
    }
    sql
}

/// Every column of rows from `from` takes the value of the row before it.
fn rotate(from: usize) -> String {
    let columns = columns().join(", ");
    let taken: Vec<String> = columns.split(", ").map(|column| format!("o.{column}")).collect();
    format!(
        "UPDATE everything AS e SET ({columns}) = ROW({}) FROM everything AS o
         WHERE e.id > {from} AND o.id = e.id - 1",
        taken.join(", ")
    )
}

/// The values that differ, as `id column: source → target`.
async fn differences(source: &Client, target: &Client) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (column, (sql_type, _)) in columns().iter().zip(cases()) {
        let query = format!("SELECT id, {column}::text FROM everything ORDER BY id");
        let (expected, there) =
            tokio::try_join!(source.query(&query, &[]), target.query(&query, &[]))?;
        if expected.len() != there.len() {
            return Ok(vec![format!("{} rows, not {}", there.len(), expected.len())]);
        }
        for (expected, there) in expected.iter().zip(&there) {
            let texts: [Option<String>; 2] = [expected.get(1), there.get(1)];
            if texts[0] != texts[1] || expected.get::<_, i32>(0) != there.get::<_, i32>(0) {
                let id: i32 = expected.get(0);
                let [expected, there] = texts.map(|text| {
                    text.map_or("NULL".into(), |text| text.chars().take(80).collect::<String>())
                });
                found.push(format!("{id} {sql_type}: {expected} → {there}"));
            }
        }
    }
    Ok(found)
}

#[tokio::test]
async fn every_type_and_its_extremes_arrive_as_they_were() -> Result<()> {
    let scene = Scene::new().await?;
    scene.in_both(MADE).await?;
    scene.in_both(&create()).await?;
    scene.map("everything", &format!("id, {}", columns().join(", ")))?;
    let (source, target) = (scene.source().await?, scene.target().await?);
    source.batch_execute(&inserts(1)).await?;
    let mut running = scene.start()?;
    scene.until_streaming(&mut running).await?;
    source.batch_execute(&inserts(1001)).await?;
    source.batch_execute(&inserts(2001)).await?;
    source.batch_execute(&rotate(2001)).await?;

    let mut left = Vec::new();
    let waited = until("both sides are the same", DEADLINE, async || {
        running.check()?;
        left = differences(&source, &target).await?;
        Ok(left.is_empty())
    })
    .await;
    ensure!(waited.is_ok(), "{}\n{}", left.join("\n"), running.said());
    let copied = "SELECT count(*) FROM everything WHERE id < 1000";
    let copied: i64 = target.query_one(copied, &[]).await?.get(0);
    assert_eq!(usize::try_from(copied)?, rows() + 1, "the first copy had its share");
    Ok(())
}
