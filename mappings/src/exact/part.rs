//! `extract` and `date_part`: one number of a time, at any year.

use super::{Refusal, Zone, typed};
use crate::sql_type;
use arrow_array::types::{Decimal128Type, Float64Type};
use arrow_array::{Array, ArrayRef, TimestampMicrosecondArray};
use arrow_schema::DataType;
use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};
use datafusion::common::{DataFusionError, Result};
use std::sync::Arc;

const SECOND: i64 = 1_000_000;

/// What of a time is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    DayOfWeek,
    DayOfYear,
    Hour,
    Minute,
    Epoch,
}

impl Part {
    pub(crate) const ALL: [(&'static str, Self); 10] = [
        ("year", Self::Year),
        ("quarter", Self::Quarter),
        ("month", Self::Month),
        ("week", Self::Week),
        ("day", Self::Day),
        ("dow", Self::DayOfWeek),
        ("doy", Self::DayOfYear),
        ("hour", Self::Hour),
        ("minute", Self::Minute),
        ("epoch", Self::Epoch),
    ];

    /// The part of this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, part)| *part)
    }

    /// The whole number that it is of a local time. There is no year 0: -1 is before 1.
    fn of(self, time: NaiveDateTime) -> i64 {
        i64::from(match self {
            Self::Year if time.year() > 0 => time.year(),
            Self::Year => time.year() - 1,
            Self::Quarter => return i64::from(time.month0() / 3 + 1),
            Self::Month => return time.month().into(),
            Self::Week => return time.iso_week().week().into(),
            Self::Day => return time.day().into(),
            Self::DayOfWeek => return time.weekday().num_days_from_sunday().into(),
            Self::DayOfYear => return time.ordinal().into(),
            Self::Hour => return time.hour().into(),
            Self::Minute => return time.minute().into(),
            Self::Epoch => return time.and_utc().timestamp(),
        })
    }
}

/// A part of timestamps, those with a zone by the local time of the project's: as a float, or as a
/// numeric whose scale has room for what the part counts.
pub(super) fn part(input: &ArrayRef, part: Part, to: &DataType, zone: &Zone) -> Result<ArrayRef> {
    let times: &TimestampMicrosecondArray = typed(input)?;
    let zone = times.timezone().map(|_| zone);
    let out_of_range = || {
        let name = sql_type::name(input.data_type());
        DataFusionError::from(Refusal::new(format!(
            "a value of {name} is out of range for extract"
        )))
    };
    let micros = |time: i64| match part {
        // The seconds since 1970 are those of the instant, whatever the zone.
        Part::Epoch => Some(time),
        _ => {
            let local = zone.map_or(Some(time), |zone| zone.local(time))?;
            Some(part.of(DateTime::from_timestamp_micros(local)?.naive_utc()) * SECOND)
        }
    };
    let micros = |time| micros(time).ok_or_else(out_of_range);
    Ok(match *to {
        DataType::Decimal128(precision, scale) => {
            let by = if scale == 0 { SECOND } else { 1 };
            let number = |time| micros(time).map(|micros| i128::from(micros.div_euclid(by)));
            let numbers = times.try_unary::<_, Decimal128Type, _>(number)?;
            Arc::new(numbers.with_precision_and_scale(precision, scale)?)
        }
        _ => Arc::new(times.try_unary::<_, Float64Type, _>(|time| {
            micros(time).map(|micros| micros as f64 / SECOND as f64)
        })?),
    })
}
