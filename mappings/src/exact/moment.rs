//! Dates and times from text, as PostgreSQL reads ISO 8601: with BC, infinity and offsets.

use super::{Refusal, Zone, typed};
use crate::sql_type::{self, Family};
use arrow_array::{ArrayRef, Date32Array, StringArray, TimestampMicrosecondArray};
use arrow_schema::DataType;
use chrono::NaiveDate;
use datafusion::common::Result;
use std::sync::Arc;

const DAY: i64 = 86_400_000_000;
const SECOND: i64 = 1_000_000;

/// A column of texts as dates or timestamps. A timestamptz without an offset is of the zone; a
/// timestamp with one keeps its local time, as in PostgreSQL.
pub(super) fn read(input: &ArrayRef, to: &DataType, zone: &Zone) -> Result<ArrayRef> {
    let texts: &StringArray = typed(input)?;
    let refusal = || Refusal::new(format!("a text is not a valid {}", sql_type::name(to)));
    if Family::of(to) == Family::Date {
        let days = texts.iter().map(|text| text.map(|text| read_date(text).ok_or_else(refusal)));
        let days = days.map(Option::transpose).collect::<std::result::Result<Date32Array, _>>()?;
        return Ok(Arc::new(days));
    }
    let aware = Family::of(to) == Family::Aware;
    let moment = |text: &str| read_time(text, aware.then_some(zone)).ok_or_else(refusal);
    let times = texts.iter().map(|text| text.map(moment).transpose());
    let times = times.collect::<std::result::Result<TimestampMicrosecondArray, _>>()?;
    Ok(Arc::new(if aware { times.with_timezone("UTC") } else { times }))
}

/// Days since 1970.
fn read_date(text: &str) -> Option<i32> {
    match infinity(text) {
        Some(true) => return Some(i32::MAX),
        Some(false) => return Some(i32::MIN),
        None => {}
    }
    // A time of day after the date is read and dropped.
    let days = read_time(text, None)?.div_euclid(DAY);
    i32::try_from(days).ok()
}

/// µs since 1970: of the instant where a zone is given, else of the local time.
fn read_time(text: &str, zone: Option<&Zone>) -> Option<i64> {
    match infinity(text) {
        Some(true) => return Some(i64::MAX),
        Some(false) => return Some(i64::MIN),
        None => {}
    }
    let text = text.trim();
    let (text, is_bc) = match text.strip_suffix("BC").or_else(|| text.strip_suffix("bc")) {
        Some(rest) => (rest.trim_end(), true),
        None => (text, false),
    };
    let (date, rest) = text.split_at(text.find([' ', 'T', 't']).unwrap_or(text.len()));
    let rest = rest.trim_start_matches([' ', 'T', 't']);
    let (clock, offset) = split_offset(rest)?;
    let midnight = read_day(date, is_bc)?.checked_mul(DAY)?;
    let local = midnight.checked_add(read_clock(clock)?)?;
    match (zone, offset) {
        (None, _) => Some(local),
        (Some(_), Some(offset)) => local.checked_sub(offset * SECOND),
        (Some(zone), None) => zone.absolute(local),
    }
}

fn infinity(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "infinity" | "+infinity" => Some(true),
        "-infinity" => Some(false),
        _ => None,
    }
}

fn read_day(date: &str, is_bc: bool) -> Option<i64> {
    let mut parts = date.splitn(3, '-');
    let year: i32 = number(parts.next()?, 4..=6)?;
    let month: u32 = number(parts.next()?, 1..=2)?;
    let day: u32 = number(parts.next()?, 1..=2)?;
    let year = match (is_bc, year) {
        (_, 0) => return None,
        (true, year) => 1 - year,
        (false, year) => year,
    };
    let date = NaiveDate::from_ymd_opt(year, month, day)?;
    Some(date.signed_duration_since(NaiveDate::default()).num_days())
}

