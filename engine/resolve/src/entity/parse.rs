//! From texts to cells and keys: the inverse of how values are put into words.
//!
//! What [`cell_text`](super::conflict::cell_text) wrote comes back as it was, byte by byte. What people
//! write beside that is taken too where it can mean only one thing: `2024-1-5 8:00`, `t`, a uuid with
//! dashes, `\x` before bytes.

use super::moment::{date, moment, time};
use crate::policy::Compiled;
use arrow_schema::DataType;
use syncline_core::{Column, Error, Kind, Result};

/// What a column of numbers holds for NaN where its type has none, as the connectors carry it.
const DECIMAL_NAN: i128 = i128::MAX;

/// The cell of a value that was written as text.
///
/// # Errors
/// `Config` where the text is no value of the column's type.
pub(super) fn parse_cell(column: &Column, text: &str) -> Result<Vec<u8>> {
    cell(&column.data_type, text).ok_or_else(|| {
        Error::new(Kind::Config, format!("{text:?} is no {}", column.native_type))
            .detail(format!("{} is of the type {}", column.name, column.native_type))
            .hint(format!("write it as {}", example(&column.data_type)))
    })
}

/// The bytes of the key that these texts are, in the order of the key's columns.
///
/// # Errors
/// `Config` where there are more or fewer than the key has columns, or one is no value of its type.
pub(super) fn parse_key(rules: &Compiled, texts: &[&str]) -> Result<Vec<u8>> {
    let schema = &rules.rules.schema;
    let columns = || schema.key().iter().filter_map(|&column| schema.columns().get(column));
    if columns().count() != texts.len() {
        let names: Vec<&str> = columns().map(|column| column.name.as_str()).collect();
        let wrong = format!("{} is no key of {}", words(texts.len()), schema.name());
        return Err(Error::new(Kind::Config, wrong)
            .detail(format!("its key is {}", names.join(", ")))
            .hint("give a value for each of them, in this order"));
    }
    let mut key = Vec::new();
    for (column, text) in columns().zip(texts) {
        let cell = parse_cell(column, text)?;
        let length = u32::try_from(cell.len()).map_err(|_| {
            Error::new(Kind::Config, format!("{} is too long for a key", column.name))
        })?;
        key.extend(length.to_le_bytes());
        key.extend(cell);
    }
    Ok(key)
}

fn words(count: usize) -> String {
    match count {
        1 => "one value".to_owned(),
        count => format!("{count} values"),
    }
}

fn cell(data_type: &DataType, text: &str) -> Option<Vec<u8>> {
    let bare = text.trim();
    Some(match data_type {
        DataType::Utf8 => text.as_bytes().to_vec(),
        DataType::Binary => bytes(bare.strip_prefix("\\x").unwrap_or(bare))?,
        DataType::FixedSizeBinary(width) => {
            let bytes = bytes(&bare.replace('-', ""))?;
            (i32::try_from(bytes.len()) == Ok(*width)).then_some(bytes)?
        }
        DataType::Boolean => vec![boolean(bare)?.into()],
        DataType::Int16 => bare.parse::<i16>().ok()?.to_le_bytes().to_vec(),
        DataType::Int32 => bare.parse::<i32>().ok()?.to_le_bytes().to_vec(),
        DataType::Int64 => bare.parse::<i64>().ok()?.to_le_bytes().to_vec(),
        DataType::Float32 => bare.parse::<f32>().ok()?.to_le_bytes().to_vec(),
        DataType::Float64 => bare.parse::<f64>().ok()?.to_le_bytes().to_vec(),
        DataType::Decimal128(digits, scale) => {
            decimal(bare, *digits, *scale)?.to_le_bytes().to_vec()
        }
        DataType::Date32 => date(bare)?.to_le_bytes().to_vec(),
        DataType::Time64(_) => time(bare)?.to_le_bytes().to_vec(),
        DataType::Timestamp(_, zone) => moment(bare, zone.is_some())?.to_le_bytes().to_vec(),
        _ => return None,
    })
}

