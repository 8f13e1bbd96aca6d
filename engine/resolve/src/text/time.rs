//! Dates and times as ISO 8601 has them, over all that 32 days' and 64 microseconds' bits can hold.
//!
//! ```text
//!  date       2026-11-23 · -0043-03-15 · +5874897-12-31 · infinity · -infinity
//!  time       23:59:59.999999 · 24:00:00
//!  timestamp  date T time [Z]      read also with a space for T, and with +02, +02:00 for Z
//! ```

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

const INFINITY: &str = "infinity";
const MINUS_INFINITY: &str = "-infinity";

/// Whether a timestamp tells its offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    /// It is what the clock on the wall shows.
    None,
    /// It is in UTC.
    Utc,
}

/// A time in UTC as text, from its microseconds since 1970.
#[must_use]
pub fn utc(micros: i64) -> String {
    write_timestamp(micros, Zone::Utc)
}

/// A date from its days since 1970-01-01.
pub(super) fn write_date(days: i32) -> String {
    match days {
        i32::MAX => INFINITY.to_owned(),
        i32::MIN => MINUS_INFINITY.to_owned(),
        days => civil_text(days.into()),
    }
}

/// The days since 1970-01-01 of a date.
pub(super) fn read_date(text: &str) -> Option<i32> {
    match text {
        INFINITY => Some(i32::MAX),
        MINUS_INFINITY => Some(i32::MIN),
        text => i32::try_from(days(text)?).ok().filter(|&it| it != i32::MAX && it != i32::MIN),
    }
}

/// A time of day from its microseconds.
pub(super) fn write_time(micros: i64) -> String {
    let (seconds, fraction) =
        (micros.div_euclid(MICROS_PER_SECOND), micros.rem_euclid(MICROS_PER_SECOND));
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let clock = format!("{hours:02}:{minutes:02}:{seconds:02}");
    match (fraction, fraction % 1000) {
        (0, _) => clock,
        (_, 0) => format!("{clock}.{:03}", fraction / 1000),
        _ => format!("{clock}.{fraction:06}"),
    }
}

/// The microseconds of a time of day, up to and with 24:00.
pub(super) fn read_time(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let (hours, minutes) = (two_digits(parts.next()?)?, two_digits(parts.next()?)?);
    let seconds = parts.next().map_or(Some(0), two_digits)?;
    let is_clock = parts.next().is_none() && minutes < 60 && seconds < 60;
    let is_whole = !text.ends_with('.') && fraction.len() <= 6;
    let fraction = format!("{fraction:0<6}");
    let micros = digits(&fraction)? + (hours * 3600 + minutes * 60 + seconds) * MICROS_PER_SECOND;
    (is_clock && is_whole && micros <= MICROS_PER_DAY).then_some(micros)
}

/// A timestamp from its microseconds since 1970.
pub(super) fn write_timestamp(micros: i64, zone: Zone) -> String {
    let (days, rest) = (micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY));
    match (micros, zone) {
        (i64::MAX, _) => INFINITY.to_owned(),
        (i64::MIN, _) => MINUS_INFINITY.to_owned(),
        (_, Zone::None) => format!("{}T{}", civil_text(days), write_time(rest)),
        (_, Zone::Utc) => format!("{}T{}Z", civil_text(days), write_time(rest)),
    }
}

/// The microseconds since 1970 of a timestamp. Where it is in UTC, an offset has to be told; else
/// there may be none.
pub(super) fn read_timestamp(text: &str, zone: Zone) -> Option<i64> {
    match text {
        INFINITY => return Some(i64::MAX),
        MINUS_INFINITY => return Some(i64::MIN),
        _ => {}
    }
    let (date, clock) = text.split_once(['T', ' '])?;
    let (clock, offset) = match (zone, clock.find(['Z', '+', '-'])) {
        (Zone::None, None) => (clock, 0),
        (Zone::Utc, Some(at)) => (clock.get(..at)?, read_offset(clock.get(at..)?)?),
        _ => return None,
    };
    let time = i128::from(read_time(clock)?) - i128::from(offset);
    let micros = i128::from(days(date)?) * i128::from(MICROS_PER_DAY) + time;
    i64::try_from(micros).ok().filter(|&it| it != i64::MAX && it != i64::MIN)
}

/// `Z`, `+02`, `+0230` or `+02:30`, in microseconds.
fn read_offset(text: &str) -> Option<i64> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("Z", "") => return Some(0),
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_at_checked(2)?;
    let minutes = minutes.strip_prefix(':').unwrap_or(minutes);
    let minutes = if minutes.is_empty() { 0 } else { two_digits(minutes)? };
    let hours = two_digits(hours)?;
    let is_offset = hours < 16 && minutes < 60;
    is_offset.then_some(sign * (hours * 60 + minutes) * 60 * MICROS_PER_SECOND)
}

fn two_digits(text: &str) -> Option<i64> {
    if text.len() == 2 { digits(text) } else { None }
}

fn digits(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// A date of the Gregorian calendar, carried on in both directions.
/// <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>
fn civil_text(days: i64) -> String {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    match year {
        0..=9999 => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:+05}-{month:02}-{day:02}"),
    }
}

/// The days since 1970-01-01; none for a day that there is not.
fn days(text: &str) -> Option<i64> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => (1, text),
    };
    let mut parts = rest.split('-');
    let year = parts.next().filter(|year| (4..=7).contains(&year.len()))?;
    let (year, month) = (sign * digits(year)?, two_digits(parts.next()?)?);
    let day = two_digits(parts.next()?)?;
    if parts.next().is_some() || !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    let from_march = (month + 9) % 12;
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    // 30 February would be read as another day.
    let is_a_day = civil_text(days).ends_with(&format!("-{month:02}-{day:02}"));
    is_a_day.then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read_and_what_there_is_not_is_refused() {
        assert_eq!(read_date("1970-01-02"), Some(1));
        assert_eq!(read_date("2000-02-29").map(write_date).as_deref(), Some("2000-02-29"));
        for no_day in ["2001-02-29", "2001-02-30", "2001-13-01", "2001-1-1", "today", "", "1-1-1"] {
            assert_eq!(read_date(no_day), None, "{no_day}");
        }
        assert_eq!(read_time("24:00:00").map(write_time).as_deref(), Some("24:00:00"));
        assert_eq!(read_time("09:30"), Some(34_200_000_000));
        for no_time in ["24:00:01", "9:30", "09:60", "09:30:", "09:30:00.", "09:30:00.1234567"] {
            assert_eq!(read_time(no_time), None, "{no_time}");
        }
        let noon = read_timestamp("2024-06-30 14:00:00+02", Zone::Utc);
        assert_eq!(noon, read_timestamp("2024-06-30T12:00:00Z", Zone::Utc));
        assert_eq!(noon, read_timestamp("2024-06-30T08:30-03:30", Zone::Utc));
        assert_eq!(noon, read_timestamp("2024-06-30 12:00", Zone::None));
        assert_eq!(read_timestamp("2024-06-30 12:00", Zone::Utc), None, "nobody knows where");
        assert_eq!(read_timestamp("2024-06-30T12:00:00Z", Zone::None), None);
    }
}
