//! The rows: each a function of the seed and its number alone. Pure.

use crate::Settings;
use arrow_array::{ArrayRef, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, TimeUnit};
use std::ops::Range;
use std::sync::Arc;
use syncline_core::{
    ChangeBatch, Column, Error, Kind, Op, Presence, Result, TableName, TableSchema, Transaction,
    TransactionRun,
};

const GIVEN: [&str; 8] = ["Zoë", "José", "Mei", "Amara", "Søren", "Fatima", "Łukasz", "Ngozi"];
const FAMILY: [&str; 8] =
    ["Nuñez", "O'Brien", "Okafor", "Müller", "Ivanova", "Tanaka", "D'Souza", "Þórsdóttir"];

/// `public.people`: `id` is its key, `name` may be null.
pub(crate) fn schema(settings: &Settings) -> Arc<TableSchema> {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let columns = [
        ("id", DataType::Int64, "bigint"),
        ("name", DataType::Utf8, "text"),
        ("year", DataType::Int32, "integer"),
        ("enrolled_at", utc, "timestamp with time zone"),
    ];
    let column = |(id, (name, data_type, native_type)): (i32, (&str, DataType, &str))| Column {
        name: name.into(),
        id,
        data_type,
        native_type: native_type.into(),
        nullable: name == "name",
        has_default: false,
        generated: false,
    };
    let columns = (1..).zip(columns).map(column).collect();
    let name = TableName::table(&settings.system, "public", "people");
    Arc::new(TableSchema::new(name, 1, columns, vec![0]))
}

/// The rows with these numbers, as one transaction.
pub(crate) fn rows(
    settings: &Settings,
    schema: &Arc<TableSchema>,
    numbers: Range<u64>,
) -> Result<ChangeBatch> {
    let mixed = |number: u64| mix(settings.seed ^ mix(number));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(numbers.clone().map(|n| Some(n.cast_signed())).collect::<Int64Array>()),
        Arc::new(numbers.clone().map(|n| name(mixed(n))).collect::<StringArray>()),
        Arc::new(numbers.clone().map(|n| year(mixed(n))).collect::<Int32Array>()),
        Arc::new(
            numbers
                .clone()
                .map(|n| Some(committed_at(settings, n)))
                .collect::<TimestampMicrosecondArray>()
                .with_timezone("UTC"),
        ),
    ];
    let count = u32::try_from(numbers.end - numbers.start).unwrap_or(u32::MAX);
    let transaction = Transaction {
        epoch: 1,
        commit: numbers.end,
        committed_at: committed_at(settings, numbers.end),
        ours: false,
    };
    ChangeBatch::try_new(
        schema.clone(),
        columns,
        vec![Op::Insert as u8; count as usize].into(),
        (0..count).collect::<Vec<_>>().into(),
        vec![TransactionRun { transaction, rows: count }],
        Presence::all(schema.columns().len()),
    )
    .map_err(|error| Error::new(Kind::Internal, "made-up rows don't fit").caused_by(error))
}

/// When the row with this number was committed.
pub(crate) fn committed_at(settings: &Settings, number: u64) -> i64 {
    settings.began_at.saturating_add_unsigned(number)
}

/// One in sixteen has no name.
fn name(mixed: u64) -> Option<String> {
    let pick = |names: &[&str; 8], bits: u64| {
        let index = usize::try_from(bits % 8).unwrap_or_default();
        names.get(index).copied().unwrap_or_default().to_owned()
    };
    (!mixed.is_multiple_of(16))
        .then(|| format!("{} {}", pick(&GIVEN, mixed >> 8), pick(&FAMILY, mixed >> 16)))
}

fn year(mixed: u64) -> Option<i32> {
    i32::try_from(1 + (mixed >> 24) % 6).ok()
}

/// Spreads a number over all bits (splitmix64).
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
