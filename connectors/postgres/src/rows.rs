//! Rows of one table becoming a [`ChangeBatch`], for snapshot and stream alike.

use crate::values::ColumnBuilder;
use arrow_schema::DataType;
use std::collections::HashMap;
use std::sync::Arc;
use syncline_core::{
    ChangeBatch, Column, ColumnMask, Error, Kind, Op, Presence, Result, TableSchema, Transaction,
    TransactionRun,
};

/// Distinct masks after which a batch has to end, with room for the rows of one more change.
const MASKS_ENOUGH: usize = Presence::MASKS_MAX - 2;

/// Most bytes of room that a column of texts keeps from one batch for the next: a table that is
/// seldom changed must not hold more for good.
const ROOM_BYTES_MAX: usize = 1 << 20;

/// One value of a row as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field<'a> {
    /// Not spoken of.
    Absent,
    /// NULL.
    Null,
    /// The value's text.
    Text(&'a [u8]),
}

/// What a row is, beside its values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub(crate) op: Op,
    pub(crate) ordinal: u32,
    pub(crate) transaction: Transaction,
}

/// Whether a row's values could all be carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carried {
    Whole,
    /// Some have no exact place in their column, and are absent.
    InPart,
}

/// A batch in the making.
#[derive(Debug)]
pub(crate) struct RowBatch {
    schema: Arc<TableSchema>,
    columns: Vec<ColumnBuilder>,
    ops: Vec<u8>,
    ordinals: Vec<u32>,
    runs: Vec<TransactionRun>,
    presence: PresenceBuilder,
    text_bytes: usize,
}

impl RowBatch {
    /// An empty batch of this table.
    pub(crate) fn new(schema: Arc<TableSchema>) -> Self {
        let column = |column: &Column| ColumnBuilder::new(&column.data_type, 0, 0);
        let columns = schema.columns().iter().map(column).collect();
        let presence = PresenceBuilder::new(schema.columns().len());
        Self {
            schema,
            columns,
            ops: Vec::new(),
            ordinals: Vec::new(),
            runs: Vec::new(),
            presence,
            text_bytes: 0,
        }
    }

    pub(crate) fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    pub(crate) fn len(&self) -> usize {
        self.ops.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Bytes of text that went into it: about what it holds in memory.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// Whether the batch has to end because presence can't tell more kinds of rows apart.
    pub(crate) fn masks_full(&self) -> bool {
        self.presence.masks.len() >= MASKS_ENOUGH
    }

    /// Adds a row. A value that can't be carried exactly is absent, which a new row's never is
    /// otherwise: what needs it sets the row aside.
    ///
    /// # Errors
    /// `Corrupt` when the row has more or fewer values than the table has columns. The batch is of no
    /// use after it.
    #[inline]
    pub(crate) fn append<'a>(
        &mut self,
        change: Change,
        fields: impl IntoIterator<Item = Field<'a>>,
    ) -> Result<Carried> {
        let mut carried = Carried::Whole;
        let mut fields = fields.into_iter();
        for (index, column) in self.columns.iter_mut().enumerate() {
            match fields.next() {
                Some(Field::Text(text)) => {
                    self.text_bytes += text.len();
                    if column.append(text).is_err() {
                        column.append_null();
                        self.presence.absent.push(index);
                        carried = Carried::InPart;
                    }
                }
                Some(Field::Null) => column.append_null(),
                Some(Field::Absent) => {
                    column.append_null();
                    self.presence.absent.push(index);
                }
                None => return Err(wrong_width(&self.schema)),
            }
        }
        if fields.next().is_some() {
            return Err(wrong_width(&self.schema));
        }
        self.presence.close_row(self.ops.len());
        self.ops.push(change.op as u8);
        self.ordinals.push(change.ordinal);
        match self.runs.last_mut() {
            Some(run) if run.transaction == change.transaction => run.rows += 1,
            _ => self.runs.push(TransactionRun { transaction: change.transaction, rows: 1 }),
        }
        Ok(carried)
    }

    /// The rows so far; empty again after it, with room for as many of their size.
    pub(crate) fn finish(&mut self) -> Result<ChangeBatch> {
        let rows = self.ops.len();
        let types = self.schema.columns().iter().map(|column| &column.data_type);
        let renew = |(column, of): (&mut ColumnBuilder, &DataType)| {
            let next = ColumnBuilder::new(of, rows, column.value_bytes().min(ROOM_BYTES_MAX));
            std::mem::replace(column, next).finish()
        };
        let columns = self.columns.iter_mut().zip(types).map(renew).collect();
        self.text_bytes = 0;
        ChangeBatch::try_new(
            self.schema.clone(),
            columns,
            std::mem::replace(&mut self.ops, Vec::with_capacity(rows)).into(),
            std::mem::replace(&mut self.ordinals, Vec::with_capacity(rows)).into(),
            std::mem::take(&mut self.runs),
            self.presence.finish(),
        )
        .map_err(|error| {
            Error::new(Kind::Internal, format!("no batch of {}", self.schema.name()))
                .caused_by(error)
        })
    }
}

#[cold]
fn wrong_width(schema: &TableSchema) -> Error {
    Error::new(Kind::Corrupt, format!("a row of {} has the wrong width", schema.name()))
        .detail(format!("the table has {} columns", schema.columns().len()))
}

