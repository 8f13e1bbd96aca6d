//! A time zone, and the step between local and absolute time.

use arrow_array::timezone::Tz;
use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeDelta, TimeZone};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A time zone by its IANA name, such as `Europe/Paris`.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    name: Arc<str>,
    rules: Tz,
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Zone {
    /// The zone of this name; `None` where there is none.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let rules = name.parse().ok()?;
        Some(Self { name: name.into(), rules })
    }

    /// The absolute time of a local one, in µs. As PostgreSQL reads them, a time that occurs twice
    /// is the standard time, and a time that is skipped is read with the offset before the gap.
    pub(crate) fn absolute(&self, local: i64) -> Option<i64> {
        let local = naive(local)?;
        let absolute = match self.rules.from_local_datetime(&local) {
            LocalResult::Single(absolute) => absolute.timestamp_micros(),
            LocalResult::Ambiguous(_, standard) => standard.timestamp_micros(),
            LocalResult::None => {
                let before = local.checked_sub_signed(TimeDelta::days(1))?;
                let offset = self.rules.offset_from_utc_datetime(&before).fix();
                local.checked_sub_offset(offset)?.and_utc().timestamp_micros()
            }
        };
        Some(absolute)
    }

    /// The local time of an absolute one, in µs.
    pub(crate) fn local(&self, absolute: i64) -> Option<i64> {
        let offset = self.offset_seconds(absolute)?;
        absolute.checked_add(i64::from(offset) * 1_000_000)
    }

    /// How far local time is ahead of UTC at an absolute time.
    pub(crate) fn offset_seconds(&self, absolute: i64) -> Option<i32> {
        let absolute = naive(absolute)?;
        Some(self.rules.offset_from_utc_datetime(&absolute).fix().local_minus_utc())
    }
}

fn naive(micros: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros).map(|time| time.naive_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> i64 {
        text.parse::<NaiveDateTime>().expect("a time").and_utc().timestamp_micros()
    }

    #[test]
    fn local_times_are_read_as_postgresql_reads_them() {
        let paris = Zone::parse("Europe/Paris").expect("a zone");
        let cases = [
            ("2024-01-15T12:00:00", "2024-01-15T11:00:00"),
            ("2024-07-15T12:00:00", "2024-07-15T10:00:00"),
            // Skipped: 02:30 does not occur on this day; read with the winter offset.
            ("2024-03-31T02:30:00", "2024-03-31T01:30:00"),
            // Twice: 02:30 is winter time.
            ("2024-10-27T02:30:00", "2024-10-27T01:30:00"),
        ];
        for (local, absolute) in cases {
            assert_eq!(paris.absolute(micros(local)), Some(micros(absolute)), "{local}");
        }
        assert_eq!(paris.local(micros("2024-07-15T10:00:00")), Some(micros("2024-07-15T12:00:00")));
        assert_eq!(paris.absolute(i64::MAX), None);
    }

    #[test]
    fn an_unknown_zone_is_none() {
        assert!(Zone::parse("Europe/Pariss").is_none());
    }
}
