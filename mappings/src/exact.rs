//! Conversions that are exact or refuse: what expressions use where Arrow's own would round, wrap
//! or take a reserved value for a number.
//!
//! Reserved values: `i128::MAX` in a `numeric` is NaN; the greatest and least `date` and
//! `timestamp` are ±infinity. They pass through columns, comparisons and casts to text; where they
//! can't be computed with exactly, the row is refused.

mod float;
mod moment;
mod number;
mod part;
mod shift;
mod temporal;
mod text;
mod truncate;
mod zone;

pub(crate) use part::Part;
pub(crate) use shift::Span;
pub(crate) use truncate::Unit;
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
    /// Any type to text as `concat` writes it, where booleans are `t` and `f`.
    Output(Zone),
    /// Text to numeric, rounding half away from zero.
    ReadDecimal(u8, i8),
    /// A float to numeric by its first digits, as PostgreSQL casts it.
    FloatDecimal(u8, i8),
    /// Text or a number to the nearest float of a type, refusing what is too large or too small.
    Float(DataType),
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
    /// An integer in hexadecimal digits, a negative one in as many as its type has.
    Hex,
    /// The logarithm of a float to the base of ten.
    Log10,
    /// Text to uuid.
    Uuid,
    /// Text to date, timestamp or timestamptz.
    Moment(DataType, Zone),
    /// One number of a timestamp, as a float or numeric.
    Part(Part, DataType, Zone),
    /// A timestamp moved by an interval.
    Shift(Span, Zone),
    /// A time or timestamp rounded to this many digits of a second.
    Seconds(u8),
    /// A timestamp cut to a unit.
    Truncate(Unit, Zone),
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
            Self::Output(zone) => text::to_output(input, zone),
            Self::ReadDecimal(precision, scale) => {
                float::decimal_of_text(input, *precision, *scale)
            }
            Self::FloatDecimal(precision, scale) => {
                float::decimal_of_float(input, *precision, *scale)
            }
            Self::Float(to) => match input.data_type() {
                DataType::Utf8 => float::float_of_text(input, to),
                DataType::Decimal128(..) => float::float_of_decimal(input, to),
                _ => float::narrow(input),
            },
            Self::Part(part, to, zone) => part::part(input, *part, to, zone),
            Self::Shift(span, zone) => shift::shift(input, *span, zone),
            Self::Seconds(digits) => shift::round(input, *digits),
            Self::Decimal(precision, scale) => number::rescale(input, *precision, *scale),
            Self::Finite => {
                number::refuse_reserved(input)?;
                Ok(input.clone())
            }
            Self::Real => number::refuse_unreal(input),
            Self::NonZero => number::refuse_zero(input),
            Self::RoundEven => number::round_even(input),
            Self::Hex => text::to_hex(input),
            Self::Log10 => number::log10(input),
            Self::Uuid => text::to_uuid(input),
            Self::Moment(to, zone) => moment::read(input, to, zone),
            Self::Truncate(unit, zone) => truncate::truncate(input, *unit, zone),
            Self::Temporal(to, zone) => temporal::convert(input, to, zone),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "to_text",
            Self::Output(_) => "to_output",
            Self::Decimal(..) | Self::ReadDecimal(..) | Self::FloatDecimal(..) => "to_numeric",
            Self::Float(_) => "to_float",
            Self::Part(..) => "extract",
            Self::Shift(..) => "shift",
            Self::Seconds(_) => "to_seconds",
            Self::Finite => "finite",
            Self::Real => "real",
            Self::NonZero => "non_zero",
            Self::RoundEven => "round_even",
            Self::Hex => "to_hex",
            Self::Log10 => "log",
            Self::Uuid => "to_uuid",
            Self::Moment(..) => "to_moment",
            Self::Truncate(..) => "date_trunc",
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
