//! The reading half of a reader: records → steps with mapped rows.

use super::Reach;
use crate::chunk::{Commit, next_chunk};
use std::collections::HashMap;
use std::sync::Arc;
use syncline_core::{
    Body, ChangeBatch, ChangeLog, Error, Kind, Offset, Record, RejectedRow, Result, TableName,
    Topic, Transform, Transformed,
};
use tokio::sync::mpsc;

/// Reads a topic and runs the mappings on what it says.
pub(crate) struct Preparing {
    pub(crate) log: Arc<dyn ChangeLog>,
    pub(crate) topic: Topic,
    pub(crate) transforms: Vec<Arc<dyn Transform>>,
    pub(crate) reach: Arc<Reach>,
}

/// A step ready to be written.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Give up what was written since the last commit, before anything else.
    pub(crate) rollback: bool,
    /// What to write, in order.
    pub(crate) steps: Vec<Step>,
    /// Commit after writing.
    pub(crate) commit: Option<Commit>,
    /// Where it was read until.
    pub(crate) next: Offset,
    /// Commit time of the first streamed row, µs since 1970 UTC.
    pub(crate) oldest: Option<i64>,
}

/// One thing to write.
#[derive(Debug)]
pub(crate) enum Step {
    /// What one mapping made of consecutive changes of one table.
    Rows(Box<Mapped>),
    /// Tables were emptied.
    Truncate {
        /// Index of the mapping in the lane.
        mapping: usize,
    },
}

/// A mapping's work on one batch.
#[derive(Debug)]
pub(crate) struct Mapped {
    /// Index of the mapping in the lane.
    pub(crate) mapping: usize,
    /// What it read.
    pub(crate) input: ChangeBatch,
    /// What it gave.
    pub(crate) output: Transformed,
    /// The first entry that `input` came with.
    pub(crate) offset: Offset,
}

/// Batches smaller than this are mapped in place: moving them to another thread costs more.
const MAP_IN_PLACE_ROWS: usize = 512;

impl Preparing {
    /// Prepares step after step until the writing half is gone. An error ends it, after being
    /// handed over.
    pub(crate) async fn run(self, mut from: Offset, steps: mpsc::Sender<Result<Prepared>>) {
        let mut open = false;
        loop {
            let prepared = self.step(&mut from, &mut open).await;
            let failed = prepared.is_err();
            if steps.send(prepared).await.is_err() || failed {
                return;
            }
        }
    }

    async fn step(&self, from: &mut Offset, open: &mut bool) -> Result<Prepared> {
        let records = self.log.read(&self.topic, *from, self.reach.bytes()).await?;
        let chunk = next_chunk(records, *open);
        *from = chunk.next;
        *open = chunk.commit.is_none();
        Ok(Prepared {
            rollback: chunk.rollback,
            oldest: oldest_streamed(&chunk.entries),
            steps: self.map(&chunk.entries).await?,
            commit: chunk.commit,
            next: chunk.next,
        })
    }

    async fn map(&self, records: &[Record]) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        for group in group(records)? {
            for (mapping, transform) in self.transforms.iter().enumerate() {
                match &group {
                    Group::Rows { input, offset } if input.schema().name() == transform.reads() => {
                        let input = input.clone();
                        let output = run_transform(transform, &input).await?;
                        let mapped = Mapped { mapping, input, output, offset: *offset };
                        steps.push(Step::Rows(Box::new(mapped)));
                    }
                    Group::Truncate(tables) if tables.contains(transform.reads()) => {
                        steps.push(Step::Truncate { mapping });
                    }
                    Group::Rows { .. } | Group::Truncate(_) => {}
                }
            }
        }
        Ok(steps)
    }
}

/// Consecutive changes of one table, or tables emptied.
enum Group {
    Rows { input: ChangeBatch, offset: Offset },
    Truncate(Vec<TableName>),
}

/// Joins the batches of each table, keeping order where it counts: a table's own, and around a
/// truncate.
fn group(records: &[Record]) -> Result<Vec<Group>> {
    let mut groups = Vec::new();
    let mut gathered = Gathered::default();
    for record in records {
        match &record.entry.body {
            Body::Rows(batch) => gathered.add(batch, record.offset, &mut groups)?,
            Body::Truncate(tables) => {
                gathered.flush(&mut groups)?;
                groups.push(Group::Truncate(tables.clone()));
            }
            Body::Abandoned | Body::Nothing => {}
        }
    }
    gathered.flush(&mut groups)?;
    Ok(groups)
}

/// Batches by table, in order of first appearance.
#[derive(Default)]
struct Gathered {
    order: Vec<TableName>,
    batches: HashMap<TableName, (Offset, Vec<ChangeBatch>)>,
}

impl Gathered {
    fn add(&mut self, batch: &ChangeBatch, at: Offset, groups: &mut Vec<Group>) -> Result<()> {
        let name = batch.schema().name();
        let held = self.batches.get(name).and_then(|(_, batches)| batches.last());
        if held.is_some_and(|held| held.schema() != batch.schema()) {
            self.flush(groups)?;
        }
        match self.batches.get_mut(name) {
            Some((_, batches)) => batches.push(batch.clone()),
            None => {
                self.order.push(name.clone());
                self.batches.insert(name.clone(), (at, vec![batch.clone()]));
            }
        }
        Ok(())
    }

    fn flush(&mut self, groups: &mut Vec<Group>) -> Result<()> {
        for name in std::mem::take(&mut self.order) {
            if let Some((offset, batches)) = self.batches.remove(&name) {
                groups.push(Group::Rows { input: concat(&batches)?, offset });
            }
        }
        Ok(())
    }
}

/// Batches of one schema as one.
pub(crate) fn concat(batches: &[ChangeBatch]) -> Result<ChangeBatch> {
    ChangeBatch::concat(batches).map_err(|error| {
        Error::new(Kind::Internal, "batches of one schema could not be joined").caused_by(error)
    })
}

/// Runs a mapping. Where the table's columns no longer fit it, every row is rejected by itself, so
/// that nothing is lost and everything else flows.
pub(crate) async fn run_transform(
    transform: &Arc<dyn Transform>,
    input: &ChangeBatch,
) -> Result<Transformed> {
    let outcome = if input.len() < MAP_IN_PLACE_ROWS {
        transform.transform(input)
    } else {
        let (transform, input) = (transform.clone(), input.clone());
        tokio::task::spawn_blocking(move || transform.transform(&input))
            .await
            .map_err(|error| Error::new(Kind::Internal, "a mapping panicked").caused_by(error))?
    };
    match outcome {
        Err(error) if error.kind() == Kind::Config => reject_all(transform, input, &error),
        other => other,
    }
}

fn reject_all(
    transform: &Arc<dyn Transform>,
    input: &ChangeBatch,
    error: &Error,
) -> Result<Transformed> {
    let rows = ChangeBatch::empty(transform.writes().clone());
    let reason = match error.detail_text() {
        Some(detail) => format!("{error}: {detail}"),
        None => error.to_string(),
    };
    let rejected = (0..input.len())
        .filter(|&row| input.op(row) != syncline_core::Op::Before)
        .map(|row| RejectedRow {
            row,
            expression: None,
            reason: reason.clone(),
            hint: error.hint_text().map(Into::into),
        })
        .collect();
    Ok(Transformed { rows, origins: Vec::new(), rejected })
}

fn oldest_streamed(records: &[Record]) -> Option<i64> {
    records.iter().find_map(|record| match &record.entry.body {
        Body::Rows(batch) => batch.first_streamed(),
        Body::Truncate(_) | Body::Abandoned | Body::Nothing => None,
    })
}
