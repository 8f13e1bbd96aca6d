//! What a mapping's rows say, as observations.

use super::RecordKeys;
use crate::cells::Cells;
use crate::claims::{Observation, Said, Speaker};
use crate::policy::Compiled;
use crate::{Mark, Stamp};
use syncline_core::{ChangeBatch, Op, Position, Result, Transaction};

/// A batch of rows that a mapping gave for an entity, ready to be heard.
#[derive(Debug)]
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
        let said = match self.is_gone(row) {
            true => Said::Gone,
            false => Said::Here(self.kept(row).collect()),
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

    /// The mapping that gave the rows.
    pub(crate) fn mapping(&self) -> u16 {
        self.mapping
    }

    /// Whether a row says that its record is there or gone, known by the key that it had, and not by our hand.
    pub(crate) fn is_plain(&self, row: usize) -> bool {
        self.batch.op(row) != Op::Before && !self.echoes[row] && self.records.former(row).is_none()
    }

    /// Whether a row says that its record is gone.
    pub(crate) fn is_gone(&self, row: usize) -> bool {
        self.batch.op(row) == Op::Delete
    }

    /// Who says a row, and when.
    pub(crate) fn speaker(&self, row: usize) -> Speaker<'_> {
        let record = self.records.get(row).as_bytes();
        Speaker { mapping: self.mapping, record, mark: self.marks[row] }
    }

    /// The columns beside the key: field number, cells, place in the batch.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (u16, &Cells, usize)> {
        self.columns.iter().map(|(field, cells, place, _)| (*field, cells, *place))
    }

    /// What a row says in which field, sorted by field.
    pub(crate) fn said(&self, row: usize) -> impl Iterator<Item = (u16, Option<&[u8]>)> + Clone {
        self.kept(row).map(|(field, value, _)| (field, value))
    }

    /// What a row says, and how many runs before it are kept.
    pub(crate) fn kept(
        &self,
        row: usize,
    ) -> impl Iterator<Item = (u16, Option<&[u8]>, u8)> + Clone {
        let presence = self.batch.presence();
        let present = self.columns.iter().filter(move |column| presence.has(row, column.2));
        present.map(move |(field, cells, _, older)| (*field, cells.get(row), *older))
    }
}

fn mark(transaction: &Transaction, ordinal: u32, copied: bool) -> Mark {
    let Transaction { epoch, commit, committed_at, .. } = *transaction;
    Mark {
        position: Position { epoch, commit, ordinal },
        stamp: Stamp { micros: committed_at, copied },
    }
}
