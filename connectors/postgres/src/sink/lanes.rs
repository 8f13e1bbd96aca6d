//! Writes the lanes of one table: each kind of row by the cheapest statement that is right for it.
//!
//! | lane | written by |
//! |---|---|
//! | inserts, snapshots | `COPY`; where a key turns out to be there, as upserts |
//! | upserts | `UPDATE`, then `INSERT` of those whose key isn't there; as inserts after some of which none was |
//! | partial | `UPDATE` of the present columns; all keys must be there |
//! | deletes | `DELETE` |
//!
//! Statements have their rows as arrays, see [`super::plan`].

use super::copy_rows::{COPY_CHUNK_BYTES, put_binary_rows, put_text_rows};
use super::plan::Plan;
use super::session::{CopyError, Encoded, Session, unfit_error};
use super::sqlstate;
use super::target::{TargetTable, quoted};
use crate::values::encode::{Encoder, Form};
use arrow_array::{Array as _, ArrayRef, RecordBatch};
use arrow_select::concat::concat_batches;
use std::ops::Range;
use std::sync::Arc;
use syncline_core::{ColumnMask, Error, Kind, PartialRows, Reduced, Result, TableSchema, Written};
use tokio_postgres::types::ToSql;

/// Fewer rows than this are inserted by a statement: a `COPY` takes a round trip more.
const COPY_ROWS_MIN: usize = 64;
/// Most calls that leave `COPY` out after it failed.
const COPY_PAUSE_MAX: u32 = 256;

/// A table with what is known of writing it.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) schema: Arc<TableSchema>,
    pub(super) target: TargetTable,
    pub(super) plan: Plan,
    /// The role that writes.
    role: String,
    copies: Copies,
    /// Whether none of the last upserts had its key there: what an entity or a filter lets through for the first
    /// time is no insert to whoever can't know that.
    expects_new: bool,
}

/// Whether rows that are perhaps new are worth a `COPY`: each that fails makes dead rows, so the
/// pause until the next attempt doubles.
#[derive(Debug, Default)]
struct Copies {
    pause: u32,
    waited: u32,
}

impl Copies {
    fn worth_trying(&mut self) -> bool {
        if self.waited < self.pause {
            self.waited += 1;
            return false;
        }
        true
    }

    fn succeeded(&mut self) {
        *self = Self::default();
    }

    fn failed(&mut self) {
        *self = Self { pause: (self.pause * 2).clamp(4, COPY_PAUSE_MAX), waited: 0 };
    }
}

/// The limits of one statement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

impl Writer {
    /// # Errors
    /// `Config` when the schema doesn't fit the table.
    pub(super) fn new(schema: Arc<TableSchema>, target: TargetTable, role: &str) -> Result<Self> {
        let plan = Plan::new(&schema, &target)?;
        Ok(Self {
            schema,
            target,
            plan,
            role: quoted(role),
            copies: Copies::default(),
            expects_new: false,
        })
    }

    /// Deletes.
    pub(super) async fn delete(
        &mut self,
        session: &mut Session,
        limits: Limits,
        reduced: &Reduced,
    ) -> Result<Written> {
        let Some(keys) = &reduced.deletes else { return Ok(Written::default()) };
        // Order: rows that refer to rows of the same table go in one statement with them.
        let limits = if self.target.refers_to_itself() { Limits::NONE } else { limits };
        let sql = self.plan.delete();
        let deleted = self.execute(session, limits, &sql, &self.plan.key, keys).await?.total();
        Ok(Written { deleted, ..Written::default() })
    }

    /// Deletes after the upserts of the same rows. Where two keys that differ for us are one for the
    /// server, such as `abc` and `ABC` of `citext`, the row that was just written stays.
    pub(super) async fn delete_late(
        &mut self,
        session: &mut Session,
        limits: Limits,
        reduced: &Reduced,
    ) -> Result<Written> {
        let kept = match self.plan.has_loose_key() {
            true => self.written_keys(reduced)?,
            false => None,
        };
        let (Some(kept), Some(keys)) = (kept, &reduced.deletes) else {
            return self.delete(session, limits, reduced).await;
        };
        let mut parameters = Vec::new();
        for rows in [keys, &kept] {
            let encoders = self.encoders(&self.plan.key, rows)?;
            parameters.extend(self.arrays(&self.plan.key, &encoders, 0..rows.num_rows())?);
        }
        let sql = self.plan.delete_except();
        let deleted = session.execute(&sql, &as_parameters(&parameters)).await;
        let deleted = deleted.map_err(|error| self.refused(error))?;
        Ok(Written { deleted, ..Written::default() })
    }

