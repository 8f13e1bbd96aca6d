//! Values as fields of `COPY … (FORMAT text)`: for tables with a column whose type has no binary
//! form that we know.

use super::{Encoder, Unfit, Values, whole_micros};
use crate::values::NUMERIC_NAN;
use std::fmt::{Display, Write as _};
use std::io::Write as _;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Appends one value as a field, without the tab or newline after it.
///
/// # Errors
/// When the type at the target has no such value; `out` then ends anywhere.
///
/// # Panics
/// When there is no such row.
pub(crate) fn put_copy_text(encoder: &Encoder, row: usize, out: &mut Vec<u8>) -> Result<(), Unfit> {
    if encoder.is_null(row) {
        out.extend_from_slice(b"\\N");
        return Ok(());
    }
    match &encoder.values {
        Values::Null => out.extend_from_slice(b"\\N"),
        Values::Bool(array) => out.push(if array.value(row) { b't' } else { b'f' }),
        Values::Int2(array) => show(array.value(row), out),
        Values::Int4(array) => show(array.value(row), out),
        Values::Int8(array) => show(array.value(row), out),
        Values::Float4(array) => show_float(array.value(row).into(), array.value(row), out),
        Values::Float8(array) => show_float(array.value(row), array.value(row), out),
        Values::Decimal(array, scale) => show_decimal(array.value(row), *scale, out),
        Values::Digits(texts) | Values::Text(texts) | Values::Jsonb(texts) => {
            escape(texts.value(row).as_bytes(), out);
        }
        Values::Bytea(binaries) => {
            out.extend_from_slice(b"\\\\x");
            show_hex(binaries.value(row), out);
        }
        Values::Uuid(array) => show_hex(array.value(row), out),
        Values::Date(array) => match array.value(row) {
            i32::MAX => out.extend_from_slice(b"infinity"),
            i32::MIN => out.extend_from_slice(b"-infinity"),
            days => show(date(days.into(), ""), out),
        },
        Values::Time(array) => show(time(array.value(row)), out),
        Values::Timestamp(array) => match array.value(row) {
            i64::MAX => out.extend_from_slice(b"infinity"),
            i64::MIN => out.extend_from_slice(b"-infinity"),
            micros => {
                let time = time(micros.rem_euclid(MICROS_PER_DAY));
                show(date(micros.div_euclid(MICROS_PER_DAY), &format!(" {time}+00")), out);
            }
        },
        Values::Interval(array) => {
            let interval = array.value(row);
            let micros = whole_micros(interval.nanoseconds)?;
            let (months, days) = (interval.months, interval.days);
            show(format_args!("{months} mons {days} days {micros} microseconds"), out);
        }
    }
    Ok(())
}

fn show(value: impl Display, out: &mut Vec<u8>) {
    write!(out, "{value}").expect("a vector takes all that is written");
}

/// The shortest text that reads back as the same float.
fn show_float(value: f64, shortest: impl Display, out: &mut Vec<u8>) {
    if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"Infinity" } else { b"-Infinity" });
    } else {
        show(shortest, out);
    }
}

fn show_decimal(value: i128, scale: i8, out: &mut Vec<u8>) {
    if value == NUMERIC_NAN {
        out.extend_from_slice(b"NaN");
    } else {
        show(format_args!("{value}e{}", -i32::from(scale)), out);
    }
}

fn show_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
        out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
}

/// Backslash, tab, newline and carriage return mean something in the format.
fn escape(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            _ => out.push(byte),
        }
    }
}

/// `2024-02-29`, what `after` says, and ` BC` where it is.
fn date(days_since_1970: i64, after: &str) -> String {
    let (year, month, day) = civil(days_since_1970);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    format!("{year:04}-{month:02}-{day:02}{after}{era}")
}

/// Year (0 is 1 BC), month and day in the Gregorian calendar, counted in eras of 400 years that
/// begin on 1 March so that the leap day comes last.
fn civil(days_since_1970: i64) -> (i64, i64, i64) {
    const DAYS_PER_ERA: i64 = 146_097;
    let days = days_since_1970 + 719_468;
    let day_of_era = days.rem_euclid(DAYS_PER_ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + days.div_euclid(DAYS_PER_ERA) * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn time(micros: i64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = format!("{hours:02}:{minutes:02}:{seconds:02}");
    if fraction != 0 {
        write!(text, ".{fraction:06}").expect("a string takes all that is written");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_all_eras_are_spelled() {
        assert_eq!(date(0, ""), "1970-01-01");
        assert_eq!(date(11_016, ""), "2000-02-29");
        assert_eq!(date(-719_162, ""), "0001-01-01");
        assert_eq!(date(-719_163, " 00:00:00+00"), "0001-12-31 00:00:00+00 BC");
        // The first and last day that PostgreSQL has.
        assert_eq!(date(-2_440_588, ""), "4714-11-24 BC");
        assert_eq!(date(2_145_042_905, ""), "5874897-12-31");
    }

    #[test]
    fn the_last_moment_of_a_day_and_the_one_after_it_differ() {
        assert_eq!(time(86_399_999_999), "23:59:59.999999");
        assert_eq!(time(86_400_000_000), "24:00:00");
    }

    #[test]
    fn what_means_something_to_copy_is_escaped() {
        let mut out = Vec::new();
        escape(b"a\\b\tc\nd\re", &mut out);
        assert_eq!(out, b"a\\\\b\\tc\\nd\\re");
    }
}
