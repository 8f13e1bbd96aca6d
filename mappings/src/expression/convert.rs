//! Conversions: which types go into which, and how without loss of meaning.

use super::translate::{Translator, compute};
use super::typed::{Origin, Typed};
use crate::exact::Exact;
use crate::sql_type::{self, Family, Kind, Named, PRECISION_MAX};
use arrow_schema::DataType;
use datafusion::common::ScalarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::CastExpr;
use datafusion::sql::sqlparser::ast::{DataType as AstType, Expr};
use datafusion::sql::sqlparser::tokenizer::Span;
use std::sync::Arc;

impl Translator<'_, '_, '_> {
    /// `CAST(inner AS named)` and `inner::named`.
    pub(super) fn cast(&mut self, inner: &Expr, named: &AstType) -> Option<Typed> {
        // A wide numeric may be cast, though it can't be computed with otherwise.
        let typed = self.translate(inner)?;
        let span = self.place(inner);
        let typed = match typed.kind {
            Kind::WideNumeric | Kind::Opaque => typed,
            _ => self.computable(typed, span)?,
        };
        self.cast_to_named(typed, named, span)
    }

    pub(super) fn cast_to_named(
        &mut self,
        typed: Typed,
        named: &AstType,
        span: Span,
    ) -> Option<Typed> {
        let to = match sql_type::from_ast(named) {
            Ok(to) => to,
            Err(why) => {
                self.report.error(span, why);
                return None;
            }
        };
        self.refuse_cast_of_form(&typed, &to, span)?;
        let length = self.length_limit(&typed);
        let is_text = to.data_type == DataType::Utf8 && to.kind == Kind::Plain;
        let cast = match typed.kind {
            Kind::WideNumeric if !is_text => self.cast_wide(typed, &to.data_type),
            _ => self.convert(typed, &to.data_type, span)?,
        };
        let cast = match (to.length_max, to.kind) {
            // PostgreSQL cuts what is too long for an explicit cast.
            (Some(longest), _) => {
                let longest = ScalarValue::Int64(i64::try_from(longest).ok());
                self.call("left", vec![cast, Typed::constant(longest, false)], span)?
            }
            (None, Kind::Seconds(digits)) => {
                let rounded = exact(cast, Exact::Seconds(digits), &to.data_type);
                rounded.of_kind(to.kind)
            }
            (None, Kind::Opaque) => {
                let cast = Typed { kind: Kind::Opaque, ..cast };
                match cast.origin {
                    Origin::Column(_) => Typed { origin: Origin::Computed, ..cast },
                    Origin::Constant { .. } | Origin::Computed => cast,
                }
            }
            (None, _) if is_text => cast.of_kind(length.map_or(Kind::Plain, Kind::Limited)),
            (None, _) => cast.of_kind(Kind::Plain),
        };
        self.fold(cast, span)
    }

    /// What is carried in its text form can be cast to text, and a wide numeric to a number.
    fn refuse_cast_of_form(&mut self, typed: &Typed, to: &Named, span: Span) -> Option<()> {
        let family = Family::of(&to.data_type);
        let base = self.context.base_type(typed).unwrap_or("jsonb");
        // PostgreSQL's own cast adds the bits of the net to an inet, and a cast to jsonb writes the
        // text anew.
        let has_form = matches!(typed.origin, Origin::Column(_)) && base != "inet";
        let to_text = family == Family::Text && to.kind == Kind::Plain && has_form;
        let is_fine = match typed.kind {
            Kind::WideNumeric => to_text || family.is_number(),
            Kind::Opaque => {
                let stays = matches!(base, "json" | "jsonb") && to.kind == Kind::Opaque;
                to_text || stays
            }
            _ => true,
        };
        if is_fine {
            return Some(());
        }
        let from = self.context.native_type(typed).unwrap_or("jsonb");
        let name = match to.kind {
            Kind::Opaque => "json".to_owned(),
            _ => sql_type::name(&to.data_type),
        };
        let found = self.report.error(span, format!("there is no cast from {from} to {name} here"));
        if has_form && family != Family::Text {
            found.hint("cast it to text first");
        }
        None
    }

    /// A numeric that is carried as text as another number.
    fn cast_wide(&self, typed: Typed, to: &DataType) -> Typed {
        match *to {
            DataType::Decimal128(precision, scale) => {
                exact(typed, Exact::ReadDecimal(precision, scale), to)
            }
            DataType::Float32 | DataType::Float64 => exact(typed, Exact::Float(to.clone()), to),
            _ => {
                let whole = DataType::Decimal128(PRECISION_MAX, 0);
                arrow(exact(typed, Exact::ReadDecimal(PRECISION_MAX, 0), &whole), to)
            }
        }
    }

    /// A value as another type, as an explicit cast does it; refused where there is no such cast.
    pub(super) fn convert(&mut self, typed: Typed, to: &DataType, span: Span) -> Option<Typed> {
        if typed.data_type == *to {
            let origin = match typed.origin {
                Origin::Constant { .. } => Origin::Constant { untyped: false },
                other => other,
            };
            return Some(Typed { origin, ..typed });
        }
        if typed.is_null() {
            return Some(Typed::constant(ScalarValue::try_from(to).ok()?, false));
        }
        let Some(converted) = self.steps(typed.clone(), to) else {
            let (from, to) = (typed.type_name(), sql_type::name(to));
            self.report.error(span, format!("there is no cast from {from} to {to}"));
            return None;
        };
        if let Some(value) = typed.value()
            && compute(&converted).is_err()
        {
            let to = sql_type::name(to);
            let message = match Family::of(&typed.data_type).is_number() {
                true => format!("{value} is out of range for {to}"),
                false => format!("\"{value}\" is not a valid {to}"),
            };
            self.report.error(span, message);
            return None;
        }
        self.fold(converted, span)
    }

    /// Whether there is a cast to another type.
    pub(super) fn can_convert(&self, typed: &Typed, to: &DataType) -> bool {
        self.steps(typed.clone(), to).is_some()
    }

    fn steps(&self, typed: Typed, to: &DataType) -> Option<Typed> {
        use Family::{
            Aware, Boolean, Date, Decimal, Float, Integer, Interval, Naive, Text, Time, Uuid,
        };
        let zone = self.context.zone;
        match (Family::of(&typed.data_type), Family::of(to)) {
            (Family::Other | Family::Null, _) => None,
            (_, Text) => {
                let length = sql_type::text_length(&typed.data_type);
                let depends = Family::of(&typed.data_type) == Aware;
                let text = exact(typed, Exact::Text(zone.clone()), to).in_zone(depends);
                Some(text.of_kind(length.map_or(Kind::Plain, Kind::Limited)))
            }
            (Text, moment @ (Date | Naive | Aware)) => {
                let read = exact(typed, Exact::Moment(to.clone(), zone.clone()), to);
                Some(read.in_zone(moment == Aware))
            }
            (Text, Uuid) => Some(exact(typed, Exact::Uuid, to)),
            // How a text of a row is read as an interval is not known to be PostgreSQL's way.
            (Text, Interval) if typed.value().is_none() => None,
            (Text, Boolean | Integer | Time | Interval)
            | (Boolean, Integer)
            | (Integer, Integer | Decimal | Float | Boolean) => Some(arrow(typed, to)),
            (Text, Float) => Some(exact(typed, Exact::Float(to.clone()), to)),
            (Float, Float) if *to == DataType::Float64 => Some(arrow(typed, to)),
            (Float, Float) => Some(exact(typed, Exact::Float(to.clone()), to)),
            (Text | Float, Decimal) => {
                let DataType::Decimal128(precision, scale) = *to else { return None };
                let read = match Family::of(&typed.data_type) {
                    Text => Exact::ReadDecimal(precision, scale),
                    _ => Exact::FloatDecimal(precision, scale),
                };
                Some(exact(typed, read, to))
            }
            (Decimal, Decimal) => {
                let DataType::Decimal128(precision, scale) = *to else { return None };
                Some(exact(typed, Exact::Decimal(precision, scale), to))
            }
            (Decimal, Integer) => {
                let whole = DataType::Decimal128(PRECISION_MAX, 0);
                Some(arrow(exact(typed, Exact::Decimal(PRECISION_MAX, 0), &whole), to))
            }
            (Decimal, Float) => Some(exact(finite(typed), Exact::Float(to.clone()), to)),
            (Float, Integer) => {
                let float = typed.data_type.clone();
                Some(arrow(exact(typed, Exact::RoundEven, &float), to))
            }
            (from @ Date, into @ (Naive | Aware))
            | (from @ Naive, into @ (Date | Time | Aware))
            | (from @ Aware, into @ (Date | Time | Naive)) => {
                let moved = exact(typed, Exact::Temporal(to.clone(), zone.clone()), to);
                Some(moved.in_zone((from == Aware) != (into == Aware)))
            }
            _ => None,
        }
    }

    /// Several values as the one type they have in common.
    pub(super) fn unify(&mut self, values: Vec<Typed>, span: Span) -> Option<Vec<Typed>> {
        let kind = self.common_kind(&values, span)?;
        let mut common: Option<DataType> = None;
        for value in values.iter().filter(|value| !value.is_untyped()) {
            let found = match &common {
                None => Some(value.data_type.clone()),
                Some(common) => common_type(common, &narrowest(value, common)),
            };
            let Some(found) = found else {
                let (one, other) = (common.unwrap_or(DataType::Null), &value.data_type);
                let (one, other) = (sql_type::name(&one), sql_type::name(other));
                self.report
                    .error(span, format!("{one} and {other} have no type in common"))
                    .hint("cast one of them");
                return None;
            };
            common = Some(found);
        }
        let common = common.unwrap_or(DataType::Utf8);
        let converted: Vec<Option<Typed>> =
            values.into_iter().map(|value| self.adopt(value, &common, kind, span)).collect();
        converted.into_iter().collect()
    }
}

