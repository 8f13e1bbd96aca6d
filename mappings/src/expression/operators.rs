//! Operators: arithmetic, comparisons, logic, texts, lists and CASE.

use super::convert::{arrow, exact, finite, real};
use super::kinds::{constant_text, folds};
use super::pattern;
use super::translate::{Translator, compute};
use super::typed::Typed;
use crate::exact::{Exact, Span as Moved};
use crate::sql_type::{self, Family, Kind};
use arrow_array::RecordBatch;
use arrow_schema::{DataType, IntervalUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, InListExpr, LikeExpr, NegativeExpr,
};
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};
use datafusion::sql::sqlparser::tokenizer::Span;
use std::sync::Arc;

impl Translator<'_, '_, '_> {
    pub(super) fn binary(
        &mut self,
        left: Typed,
        op: &BinaryOperator,
        right: Typed,
        span: Span,
    ) -> Option<Typed> {
        let operator = match op {
            BinaryOperator::Plus => Operator::Plus,
            BinaryOperator::Minus => Operator::Minus,
            BinaryOperator::Multiply => Operator::Multiply,
            BinaryOperator::Divide => Operator::Divide,
            BinaryOperator::Modulo => Operator::Modulo,
            BinaryOperator::Eq => return self.compare(left, Operator::Eq, right, span),
            BinaryOperator::NotEq => return self.compare(left, Operator::NotEq, right, span),
            BinaryOperator::Lt => return self.compare(left, Operator::Lt, right, span),
            BinaryOperator::LtEq => return self.compare(left, Operator::LtEq, right, span),
            BinaryOperator::Gt => return self.compare(left, Operator::Gt, right, span),
            BinaryOperator::GtEq => return self.compare(left, Operator::GtEq, right, span),
            BinaryOperator::And => return self.logic(left, Operator::And, right, span),
            BinaryOperator::Or => return self.logic(left, Operator::Or, right, span),
            BinaryOperator::StringConcat => return self.concat(left, right, span),
            BinaryOperator::PGRegexMatch => {
                return self.matches(left, Operator::RegexMatch, right, span);
            }
            BinaryOperator::PGRegexIMatch => {
                return self.matches(left, Operator::RegexIMatch, right, span);
            }
            BinaryOperator::PGRegexNotMatch => {
                return self.matches(left, Operator::RegexNotMatch, right, span);
            }
            BinaryOperator::PGRegexNotIMatch => {
                return self.matches(left, Operator::RegexNotIMatch, right, span);
            }
            other => {
                self.report.error(span, format!("the operator {other} is not supported here"));
                return None;
            }
        };
        let (left, right) = self.settle(left, right, span)?;
        self.arithmetic(left, operator, right, span)
    }

    /// A quoted text or NULL takes the type of the other side.
    fn settle(&mut self, left: Typed, right: Typed, span: Span) -> Option<(Typed, Typed)> {
        if left.is_untyped() && !right.is_untyped() {
            let left = self.adopt(left, &right.data_type, right.kind, span)?;
            return Some((left, right));
        }
        if right.is_untyped() && !left.is_untyped() {
            let right = self.adopt(right, &left.data_type, left.kind, span)?;
            return Some((left, right));
        }
        Some((left, right))
    }

    fn arithmetic(&mut self, left: Typed, op: Operator, right: Typed, span: Span) -> Option<Typed> {
        use Family::{Aware, Date, Integer, Interval, Naive};
        let families = (Family::of(&left.data_type), Family::of(&right.data_type));
        let adds = matches!(op, Operator::Plus | Operator::Minus);
        match families {
            (a, b) if a.is_number() && b.is_number() => self.compute(left, op, right, span),
            (Interval, Interval) if adds => Some(checked(left, op, right, interval())),
            (Date, Integer) if adds => self.shift_date(left, op, right, span),
            (Integer, Date) if op == Operator::Plus => self.shift_date(right, op, left, span),
            (Date, Date) if op == Operator::Minus => {
                let (left, right) = (days(left), days(right));
                Some(checked(left, op, right, DataType::Int32))
            }
            (Date | Naive | Aware, Interval) if adds => self.shift(left, op, right, span),
            (Interval, Date | Naive | Aware) if op == Operator::Plus => {
                self.shift(right, op, left, span)
            }
            (a, b) if a.is_temporal() && b.is_temporal() && op == Operator::Minus => {
                self.report
                    .error(span, "the difference of two times is not supported here")
                    .hint("cast both to date for days, or compare extract(epoch from …)");
                None
            }
            _ => {
                let (one, other) = (left.type_name(), right.type_name());
                self.report
                    .error(span, format!("there is no operator {one} {op} {other}"))
                    .hint("cast one of them");
                None
            }
        }
    }

    /// Numbers: integers stay integers and refuse to overflow, numerics stay exact, and a float
    /// makes all floats.
    fn compute(&mut self, left: Typed, op: Operator, right: Typed, span: Span) -> Option<Typed> {
        let divides = matches!(op, Operator::Divide | Operator::Modulo);
        if divides && right.value().is_some_and(is_zero) {
            self.report.error(span, "division by zero");
            return None;
        }
        let families = [Family::of(&left.data_type), Family::of(&right.data_type)];
        if families.contains(&Family::Float) && op == Operator::Modulo {
            let (one, other) = (left.type_name(), right.type_name());
            self.report
                .error(span, format!("there is no operator {one} % {other}"))
                .hint("cast both to numeric, as in x::numeric(20,6)");
            return None;
        }
        if families.contains(&Family::Float) {
            let mut sides = self.unify(vec![left, right], span)?.into_iter();
            let (left, right) = (sides.next()?, sides.next()?);
            let float = left.data_type.clone();
            let right = if divides { exact(right, Exact::NonZero, &float) } else { right };
            return Some(real(checked(left, op, right, float)));
        }
        if !families.contains(&Family::Decimal) {
            let mut sides = self.unify(vec![left, right], span)?.into_iter();
            let (left, right) = (sides.next()?, sides.next()?);
            let integer = left.data_type.clone();
            return Some(checked(left, op, right, integer));
        }
        let left = finite(self.as_decimal(left, span)?);
        let right = finite(self.as_decimal(right, span)?);
        let computed = checked(left, op, right, DataType::Null);
        // Arrow decides precision and scale; ask it with no rows.
        let empty = RecordBatch::new_empty(self.context.schema.clone());
        let data_type = match computed.expr.evaluate(&empty).and_then(|value| value.into_array(0)) {
            Ok(array) => array.data_type().clone(),
            Err(error) => return self.refuse(&error, span),
        };
        let DataType::Decimal128(precision, scale) = data_type else { return None };
        Some(exact(computed, Exact::Decimal(precision, scale), &data_type))
    }

    pub(super) fn as_decimal(&mut self, typed: Typed, span: Span) -> Option<Typed> {
        if Family::of(&typed.data_type) == Family::Decimal {
            return Some(typed);
        }
        let digits = match typed.value() {
            Some(ScalarValue::Int32(Some(number))) => number.unsigned_abs().to_string().len(),
            Some(ScalarValue::Int64(Some(number))) => number.unsigned_abs().to_string().len(),
            _ => sql_type::integer_digits(&typed.data_type).into(),
        };
        let precision = u8::try_from(digits).ok()?;
        self.convert(typed, &DataType::Decimal128(precision, 0), span)
    }

    fn shift_date(&mut self, date: Typed, op: Operator, by: Typed, span: Span) -> Option<Typed> {
        let by = self.convert(by, &DataType::Int32, span)?;
        Some(arrow(checked(days(date), op, by, DataType::Int32), &DataType::Date32))
    }

    /// A time moved by an interval. Days and months are counted in the project's time zone.
    fn shift(&mut self, time: Typed, op: Operator, by: Typed, span: Span) -> Option<Typed> {
        let time = match Family::of(&time.data_type) {
            Family::Date => self.convert(time, &sql_type::NAIVE, span)?,
            _ => time,
        };
        let Some(by) = moved_by(&by, op) else {
            self.report
                .error(span, "an interval is written in the statement here, in whole µs")
                .hint("write INTERVAL '1 day', or INTERVAL '90 minutes'");
            return None;
        };
        let data_type = time.data_type.clone();
        let zone = self.context.zone.clone();
        let depends = Family::of(&data_type) == Family::Aware;
        Some(exact(finite(time), Exact::Shift(by, zone), &data_type).in_zone(depends))
    }

    pub(super) fn negate(&mut self, typed: Typed, span: Span) -> Option<Typed> {
        let data_type = typed.data_type.clone();
        match Family::of(&data_type) {
            Family::Integer => {
                let zero = ScalarValue::new_zero(&data_type).ok()?;
                let zero = Typed::constant(zero, false);
                Some(checked(zero, Operator::Minus, typed, data_type))
            }
            Family::Decimal | Family::Float | Family::Interval => {
                let typed = finite(typed);
                let expr = Arc::new(NegativeExpr::new(typed.expr.clone()));
                Some(typed.with(expr, data_type))
            }
            _ => {
                let name = typed.type_name();
                self.report.error(span, format!("there is no operator - for {name}"));
                None
            }
        }
    }

    pub(super) fn compare(
        &mut self,
        left: Typed,
        op: Operator,
        right: Typed,
        span: Span,
    ) -> Option<Typed> {
        let sides = [left, right];
        self.refuse_enum_order(&sides, op, span)?;
        let folds = self.common_kind(&sides, span)? == Kind::Citext;
        let [left, right] = sides;
        let (left, right) = self.settle(left, right, span)?;
        let text_and_other = (left.data_type == DataType::Utf8)
            != (right.data_type == DataType::Utf8)
            && !left.is_null()
            && !right.is_null();
        if text_and_other {
            let (one, other) = (left.type_name(), right.type_name());
            self.report
                .error(span, format!("there is no operator {one} {op} {other}"))
                .hint("cast one of them");
            return None;
        }
        let mut sides = self.unify(vec![left, right], span)?.into_iter();
        let (mut left, mut right) = (sides.next()?, sides.next()?);
        if matches!(Family::of(&left.data_type), Family::Other | Family::Interval) {
            let name = sql_type::name(&left.data_type);
            self.report.error(span, format!("values of {name} can't be compared here"));
            return None;
        }
        if folds {
            left = self.lowered(left, span)?;
            right = self.lowered(right, span)?;
        }
        Some(over(&left, op, &right, DataType::Boolean))
    }

    fn logic(&mut self, left: Typed, op: Operator, right: Typed, span: Span) -> Option<Typed> {
        let (left, right) = (self.condition(left, span)?, self.condition(right, span)?);
        Some(over(&left, op, &right, DataType::Boolean))
    }

    /// A value that must be true or false.
    pub(crate) fn condition(&mut self, typed: Typed, span: Span) -> Option<Typed> {
        if typed.data_type == DataType::Boolean {
            return Some(typed);
        }
        if typed.is_untyped() {
            return self.convert(typed, &DataType::Boolean, span);
        }
        let name = typed.type_name();
        self.report.error(span, format!("a condition is boolean, and this is {name}"));
        None
    }

    fn concat(&mut self, left: Typed, right: Typed, span: Span) -> Option<Typed> {
        let texts = [&left, &right].iter().any(|side| side.data_type == DataType::Utf8);
        if !texts && !left.is_null() && !right.is_null() {
            let (one, other) = (left.type_name(), right.type_name());
            self.report
                .error(span, format!("there is no operator {one} || {other}"))
                .hint("cast one of them to text");
            return None;
        }
        let left = self.convert(left, &DataType::Utf8, span)?;
        let right = self.convert(right, &DataType::Utf8, span)?;
        let length = self.length_limit(&left).zip(self.length_limit(&right));
        let kind = length.map_or(Kind::Plain, |(left, right)| Kind::Limited(left + right));
        Some(over(&left, Operator::StringConcat, &right, DataType::Utf8).of_kind(kind))
    }

    fn matches(&mut self, value: Typed, op: Operator, pattern: Typed, span: Span) -> Option<Typed> {
        self.refuse_padded("a pattern", &[&value, &pattern], span)?;
        let op = if folds(&value, &pattern) { any_case(op) } else { op };
        let value = self.text(value, span)?;
        let pattern = self.pattern(pattern, span)?;
        Some(over(&value, op, &pattern, DataType::Boolean))
    }

    /// A regular expression in the words of the library that runs it.
    pub(super) fn pattern(&mut self, pattern: Typed, span: Span) -> Option<Typed> {
        if pattern.is_null() {
            return self.convert(pattern, &DataType::Utf8, span);
        }
        let Some(text) = constant_text(&pattern) else {
            self.report
                .error(span, "a regular expression is written in the statement, as a text")
                .hint("LIKE takes a pattern from a column");
            return None;
        };
        let translated = match pattern::translate(&text) {
            Ok(translated) => translated.text,
            Err(why) => {
                self.report
                    .error(span, "the pattern is not a regular expression that runs here")
                    .detail(why);
                return None;
            }
        };
        let translated = Typed::constant(ScalarValue::Utf8(Some(translated)), false);
        // A pattern that is no regular expression is found now, not at the first row.
        let probe = Typed::constant(ScalarValue::Utf8(Some(String::new())), false);
        let matched = over(&probe, Operator::RegexMatch, &translated, DataType::Boolean);
        if compute(&matched).is_err() {
            self.report.error(span, "the pattern is not a valid regular expression");
            return None;
        }
        Some(translated)
    }

    pub(super) fn like(
        &mut self,
        value: &Expr,
        pattern: &Expr,
        negated: bool,
        any_case: bool,
    ) -> Option<Typed> {
        let sides = (self.operand(value), self.operand(pattern));
        let span = self.place(value);
        let (value, pattern) = (sides.0?, sides.1?);
        self.refuse_padded("LIKE", &[&value, &pattern], span)?;
        let folds = folds(&value, &pattern);
        let (value, pattern) = (self.text(value, span)?, self.text(pattern, span)?);
        let expr = Arc::new(LikeExpr::new(
            negated,
            any_case || folds,
            value.expr.clone(),
            pattern.expr.clone(),
        ));
        Some(Typed::over(expr, DataType::Boolean, &[&value, &pattern]))
    }

    fn text(&mut self, typed: Typed, span: Span) -> Option<Typed> {
        if typed.data_type == DataType::Utf8 || typed.is_null() {
            return self.convert(typed, &DataType::Utf8, span);
        }
        let name = typed.type_name();
        self.report
            .error(span, format!("a pattern is matched against text, and this is {name}"))
            .hint("cast it to text");
        None
    }

    pub(super) fn in_list(&mut self, value: &Expr, list: &[Expr], negated: bool) -> Option<Typed> {
        let span = self.place(value);
        let values = self.operands(std::iter::once(value).chain(list))?;
        let texts = values.iter().filter(|value| !value.is_untyped());
        let mixed = texts.clone().any(|value| value.data_type == DataType::Utf8)
            && texts.clone().any(|value| value.data_type != DataType::Utf8);
        if mixed {
            self.report.error(span, "text is compared with other types").hint("cast one of them");
            return None;
        }
        let mut values = self.unify(values, span)?;
        if values.first().is_some_and(|value| value.kind == Kind::Citext) {
            values =
                values.into_iter().map(|value| self.lowered(value, span)).collect::<Option<_>>()?;
        }
        let parts: Vec<&Typed> = values.iter().collect();
        let (first, rest) = parts.split_first()?;
        let listed = rest.iter().map(|value| value.expr.clone()).collect();
        let schema = &self.context.schema;
        match InListExpr::try_new(first.expr.clone(), listed, negated, schema) {
            Ok(expr) => Some(Typed::over(Arc::new(expr), DataType::Boolean, &parts)),
            Err(error) => self.refuse(&error, span),
        }
    }

    /// `CASE` from its conditions and its results, the last of which may be that of `ELSE`.
    pub(super) fn case_of(
        &mut self,
        whens: &[Typed],
        mut results: Vec<Typed>,
        has_else: bool,
        span: Span,
    ) -> Option<Typed> {
        let otherwise = if has_else { results.pop() } else { None };
        let pairs = whens
            .iter()
            .zip(&results)
            .map(|(when, then)| (when.expr.clone(), then.expr.clone()))
            .collect();
        let (data_type, kind) = (results.first()?.data_type.clone(), results.first()?.kind);
        let nullable = otherwise.as_ref().is_none_or(|otherwise| otherwise.nullable)
            || results.iter().any(|result| result.nullable);
        let parts: Vec<&Typed> = whens.iter().chain(&results).chain(&otherwise).collect();
        let otherwise = otherwise.as_ref().map(|otherwise| otherwise.expr.clone());
        match CaseExpr::try_new(None, pairs, otherwise) {
            Ok(expr) => {
                let case = Typed::over(Arc::new(expr), data_type, &parts);
                Some(case.nullable(nullable).of_kind(kind))
            }
            Err(error) => self.refuse(&error, span),
        }
    }
}

