//! Value columns as an Arrow IPC record batch message without its schema.
//!
//! Arrow's decoder trusts the message: it panics on buffers outside the body and on validity
//! bitmaps that are too short. So [`Shape`] walks the schema beside the message first, and lets
//! through only types this walk knows and lengths that hold.

use super::sections::{ALIGNMENT, corrupt};
use crate::{Error, Kind, Result};
use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::RecordBatchDecoder;
use arrow_ipc::writer::{
    DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions,
};
use arrow_ipc::{MetadataVersion, root_as_message};
use arrow_schema::{ArrowError, DataType, SchemaRef, TimeUnit};
use std::collections::HashMap;
use std::sync::Arc;

/// Writes the columns: the message and the body, both without padding at the front.
pub(super) fn encode(columns: &RecordBatch) -> Result<EncodedData> {
    let refused = |error: ArrowError| {
        Error::new(Kind::Internal, "these columns can't be stored").caused_by(error)
    };
    for field in columns.schema_ref().fields() {
        supported(field.data_type())
            .map_err(|detail| Error::new(Kind::Internal, detail).detail(field.name().clone()))?;
    }
    let options =
        IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5).map_err(refused)?;
    let mut dictionaries = DictionaryTracker::new(true);
    let mut context = IpcWriteContext::default();
    let (_, encoded) = IpcDataGenerator::default()
        .encode(columns, &mut dictionaries, &options, &mut context)
        .map_err(refused)?;
    Ok(encoded)
}

/// Reads columns of this schema, without copying them.
pub(super) fn decode(
    message: &[u8],
    body: &Buffer,
    schema: &SchemaRef,
    rows: usize,
) -> Result<RecordBatch> {
    let unreadable = |error: ArrowError| corrupt("the columns don't hold").caused_by(error);
    let message =
        root_as_message(message).map_err(|error| corrupt(format!("no Arrow message: {error}")))?;
    if message.version() != MetadataVersion::V5
        || usize::try_from(message.bodyLength()) != Ok(body.len())
    {
        return Err(corrupt("an Arrow message of another version or length"));
    }
    let batch =
        message.header_as_record_batch().ok_or_else(|| corrupt("an Arrow message of no batch"))?;
    if batch.compression().is_some() || usize::try_from(batch.length()) != Ok(rows) {
        return Err(corrupt("columns that are compressed or of another row count"));
    }
    Shape::check(&batch, body.len(), schema, rows)?;
    let dictionaries = HashMap::new();
    let version = MetadataVersion::V5;
    RecordBatchDecoder::try_new(body, batch, Arc::clone(schema), &dictionaries, &version)
        .and_then(RecordBatchDecoder::read_record_batch)
        .map_err(unreadable)
}

/// Whether a type can be stored, else why not.
fn supported(data_type: &DataType) -> std::result::Result<(), String> {
    use DataType as T;
    match data_type {
        T::Time32(TimeUnit::Second | TimeUnit::Millisecond) => Ok(()),
        T::Time64(TimeUnit::Microsecond | TimeUnit::Nanosecond) => Ok(()),
        T::Null | T::Boolean | T::Date32 | T::Date64 => Ok(()),
        T::Timestamp(..) | T::Duration(_) | T::Interval(_) => Ok(()),
        T::Decimal128(..) | T::Decimal256(..) => Ok(()),
        T::Utf8 | T::LargeUtf8 | T::Utf8View => Ok(()),
        T::Binary | T::LargeBinary | T::BinaryView => Ok(()),
        T::FixedSizeBinary(width) if *width >= 0 => Ok(()),
        T::FixedSizeList(item, width) if *width >= 0 => supported(item.data_type()),
        T::List(item) | T::LargeList(item) => supported(item.data_type()),
        T::Struct(fields) => fields.iter().try_for_each(|field| supported(field.data_type())),
        simple if simple.is_integer() || simple.is_floating() => Ok(()),
        other => Err(format!("values of type {other} can't be stored")),
    }
}

/// Of each array its length and null count, or of each buffer its offset and length.
type Pairs<'a> = Box<dyn Iterator<Item = (i64, i64)> + 'a>;

/// The nodes and buffers of a message, taken in the order of the schema's types.
struct Shape<'a> {
    nodes: Pairs<'a>,
    buffers: Pairs<'a>,
    variadic: Box<dyn Iterator<Item = i64> + 'a>,
    body: usize,
}