/// The type of a value as it meets another: an integer written in the statement needs no more
/// digits than it has.
fn narrowest(value: &Typed, other: &DataType) -> DataType {
    let digits = match value.value() {
        Some(ScalarValue::Int32(Some(number))) => number.unsigned_abs().to_string().len(),
        Some(ScalarValue::Int64(Some(number))) => number.unsigned_abs().to_string().len(),
        _ => return value.data_type.clone(),
    };
    match (other, u8::try_from(digits)) {
        (DataType::Decimal128(..), Ok(digits)) => DataType::Decimal128(digits, 0),
        _ => value.data_type.clone(),
    }
}

/// The type that holds all values of both exactly, as PostgreSQL chooses it.
fn common_type(one: &DataType, other: &DataType) -> Option<DataType> {
    if one == other {
        return Some(one.clone());
    }
    let digits = |data_type: &DataType| match *data_type {
        DataType::Decimal128(precision, scale) => {
            (precision.saturating_sub(scale.unsigned_abs()), scale)
        }
        ref integer => (sql_type::integer_digits(integer), 0),
    };
    match (Family::of(one), Family::of(other)) {
        (Family::Null, _) => Some(other.clone()),
        (_, Family::Null) => Some(one.clone()),
        (Family::Integer, Family::Integer) => {
            let wider = sql_type::integer_digits(one) > sql_type::integer_digits(other);
            Some(if wider { one.clone() } else { other.clone() })
        }
        (Family::Decimal, Family::Decimal | Family::Integer)
        | (Family::Integer, Family::Decimal) => {
            let ((whole, scale), (other_whole, other_scale)) = (digits(one), digits(other));
            let (whole, scale) = (whole.max(other_whole), scale.max(other_scale));
            let precision = whole.checked_add(scale.unsigned_abs())?;
            (precision <= PRECISION_MAX).then_some(DataType::Decimal128(precision, scale))
        }
        (a, b) if a.is_number() && b.is_number() => Some(DataType::Float64),
        (Family::Date, Family::Naive) | (Family::Naive, Family::Date) => Some(sql_type::NAIVE),
        (a, b) if a.is_temporal() && b.is_temporal() => Some(sql_type::aware()),
        _ => None,
    }
}

