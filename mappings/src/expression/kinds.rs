//! What texts are beside text, where they meet: `citext`, `char(n)`, enums, and types whose text
//! does not compute as their values do.

use super::translate::Translator;
use super::typed::{Origin, Typed};
use crate::names;
use crate::sql_type::{self, Kind};
use arrow_schema::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::sql::sqlparser::tokenizer::Span;
use std::sync::Arc;

impl Translator<'_, '_, '_> {
    /// A value that can be computed with: `char(n)` loses its padding, as PostgreSQL casts it to
    /// text; what is carried in its text form must be cast first.
    pub(super) fn computable(&mut self, typed: Typed, span: Span) -> Option<Typed> {
        let native = self.context.native_type(&typed).unwrap_or("jsonb");
        let written = || self.report.text().slice(span).unwrap_or_default();
        match typed.kind {
            Kind::WideNumeric => {
                let written = written();
                self.report
                    .error(span, format!("a {native} without a bound can't be computed with"))
                    .detail("it is carried with all its digits, as text")
                    .hint(format!("use it alone, or cast it: {written}::numeric(20,4)"));
                None
            }
            Kind::Opaque => {
                let written = written();
                self.report
                    .error(span, format!("{native} can't be computed with"))
                    .detail("it is carried in its text form, which compares as a text does")
                    .hint(format!("use it alone, or cast it: {written}::text"));
                None
            }
            Kind::Padded(length) => {
                let text = Typed { origin: Origin::Computed, ..typed };
                Some(self.call("rtrim", vec![text], span)?.of_kind(Kind::Padded(length)))
            }
            _ => Some(typed),
        }
    }

    /// The kind that texts have in common where they meet: what is written in quotes takes that of
    /// the others, and `text` wins over `citext` and enums.
    pub(super) fn common_kind(&mut self, values: &[Typed], span: Span) -> Option<Kind> {
        let mut common: Option<Kind> = None;
        let has_kind = |value: &&Typed| {
            !value.is_untyped() && (value.data_type == DataType::Utf8 || value.is_timed())
        };
        for value in values.iter().filter(has_kind) {
            let met = match common {
                None => Some(value.kind),
                Some(common) => meet(common, value.kind),
            };
            if met.is_none() {
                self.report
                    .error(span, "char(n) and text can't be compared here")
                    .detail("whether the blanks at the end count depends on which is cast")
                    .hint("cast the char(n) to text, as in code::text");
                return None;
            }
            common = met;
        }
        let lengths = || values.iter().map(|value| self.length_limit(value));
        Some(match common.unwrap_or_default() {
            Kind::Plain | Kind::Limited(_) => {
                let longest = lengths().collect::<Option<Vec<_>>>();
                longest.and_then(|all| all.into_iter().max()).map_or(Kind::Plain, Kind::Limited)
            }
            // What is written in quotes can have more digits of a second.
            Kind::Seconds(_) if values.iter().any(Typed::is_untyped) => Kind::Plain,
            other => other,
        })
    }

    /// A value as another type, as what it meets there is: a quoted text becomes a label of an
    /// enum, or loses the blanks that do not count.
    pub(super) fn adopt(
        &mut self,
        typed: Typed,
        data_type: &DataType,
        kind: Kind,
        span: Span,
    ) -> Option<Typed> {
        let quoted = typed.is_untyped();
        let typed = self.convert(typed, data_type, span)?;
        if let Some(ScalarValue::Utf8(Some(text))) = typed.value().filter(|_| quoted) {
            match kind {
                Kind::Padded(_) => {
                    let text = text.trim_end_matches(' ').to_owned();
                    let text = Typed::constant(ScalarValue::Utf8(Some(text)), false);
                    return Some(text.of_kind(kind));
                }
                Kind::Enum(column) => {
                    let labels = self.context.enums.get(&column).cloned().unwrap_or_default();
                    self.refuse_label("the enum", &text.clone(), &labels, span)?;
                }
                _ => {}
            }
        }
        let is_text = typed.data_type == DataType::Utf8;
        let keeps = is_text || matches!(kind, Kind::Seconds(_));
        Some(typed.of_kind(if keeps { kind } else { Kind::Plain }))
    }

    /// Refuses what is none of an enum's labels.
    pub(super) fn refuse_label(
        &mut self,
        name: &str,
        value: &str,
        labels: &[String],
        span: Span,
    ) -> Option<()> {
        if labels.iter().any(|label| label == value) {
            return Some(());
        }
        let known = || labels.iter().map(String::as_str);
        let found = self.report.error(span, format!("{name} has no label \"{value}\""));
        found.detail(format!("its labels are {}", names::list(known())));
        if let Some(meant) = names::nearest(value, known()) {
            found.hint(format!("did you mean '{meant}'?"));
        }
        None
    }

    /// Enums sort by the order of their labels, which their text does not.
    pub(super) fn refuse_enum_order(
        &mut self,
        sides: &[Typed],
        op: Operator,
        span: Span,
    ) -> Option<()> {
        let orders = matches!(op, Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq);
        if orders && sides.iter().any(|side| matches!(side.kind, Kind::Enum(_))) {
            self.report
                .error(span, "enum values can't be put in order here")
                .hint("compare with =, or list the labels: IN ('…', '…')");
            return None;
        }
        Some(())
    }

    /// Refuses `char(n)` where PostgreSQL counts the padding, which is not there any more.
    pub(super) fn refuse_padded(&mut self, what: &str, args: &[&Typed], span: Span) -> Option<()> {
        if args.iter().any(|arg| matches!(arg.kind, Kind::Padded(_))) {
            self.report
                .error(span, format!("{what} takes no char(n) here"))
                .detail("PostgreSQL counts the blanks that it is padded with")
                .hint("cast it to text, as in code::text");
            return None;
        }
        Some(())
    }

    /// The most characters that a value can have as a text, where that is known.
    pub(super) fn length_limit(&self, typed: &Typed) -> Option<usize> {
        match typed.kind {
            Kind::Limited(length) => Some(length),
            Kind::Padded(length) => length,
            Kind::Enum(column) => {
                let labels = self.context.enums.get(&column)?;
                labels.iter().map(|label| label.chars().count()).max()
            }
            Kind::Citext | Kind::WideNumeric | Kind::Opaque => None,
            Kind::Plain | Kind::Seconds(_) => match typed.value() {
                Some(ScalarValue::Utf8(Some(text))) => Some(text.chars().count()),
                Some(value) if value.is_null() => Some(0),
                _ => sql_type::text_length(&typed.data_type),
            },
        }
    }

    /// A text in lower case, as `citext` compares it.
    pub(super) fn lowered(&mut self, typed: Typed, span: Span) -> Option<Typed> {
        let lower = self.call("lower", vec![typed], span)?;
        self.fold(lower, span)
    }
}

/// The kind of two values together; `None` where it depends on more than is known.
fn meet(one: Kind, other: Kind) -> Option<Kind> {
    Some(match (one, other) {
        (Kind::Limited(one), Kind::Limited(other)) => Kind::Limited(one.max(other)),
        (Kind::Padded(one), Kind::Padded(other)) => {
            Kind::Padded(one.zip(other).map(|(one, other)| one.max(other)))
        }
        (Kind::Seconds(one), Kind::Seconds(other)) => Kind::Seconds(one.max(other)),
        (Kind::Padded(_), _) | (_, Kind::Padded(_)) => return None,
        (one, other) if one == other => one,
        _ => Kind::Plain,
    })
}

/// Whether a match against a pattern is blind to case: `citext` on its left, or beside a quoted
/// text.
pub(super) fn folds(value: &Typed, pattern: &Typed) -> bool {
    value.kind == Kind::Citext || (value.is_untyped() && pattern.kind == Kind::Citext)
}

/// A constant text of a statement.
pub(super) fn constant_text(typed: &Typed) -> Option<Arc<str>> {
    match typed.value()? {
        ScalarValue::Utf8(Some(text)) => Some(text.as_str().into()),
        _ => None,
    }
}
