//! Conversions that are exact or refuse: what expressions use where Arrow's own would round, wrap
//! or take a reserved value for a number.
//!
//! Reserved values: `i128::MAX` in a `numeric` is NaN; the greatest and least `date` and
//! `timestamp` are ±infinity. They pass through columns, comparisons and casts to text; where they
//! can't be computed with exactly, the row is refused.

mod moment;
mod number;
mod temporal;
mod text;
mod zone;

pub(crate) use zone::Zone;

use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use std::sync::Arc;

/// Why a value can't be converted. Names types, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refusal(pub(crate) String);

impl Refusal {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl From<Refusal> for DataFusionError {
    fn from(refusal: Refusal) -> Self {
        Self::External(Box::new(refusal))
    }
}

/// A conversion of one column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Exact {
    /// Any type to text, as PostgreSQL writes it.
    Text(Zone),
    /// A numeric to another precision and scale, rounding half away from zero; NaN stays.
    Decimal(u8, i8),
    /// The value itself, refusing NaN and ±infinity.
    Finite,
    /// A computed float itself, refusing NaN and ±infinity: out of range, or no result at all.
    Real,
    /// A float itself, refusing zero.
    NonZero,
    /// A float to the nearest whole number, ties to even.
    RoundEven,
    /// Text to uuid.
    Uuid,
    /// Text to date, timestamp or timestamptz.
    Moment(DataType, Zone),
    /// Between date, time, timestamp and timestamptz.
    Temporal(DataType, Zone),
}

impl Exact {
    /// The function that does this.
    pub(crate) fn function(self, output: DataType) -> Arc<ScalarUDF> {
        let signature = Signature::any(1, Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(Conversion { exact: self, output, signature }))
    }

    pub(crate) fn convert(&self, input: &ArrayRef) -> Result<ArrayRef> {
        match self {
            Self::Text(zone) => text::to_text(input, zone),
            Self::Decimal(precision, scale) => number::rescale(input, *precision, *scale),
            Self::Finite => {
                number::refuse_reserved(input)?;
                Ok(input.clone())
            }
            Self::Real => number::refuse_unreal(input),
            Self::NonZero => number::refuse_zero(input),
            Self::RoundEven => number::round_even(input),
            Self::Uuid => text::to_uuid(input),
            Self::Moment(to, zone) => moment::read(input, to, zone),
            Self::Temporal(to, zone) => temporal::convert(input, to, zone),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "to_text",
            Self::Decimal(..) => "to_numeric",
            Self::Finite => "finite",
            Self::Real => "real",
            Self::NonZero => "non_zero",
            Self::RoundEven => "round_even",
            Self::Uuid => "to_uuid",
            Self::Moment(..) => "to_moment",
            Self::Temporal(..) => "to_temporal",
        }
    }
}

/// [`Exact`] as DataFusion calls it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Conversion {
    exact: Exact,
    output: DataType,
    signature: Signature,
}

impl ScalarUDFImpl for Conversion {
    fn name(&self) -> &str {
        self.exact.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.output.clone())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let nullable = arguments.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.exact.name(), self.output.clone(), nullable)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match arguments.args.first() {
            Some(ColumnarValue::Array(array)) => {
                self.exact.convert(array).map(ColumnarValue::Array)
            }
            Some(ColumnarValue::Scalar(scalar)) => {
                let converted = self.exact.convert(&scalar.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&converted, 0)?))
            }
            None => Err(Refusal::new("a conversion takes one value").into()),
        }
    }
}

/// A column as the array type its data type promises.
fn typed<A: Array + 'static>(array: &dyn Array) -> Result<&A> {
    array.as_any().downcast_ref().ok_or_else(|| {
        DataFusionError::Internal(format!("unexpected column of {}", array.data_type()))
    })
}
