//! Many changes of one table as Arrow columns: the unit of all work.

use crate::{ColumnMask, Presence, TableSchema};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_buffer::ScalarBuffer;
use arrow_schema::ArrowError;
use std::ops::Range;
use std::sync::Arc;

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Op {
    /// The row is new in its source. Its image is whole, but for values that can't be carried
    /// exactly: these are absent.
    Insert = 1,
    /// The row changed; this is its image after. Columns that did not change may be absent.
    Update = 2,
    /// The row is gone; its image has at least the key.
    Delete = 3,
    /// The image before of the `Update` in the next row. Sent where the source has it: with the
    /// key alone when the key changed, or whole (`REPLICA IDENTITY FULL`). Never reaches a sink.
    Before = 4,
    /// The row as a snapshot or backfill found it: it may or may not be new at the target. Its
    /// image is whole as an `Insert`'s is.
    Snapshot = 5,
}

impl Op {
    /// From its number; `None` where there is no such operation.
    #[must_use]
    pub fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Insert,
            2 => Self::Update,
            3 => Self::Delete,
            4 => Self::Before,
            5 => Self::Snapshot,
            _ => return None,
        })
    }

    /// Whether the image is a row that exists after the change.
    #[must_use]
    pub fn is_after(self) -> bool {
        matches!(self, Self::Insert | Self::Update | Self::Snapshot)
    }
}

/// The source transaction that a run of rows belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transaction {
    /// The position's epoch.
    pub epoch: u32,
    /// The position's commit.
    pub commit: u64,
    /// When the source committed it, in µs since 1970 UTC.
    pub committed_at: i64,
    /// Whether it is a write of ours that comes back through the system's stream.
    pub ours: bool,
}

/// Consecutive rows of one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionRun {
    /// The transaction.
    pub transaction: Transaction,
    /// How many rows.
    pub rows: u32,
}

/// Many changes of one table, in source order.
///
/// Shapes: `columns` has one array per column of `schema`, each `len()` long; so are `ops` and
/// `ordinals`; the runs of `transactions` add up to `len()`. Where a row does not speak of a column
/// ([`Presence`]) its slot is null. A [`Op::Before`] row is always followed by its `Update`.
#[derive(Debug, Clone)]
pub struct ChangeBatch {
    schema: Arc<TableSchema>,
    columns: RecordBatch,
    ops: ScalarBuffer<u8>,
    ordinals: ScalarBuffer<u32>,
    transactions: Vec<TransactionRun>,
    presence: Presence,
}

impl ChangeBatch {
    /// Puts a batch together.
    ///
    /// # Errors
    /// When an array's type or length is not the schema's or the batch's.
    ///
    /// # Panics
    /// When ops, ordinals, transactions or presence don't have the batch's shape.
    pub fn try_new(
        schema: Arc<TableSchema>,
        columns: Vec<ArrayRef>,
        ops: ScalarBuffer<u8>,
        ordinals: ScalarBuffer<u32>,
        transactions: Vec<TransactionRun>,
        presence: Presence,
    ) -> Result<Self, ArrowError> {
        let rows = ops.len();
        assert_eq!(ordinals.len(), rows, "an ordinal a row");
        assert!(ops.iter().all(|&op| (1..=5).contains(&op)), "every op is an operation");
        assert_eq!(transactions.iter().map(|run| run.rows as usize).sum::<usize>(), rows);
        assert_eq!(presence.columns(), schema.columns().len(), "presence is over the columns");
        assert!(presence.rows().is_none_or(|masks| masks.len() == rows), "a mask a row");
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let columns = RecordBatch::try_new_with_options(schema.arrow().clone(), columns, &options)?;
        Ok(Self { schema, columns, ops, ordinals, transactions, presence })
    }

    /// A batch without rows.
    #[must_use]
    pub fn empty(schema: Arc<TableSchema>) -> Self {
        let columns = RecordBatch::new_empty(schema.arrow().clone());
        let presence = Presence::all(schema.columns().len());
        let (ops, ordinals) = (ScalarBuffer::from(Vec::new()), ScalarBuffer::from(Vec::new()));
        Self { schema, columns, ops, ordinals, transactions: Vec::new(), presence }
    }

    /// The table and its columns.
    #[must_use]
    pub fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    /// The value columns.
    #[must_use]
    pub fn columns(&self) -> &RecordBatch {
        &self.columns
    }

    /// How many rows, before images among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// The operation of a row.
    ///
    /// # Panics
    /// When there is no such row, or its number is no operation.
    #[must_use]
    pub fn op(&self, row: usize) -> Op {
        Op::from_u8(self.ops[row]).expect("checked by try_new")
    }

    /// The operations' numbers, one a row.
    #[must_use]
    pub fn ops(&self) -> &ScalarBuffer<u8> {
        &self.ops
    }

    /// Each row's place within its transaction.
    #[must_use]
    pub fn ordinals(&self) -> &ScalarBuffer<u32> {
        &self.ordinals
    }

