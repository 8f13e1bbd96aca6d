//! Time: `now()` and its kin, `AT TIME ZONE`, `extract`, `date_trunc` and intervals.

use super::convert::{exact, finite};
use super::translate::Translator;
use super::typed::Typed;
use crate::exact::{Exact, Unit, Zone};
use crate::sql_type::{self, Family};
use arrow_schema::{DataType, IntervalUnit};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast::{Expr, Interval};
use datafusion::sql::sqlparser::tokenizer::Span;

/// Parts of a time that DataFusion and PostgreSQL count alike.
const PARTS: &[&str] =
    &["year", "quarter", "month", "week", "day", "dow", "doy", "hour", "minute", "epoch"];

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
        self.date_part(vec![part, time], span)
    }

    /// `date_part(part, time)`, in the project's time zone.
    pub(super) fn date_part(&mut self, args: Vec<Typed>, span: Span) -> Option<Typed> {
        let (word, time) = self.word_and_time("date_part", args, span)?;
        if !PARTS.contains(&word.as_str()) {
            return self.refuse_word("date_part", &word, &PARTS.join(", "), span);
        }
        let time = finite(time);
        // The seconds since 1970 are those of the instant, whatever the zone.
        let time = if word == "epoch" { time } else { self.in_zone(time) };
        let word = Typed::constant(ScalarValue::Utf8(Some(word)), false);
        let function = self.context.functions.get("date_part")?.clone();
        self.apply(&function, &[word, time], span)
    }

    /// `date_trunc(unit, time)`, in the project's time zone.
    pub(super) fn date_trunc(&mut self, args: Vec<Typed>, span: Span) -> Option<Typed> {
        let (word, time) = self.word_and_time("date_trunc", args, span)?;
        let Some(unit) = Unit::parse(&word) else {
            let known = Unit::ALL.map(|(name, _)| name).join(", ");
            return self.refuse_word("date_trunc", &word, &known, span);
        };
        let data_type = time.data_type.clone();
        Some(exact(time, Exact::Truncate(unit, self.context.zone.clone()), &data_type))
    }

    fn refuse_word(&mut self, name: &str, word: &str, known: &str, span: Span) -> Option<Typed> {
        self.report
            .error(span, format!("{name} does not know \"{word}\" here"))
            .detail(format!("it knows {known}"));
        None
    }

    /// A word such as `month`, and a timestamp.
    fn word_and_time(
        &mut self,
        name: &str,
        args: Vec<Typed>,
        span: Span,
    ) -> Option<(String, Typed)> {
        let mut args = args.into_iter();
        let (word, time) = (args.next()?, args.next()?);
        let word = match word.value() {
            Some(ScalarValue::Utf8(Some(word))) => word.to_lowercase(),
            _ => String::new(),
        };
        match Family::of(&time.data_type) {
            Family::Date => Some((word, self.convert(time, &sql_type::NAIVE, span)?)),
            Family::Naive | Family::Aware => Some((word, time)),
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
        let Some(zone) = Zone::parse(&name) else {
            self.report
                .error(place, format!("unknown time zone \"{name}\""))
                .hint("use an IANA name such as 'Europe/Paris' or 'UTC'");
            return None;
        };
        let time = time?;
        let to = match Family::of(&time.data_type) {
            Family::Aware => sql_type::NAIVE,
            Family::Naive | Family::Date => sql_type::aware(),
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
            Some(field) => format!("{text} {field}"),
            None => text,
        };
        let text = Typed::constant(ScalarValue::Utf8(Some(text)), true);
        self.convert(text, &DataType::Interval(IntervalUnit::MonthDayNano), span)
    }
}
