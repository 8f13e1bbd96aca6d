//! A table with a column of every type, and rows with its extremes.

use std::fmt::Write as _;

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

/// Types that Debezium's connector for PostgreSQL does not send as they are, and what it sends.
const BEYOND_DEBEZIUM: &[(&[&str], &str)] = &[
    (&["timetz"], "turned to UTC"),
    (&["bit varying"], "bits without their number"),
    (&["percent", "good_percent"], "the text of a number: nothing says what a domain is of"),
    (&["numeric(5,-2)"], "its digits, under a type of scale 2046"),
    (&["oid"], "a number: no oid for a target that has that type"),
    (&["hstore"], "JSON"),
    (&["point"], "a structure with x and y"),
    (
        &["box", "path", "polygon", "circle", "pg_lsn", "tsquery", "int4multirange", "place"],
        "the text as bytes",
    ),
    (&["interval[]"], "nothing"),
    (&["place[]", "mood[]", "percent[]"], "NULL, where an element is NULL"),
    (&["numeric(8,2)[]", "numeric[]"], "NULL, where an element is NaN or infinite"),
    (&["date[]"], "other days, where they are infinite or before 1 AD"),
];

/// Of other types what it does send as it is: the rest of `date` comes right in the stream and wrong in the
/// snapshot, and arrays lose all but their first dimension, and its bounds.
const KEPT_BY_DEBEZIUM: &[Case] = &[
    ("date", &["'5874897-12-31'", "'1970-01-01'", "'2024-02-29'"]),
    ("integer[]", &["'{}'", "'{1,NULL,-3}'"]),
    (
        "text[]",
        &[
            "'{}'",
            "'{NULL,\"NULL\",\"\",\"a,b\",\"q\\\"q\",\"back\\\\slash\",\"{}\"}'",
            "'{\" lead\",\"trail \"}'",
        ],
    ),
];

/// Decimals as their digits, which have no form for NaN and infinity.
const DIGITS: &[Case] = &[
    ("numeric(10,2)", &["0", "99999999.99", "-99999999.99", "0.01"]),
    ("numeric(38,10)", &["9999999999999999999999999999.9999999999", "-0.0000000001"]),
    (
        "numeric",
        &[
            "0",
            "0.000",
            "1.50",
            "-1e-1000",
            "repeat('9', 131072)::numeric",
            "('0.' || repeat('7', 16383))::numeric",
        ],
    ),
];

/// What Debezium's JDBC sink writes into PostgreSQL as it was sent. Kafka Connect's JSON makes 0 of NaN, infinity and -0; the
/// sink makes other days of infinite ones, and stops at 24:00.
const KEPT_BY_JDBC_SINK: &[Case] = &[
    ("real", &["1e-45", "3.4028235e38", "0.1"]),
    ("double precision", &["5e-324", "1.7976931348623157e308", "0.1"]),
    (
        "date",
        &[
            "'-infinity'",
            "'4713-01-01 BC'",
            "'5874897-12-31'",
            "'0001-12-31 BC'",
            "'1970-01-01'",
            "'2024-02-29'",
        ],
    ),
    ("time", &["'00:00'", "'23:59:59.999999'"]),
    (
        "timestamp",
        &[
            "'-infinity'",
            "'4713-01-01 00:00:00 BC'",
            "'294246-12-31 23:59:59.999999'",
            "'1969-12-31 23:59:59.999999'",
        ],
    ),
];

/// The table `everything`: `id`, and a column `c0`, `c1`, … a type.
#[derive(Debug, Clone)]
pub struct Everything {
    cases: Vec<(String, Case)>,
}

impl Default for Everything {
    fn default() -> Self {
        let cases = [NUMBERS, TEXTS, TIMES, NETWORKS_AND_SHAPES, NESTED].concat();
        let named = cases.into_iter().enumerate();
        Self { cases: named.map(|(place, case)| (format!("c{place}"), case)).collect() }
    }
}

impl Everything {
    /// Without what Debezium's connector for PostgreSQL, release 3.6, does not send as it is.
    #[must_use]
    pub fn as_debezium_sends(mut self) -> Self {
        self.keep(BEYOND_DEBEZIUM, KEPT_BY_DEBEZIUM);
        self
    }

    /// Without what Debezium's JDBC sink, release 3.6, does not write into PostgreSQL as it is.
    #[must_use]
    pub fn as_jdbc_sink_writes(mut self) -> Self {
        self.keep(&[], KEPT_BY_JDBC_SINK);
        self
    }

    /// Without decimals that are no number, or an infinite one.
    #[must_use]
    pub fn of_digits(mut self) -> Self {
        self.keep(&[], DIGITS);
        self
    }

    fn keep(&mut self, beyond: &[(&[&str], &str)], kept: &[Case]) {
        let is_beyond = |sql_type: &str| beyond.iter().any(|(types, _)| types.contains(&sql_type));
        self.cases.retain(|(_, (sql_type, _))| !is_beyond(sql_type));
        for (_, (sql_type, values)) in &mut self.cases {
            let kept = kept.iter().find(|(of, _)| of == sql_type);
            *values = kept.map_or(*values, |(_, kept)| kept);
        }
    }

    /// With these types alone.
    #[must_use]
    pub fn only(mut self, sql_types: &[&str]) -> Self {
        self.cases.retain(|(_, (sql_type, _))| sql_types.contains(sql_type));
        self
    }

    /// Without some types.
    #[must_use]
    pub fn without(mut self, sql_types: &[&str]) -> Self {
        self.cases.retain(|(_, (sql_type, _))| !sql_types.contains(sql_type));
        self
    }

    /// What must be made before the table.
    #[must_use]
    pub fn made(&self) -> &'static str {
        MADE
    }

    /// The columns of types, each with its type.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.cases.iter().map(|(column, (sql_type, _))| (column.as_str(), *sql_type))
    }

    /// The names of all columns, with commas between.
    #[must_use]
    pub fn names(&self) -> String {
        let named: Vec<&str> = self.columns().map(|(column, _)| column).collect();
        format!("id, {}", named.join(", "))
    }

    /// How many rows one go of [`Everything::inserts`] has.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.cases.iter().map(|(_, (_, values))| values.len()).max().unwrap_or(0) + 1
    }

    /// The statement that makes the table.
    #[must_use]
    pub fn create(&self) -> String {
        let mut table = "CREATE TABLE everything (id integer PRIMARY KEY".to_owned();
        for (column, sql_type) in self.columns() {
            let _ = write!(table, ", {column} {sql_type}");
        }
        table + ")"
    }

    /// One statement a row: the nth value of every type, NULL where a type has no more.
    #[must_use]
    pub fn inserts(&self, first: usize) -> String {
        let mut sql = String::new();
        for row in 0..self.rows() {
            let value = |(_, (sql_type, values)): &(String, Case)| match values.get(row) {
                Some(value) => format!("({value})::{sql_type}"),
                None => "NULL".into(),
            };
            let values: Vec<String> = self.cases.iter().map(value).collect();
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
    #[must_use]
    pub fn rotate(&self, from: usize) -> String {
        let columns: Vec<&str> = self.columns().map(|(column, _)| column).collect();
        let taken: Vec<String> = columns.iter().map(|column| format!("o.{column}")).collect();
        format!(
            "UPDATE everything AS e SET ({}) = ROW({}) FROM everything AS o
             WHERE e.id > {from} AND o.id = e.id - 1",
            columns.join(", "),
            taken.join(", ")
        )
    }
}
