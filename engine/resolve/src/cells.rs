//! Between Arrow arrays and the bytes of single values.
//!
//! A cell is what Arrow's buffers hold for one row: little-endian numbers, the bytes of a text, one byte
//! for a boolean. Equal values have equal cells, and the cells of a type never change.

use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, StringArray, make_array};
use arrow_buffer::{
    BooleanBuffer, Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer,
};
use arrow_data::ArrayData;
use arrow_schema::DataType;
use std::sync::Arc;
use syncline_core::{Error, Kind, Result};

/// The cells of one column.
#[derive(Debug)]
pub(crate) struct Cells {
    nulls: Option<NullBuffer>,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Fixed { bytes: Buffer, width: usize },
    Long { bytes: Buffer, ends: ScalarBuffer<i32> },
    Boolean(BooleanBuffer),
    Null,
}

impl Cells {
    /// Of an array.
    ///
    /// # Errors
    /// `Internal` for a type that no entity field has.
    pub(crate) fn of(array: &ArrayRef) -> Result<Self> {
        let data = array.to_data();
        let values = match array.data_type() {
            DataType::Null => Values::Null,
            DataType::Boolean => Values::Boolean(BooleanBuffer::new(
                data.buffers()[0].clone(),
                data.offset(),
                data.len(),
            )),
            DataType::Utf8 | DataType::Binary => {
                let ends = match data.len() {
                    0 => ScalarBuffer::from(vec![0]),
                    rows => ScalarBuffer::new(data.buffers()[0].clone(), data.offset(), rows + 1),
                };
                Values::Long { bytes: data.buffers()[1].clone(), ends }
            }
            fixed => {
                let width = width(fixed).ok_or_else(|| unknown(fixed))?;
                let from = data.offset() * width;
                let bytes = data.buffers()[0].slice_with_length(from, data.len() * width);
                Values::Fixed { bytes, width }
            }
        };
        Ok(Self { nulls: array.nulls().cloned(), values })
    }

    /// The cell of a row; none for NULL.
    pub(crate) fn get(&self, row: usize) -> Option<&[u8]> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        match &self.values {
            Values::Fixed { bytes, width } => bytes.get(row * width..(row + 1) * width),
            Values::Long { bytes, ends } => {
                let from = usize::try_from(*ends.get(row)?).ok()?;
                let until = usize::try_from(*ends.get(row + 1)?).ok()?;
                bytes.get(from..until)
            }
            Values::Boolean(values) => Some(if values.value(row) { &[1] } else { &[0] }),
            Values::Null => None,
        }
    }
}

/// The bytes of a value of this type, where all have as many.
fn width(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::FixedSizeBinary(width) => usize::try_from(*width).ok(),
        other => other.primitive_width(),
    }
}

fn unknown(data_type: &DataType) -> Error {
    Error::new(Kind::Internal, format!("no entity field has the type {data_type}"))
}

/// An array of cells.
///
/// # Errors
/// `Corrupt` where a cell is none of the type, `Internal` for a type that no entity field has.
pub(crate) fn array<'a>(
    data_type: &DataType,
    cells: impl ExactSizeIterator<Item = Option<&'a [u8]>>,
) -> Result<ArrayRef> {
    let mut column = CellsBuilder::new(data_type);
    cells.for_each(|cell| column.push(cell));
    column.finish()
}

/// An array in the making.
#[derive(Debug)]
pub(crate) struct CellsBuilder {
    data_type: DataType,
    shape: Shape,
    bytes: Vec<u8>,
    /// Where each cell ends, where they are not all as long.
    ends: Vec<i32>,
    nulls: NullBufferBuilder,
    is_damaged: bool,
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    /// Of so many bytes each.
    Fixed(usize),
    Long,
    /// Of a type that no entity field has.
    Unknown,
}

impl CellsBuilder {
    pub(crate) fn new(data_type: &DataType) -> Self {
        let shape = match data_type {
            DataType::Boolean => Shape::Fixed(1),
            DataType::Utf8 | DataType::Binary => Shape::Long,
            fixed => width(fixed).map_or(Shape::Unknown, Shape::Fixed),
        };
        Self {
            data_type: data_type.clone(),
            shape,
            bytes: Vec::new(),
            ends: vec![0],
            nulls: NullBufferBuilder::new(0),
            is_damaged: false,
        }
    }