/// A time of day in µs; none is midnight.
fn read_clock(clock: &str) -> Option<i64> {
    if clock.is_empty() {
        return Some(0);
    }
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = clock.splitn(3, ':');
    let hours: i64 = number(parts.next()?, 1..=2)?;
    let minutes: i64 = number(parts.next()?, 1..=2)?;
    let seconds: i64 = parts.next().map_or(Some(0), |seconds| number(seconds, 1..=2))?;
    let micros: i64 = number(fraction, 1..=6).and_then(|micros: i64| {
        Some(micros * 10_i64.checked_pow(6 - u32::try_from(fraction.len()).ok()?)?)
    })?;
    let time = (hours * 3600 + minutes * 60 + seconds) * SECOND + micros;
    (minutes < 60 && seconds < 60 && time <= DAY).then_some(time)
}

/// The clock and the offset in seconds that follows it, such as `+02`, `-03:30` or `Z`.
fn split_offset(rest: &str) -> Option<(&str, Option<i64>)> {
    if let Some(clock) = rest.strip_suffix(['Z', 'z']) {
        return Some((clock.trim_end(), Some(0)));
    }
    let Some(place) = rest.find(['+', '-']) else { return Some((rest.trim_end(), None)) };
    let (clock, offset) = rest.split_at(place);
    let (sign, offset) = match offset.strip_prefix('-') {
        Some(offset) => (-1, offset),
        None => (1, offset.strip_prefix('+')?),
    };
    let mut parts = offset.splitn(3, ':');
    let hours: i64 = number(parts.next()?, 1..=2)?;
    let minutes: i64 = parts.next().map_or(Some(0), |minutes| number(minutes, 2..=2))?;
    let seconds: i64 = parts.next().map_or(Some(0), |seconds| number(seconds, 2..=2))?;
    let all = hours * 3600 + minutes * 60 + seconds;
    (hours < 16 && minutes < 60 && seconds < 60).then_some((clock.trim_end(), Some(sign * all)))
}

/// Digits alone, as many as allowed.
fn number<N: std::str::FromStr>(
    digits: &str,
    lengths: std::ops::RangeInclusive<usize>,
) -> Option<N> {
    let plain = lengths.contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_postgresql_writes_is_read() {
        let paris = Zone::parse("Europe/Paris").expect("a zone");
        let cases = [
            ("1970-01-02", DAY, DAY - 3600 * SECOND),
            ("1970-01-01 00:00:01.5", 1_500_000, 1_500_000 - 3600 * SECOND),
            ("1970-01-01T12:00", DAY / 2, 11 * 3600 * SECOND),
            ("1970-01-01 12:00:00+05:30", DAY / 2, 23_400 * SECOND),
            ("1970-01-01 12:00:00Z", DAY / 2, DAY / 2),
            (" 1970-01-01 00:00:00-00:00:01 ", 0, SECOND),
            ("infinity", i64::MAX, i64::MAX),
            ("-infinity", i64::MIN, i64::MIN),
        ];
        for (text, local, absolute) in cases {
            assert_eq!(read_time(text, None), Some(local), "{text}");
            assert_eq!(read_time(text, Some(&paris)), Some(absolute), "{text}");
        }
        assert_eq!(read_date("0001-01-01"), Some(-719_162));
        assert_eq!(read_date("0001-12-31 BC"), Some(-719_163));
        assert_eq!(read_date("12000-01-01"), Some(3_663_382));
        assert_eq!(read_date("infinity"), Some(i32::MAX));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "2024-02-30",
            "2024-13-01",
            "0000-01-01",
            "24-01-01",
            "2024-01-01 25:00",
            "2024-01-01 12:60",
            "2024-01-01 12:00:00.1234567",
            "2024-01-01 12",
            "2024-01-01 12:00 Paris",
            "2024-01-01 12:00:00+99",
            "2024-01-01 1é:00",
            "2024-01-01-01",
        ] {
            assert_eq!(read_time(text, None), None, "{text:?}");
        }
    }
}
