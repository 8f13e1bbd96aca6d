//! From an expression to the target's column: what goes in by itself, what needs a cast that
//! somebody wrote, and what can never go in.

use super::translate::Translator;
use super::typed::{Origin, Typed};
use crate::sql_type::{self, Family};
use arrow_schema::DataType;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::tokenizer::Span;
use syncline_core::Column;

/// How values of one type go into a column of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// Every value goes in as it is, or in another form of the same value.
    Whole,
    /// Some values don't fit, or lose something: only with a cast that somebody wrote.
    Narrows(&'static str),
    /// Values of that kind have no place there.
    Never,
}

impl Fit {
    /// How values of `from` go into `to`.
    fn of(from: &DataType, to: &DataType) -> Self {
        use Family::{Aware, Date, Decimal, Float, Integer, Naive, Text, Time};
        if from == to {
            return Self::Whole;
        }
        match (Family::of(from), Family::of(to)) {
            (Family::Null, _) => Self::Whole,
            (Family::Other, _) | (_, Family::Other) => Self::Never,
            (_, Text) => Self::Whole,
            (Integer | Decimal, Integer | Decimal) => number_fit(from, to),
            (Integer, Float) if *from == DataType::Int16 || wide_float(from, to) => Self::Whole,
            (Integer | Decimal, Float) => Self::Narrows("large numbers lose digits"),
            (Float, Float) if *to == DataType::Float64 => Self::Whole,
            (Float, Float) => Self::Narrows("numbers lose digits"),
            (Float, Integer | Decimal) => {
                Self::Narrows("numbers are rounded, and rows that overflow are parked")
            }
            (Date, Naive | Aware) | (Naive, Aware) | (Aware, Naive) => Self::Whole,
            (Naive | Aware, Date) => Self::Narrows("the time of day is lost"),
            (Naive | Aware, Time) => Self::Narrows("the date is lost"),
            _ => Self::Never,
        }
    }
}

/// Whether a column that is carried as text takes this at all: plain text takes any value in its
/// text form, a wide numeric takes numbers, the others (json, enums, inet, …) take text.
fn takes(target: &Column, typed: &Typed) -> bool {
    let native = &target.native_type;
    let from = Family::of(&typed.data_type);
    target.data_type != DataType::Utf8
        || matches!(from, Family::Text | Family::Null)
        || sql_type::is_plain_text(native)
        || (sql_type::is_wide_numeric(native, &target.data_type) && from.is_number())
}

fn wide_float(from: &DataType, to: &DataType) -> bool {
    *from == DataType::Int32 && *to == DataType::Float64
}

/// Digits before and after the point decide.
fn number_fit(from: &DataType, to: &DataType) -> Fit {
    let digits = |data_type: &DataType| match *data_type {
        DataType::Decimal128(precision, scale) => {
            (i16::from(precision) - i16::from(scale), i16::from(scale))
        }
        ref integer => (i16::from(sql_type::integer_digits(integer)), 0),
    };
    let ((whole, scale), (whole_to, scale_to)) = (digits(from), digits(to));
    let from_decimal = Family::of(from) == Family::Decimal;
    let to_integer = Family::of(to) == Family::Integer;
    if scale > scale_to {
        return Fit::Narrows("digits after the point are rounded off");
    }
    // All integers of ten digits don't fit int4, all of nine do.
    let room = if from_decimal && to_integer { whole_to - 1 } else { whole_to };
    if whole > room {
        return Fit::Narrows("rows that overflow are parked");
    }
    Fit::Whole
}

