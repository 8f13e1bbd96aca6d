//! `date_trunc`: times cut to a unit, at any year.

use super::{Refusal, Zone, typed};
use crate::sql_type;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, TimestampMicrosecondArray};
use chrono::{DateTime, Datelike, NaiveDate};
use datafusion::common::{DataFusionError, Result};
use std::sync::Arc;

const DAY: i64 = 86_400_000_000;

/// What a time can be cut to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Unit {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
}

impl Unit {
    pub(crate) const ALL: [(&'static str, Self); 8] = [
        ("year", Self::Year),
        ("quarter", Self::Quarter),
        ("month", Self::Month),
        ("week", Self::Week),
        ("day", Self::Day),
        ("hour", Self::Hour),
        ("minute", Self::Minute),
        ("second", Self::Second),
    ];

    /// The unit of this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, unit)| *unit)
    }

    /// How long it is, where it is always as long.
    fn micros(self) -> Option<i64> {
        match self {
            Self::Hour => Some(3_600_000_000),
            Self::Minute => Some(60_000_000),
            Self::Second => Some(1_000_000),
            Self::Year | Self::Quarter | Self::Month | Self::Week | Self::Day => None,
        }
    }

    fn first_day(self, day: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Year => NaiveDate::from_ymd_opt(day.year(), 1, 1),
            Self::Quarter => NaiveDate::from_ymd_opt(day.year(), day.month0() / 3 * 3 + 1, 1),
            Self::Month => day.with_day(1),
            Self::Week => Some(day.week(chrono::Weekday::Mon).first_day()),
            Self::Day | Self::Hour | Self::Minute | Self::Second => Some(day),
        }
    }
}

/// Cuts timestamps; those with a zone by the local time of the project's. Infinity stays.
pub(super) fn truncate(input: &ArrayRef, unit: Unit, zone: &Zone) -> Result<ArrayRef> {
    let times: &TimestampMicrosecondArray = typed(input)?;
    let zone = times.timezone().map(|_| zone);
    let cut = times.try_unary::<_, TimestampMicrosecondType, DataFusionError>(|time| {
        if time == i64::MAX || time == i64::MIN {
            return Ok(time);
        }
        cut(time, unit, zone).ok_or_else(|| {
            let name = sql_type::name(input.data_type());
            Refusal::new(format!("a value of {name} is out of range for date_trunc")).into()
        })
    })?;
    Ok(Arc::new(cut.with_timezone_opt(times.timezone())))
}

fn cut(time: i64, unit: Unit, zone: Option<&Zone>) -> Option<i64> {
    let local = match zone {
        Some(zone) => zone.local(time)?,
        None => time,
    };
    // Within a day the offset does not change hands, even where an hour occurs twice.
    if let Some(micros) = unit.micros() {
        return time.checked_sub(local.rem_euclid(micros));
    }
    let day = unit.first_day(DateTime::from_timestamp_micros(local)?.date_naive())?;
    let days = day.signed_duration_since(NaiveDate::default()).num_days();
    let midnight = days.checked_mul(DAY)?;
    match zone {
        Some(zone) => zone.absolute(midnight),
        None => Some(midnight),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_that_occurs_twice_is_cut_to_itself() {
        let paris = Zone::parse("Europe/Paris").expect("a zone");
        // 2024-10-27 00:45 and 01:45 UTC are both 02:45 in Paris.
        let first = 1_729_989_900_000_000;
        let quarter = 45 * 60_000_000;
        assert_eq!(cut(first, Unit::Hour, Some(&paris)), Some(first - quarter));
        let second = first + 3_600_000_000;
        assert_eq!(cut(second, Unit::Hour, Some(&paris)), Some(second - quarter));
    }

    #[test]
    fn weeks_begin_on_monday_and_quarters_where_they_do() {
        let day = NaiveDate::from_ymd_opt(2024, 5, 19).expect("a day");
        assert_eq!(Unit::Week.first_day(day), NaiveDate::from_ymd_opt(2024, 5, 13));
        assert_eq!(Unit::Quarter.first_day(day), NaiveDate::from_ymd_opt(2024, 4, 1));
        assert_eq!(cut(-1, Unit::Day, None), Some(-DAY));
    }
}