    /// The transactions the rows belong to, in order.
    #[must_use]
    pub fn transactions(&self) -> &[TransactionRun] {
        &self.transactions
    }

    /// Which columns each row speaks of.
    #[must_use]
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// The transaction of each row, in row order.
    pub fn row_transactions(&self) -> impl Iterator<Item = &Transaction> + '_ {
        self.transactions
            .iter()
            .flat_map(|run| std::iter::repeat_n(&run.transaction, run.rows as usize))
    }

    /// Commit time of the first row, in µs since 1970 UTC; `None` for a snapshot's rows, which
    /// have none of their own, and where there is no row.
    #[must_use]
    pub fn first_streamed(&self) -> Option<i64> {
        let first = self.transactions.first()?;
        (self.op(0) != Op::Snapshot).then_some(first.transaction.committed_at)
    }

    /// Size of the rows in bytes: of the values themselves, whatever larger memory a slice or a
    /// batch read from the log shares with others.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let size = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or(0);
        self.columns.columns().iter().map(size).sum::<usize>() + self.len() * 5
    }

    /// The rows at these places, in their order.
    ///
    /// # Errors
    /// When Arrow refuses (a place out of range).
    pub fn take(&self, places: &[u32]) -> Result<Self, ArrowError> {
        let indices = UInt32Array::from(places.to_vec());
        let columns = self
            .columns
            .columns()
            .iter()
            .map(|column| arrow_select::take::take(column, &indices, None))
            .collect::<Result<Vec<_>, _>>()?;
        let of_row: Vec<&Transaction> = self.row_transactions().collect();
        let transactions = runs(places.iter().map(|&place| *of_row[place as usize]));
        let ops = places.iter().map(|&place| self.ops[place as usize]).collect::<Vec<_>>();
        let ordinals =
            places.iter().map(|&place| self.ordinals[place as usize]).collect::<Vec<_>>();
        Self::try_new(
            self.schema.clone(),
            columns,
            ops.into(),
            ordinals.into(),
            transactions,
            self.presence.take(places),
        )
    }

    /// Takes back commit times that are later than `latest`, in µs since 1970 UTC; gives the latest of them, as
    /// it was.
    pub fn commit_by(&mut self, latest: i64) -> Option<i64> {
        let times = self.transactions.iter_mut().map(|run| &mut run.transaction.committed_at);
        let later = times.filter(|time| **time > latest);
        later.map(|time| std::mem::replace(time, latest)).max()
    }

    /// A run of rows, without copying values.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        Self {
            schema: self.schema.clone(),
            columns: self.columns.slice(range.start, range.len()),
            ops: self.ops.slice(range.start, range.len()),
            ordinals: self.ordinals.slice(range.start, range.len()),
            transactions: runs(
                self.row_transactions().skip(range.start).take(range.len()).copied(),
            ),
            presence: self.presence.slice(range),
        }
    }

    /// Batches of the same schema one after the other.
    ///
    /// # Errors
    /// When their columns don't have the same types.
    ///
    /// # Panics
    /// When there is no batch.
    pub fn concat(batches: &[Self]) -> Result<Self, ArrowError> {
        let first = batches.first().expect("at least one batch");
        if batches.len() == 1 {
            return Ok(first.clone());
        }
        let columns = (0..first.columns.num_columns())
            .map(|column| {
                let parts: Vec<_> =
                    batches.iter().map(|batch| batch.columns.column(column).as_ref()).collect();
                arrow_select::concat::concat(&parts)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut transactions: Vec<TransactionRun> = Vec::new();
        for run in batches.iter().flat_map(|batch| &batch.transactions) {
            push_run(&mut transactions, *run);
        }
        Self::try_new(
            first.schema.clone(),
            columns,
            batches.iter().flat_map(|batch| batch.ops.iter().copied()).collect::<Vec<_>>().into(),
            batches
                .iter()
                .flat_map(|batch| batch.ordinals.iter().copied())
                .collect::<Vec<_>>()
                .into(),
            transactions,
            Presence::concat(
                first.presence.columns(),
                batches.iter().map(|batch| (&batch.presence, batch.len())),
            ),
        )
    }

    /// The mask of a row, made whole where every column is present.
    #[must_use]
    pub fn mask(&self, row: usize) -> ColumnMask {
        self.presence
            .mask(row)
            .cloned()
            .unwrap_or_else(|| ColumnMask::all(self.schema.columns().len()))
    }
}

/// Joins equal neighbours into runs.
pub(crate) fn runs(rows: impl Iterator<Item = Transaction>) -> Vec<TransactionRun> {
    let mut joined = Vec::new();
    for transaction in rows {
        push_run(&mut joined, TransactionRun { transaction, rows: 1 });
    }
    joined
}

fn push_run(runs: &mut Vec<TransactionRun>, run: TransactionRun) {
    match runs.last_mut() {
        Some(last) if last.transaction == run.transaction => last.rows += run.rows,
        _ => runs.push(run),
    }
}
