//! Intervals as Debezium writes them: `P1Y2M3DT4H5M6.78S`, each part with its own sign.

use super::{Decimal, Unfit};
use arrow_buffer::IntervalMonthDayNano;

const MALFORMED: Unfit = Unfit::Malformed("an interval such as P1Y2M3DT4H5M6.78S");
const BEYOND: Unfit = Unfit::Beyond("intervals are carried in months, days and 64-bit nanoseconds");

/// Reads one.
pub(crate) fn interval(text: &str) -> Result<IntervalMonthDayNano, Unfit> {
    let text = text.strip_prefix('P').ok_or(MALFORMED)?;
    let (date, time) = text.split_once('T').unwrap_or((text, ""));
    let [years, months, days] = parts(date, ['Y', 'M', 'D'])?;
    let [hours, minutes, seconds] = parts(time, ['H', 'M', 'S'])?;
    let whole = |text: &str| text.parse::<i64>().map_err(|_| MALFORMED);
    let months = whole(years)?.checked_mul(12).and_then(|it| it.checked_add(whole(months).ok()?));
    let minutes = whole(hours)?.checked_mul(60).and_then(|it| it.checked_add(whole(minutes).ok()?));
    let seconds = Decimal::parse(seconds)?.to_i128(38, 9).map_err(|_| BEYOND)?;
    let nanos = i128::from(minutes.ok_or(BEYOND)?) * 60_000_000_000 + seconds;
    Ok(IntervalMonthDayNano {
        months: months.and_then(|it| i32::try_from(it).ok()).ok_or(BEYOND)?,
        days: i32::try_from(whole(days)?).map_err(|_| BEYOND)?,
        nanoseconds: i64::try_from(nanos).map_err(|_| BEYOND)?,
    })
}

/// The numbers before these letters; zero where a part is missing.
fn parts(mut text: &str, letters: [char; 3]) -> Result<[&str; 3], Unfit> {
    let parts = letters.map(|letter| match text.split_once(letter) {
        Some((number, rest)) => {
            text = rest;
            number
        }
        None => "0",
    });
    if text.is_empty() { Ok(parts) } else { Err(MALFORMED) }
}

/// Writes one.
pub(crate) fn interval_text(value: IntervalMonthDayNano) -> String {
    let (minutes, nanos) = (value.nanoseconds / 60_000_000_000, value.nanoseconds % 60_000_000_000);
    let seconds = Decimal::from_i128(nanos.into(), 9).to_text();
    let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
    let (years, months) = (value.months / 12, value.months % 12);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let days = value.days;
    format!("P{years}Y{months}M{days}DT{hours}H{minutes}M{seconds}S")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_own_sign() {
        let read = interval("P1Y2M-3DT4H-5M6.78S").unwrap();
        assert_eq!((read.months, read.days), (14, -3));
        assert_eq!(read.nanoseconds, ((4 * 60 - 5) * 60 + 6) * 1_000_000_000 + 780_000_000);
        assert_eq!(interval_text(interval("P0Y0M0DT0H0M0S").unwrap()), "P0Y0M0DT0H0M0S");
        let half = IntervalMonthDayNano::new(0, 0, -500_000_000);
        assert_eq!(interval(&interval_text(half)), Ok(half));
        for bad in ["", "P", "1Y", "P1YX", "PT1S1H", "P1.5Y0M0DT0H0M0S", "PY"] {
            assert!(interval(bad).is_err() || bad == "P", "{bad}");
        }
        assert!(interval("P0Y0M0DT9999999H0M0S").is_err());
    }
}
