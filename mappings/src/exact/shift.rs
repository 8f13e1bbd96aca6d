//! Times moved by an interval, and cut to fewer digits of a second.

use super::{Refusal, Zone, typed};
use crate::sql_type;
use arrow_array::types::{Time64MicrosecondType, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Time64MicrosecondArray, TimestampMicrosecondArray};
use arrow_schema::DataType;
use chrono::{DateTime, Months};
use datafusion::common::{DataFusionError, Result};
use std::sync::Arc;

const DAY: i64 = 86_400_000_000;

/// 2000-01-01, from which PostgreSQL counts, and away from which it rounds.
const MILLENNIUM: i64 = 946_684_800_000_000;

/// An interval: months and days are counted on the calendar, in the project's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    pub(crate) months: i32,
    pub(crate) days: i32,
    pub(crate) micros: i64,
}

impl Span {
    /// The same way back.
    pub(crate) fn reversed(self) -> Option<Self> {
        let Self { months, days, micros } = self;
        Some(Self {
            months: months.checked_neg()?,
            days: days.checked_neg()?,
            micros: micros.checked_neg()?,
        })
    }
}

/// Moves timestamps. As in PostgreSQL: first months, then days, each read again as local time where
/// there is a zone; then the rest, which is absolute.
pub(super) fn shift(input: &ArrayRef, by: Span, zone: &Zone) -> Result<ArrayRef> {
    let times: &TimestampMicrosecondArray = typed(input)?;
    let zone = times.timezone().map(|_| zone);
    let moved = times.try_unary::<_, TimestampMicrosecondType, DataFusionError>(|time| {
        moved(time, by, zone).ok_or_else(|| {
            let name = sql_type::name(input.data_type());
            Refusal::new(format!("the result is out of range for {name}")).into()
        })
    })?;
    Ok(Arc::new(moved.with_timezone_opt(times.timezone())))
}

fn moved(time: i64, by: Span, zone: Option<&Zone>) -> Option<i64> {
    let on_calendar = |time: i64, step: &dyn Fn(i64) -> Option<i64>| match zone {
        None => step(time),
        Some(zone) => zone.absolute(step(zone.local(time)?)?),
    };
    let time = match by.months {
        0 => time,
        months => on_calendar(time, &|local| add_months(local, months))?,
    };
    let time = match by.days {
        0 => time,
        days => on_calendar(time, &|local| local.checked_add(i64::from(days).checked_mul(DAY)?))?,
    };
    time.checked_add(by.micros)
}

fn add_months(local: i64, months: i32) -> Option<i64> {
    let time = DateTime::from_timestamp_micros(local)?.naive_utc();
    let by = Months::new(months.unsigned_abs());
    let moved = if months < 0 { time.checked_sub_months(by) } else { time.checked_add_months(by) };
    Some(moved?.and_utc().timestamp_micros())
}

/// Times rounded to these digits of a second, half away from where PostgreSQL counts from.
/// Infinity stays.
pub(super) fn round(input: &ArrayRef, digits: u8) -> Result<ArrayRef> {
    let unit = 10_i64.pow(6_u32.saturating_sub(digits.into()));
    if let DataType::Time64(_) = input.data_type() {
        let times: &Time64MicrosecondArray = typed(input)?;
        let rounded = times.unary::<_, Time64MicrosecondType>(|time| nearest(time, unit));
        return Ok(Arc::new(rounded));
    }
    let times: &TimestampMicrosecondArray = typed(input)?;
    let rounded = times.unary::<_, TimestampMicrosecondType>(|time| {
        let near = || nearest(time.checked_sub(MILLENNIUM)?, unit).checked_add(MILLENNIUM);
        // What is too close to the ends of time to be counted is an end of it.
        if time == i64::MAX { time } else { near().unwrap_or(time) }
    });
    Ok(Arc::new(rounded.with_timezone_opt(times.timezone())))
}

fn nearest(count: i64, unit: i64) -> i64 {
    let away = unit / 2 * count.signum();
    count.saturating_add(away) / unit * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(months: i32, days: i32, micros: i64) -> Span {
        Span { months, days, micros }
    }

    fn micros(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).expect("a time").timestamp_micros()
    }

    #[test]
    fn days_and_months_land_beside_the_hour_that_is_skipped_and_in_the_second_of_two() {
        let paris = Zone::parse("Europe/Paris").expect("a zone");
        let cases = [
            // 02:30 is skipped on 31 March: read with the offset before it.
            ("2024-03-30T02:30:00+01:00", span(0, 1, 0), "2024-03-31T03:30:00+02:00"),
            ("2024-02-29T02:30:00+01:00", span(1, 2, 0), "2024-03-31T03:30:00+02:00"),
            // 02:30 occurs twice on 27 October: standard time.
            ("2024-10-26T02:30:00+02:00", span(0, 1, 0), "2024-10-27T02:30:00+01:00"),
            ("2024-09-27T02:30:00+02:00", span(1, 0, 0), "2024-10-27T02:30:00+01:00"),
            // Hours are absolute, and nothing moves by nothing.
            ("2024-10-27T02:30:00+02:00", span(0, 0, DAY / 24), "2024-10-27T02:30:00+01:00"),
            ("2024-10-27T02:30:00+02:00", span(0, 0, 0), "2024-10-27T02:30:00+02:00"),
            ("2024-01-31T12:00:00+01:00", span(1, 0, 0), "2024-02-29T12:00:00+01:00"),
            ("2024-03-31T12:00:00+02:00", span(-1, -1, 0), "2024-02-28T12:00:00+01:00"),
        ];
        for (from, by, to) in cases {
            assert_eq!(moved(micros(from), by, Some(&paris)), Some(micros(to)), "{from} by {by:?}");
        }
    }

    #[test]
    fn halves_of_a_second_are_rounded_away_from_2000() {
        let rounded = |time: i64, digits: u8| {
            let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![time]));
            let times = round(&times, digits).expect("rounds");
            typed::<TimestampMicrosecondArray>(&times).expect("times").value(0)
        };
        assert_eq!(rounded(MILLENNIUM + 500_000, 0), MILLENNIUM + 1_000_000);
        assert_eq!(rounded(MILLENNIUM - 500_000, 0), MILLENNIUM - 1_000_000);
        assert_eq!(rounded(MILLENNIUM + 499_999, 0), MILLENNIUM);
        assert_eq!(rounded(MILLENNIUM + 1_500, 3), MILLENNIUM + 2_000);
        assert_eq!(rounded(MILLENNIUM + 1_501, 6), MILLENNIUM + 1_501);
        assert_eq!(rounded(i64::MAX, 0), i64::MAX);
        assert_eq!(rounded(i64::MIN, 0), i64::MIN);
    }
}
