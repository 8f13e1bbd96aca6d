//! Functions that give one of their arguments back: `coalesce`, `nullif`, `greatest` and `least`.

use super::translate::Translator;
use super::typed::Typed;
use crate::sql_type::Kind;
use arrow_schema::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::IsNotNullExpr;
use datafusion::sql::sqlparser::tokenizer::Span;
use std::sync::Arc;

impl Translator<'_, '_, '_> {
    /// The first value that is not NULL; those after it are not computed.
    pub(super) fn coalesce(&mut self, args: Vec<Typed>, span: Span) -> Option<Typed> {
        let mut args = self.unify(args, span)?;
        let nullable = args.iter().all(|arg| arg.nullable);
        let is_there = |arg: &Typed| {
            let expr = Arc::new(IsNotNullExpr::new(arg.expr.clone()));
            arg.clone().with(expr, DataType::Boolean)
        };
        if args.len() == 1 {
            return args.pop();
        }
        let whens: Vec<Typed> = args.iter().take(args.len() - 1).map(is_there).collect();
        Some(self.case_of(&whens, args, true, span)?.nullable(nullable))
    }

    /// The first value, or NULL where the two are equal.
    pub(super) fn nullif(&mut self, args: Vec<Typed>, span: Span) -> Option<Typed> {
        let mut args = args.into_iter();
        let (first, second) = (args.next()?, args.next()?);
        let to = if first.is_untyped() { &second } else { &first };
        let to = if to.is_untyped() { DataType::Utf8 } else { to.data_type.clone() };
        let same = self.compare(first.clone(), Operator::Eq, second, span)?;
        let kind = first.kind;
        let first = self.convert(first, &to, span)?.of_kind(kind);
        let null = Typed::constant(ScalarValue::try_from(&to).ok()?, false).of_kind(kind);
        self.case_of(&[same], vec![null, first], true, span)
    }

    /// The greatest or least of several values.
    pub(super) fn extreme(&mut self, called: &str, args: Vec<Typed>, span: Span) -> Option<Typed> {
        self.refuse_enum_order(&args, Operator::Gt, span)?;
        let args = self.unify(args, span)?;
        let kind = args.first()?.kind;
        if kind == Kind::Citext {
            self.report
                .error(span, format!("{called} of citext is not supported here"))
                .hint("cast it to text: …::text");
            return None;
        }
        Some(self.invoke(called, args, span)?.of_kind(kind))
    }
}
