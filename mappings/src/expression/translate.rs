//! One SQL expression, node by node.

use super::reason;
use super::typed::{Context, Origin, Scope, Typed, Within, one_row};
use crate::diagnostic::Report;
use crate::names;
use crate::sql_type::{self, Family};
use arrow_schema::{ArrowError, DataType};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, Operator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, IsNotNullExpr, IsNullExpr, Literal, NotExpr,
};
use datafusion::sql::sqlparser::ast::{
    CaseWhen, CastKind, Expr, Ident, Spanned, TrimWhereField, UnaryOperator, Value,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use std::sync::Arc;

/// Translates the expressions of one query. Where it gives `None`, the report says why.
#[derive(Debug)]
pub(crate) struct Translator<'a, 'r, 't> {
    pub(crate) context: &'a Context<'a>,
    pub(crate) scope: &'a Scope,
    pub(crate) report: &'r mut Report<'t>,
    depth: usize,
}

/// How deeply expressions may be nested: what is deeper could exhaust the stack when it runs.
const DEPTH_MAX: usize = 500;

impl<'a, 'r, 't> Translator<'a, 'r, 't> {
    pub(crate) fn new(
        context: &'a Context<'a>,
        scope: &'a Scope,
        report: &'r mut Report<'t>,
    ) -> Self {
        Self { context, scope, report, depth: 0 }
    }
}

