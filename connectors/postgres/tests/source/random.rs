//! Tables of any columns with any values, as SQL.

use proptest::collection::vec;
use proptest::prelude::*;
use std::fmt::Write as _;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// A table's columns, without its key, and its rows.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// The type of each column.
    pub(crate) types: Vec<String>,
    /// An expression a column and row.
    pub(crate) rows: Vec<Vec<String>>,
    /// Whether the columns are added only while it is read.
    pub(crate) late: bool,
}

impl Table {
    /// `c0 type, c1 type …`, each behind what is said.
    pub(crate) fn columns(&self, before: &str) -> String {
        let columns = self.types.iter().enumerate();
        let columns: Vec<String> =
            columns.map(|(at, native)| format!("{before} c{at} {native}")).collect();
        columns.join(", ")
    }

    /// The statement that puts the rows into a table of this name.
    pub(crate) fn insert(&self, into: &str) -> String {
        let mut sql = String::new();
        for (id, row) in self.rows.iter().enumerate() {
            let _ = writeln!(sql, "INSERT INTO {into} VALUES ({id}, {});", row.join(", "));
        }
        sql
    }
}

/// Any table.
pub(crate) fn table() -> impl Strategy<Value = Table> {
    (1_usize..8).prop_flat_map(|rows| {
        let columns = vec(column(rows), 1..9);
        (columns, any::<bool>()).prop_map(move |(columns, late)| {
            let row = |at: usize| columns.iter().map(|(_, values)| values[at].clone()).collect();
            let rows = (0..rows).map(row).collect();
            Table { types: columns.iter().map(|(native, _)| native.clone()).collect(), rows, late }
        })
    })
}

type Column = (String, Vec<String>);

/// A column of a type, each of whose values is NULL or one of these.
fn of(
    native: impl Into<String>,
    value: impl Strategy<Value = String> + 'static,
    rows: usize,
) -> BoxedStrategy<Column> {
    let value = prop_oneof![1 => Just("NULL".to_owned()), 5 => value];
    let native = native.into();
    vec(value, rows).prop_map(move |values| (native.clone(), values)).boxed()
}

fn column(rows: usize) -> BoxedStrategy<Column> {
    let plain = prop_oneof![
        of("int2", integer(i64::from(i16::MIN), i64::from(i16::MAX)), rows),
        of("int4", integer(i64::from(i32::MIN), i64::from(i32::MAX)), rows),
        of("int8", integer(i64::MIN, i64::MAX), rows),
        of(
            "float4",
            any::<u32>().prop_map(|bits| literal(&f32::from_bits(bits).to_string())),
            rows
        ),
        of(
            "float8",
            any::<u64>().prop_map(|bits| literal(&f64::from_bits(bits).to_string())),
            rows
        ),
        of("bool", any::<bool>().prop_map(|flag| flag.to_string()), rows),
        of(
            "bytea",
            vec(any::<u8>(), 0..40).prop_map(|bytes| literal(&format!("\\x{}", hex(&bytes)))),
            rows
        ),
        of("uuid", any::<[u8; 16]>().prop_map(|bytes| literal(&hex(&bytes))), rows),
    ];
    let texts = prop_oneof![
        of("text", text(60).prop_map(|text| literal(&text)), rows),
        of("varchar(9)", text(9).prop_map(|text| literal(&text)), rows),
        of("char(9)", text(9).prop_map(|text| literal(&text)), rows),
        of("json", text(20).prop_map(|text| format!("to_json({}::text)", literal(&text))), rows),
        of("jsonb", text(20).prop_map(|text| format!("to_jsonb({}::text)", literal(&text))), rows),
        of("varbit", "[01]{0,20}".prop_map(|bits| literal(&bits)), rows),
        of(
            "inet",
            any::<[u8; 4]>()
                .prop_map(|[a, b, c, d]| literal(&format!("{a}.{b}.{c}.{d}/{}", a % 33))),
            rows
        ),
        of(
            "int8range",
            any::<(i32, u16)>()
                .prop_map(|(from, more)| format!("int8range({from}, {from}::int8 + {more}, '[]')")),
            rows
        ),
        of("text[]", list(text(12).prop_map(|text| literal(&text)), "text"), rows),
        of("numeric[]", list(digits(50), "numeric"), rows),
        of("timestamptz[]", list(timestamp("timestamptz"), "timestamptz"), rows),
    ];
    let times = prop_oneof![
        of("date", date(), rows),
        of("time", (0..=DAY).prop_map(|micros| literal(&clock(micros))), rows),
        of(
            "timetz",
            (0..=DAY, -15_i8..=15)
                .prop_map(|(micros, zone)| literal(&format!("{}{zone:+}", clock(micros)))),
            rows
        ),
        of("timestamp", timestamp("timestamp"), rows),
        of("timestamptz", timestamp("timestamptz"), rows),
        of(
            "interval",
            any::<(i16, i32, i32, i64)>().prop_map(|(years, months, days, micros)| {
                let months = months / 2;
                literal(&format!("{years} years {months} months {days} days {micros} microseconds"))
            }),
            rows
        ),
    ];
    prop_oneof![2 => plain, 2 => texts, 2 => times, 3 => numeric(rows)].boxed()
}

