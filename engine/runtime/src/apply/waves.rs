//! What is written together. Pure.

use super::{Step, concat};
use crate::isolate::MappedRows;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use syncline_core::{ChangeBatch, ParkKey, Result, TableName, Transform};

/// Steps that may be written together: no table twice, and a truncate by itself.
pub(super) fn waves(steps: Vec<Step>, transforms: &[Arc<dyn Transform>]) -> Vec<Vec<Step>> {
    let mut waves: Vec<Vec<Step>> = Vec::new();
    let mut tables: HashSet<TableName> = HashSet::new();
    let mut truncating = false;
    for step in steps {
        let (mapping, truncates) = match &step {
            Step::Rows(mapped) => (mapped.mapping, false),
            Step::Truncate { mapping } => (*mapping, true),
        };
        let table = transforms[mapping].writes().name().clone();
        let joins = truncates == truncating && !tables.contains(&table);
        if !joins || waves.is_empty() {
            waves.push(Vec::new());
            tables.clear();
            truncating = truncates;
        }
        tables.insert(table);
        waves.last_mut().expect("pushed above").push(step);
    }
    waves
}

/// How many of the first rows are of one mapping.
pub(super) fn alike(keys: &[ParkKey], most: usize) -> usize {
    let first = keys.first().map(|key| &key.mapping);
    keys.iter().take(most).take_while(|key| Some(&key.mapping) == first).count()
}

/// One batch a mapping.
pub(super) fn together(rows: impl Iterator<Item = MappedRows>) -> Result<Vec<MappedRows>> {
    let mut batches: BTreeMap<usize, Vec<ChangeBatch>> = BTreeMap::new();
    for MappedRows { mapping, rows } in rows {
        batches.entry(mapping).or_default().push(rows);
    }
    batches
        .into_iter()
        .map(|(mapping, batches)| Ok(MappedRows { mapping, rows: concat(&batches)? }))
        .collect()
}
