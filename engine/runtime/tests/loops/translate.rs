//! A mapping that refuses what it is told to.

use crate::law::{HIDDEN, Refusals, batch_of};
use crate::support::text;
use std::sync::{Arc, Mutex};
use syncline_core::{
    ChangeBatch, Error, Kind, Op, RejectedRow, TableName, TableSchema, Transaction, TransactionRun,
    Transform, Transformed,
};

/// `SELECT key, name, bio FROM people WHERE name <> 'name3'`, as [`Transform`] says it has to be.
#[derive(Debug)]
pub(crate) struct Translate {
    pub(crate) key: usize,
    pub(crate) reads: TableName,
    pub(crate) writes: Arc<TableSchema>,
    pub(crate) refusals: Arc<Mutex<Refusals>>,
}

/// Target rows in the making: operation, the source row, values.
type Given = Vec<(Op, usize, [Option<String>; 3])>;

impl Translate {
    fn key(&self, batch: &ChangeBatch, row: usize, refused: &[String]) -> Option<String> {
        text(batch, self.key, row).filter(|key| !refused.contains(key))
    }

    /// Whether an image that is no more tells that the target never had its row.
    fn was_hidden(batch: &ChangeBatch, row: usize) -> bool {
        text(batch, 2, row).as_deref() == Some(HIDDEN)
    }

    fn leave(&self, batch: &ChangeBatch, row: usize, image: usize, refused: &[String]) -> Given {
        let key = self.key(batch, image, refused);
        key.map(|key| (Op::Delete, row, [Some(key), None, None])).into_iter().collect()
    }

    fn row(
        &self,
        batch: &ChangeBatch,
        row: usize,
        refused: &[String],
    ) -> Result<Given, &'static str> {
        let before = row.checked_sub(1).filter(|&row| batch.op(row) == Op::Before);
        let gone = before.is_some_and(|before| Self::was_hidden(batch, before));
        let name = text(batch, 2, row);
        if batch.op(row) == Op::Delete {
            let hidden = Self::was_hidden(batch, row);
            return Ok(if hidden { Vec::new() } else { self.leave(batch, row, row, refused) });
        }
        if name.as_ref().is_some_and(|name| refused.contains(name)) {
            return Err("the name can't be mapped");
        }
        if name.as_deref() == Some(HIDDEN) {
            return Ok(match batch.op(row) == Op::Update && !gone {
                true => self.leave(batch, row, before.unwrap_or(row), refused),
                false => Vec::new(),
            });
        }
        let Some(key) = self.key(batch, row, refused) else {
            return Err("the key can't be mapped");
        };
        let older = before.filter(|_| !gone).and_then(|before| self.key(batch, before, refused));
        let moved = older.filter(|older| *older != key);
        if moved.is_some() && !batch.mask(row).is_all() {
            return Err("the key changed, and the change does not have the whole row");
        }
        let old = moved.map(|old| (Op::Delete, row, [Some(old), None, None]));
        let new = (batch.op(row), row, [Some(key), name, text(batch, 3, row)]);
        Ok(old.into_iter().chain([new]).collect())
    }
}

impl Transform for Translate {
    fn name(&self) -> &str {
        "sis.public.people to records"
    }

    fn reads(&self) -> &TableName {
        &self.reads
    }

    fn writes(&self) -> &Arc<TableSchema> {
        &self.writes
    }

    fn transform(&self, batch: &ChangeBatch) -> syncline_core::Result<Transformed> {
        let refusals = self.refusals.lock().unwrap().clone();
        if refusals.misfit {
            return Err(Error::new(Kind::Config, "the table is not what it was"));
        }
        let (mut given, mut rejected) = (Given::new(), Vec::new());
        for row in (0..batch.len()).filter(|&row| batch.op(row) != Op::Before) {
            match self.row(batch, row, &refusals.mapping) {
                Ok(rows) => given.extend(rows),
                Err(reason) => rejected.push(RejectedRow {
                    row,
                    expression: None,
                    reason: reason.into(),
                    hint: None,
                }),
            }
        }
        let transactions: Vec<Transaction> = batch.row_transactions().copied().collect();
        let runs = given
            .iter()
            .map(|(_, row, _)| TransactionRun { transaction: transactions[*row], rows: 1 });
        let rows = batch_of(
            &self.writes,
            &given.iter().map(|(_, _, values)| values.clone()).collect::<Vec<_>>(),
            given.iter().map(|(op, ..)| *op as u8).collect(),
            given.iter().map(|(_, row, _)| batch.ordinals()[*row]).collect(),
            runs.collect(),
        );
        let origins = given.iter().map(|(_, row, _)| u32::try_from(*row).unwrap()).collect();
        Ok(Transformed { rows, origins, rejected })
    }
}