/// Arrow's own cast, which refuses what does not fit.
pub(super) fn arrow(typed: Typed, to: &DataType) -> Typed {
    let expr = Arc::new(CastExpr::new(typed.expr.clone(), to.clone(), None));
    typed.with(expr, to.clone())
}

/// One of our own conversions.
pub(super) fn exact(typed: Typed, exact: Exact, to: &DataType) -> Typed {
    let function = exact.function(to.clone());
    let field = Arc::new(arrow_schema::Field::new(function.name(), to.clone(), true));
    let expr: Arc<dyn PhysicalExpr> = Arc::new(ScalarFunctionExpr::new(
        function.name(),
        function.clone(),
        vec![typed.expr.clone()],
        field,
        Arc::default(),
    ));
    typed.with(expr, to.clone())
}

/// The value, refusing NaN and infinity where its type reserves values for them.
pub(super) fn finite(typed: Typed) -> Typed {
    let family = Family::of(&typed.data_type);
    let reserves = family == Family::Decimal || family.is_temporal();
    if !reserves || matches!(typed.origin, Origin::Constant { .. }) || typed.inputs.is_empty() {
        return typed;
    }
    let data_type = typed.data_type.clone();
    exact(typed, Exact::Finite, &data_type)
}

/// A computed value, refusing a float that is none.
pub(super) fn real(typed: Typed) -> Typed {
    if Family::of(&typed.data_type) != Family::Float {
        return typed;
    }
    let data_type = typed.data_type.clone();
    exact(typed, Exact::Real, &data_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use DataType::{Date32, Decimal128, Float32, Float64, Int16, Int32, Int64, Utf8};

    #[test]
    fn common_types_are_those_of_postgresql() {
        let cases = [
            (Int16, Int64, Some(Int64)),
            (Int32, Decimal128(10, 2), Some(Decimal128(12, 2))),
            (Decimal128(10, 2), Decimal128(8, 4), Some(Decimal128(12, 4))),
            (Decimal128(38, 0), Decimal128(10, 10), None),
            (Decimal128(10, 2), Float64, Some(Float64)),
            (Float32, Float32, Some(Float32)),
            (Float32, Int32, Some(Float64)),
            (Date32, sql_type::NAIVE, Some(sql_type::NAIVE)),
            (sql_type::NAIVE, sql_type::aware(), Some(sql_type::aware())),
            (Utf8, Int32, None),
        ];
        for (one, other, common) in cases {
            assert_eq!(common_type(&one, &other), common, "{one} and {other}");
            assert_eq!(common_type(&other, &one), common, "{other} and {one}");
        }
    }
}
