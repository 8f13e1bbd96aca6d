//! Functions of numbers whose types PostgreSQL chooses otherwise than the library does.

use super::convert::exact;
use super::translate::Translator;
use super::typed::Typed;
use crate::exact::Exact;
use crate::sql_type::{self, Family, PRECISION_MAX};
use arrow_schema::DataType;
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::tokenizer::Span;

/// Functions that PostgreSQL has for floats and numerics, not for integers.
const OF_FLOATS: &[&str] = &[
    "cbrt", "ceil", "ceiling", "exp", "floor", "ln", "log", "pow", "power", "round", "sign",
    "sqrt", "trunc",
];

/// Those of them whose digits after the point PostgreSQL chooses for numerics.
const OF_CHOSEN_DIGITS: &[&str] = &["exp", "ln", "log", "pow", "power", "sign", "sqrt"];

impl Translator<'_, '_, '_> {
    /// The arguments of a function of numbers: integers become float8, as PostgreSQL resolves such
    /// a call; `None` where it would compute a numeric that can't be matched digit by digit.
    pub(super) fn as_floats(
        &mut self,
        name: &str,
        args: Vec<Typed>,
        span: Span,
    ) -> Option<Vec<Typed>> {
        let of = |family: Family| args.iter().any(|arg| Family::of(&arg.data_type) == family);
        let has_digits = matches!(name, "round" | "trunc") && args.len() == 2;
        if !OF_FLOATS.contains(&name) || has_digits {
            return Some(args);
        }
        let (decimal, float) = (of(Family::Decimal), of(Family::Float));
        if decimal && !float && OF_CHOSEN_DIGITS.contains(&name) {
            self.report
                .error(span, format!("{name} of a numeric is not supported here"))
                .hint("cast it first: x::float8");
            return None;
        }
        let to_float = |arg: &Typed| match Family::of(&arg.data_type) {
            Family::Integer => true,
            Family::Decimal => float || name == "cbrt",
            _ => false,
        };
        let converted: Vec<Option<Typed>> = args
            .into_iter()
            .map(|arg| match to_float(&arg) {
                true => self.convert(arg, &DataType::Float64, span),
                false => Some(arg),
            })
            .collect();
        converted.into_iter().collect()
    }

    /// `round(number, digits)` of a numeric, half away from zero.
    pub(super) fn round_to(&mut self, args: Vec<Typed>, span: Span) -> Option<Typed> {
        let mut args = args.into_iter();
        let (number, digits) = (args.next()?, args.next()?);
        let digits = match digits.value() {
            Some(ScalarValue::Int32(Some(digits @ 0..=38))) => i8::try_from(*digits).ok()?,
            _ => {
                self.report.error(span, "round takes a number of digits from 0 to 38 here");
                return None;
            }
        };
        let number = match Family::of(&number.data_type) {
            Family::Integer | Family::Decimal => self.as_decimal(number, span)?,
            _ => return self.refuse_arguments("round", &[number], span),
        };
        let DataType::Decimal128(precision, scale) = number.data_type else { return None };
        let whole = precision.saturating_sub(scale.unsigned_abs()).saturating_add(1);
        let precision = whole.saturating_add(digits.unsigned_abs()).min(PRECISION_MAX);
        let to = DataType::Decimal128(precision, digits);
        Some(exact(number, Exact::Decimal(precision, digits), &to))
    }
}

/// The type of a numeric without its digits after the point, and room for a carry.
pub(super) fn whole_numeric(data_type: &DataType) -> Option<DataType> {
    let DataType::Decimal128(precision, scale) = *data_type else { return None };
    let whole = precision.saturating_sub(scale.unsigned_abs()).saturating_add(1);
    Some(DataType::Decimal128(whole.min(sql_type::PRECISION_MAX), 0))
}

/// A numeric with room for the digit that rounding up may need.
pub(super) fn with_room(typed: Typed) -> Typed {
    let DataType::Decimal128(precision, scale) = typed.data_type else { return typed };
    let wider = precision.saturating_add(1).min(PRECISION_MAX);
    exact(typed, Exact::Decimal(wider, scale), &DataType::Decimal128(wider, scale))
}
