//! Numbers: scales of numerics, reserved values, zero and rounding.

use super::{Refusal, typed};
use crate::sql_type;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type,
    TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, Decimal128Array, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};
use datafusion::common::{DataFusionError, Result};
use std::sync::Arc;

/// NaN as a `numeric` column carries it.
const NAN: i128 = i128::MAX;

/// A numeric at another precision and scale. Rounds half away from zero; NaN stays NaN; a value
/// with more digits than the precision is refused.
pub(super) fn rescale(input: &ArrayRef, precision: u8, scale: i8) -> Result<ArrayRef> {
    let numbers: &Decimal128Array = typed(input)?;
    let shift = i32::from(scale) - i32::from(numbers.scale());
    let factor = 10_i128.checked_pow(shift.unsigned_abs());
    let limit = 10_i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX);
    let out_of_range = || {
        let to = sql_type::name(&DataType::Decimal128(precision, scale));
        DataFusionError::from(Refusal::new(format!("a value is out of range for {to}")))
    };
    let rescaled = numbers.try_unary::<_, Decimal128Type, DataFusionError>(|number| {
        if number == NAN {
            return Ok(NAN);
        }
        let moved = match factor {
            Some(factor) if shift >= 0 => number.checked_mul(factor),
            Some(factor) => Some(divide_rounding(number, factor)),
            None if shift < 0 || number == 0 => Some(0),
            None => None,
        };
        moved.filter(|moved| moved.unsigned_abs() < limit.unsigned_abs()).ok_or_else(out_of_range)
    })?;
    Ok(Arc::new(rescaled.with_precision_and_scale(precision, scale)?))
}

/// Refuses NaN in numerics and ±infinity in dates and timestamps.
pub(super) fn refuse_reserved(input: &ArrayRef) -> Result<()> {
    match input.data_type() {
        DataType::Decimal128(..) => refuse::<Decimal128Type>(input, "NaN", |number| number == NAN),
        DataType::Date32 => {
            refuse::<Date32Type>(input, "infinity", |day| day == i32::MAX || day == i32::MIN)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            refuse::<TimestampMicrosecondType>(input, "infinity", |time| {
                time == i64::MAX || time == i64::MIN
            })
        }
        _ => Ok(()),
    }
}

/// Refuses zero, which a float would be divided by.
pub(super) fn refuse_zero(input: &ArrayRef) -> Result<ArrayRef> {
    let zero = match input.data_type() {
        DataType::Float32 => any::<Float32Type>(input, |number| number == 0.0)?,
        DataType::Float64 => any::<Float64Type>(input, |number| number == 0.0)?,
        _ => false,
    };
    if zero { Err(Refusal::new("division by zero").into()) } else { Ok(input.clone()) }
}

/// Refuses NaN and ±infinity among computed floats.
pub(super) fn refuse_unreal(input: &ArrayRef) -> Result<ArrayRef> {
    let unreal = match input.data_type() {
        DataType::Float32 => any::<Float32Type>(input, |number| !number.is_finite())?,
        DataType::Float64 => any::<Float64Type>(input, |number| !number.is_finite())?,
        _ => false,
    };
    if unreal {
        let name = sql_type::name(input.data_type());
        return Err(Refusal::new(format!("the result is out of range for {name}")).into());
    }
    Ok(input.clone())
}

/// Floats to the nearest whole number, ties to even, as PostgreSQL rounds them to integers.
pub(super) fn round_even(input: &ArrayRef) -> Result<ArrayRef> {
    Ok(match input.data_type() {
        DataType::Float32 => {
            let numbers: &PrimitiveArray<Float32Type> = typed(input)?;
            Arc::new(numbers.unary::<_, Float32Type>(f32::round_ties_even))
        }
        _ => {
            let numbers: &PrimitiveArray<Float64Type> = typed(input)?;
            Arc::new(numbers.unary::<_, Float64Type>(f64::round_ties_even))
        }
    })
}

/// The logarithms of floats to the base of ten.
pub(super) fn log10(input: &ArrayRef) -> Result<ArrayRef> {
    Ok(match input.data_type() {
        DataType::Float32 => {
            let numbers: &PrimitiveArray<Float32Type> = typed(input)?;
            Arc::new(numbers.unary::<_, Float32Type>(f32::log10))
        }
        _ => {
            let numbers: &PrimitiveArray<Float64Type> = typed(input)?;
            Arc::new(numbers.unary::<_, Float64Type>(f64::log10))
        }
    })
}

fn divide_rounding(number: i128, by: i128) -> i128 {
    let (quotient, rest) = (number / by, number % by);
    // Twice the rest can't overflow: |rest| < by ≤ 10^38.
    let away = if rest.unsigned_abs() * 2 >= by.unsigned_abs() { number.signum() } else { 0 };
    quotient + away
}

fn refuse<T: ArrowPrimitiveType>(
    input: &ArrayRef,
    what: &str,
    reserved: impl Fn(T::Native) -> bool,
) -> Result<()> {
    if any::<T>(input, reserved)? {
        let name = sql_type::name(input.data_type());
        let reason = format!("a value of {name} is {what}, which can't be computed with exactly");
        return Err(Refusal::new(reason).into());
    }
    Ok(())
}

fn any<T: ArrowPrimitiveType>(input: &ArrayRef, is: impl Fn(T::Native) -> bool) -> Result<bool> {
    let values: &PrimitiveArray<T> = typed(input)?;
    if !values.values().iter().any(|&value| is(value)) {
        return Ok(false);
    }
    // What lies under a null does not count.
    Ok(values.iter().flatten().any(is))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimals(values: &[i128], precision: u8, scale: i8) -> ArrayRef {
        let array = Decimal128Array::from(values.to_vec());
        Arc::new(array.with_precision_and_scale(precision, scale).expect("fits"))
    }

    fn rescaled(value: i128, from: i8, to: (u8, i8)) -> Option<i128> {
        let array = rescale(&decimals(&[value], 38, from), to.0, to.1).ok()?;
        Some(typed::<Decimal128Array>(&array).expect("numeric").value(0))
    }

    #[test]
    fn a_numeric_is_rounded_half_away_from_zero() {
        assert_eq!(rescaled(125, 2, (10, 1)), Some(13));
        assert_eq!(rescaled(-125, 2, (10, 1)), Some(-13));
        assert_eq!(rescaled(124, 2, (10, 1)), Some(12));
        assert_eq!(rescaled(5, 2, (10, 4)), Some(500));
        assert_eq!(rescaled(7, 38, (10, 0)), Some(0));
    }

    #[test]
    fn a_numeric_that_does_not_fit_is_refused() {
        assert_eq!(rescaled(100, 0, (2, 0)), None);
        assert_eq!(rescaled(99, 0, (2, 0)), Some(99));
        assert_eq!(rescaled(10_i128.pow(37), 0, (38, 2)), None);
    }

    #[test]
    fn nan_stays_nan_at_every_scale() {
        assert_eq!(rescaled(NAN, 2, (38, 10)), Some(NAN));
        assert_eq!(rescaled(NAN, 10, (3, 1)), Some(NAN));
    }

    #[test]
    fn reserved_values_under_nulls_do_not_count() {
        let array: ArrayRef = Arc::new(arrow_array::Date32Array::new(
            vec![i32::MAX, 1].into(),
            Some(vec![false, true].into()),
        ));
        assert!(refuse_reserved(&array).is_ok());
        let array: ArrayRef = Arc::new(arrow_array::Date32Array::from(vec![i32::MIN]));
        assert!(refuse_reserved(&array).is_err());
    }
}
