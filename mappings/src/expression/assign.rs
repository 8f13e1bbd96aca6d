//! From an expression to the target's column: what goes in by itself, what needs a cast that
//! somebody wrote, and what can never go in.

use super::translate::Translator;
use super::typed::{Origin, Typed};
use crate::sql_type::{self, Family, Kind};
use arrow_schema::DataType;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::tokenizer::Span;
use syncline_core::Column;

/// A column of the target, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Destination<'a> {
    pub(crate) column: &'a Column,
    /// The name of its type below all domains.
    pub(crate) base: &'a str,
    /// Those of an enum.
    pub(crate) labels: Option<&'a [String]>,
}

impl Destination<'_> {
    fn is_wide_numeric(&self) -> bool {
        sql_type::is_wide_numeric(self.base, &self.column.data_type)
    }

    /// The type that a cast to it names: with digits that expressions can compute with.
    fn cast_name(&self) -> String {
        match sql_type::numeric_bounds(self.base) {
            Some((_, scale)) if self.is_wide_numeric() => format!("numeric(38,{scale})"),
            _ => self.column.native_type.clone(),
        }
    }
}

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
fn takes(target: Destination<'_>, typed: &Typed) -> bool {
    let from = Family::of(&typed.data_type);
    let is_json = typed.kind == Kind::Opaque && !matches!(typed.origin, Origin::Column(_));
    if is_json {
        return matches!(target.base, "json" | "jsonb");
    }
    target.column.data_type != DataType::Utf8
        || matches!(from, Family::Text | Family::Null)
        || sql_type::is_plain_text(target.base)
        || (target.is_wide_numeric() && from.is_number())
}

