//! A mapping's expressions, compiled over the columns it uses and nothing else.

use super::transform::MappingTransform;
use crate::expression::{Context, Origin, Typed};
use crate::sql_type;
use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column};
use std::collections::BTreeSet;
use std::sync::Arc;
use syncline_core::{TableName, TableSchema};

/// A target column's expression as check leaves it.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) typed: Typed,
    pub(crate) text: String,
}

/// A compiled mapping. Expressions read [`Program::inputs`] by their place in it; the commit time
/// is one place further.
#[derive(Debug)]
pub(crate) struct Program {
    pub(super) inputs: Vec<Input>,
    /// The inputs, and the commit time where it is read.
    pub(super) schema: SchemaRef,
    pub(super) reads_commit_time: bool,
    pub(super) filter: Option<Filter>,
    /// One a target column.
    pub(super) columns: Vec<Compiled>,
    pub(super) writes: Arc<TableSchema>,
}

/// A source column that is used.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) data_type: DataType,
}

/// What decides whether a row is for the target.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) expr: Arc<dyn PhysicalExpr>,
    pub(super) text: String,
    /// The places of its inputs.
    pub(super) inputs: Vec<usize>,
    /// Whether an image before can tell if the row was at the target. It can't where time counts:
    /// the row was judged at another time.
    pub(super) judges_before: bool,
}

/// A target column's expression.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) expr: Arc<dyn PhysicalExpr>,
    pub(super) text: String,
    /// The places of its inputs.
    pub(super) inputs: Vec<usize>,
    /// The input that it is, unchanged.
    pub(super) passes: Option<usize>,
}

impl Program {
    /// Compiles a mapping. `filter` must hold altogether; `filter_text` is how it was written.
    pub(crate) fn new(
        context: &Context<'_>,
        targets: Vec<Target>,
        filter: Vec<Typed>,
        filter_text: String,
        writes: Arc<TableSchema>,
    ) -> Result<Self> {
        let all = || targets.iter().map(|target| &target.typed).chain(&filter);
        let used: BTreeSet<usize> = all().flat_map(|typed| typed.inputs.iter().copied()).collect();
        let used: Vec<usize> = used.into_iter().collect();
        let reads_commit_time = all().any(|typed| typed.reads_commit_time);
        let commit_time = context.source.columns().len();
        let place = |index: usize| match index == commit_time {
            true => Some(used.len()),
            false => used.iter().position(|&used| used == index),
        };
        let inputs: Vec<Input> = used
            .iter()
            .filter_map(|&index| context.source.columns().get(index))
            .map(|column| Input { name: column.name.clone(), data_type: column.data_type.clone() })
            .collect();
        let columns = targets
            .into_iter()
            .map(|target| compile(target, &place))
            .collect::<Result<Vec<_>>>()?;
        let filter = compile_filter(&filter, filter_text, &place)?;
        let schema = schema(&inputs, reads_commit_time);
        let program = Self { inputs, schema, reads_commit_time, filter, columns, writes };
        program.check_types()?;
        Ok(program)
    }

    /// The mapping ready to run.
    pub(crate) fn named(self, name: &str, reads: TableName) -> MappingTransform {
        MappingTransform::new(name.to_owned(), reads, self)
    }

    /// What is written must be exactly what the target's columns are declared as.
    fn check_types(&self) -> Result<()> {
        let empty = RecordBatch::new_empty(self.schema.clone());
        for (compiled, field) in self.columns.iter().zip(self.writes.arrow().fields()) {
            let array = compiled.expr.evaluate(&empty)?.into_array(0)?;
            if array.data_type() != field.data_type() {
                let (found, wanted) = (array.data_type(), field.data_type());
                let text = &compiled.text;
                return Err(DataFusionError::Internal(format!("{text} is {found}, not {wanted}")));
            }
        }
        Ok(())
    }
}

fn schema(inputs: &[Input], reads_commit_time: bool) -> SchemaRef {
    let columns = inputs.iter().map(|input| Field::new(&input.name, input.data_type.clone(), true));
    let time = reads_commit_time.then(|| Field::new("now()", sql_type::aware(), true));
    Arc::new(Schema::new(columns.chain(time).collect::<Vec<_>>()))
}

fn compile(target: Target, place: &impl Fn(usize) -> Option<usize>) -> Result<Compiled> {
    let Target { typed, text } = target;
    let passes = match typed.origin {
        Origin::Column(index) => place(index),
        Origin::Constant { .. } | Origin::Computed => None,
    };
    let inputs = typed.inputs.iter().filter_map(|&index| place(index)).collect();
    Ok(Compiled { expr: moved(typed.expr, place)?, text, inputs, passes })
}

fn compile_filter(
    conditions: &[Typed],
    text: String,
    place: &impl Fn(usize) -> Option<usize>,
) -> Result<Option<Filter>> {
    let both = |one: Arc<dyn PhysicalExpr>, other| -> Arc<dyn PhysicalExpr> {
        Arc::new(BinaryExpr::new(one, Operator::And, other))
    };
    let Some(all) = conditions.iter().map(|typed| typed.expr.clone()).reduce(both) else {
        return Ok(None);
    };
    let inputs: BTreeSet<usize> =
        conditions.iter().flat_map(|typed| typed.inputs.iter().copied()).collect();
    Ok(Some(Filter {
        expr: moved(all, place)?,
        text,
        inputs: inputs.into_iter().filter_map(place).collect(),
        judges_before: !conditions.iter().any(|typed| typed.reads_commit_time),
    }))
}

/// The expression over the places of the program instead of those of the source.
fn moved(
    expr: Arc<dyn PhysicalExpr>,
    place: &impl Fn(usize) -> Option<usize>,
) -> Result<Arc<dyn PhysicalExpr>> {
    let moved = expr.transform_down(|expr| {
        let Some(column) = expr.downcast_ref::<Column>() else { return Ok(Transformed::no(expr)) };
        let Some(place) = place(column.index()) else {
            return Err(DataFusionError::Internal(format!("{} is not an input", column.name())));
        };
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(column.name(), place));
        Ok(Transformed::yes(column))
    })?;
    Ok(moved.data)
}
