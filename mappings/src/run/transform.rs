//! A mapping over a batch, from end to end.

use super::assemble::{Blocks, Place, Row, assemble};
use super::bind::{self, Bindings};
use super::decide::{Decisions, FULL_HINT, Leave, Write, decide, is_new, lacking};
use super::evaluate::{Values, values};
use super::facts::{Known, Masks};
use super::program::{Compiled, Program};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array, new_empty_array};
use arrow_ord::cmp::distinct;
use arrow_schema::ArrowError;
use arrow_select::nullif::nullif;
use arrow_select::take::take_record_batch;
use std::collections::BTreeMap;
use std::sync::Arc;
use syncline_core::{
    ChangeBatch, Error, Kind, Op, RejectedRow, Result, TableName, TableSchema, Transform,
    Transformed,
};

/// A mapping that is ready to run.
#[derive(Debug)]
pub(crate) struct MappingTransform {
    name: String,
    reads: TableName,
    program: Program,
    bindings: Bindings,
}

impl MappingTransform {
    pub(super) fn new(name: String, reads: TableName, program: Program) -> Self {
        Self { name, reads, program, bindings: Bindings::default() }
    }
}

impl Transform for MappingTransform {
    fn name(&self) -> &str {
        &self.name
    }

    fn reads(&self) -> &TableName {
        &self.reads
    }

    fn writes(&self) -> &Arc<TableSchema> {
        &self.program.writes
    }

    fn transform(&self, batch: &ChangeBatch) -> Result<Transformed> {
        let program = &self.program;
        let places = self.bindings.places(&self.name, &program.inputs, batch.schema())?;
        let input = bind::input(program, &places, batch)?;
        let masks = Masks::new(program, &places, batch);
        let decisions = decide(program, &masks, batch, &input)?;
        Run { program, masks: &masks, batch, input: &input }.finish(decisions)
    }
}

/// One batch on its way.
struct Run<'a> {
    program: &'a Program,
    masks: &'a Masks<'a>,
    batch: &'a ChangeBatch,
    input: &'a RecordBatch,
}

/// Rows that are refused, by source row: the first reason counts.
type Refused = BTreeMap<usize, RejectedRow>;

/// The keys of images whose target row may have to go: first those before a write, then those that
/// leave.
struct Keys {
    /// In the order of the target's key.
    columns: Vec<ArrayRef>,
    /// The images without a key: the target never had their row.
    keyless: Vec<bool>,
}

impl Keys {
    /// Where the key of an image is, if it has one.
    fn place(&self, image: usize) -> Option<usize> {
        self.keyless.get(image).is_some_and(|keyless| !keyless).then_some(image)
    }
}