impl Translator<'_, '_, '_> {
    /// An expression as it stands: a bare column stays one.
    pub(crate) fn translate(&mut self, expr: &Expr) -> Option<Typed> {
        if self.depth == DEPTH_MAX {
            let message = format!("expressions may be nested {DEPTH_MAX} deep");
            self.report.error(self.place(expr), message);
            return None;
        }
        self.depth += 1;
        let typed = self.translate_node(expr);
        self.depth -= 1;
        self.fold(typed?, self.place(expr))
    }

    /// An expression that something is computed from.
    pub(super) fn operand(&mut self, expr: &Expr) -> Option<Typed> {
        let typed = self.translate(expr)?;
        self.computable(typed, self.place(expr))
    }

    /// All of several expressions, so that each is looked at.
    pub(super) fn operands<'e>(
        &mut self,
        exprs: impl IntoIterator<Item = &'e Expr>,
    ) -> Option<Vec<Typed>> {
        let translated: Vec<Option<Typed>> =
            exprs.into_iter().map(|expr| self.operand(expr)).collect();
        translated.into_iter().collect()
    }

    /// Where an expression stands, whole.
    pub(super) fn place(&self, expr: &Expr) -> Span {
        self.report.text().heal(expr.span())
    }

    fn translate_node(&mut self, expr: &Expr) -> Option<Typed> {
        match expr {
            Expr::Identifier(ident) => self.identifier(std::slice::from_ref(ident), expr.span()),
            Expr::CompoundIdentifier(parts) => self.identifier(parts, expr.span()),
            Expr::Nested(inner) => self.translate(inner),
            Expr::Value(value) => self.literal(&value.value, value.span),
            Expr::TypedString(typed) => {
                let text = typed.value.value.clone().into_string()?;
                let quoted = Typed::constant(ScalarValue::Utf8(Some(text)), true);
                self.cast_to_named(quoted, &typed.data_type, self.place(expr))
            }
            Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon,
                expr: inner,
                data_type,
                array: false,
                format: None,
            } => self.cast(inner, data_type),
            Expr::UnaryOp { op, expr: inner } => self.unary(*op, inner, expr),
            Expr::BinaryOp { left, op, right } => {
                let sides = (self.operand(left), self.operand(right));
                self.binary(sides.0?, op, sides.1?, self.place(expr))
            }
            Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_) => self.is_test(expr),
            Expr::IsDistinctFrom(left, right) => {
                self.compare_both(left, Operator::IsDistinctFrom, right, expr)
            }
            Expr::IsNotDistinctFrom(left, right) => {
                self.compare_both(left, Operator::IsNotDistinctFrom, right, expr)
            }
            Expr::Between { expr: value, negated, low, high } => {
                self.between(value, *negated, (low, high), self.place(expr))
            }
            Expr::InList { expr: value, list, negated } => self.in_list(value, list, *negated),
            Expr::Like { negated, any: false, expr: value, pattern, escape_char: None } => {
                self.like(value, pattern, *negated, false)
            }
            Expr::ILike { negated, any: false, expr: value, pattern, escape_char: None } => {
                self.like(value, pattern, *negated, true)
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), expr)
            }
            _ => self.call_like(expr),
        }
    }

    /// Nodes that are functions with a syntax of their own.
    fn call_like(&mut self, expr: &Expr) -> Option<Typed> {
        let span = self.place(expr);
        match expr {
            Expr::Function(function) => self.function(function, span),
            Expr::Floor { expr: inner, .. } => self.call_over("floor", [inner.as_ref()], span),
            Expr::Ceil { expr: inner, .. } => self.call_over("ceil", [inner.as_ref()], span),
            Expr::Position { expr: part, r#in: text } => {
                self.call_over("position", [text.as_ref(), part.as_ref()], span)
            }
            Expr::Substring { expr: text, substring_from: Some(from), substring_for, .. } => {
                let parts = [Some(text), Some(from), substring_for.as_ref()];
                self.call_over("substr", parts.into_iter().flatten().map(AsRef::as_ref), span)
            }
            Expr::Overlay { expr: text, overlay_what, overlay_from, overlay_for } => {
                let parts =
                    [Some(text), Some(overlay_what), Some(overlay_from), overlay_for.as_ref()];
                self.call_over("overlay", parts.into_iter().flatten().map(AsRef::as_ref), span)
            }
            Expr::Trim { expr: text, trim_where, trim_what, trim_characters: None } => {
                let name = match trim_where {
                    None | Some(TrimWhereField::Both) => "btrim",
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                };
                let parts = [Some(text), trim_what.as_ref()];
                self.call_over(name, parts.into_iter().flatten().map(AsRef::as_ref), span)
            }
            Expr::Extract { field, expr: time, .. } => self.extract(&field.to_string(), time, span),
            Expr::AtTimeZone { timestamp, time_zone } => self.at_time_zone(timestamp, time_zone),
            Expr::Interval(interval) => self.interval(interval, span),
            Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => {
                let reads = self.context.within.reads();
                self.report.error(span, format!("subqueries are not supported yet: {reads}"));
                None
            }
            other => {
                let within = self.context.within.word();
                self.report.error(span, format!("\"{other}\" is not supported in a {within}"));
                None
            }
        }
    }

    fn call_over<'e>(
        &mut self,
        name: &str,
        arguments: impl IntoIterator<Item = &'e Expr>,
        span: Span,
    ) -> Option<Typed> {
        let arguments = self.operands(arguments)?;
        self.call(name, arguments, span)
    }

    fn identifier(&mut self, parts: &[Ident], span: Span) -> Option<Typed> {
        let folded: Vec<String> = parts
            .iter()
            .map(|part| match part.quote_style {
                Some(_) => part.value.clone(),
                None => part.value.to_lowercase(),
            })
            .collect();
        let (name, qualifier) = folded.split_last()?;
        let qualifier = qualifier.join(".");
        if !qualifier.is_empty() && !self.scope.qualifiers.contains(&qualifier) {
            let found = self.report.error(span, format!("nothing here is called \"{qualifier}\""));
            if let Some(known) = self.scope.qualifiers.first() {
                found.hint(format!("write {known}.{name}, or {name} alone"));
            }
            return None;
        }
        if let Some(column) = self.scope.columns.iter().find(|column| column.name == *name) {
            return Some(column.typed.clone());
        }
        if qualifier.is_empty() && parts.len() == 1 {
            // PostgreSQL's words for the time are identifiers to the parser in some places.
            if let Some(time) = self.time_word(name) {
                return self.unless_changing(time, name, span);
            }
        }
        self.refuse_column(name, span);
        None
    }

    fn refuse_column(&mut self, name: &str, span: Span) {
        let known: Vec<&str> =
            self.scope.columns.iter().map(|column| column.name.as_str()).collect();
        let list = names::list(known.iter().copied());
        let (message, detail) = match &self.context.within {
            Within::Policy { field, silent } if silent.iter().any(|it| it == name) => {
                let message =
                    format!("policy reads {name}, but no mapping from {name} writes {field}");
                self.report.error(span, message).hint(format!(
                    "write it in a mapping from {name}, or leave {name} out of the expression"
                ));
                return;
            }
            Within::Policy { field, .. } => (
                format!("policy reads unknown source \"{name}\""),
                match list.as_str() {
                    "" => format!("no mapping writes {field}"),
                    list => format!("mappings from {list} write {field}"),
                },
            ),
            Within::Mapping => (
                format!("mapping reads unknown column \"{name}\""),
                format!("{} has {list}", self.scope.described),
            ),
        };
        let found = self.report.error(span, message);
        found.detail(detail);
        if let Some(meant) = names::nearest(name, known) {
            found.hint(format!("did you mean \"{meant}\"?"));
        }
    }

    fn literal(&mut self, value: &Value, span: Span) -> Option<Typed> {
        let typed = match value {
            Value::Null => Typed::constant(ScalarValue::Null, true),
            Value::Boolean(value) => Typed::constant(ScalarValue::Boolean(Some(*value)), false),
            Value::Number(digits, _) => match number(digits) {
                Some(value) => Typed::constant(value, false),
                None => {
                    self.report
                        .error(span, "a number with more than 38 digits is out of range")
                        .hint(format!("write '{digits}'::float8 for a float"));
                    return None;
                }
            },
            Value::SingleQuotedString(text)
            | Value::EscapedStringLiteral(text)
            | Value::UnicodeStringLiteral(text) => {
                Typed::constant(ScalarValue::Utf8(Some(text.clone())), true)
            }
            Value::DollarQuotedString(text) => {
                Typed::constant(ScalarValue::Utf8(Some(text.value.clone())), true)
            }
            other => {
                let within = self.context.within.word();
                self.report.error(span, format!("{other} is not supported in a {within}"));
                return None;
            }
        };
        Some(typed)
    }

    fn unary(&mut self, op: UnaryOperator, inner: &Expr, whole: &Expr) -> Option<Typed> {
        let typed = self.operand(inner)?;
        let span = self.place(whole);
        match op {
            UnaryOperator::Not => {
                let typed = self.condition(typed, span)?;
                let expr = Arc::new(NotExpr::new(typed.expr.clone()));
                Some(typed.with(expr, DataType::Boolean))
            }
            UnaryOperator::Plus if Family::of(&typed.data_type).is_number() => Some(typed),
            UnaryOperator::Minus => self.negate(typed, span),
            other => {
                let name = typed.type_name();
                self.report.error(span, format!("there is no operator {other} for {name}"));
                None
            }
        }
    }

    fn is_test(&mut self, expr: &Expr) -> Option<Typed> {
        let (inner, negated, wanted) = match expr {
            Expr::IsNull(inner) => return self.null_test(inner, false),
            Expr::IsNotNull(inner) => return self.null_test(inner, true),
            Expr::IsTrue(inner) => (inner, false, Some(true)),
            Expr::IsNotTrue(inner) => (inner, true, Some(true)),
            Expr::IsFalse(inner) => (inner, false, Some(false)),
            Expr::IsNotFalse(inner) => (inner, true, Some(false)),
            Expr::IsUnknown(inner) => (inner, false, None),
            Expr::IsNotUnknown(inner) => (inner, true, None),
            _ => return None,
        };
        let typed = self.operand(inner)?;
        let typed = self.condition(typed, self.place(inner))?;
        let op = if negated { Operator::IsDistinctFrom } else { Operator::IsNotDistinctFrom };
        let value: Arc<dyn PhysicalExpr> = Arc::new(Literal::new(ScalarValue::Boolean(wanted)));
        let test = Arc::new(BinaryExpr::new(typed.expr.clone(), op, value));
        Some(typed.with(test, DataType::Boolean).nullable(false))
    }

    fn null_test(&mut self, inner: &Expr, negated: bool) -> Option<Typed> {
        // Any value may be tested, those that can't be computed with too.
        let typed = self.translate(inner)?;
        let expr: Arc<dyn PhysicalExpr> = match negated {
            false => Arc::new(IsNullExpr::new(typed.expr.clone())),
            true => Arc::new(IsNotNullExpr::new(typed.expr.clone())),
        };
        Some(typed.with(expr, DataType::Boolean).nullable(false))
    }

    fn compare_both(
        &mut self,
        left: &Expr,
        op: Operator,
        right: &Expr,
        whole: &Expr,
    ) -> Option<Typed> {
        let sides = (self.operand(left), self.operand(right));
        let compared = self.compare(sides.0?, op, sides.1?, self.place(whole))?;
        Some(compared.nullable(false))
    }

    fn between(
        &mut self,
        value: &Expr,
        negated: bool,
        (low, high): (&Expr, &Expr),
        span: Span,
    ) -> Option<Typed> {
        let parts = (self.operand(value), self.operand(low), self.operand(high));
        let (value, low, high) = (parts.0?, parts.1?, parts.2?);
        let above = self.compare(value.clone(), Operator::GtEq, low, span)?;
        let below = self.compare(value, Operator::LtEq, high, span)?;
        let both = Arc::new(BinaryExpr::new(above.expr.clone(), Operator::And, below.expr.clone()));
        let both = Typed::over(both, DataType::Boolean, &[&above, &below]);
        if !negated {
            return Some(both);
        }
        let expr = Arc::new(NotExpr::new(both.expr.clone()));
        Some(both.with(expr, DataType::Boolean))
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&Expr>,
        whole: &Expr,
    ) -> Option<Typed> {
        let span = self.place(whole);
        let value = match operand {
            Some(operand) => Some(self.operand(operand)?),
            None => None,
        };
        let whens: Option<Vec<Typed>> = conditions
            .iter()
            .map(|when| {
                let place = self.place(&when.condition);
                let condition = self.operand(&when.condition)?;
                match &value {
                    Some(value) => self.compare(value.clone(), Operator::Eq, condition, place),
                    None => self.condition(condition, place),
                }
            })
            .collect();
        let results = conditions.iter().map(|when| &when.result).chain(otherwise);
        let results = self.operands(results);
        let (whens, results) = (whens?, self.unify(results?, span)?);
        self.case_of(&whens, results, otherwise.is_some(), span)
    }

    /// A value that is the same for every row is computed once, here, so that what is wrong with
    /// it is found here.
    pub(super) fn fold(&mut self, typed: Typed, span: Span) -> Option<Typed> {
        let varies = !typed.inputs.is_empty() || typed.reads_commit_time;
        if varies || matches!(typed.origin, Origin::Constant { .. }) {
            return Some(typed);
        }
        match compute(&typed) {
            Ok(value) => Some(Typed::constant(value, false).in_zone(typed.reads_zone)),
            Err(why) => {
                self.report.error(span, format!("this can't be computed: {why}"));
                None
            }
        }
    }

    /// Reports what DataFusion says against an expression.
    pub(super) fn refuse(&mut self, error: &DataFusionError, span: Span) -> Option<Typed> {
        let said = error.find_root();
        let said = match said {
            DataFusionError::Plan(said) | DataFusionError::Execution(said) => said.clone(),
            DataFusionError::ArrowError(arrow, _) => match arrow.as_ref() {
                ArrowError::InvalidArgumentError(said) | ArrowError::ComputeError(said) => {
                    said.clone()
                }
                other => other.to_string(),
            },
            other => other.strip_backtrace(),
        };
        let first = said.lines().next().unwrap_or_default().trim_end_matches('.').to_owned();
        self.report.error(span, format!("this can't be planned: {first}"));
        None
    }
}