/// The interval that is added or taken away, where it is written in the statement.
fn moved_by(by: &Typed, op: Operator) -> Option<Moved> {
    let Some(ScalarValue::IntervalMonthDayNano(Some(span))) = by.value() else { return None };
    if span.nanoseconds % 1000 != 0 {
        return None;
    }
    let (months, days, micros) = (span.months, span.days, span.nanoseconds / 1000);
    let span = Moved { months, days, micros };
    if op == Operator::Minus { span.reversed() } else { Some(span) }
}

/// The same match without regard to case.
fn any_case(op: Operator) -> Operator {
    match op {
        Operator::RegexMatch => Operator::RegexIMatch,
        Operator::RegexNotMatch => Operator::RegexNotIMatch,
        other => other,
    }
}

fn interval() -> DataType {
    DataType::Interval(IntervalUnit::MonthDayNano)
}

fn over(left: &Typed, op: Operator, right: &Typed, data_type: DataType) -> Typed {
    let expr = Arc::new(BinaryExpr::new(left.expr.clone(), op, right.expr.clone()));
    Typed::over(expr, data_type, &[left, right])
}

/// Arithmetic that refuses to overflow.
fn checked(left: Typed, op: Operator, right: Typed, data_type: DataType) -> Typed {
    let expr = BinaryExpr::new(left.expr.clone(), op, right.expr.clone());
    let expr: Arc<dyn PhysicalExpr> = Arc::new(expr.with_fail_on_overflow(true));
    Typed::over(expr, data_type, &[&left, &right])
}

fn is_zero(value: &ScalarValue) -> bool {
    ScalarValue::new_zero(&value.data_type()).is_ok_and(|zero| zero == *value)
}

/// A date as its number of days.
fn days(date: Typed) -> Typed {
    arrow(finite(date), &DataType::Int32)
}