impl Run<'_> {
    fn finish(&self, decisions: Decisions) -> Result<Transformed> {
        let Decisions { mut writes, mut leaves, rejected } = decisions;
        let mut refused: Refused = rejected.into_iter().map(|row| (row.row, row)).collect();
        self.refuse_unknown(&mut writes, &mut leaves, &mut refused);
        let written = self.written(&writes, &mut refused)?;
        let keys = self.keys(&writes, &leaves)?;
        let moved = self.moved(&writes, &written, &keys)?;
        let rows = self.rows(&writes, &leaves, &keys, &moved, &mut refused);
        let blocks = Blocks { written, written_rows: writes.len(), keys: keys.columns };
        let output = assemble(self.program, self.masks, self.batch, &rows, blocks)?;
        let origins = rows.iter().filter_map(|row| u32::try_from(row.origin).ok()).collect();
        Ok(Transformed { rows: output, origins, rejected: refused.into_values().collect() })
    }

    /// Takes out rows for which a value can't be known.
    fn refuse_unknown(
        &self,
        writes: &mut Vec<Write>,
        leaves: &mut Vec<Leave>,
        refused: &mut Refused,
    ) {
        if self.masks.is_all() {
            return;
        }
        writes.retain(|write| {
            let facts = self.masks.of(write.row);
            let is_new = is_new(self.batch, write.row);
            let lacks = |known: &Known| match known {
                Known::Yes => false,
                Known::Absent => is_new,
                Known::Mixed => true,
            };
            let unknown = facts.columns.iter().position(lacks);
            let unknown = unknown.or_else(|| self.unknown_key(write.row));
            let before = write.before.filter(|&before| !self.masks.of(before).key);
            let unknown = unknown.or_else(|| before.and_then(|row| self.unknown_key(row)));
            self.refuse_column(write.row, unknown, refused)
        });
        leaves
            .retain(|leave| self.refuse_column(leave.row, self.unknown_key(leave.image), refused));
    }

    /// The first key column that an image does not tell.
    fn unknown_key(&self, row: usize) -> Option<usize> {
        let facts = self.masks.of(row);
        let key = self.program.writes.key().iter();
        key.copied().find(|&index| facts.columns.get(index) != Some(&Known::Yes))
    }

    /// Whether the row stays: it has no column that can't be known.
    fn refuse_column(&self, row: usize, column: Option<usize>, refused: &mut Refused) -> bool {
        let Some(column) = column else { return true };
        let expression = self.program.columns.get(column).map(|column| column.text.clone());
        let (reason, hint) = lacking(self.batch, row, "expression");
        refused.entry(row).or_insert(RejectedRow { row, expression, reason, hint });
        false
    }

    /// The target columns of the rows to write, one value each.
    fn written(&self, writes: &[Write], refused: &mut Refused) -> Result<Vec<ArrayRef>> {
        if writes.is_empty() {
            let fields = self.program.writes.arrow().fields().iter();
            return Ok(fields.map(|field| new_empty_array(field.data_type())).collect());
        }
        let rows = self.take(writes.iter().map(|write| write.row), writes.len())?;
        let mut columns = Vec::with_capacity(self.program.columns.len());
        for (index, compiled) in self.program.columns.iter().enumerate() {
            let values = self.column(index, compiled, &rows)?;
            let absent = self.absent(index, writes);
            for failure in &values.failures {
                let Some(write) = writes.get(failure.row) else { continue };
                if absent.as_ref().is_some_and(|absent| absent.value(failure.row)) {
                    continue;
                }
                let expression = Some(compiled.text.clone());
                let reason = failure.reason.clone();
                let row = write.row;
                let rejected = RejectedRow { row, expression, reason, hint: None };
                refused.entry(row).or_insert(rejected);
            }
            let array = match (&absent, compiled.passes) {
                (Some(absent), None) => nullif(&values.array, absent).map_err(internal)?,
                _ => values.array,
            };
            self.refuse_nulls(index, &array, absent.as_ref(), writes, refused);
            columns.push(array);
        }
        Ok(columns)
    }

    fn column(&self, index: usize, compiled: &Compiled, rows: &RecordBatch) -> Result<Values> {
        if let Some(input) = compiled.passes {
            return Ok(Values { array: rows.column(input).clone(), failures: Vec::new() });
        }
        let field = self.program.writes.arrow().field(index);
        values(&compiled.expr, rows, field.data_type())
    }

    /// For which rows a column is absent; `None` where for no row.
    fn absent(&self, column: usize, writes: &[Write]) -> Option<BooleanArray> {
        if self.masks.is_all() {
            return None;
        }
        let is_absent =
            |write: &Write| self.masks.of(write.row).columns.get(column) == Some(&Known::Absent);
        let absent: Vec<bool> = writes.iter().map(is_absent).collect();
        absent.contains(&true).then(|| absent.into())
    }

    /// Refuses rows that would put NULL where the target has none.
    fn refuse_nulls(
        &self,
        index: usize,
        array: &ArrayRef,
        absent: Option<&BooleanArray>,
        writes: &[Write],
        refused: &mut Refused,
    ) {
        let Some(column) = self.program.writes.columns().get(index) else { return };
        let is_key = self.program.writes.key().contains(&index);
        if array.null_count() == 0 || (column.nullable && !is_key) {
            return;
        }
        let reason = match is_key {
            true => format!("the key column \"{}\" would be NULL", column.name),
            false => format!("column \"{}\" would be NULL, and is NOT NULL", column.name),
        };
        for (at, write) in writes.iter().enumerate() {
            let spoken = !absent.is_some_and(|absent| absent.value(at));
            if spoken && array.is_null(at) {
                let expression =
                    self.program.columns.get(index).map(|compiled| compiled.text.clone());
                let (row, reason) = (write.row, reason.clone());
                let rejected = RejectedRow { row, expression, reason, hint: None };
                refused.entry(row).or_insert(rejected);
            }
        }
    }

    /// The target's keys of images that are no more.
    fn keys(&self, writes: &[Write], leaves: &[Leave]) -> Result<Keys> {
        let images: Vec<usize> = writes
            .iter()
            .filter_map(|write| write.before)
            .chain(leaves.iter().map(|leave| leave.image))
            .collect();
        let mut keyless = vec![false; images.len()];
        let mut columns = Vec::new();
        if images.is_empty() {
            return Ok(Keys { columns, keyless });
        }
        let rows = self.take(images.iter().copied(), images.len())?;
        for &index in self.program.writes.key() {
            let Some(compiled) = self.program.columns.get(index) else { continue };
            let values = self.column(index, compiled, &rows)?;
            // A row that fails here failed when it was new, and never got to the target.
            if values.array.null_count() > 0 {
                keyless.iter_mut().enumerate().for_each(|(at, no)| *no |= values.array.is_null(at));
            }
            columns.push(values.array);
        }
        Ok(Keys { columns, keyless })
    }

    /// For each row to write, where the key is that it had before, if that was another.
    fn moved(
        &self,
        writes: &[Write],
        written: &[ArrayRef],
        keys: &Keys,
    ) -> Result<Vec<Option<usize>>> {
        let with_before = writes.iter().enumerate().filter(|(_, write)| write.before.is_some());
        let pairs: Vec<(usize, usize)> = with_before
            .enumerate()
            .filter_map(|(image, (at, _))| Some((at, keys.place(image)?)))
            .collect();
        let mut moved = vec![None; writes.len()];
        if pairs.is_empty() {
            return Ok(moved);
        }
        let (new, old): (Vec<u32>, Vec<u32>) =
            pairs.iter().map(|&(new, old)| (narrow(new), narrow(old))).unzip();
        let (new, old) = (UInt32Array::from(new), UInt32Array::from(old));
        for (key, old_key) in self.program.writes.key().iter().zip(&keys.columns) {
            let Some(new_key) = written.get(*key) else { continue };
            let differs = take_array(new_key, &new)
                .and_then(|new| Ok((new, take_array(old_key, &old)?)))
                .and_then(|(new, old)| distinct(&new, &old))
                .map_err(internal)?;
            for (&(at, before), differs) in pairs.iter().zip(differs.iter()) {
                if differs == Some(true)
                    && let Some(moved) = moved.get_mut(at)
                {
                    *moved = Some(before);
                }
            }
        }
        Ok(moved)
    }

    /// The output rows in source order; rows that were refused leave none.
    fn rows(
        &self,
        writes: &[Write],
        leaves: &[Leave],
        keys: &Keys,
        moved: &[Option<usize>],
        refused: &mut Refused,
    ) -> Vec<Row> {
        let mut rows = Vec::with_capacity(writes.len() + leaves.len());
        let first_leave = keys.keyless.len() - leaves.len();
        let mut leaves = (first_leave..).zip(leaves).peekable();
        for (at, (write, moved)) in writes.iter().zip(moved).enumerate() {
            while let Some((image, leave)) = leaves.next_if(|(_, leave)| leave.row < write.row) {
                rows.extend(deleted(leave, keys.place(image)));
            }
            if moved.is_some() && !self.masks.is_all() && !self.masks.of(write.row).whole {
                self.refuse_move(write.row, refused);
            }
            if refused.contains_key(&write.row) {
                continue;
            }
            if let Some(old) = moved {
                rows.push(Row { op: Op::Delete, origin: write.row, place: Place::Key(*old) });
            }
            let op = self.batch.op(write.row);
            rows.push(Row { op, origin: write.row, place: Place::Written(at) });
        }
        rows.extend(leaves.filter_map(|(image, leave)| deleted(leave, keys.place(image))));
        rows
    }

    fn refuse_move(&self, row: usize, refused: &mut Refused) {
        let reason = "the key changed, and the change does not have the whole row".to_owned();
        let hint = Some(FULL_HINT.to_owned());
        let rejected = RejectedRow { row, expression: None, reason, hint };
        refused.entry(row).or_insert(rejected);
    }

    /// Rows of the input; the input itself where that is all of it.
    fn take(&self, rows: impl Iterator<Item = usize>, count: usize) -> Result<RecordBatch> {
        if count == self.batch.len() {
            return Ok(self.input.clone());
        }
        let rows: UInt32Array = rows.map(narrow).collect::<Vec<_>>().into();
        take_record_batch(self.input, &rows).map_err(internal)
    }
}

fn deleted(leave: &Leave, key: Option<usize>) -> Option<Row> {
    Some(Row { op: Op::Delete, origin: leave.row, place: Place::Key(key?) })
}

fn take_array(array: &ArrayRef, places: &UInt32Array) -> std::result::Result<ArrayRef, ArrowError> {
    arrow_select::take::take(array, places, None)
}

fn narrow(row: usize) -> u32 {
    u32::try_from(row).expect("a batch has fewer than 2^32 rows")
}

fn internal(error: ArrowError) -> Error {
    Error::new(Kind::Internal, "the rows of a batch can't be taken apart").caused_by(error)
}
