//! Policies that are SQL: one expression over what the sources of a field say, a column a source.
//!
//! An expression is a pure function of its row: what depends on the time, on the project's settings or on
//! other rows is refused.

use crate::check::Library;
use crate::diagnostic::{Diagnostic, Report};
use crate::exact::Zone;
use crate::expression::{Context, Destination, Scope, ScopeColumn, Translator, Typed, Within};
use crate::names::Relation;
use crate::run::{Values, values};
use crate::statement::refuse_syntax;
use crate::text::Text;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use std::sync::Arc;
use syncline_core::{
    Column, Computed, Error, Expression, Expressions, Kind, Result, Severity, SystemName,
    TableName, TableSchema,
};

/// A field's expression, as the entity's file says it.
#[derive(Debug, Clone, Copy)]
pub struct PolicyText<'a> {
    /// The file.
    pub file: &'a str,
    /// The expression.
    pub text: &'a str,
    /// The field in full, such as `person.email`.
    pub name: &'a str,
    /// The field.
    pub field: &'a Column,
    /// The sources that mappings write it from.
    pub sources: &'a [SystemName],
    /// Other sources, that no mapping writes it from.
    pub silent: &'a [SystemName],
}

/// What `check` made of an expression.
#[derive(Debug)]
pub struct CheckedPolicy {
    /// The sources it reads.
    pub reads: Vec<SystemName>,
    /// What was found, by places in the expression's own text.
    pub diagnostics: Vec<Diagnostic>,
}

/// Checks the expressions of policies, and makes them ready.
#[derive(Debug)]
pub struct PolicyExpressions {
    library: Library,
}

impl Default for PolicyExpressions {
    fn default() -> Self {
        // No expression that reads the zone is ever made ready.
        let zone = Zone::parse("UTC").expect("UTC is a time zone");
        Self { library: Library::new(zone) }
    }
}

impl PolicyExpressions {
    /// Checks an expression.
    #[must_use]
    pub fn check(&self, policy: &PolicyText<'_>) -> CheckedPolicy {
        let text = Text::new(policy.file, policy.text);
        let mut report = Report::new(&text);
        let planned = self.plan(policy, &mut report);
        let read = planned.iter().flat_map(|planned| &planned.reads);
        let reads = read.filter_map(|&place| policy.sources.get(place)).cloned().collect();
        CheckedPolicy { reads, diagnostics: report.into_found() }
    }

    fn plan(&self, policy: &PolicyText<'_>, report: &mut Report<'_>) -> Option<Planned> {
        let Library { zone, functions, config } = &self.library;
        let expr = parse(policy.text, report)?;
        let schema = columns(policy);
        let relation = Relation { name: schema.name().clone(), schema: &schema, table: None };
        let silent = policy.silent.iter().map(ToString::to_string).collect();
        let within = Within::Policy { field: policy.name.to_owned(), silent };
        let context = Context::new(&relation, zone, functions, config).of_policy(within);
        let scope = scope(&context, policy.name);
        let typed = translate(&expr, policy, &mut Translator::new(&context, &scope, report))?;
        if report.has_errors() {
            return None;
        }
        let reads = typed.inputs.iter().copied().collect();
        match PlannedExpression::new(&typed, schema.arrow().clone(), policy.field) {
            Ok(expression) => Some(Planned { reads, expression }),
            Err(why) => {
                let whole = report.text().whole();
                report.error(whole, format!("the expression can't be planned: {why}"));
                None
            }
        }
    }
}

impl Expressions for PolicyExpressions {
    fn expression(
        &self,
        text: &str,
        sources: &[SystemName],
        field: &Column,
    ) -> Result<Arc<dyn Expression>> {
        let (file, name, silent) = ("", field.name.as_str(), &[][..]);
        let read = Text::new(file, text);
        let mut report = Report::new(&read);
        let policy = PolicyText { file, text, name, field, sources, silent };
        if let Some(planned) = self.plan(&policy, &mut report) {
            return Ok(Arc::new(planned.expression));
        }
        let mut found = report.into_found().into_iter();
        let why = found.find(|found| found.severity == Severity::Error).map(|found| found.message);
        let message = format!("the policy of {name} can't be understood");
        let detail = format!("{}: {text}", why.unwrap_or_default());
        Err(Error::new(Kind::Config, message).detail(detail).hint("syncline check says where"))
    }
}

