//! Dates and times from their ISO text.
//!
//! ```text
//!  date       2026-11-23 · 0044-03-15 BC · 5874897-12-31 · infinity · -infinity
//!  time       23:59:59.999999 · 24:00:00
//!  timestamp  date T time [+00] [ BC]     with a space for T
//! ```

use super::Unreadable;

/// What a Date32 column holds for `infinity` and `-infinity`.
pub(super) const DATE_INFINITY: (i32, i32) = (i32::MAX, i32::MIN);
/// What a timestamp column holds for `infinity` and `-infinity`.
pub(super) const TIMESTAMP_INFINITY: (i64, i64) = (i64::MAX, i64::MIN);

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// Days since 1970-01-01.
#[inline]
pub(super) fn date(text: &[u8]) -> Result<i32, Unreadable> {
    match text {
        b"infinity" => return Ok(DATE_INFINITY.0),
        b"-infinity" => return Ok(DATE_INFINITY.1),
        _ => {}
    }
    let (text, before_christ) = era(text);
    let (civil, rest) = civil(text).ok_or(Unreadable::Malformed)?;
    if !rest.is_empty() {
        return Err(Unreadable::Malformed);
    }
    let days = i32::try_from(civil.days(before_christ)).map_err(|_| Unreadable::OutOfRange)?;
    if days == DATE_INFINITY.0 || days == DATE_INFINITY.1 {
        return Err(Unreadable::OutOfRange);
    }
    Ok(days)
}

/// Microseconds since midnight.
#[inline]
pub(super) fn time(text: &[u8]) -> Result<i64, Unreadable> {
    match clock(text) {
        Some((micros, b"")) => Ok(micros),
        _ => Err(Unreadable::Malformed),
    }
}

/// Microseconds since 1970, as the clock on the wall shows them or, where the text ends in an
/// offset, in UTC.
#[inline]
pub(super) fn timestamp(text: &[u8]) -> Result<i64, Unreadable> {
    match text {
        b"infinity" => return Ok(TIMESTAMP_INFINITY.0),
        b"-infinity" => return Ok(TIMESTAMP_INFINITY.1),
        _ => {}
    }
    let (text, before_christ) = era(text);
    let (civil, rest) = civil(text).ok_or(Unreadable::Malformed)?;
    let [b' ', rest @ ..] = rest else { return Err(Unreadable::Malformed) };
    let (micros, rest) = clock(rest).ok_or(Unreadable::Malformed)?;
    let offset = match rest {
        b"" | b"+00" => 0,
        zone => offset(zone).ok_or(Unreadable::Malformed)?,
    };
    civil
        .days(before_christ)
        .checked_mul(MICROS_PER_DAY)
        .and_then(|midnight| midnight.checked_add(micros - offset))
        .filter(|&all| all != TIMESTAMP_INFINITY.0 && all != TIMESTAMP_INFINITY.1)
        .ok_or(Unreadable::OutOfRange)
}

#[inline]
fn era(text: &[u8]) -> (&[u8], bool) {
    match text {
        [rest @ .., b' ', b'B', b'C'] => (rest, true),
        _ => (text, false),
    }
}

/// A day of the Gregorian calendar, its year as written.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
}

