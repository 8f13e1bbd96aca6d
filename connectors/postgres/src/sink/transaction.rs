//! An opened sink and its transaction: what may be committed, and in which order tables are written.
//!
//! Order within a step, so that constraints hold after every statement: deletes of tables that no
//! foreign key refers to, which gives their unique values back; then for parents before children
//! the updates and inserts; then for children before parents the deletes of the others. Where a
//! unique value is handed over within a table of the last kind, the same is tried once more with all
//! deletes first.

use super::durability::Durability;
use super::lanes::{Limits, Writer};
use super::order::{Node, parents_first};
use super::session::{Session, field};
use super::sqlstate;
use super::steps::{Step, TableRows, same};
use super::target::{self, TargetTable};
use fail::fail_point;
use std::collections::HashMap;
use std::sync::Arc;
use syncline_core::{
    ChangeBatch, Error, Kind, Offset, ReaderName, Reduced, Result, TableName, TableSchema, Written,
    reduce,
};

/// A sink that was opened.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) session: Session,
    pub(super) durability: Durability,
    pub(super) reader: ReaderName,
    role: String,
    limits: Limits,
    /// What each transaction begins with, so that it is known as ours where it comes back.
    pub(super) mark: Option<String>,
    /// Where the reader is, as far as this sink knows.
    pub(super) next: Option<Offset>,
    pub(super) in_transaction: bool,
    /// A call failed half-way or was abandoned: the transaction can't be committed.
    pub(super) in_doubt: bool,
    /// Whether the database has a constraint that is checked at the commit unless told otherwise: a
    /// trigger or a cascade may meet it in a table that we don't write.
    deferred: bool,
    writers: HashMap<TableName, Vec<Writer>>,
}

const DEFERRED: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE condeferred)";

/// When the tables of a step have their deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deletes {
    /// First where no foreign key refers to the table, last elsewhere.
    FirstWhereUnreferenced,
    /// First everywhere.
    First,
}

/// One table of a step, reduced.
type TableLanes<'a> = (&'a Arc<TableSchema>, Reduced);

impl Open {
    /// # Errors
    /// When the catalog can't be asked.
    pub(super) async fn new(
        mut session: Session,
        durability: Durability,
        reader: &ReaderName,
        role: &str,
        limits: Limits,
    ) -> Result<Self> {
        let answer = session.query(DEFERRED, &[]).await;
        let answer = answer.map_err(|error| sqlstate::error("can't look at constraints", error))?;
        let deferred = answer.first().map_or(Ok(false), |row| field(row, 0))?;
        Ok(Self {
            session,
            durability,
            reader: reader.clone(),
            role: role.to_owned(),
            limits,
            mark: None,
            next: None,
            in_transaction: false,
            in_doubt: false,
            deferred,
            writers: HashMap::new(),
        })
    }

    /// Begins a transaction where none is open. Until the call ends well the transaction is in
    /// doubt, so that a call that is dropped half-way can't be committed.
    pub(super) fn begin(&mut self) -> Result<()> {
        if self.in_doubt {
            return Err(Error::new(Kind::Internal, "a write failed half-way")
                .hint("roll back or open the sink again"));
        }
        if !self.in_transaction {
            self.session.ahead("BEGIN");
            if let Some(mark) = &self.mark {
                self.session.ahead(mark);
            }
            self.in_transaction = true;
        }
        self.in_doubt = true;
        Ok(())
    }

    pub(super) async fn write(&mut self, steps: &[Step]) -> Result<Written> {
        let mut written = Written::default();
        let deferrable = self.prepare(steps).await?;
        self.session.ahead("SAVEPOINT write");
        if deferrable {
            self.session.ahead("SET CONSTRAINTS ALL DEFERRED");
        }
        for step in steps {
            written += match step {
                Step::Rows(tables) => self.write_rows(tables).await?,
                Step::Truncate(tables) => self.truncate(tables).await?,
            };
            fail_point!("sink.step");
        }
        if deferrable {
            // A row that breaks a constraint is refused here, where the caller can part it from
            // the others, not when it commits.
            let checked = self.session.run("SET CONSTRAINTS ALL IMMEDIATE").await;
            checked.map_err(|error| sqlstate::error("the target refuses the rows", error))?;
        }
        Ok(written)
    }

    /// Leaves the transaction as the contract says after a write.
    pub(super) fn settle(&mut self, written: Result<Written>) -> Result<Written> {
        match &written {
            Ok(_) => self.session.ahead("RELEASE SAVEPOINT write"),
            Err(error) if error.kind() == Kind::Rejected => {
                if sqlstate::code(error) == Some(sqlstate::DATATYPE_MISMATCH) {
                    self.writers.clear();
                }
                self.session.ahead("ROLLBACK TO SAVEPOINT write; RELEASE SAVEPOINT write");
            }
            Err(_) => {
                // What we know of the tables may be why.
                self.writers.clear();
                return written;
            }
        }
        self.in_doubt = false;
        written
    }

    /// Learns of every table before the first row is sent; returns whether constraints can be
    /// checked late.
    async fn prepare(&mut self, steps: &[Step]) -> Result<bool> {
        let mut deferrable = self.deferred;
        for step in steps {
            let schemas: Vec<&Arc<TableSchema>> = match step {
                Step::Rows(tables) => tables.iter().map(|table| &table.schema).collect(),
                Step::Truncate(tables) => tables.iter().collect(),
            };
            for schema in schemas {
                deferrable |= self.writer_for(schema).await?.target.deferrable;
            }
        }
        Ok(deferrable)
    }