/// `numeric`, bare or of any precision and scale.
fn numeric(rows: usize) -> BoxedStrategy<Column> {
    let sized = (1_usize..45, -5_i32..50).prop_flat_map(move |(precision, scale)| {
        let digits = format!("-?[0-9]{{1,{precision}}}");
        let digits = proptest::string::string_regex(&digits).unwrap();
        let digits = digits.prop_map(move |digits| format!("{digits}e{}", -scale));
        let value = prop_oneof![9 => digits, 1 => Just("NaN".to_owned())];
        of(format!("numeric({precision},{scale})"), value.prop_map(|text| literal(&text)), rows)
    });
    prop_oneof![of("numeric", digits(300), rows), sized].boxed()
}

fn digits(exponent: i32) -> impl Strategy<Value = String> {
    let words = prop_oneof![Just("NaN"), Just("Infinity"), Just("-Infinity"), Just("-0.00")];
    let number = ("-?[0-9]{1,50}(\\.[0-9]{1,50})?", -exponent..=exponent)
        .prop_map(|(digits, exponent)| literal(&format!("{digits}e{exponent}")));
    prop_oneof![1 => words.prop_map(literal), 6 => number]
}

fn integer(min: i64, max: i64) -> impl Strategy<Value = String> {
    let number = prop_oneof![2 => min..=max, 1 => Just(min), 1 => Just(max), 2 => -9_i64..=9];
    number.prop_map(|number| literal(&number.to_string()))
}

/// Any text of so many characters that PostgreSQL can hold, those before all that mean something to somebody.
fn text(characters: usize) -> impl Strategy<Value = String> {
    let odd = prop::sample::select(
        "\\\t\n\r\u{8}\u{b}\u{c}\u{1}'\"{},N.() \u{feff}é🎓\u{7f}".chars().collect::<Vec<_>>(),
    );
    let character = prop_oneof![odd, any::<char>()];
    vec(character, 0..=characters)
        .prop_map(|text| text.into_iter().filter(|character| *character != '\0').collect())
}

fn list(value: impl Strategy<Value = String>, of: &'static str) -> impl Strategy<Value = String> {
    let value = prop_oneof![1 => Just("NULL".to_owned()), 4 => value];
    vec(value, 0..4).prop_map(move |values| format!("ARRAY[{}]::{of}[]", values.join(", ")))
}

/// Days since 2000 of the first and last day that PostgreSQL has.
const DATES: std::ops::RangeInclusive<i32> = -2_451_545..=2_145_031_948;

fn date() -> impl Strategy<Value = String> {
    let days = prop_oneof![4 => DATES, 4 => -800_000_i32..100_000, 1 => Just(*DATES.start()), 1 => Just(*DATES.end())];
    let words = prop_oneof![Just("'infinity'"), Just("'-infinity'")].prop_map(str::to_owned);
    let day = days.prop_map(|days| format!("'2000-01-01'::date + {days}"));
    prop_oneof![1 => words, 8 => day]
}

fn timestamp(native: &'static str) -> impl Strategy<Value = String> {
    // The first day that is whole, to the last.
    let days = prop_oneof![
        3 => -2_451_507_i32..=106_751_982,
        4 => -800_000_i32..100_000,
        1 => 106_741_000_i32..106_751_982,
    ];
    let words = prop_oneof![Just("infinity"), Just("-infinity")]
        .prop_map(move |word| format!("'{word}'::{native}"));
    let moment = (days, 0..DAY).prop_map(move |(days, micros)| {
        let zone = if native == "timestamptz" { " 00:00+00" } else { "" };
        format!("'2000-01-01{zone}'::{native} + '{days} days {micros} microseconds'::interval")
    });
    prop_oneof![1 => words, 8 => moment]
}

fn clock(micros: i64) -> String {
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    format!("{:02}:{:02}:{:02}.{micros:06}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
