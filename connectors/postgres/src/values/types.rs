//! Which Arrow type carries a PostgreSQL type.

use arrow_schema::{DataType, TimeUnit};

/// Most digits a Decimal128 holds.
const DECIMAL_DIGITS_MAX: i32 = 38;

/// The Arrow type for a PostgreSQL type: its object identifier and modifier, with domains already
/// resolved to their base type. Whatever is not listed is carried in its text form.
#[must_use]
pub fn arrow_type(type_oid: u32, modifier: i32) -> DataType {
    match type_oid {
        16 => DataType::Boolean,
        17 => DataType::Binary,
        20 => DataType::Int64,
        21 => DataType::Int16,
        23 => DataType::Int32,
        700 => DataType::Float32,
        701 => DataType::Float64,
        1082 => DataType::Date32,
        1083 => DataType::Time64(TimeUnit::Microsecond),
        1114 => DataType::Timestamp(TimeUnit::Microsecond, None),
        1184 => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        1700 => decimal(modifier),
        2950 => DataType::FixedSizeBinary(16),
        _ => DataType::Utf8,
    }
}

/// `numeric(p,s)` by its modifier: precision in the high half, scale in the low eleven bits,
/// signed since version 15.
fn decimal(modifier: i32) -> DataType {
    const HEADER: i32 = 4;
    if modifier < HEADER {
        return DataType::Utf8;
    }
    let packed = modifier - HEADER;
    let precision = packed >> 16 & 0xFFFF;
    let scale = ((packed & 0x7FF) ^ 0x400) - 0x400;
    // A scale beyond the precision, or below zero, needs more digits than the precision says.
    let digits = precision.max(scale).max(precision - scale);
    match (u8::try_from(digits), i8::try_from(scale.max(0))) {
        (Ok(digits), Ok(scale)) if i32::from(digits) <= DECIMAL_DIGITS_MAX => {
            DataType::Decimal128(digits, scale)
        }
        _ => DataType::Utf8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numeric(precision: i32, scale: i32) -> DataType {
        arrow_type(1700, (precision << 16 | (scale & 0x7FF)) + 4)
    }

    #[test]
    fn numerics_of_38_digits_are_decimals_and_others_are_text() {
        assert_eq!(numeric(10, 2), DataType::Decimal128(10, 2));
        assert_eq!(numeric(38, 0), DataType::Decimal128(38, 0));
        assert_eq!(numeric(38, 38), DataType::Decimal128(38, 38));
        assert_eq!(numeric(39, 2), DataType::Utf8);
        assert_eq!(numeric(1000, 1000), DataType::Utf8);
        assert_eq!(arrow_type(1700, -1), DataType::Utf8);
    }

    #[test]
    fn scales_outside_the_precision_get_the_digits_they_need() {
        assert_eq!(numeric(5, -2), DataType::Decimal128(7, 0));
        assert_eq!(numeric(3, 5), DataType::Decimal128(5, 5));
        assert_eq!(numeric(38, -1), DataType::Utf8);
    }
}
