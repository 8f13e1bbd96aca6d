//! Time: `now()` and its kin, `AT TIME ZONE`, `extract`, `date_trunc` and intervals.

use super::convert::{exact, finite};
use super::translate::Translator;
use super::typed::Typed;
use crate::exact::{Exact, Part, Unit, Zone};
use crate::sql_type::{self, Family, Kind};
use arrow_schema::{DataType, IntervalUnit};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{Expr, Interval};
use datafusion::sql::sqlparser::tokenizer::Span;

impl Translator<'_, '_, '_> {
    /// `now()`, `current_date` and the like: all of the commit time.
    pub(super) fn time_word(&mut self, word: &str) -> Option<Typed> {
        let to = match word {
            "now" | "current_timestamp" | "transaction_timestamp" | "statement_timestamp" => {
                return Some(self.context.commit_time());
            }
            "localtimestamp" => sql_type::NAIVE,
            "current_date" => DataType::Date32,
            _ => return None,
        };
        let zone = self.context.zone.clone();
        Some(exact(self.context.commit_time(), Exact::Temporal(to.clone(), zone), &to))
    }

    /// `extract(part FROM time)`.
    pub(super) fn extract(&mut self, part: &str, time: &Expr, span: Span) -> Option<Typed> {
        let time = self.operand(time)?;
        let part = Typed::constant(ScalarValue::Utf8(Some(part.to_lowercase())), true);
        self.part_of("extract", vec![part, time], span)
    }

    /// A part of a time, in the project's time zone: a numeric from `extract`, a float from
    /// `date_part`.
    pub(super) fn part_of(&mut self, name: &str, args: Vec<Typed>, span: Span) -> Option<Typed> {
        let (word, time) = word_and_time(args)?;
        let Some(part) = Part::parse(&word) else {
            let known = Part::ALL.map(|(name, _)| name).join(", ");
            return self.refuse_word("date_part", &word, &known, span);
        };
        let is_date = Family::of(&time.data_type) == Family::Date;
        let to = match (name, part) {
            ("date_part", _) => DataType::Float64,
            (_, Part::Epoch) if is_date => DataType::Decimal128(15, 0),
            (_, Part::Epoch) => DataType::Decimal128(19, 6),
            _ => DataType::Decimal128(6, 0),
        };
        let time = self.timestamp("date_part", time, &sql_type::NAIVE, span)?;
        let zone = self.context.zone.clone();
        let depends = Family::of(&time.data_type) == Family::Aware;
        Some(exact(finite(time), Exact::Part(part, to.clone(), zone), &to).in_zone(depends))
    }

    /// `date_trunc(unit, time)`, in the project's time zone.
    pub(super) fn date_trunc(&mut self, args: Vec<Typed>, span: Span) -> Option<Typed> {
        let (word, time) = word_and_time(args)?;
        let Some(unit) = Unit::parse(&word) else {
            let known = Unit::ALL.map(|(name, _)| name).join(", ");
            return self.refuse_word("date_trunc", &word, &known, span);
        };
        // PostgreSQL cuts a date as the midnight of its zone.
        let time = self.timestamp("date_trunc", time, &sql_type::aware(), span)?;
        let data_type = time.data_type.clone();
        let cut = exact(time, Exact::Truncate(unit, self.context.zone.clone()), &data_type);
        let depends = Family::of(&data_type) == Family::Aware;
        Some(cut.of_kind(Kind::Seconds(0)).in_zone(depends))
    }

    fn refuse_word(&mut self, name: &str, word: &str, known: &str, span: Span) -> Option<Typed> {
        self.report
            .error(span, format!("{name} does not know \"{word}\" here"))
            .detail(format!("it knows {known}"));
        None
    }

    /// A timestamp; of a date, its midnight as this type.
    fn timestamp(&mut self, name: &str, time: Typed, to: &DataType, span: Span) -> Option<Typed> {
        match Family::of(&time.data_type) {
            Family::Date => self.convert(time, to, span),
            Family::Naive | Family::Aware => Some(time),
            _ => {
                let of = time.type_name();
                self.report
                    .error(span, format!("{name} takes a date or time, and this is {of}"))
                    .hint("cast it");
                None
            }
        }
    }

    /// A time moved into a zone, or read as one of it.
    pub(super) fn at_time_zone(&mut self, time: &Expr, zone: &Expr) -> Option<Typed> {
        let place = self.place(zone);
        let (time_place, time, zone) =
            (self.place(time), self.operand(time), self.translate(zone)?);
        let name = match zone.value() {
            Some(ScalarValue::Utf8(Some(name))) => name.clone(),
            _ => {
                self.report
                    .error(place, "a time zone is written as a text, such as 'Europe/Paris'");
                return None;
            }
        };
        if is_not_geographic(&name) {
            self.report
                .error(place, format!("\"{name}\" is not the name of a place here"))
                .detail("PostgreSQL reads offsets westward, and abbreviations without summer time")
                .hint("use an IANA name such as 'Europe/Paris' or 'UTC'");
            return None;
        }
        let Some(zone) = Zone::parse(&name) else {
            self.report
                .error(place, format!("unknown time zone \"{name}\""))
                .hint("use an IANA name such as 'Europe/Paris' or 'UTC'");
            return None;
        };
        let time = time?;
        let to = match Family::of(&time.data_type) {
            Family::Aware => sql_type::NAIVE,
            Family::Naive => sql_type::aware(),
            Family::Date => {
                self.report
                    .error(time_place, "AT TIME ZONE takes a timestamp, and this is a date")
                    .detail("PostgreSQL reads it as midnight in the session's zone first")
                    .hint("cast it to timestamp or timestamptz");
                return None;
            }
            _ => {
                let of = time.type_name();
                self.report
                    .error(time_place, format!("AT TIME ZONE takes a timestamp, and this is {of}"))
                    .hint("cast it");
                return None;
            }
        };
        Some(exact(time, Exact::Temporal(to.clone(), zone), &to))
    }

    /// `INTERVAL '1 day'`.
    pub(super) fn interval(&mut self, interval: &Interval, span: Span) -> Option<Typed> {
        let plain = interval.leading_precision.is_none()
            && interval.last_field.is_none()
            && interval.fractional_seconds_precision.is_none();
        let value = self.translate(&interval.value)?;
        let text = match value.value() {
            Some(ScalarValue::Utf8(Some(text))) if plain => text.clone(),
            _ => {
                self.report
                    .error(span, "this interval is not supported here")
                    .hint("write INTERVAL '1 day', or INTERVAL '90 minutes'");
                return None;
            }
        };
        let text = match &interval.leading_field {
            // PostgreSQL drops what is smaller than the field.
            Some(_) if !text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()) => {
                self.report
                    .error(span, "this interval is not supported here")
                    .hint("write INTERVAL '1 day', or INTERVAL '90 minutes'");
                return None;
            }
            Some(field) => format!("{text} {field}"),
            None => text,
        };
        let text = Typed::constant(ScalarValue::Utf8(Some(text)), true);
        self.convert(text, &DataType::Interval(IntervalUnit::MonthDayNano), span)
    }
}

/// A word such as `month`, and what it is asked of.
fn word_and_time(args: Vec<Typed>) -> Option<(String, Typed)> {
    let mut args = args.into_iter();
    let (word, time) = (args.next()?, args.next()?);
    let word = match word.value() {
        Some(ScalarValue::Utf8(Some(word))) => word.to_lowercase(),
        _ => String::new(),
    };
    Some((word, time))
}

/// Whether a zone's name is an offset or an abbreviation, which PostgreSQL reads in its own way.
fn is_not_geographic(name: &str) -> bool {
    let abbreviation = name.len() > 2 && name.bytes().all(|byte| byte.is_ascii_uppercase());
    let offset = name.starts_with(['+', '-']) || name.starts_with(|c: char| c.is_ascii_digit());
    offset || (abbreviation && !matches!(name, "UTC" | "GMT" | "UCT"))
}