/// An expression that was planned, and the places of the columns it reads.
struct Planned {
    reads: Vec<usize>,
    expression: PlannedExpression,
}

fn parse(text: &str, report: &mut Report<'_>) -> Option<Expr> {
    if report.text().is_blank() {
        report.error(report.text().whole(), "the expression is empty");
        return None;
    }
    let dialect = PostgreSqlDialect {};
    let parsed = Parser::new(&dialect).try_with_sql(text).and_then(|mut parser| {
        let expr = parser.parse_expr()?;
        let next = parser.peek_token();
        match next.token {
            Token::EOF => Ok(expr),
            _ => parser.expected("the end of the expression", next),
        }
    });
    match parsed {
        Ok(expr) => Some(expr),
        Err(error) => refuse_syntax(&error, "expression", report),
    }
}

/// A column of the field's type for each source.
fn columns(policy: &PolicyText<'_>) -> TableSchema {
    let column = |source: &SystemName| Column {
        name: source.to_string(),
        nullable: true,
        ..policy.field.clone()
    };
    let columns = policy.sources.iter().map(column).collect();
    TableSchema::new(TableName::entity(policy.name), 0, columns, Vec::new())
}

fn scope(context: &Context<'_>, name: &str) -> Scope {
    let columns = context.source.columns().iter().enumerate().filter_map(|(index, column)| {
        Some(ScopeColumn { name: column.name.clone(), typed: context.column(index)? })
    });
    Scope { qualifiers: Vec::new(), columns: columns.collect(), described: name.to_owned() }
}

fn translate(
    expr: &Expr,
    policy: &PolicyText<'_>,
    translator: &mut Translator<'_, '_, '_>,
) -> Option<Typed> {
    let typed = translator.translate(expr)?;
    let whole = translator.report.text().whole();
    if typed.reads_zone {
        translator
            .report
            .error(whole, "the expression is not immutable: it depends on the time zone")
            .detail("the same claims must always come to the same value, whatever zone is set")
            .hint("say the zone: … AT TIME ZONE 'UTC'");
        return None;
    }
    let (base, labels) = (policy.field.native_type.as_str(), None);
    let destination = Destination { column: policy.field, base, labels };
    let text = translator.report.text().slice(whole).unwrap_or_default();
    let assigned = translator.assign(typed, destination, (&text, whole))?;
    // What was put around it to fit may depend on the zone too.
    if assigned.reads_zone {
        let to = &policy.field.native_type;
        translator
            .report
            .error(whole, format!("what this comes to is no {to}"))
            .detail("it would become one by the project's time zone")
            .hint("say the zone: … AT TIME ZONE 'UTC'");
        return None;
    }
    Some(assigned)
}

/// An expression, ready.
#[derive(Debug)]
struct PlannedExpression {
    expr: Arc<dyn PhysicalExpr>,
    data_type: DataType,
    schema: SchemaRef,
}

impl PlannedExpression {
    fn new(typed: &Typed, schema: SchemaRef, field: &Column) -> std::result::Result<Self, String> {
        let (expr, data_type) = (typed.expr.clone(), field.data_type.clone());
        let nothing = RecordBatch::new_empty(schema.clone());
        let found = expr.evaluate(&nothing).and_then(|value| value.into_array(0));
        match found.map_err(|error| error.strip_backtrace())?.data_type() {
            found if *found == data_type => Ok(Self { expr, data_type, schema }),
            found => Err(format!("it is {found}, not {data_type}")),
        }
    }
}

impl Expression for PlannedExpression {
    fn values(&self, rows: usize, columns: &[ArrayRef]) -> Computed {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let schema = self.schema.clone();
        let batch = RecordBatch::try_new_with_options(schema, columns.to_vec(), &options)
            .expect("a column a source, of the field's type");
        let Values { array, failures } =
            values(&self.expr, &batch, &self.data_type).expect("all rows have one type");
        let failures = failures.into_iter().map(|failure| (failure.row, failure.reason)).collect();
        Computed { values: array, failures }
    }
}
