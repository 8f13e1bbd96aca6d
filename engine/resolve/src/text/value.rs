//! A cell and its text, by the type of its column.

use super::number::{read_bytes, read_decimal};
use super::time::{
    Zone, read_date, read_time, read_timestamp, write_date, write_time, write_timestamp,
};
use crate::cells::array;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;
use syncline_core::{Column, Error, Kind, Result};

/// The text of a cell.
///
/// # Errors
/// `Corrupt` where the cell is none of the column's type.
pub(crate) fn write(column: &Column, cell: &[u8]) -> Result<String> {
    let short = |_| Error::new(Kind::Corrupt, format!("a cell of {} is damaged", column.name));
    let days = || cell.try_into().map(i32::from_le_bytes).map_err(short);
    let micros = || cell.try_into().map(i64::from_le_bytes).map_err(short);
    match &column.data_type {
        DataType::Date32 => Ok(write_date(days()?)),
        DataType::Time64(_) => Ok(write_time(micros()?)),
        DataType::Timestamp(_, zone) => Ok(write_timestamp(micros()?, zone_of(zone.as_deref()))),
        _ => shown(column, cell),
    }
}

fn shown(column: &Column, cell: &[u8]) -> Result<String> {
    let array = array(&column.data_type, [Some(cell)].into_iter())?;
    let options = FormatOptions::new();
    let formatter = ArrayFormatter::try_new(&array, &options).map_err(|error| {
        Error::new(Kind::Internal, format!("{} has no text", column.name)).caused_by(error)
    })?;
    Ok(formatter.value(0).to_string())
}

/// The cell of a text; none where the text is no value of the column's type.
pub(crate) fn read(column: &Column, text: &str) -> Option<Vec<u8>> {
    match &column.data_type {
        DataType::Boolean => boolean(text).map(|it| vec![u8::from(it)]),
        DataType::Int16 => text.parse::<i16>().ok().map(|it| it.to_le_bytes().to_vec()),
        DataType::Int32 => text.parse::<i32>().ok().map(|it| it.to_le_bytes().to_vec()),
        DataType::Int64 => text.parse::<i64>().ok().map(|it| it.to_le_bytes().to_vec()),
        DataType::Float32 => text.parse::<f32>().ok().map(|it| it.to_le_bytes().to_vec()),
        DataType::Float64 => text.parse::<f64>().ok().map(|it| it.to_le_bytes().to_vec()),
        DataType::Decimal128(precision, scale) => {
            read_decimal(text, *precision, *scale).map(|it| it.to_le_bytes().to_vec())
        }
        DataType::Date32 => read_date(text).map(|it| it.to_le_bytes().to_vec()),
        DataType::Time64(_) => read_time(text).map(|it| it.to_le_bytes().to_vec()),
        DataType::Timestamp(_, zone) => {
            let zone = zone_of(zone.as_deref());
            read_timestamp(text, zone).map(|it| it.to_le_bytes().to_vec())
        }
        DataType::Utf8 => Some(text.as_bytes().to_vec()),
        DataType::Binary => read_bytes(text),
        DataType::FixedSizeBinary(width) => {
            let bytes = read_bytes(&text.replace('-', ""))?;
            (i32::try_from(bytes.len()) == Ok(*width)).then_some(bytes)
        }
        _ => None,
    }
}

fn zone_of(zone: Option<&str>) -> Zone {
    zone.map_or(Zone::None, |_| Zone::Utc)
}

