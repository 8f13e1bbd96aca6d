//! Why an expression fails on a row, in words that name types and never values.

use crate::exact::Refusal;
use crate::sql_type;
use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, DataType};
use datafusion::common::DataFusionError;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use std::sync::Arc;

/// Why this fails on this row: the reason of the innermost part that fails the same way.
pub(crate) fn reason(expr: &Arc<dyn PhysicalExpr>, row: &RecordBatch) -> String {
    let Err(error) = expr.evaluate(row) else {
        return "the value can't be computed".to_owned();
    };
    let culprit = innermost(expr, &error, row);
    if let Some(refusal) = refusal(&error) {
        return refusal.to_string();
    }
    match root(&error) {
        Some(ArrowError::DivideByZero) => return "division by zero".to_owned(),
        Some(ArrowError::ArithmeticOverflow(_)) => {
            return match culprit.data_type(row.schema_ref()) {
                Ok(to) => format!("the result is out of range for {}", sql_type::name(&to)),
                Err(_) => "the result is out of range".to_owned(),
            };
        }
        _ => {}
    }
    of_culprit(culprit, row)
}

fn of_culprit(culprit: &Arc<dyn PhysicalExpr>, row: &RecordBatch) -> String {
    if let Some(cast) = culprit.downcast_ref::<CastExpr>() {
        let to = sql_type::name(cast.cast_type());
        return match cast.expr().data_type(row.schema_ref()) {
            Ok(from) if sql_type::Family::of(&from).is_number() => {
                format!("a value of {} is out of range for {to}", sql_type::name(&from))
            }
            Ok(DataType::Utf8) => format!("a text is not a valid {to}"),
            Ok(from) => format!("a value of {} can't be cast to {to}", sql_type::name(&from)),
            Err(_) => format!("a value can't be cast to {to}"),
        };
    }
    if let Some(function) = culprit.downcast_ref::<ScalarFunctionExpr>() {
        return format!("{} refuses a value", function.name());
    }
    if let Some(binary) = culprit.downcast_ref::<BinaryExpr>() {
        return format!("the operator {} refuses a value", binary.op());
    }
    "the value can't be computed".to_owned()
}

/// Goes down to the part that fails with the same words. A branch that is not taken fails with
/// others, or not at all.
fn innermost<'e>(
    expr: &'e Arc<dyn PhysicalExpr>,
    error: &DataFusionError,
    row: &RecordBatch,
) -> &'e Arc<dyn PhysicalExpr> {
    let said = error.to_string();
    let same = |child: &&Arc<dyn PhysicalExpr>| {
        child.evaluate(row).is_err_and(|error| error.to_string() == said)
    };
    match expr.children().into_iter().find(same) {
        Some(child) => innermost(child, error, row),
        None => expr,
    }
}

fn refusal(error: &DataFusionError) -> Option<&Refusal> {
    match error.find_root() {
        DataFusionError::External(refusal) => refusal.downcast_ref(),
        DataFusionError::ArrowError(arrow, _) => match arrow.as_ref() {
            ArrowError::ExternalError(refusal) => refusal.downcast_ref(),
            _ => None,
        },
        _ => None,
    }
}

fn root(error: &DataFusionError) -> Option<&ArrowError> {
    match error.find_root() {
        DataFusionError::ArrowError(arrow, _) => Some(arrow),
        _ => None,
    }
}