impl<'a> Shape<'a> {
    fn check(
        batch: &arrow_ipc::RecordBatch<'a>,
        body: usize,
        schema: &SchemaRef,
        rows: usize,
    ) -> Result<()> {
        let nodes = batch.nodes().ok_or_else(|| corrupt("a message without nodes"))?;
        let buffers = batch.buffers().ok_or_else(|| corrupt("a message without buffers"))?;
        let mut shape = Shape {
            nodes: Box::new(nodes.iter().map(|node| (node.length(), node.null_count()))),
            buffers: Box::new(buffers.iter().map(|buffer| (buffer.offset(), buffer.length()))),
            variadic: Box::new(batch.variadicBufferCounts().into_iter().flatten()),
            body,
        };
        for field in schema.fields() {
            supported(field.data_type()).map_err(corrupt)?;
            shape.array(field.data_type(), Some(rows))?;
        }
        match shape.variadic.next() {
            None => Ok(()),
            Some(_) => Err(corrupt("more view columns than the schema has")),
        }
    }

    /// One array of this type and the arrays below it.
    fn array(&mut self, data_type: &DataType, expected: Option<usize>) -> Result<()> {
        use DataType as T;
        let length = self.node(data_type, expected)?;
        match data_type {
            T::Null => Ok(()),
            T::Utf8 | T::Binary => self.buffers(&[size_of::<i32>(), 1]),
            T::LargeUtf8 | T::LargeBinary => self.buffers(&[size_of::<i64>(), 1]),
            T::Utf8View | T::BinaryView => {
                self.buffers(&[size_of::<u128>()])?;
                let count = self.variadic.next().ok_or_else(|| corrupt("a view without data"))?;
                let count = usize::try_from(count).map_err(|_| corrupt("a negative count"))?;
                (0..count).try_for_each(|_| self.buffers(&[1]))
            }
            T::List(item) => {
                self.buffers(&[size_of::<i32>()])?;
                self.array(item.data_type(), None)
            }
            T::LargeList(item) => {
                self.buffers(&[size_of::<i64>()])?;
                self.array(item.data_type(), None)
            }
            T::FixedSizeList(item, width) => {
                let items = usize::try_from(*width).ok().and_then(|w| w.checked_mul(length));
                let items = items.ok_or_else(|| corrupt("a list too long to be"))?;
                self.array(item.data_type(), Some(items))
            }
            T::Struct(fields) => {
                fields.iter().try_for_each(|field| self.array(field.data_type(), Some(length)))
            }
            flat => self.buffers(&[flat.primitive_width().unwrap_or(1)]),
        }
    }

    /// The next node and its validity bitmap; returns the array's length.
    fn node(&mut self, data_type: &DataType, expected: Option<usize>) -> Result<usize> {
        let (length, nulls) = self.nodes.next().ok_or_else(|| corrupt("too few arrays"))?;
        let (Ok(length), Ok(nulls)) = (usize::try_from(length), usize::try_from(nulls)) else {
            return Err(corrupt("an array of negative length"));
        };
        if nulls > length || expected.is_some_and(|expected| expected != length) {
            return Err(corrupt("an array of another length than its rows"));
        }
        if *data_type != DataType::Null {
            let validity = self.buffer()?;
            if nulls > 0 && validity < length.div_ceil(8) {
                return Err(corrupt("a validity bitmap that is too short"));
            }
        }
        Ok(length)
    }

    /// The next buffers, of elements this wide.
    fn buffers(&mut self, widths: &[usize]) -> Result<()> {
        widths.iter().try_for_each(|width| match self.buffer()?.is_multiple_of(*width) {
            true => Ok(()),
            false => Err(corrupt("a buffer that ends inside an element")),
        })
    }

    /// The next buffer's length, once it is known to lie in the body.
    fn buffer(&mut self) -> Result<usize> {
        let (offset, length) = self.buffers.next().ok_or_else(|| corrupt("too few buffers"))?;
        let (Ok(offset), Ok(length)) = (usize::try_from(offset), usize::try_from(length)) else {
            return Err(corrupt("a buffer before the body"));
        };
        match offset.checked_add(length) {
            Some(end) if end <= self.body && offset.is_multiple_of(ALIGNMENT) => Ok(length),
            _ => Err(corrupt("a buffer outside the body")),
        }
    }
}