    /// The keys of all rows but the deleted ones; `None` where there is none.
    fn written_keys(&self, reduced: &Reduced) -> Result<Option<RecordBatch>> {
        let whole = [&reduced.inserts, &reduced.snapshots, &reduced.upserts];
        let whole = whole.into_iter().flatten().map(|rows| rows.project(&self.plan.key));
        let partial = reduced.partial.iter().map(|partial| {
            let columns: Vec<usize> = partial.mask.iter().collect();
            let place = |key| columns.iter().position(|at| at == key);
            partial.rows.project(&self.plan.key.iter().filter_map(place).collect::<Vec<_>>())
        });
        let keys = whole.chain(partial).collect::<std::result::Result<Vec<_>, _>>();
        let keys = keys.map_err(unencodable)?;
        let Some(first) = keys.first() else { return Ok(None) };
        concat_batches(&first.schema(), &keys).map(Some).map_err(unencodable)
    }

    /// Everything but the deletes.
    ///
    /// # Errors
    /// `Rejected` where the columns that a row doesn't speak of can't be known.
    pub(super) async fn upsert(
        &mut self,
        session: &mut Session,
        limits: Limits,
        reduced: &Reduced,
    ) -> Result<Written> {
        if let Some(unknown) = &reduced.orphans {
            let mut spoken = ColumnMask::all(unknown.len());
            unknown.iter().for_each(|column| spoken.clear(column));
            return Err(self.incomplete(&self.plan.lacking(&spoken)));
        }
        let mut written = Written::default();
        if self.target.refers_to_itself() {
            written += self.whole_at_once(session, reduced).await?;
            written += self.all_partial(session, limits, reduced).await?;
            return Ok(written);
        }
        // Order: updates give values up that new rows may take.
        written += self.all_partial(session, limits, reduced).await?;
        if let Some(rows) = &reduced.upserts {
            written += self.upsert_whole(session, limits, rows).await?;
        }
        for rows in [&reduced.snapshots, &reduced.inserts].into_iter().flatten() {
            written += self.insert(session, limits, rows).await?;
        }
        Ok(written)
    }

    /// Whole rows of a table that refers to itself: one statement, since its references are checked
    /// at its end.
    async fn whole_at_once(&mut self, session: &mut Session, reduced: &Reduced) -> Result<Written> {
        let lanes = [&reduced.inserts, &reduced.snapshots, &reduced.upserts];
        let lanes: Vec<&RecordBatch> = lanes.into_iter().flatten().collect();
        let Some(first) = lanes.first() else { return Ok(Written::default()) };
        if lanes.len() == 1 && reduced.upserts.is_none() {
            return self.insert(session, Limits::NONE, first).await;
        }
        let rows = concat_batches(&first.schema(), lanes).map_err(unencodable)?;
        let updated = reduced.upserts.as_ref().map_or(0, RecordBatch::num_rows) as u64;
        let inserted = rows.num_rows() as u64 - updated;
        self.insert_or_update(session, Limits::NONE, &rows).await?;
        Ok(Written { inserted, updated, deleted: 0 })
    }

    async fn all_partial(
        &mut self,
        session: &mut Session,
        limits: Limits,
        reduced: &Reduced,
    ) -> Result<Written> {
        let mut written = Written::default();
        for partial in &reduced.partial {
            written.updated += self.update_partial(session, limits, partial).await?;
        }
        Ok(written)
    }

    async fn update_partial(
        &mut self,
        session: &mut Session,
        limits: Limits,
        partial: &PartialRows,
    ) -> Result<u64> {
        let columns: Vec<usize> = partial.mask.iter().collect();
        let mut updated = 0;
        if let Some(sql) = self.plan.update(&columns) {
            let runs = self.execute(session, limits, &sql, &columns, &partial.rows).await?;
            updated = runs.total();
            if runs.missed().next().is_none() {
                return Ok(updated);
            }
        }
        let places = self.plan.key.iter().filter_map(|key| columns.iter().position(|at| at == key));
        let keys = partial.rows.project(&places.collect::<Vec<_>>()).map_err(unencodable)?;
        if self.count_missing(session, &keys).await? > 0 {
            return Err(self.incomplete(&self.plan.lacking(&partial.mask)));
        }
        Ok(updated)
    }

    async fn count_missing(&self, session: &mut Session, keys: &RecordBatch) -> Result<i64> {
        let encoders = self.encoders(&self.plan.key, keys)?;
        let parameters = self.arrays(&self.plan.key, &encoders, 0..keys.num_rows())?;
        let answer = session.query(&self.plan.count_missing(), &as_parameters(&parameters)).await;
        let answer = answer.map_err(|error| self.refused(error))?;
        answer.first().map_or(Ok(0), |row| super::session::field(row, 0))
    }

