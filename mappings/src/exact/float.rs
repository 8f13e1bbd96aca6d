//! Numbers between text, numeric and float, digit by digit: none is rounded twice.

use super::{Refusal, typed};
use crate::sql_type;
use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type};
use arrow_array::{ArrayRef, Decimal128Array, PrimitiveArray, StringArray};
use arrow_schema::DataType;
use datafusion::common::{DataFusionError, Result};
use std::str::FromStr;
use std::sync::Arc;

/// NaN as a `numeric` column carries it.
const NAN: i128 = i128::MAX;

/// The integers that a float8 holds exactly, and the powers of ten.
const EXACT_MAX: u128 = 1 << 53;
const EXACT_TENS: i8 = 22;

/// Why a text is no number of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Invalid,
    OutOfRange,
}

impl Fault {
    fn of(self, to: &DataType) -> DataFusionError {
        let to = sql_type::name(to);
        let reason = match self {
            Self::Invalid => format!("a text is not a valid {to}"),
            Self::OutOfRange => format!("a value is out of range for {to}"),
        };
        Refusal::new(reason).into()
    }
}

/// Texts as numerics, rounded half away from zero.
pub(super) fn decimal_of_text(input: &ArrayRef, precision: u8, scale: i8) -> Result<ArrayRef> {
    let texts: &StringArray = typed(input)?;
    let to = DataType::Decimal128(precision, scale);
    let read = |text: &str| scaled(text, precision, scale).map_err(|fault| fault.of(&to));
    let numbers = texts.iter().map(|text| text.map(read).transpose());
    let numbers = numbers.collect::<Result<Decimal128Array>>()?;
    Ok(Arc::new(numbers.with_precision_and_scale(precision, scale)?))
}

/// Floats as numerics: by their first 15 digits (6 of a float4), as PostgreSQL casts them.
pub(super) fn decimal_of_float(input: &ArrayRef, precision: u8, scale: i8) -> Result<ArrayRef> {
    let to = DataType::Decimal128(precision, scale);
    let read = |text: String| scaled(&text, precision, scale).map_err(|fault| fault.of(&to));
    let numbers = match input.data_type() {
        DataType::Float32 => {
            let floats: &PrimitiveArray<Float32Type> = typed(input)?;
            floats.try_unary::<_, Decimal128Type, _>(|float| read(format!("{float:.5e}")))?
        }
        _ => {
            let floats: &PrimitiveArray<Float64Type> = typed(input)?;
            floats.try_unary::<_, Decimal128Type, _>(|float| read(format!("{float:.14e}")))?
        }
    };
    Ok(Arc::new(numbers.with_precision_and_scale(precision, scale)?))
}

/// Numerics as the floats that are nearest.
pub(super) fn float_of_decimal(input: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let numbers: &Decimal128Array = typed(input)?;
    let scale = numbers.scale();
    if *to == DataType::Float32 {
        let near = |number: i128| nearest::<f32>(number, scale);
        return Ok(Arc::new(numbers.unary::<_, Float32Type>(near)));
    }
    let near = |number: i128| match 10_f64.powi(i32::from(scale.max(0))) {
        // One division of exact operands rounds once.
        tens if number.unsigned_abs() <= EXACT_MAX && (0..=EXACT_TENS).contains(&scale) => {
            number as f64 / tens
        }
        _ => nearest::<f64>(number, scale),
    };
    Ok(Arc::new(numbers.unary::<_, Float64Type>(near)))
}

fn nearest<F: FromStr + Default>(number: i128, scale: i8) -> F {
    format!("{number}e{}", -i32::from(scale)).parse().unwrap_or_default()
}

/// Texts as floats; what is too large or too small for one is refused.
pub(super) fn float_of_text(input: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let texts: &StringArray = typed(input)?;
    Ok(match to {
        DataType::Float32 => Arc::new(floats::<Float32Type>(texts, to)?),
        _ => Arc::new(floats::<Float64Type>(texts, to)?),
    })
}

fn floats<T: ArrowPrimitiveType<Native: FromStr + Into<f64>>>(
    texts: &StringArray,
    to: &DataType,
) -> Result<PrimitiveArray<T>> {
    let read = |text: &str| {
        let text = text.trim();
        let float: T::Native = text.parse().map_err(|_| Fault::Invalid.of(to))?;
        let value: f64 = float.into();
        let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
        let is_zero = !mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
        let says_infinite = text.trim_start_matches(['+', '-']).starts_with(['i', 'I']);
        let lost = (value.is_infinite() && !says_infinite) || (value == 0.0 && !is_zero);
        if lost { Err(Fault::OutOfRange.of(to)) } else { Ok(float) }
    };
    texts.iter().map(|text| text.map(read).transpose()).collect()
}