impl Civil {
    /// Days since 1970-01-01 in the proleptic Gregorian calendar: years are counted from March, so
    /// that the leap day is the last of its year, and grouped by the 400 years after which the
    /// calendar repeats.
    #[inline]
    fn days(&self, before_christ: bool) -> i64 {
        const DAYS_PER_400_YEARS: i64 = 146_097;
        /// From 0000-03-01 to 1970-01-01.
        const DAYS_TO_1970: i64 = 719_468;
        let year = if before_christ { 1 - self.year } else { self.year };
        let (year, month) = match self.month {
            1 | 2 => (year - 1, self.month + 9),
            month => (year, month - 3),
        };
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let day_of_year = (153 * month + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * DAYS_PER_400_YEARS + day_of_era - DAYS_TO_1970
    }
}

/// Reads `year-month-day`, the year of four to seven digits.
#[inline]
fn civil(text: &[u8]) -> Option<(Civil, &[u8])> {
    let (year, rest) = match text {
        [a, b, c, d, b'-', rest @ ..] => (two(*a, *b)? * 100 + two(*c, *d)?, rest),
        _ => {
            let dash = memchr::memchr(b'-', text).filter(|&dash| (5..=7).contains(&dash))?;
            let (year, rest) = text.split_at_checked(dash)?;
            (super::numeric::integer(year).ok().filter(|&year| year > 0)?, rest.get(1..)?)
        }
    };
    let [a, b, b'-', c, d, rest @ ..] = rest else { return None };
    let (month, day) = (two(*a, *b)?, two(*c, *d)?);
    let real = (1..=12).contains(&month) && (1..=31).contains(&day);
    real.then_some((Civil { year, month, day }, rest))
}

/// Reads `hour:minute:second[.fraction]` as microseconds.
#[inline]
fn clock(text: &[u8]) -> Option<(i64, &[u8])> {
    let [h, i, b':', m, n, b':', s, t, rest @ ..] = text else { return None };
    let (hour, minute, second) = (two(*h, *i)?, two(*m, *n)?, two(*s, *t)?);
    if hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    let whole = ((hour * 60 + minute) * 60 + second) * MICROS_PER_SECOND;
    match rest {
        [b'.', fraction @ ..] => {
            let (micros, rest) = fraction_micros(fraction)?;
            Some((whole + micros, rest))
        }
        _ => Some((whole, rest)),
    }
}

#[inline]
fn fraction_micros(text: &[u8]) -> Option<(i64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (fraction, rest) = text.split_at_checked(digits)?;
    if !(1..=6).contains(&digits) {
        return None;
    }
    let value = fraction.iter().fold(0, |value, byte| value * 10 + i64::from(byte - b'0'));
    Some((value * 10_i64.pow(u32::try_from(6 - digits).ok()?), rest))
}

/// Reads `+hh`, `-hh:mm` or `+hh:mm:ss` as microseconds.
fn offset(text: &[u8]) -> Option<i64> {
    let (&sign, rest) = text.split_first()?;
    let seconds = match rest {
        [h, i] => two(*h, *i)? * 3600,
        [h, i, b':', m, n] => two(*h, *i)? * 3600 + two(*m, *n)? * 60,
        [h, i, b':', m, n, b':', s, t] => two(*h, *i)? * 3600 + two(*m, *n)? * 60 + two(*s, *t)?,
        _ => return None,
    };
    match sign {
        b'+' => Some(seconds * MICROS_PER_SECOND),
        b'-' => Some(-seconds * MICROS_PER_SECOND),
        _ => None,
    }
}

#[inline]
fn two(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| i64::from(tens) * 10 + i64::from(ones))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{Datelike, NaiveDate};
    use proptest::prelude::*;

    fn day(days: i32) -> NaiveDate {
        NaiveDate::from_epoch_days(days).unwrap()
    }

    fn written(day: NaiveDate) -> (String, &'static str) {
        let (year, era) = match day.year() {
            year @ 1.. => (year, ""),
            year => (1 - year, " BC"),
        };
        (format!("{year:04}-{:02}-{:02}", day.month(), day.day()), era)
    }

    proptest! {
        #[test]
        fn dates_are_what_the_calendar_says(days in -2_440_000..90_000_000_i32) {
            let (text, era) = written(day(days));
            prop_assert_eq!(date(format!("{text}{era}").as_bytes()), Ok(days));
        }

        #[test]
        fn timestamps_are_date_and_time(
            days in -2_440_000..95_000_000_i32, micros in 0..MICROS_PER_DAY, trim: bool,
        ) {
            let (text, era) = written(day(days));
            let (seconds, fraction) = (micros / MICROS_PER_SECOND, micros % MICROS_PER_SECOND);
            let mut clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
            if fraction > 0 || !trim {
                clock += &format!(".{fraction:06}");
                if trim { clock = clock.trim_end_matches('0').to_owned(); }
            }
            let expected = i64::from(days) * MICROS_PER_DAY + micros;
            prop_assert_eq!(time(clock.as_bytes()), Ok(micros));
            prop_assert_eq!(timestamp(format!("{text} {clock}{era}").as_bytes()), Ok(expected));
            prop_assert_eq!(timestamp(format!("{text} {clock}+00{era}").as_bytes()), Ok(expected));
            prop_assert_eq!(
                timestamp(format!("{text} {clock}-05:30{era}").as_bytes()),
                Ok(expected + 19_800 * MICROS_PER_SECOND)
            );
        }

        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..30)) {
            let _ = (date(&bytes), time(&bytes), timestamp(&bytes));
        }
    }

    #[test]
    fn the_ends_of_the_ranges_are_kept() {
        assert_eq!(date(b"5874897-12-31"), Ok(2_145_042_905));
        assert_eq!(date(b"4713-01-01 BC"), Ok(-2_440_550));
        assert_eq!((date(b"infinity"), date(b"-infinity")), (Ok(i32::MAX), Ok(i32::MIN)));
        assert_eq!(time(b"24:00:00"), Ok(MICROS_PER_DAY));
        assert_eq!(timestamp(b"infinity"), Ok(i64::MAX));
        assert_eq!(timestamp(b"-infinity"), Ok(i64::MIN));
        assert_eq!(timestamp(b"294247-01-10 04:00:54.775806"), Ok(i64::MAX - 1));
    }

    #[test]
    fn what_does_not_fit_is_an_error_not_another_time() {
        assert_eq!(timestamp(b"294247-01-10 04:00:54.775807"), Err(Unreadable::OutOfRange));
        assert_eq!(timestamp(b"294276-12-31 23:59:59.999999+00"), Err(Unreadable::OutOfRange));
        for bad in ["", "2026", "2026-13-01", "2026-01-01T00:00:00", "26-01-01", "2026-01-00"] {
            assert!(timestamp(bad.as_bytes()).is_err() && date(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
