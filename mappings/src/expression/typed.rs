//! An expression with what is known of it, and the names it may use.

use crate::exact::Zone;
use crate::names::Relation;
use crate::sql_type::{self, Family, Kind};
use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::{Operator, ScalarUDF};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CastExpr, Column, IsNotNullExpr, Literal,
};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use syncline_core::TableSchema;

/// An expression and what is known of it.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    pub(crate) expr: Arc<dyn PhysicalExpr>,
    pub(crate) data_type: DataType,
    pub(crate) kind: Kind,
    pub(crate) origin: Origin,
    /// The source columns it reads.
    pub(crate) inputs: BTreeSet<usize>,
    /// Whether it reads the commit time.
    pub(crate) reads_commit_time: bool,
    /// Whether it depends on the project's time zone.
    pub(crate) reads_zone: bool,
    pub(crate) nullable: bool,
}

/// What an expression is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A source column as it is.
    Column(usize),
    /// A value written in the statement.
    Constant {
        /// Whether it takes the type of what it meets, as `'…'` and NULL do.
        untyped: bool,
    },
    Computed,
}

impl Typed {
    pub(crate) fn constant(value: ScalarValue, untyped: bool) -> Self {
        Self {
            data_type: value.data_type(),
            nullable: value.is_null(),
            expr: Arc::new(Literal::new(value)),
            kind: Kind::Plain,
            origin: Origin::Constant { untyped },
            inputs: BTreeSet::new(),
            reads_commit_time: false,
            reads_zone: false,
        }
    }

    /// What this becomes with another expression around it.
    pub(crate) fn with(self, expr: Arc<dyn PhysicalExpr>, data_type: DataType) -> Self {
        Self { expr, data_type, kind: Kind::Plain, origin: Origin::Computed, ..self }
    }

    /// An expression over others.
    pub(crate) fn over(expr: Arc<dyn PhysicalExpr>, data_type: DataType, parts: &[&Self]) -> Self {
        Self {
            expr,
            data_type,
            kind: Kind::Plain,
            origin: Origin::Computed,
            inputs: parts.iter().flat_map(|part| part.inputs.iter().copied()).collect(),
            reads_commit_time: parts.iter().any(|part| part.reads_commit_time),
            reads_zone: parts.iter().any(|part| part.reads_zone),
            nullable: parts.iter().any(|part| part.nullable),
        }
    }

    pub(crate) fn of_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    pub(crate) fn nullable(mut self, nullable: bool) -> Self {
        self.nullable = nullable;
        self
    }

    /// This, made with the project's time zone where `depends`.
    pub(crate) fn in_zone(mut self, depends: bool) -> Self {
        self.reads_zone |= depends;
        self
    }

    /// The value, where it is written in the statement.
    pub(crate) fn value(&self) -> Option<&ScalarValue> {
        self.expr.downcast_ref::<Literal>().map(Literal::value)
    }

    pub(crate) fn is_null(&self) -> bool {
        self.value().is_some_and(ScalarValue::is_null)
    }

    pub(crate) fn is_untyped(&self) -> bool {
        matches!(self.origin, Origin::Constant { untyped: true })
    }

    /// The source columns that have one value in all rows for which this condition is true.
    pub(crate) fn pinned(&self) -> BTreeSet<usize> {
        let mut pinned = BTreeSet::new();
        pin(&self.expr, &mut pinned);
        pinned
    }

    /// Whether its values have a time of day.
    pub(crate) fn is_timed(&self) -> bool {
        Family::of(&self.data_type).has_seconds()
    }

    pub(crate) fn type_name(&self) -> String {
        if self.is_untyped() && !self.is_null() {
            return "a quoted text".to_owned();
        }
        if self.kind == Kind::Opaque && !matches!(self.origin, Origin::Column(_)) {
            return "json".to_owned();
        }
        sql_type::name(&self.data_type)
    }
}

/// What expressions stand in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Within {
    /// A mapping, over the rows of its source.
    Mapping,
    /// A field's policy, over a column a source.
    Policy {
        /// The field in full, such as `person.email`.
        field: String,
        /// Sources that could be meant, and that no mapping writes the field from.
        silent: Vec<String>,
    },
}

impl Within {
    /// In a word.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Mapping => "mapping",
            Self::Policy { .. } => "policy",
        }
    }

    /// What is read there.
    pub(crate) fn reads(&self) -> &'static str {
        match self {
            Self::Mapping => "a mapping reads one table row by row",
            Self::Policy { .. } => "a policy reads what the sources say of one record",
        }
    }
}