    /// Whole rows whose key is likely to be there, unless those of the last time were not.
    async fn upsert_whole(
        &mut self,
        session: &mut Session,
        limits: Limits,
        rows: &RecordBatch,
    ) -> Result<Written> {
        // Few rows say nothing of those that follow.
        if rows.num_rows() < COPY_ROWS_MIN {
            return self.update_or_insert(session, limits, rows).await;
        }
        // Order: what fails says nothing of the next rows either.
        let written = match std::mem::take(&mut self.expects_new) {
            true => self.insert(session, limits, rows).await?,
            false => self.update_or_insert(session, limits, rows).await?,
        };
        self.expects_new = written.updated == 0;
        Ok(written)
    }

    /// Whole rows whose key may be there.
    async fn update_or_insert(
        &mut self,
        session: &mut Session,
        limits: Limits,
        rows: &RecordBatch,
    ) -> Result<Written> {
        let columns = self.plan.all();
        let Some(update) = self.plan.update(&columns) else {
            let inserted = self.insert_missing(session, limits, rows).await?;
            return Ok(Written { inserted, ..Written::default() });
        };
        let runs = self.execute(session, limits, &update, &columns, rows).await?;
        let mut written = Written { updated: runs.total(), ..Written::default() };
        for run in runs.missed() {
            let missed = rows.slice(run.start, run.len());
            written.inserted += self.insert_missing(session, limits, &missed).await?;
        }
        Ok(written)
    }

    async fn insert_missing(
        &mut self,
        session: &mut Session,
        limits: Limits,
        rows: &RecordBatch,
    ) -> Result<u64> {
        let sql = self.plan.insert_missing();
        Ok(self.execute(session, limits, &sql, &self.plan.all(), rows).await?.total())
    }

    async fn insert_or_update(
        &mut self,
        session: &mut Session,
        limits: Limits,
        rows: &RecordBatch,
    ) -> Result<u64> {
        let sql = self.plan.insert_or_update();
        Ok(self.execute(session, limits, &sql, &self.plan.all(), rows).await?.total())
    }

    /// Whole rows that are new, or perhaps new.
    async fn insert(
        &mut self,
        session: &mut Session,
        limits: Limits,
        rows: &RecordBatch,
    ) -> Result<Written> {
        if self.plan.nullable_key {
            return self.update_or_insert(session, limits, rows).await;
        }
        if rows.num_rows() < COPY_ROWS_MIN {
            let inserted = self.insert_or_update(session, limits, rows).await?;
            return Ok(Written { inserted, ..Written::default() });
        }
        if !self.target.copyable || !self.copies.worth_trying() {
            return self.present_or_new(session, limits, rows).await;
        }
        session.ahead("SAVEPOINT copy");
        match self.copy(session, rows).await {
            Ok(inserted) => {
                session.ahead("RELEASE SAVEPOINT copy");
                self.copies.succeeded();
                Ok(Written { inserted, ..Written::default() })
            }
            Err(error) if sqlstate::code(&error) == Some(sqlstate::UNIQUE_VIOLATION) => {
                session.ahead("ROLLBACK TO SAVEPOINT copy; RELEASE SAVEPOINT copy");
                self.copies.failed();
                self.present_or_new(session, limits, rows).await
            }
            Err(error) => Err(error),
        }
    }

    /// Rows that `COPY` can't write, since some are there already.
    async fn present_or_new(
        &mut self,
        session: &mut Session,
        limits: Limits,
        rows: &RecordBatch,
    ) -> Result<Written> {
        if self.target.refers_to_itself() {
            let updated = self.insert_or_update(session, Limits::NONE, rows).await?;
            return Ok(Written { updated, ..Written::default() });
        }
        self.update_or_insert(session, limits, rows).await
    }

    async fn copy(&self, session: &mut Session, rows: &RecordBatch) -> Result<u64> {
        let encoders = self.encoders(&self.plan.all(), rows)?;
        let mut next = 0;
        let binary = self.plan.copies_binary();
        let sql = self.plan.copy();
        let copied = session.copy(&sql, || {
            if next > rows.num_rows() {
                return Ok(None);
            }
            let mut chunk = Vec::with_capacity(COPY_CHUNK_BYTES + (COPY_CHUNK_BYTES >> 3));
            next = if binary {
                put_binary_rows(&encoders, rows.num_rows(), next, &mut chunk)?
            } else {
                put_text_rows(&encoders, rows.num_rows(), next, &mut chunk)?
            };
            Ok(Some(chunk))
        });
        copied.await.map_err(|error| match error {
            CopyError::Postgres(error) => self.refused(error),
            CopyError::Unfit(unfit) => unfit_error(&self.failed(), &unfit),
        })
    }