impl Translator<'_, '_, '_> {
    /// The expression as the target's column takes it. `labels` are those of an enum column.
    pub(crate) fn assign(
        &mut self,
        typed: Typed,
        target: &Column,
        labels: Option<&[String]>,
        item: (&str, Span),
    ) -> Option<Typed> {
        let (text, span) = item;
        self.check_null(&typed, target, span)?;
        if let Origin::Constant { .. } = typed.origin
            && !typed.is_null()
        {
            return self.assign_constant(typed, target, labels, item);
        }
        if !takes(target, &typed) {
            return self.refuse_type(&typed, target, item);
        }
        let native = self.context.native_type(&typed).unwrap_or_default();
        let wide_source = sql_type::is_wide_numeric(native, &typed.data_type);
        let wide_target = sql_type::is_wide_numeric(&target.native_type, &target.data_type);
        if wide_source && !wide_target && target.data_type != DataType::Utf8 {
            return self.refuse_narrowing(
                native,
                target,
                (text, span),
                "digits may be lost, and rows that overflow are parked",
            );
        }
        if wide_target && typed.data_type == DataType::Utf8 && !wide_source {
            return self.refuse_type(&typed, target, item);
        }
        if target.data_type == DataType::Utf8 {
            self.warn_about_text(&typed, native, target, labels, span);
        }
        let typed = if sql_type::is_padded(native) && !sql_type::is_padded(&target.native_type) {
            self.computable(typed, span)?
        } else {
            typed
        };
        match Fit::of(&typed.data_type, &target.data_type) {
            Fit::Whole => self.convert_to_target(typed, target, span),
            Fit::Narrows(how) => {
                let from = typed.type_name();
                self.refuse_narrowing(&from, target, (text, span), how)
            }
            Fit::Never => self.refuse_type(&typed, target, item),
        }
    }

    fn convert_to_target(&mut self, typed: Typed, target: &Column, span: Span) -> Option<Typed> {
        if typed.data_type == target.data_type {
            // Bare columns stay bare, so that they cost nothing.
            return Some(typed);
        }
        self.convert(typed, &target.data_type, span)
    }

    fn assign_constant(
        &mut self,
        typed: Typed,
        target: &Column,
        labels: Option<&[String]>,
        (text, span): (&str, Span),
    ) -> Option<Typed> {
        let untyped = typed.is_untyped();
        let name = &target.native_type;
        if let Some(ScalarValue::Utf8(Some(value))) = typed.value() {
            let length = value.chars().count();
            if let Some(longest) = sql_type::length_max(name)
                && length > longest
            {
                self.report
                    .error(span, format!("this text has {length} characters, too many for {name}"));
                return None;
            }
            if let Some(labels) = labels
                && !labels.contains(value)
            {
                let found = self.report.error(span, format!("{name} has no label \"{value}\""));
                found.detail(format!(
                    "its labels are {}",
                    crate::names::list(labels.iter().map(String::as_str))
                ));
                let known = labels.iter().map(String::as_str);
                if let Some(meant) = crate::names::nearest(value, known) {
                    found.hint(format!("did you mean '{meant}'?"));
                }
                return None;
            }
        }
        let numbers =
            Family::of(&typed.data_type).is_number() && Family::of(&target.data_type).is_number();
        let whole = Fit::of(&typed.data_type, &target.data_type) == Fit::Whole;
        if !(untyped || numbers || whole && takes(target, &typed)) {
            return self.refuse_type(&typed, target, (text, span));
        }
        self.convert(typed, &target.data_type, span)
    }

    fn check_null(&mut self, typed: &Typed, target: &Column, span: Span) -> Option<()> {
        if target.nullable || !typed.nullable {
            return Some(());
        }
        if typed.is_null() {
            self.report
                .error(span, format!("NULL into \"{}\", which is NOT NULL", target.name))
                .hint("give it a value, or leave the column out where it has a default");
            return None;
        }
        let message = format!("this may be NULL, and \"{}\" is NOT NULL", target.name);
        self.report
            .warning(span, message)
            .detail("rows with NULL here are parked")
            .hint("coalesce(…, a value), or WHERE … IS NOT NULL");
        Some(())
    }

    fn warn_about_text(
        &mut self,
        typed: &Typed,
        native: &str,
        target: &Column,
        labels: Option<&[String]>,
        span: Span,
    ) {
        if typed.data_type != DataType::Utf8 || typed.is_null() {
            return;
        }
        let (name, to) = (&target.name, &target.native_type);
        if let Some(longest) = sql_type::length_max(to)
            && matches!(typed.origin, Origin::Column(_))
            && sql_type::length_max(native).is_none_or(|length| length > longest)
        {
            self.report
                .warning(span, format!("this {native} may be longer than \"{name}\" allows ({to})"))
                .detail("rows that are too long are parked")
                .hint(format!("left(…, {longest}) cuts it"));
        } else if labels.is_some() && native != to {
            self.report
                .warning(span, format!("\"{name}\" takes only the labels of {to}"))
                .detail("rows with any other text are parked");
        } else if !native.is_empty() && native != to && !sql_type::is_plain_text(to) {
            self.report
                .warning(span, format!("\"{name}\" takes only what is valid for {to}"))
                .detail("rows with any other text are parked");
        }
    }

    fn refuse_narrowing(
        &mut self,
        from: &str,
        target: &Column,
        (text, span): (&str, Span),
        how: &str,
    ) -> Option<Typed> {
        let (name, to) = (&target.name, &target.native_type);
        self.report
            .error(span, format!("{from} does not fit into \"{name}\" ({to}) without loss"))
            .detail(format!("with a cast, {how}"))
            .hint(format!("cast it explicitly: CAST({text} AS {to})"));
        None
    }

    fn refuse_type(
        &mut self,
        typed: &Typed,
        target: &Column,
        (text, span): (&str, Span),
    ) -> Option<Typed> {
        let (name, to) = (&target.name, &target.native_type);
        let from = typed.type_name();
        let castable = self.can_convert(typed, &target.data_type);
        let message = format!("{from} can't be written to \"{name}\" ({to})");
        let found = self.report.error(span, message);
        if sql_type::is_wide_numeric(to, &target.data_type) {
            found.hint(format!("cast it to a number: CAST({text} AS numeric(20,4))"));
        } else if castable && target.data_type != DataType::Utf8 {
            found.hint(format!("cast it explicitly: CAST({text} AS {to})"));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DataType::{Date32, Decimal128, Float32, Float64, Int16, Int32, Int64, Utf8};

    #[test]
    fn only_what_loses_nothing_goes_in_by_itself() {
        let whole = [
            (Int16, Int32),
            (Int32, Int64),
            (Int32, Float64),
            (Int32, Decimal128(10, 0)),
            (Decimal128(10, 2), Decimal128(12, 4)),
            (Decimal128(9, 0), Int32),
            (Float32, Float64),
            (Int64, Utf8),
            (Date32, sql_type::NAIVE),
            (sql_type::NAIVE, sql_type::aware()),
        ];
        for (from, to) in whole {
            assert_eq!(Fit::of(&from, &to), Fit::Whole, "{from} into {to}");
        }
        let narrows = [
            (Int64, Int32),
            (Int64, Float64),
            (Int32, Float32),
            (Int32, Decimal128(9, 0)),
            (Decimal128(10, 2), Decimal128(10, 1)),
            (Decimal128(10, 2), Decimal128(10, 4)),
            (Decimal128(10, 0), Int32),
            (Decimal128(10, 2), Float64),
            (Float64, Float32),
            (Float64, Int64),
            (sql_type::aware(), Date32),
        ];
        for (from, to) in narrows {
            assert!(matches!(Fit::of(&from, &to), Fit::Narrows(_)), "{from} into {to}");
        }
        for (from, to) in [(Utf8, Int32), (DataType::Boolean, Int32), (Int32, Date32)] {
            assert_eq!(Fit::of(&from, &to), Fit::Never, "{from} into {to}");
        }
    }
}
