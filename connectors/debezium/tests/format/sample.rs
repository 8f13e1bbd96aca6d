//! Batches of every type that values are carried in, made of seeds.

use arrow_array::builder::FixedSizeBinaryBuilder;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, StringArray,
    Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow_buffer::IntervalMonthDayNano;
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use proptest::prelude::*;
use std::sync::Arc;
use syncline_core::{
    ChangeBatch, Column, ColumnMask, Op, Presence, TableSchema, Transaction, TransactionRun,
};

/// One row's seeds: what happened, its transaction, a seed a column, and what texts and bytes hold.
#[derive(Debug, Clone)]
pub(crate) struct Seed {
    op: u8,
    commit: u8,
    cells: Vec<u64>,
    text: String,
}

const COLUMNS: usize = 22;

pub(crate) fn seeds() -> impl Strategy<Value = Vec<Seed>> {
    let text =
        prop_oneof!["[a-zé \"\\\\\n\u{1}{},]{0,12}", Just(String::new()), Just("NULL".into())];
    let cells = prop::collection::vec(any::<u64>(), COLUMNS);
    let seed = (0..5_u8, 0..3_u8, cells, text).prop_map(|(op, commit, cells, text)| Seed {
        op,
        commit,
        cells,
        text,
    });
    prop::collection::vec(seed, 1..12)
}

/// One row of the batch: a seed, and which image of it.
struct Row<'a> {
    seed: &'a Seed,
    op: Op,
}

pub(crate) fn schema() -> Arc<TableSchema> {
    let micros = TimeUnit::Microsecond;
    let columns = [
        ("id", DataType::Int32, "integer"),
        ("must", DataType::Int64, "bigint"),
        ("flag", DataType::Boolean, "boolean"),
        ("small", DataType::Int16, "smallint"),
        ("big", DataType::Int64, "bigint"),
        ("real", DataType::Float32, "real"),
        ("double", DataType::Float64, "double precision"),
        ("money", DataType::Decimal128(10, 2), "numeric(10,2)"),
        ("wide", DataType::Decimal128(38, 10), "numeric(38,10)"),
        ("endless", DataType::Utf8, "numeric"),
        ("text", DataType::Utf8, "character varying(20)"),
        ("json", DataType::Utf8, "jsonb"),
        ("mood", DataType::Utf8, "public.mood"),
        ("bytes", DataType::Binary, "bytea"),
        ("date", DataType::Date32, "date"),
        ("time", DataType::Time64(micros), "time without time zone"),
        ("at", DataType::Timestamp(micros, None), "timestamp without time zone"),
        ("seen", DataType::Timestamp(micros, Some("UTC".into())), "timestamp with time zone"),
        ("span", DataType::Interval(IntervalUnit::MonthDayNano), "interval"),
        ("uuid", DataType::FixedSizeBinary(16), "uuid"),
        ("bits", DataType::Utf8, "bit(10)"),
        ("numbers", DataType::Utf8, "integer[]"),
    ];
    let column = |(id, (name, data_type, native)): (i32, (&str, DataType, &str))| Column {
        name: name.into(),
        id,
        data_type,
        native_type: native.into(),
        nullable: id > 2,
        has_default: id == 4,
        generated: id == 5,
    };
    let columns: Vec<Column> = (1..).zip(columns).map(column).collect();
    assert_eq!(columns.len(), COLUMNS);
    Arc::new(TableSchema::new(crate::show::table(), 1, columns, vec![0]))
}

/// What a cell holds.
enum Cell {
    Absent,
    Null,
    /// A value at an end of its range.
    Edge(u64),
    Plain(u64),
}

impl Row<'_> {
    fn cell(&self, column: usize) -> Cell {
        let seed =
            self.seed.cells[column].rotate_left(u32::from(self.op == Op::Before && column > 0));
        // Absent is told by texts and bytes alone in what consumers write.
        let may_lack = match self.op {
            Op::Delete | Op::Before => column > 0,
            _ => matches!(column, 10..=13 | 21),
        };
        match seed % 8 {
            0 if may_lack => Cell::Absent,
            1 if column > 1 => Cell::Null,
            2 | 3 => Cell::Edge(seed >> 3),
            _ => Cell::Plain(seed >> 3),
        }
    }

    /// The value of a column: one of `edges`, or what `plain` makes of the seed.
    fn value<T: Copy>(&self, column: usize, edges: &[T], plain: impl Fn(u64) -> T) -> Option<T> {
        match self.cell(column) {
            Cell::Absent | Cell::Null => None,
            Cell::Edge(seed) if !edges.is_empty() => Some(edges[seed as usize % edges.len()]),
            Cell::Edge(seed) | Cell::Plain(seed) => Some(plain(seed)),
        }
    }

    fn text(&self, column: usize, plain: impl Fn(u64) -> String) -> Option<String> {
        self.value(column, &[], |seed| seed).map(plain)
    }
}

