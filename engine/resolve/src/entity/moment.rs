//! Days and times of day, from texts.
//!
//! Years are those of the proleptic Gregorian calendar, with a year 0. The days of a date are counted by
//! the rule of <https://howardhinnant.github.io/date_algorithms.html#days_from_civil>.

/// µs of a day.
pub(super) const DAY: i64 = 86_400_000_000;
const SECOND: i64 = 1_000_000;

/// Days since 1970, of `2024-01-31`, `-0044-03-15` or `infinity`.
pub(super) fn date(text: &str) -> Option<i32> {
    match text {
        "infinity" => return Some(i32::MAX),
        "-infinity" => return Some(i32::MIN),
        _ => {}
    }
    i32::try_from(days(text)?).ok().filter(|days| !matches!(*days, i32::MAX | i32::MIN))
}

fn days(text: &str) -> Option<i64> {
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut parts = unsigned.split('-').map(|part| number(part, 7));
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let year = if is_negative { -year } else { year };
    let is_date = parts.next().is_none()
        && (1..=12).contains(&month)
        && (1..=days_of_month(year, month)).contains(&day);
    is_date.then(|| days_from_civil(year, month, day))
}

fn days_of_month(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// µs of the day, of `13:45`, `13:45:00` or `13:45:00.5`; at most 24 hours.
pub(super) fn time(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let hours = number(parts.next()?, 2)?;
    let minutes = number(parts.next()?, 2).filter(|minutes| *minutes < 60)?;
    let (seconds, fraction) = match parts.next() {
        Some(seconds) => seconds.split_once('.').unwrap_or((seconds, "0")),
        None => ("0", "0"),
    };
    let seconds = number(seconds, 2).filter(|seconds| *seconds < 60)?;
    let fraction = fraction_of_second(fraction)?;
    let time = ((hours * 60 + minutes) * 60 + seconds) * SECOND + fraction;
    (parts.next().is_none() && time <= DAY).then_some(time)
}

/// µs; more than six digits are none unless they are zeros.
fn fraction_of_second(digits: &str) -> Option<i64> {
    let significant = digits.trim_end_matches('0');
    if digits.is_empty() || significant.len() > 6 {
        return None;
    }
    number(&format!("{significant:0<6}"), 6)
}

/// µs since 1970, of a date and a time; an aware one ends with `Z` or an offset from UTC, and is UTC
/// where it does not.
pub(super) fn moment(text: &str, is_aware: bool) -> Option<i64> {
    match text {
        "infinity" => return Some(i64::MAX),
        "-infinity" => return Some(i64::MIN),
        _ => {}
    }
    let (day, rest) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let (clock, offset) = match rest.find(['Z', '+', '-']) {
        Some(at) if is_aware => (rest.get(..at)?, offset(rest.get(at..)?)?),
        Some(_) => return None,
        None => (rest, 0),
    };
    let day = days(day)?.checked_mul(DAY)?;
    // The first moments there are lie in a day that begins before all of them.
    let since_1970 = i128::from(day) + i128::from(time(clock.trim_end())?) - i128::from(offset);
    i64::try_from(since_1970).ok().filter(|it| !matches!(*it, i64::MAX | i64::MIN))
}

/// µs east of UTC, of `Z`, `+02`, `+0200` or `-05:30`.
fn offset(text: &str) -> Option<i64> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("Z", "") => return Some(0),
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None => digits.split_at_checked(2)?,
    };
    let hours = number(hours, 2).filter(|hours| *hours < 24)?;
    let minutes = if minutes.is_empty() { 0 } else { number(minutes, 2)? };
    (minutes < 60).then_some(sign * (hours * 60 + minutes) * 60 * SECOND)
}

/// A number of at least one and at most so many digits.
fn number(digits: &str, most: usize) -> Option<i64> {
    let is_number =
        (1..=most).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}