/// What expressions of one mapping or policy share.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) within: Within,
    /// What the mapping reads.
    pub(crate) source: &'a TableSchema,
    /// The source's columns, then the commit time: what expressions are evaluated over.
    pub(crate) schema: SchemaRef,
    /// What a value of each of the source's columns is.
    pub(crate) kinds: Vec<Kind>,
    /// The names of the columns' types below all domains.
    pub(crate) bases: Vec<&'a str>,
    /// The labels of the source's columns that are enums.
    pub(crate) enums: HashMap<usize, Vec<String>>,
    pub(crate) zone: &'a Zone,
    pub(crate) functions: &'a HashMap<String, Arc<ScalarUDF>>,
    pub(crate) config: &'a Arc<ConfigOptions>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        relation: &'a Relation<'a>,
        zone: &'a Zone,
        functions: &'a HashMap<String, Arc<ScalarUDF>>,
        config: &'a Arc<ConfigOptions>,
    ) -> Self {
        let source = relation.schema;
        let (kinds, enums) = relation.kinds();
        let bases = source.columns().iter().map(|column| relation.base_type(column)).collect();
        let mut fields: Vec<Field> =
            source.arrow().fields().iter().map(|field| field.as_ref().clone()).collect();
        fields.push(Field::new("now()", sql_type::aware(), false));
        let schema = Arc::new(Schema::new(fields));
        let within = Within::Mapping;
        Self { within, source, schema, kinds, bases, enums, zone, functions, config }
    }

    /// The same for a policy.
    pub(crate) fn of_policy(self, within: Within) -> Self {
        Self { within, ..self }
    }

    /// The commit time of the row's transaction.
    pub(crate) fn commit_time(&self) -> Typed {
        let index = self.source.columns().len();
        Typed {
            expr: Arc::new(Column::new("now()", index)),
            data_type: sql_type::aware(),
            kind: Kind::Plain,
            origin: Origin::Computed,
            inputs: BTreeSet::new(),
            reads_commit_time: true,
            reads_zone: false,
            nullable: false,
        }
    }

    /// A source column as it is.
    pub(crate) fn column(&self, index: usize) -> Option<Typed> {
        let column = self.source.columns().get(index)?;
        Some(Typed {
            expr: Arc::new(Column::new(&column.name, index)),
            data_type: column.data_type.clone(),
            kind: self.kinds.get(index).copied().unwrap_or_default(),
            origin: Origin::Column(index),
            inputs: BTreeSet::from([index]),
            reads_commit_time: false,
            reads_zone: false,
            nullable: column.nullable,
        })
    }

    /// The name below all domains of a source column's type, where the column is used as it is.
    pub(crate) fn base_type(&self, typed: &Typed) -> Option<&'a str> {
        match typed.origin {
            Origin::Column(index) => self.bases.get(index).copied(),
            Origin::Constant { .. } | Origin::Computed => None,
        }
    }

    /// The native type of a source column that is used as it is.
    pub(crate) fn native_type(&self, typed: &Typed) -> Option<&'a str> {
        match typed.origin {
            Origin::Column(index) => {
                self.source.columns().get(index).map(|column| column.native_type.as_str())
            }
            Origin::Constant { .. } | Origin::Computed => None,
        }
    }
}

/// One row without columns: what constants are evaluated over.
pub(crate) fn one_row() -> RecordBatch {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)
        .expect("a batch without columns has any length")
}

/// The names an expression may use.
#[derive(Debug)]
pub(crate) struct Scope {
    /// The names the columns may be qualified with: an alias, or `public.students` and the like.
    pub(crate) qualifiers: Vec<String>,
    pub(crate) columns: Vec<ScopeColumn>,
    /// What the columns belong to, for messages.
    pub(crate) described: String,
}

impl Scope {
    /// Marks columns that are not NULL in any row that passes these conditions.
    pub(crate) fn narrow<'c>(&mut self, conditions: impl Iterator<Item = &'c Typed>) {
        let mut proven = BTreeSet::new();
        conditions.for_each(|condition| prove(&condition.expr, &mut proven));
        for column in &mut self.columns {
            if let Origin::Column(index) = column.typed.origin
                && proven.contains(&index)
            {
                column.typed.nullable = false;
            }
        }
    }
}

/// The columns that are not NULL where a condition is true.
fn prove(condition: &Arc<dyn PhysicalExpr>, proven: &mut BTreeSet<usize>) {
    let column = |expr: &Arc<dyn PhysicalExpr>| expr.downcast_ref::<Column>().map(Column::index);
    if let Some(test) = condition.downcast_ref::<IsNotNullExpr>() {
        proven.extend(column(test.arg()));
    } else if let Some(binary) = condition.downcast_ref::<BinaryExpr>() {
        match binary.op() {
            Operator::And => {
                prove(binary.left(), proven);
                prove(binary.right(), proven);
            }
            Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq => {
                proven.extend([binary.left(), binary.right()].into_iter().flat_map(strictly));
            }
            _ => {}
        }
    } else {
        proven.extend(column(condition));
    }
}

/// The columns that a condition compares with a constant.
fn pin(condition: &Arc<dyn PhysicalExpr>, pinned: &mut BTreeSet<usize>) {
    let Some(binary) = condition.downcast_ref::<BinaryExpr>() else { return };
    match binary.op() {
        Operator::And => {
            pin(binary.left(), pinned);
            pin(binary.right(), pinned);
        }
        Operator::Eq => {
            let sides = [(binary.left(), binary.right()), (binary.right(), binary.left())];
            let of_constant = sides.into_iter().filter(|(_, other)| other.is::<Literal>());
            pinned.extend(
                of_constant
                    .filter_map(|(side, _)| side.downcast_ref::<Column>().map(Column::index)),
            );
        }
        _ => {}
    }
}

/// The columns without which an operand is NULL: a bare one, or one within conversions.
fn strictly(operand: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    if let Some(column) = operand.downcast_ref::<Column>() {
        return Some(column.index());
    }
    match operand.downcast_ref::<ScalarFunctionExpr>() {
        Some(function) if function.name() != "lower" => None,
        Some(function) => function.args().first().and_then(strictly),
        None => operand.downcast_ref::<CastExpr>().and_then(|cast| strictly(cast.expr())),
    }
}

/// A name, and the expression it stands for.
#[derive(Debug)]
pub(crate) struct ScopeColumn {
    pub(crate) name: String,
    pub(crate) typed: Typed,
}