/// The text of values that Arrow has no words for; none for all others.
pub(super) fn special(data_type: &DataType, cell: &[u8]) -> Option<&'static str> {
    let number = |cell: &[u8]| Some(i64::from_le_bytes(cell.try_into().ok()?));
    match data_type {
        DataType::Date32 => match i32::from_le_bytes(cell.try_into().ok()?) {
            i32::MAX => Some("infinity"),
            i32::MIN => Some("-infinity"),
            _ => None,
        },
        DataType::Timestamp(..) => match number(cell)? {
            i64::MAX => Some("infinity"),
            i64::MIN => Some("-infinity"),
            _ => None,
        },
        DataType::Time64(_) => (number(cell)? == super::moment::DAY).then_some("24:00:00"),
        DataType::Decimal128(..) => (cell == DECIMAL_NAN.to_le_bytes()).then_some("NaN"),
        _ => None,
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" => Some(true),
        "false" | "f" | "no" => Some(false),
        _ => None,
    }
}

/// Of hexadecimal digits.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect()
}

/// A number with so many digits behind the point, as an integer without it. Exact, or none.
fn decimal(text: &str, digits: u8, scale: i8) -> Option<i128> {
    if text.eq_ignore_ascii_case("nan") {
        return Some(DECIMAL_NAN);
    }
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, behind) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let behind = behind.trim_end_matches('0');
    let missing = usize::try_from(scale).ok()?.checked_sub(behind.len())?;
    let mut all = format!("{whole}{behind}");
    if whole.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    all.extend(std::iter::repeat_n('0', missing));
    let number: i128 = all.parse().ok()?;
    let most = 10_i128.checked_pow(digits.into())?;
    (number < most).then_some(if is_negative { -number } else { number })
}

fn example(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Binary => "hexadecimal digits, as in 00ff",
        DataType::FixedSizeBinary(_) => "00112233-4455-6677-8899-aabbccddeeff",
        DataType::Boolean => "true or false",
        DataType::Int16 | DataType::Int32 | DataType::Int64 => "a whole number that fits its type",
        DataType::Decimal128(..) => "a number with no more digits than its type, as in 12.50",
        DataType::Date32 => "2024-01-31",
        DataType::Time64(_) => "13:45:00",
        DataType::Timestamp(_, None) => "2024-01-31 13:45:00",
        DataType::Timestamp(..) => "2024-01-31 13:45:00Z",
        _ => "a number, as in 1.5",
    }
}

#[cfg(test)]
mod tests {
    use super::super::conflict::cell_text;
    use super::*;
    use arrow_schema::TimeUnit;
    use proptest::prelude::*;

    fn column(data_type: DataType) -> Column {
        Column {
            name: "it".into(),
            id: 0,
            data_type,
            native_type: "type".into(),
            nullable: true,
            has_default: false,
            generated: false,
        }
    }

    fn aware() -> DataType {
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
    }

    fn naive() -> DataType {
        DataType::Timestamp(TimeUnit::Microsecond, None)
    }