    /// Runs a statement over rows in runs within the limits.
    async fn execute(
        &self,
        session: &mut Session,
        limits: Limits,
        sql: &str,
        columns: &[usize],
        rows: &RecordBatch,
    ) -> Result<Runs> {
        let encoders = self.encoders(columns, rows)?;
        let mut runs = Runs(Vec::new());
        for run in limits.runs(rows) {
            let parameters = self.arrays(columns, &encoders, run.clone())?;
            let affected = session.execute(sql, &as_parameters(&parameters)).await;
            runs.0.push((run, affected.map_err(|error| self.refused(error))?));
        }
        Ok(runs)
    }

    fn encoders(&self, columns: &[usize], rows: &RecordBatch) -> Result<Vec<Encoder>> {
        columns
            .iter()
            .zip(rows.columns())
            .map(|(&index, array)| {
                let form = self.plan.columns.get(index).map_or(Form::Cast, |column| column.form);
                Encoder::new(array, form).map_err(unencodable)
            })
            .collect()
    }

    fn arrays(
        &self,
        columns: &[usize],
        encoders: &[Encoder],
        rows: Range<usize>,
    ) -> Result<Vec<Encoded>> {
        let encode = |(&index, encoder): (&usize, &Encoder)| {
            let column = self.plan.columns.get(index);
            let mut array = Vec::with_capacity(20 + rows.len() * 12);
            let element = column.map_or(0, |column| column.element);
            encoder.put_array(element, rows.clone(), &mut array).map_err(|unfit| {
                let name = column.map_or("", |column| &column.sql);
                unfit_error(&format!("{}, column {name}", self.failed()), &unfit)
            })?;
            Ok(Encoded(array))
        };
        columns.iter().zip(encoders).map(encode).collect()
    }

    fn failed(&self) -> String {
        format!("{} refuses the rows", self.schema.name())
    }

    pub(super) fn refused(&self, error: tokio_postgres::Error) -> Error {
        let failed = match sqlstate::kind_of(&error) {
            Kind::Rejected => self.failed(),
            _ => format!("can't write to {}", self.schema.name()),
        };
        let error = sqlstate::error(failed, error);
        if sqlstate::code(&error) != Some(sqlstate::INSUFFICIENT_PRIVILEGE) {
            return error;
        }
        let (table, role) = (&self.target.sql, &self.role);
        error.hint(format!("GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON {table} TO {role}"))
    }

    fn incomplete(&self, unknown: &str) -> Error {
        let table = self.schema.name();
        let message = format!("{table} lacks a row that only some columns are known of");
        Error::new(Kind::Rejected, message)
            .detail(format!("the change does not speak of {unknown}, and the row is not there"))
            .hint("the row is made whole by its next full change, or by a backfill of the table")
    }
}

impl Limits {
    /// Everything in one statement.
    const NONE: Self = Self { rows: usize::MAX, bytes: usize::MAX };

    /// Runs of rows within the limits, as far as the rows are of like size.
    fn runs(self, rows: &RecordBatch) -> impl Iterator<Item = Range<usize>> + use<> {
        let count = rows.num_rows();
        let own_bytes = |array: &ArrayRef| {
            let data = array.to_data();
            data.get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size())
        };
        let row_bytes = rows.columns().iter().map(own_bytes).sum::<usize>() / count.max(1);
        let step = self.rows.min(self.bytes / row_bytes.max(1)).clamp(1, count.max(1));
        (0..count).step_by(step).map(move |start| start..count.min(start + step))
    }
}

/// How many rows each run of a statement affected.
struct Runs(Vec<(Range<usize>, u64)>);

impl Runs {
    fn total(&self) -> u64 {
        self.0.iter().map(|(_, affected)| affected).sum()
    }

    /// The runs that affected fewer rows than they have.
    fn missed(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let short = self.0.iter().filter(|(run, affected)| *affected < run.len() as u64);
        short.map(|(run, _)| run.clone())
    }
}

fn as_parameters(arrays: &[Encoded]) -> Vec<&(dyn ToSql + Sync)> {
    arrays.iter().map(|array| array as &(dyn ToSql + Sync)).collect()
}

fn unencodable(error: arrow_schema::ArrowError) -> Error {
    Error::new(Kind::Internal, "columns are not of the types of their schema").caused_by(error)
}