    /// Adds a cell; none for NULL.
    pub(crate) fn push(&mut self, cell: Option<&[u8]>) {
        self.nulls.append(cell.is_some());
        self.bytes.extend_from_slice(cell.unwrap_or_default());
        match (self.shape, cell) {
            (Shape::Fixed(width), Some(cell)) => self.is_damaged |= cell.len() != width,
            (Shape::Fixed(width), None) => self.bytes.resize(self.bytes.len() + width, 0),
            (Shape::Long | Shape::Unknown, _) => match i32::try_from(self.bytes.len()) {
                Ok(end) => self.ends.push(end),
                Err(_) => self.is_damaged = true,
            },
        }
    }

    /// # Errors
    /// `Corrupt` where a cell is none of the type, or they are more than an array can hold; `Internal`
    /// for a type that no entity field has.
    pub(crate) fn finish(mut self) -> Result<ArrayRef> {
        if self.is_damaged {
            return Err(damaged(&self.data_type));
        }
        let (rows, nulls) = (self.nulls.len(), self.nulls.finish());
        match (self.shape, &self.data_type) {
            (Shape::Unknown, data_type) => Err(unknown(data_type)),
            (Shape::Long, data_type) => long_array(data_type, self.ends, self.bytes, nulls),
            (Shape::Fixed(_), DataType::Boolean) => {
                let values = self.bytes.iter().map(|byte| *byte == 1).collect();
                Ok(Arc::new(BooleanArray::new(values, nulls)))
            }
            (Shape::Fixed(_), data_type) => {
                let data = ArrayData::builder(data_type.clone())
                    .len(rows)
                    .add_buffer(Buffer::from_vec(self.bytes))
                    .nulls(nulls)
                    .align_buffers(true)
                    .build();
                Ok(make_array(data.map_err(|error| damaged(data_type).caused_by(error))?))
            }
        }
    }
}

/// All texts are read as one: quicker than one by one, and as strict.
fn long_array(
    data_type: &DataType,
    ends: Vec<i32>,
    bytes: Vec<u8>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let (offsets, bytes) = (OffsetBuffer::new(ends.into()), Buffer::from_vec(bytes));
    let damage = |error| damaged(data_type).caused_by(error);
    Ok(match data_type {
        DataType::Utf8 => {
            Arc::new(StringArray::try_new(offsets, bytes, nulls).map_err(damage)?) as ArrayRef
        }
        _ => Arc::new(BinaryArray::try_new(offsets, bytes, nulls).map_err(damage)?),
    })
}

fn damaged(data_type: &DataType) -> Error {
    Error::new(Kind::Corrupt, format!("a claim holds what is no value of {data_type}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::types::Decimal128Type;
    use arrow_array::{
        Date32Array, Decimal128Array, FixedSizeBinaryArray, Float64Array, Int16Array, Int64Array,
        PrimitiveArray, TimestampMicrosecondArray,
    };

    fn arrays() -> Vec<ArrayRef> {
        let decimals: PrimitiveArray<Decimal128Type> =
            Decimal128Array::from(vec![Some(-1), None, Some(i128::MAX), Some(7)])
                .with_precision_and_scale(38, 2)
                .unwrap();
        let uuids = [Some([1_u8; 16]), None, Some([2; 16]), Some([3; 16])];
        vec![
            Arc::new(Int16Array::from(vec![Some(1), None, Some(-3), Some(4)])),
            Arc::new(Int64Array::from(vec![Some(1), None, Some(-3), Some(i64::MIN)])),
            Arc::new(Float64Array::from(vec![Some(1.5), None, Some(f64::NAN), Some(-0.0)])),
            Arc::new(Date32Array::from(vec![Some(1), None, Some(-3), Some(4)])),
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(1), None, Some(-3), Some(4)])
                    .with_timezone("UTC"),
            ),
            Arc::new(decimals),
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)])),
            Arc::new(StringArray::from(vec![Some("a"), None, Some(""), Some("ü")])),
            Arc::new(BinaryArray::from_opt_vec(vec![Some(b"a"), None, Some(b""), Some(b"\xff")])),
            Arc::new(
                FixedSizeBinaryArray::try_from_sparse_iter_with_size(uuids.into_iter(), 16)
                    .unwrap(),
            ),
        ]
    }

    #[test]
    fn cells_become_the_array_they_came_from() {
        for whole in arrays() {
            for part in [whole.clone(), whole.slice(1, 3), whole.slice(2, 0)] {
                let cells = Cells::of(&part).unwrap();
                let back = array(part.data_type(), (0..part.len()).map(|row| cells.get(row)));
                assert_eq!(&back.unwrap(), &part);
            }
        }
    }

    #[test]
    fn a_cell_of_another_width_is_damage() {
        let error = array(&DataType::Int32, [Some(&[1_u8, 2][..])].into_iter()).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt);
        let error = array(&DataType::Utf8, [Some(&[0xff_u8][..])].into_iter()).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt);
    }
}