/// float8 as float4; what is too large or too small for one is refused.
pub(super) fn narrow(input: &ArrayRef) -> Result<ArrayRef> {
    let floats: &PrimitiveArray<Float64Type> = typed(input)?;
    let narrowed = floats.try_unary::<_, Float32Type, DataFusionError>(|wide| {
        let float = wide as f32;
        let lost = float.is_infinite() && wide.is_finite() || float == 0.0 && wide != 0.0;
        if lost { Err(Fault::OutOfRange.of(&DataType::Float32)) } else { Ok(float) }
    })?;
    Ok(Arc::new(narrowed))
}

/// The number of a text, times ten to the scale.
fn scaled(text: &str, precision: u8, scale: i8) -> std::result::Result<i128, Fault> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("nan") {
        return Ok(NAN);
    }
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if ["inf", "infinity"].iter().any(|word| unsigned.eq_ignore_ascii_case(word)) {
        return Err(Fault::OutOfRange);
    }
    let (digits, exponent) = digits(unsigned).ok_or(Fault::Invalid)?;
    let magnitude = shifted(&digits, exponent.saturating_add(i64::from(scale)))?;
    let limit = 10_u128.checked_pow(u32::from(precision)).unwrap_or(u128::MAX);
    let magnitude = Some(magnitude).filter(|magnitude| *magnitude < limit);
    let number = magnitude.and_then(|number| i128::try_from(number).ok());
    let number = number.ok_or(Fault::OutOfRange)?;
    Ok(if negative { -number } else { number })
}

/// The digits of an unsigned number without leading zeros, and the power of ten they are times.
fn digits(text: &str) -> Option<(String, i64)> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let exponent = i64::from(exponent) - i64::try_from(fraction.len()).ok()?;
    Some((all.trim_start_matches('0').to_owned(), exponent))
}

/// Digits times a power of ten as a whole number, rounded half up.
fn shifted(digits: &str, power: i64) -> std::result::Result<u128, Fault> {
    let number = |text: &str| match text.is_empty() {
        true => Ok(0),
        false => text.parse::<u128>().map_err(|_| Fault::OutOfRange),
    };
    let Ok(cut) = usize::try_from(power.saturating_neg()) else {
        let tens = u32::try_from(power).ok().and_then(|power| 10_u128.checked_pow(power));
        return match (number(digits)?, tens) {
            (0, _) => Ok(0),
            (number, tens) => {
                tens.and_then(|tens| number.checked_mul(tens)).ok_or(Fault::OutOfRange)
            }
        };
    };
    let Some(kept) = digits.len().checked_sub(cut) else { return Ok(0) };
    let (kept, lost) = digits.split_at(kept);
    Ok(number(kept)? + u128::from(lost.starts_with(['5', '6', '7', '8', '9'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_numbers_to_the_last_digit() {
        let cases = [
            ("1.005", 10, 2, Ok(101)),
            ("-1.005", 10, 2, Ok(-101)),
            ("1.00499999999999999999999999999999999999999", 10, 2, Ok(100)),
            ("  +.5 ", 10, 0, Ok(1)),
            ("1e3", 10, 2, Ok(100_000)),
            ("1.5E-2", 10, 2, Ok(2)),
            ("0e999999", 10, 2, Ok(0)),
            ("1e-999999", 10, 2, Ok(0)),
            ("0.004", 10, 2, Ok(0)),
            ("99.995", 4, 2, Err(Fault::OutOfRange)),
            ("1e999999", 10, 2, Err(Fault::OutOfRange)),
            ("Infinity", 10, 2, Err(Fault::OutOfRange)),
            ("NaN", 10, 2, Ok(NAN)),
            ("", 10, 2, Err(Fault::Invalid)),
            (".", 10, 2, Err(Fault::Invalid)),
            ("1_0", 10, 2, Err(Fault::Invalid)),
            ("--1", 10, 2, Err(Fault::Invalid)),
            ("1e", 10, 2, Err(Fault::Invalid)),
        ];
        for (text, precision, scale, expected) in cases {
            assert_eq!(scaled(text, precision, scale), expected, "{text}");
        }
    }

    #[test]
    fn a_numeric_is_the_nearest_float() {
        for (number, scale) in [(1_234_567_890_123_456_789_i128, 2_i8), (3, 1), (-5, 38), (7, 0)] {
            let text = format!("{number}e-{scale}");
            let array = Decimal128Array::from(vec![number]).with_precision_and_scale(38, scale);
            let array: ArrayRef = Arc::new(array.expect("fits"));
            let float = float_of_decimal(&array, &DataType::Float64).expect("converts");
            let float: &PrimitiveArray<Float64Type> = typed(&float).expect("floats");
            assert_eq!(float.value(0), text.parse::<f64>().expect("a float"), "{text}");
        }
    }
}