    /// Any value of any type that an entity's field may have. Days and moments are those that have a
    /// text: about 262,000 years each way.
    fn values() -> impl Strategy<Value = (DataType, Vec<u8>)> {
        let days = prop_oneof![
            -95_000_000_i32..95_000_000,
            -1_000_000_i32..1_000_000,
            Just(i32::MAX),
            Just(i32::MIN)
        ];
        let moments = prop_oneof![
            -8_000_000_000_000_000_000_i64..8_000_000_000_000_000_000,
            -10_000_000_i64..10_000_000,
            Just(i64::MAX),
            Just(i64::MIN)
        ];
        let most = 10_i128.pow(38) - 1;
        prop_oneof![
            ".{0,12}".prop_map(|text| (DataType::Utf8, text.into_bytes())),
            any::<bool>().prop_map(|it| (DataType::Boolean, vec![it.into()])),
            any::<i16>().prop_map(|it| (DataType::Int16, it.to_le_bytes().to_vec())),
            any::<i32>().prop_map(|it| (DataType::Int32, it.to_le_bytes().to_vec())),
            any::<i64>().prop_map(|it| (DataType::Int64, it.to_le_bytes().to_vec())),
            any::<f32>().prop_map(|it| (DataType::Float32, it.to_le_bytes().to_vec())),
            any::<f64>().prop_map(|it| (DataType::Float64, it.to_le_bytes().to_vec())),
            prop_oneof![Just(f64::INFINITY), Just(-f64::INFINITY), Just(f64::NAN), Just(-0.0)]
                .prop_map(|it| (DataType::Float64, it.to_le_bytes().to_vec())),
            (-999_999_i128..=999_999, 0_i8..=6).prop_map(|(it, scale)| (
                DataType::Decimal128(6, scale),
                it.to_le_bytes().to_vec()
            )),
            (prop_oneof![-most..=most, Just(DECIMAL_NAN)], 0_i8..=38).prop_map(|(it, scale)| (
                DataType::Decimal128(38, scale),
                it.to_le_bytes().to_vec()
            )),
            days.prop_map(|it| (DataType::Date32, it.to_le_bytes().to_vec())),
            (0..=super::super::moment::DAY).prop_map(|it| {
                (DataType::Time64(TimeUnit::Microsecond), it.to_le_bytes().to_vec())
            }),
            (moments, any::<bool>()).prop_map(|(it, is_aware)| {
                (if is_aware { aware() } else { naive() }, it.to_le_bytes().to_vec())
            }),
            any::<[u8; 16]>().prop_map(|it| (DataType::FixedSizeBinary(16), it.to_vec())),
            prop::collection::vec(any::<u8>(), 0..9).prop_map(|it| (DataType::Binary, it)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 5_000, failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn what_was_put_into_words_comes_back_as_it_was((data_type, cell) in values()) {
            let column = column(data_type);
            let text = cell_text(&column, Some(&cell)).unwrap().unwrap();
            prop_assert_eq!(parse_cell(&column, &text).unwrap(), cell, "{}", text);
        }

        #[test]
        fn no_text_panics((data_type, _) in values(), text in "[-+0-9.:TZ xefa]{0,24}|.{0,12}") {
            let _ = parse_cell(&column(data_type), &text);
        }
    }

    #[test]
    fn people_may_write_it_otherwise() {
        let same = |data_type: DataType, one: &str, other: &str| {
            let column = column(data_type);
            assert_eq!(parse_cell(&column, one).unwrap(), parse_cell(&column, other).unwrap());
        };
        same(DataType::Boolean, "T", "true");
        same(DataType::Decimal128(5, 2), "1.5", "1.50");
        same(DataType::Decimal128(5, 2), "+01", "1.00");
        same(DataType::Date32, "2024-1-5", "2024-01-05");
        same(naive(), "2024-01-05 8:00", "2024-01-05T08:00:00");
        same(aware(), "2024-01-05 10:00+02", "2024-01-05T08:00:00Z");
        same(aware(), "2024-01-05 02:30:00.5-05:30", "2024-01-05T08:00:00.500Z");
        same(DataType::Binary, "\\x00fF", "00ff");
        let dashed = "00112233-4455-6677-8899-aabbccddeeff";
        same(DataType::FixedSizeBinary(16), dashed, &dashed.replace('-', ""));
        same(DataType::Int32, " 7 ", "7");
    }

    #[test]
    fn what_is_no_value_of_the_type_is_refused() {
        for (data_type, text) in [
            (DataType::Boolean, "perhaps"),
            (DataType::Int16, "32768"),
            (DataType::Int32, "1.0"),
            (DataType::Decimal128(5, 2), "1.005"),
            (DataType::Decimal128(5, 2), "1000.00"),
            (DataType::Decimal128(5, 2), "1e2"),
            (DataType::Decimal128(5, 2), ".5"),
            (DataType::Date32, "2023-02-29"),
            (DataType::Date32, "2024-13-01"),
            (DataType::Time64(TimeUnit::Microsecond), "24:00:01"),
            (DataType::Time64(TimeUnit::Microsecond), "12:00:00.1234567"),
            (naive(), "2024-01-05 08:00Z"),
            (DataType::FixedSizeBinary(16), "0011"),
            (DataType::Binary, "0"),
        ] {
            let error = parse_cell(&column(data_type), text).expect_err(text);
            assert_eq!(error.kind(), Kind::Config);
        }
    }
}
