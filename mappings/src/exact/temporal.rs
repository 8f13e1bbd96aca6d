//! Between date, time, timestamp and timestamptz, in the project's time zone; ±infinity stays.

use super::{Refusal, Zone, typed};
use crate::sql_type::{self, Family};
use arrow_array::types::{Date32Type, Time64MicrosecondType, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, Date32Array, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow_schema::DataType;
use datafusion::common::{DataFusionError, Result};
use std::sync::Arc;

const DAY: i64 = 86_400_000_000;

/// Converts a column of dates or timestamps to another type of the family.
pub(super) fn convert(input: &ArrayRef, to: &DataType, zone: &Zone) -> Result<ArrayRef> {
    let from = Family::of(input.data_type());
    let target = Family::of(to);
    let out_of_range = || {
        DataFusionError::from(Refusal::new(format!(
            "a value of {} is out of range for {}",
            sql_type::name(input.data_type()),
            sql_type::name(to),
        )))
    };
    let local = match from {
        Family::Date => midnights(typed(input)?, out_of_range)?,
        Family::Aware => moved(typed(input)?, |time| zone.local(time), out_of_range)?,
        _ => typed::<TimestampMicrosecondArray>(input)?.clone().with_timezone_opt(None::<&str>),
    };
    Ok(match target {
        Family::Date => Arc::new(days(&local, out_of_range)?),
        Family::Time => Arc::new(times(&local, out_of_range)?),
        // A timestamptz that stays one keeps its instant, without the way through local time.
        Family::Aware if from == Family::Aware => input.clone(),
        Family::Aware => {
            let absolute = moved(&local, |time| zone.absolute(time), out_of_range)?;
            Arc::new(absolute.with_timezone("UTC"))
        }
        _ => Arc::new(local),
    })
}

fn infinite(time: i64) -> bool {
    time == i64::MAX || time == i64::MIN
}

fn moved(
    times: &TimestampMicrosecondArray,
    step: impl Fn(i64) -> Option<i64>,
    out_of_range: impl Fn() -> DataFusionError,
) -> Result<TimestampMicrosecondArray> {
    times.try_unary::<_, TimestampMicrosecondType, _>(|time| {
        if infinite(time) { Ok(time) } else { step(time).ok_or_else(&out_of_range) }
    })
}

fn midnights(
    days: &Date32Array,
    out_of_range: impl Fn() -> DataFusionError,
) -> Result<TimestampMicrosecondArray> {
    days.try_unary::<_, TimestampMicrosecondType, _>(|day| match day {
        i32::MAX => Ok(i64::MAX),
        i32::MIN => Ok(i64::MIN),
        day => i64::from(day).checked_mul(DAY).ok_or_else(&out_of_range),
    })
}

fn days(
    times: &TimestampMicrosecondArray,
    out_of_range: impl Fn() -> DataFusionError,
) -> Result<Date32Array> {
    times.try_unary::<_, Date32Type, _>(|time| match time {
        i64::MAX => Ok(i32::MAX),
        i64::MIN => Ok(i32::MIN),
        time => i32::try_from(time.div_euclid(DAY)).map_err(|_| out_of_range()),
    })
}

fn times(
    times: &TimestampMicrosecondArray,
    out_of_range: impl Fn() -> DataFusionError,
) -> Result<Time64MicrosecondArray> {
    times.try_unary::<_, Time64MicrosecondType, _>(|time| {
        if infinite(time) { Err(out_of_range()) } else { Ok(time.rem_euclid(DAY)) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql_type::{NAIVE, aware};

    fn paris() -> Zone {
        Zone::parse("Europe/Paris").expect("a zone")
    }

    fn naive(times: &[i64]) -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(times.to_vec()))
    }

    #[test]
    fn infinity_survives_every_way() {
        let ends = naive(&[i64::MAX, i64::MIN]);
        let there = convert(&ends, &aware(), &paris()).expect("converts");
        assert_eq!(there.data_type(), &aware());
        let back = convert(&there, &NAIVE, &paris()).expect("converts");
        assert_eq!(&back, &ends);
        let days = convert(&there, &DataType::Date32, &paris()).expect("converts");
        assert_eq!(typed::<Date32Array>(&days).expect("dates").values(), &[i32::MAX, i32::MIN]);
        let again = convert(&days, &NAIVE, &paris()).expect("converts");
        assert_eq!(&again, &ends);
    }

    #[test]
    fn a_date_before_1970_stays_its_day() {
        let eve = naive(&[-1]);
        let days = convert(&eve, &DataType::Date32, &paris()).expect("converts");
        assert_eq!(typed::<Date32Array>(&days).expect("dates").value(0), -1);
    }

    #[test]
    fn a_date_meets_an_aware_time_at_local_midnight() {
        let day: ArrayRef = Arc::new(Date32Array::from(vec![0]));
        let absolute = convert(&day, &aware(), &paris()).expect("converts");
        let absolute: &TimestampMicrosecondArray = typed(&absolute).expect("times");
        assert_eq!(absolute.value(0), -3_600_000_000);
    }
}