/// PostgreSQL's words for it.
fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::TimeUnit;
    use proptest::prelude::*;

    fn column(data_type: DataType) -> Column {
        Column {
            name: "x".into(),
            id: 0,
            data_type,
            native_type: "any".into(),
            nullable: true,
            has_default: false,
            generated: false,
        }
    }

    /// A type and a cell of it. Of the numbers that are none there is one.
    fn cells() -> impl Strategy<Value = (DataType, Vec<u8>)> {
        let of = |data_type: DataType, cell: Vec<u8>| (data_type, cell);
        let micros = prop_oneof![
            any::<i64>(),
            Just(i64::MAX),
            Just(i64::MIN),
            -200_000_000_000_000_000_i64..200_000_000_000_000_000,
        ];
        let timestamp =
            |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        let (naive, aware) = (timestamp(None), timestamp(Some("UTC")));
        let day = prop_oneof![any::<i32>(), Just(i32::MAX), Just(i32::MIN), -800_000_i32..80_000];
        let decimal = (1_u8..=38, -4_i8..=38).prop_flat_map(|(precision, scale)| {
            let scale = scale.min(i8::try_from(precision).expect("at most 38"));
            let most = 10_i128.pow(precision.into()) - 1;
            (Just(DataType::Decimal128(precision, scale)), -most..=most)
        });
        prop_oneof![
            any::<bool>().prop_map(move |it| of(DataType::Boolean, vec![it.into()])),
            any::<i16>().prop_map(move |it| of(DataType::Int16, it.to_le_bytes().to_vec())),
            any::<i32>().prop_map(move |it| of(DataType::Int32, it.to_le_bytes().to_vec())),
            any::<i64>().prop_map(move |it| of(DataType::Int64, it.to_le_bytes().to_vec())),
            any::<u32>().prop_map(f32::from_bits).prop_map(move |it| {
                let it = if it.is_nan() { f32::NAN } else { it };
                of(DataType::Float32, it.to_le_bytes().to_vec())
            }),
            any::<u64>().prop_map(f64::from_bits).prop_map(move |it| {
                let it = if it.is_nan() { f64::NAN } else { it };
                of(DataType::Float64, it.to_le_bytes().to_vec())
            }),
            decimal.prop_map(move |(data_type, it)| of(data_type, it.to_le_bytes().to_vec())),
            day.prop_map(move |it| of(DataType::Date32, it.to_le_bytes().to_vec())),
            (0_i64..=86_400_000_000).prop_map(move |it| {
                of(DataType::Time64(TimeUnit::Microsecond), it.to_le_bytes().to_vec())
            }),
            micros.clone().prop_map(move |it| of(naive.clone(), it.to_le_bytes().to_vec())),
            micros.prop_map(move |it| of(aware.clone(), it.to_le_bytes().to_vec())),
            ".{0,12}".prop_map(move |it: String| of(DataType::Utf8, it.into_bytes())),
            prop::collection::vec(any::<u8>(), 0..12).prop_map(move |it| of(DataType::Binary, it)),
            any::<[u8; 16]>().prop_map(move |it| of(DataType::FixedSizeBinary(16), it.to_vec())),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_was_written_for_a_cell_is_read_as_that_cell((data_type, cell) in cells()) {
            let column = column(data_type);
            let text = write(&column, &cell).unwrap();
            prop_assert_eq!(read(&column, &text), Some(cell), "{}", text);
        }

        /// Where Arrow has words for it, they are the same: keys are written by it elsewhere.
        #[test]
        fn times_are_written_as_arrow_writes_them((data_type, cell) in cells()) {
            // Names of zones are a feature of Arrow's that not every build has.
            let by_arrow = match &data_type {
                DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("+00:00".into())),
                other => other.clone(),
            };
            let (column, by_arrow) = (column(data_type), column(by_arrow));
            let by_arrow = shown(&by_arrow, &cell).unwrap();
            if !by_arrow.starts_with("ERROR") {
                prop_assert_eq!(write(&column, &cell).unwrap(), by_arrow);
            }
        }
    }

    #[test]
    fn what_is_no_value_of_the_type_is_not_read() {
        let wrong = [
            (DataType::Int16, "40000"),
            (DataType::Int32, "1.5"),
            (DataType::Boolean, "maybe"),
            (DataType::Float64, "much"),
            (DataType::Date32, "30.06.2024"),
            (DataType::FixedSizeBinary(16), "abcd"),
        ];
        for (data_type, text) in wrong {
            assert_eq!(read(&column(data_type), text), None, "{text}");
        }
    }
}
