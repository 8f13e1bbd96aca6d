//! Days, times and their ISO texts, as Java's formatters write them: `2026-11-23Z`,
//! `10:15:30.123456Z`, `2026-11-23T10:15:30+01:00`; years before 1 are `0000`, `-0001`, …, years
//! after 9999 begin with `+`.

use super::Unfit;

pub(crate) const MICROS_PER_DAY: i64 = 86_400_000_000;

/// What a Date32 column holds for infinity and -infinity.
pub(crate) const DATE_INFINITY: (i32, i32) = (i32::MAX, i32::MIN);
/// What Debezium sends for them: `-5877611-06-21` and `-5877611-06-22` (`PostgresValueConverter`).
pub(crate) const DATE_INFINITY_SENT: (i32, i32) = (-2_147_472_692, -2_147_472_691);
/// The days PostgreSQL knows, 4713-01-01 BC to 5874897-12-31; other systems know fewer.
pub(crate) const DATE_RANGE: std::ops::RangeInclusive<i32> = -2_440_550..=2_145_042_905;

/// What a timestamp column holds for infinity and -infinity.
pub(crate) const TIMESTAMP_INFINITY: (i64, i64) = (i64::MAX, i64::MIN);
/// What Debezium sends for them: the constants of PostgreSQL's JDBC driver, taken for microseconds.
pub(crate) const TIMESTAMP_INFINITY_SENT: (i64, i64) =
    (9_223_372_036_825_200_000, -9_223_372_036_832_400_000);

const DATE: Unfit = Unfit::Malformed("a date in ISO form");
const TIME: Unfit = Unfit::Malformed("a time in ISO form");
const FINE: Unfit = Unfit::Beyond("times are carried in microseconds, and this one is finer");
const FAR: Unfit = Unfit::Beyond("timestamps are carried from 290309 BC to 294247");

/// Days since 1970-01-01 in the proleptic Gregorian calendar. Years are counted from March, so that
/// the leap day is the last of its year, and grouped by the 400 years after which all repeats.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day: the way back.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

/// A day from its parts, checked.
pub(super) fn day(year: i64, month: i64, day: i64) -> Result<i64, Unfit> {
    let in_range = year.abs() < 1_000_000_000 && (1..=12).contains(&month);
    let found = if in_range && (1..=31).contains(&day) {
        days(year, month, day)
    } else {
        return Err(DATE);
    };
    // The 31st of a month of 30 days is the 1st of the next.
    if civil(found) == (year, month, day) { Ok(found) } else { Err(DATE) }
}

/// Microseconds since midnight from their parts, checked.
pub(super) fn clock(hour: i64, minute: i64, second: i64, nanos: i64) -> Result<i64, Unfit> {
    if hour > 24 || minute > 59 || second > 59 || hour < 0 || minute < 0 || second < 0 || nanos < 0
    {
        return Err(TIME);
    }
    let micros = ((hour * 60 + minute) * 60 + second) * 1_000_000 + in_micros(nanos)?;
    if micros > MICROS_PER_DAY { Err(TIME) } else { Ok(micros) }
}

/// Nanoseconds as microseconds.
pub(super) fn in_micros(nanos: i64) -> Result<i64, Unfit> {
    if nanos % 1_000 == 0 { Ok(nanos / 1_000) } else { Err(FINE) }
}

/// A day of one of the ranges that systems have, as a Date32.
pub(super) fn date32(days: i64) -> Result<i32, Unfit> {
    i32::try_from(days)
        .ok()
        .filter(|days| DATE_RANGE.contains(days))
        .ok_or(Unfit::Beyond("dates are carried from 4713 BC to 5874897"))
}

/// Microseconds since 1970 of a day and a time, less an offset, all in microseconds but the day.
pub(super) fn timestamp(days: i64, micros: i64, offset: i64) -> Result<i64, Unfit> {
    // Midnight of the first day of all is beyond 64 bits, though its last hours are not.
    let all =
        i128::from(days) * i128::from(MICROS_PER_DAY) + i128::from(micros) - i128::from(offset);
    i64::try_from(all)
        .ok()
        .filter(|&all| all != TIMESTAMP_INFINITY.0 && all != TIMESTAMP_INFINITY.1)
        .ok_or(FAR)
}

/// Reads `2026-11-23`, with or without an offset.
pub(super) fn iso_date(text: &str) -> Result<i32, Unfit> {
    match text {
        "infinity" => return Ok(DATE_INFINITY.0),
        "-infinity" => return Ok(DATE_INFINITY.1),
        _ => {}
    }
    let (found, rest) = take_date(text)?;
    take_offset(rest).ok_or(DATE)?;
    date32(found)
}

/// Reads `10:15:30.123456`, with `Z` or nothing after it.
pub(super) fn iso_time(text: &str) -> Result<i64, Unfit> {
    let (micros, rest) = take_time(text)?;
    if take_offset(rest) == Some(0) { Ok(micros) } else { Err(TIME) }
}

/// Reads `2026-11-23T10:15:30.123456+01:00`, or without an offset, as microseconds since 1970.
pub(super) fn iso_timestamp(text: &str) -> Result<i64, Unfit> {
    match text {
        "infinity" => return Ok(TIMESTAMP_INFINITY.0),
        "-infinity" => return Ok(TIMESTAMP_INFINITY.1),
        _ => {}
    }
    let (days, rest) = take_date(text)?;
    let (micros, rest) = take_time(rest.strip_prefix('T').ok_or(DATE)?)?;
    timestamp(days, micros, take_offset(rest).ok_or(TIME)?)
}