fn rows<'s>(seeds: &'s [Seed]) -> Vec<Row<'s>> {
    let of = |seed: &'s Seed| {
        let row = |op| Row { seed, op };
        match seed.op {
            0 => vec![row(Op::Insert)],
            1 => vec![row(Op::Update)],
            2 => vec![row(Op::Delete)],
            3 => vec![row(Op::Before), row(Op::Update)],
            _ => vec![row(Op::Snapshot)],
        }
    };
    seeds.iter().flat_map(of).collect()
}

/// The batch of these seeds; NaN decimals only where they can be written.
pub(crate) fn batch(seeds: &[Seed], with_nan: bool) -> ChangeBatch {
    let (rows, schema) = (rows(seeds), schema());
    let mask = |row: &Row<'_>| {
        let mut mask = ColumnMask::all(COLUMNS);
        for column in 0..COLUMNS {
            if matches!(row.cell(column), Cell::Absent) {
                mask.clear(column);
            }
        }
        mask
    };
    let presence = Presence::from_rows(COLUMNS, rows.iter().map(mask));
    let ops: Vec<u8> = rows.iter().map(|row| row.op as u8).collect();
    let ordinals: Vec<u32> = (0..).take(rows.len()).map(|at: u32| at * 3).collect();
    let run = |row: &Row<'_>| {
        let commit = u64::MAX - 2 + u64::from(row.seed.commit);
        let (epoch, ours) = (3, row.seed.commit == 1);
        let committed_at = 1_764_064_799_500_250 + i64::from(row.seed.commit);
        let transaction = Transaction { epoch, commit, committed_at, ours };
        TransactionRun { transaction, rows: 1 }
    };
    let runs = rows.iter().map(run).collect();
    let columns = arrays(&rows, with_nan);
    ChangeBatch::try_new(schema, columns, ops.into(), ordinals.into(), runs, presence).unwrap()
}