/// Which columns each row speaks of; nothing is kept while every row is whole.
#[derive(Debug)]
struct PresenceBuilder {
    columns: usize,
    masks: Vec<ColumnMask>,
    /// Where each mask is, but the first, which is that of whole rows.
    places: HashMap<ColumnMask, u16>,
    rows: Vec<u16>,
    /// The absent columns of the row that is being added.
    absent: Vec<usize>,
    /// Those of the last row that lacked any, and its mask's place: the next one is mostly like it.
    last: (Vec<usize>, u16),
}

impl PresenceBuilder {
    fn new(columns: usize) -> Self {
        Self {
            columns,
            masks: Vec::new(),
            places: HashMap::new(),
            rows: Vec::new(),
            absent: Vec::new(),
            last: (Vec::new(), 0),
        }
    }

    /// Ends the row that follows `rows_before` others.
    #[inline]
    fn close_row(&mut self, rows_before: usize) {
        if self.absent.is_empty() {
            if !self.masks.is_empty() {
                self.rows.push(0);
            }
            return;
        }
        if self.masks.is_empty() || self.absent != self.last.0 {
            self.find_mask(rows_before);
        }
        self.absent.clear();
        self.rows.push(self.last.1);
    }

    /// Makes `last` the mask of the absent columns.
    fn find_mask(&mut self, rows_before: usize) {
        if self.masks.is_empty() {
            self.masks.push(ColumnMask::all(self.columns));
            self.rows.resize(rows_before, 0);
        }
        let mut mask = ColumnMask::all(self.columns);
        for &column in &self.absent {
            mask.clear(column);
        }
        let Self { masks, places, .. } = self;
        let place = *places.entry(mask).or_insert_with_key(|mask| {
            masks.push(mask.clone());
            u16::try_from(masks.len() - 1).expect("the batch ends before it has so many masks")
        });
        self.last.1 = place;
        self.last.0.clone_from(&self.absent);
    }

    fn finish(&mut self) -> Presence {
        if self.masks.is_empty() {
            return Presence::all(self.columns);
        }
        let masks = std::mem::take(&mut self.masks);
        self.places.clear();
        Presence::from_parts(self.columns, masks, std::mem::take(&mut self.rows).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_core::{SystemName, TableName};

    fn schema() -> Arc<TableSchema> {
        let column = |name: &str, id| Column {
            name: name.into(),
            id,
            data_type: DataType::Utf8,
            native_type: "text".into(),
            nullable: true,
            has_default: false,
            generated: false,
        };
        let name = TableName::table(&SystemName::new("sis"), "public", "t");
        Arc::new(TableSchema::new(name, 1, vec![column("a", 1), column("b", 2)], vec![0]))
    }

    fn change(commit: u64) -> Change {
        let transaction = Transaction { epoch: 1, commit, committed_at: 0, ours: false };
        Change { op: Op::Update, ordinal: 0, transaction }
    }

    #[test]
    fn absent_is_not_null_and_whole_rows_cost_no_mask() {
        let mut batch = RowBatch::new(schema());
        batch.append(change(1), [Field::Text(b"x"), Field::Null]).unwrap();
        assert!(batch.finish().unwrap().presence().is_all());
        batch.append(change(1), [Field::Text(b"x"), Field::Null]).unwrap();
        batch.append(change(2), [Field::Text(b"y"), Field::Absent]).unwrap();
        batch.append(change(2), [Field::Text(b"z"), Field::Text(b"1")]).unwrap();
        let batch = batch.finish().unwrap();
        let present: Vec<bool> = (0..3).map(|row| batch.presence().has(row, 1)).collect();
        assert_eq!(present, [true, false, true]);
        assert_eq!(batch.transactions().len(), 2);
    }

    #[test]
    fn rows_that_lack_other_columns_than_the_one_before_keep_their_own_mask() {
        let mut batch = RowBatch::new(schema());
        let rows = [[true, false], [true, false], [false, true], [true, true], [false, true]];
        for _ in 0..2 {
            for row in rows {
                let fields = row.map(|has| if has { Field::Null } else { Field::Absent });
                batch.append(change(1), fields).unwrap();
            }
            let batch = batch.finish().unwrap();
            let seen = [0, 1, 2, 3, 4].map(|row| [0, 1].map(|at| batch.presence().has(row, at)));
            assert_eq!(seen, rows);
            assert_eq!(batch.presence().masks().len(), 3);
        }
    }

    #[test]
    fn a_row_of_the_wrong_width_is_corrupt() {
        let one = RowBatch::new(schema()).append(change(1), [Field::Null]).unwrap_err();
        let three = RowBatch::new(schema()).append(change(1), [Field::Null; 3]).unwrap_err();
        assert_eq!((one.kind(), three.kind()), (Kind::Corrupt, Kind::Corrupt));
    }

    #[test]
    fn a_value_without_a_place_is_absent_and_its_row_stays() {
        let mut batch = RowBatch::new(schema());
        let fields = [Field::Text(b"x"), Field::Text(b"\xff")];
        assert_eq!(batch.append(change(1), fields).unwrap(), Carried::InPart);
        let fields = [Field::Text(b"y"), Field::Text(b"z")];
        assert_eq!(batch.append(change(1), fields).unwrap(), Carried::Whole);
        let batch = batch.finish().unwrap();
        let present = [0, 1].map(|row| [0, 1].map(|column| batch.presence().has(row, column)));
        assert_eq!(present, [[true, false], [true, true]]);
    }
}