/// The value of an expression that reads nothing, or why it has none.
pub(super) fn compute(typed: &Typed) -> Result<ScalarValue, String> {
    let row = one_row();
    let value = typed.expr.evaluate(&row).and_then(|value| match value {
        ColumnarValue::Scalar(value) => Ok(value),
        ColumnarValue::Array(array) => ScalarValue::try_from_array(&array, 0),
    });
    value.map_err(|_| reason(&typed.expr, &row))
}

/// A number as PostgreSQL types it: the smallest of int4, int8 and numeric that holds it exactly.
fn number(digits: &str) -> Option<ScalarValue> {
    if let Ok(value) = digits.parse::<i32>() {
        return Some(ScalarValue::Int32(Some(value)));
    }
    if let Ok(value) = digits.parse::<i64>() {
        return Some(ScalarValue::Int64(Some(value)));
    }
    let (digits, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    let value: i128 = if all.is_empty() { return None } else { all.parse().ok()? };
    let places = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    let tens = 10_i128.checked_pow(places.min(0).unsigned_abs())?;
    let value = value.checked_mul(tens)?;
    let scale = i8::try_from(places.max(0)).ok()?;
    let digits = value.to_string().len().max(scale.unsigned_abs().into());
    let precision = u8::try_from(digits).ok().filter(|&p| p <= sql_type::PRECISION_MAX)?;
    Some(ScalarValue::Decimal128(Some(value), precision, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_typed_by_their_size() {
        assert_eq!(number("7"), Some(ScalarValue::Int32(Some(7))));
        assert_eq!(number("3000000000"), Some(ScalarValue::Int64(Some(3_000_000_000))));
        assert_eq!(number("1.50"), Some(ScalarValue::Decimal128(Some(150), 3, 2)));
        assert_eq!(number("0.05"), Some(ScalarValue::Decimal128(Some(5), 2, 2)));
        assert_eq!(number("1e3"), Some(ScalarValue::Decimal128(Some(1000), 4, 0)));
        assert_eq!(number("1.5E-3"), Some(ScalarValue::Decimal128(Some(15), 4, 4)));
        assert_eq!(number("0.00"), Some(ScalarValue::Decimal128(Some(0), 2, 2)));
        assert_eq!(number("1e39"), None);
        assert_eq!(number("1e-39"), None);
        assert_eq!(number(&"9".repeat(39)), None);
    }
}
