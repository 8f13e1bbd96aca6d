//! What a mapping's rows say, as observations.

use super::RecordKeys;
use crate::cells::Cells;
use crate::claims::{Observation, Said};
use crate::policy::Compiled;
use crate::{Mark, Stamp};
use syncline_core::{ChangeBatch, Op, Position, Result, Transaction};

/// A batch of rows that a mapping gave for an entity, ready to be heard.
pub(crate) struct Incoming<'b> {
    batch: &'b ChangeBatch,
    records: &'b RecordKeys,
    mapping: u16,
    marks: Vec<Mark>,
    /// By row, whether it is a write of ours that came back.
    echoes: Vec<bool>,
    columns: Vec<ClaimedColumn>,
}

/// Field number, cells, place in the batch, runs kept.
type ClaimedColumn = (u16, Cells, usize, u8);

impl<'b> Incoming<'b> {
    /// The mapping's schema names the entity's columns that it speaks of.
    pub(crate) fn new(
        rules: &Compiled,
        mapping: u16,
        batch: &'b ChangeBatch,
        records: &'b RecordKeys,
    ) -> Result<Self> {
        let entity = &rules.rules.schema;
        let mut columns = Vec::new();
        for (place, column) in batch.schema().columns().iter().enumerate() {
            let Some(of_entity) = entity.index_of(&column.name) else { continue };
            if entity.key().contains(&of_entity) {
                continue;
            }
            let field = rules.fields[of_entity];
            let cells = Cells::of(batch.columns().column(place))?;
            columns.push((field, cells, place, rules.older_max(field)));
        }
        let mut incoming = Self::of_columns(mapping, batch, records, columns);
        if rules.mapping(mapping).is_some_and(|it| it.returned.is_some()) {
            incoming.echoes = batch.row_transactions().map(|it| it.ours).collect();
        }
        Ok(incoming)
    }

    /// With the cells of these columns, and nothing of ours.
    pub(super) fn of_columns(
        mapping: u16,
        batch: &'b ChangeBatch,
        records: &'b RecordKeys,
        mut columns: Vec<ClaimedColumn>,
    ) -> Self {
        columns.sort_unstable_by_key(|column| column.0);
        let rows = batch.row_transactions().zip(batch.ordinals().iter()).enumerate();
        let marks = rows
            .map(|(row, (transaction, ordinal))| {
                mark(transaction, *ordinal, batch.op(row) == Op::Snapshot)
            })
            .collect();
        let echoes = vec![false; batch.len()];
        Self { batch, records, mapping, marks, echoes, columns }
    }

    /// What a row says.
    pub(crate) fn observation(&self, row: usize) -> Observation<'_> {
        let said = match self.batch.op(row) {
            Op::Delete => Said::Gone,
            Op::Insert | Op::Update | Op::Snapshot | Op::Before => Said::Here(self.values(row)),
        };
        Observation {
            mapping: self.mapping,
            record: self.records.get(row).as_bytes(),
            mark: self.marks[row],
            said,
            echo: self.echoes[row],
        }
    }

    /// That a row's record is no longer known by its former key.
    pub(crate) fn former(&self, row: usize) -> Option<Observation<'_>> {
        let record = self.records.former(row)?.as_bytes();
        let (mapping, mark, echo) = (self.mapping, self.marks[row], self.echoes[row]);
        Some(Observation { mapping, record, mark, said: Said::Gone, echo })
    }

    /// Whether a row was copied.
    pub(crate) fn is_copied(&self, row: usize) -> bool {
        self.batch.op(row) == Op::Snapshot
    }

    fn values(&self, row: usize) -> Vec<(u16, Option<&[u8]>, u8)> {
        let presence = self.batch.presence();
        let present = self.columns.iter().filter(|column| presence.has(row, column.2));
        present.map(|(field, cells, _, older)| (*field, cells.get(row), *older)).collect()
    }
}

fn mark(transaction: &Transaction, ordinal: u32, copied: bool) -> Mark {
    let Transaction { epoch, commit, committed_at, .. } = *transaction;
    Mark {
        position: Position { epoch, commit, ordinal },
        stamp: Stamp { micros: committed_at, copied },
    }
}