fn take_date(text: &str) -> Result<(i64, &str), Unfit> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (year, rest) =
        text.split_once('-').filter(|(year, _)| (4..=9).contains(&year.len())).ok_or(DATE)?;
    let (month, rest) = take_digits(rest, 2).ok_or(DATE)?;
    let (day_of_month, rest) = take_digits(rest.strip_prefix('-').ok_or(DATE)?, 2).ok_or(DATE)?;
    let year = take_digits(year, year.len()).ok_or(DATE)?.0;
    Ok((day(if negative { -year } else { year }, month, day_of_month)?, rest))
}

fn take_time(text: &str) -> Result<(i64, &str), Unfit> {
    let (hour, rest) = take_digits(text, 2).ok_or(TIME)?;
    let (minute, rest) = take_digits(rest.strip_prefix(':').ok_or(TIME)?, 2).ok_or(TIME)?;
    let Some(rest) = rest.strip_prefix(':') else { return Ok((clock(hour, minute, 0, 0)?, rest)) };
    let (second, rest) = take_digits(rest, 2).ok_or(TIME)?;
    let Some(rest) = rest.strip_prefix('.') else {
        return Ok((clock(hour, minute, second, 0)?, rest));
    };
    let count = rest.bytes().take_while(u8::is_ascii_digit).count();
    if !(1..=9).contains(&count) {
        return Err(TIME);
    }
    let (fraction, rest) = take_digits(rest, count).ok_or(TIME)?;
    let nanos = fraction * 10_i64.pow(u32::try_from(9 - count).unwrap_or(0));
    Ok((clock(hour, minute, second, nanos)?, rest))
}

/// Reads all that is left as an offset, in microseconds; nothing is none.
fn take_offset(text: &str) -> Option<i64> {
    let (sign, rest) = match text.as_bytes().first() {
        None => return Some(0),
        Some(b'Z') => return (text.len() == 1).then_some(0),
        Some(b'+') => (1, text.get(1..)?),
        Some(b'-') => (-1, text.get(1..)?),
        Some(_) => return None,
    };
    let mut parts = rest.split(':').map(|part| take_digits(part, 2).filter(|it| it.1.is_empty()));
    let mut next = || parts.next().map_or(Some(0), |part| part.map(|it| it.0));
    let seconds = next()? * 3_600 + next()? * 60 + next()?;
    parts.next().is_none().then_some(sign * seconds * 1_000_000)
}

/// A number of exactly `count` digits, at most nine, and what follows.
fn take_digits(text: &str, count: usize) -> Option<(i64, &str)> {
    let (digits, rest) = text.split_at_checked(count)?;
    let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if all { Some((digits.parse().ok()?, rest)) } else { None }
}

/// `2026-11-23`.
pub(crate) fn date_text(of: i64) -> String {
    let (year, month, day) = civil(of);
    let sign = match year {
        ..0 => "-",
        10_000.. => "+",
        _ => "",
    };
    format!("{sign}{:04}-{month:02}-{day:02}", year.abs())
}

/// `2026-11-23T10:15:30.123456`, the fraction only where there is one.
pub(crate) fn timestamp_text(micros: i64, between: char) -> String {
    let (days, of_day) = (micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY));
    format!("{}{between}{}", date_text(days), time_text(of_day))
}

/// `10:15:30.123456`.
pub(super) fn time_text(micros: i64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let text = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 {
        return text;
    }
    format!("{text}.{}", format!("{fraction:06}").trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn dates_and_times_come_back(days in DATE_RANGE, micros in 0..MICROS_PER_DAY, far: i64) {
            prop_assert_eq!(iso_date(&date_text(days.into())), Ok(days));
            prop_assert_eq!(iso_time(&format!("{}Z", time_text(micros))), Ok(micros));
            prop_assume!(far != i64::MAX && far != i64::MIN);
            prop_assert_eq!(iso_timestamp(&format!("{}Z", timestamp_text(far, 'T'))), Ok(far));
        }

        #[test]
        fn any_text_is_no_panic(text in "[-+0-9TZ:.infty]{0,30}|.{0,12}") {
            let _ = (iso_date(&text), iso_time(&text), iso_timestamp(&text));
        }
    }

    #[test]
    fn what_debezium_sends_for_infinity_is_what_its_source_says() {
        assert_eq!(days(-5_877_611, 6, 21), i64::from(DATE_INFINITY_SENT.0));
        assert_eq!(days(-5_877_611, 6, 22), i64::from(DATE_INFINITY_SENT.1));
    }

    #[test]
    fn java_texts_are_read() {
        assert_eq!(iso_timestamp("2011-12-03T10:15:30.030431+01:00"), Ok(1_322_903_730_030_431));
        assert_eq!(iso_timestamp("1970-01-01T00:00Z"), Ok(0));
        let first = iso_timestamp("-290308-12-21T19:59:05.224193Z");
        assert_eq!(first, Ok(i64::MIN + 1), "its midnight is beyond 64 bits");
        assert_eq!(iso_date("1970-01-02Z"), Ok(1));
        assert_eq!(iso_date("-0043-03-15"), Ok(days(-43, 3, 15) as i32));
        assert_eq!(iso_time("24:00:00Z"), Ok(MICROS_PER_DAY));
        assert_eq!(iso_timestamp("2026-01-01T00:00:00.0000001Z"), Err(FINE));
        for bad in ["2026-02-30", "2026-13-01", "26-01-01", "2026-01-01X", "", "2026-01-01+1:00"] {
            assert!(iso_date(bad).is_err(), "{bad}");
        }
        assert!(iso_time("10:15:30+02:00").is_err() && iso_time("24:00:01").is_err());
    }
}