fn arrays(rows: &[Row<'_>], with_nan: bool) -> Vec<ArrayRef> {
    let mut columns = numbers(rows, with_nan);
    columns.extend(texts(rows, with_nan));
    columns.extend(times(rows));
    columns.push(uuids(rows));
    let bits = |row: &Row<'_>| row.text(20, |seed| format!("{:010b}", seed % 1024));
    columns.push(Arc::new(rows.iter().map(bits).collect::<StringArray>()));
    let list = |row: &Row<'_>| row.text(21, |seed| format!("{{{seed},NULL}}"));
    columns.push(Arc::new(rows.iter().map(list).collect::<StringArray>()));
    columns
}

/// One array: a column's values in all rows.
macro_rules! array {
    ($rows:expr, $array:ty, $column:expr, $edges:expr, $plain:expr) => {
        Arc::new($rows.iter().map(|row| row.value($column, &$edges, $plain)).collect::<$array>())
            as ArrayRef
    };
}

fn numbers(rows: &[Row<'_>], with_nan: bool) -> Vec<ArrayRef> {
    let nines = 10_i128.pow(38) - 1;
    let nan = if with_nan { i128::MAX } else { 0 };
    let decimal = |column: usize, edges: [i128; 4], precision, scale| {
        let plain = |seed: u64| i128::from(seed.cast_signed() % 10_000_000_000);
        let values = rows.iter().map(|row| row.value(column, &edges, plain));
        let values: Decimal128Array = values.collect();
        Arc::new(values.with_precision_and_scale(precision, scale).unwrap()) as ArrayRef
    };
    vec![
        array!(rows, Int32Array, 0, [i32::MIN, i32::MAX], |seed| seed as i32),
        array!(rows, Int64Array, 1, [i64::MIN, i64::MAX], |seed| seed.cast_signed()),
        array!(rows, BooleanArray, 2, [], |seed| seed % 2 == 0),
        array!(rows, Int16Array, 3, [i16::MIN, i16::MAX], |seed| seed as i16),
        array!(rows, Int64Array, 4, [i64::MIN, i64::MAX], |seed| seed.cast_signed()),
        array!(rows, Float32Array, 5, [f32::NAN, f32::INFINITY, -0.0, f32::MIN_POSITIVE], |seed| {
            Some(f32::from_bits(seed as u32)).filter(|it| it.is_finite()).unwrap_or(0.1)
        }),
        array!(rows, Float64Array, 6, [f64::NAN, f64::NEG_INFINITY, -0.0, 5e-324], |seed| {
            Some(f64::from_bits(seed << 3)).filter(|it| it.is_finite()).unwrap_or(0.1)
        }),
        decimal(7, [nan, 9_999_999_999, -9_999_999_999, -128], 10, 2),
        decimal(8, [nan, nines, -nines, 128], 38, 10),
    ]
}

fn texts(rows: &[Row<'_>], with_nan: bool) -> Vec<ArrayRef> {
    let column = |column: usize, plain: &dyn Fn(&Row<'_>, u64) -> String| {
        let text = |row: &Row<'_>| row.text(column, |seed| plain(row, seed));
        Arc::new(rows.iter().map(text).collect::<StringArray>()) as ArrayRef
    };
    let words = if with_nan { ["NaN", "Infinity", "-Infinity"] } else { ["0", "0.00", "-0.10"] };
    let endless = move |_: &Row<'_>, seed: u64| match seed % 4 {
        0 => words[(seed >> 2) as usize % 3].to_owned(),
        1 => format!("-{seed}{seed}{seed}.{seed}0"),
        _ => (seed >> 2).to_string(),
    };
    let bytes = |row: &Row<'_>| {
        row.value(13, &[], |seed| seed).map(|seed| {
            let seed_bytes = seed.to_le_bytes();
            [row.seed.text.as_bytes(), &seed_bytes[..seed as usize % 8]].concat()
        })
    };
    vec![
        column(9, &endless),
        column(10, &|row, _| row.seed.text.clone()),
        column(11, &|_, seed| format!("{{\"a\": [{seed}, \"é\"]}}")),
        column(12, &|row, seed| format!("{}{}", row.seed.text, seed % 3)),
        Arc::new(rows.iter().map(bytes).collect::<BinaryArray>()),
    ]
}

fn times(rows: &[Row<'_>]) -> Vec<ArrayRef> {
    let day = 86_400_000_000;
    let any = |seed: u64| seed.cast_signed();
    let forever = [i64::MAX, i64::MIN, i64::MAX - 1, i64::MIN + 1, -62_135_596_800_000_001];
    let seen: TimestampMicrosecondArray =
        rows.iter().map(|row| row.value(17, &forever, any)).collect();
    let spans = [
        IntervalMonthDayNano::new(i32::MAX, i32::MIN, i64::MIN),
        IntervalMonthDayNano::new(-1, 1, -1),
        IntervalMonthDayNano::new(0, 0, 0),
    ];
    vec![
        array!(rows, Date32Array, 14, [i32::MAX, i32::MIN, -2_440_550, 2_145_042_905], |seed| {
            (seed % 3_000_000) as i32 - 1_000_000
        }),
        array!(rows, Time64MicrosecondArray, 15, [0, day], |seed| any(seed % 86_400_000_000)),
        array!(rows, TimestampMicrosecondArray, 16, forever, any),
        Arc::new(seen.with_timezone("UTC")),
        array!(rows, IntervalMonthDayNanoArray, 18, spans, |seed| {
            IntervalMonthDayNano::new((seed >> 40) as i32, seed as i32, any(seed << 2))
        }),
    ]
}

fn uuids(rows: &[Row<'_>]) -> ArrayRef {
    let mut column = FixedSizeBinaryBuilder::new(16);
    for row in rows {
        match row.value(19, &[0, u64::MAX], |seed| seed) {
            Some(seed) => {
                let uuid = (u128::from(seed) << 64 | u128::from(seed)).to_be_bytes();
                column.append_value(uuid).unwrap();
            }
            None => column.append_null(),
        }
    }
    Arc::new(column.finish())
}