/// How many digits of a second a value can have.
fn seconds(typed: &Typed) -> u8 {
    match typed.kind {
        Kind::Seconds(digits) => digits,
        _ if typed.is_timed() => 6,
        _ => 0,
    }
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
    /// The expression as the target's column takes it.
    pub(crate) fn assign(
        &mut self,
        typed: Typed,
        target: Destination<'_>,
        item: (&str, Span),
    ) -> Option<Typed> {
        let span = item.1;
        self.check_null(&typed, target.column, span)?;
        if let Origin::Constant { .. } = typed.origin
            && typed.kind != Kind::Opaque
            && !typed.is_null()
        {
            return self.assign_constant(typed, target, item);
        }
        if !takes(target, &typed) {
            return self.refuse_type(&typed, target, item);
        }
        let is_text = target.column.data_type == DataType::Utf8;
        let wide_source = typed.kind == Kind::WideNumeric;
        if target.is_wide_numeric() && typed.data_type == DataType::Utf8 && !wide_source {
            return self.refuse_type(&typed, target, item);
        }
        if let Some(how) = self.digits_lost(&typed, target) {
            let native = self.context.native_type(&typed);
            let from = native.map_or_else(|| typed.type_name(), str::to_owned);
            return self.refuse_narrowing(&from, target, item, how);
        }
        let padded = matches!(typed.kind, Kind::Padded(_));
        let typed = match padded && is_text && !sql_type::is_padded(target.base) {
            true => self.computable(typed, span)?,
            false => typed,
        };
        match Fit::of(&typed.data_type, &target.column.data_type) {
            Fit::Whole => {
                if is_text {
                    self.warn_about_text(&typed, target, span);
                }
                self.convert_to_target(typed, target.column, span)
            }
            Fit::Narrows(how) => {
                let from = typed.type_name();
                self.refuse_narrowing(&from, target, item, how)
            }
            Fit::Never => self.refuse_type(&typed, target, item),
        }
    }

    /// What a target would drop of values though the type that carries them is the same: digits of
    /// numerics that are carried as text, and of seconds.
    fn digits_lost(&self, typed: &Typed, target: Destination<'_>) -> Option<&'static str> {
        let kept = sql_type::seconds(target.base).unwrap_or(6);
        let timed = Family::of(&target.column.data_type).has_seconds();
        if timed && seconds(typed) > kept {
            return Some("fractions of a second are rounded off");
        }
        let overflow = "digits may be lost, and rows that overflow are parked";
        let wide_source = typed.kind == Kind::WideNumeric;
        if !target.is_wide_numeric() {
            let into_number = wide_source && target.column.data_type != DataType::Utf8;
            return into_number.then_some(overflow);
        }
        let (precision, scale) = sql_type::numeric_bounds(target.base)?;
        let bounds = match typed.data_type {
            _ if wide_source => sql_type::numeric_bounds(self.context.base_type(typed)?),
            DataType::Decimal128(precision, scale) => Some((precision.into(), scale.into())),
            ref other if Family::of(other) == Family::Integer => {
                Some((sql_type::integer_digits(other).into(), 0))
            }
            _ => None,
        };
        match bounds {
            None => Some(overflow),
            Some((_, from)) if from > scale => Some("digits after the point are rounded off"),
            Some((from, of)) if from - of > precision - scale => {
                Some("rows that overflow are parked")
            }
            Some(_) => None,
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
        target: Destination<'_>,
        (text, span): (&str, Span),
    ) -> Option<Typed> {
        let untyped = typed.is_untyped();
        let name = &target.column.native_type;
        if let Some(ScalarValue::Utf8(Some(value))) = typed.value() {
            let length = value.chars().count();
            if let Some(longest) = sql_type::length_max(target.base)
                && length > longest
            {
                self.report
                    .error(span, format!("this text has {length} characters, too many for {name}"));
                return None;
            }
            if let Some(labels) = target.labels {
                self.refuse_label(name, &value.clone(), labels, span)?;
            }
        }
        let column = target.column;
        let numbers =
            Family::of(&typed.data_type).is_number() && Family::of(&column.data_type).is_number();
        let whole = Fit::of(&typed.data_type, &column.data_type) == Fit::Whole;
        if !(untyped || numbers || whole && takes(target, &typed)) {
            return self.refuse_type(&typed, target, (text, span));
        }
        self.convert(typed, &column.data_type, span)
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

    fn warn_about_text(&mut self, typed: &Typed, target: Destination<'_>, span: Span) {
        if typed.is_null() {
            return;
        }
        let native = self.context.native_type(typed);
        let (name, to) = (&target.column.name, &target.column.native_type);
        let limit = self.length_limit(typed);
        if let Some(longest) = sql_type::length_max(target.base)
            && limit.is_none_or(|length| length > longest)
        {
            let from = native.map_or_else(|| typed.type_name(), str::to_owned);
            self.report
                .warning(span, format!("this {from} may be longer than \"{name}\" allows ({to})"))
                .detail("rows that are too long are parked")
                .hint(format!("left(…, {longest}) cuts it"));
            return;
        }
        if typed.data_type != DataType::Utf8 || native == Some(to.as_str()) {
            return;
        }
        if target.labels.is_some() {
            self.report
                .warning(span, format!("\"{name}\" takes only the labels of {to}"))
                .detail("rows with any other text are parked");
        } else if native.is_some() && !sql_type::is_plain_text(to) {
            self.report
                .warning(span, format!("\"{name}\" takes only what is valid for {to}"))
                .detail("rows with any other text are parked");
        }
    }

    fn refuse_narrowing(
        &mut self,
        from: &str,
        target: Destination<'_>,
        (text, span): (&str, Span),
        how: &str,
    ) -> Option<Typed> {
        let (name, to) = (&target.column.name, &target.column.native_type);
        let cast = target.cast_name();
        self.report
            .error(span, format!("{from} does not fit into \"{name}\" ({to}) without loss"))
            .detail(format!("with a cast, {how}"))
            .hint(format!("cast it explicitly: CAST({text} AS {cast})"));
        None
    }

    fn refuse_type(
        &mut self,
        typed: &Typed,
        target: Destination<'_>,
        (text, span): (&str, Span),
    ) -> Option<Typed> {
        let (name, to) = (&target.column.name, &target.column.native_type);
        let from = typed.type_name();
        let castable = self.can_convert(typed, &target.column.data_type);
        let message = format!("{from} can't be written to \"{name}\" ({to})");
        let found = self.report.error(span, message);
        if target.is_wide_numeric() {
            found.hint(format!("cast it to a number: CAST({text} AS numeric(20,4))"));
        } else if castable && target.column.data_type != DataType::Utf8 {
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