    async fn writer_for(&mut self, schema: &Arc<TableSchema>) -> Result<&mut Writer> {
        let writers = self.writers.entry(schema.name().clone()).or_default();
        let place = match writers.iter().position(|writer| same(&writer.schema, schema)) {
            Some(place) => place,
            None => {
                let TableName::Table { schema: space, table, .. } = schema.name() else {
                    let message = format!("{} is an entity, not a table", schema.name());
                    return Err(Error::new(Kind::Internal, message));
                };
                let flushed = self.session.flush().await;
                flushed.map_err(|error| sqlstate::error("can't begin to write", error))?;
                let target = target::describe(self.session.client(), space, table).await?;
                writers.push(Writer::new(schema.clone(), target, &self.role)?);
                writers.len() - 1
            }
        };
        Ok(writers.get_mut(place).expect("it was found or pushed"))
    }

    async fn write_rows(&mut self, tables: &[TableRows]) -> Result<Written> {
        let mut reduced = Vec::with_capacity(tables.len());
        let mut nodes = Vec::with_capacity(tables.len());
        let mut late_deletes = false;
        for TableRows { schema, batches } in tables {
            let rows = ChangeBatch::concat(batches).map_err(|error| {
                let message = format!("batches of {} don't fit together", schema.name());
                Error::new(Kind::Internal, message).caused_by(error)
            })?;
            let rows = reduce(&rows)?;
            let target = &self.writer_for(schema).await?.target;
            late_deletes |= target.is_referenced() && rows.deletes.is_some();
            nodes.push(target.node());
            reduced.push((schema, rows));
        }
        let order = parents_first(&nodes);
        let ordered: Vec<&TableLanes<'_>> =
            order.iter().filter_map(|&index| reduced.get(index)).collect();
        if !late_deletes {
            return self.write_ordered(&ordered, Deletes::First).await;
        }
        self.session.ahead("SAVEPOINT step");
        let mut written = self.write_ordered(&ordered, Deletes::FirstWhereUnreferenced).await;
        let taken = |error: &Error| sqlstate::code(error) == Some(sqlstate::UNIQUE_VIOLATION);
        if written.as_ref().is_err_and(taken) {
            self.session.ahead("ROLLBACK TO SAVEPOINT step");
            written = self.write_ordered(&ordered, Deletes::First).await;
        }
        if written.is_ok() {
            self.session.ahead("RELEASE SAVEPOINT step");
        }
        written
    }

    async fn write_ordered(
        &mut self,
        tables: &[&TableLanes<'_>],
        deletes: Deletes,
    ) -> Result<Written> {
        let mut written = Written::default();
        for (schema, rows) in tables.iter().rev() {
            let (writer, session, limits) = self.parts(schema)?;
            if deletes == Deletes::First || !writer.target.is_referenced() {
                written += writer.delete(session, limits, rows).await?;
            }
        }
        for (schema, rows) in tables {
            let (writer, session, limits) = self.parts(schema)?;
            written += writer.upsert(session, limits, rows).await?;
        }
        for (schema, rows) in tables.iter().rev() {
            let (writer, session, limits) = self.parts(schema)?;
            if deletes != Deletes::First && writer.target.is_referenced() {
                written += writer.delete_late(session, limits, rows).await?;
            }
        }
        Ok(written)
    }

    fn parts(&mut self, schema: &Arc<TableSchema>) -> Result<(&mut Writer, &mut Session, Limits)> {
        let writers = self.writers.get_mut(schema.name());
        let mut writers = writers.into_iter().flatten();
        let writer = writers.find(|writer| same(&writer.schema, schema)).ok_or_else(|| {
            let message = format!("{} is written before it was looked at", schema.name());
            Error::new(Kind::Internal, message)
        })?;
        Ok((writer, &mut self.session, self.limits))
    }

    /// Empties tables: at once where no other table refers to them, else row by row.
    async fn truncate(&mut self, tables: &[Arc<TableSchema>]) -> Result<Written> {
        let mut targets = Vec::with_capacity(tables.len());
        for schema in tables {
            targets.push(self.parts(schema)?.0.target.clone());
        }
        let emptied: Vec<u32> = targets.iter().map(|target| target.oid).collect();
        let alone = targets.iter().flat_map(|target| &target.children).all(|c| emptied.contains(c));
        let mut written = Written::default();
        let Some(first) = tables.first() else { return Ok(written) };
        if alone {
            let names: Vec<&str> = targets.iter().map(|target| target.sql.as_str()).collect();
            let (writer, session, _) = self.parts(first)?;
            let done = session.run(&format!("TRUNCATE {}", names.join(", "))).await;
            done.map_err(|error| writer.refused(error))?;
            return Ok(written);
        }
        let nodes: Vec<Node> = targets.iter().map(TargetTable::node).collect();
        for schema in parents_first(&nodes).into_iter().rev().filter_map(|index| tables.get(index))
        {
            let (writer, session, _) = self.parts(schema)?;
            let deleted = session.execute(&format!("DELETE FROM {}", writer.target.sql), &[]).await;
            written.deleted += deleted.map_err(|error| writer.refused(error))?;
        }
        Ok(written)
    }
}
