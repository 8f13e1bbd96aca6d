//! Cuts what is to be written into steps whose tables may be written in any order. Pure.

use std::sync::Arc;
use syncline_core::{ChangeBatch, TableSchema, TargetChange};

/// What is written together.
#[derive(Debug)]
pub(crate) enum Step {
    /// Rows of several tables: each table once.
    Rows(Vec<TableRows>),
    /// Tables emptied together.
    Truncate(Vec<Arc<TableSchema>>),
}

/// All rows of one table in one step, in order.
#[derive(Debug)]
pub(crate) struct TableRows {
    /// The table and its columns.
    pub(crate) schema: Arc<TableSchema>,
    /// Their batches.
    pub(crate) batches: Vec<ChangeBatch>,
}

/// A step ends where a table is emptied, and where rows of a table come with other columns than
/// before: both must not pass each other.
pub(crate) fn steps(changes: &[TargetChange]) -> Vec<Step> {
    let mut steps = Vec::new();
    for change in changes {
        match change {
            TargetChange::Rows(batch) if batch.is_empty() => {}
            TargetChange::Rows(batch) => add_rows(&mut steps, batch),
            TargetChange::Truncate(schema) => match steps.last_mut() {
                Some(Step::Truncate(tables)) => tables.push(schema.clone()),
                _ => steps.push(Step::Truncate(vec![schema.clone()])),
            },
        }
    }
    steps
}

fn add_rows(steps: &mut Vec<Step>, batch: &ChangeBatch) {
    let rows = || TableRows { schema: batch.schema().clone(), batches: vec![batch.clone()] };
    if let Some(Step::Rows(tables)) = steps.last_mut() {
        match tables.iter_mut().find(|table| table.schema.name() == batch.schema().name()) {
            None => return tables.push(rows()),
            Some(table) if same(&table.schema, batch.schema()) => {
                return table.batches.push(batch.clone());
            }
            Some(_) => {}
        }
    }
    steps.push(Step::Rows(vec![rows()]));
}

/// Whether two schemas write the same columns.
pub(crate) fn same(a: &Arc<TableSchema>, b: &Arc<TableSchema>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}
