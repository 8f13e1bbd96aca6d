//! The decisions on one entity, out of those on all.

use super::table::{Texts, schema, table};
use std::sync::Arc;
use syncline_core::{
    ChangeBatch, Error, Kind, Result, TableName, TableSchema, Transform, Transformed,
};

/// The name that an entity's decisions come by. No mapping's file has it: those end in `.sql`.
#[must_use]
pub fn mapping_of(entity: &TableName) -> String {
    format!("decisions/{entity}")
}

/// Takes the decisions on one entity out of the table of all.
#[derive(Debug)]
pub struct DecisionsOf {
    entity: String,
    name: String,
    reads: TableName,
    writes: Arc<TableSchema>,
}

impl DecisionsOf {
    /// Those on an entity.
    #[must_use]
    pub fn new(entity: &TableName) -> Self {
        Self {
            entity: entity.to_string(),
            name: mapping_of(entity),
            reads: table(),
            writes: schema(entity.clone()),
        }
    }
}

impl Transform for DecisionsOf {
    fn name(&self) -> &str {
        &self.name
    }

    fn reads(&self) -> &TableName {
        &self.reads
    }

    fn writes(&self) -> &Arc<TableSchema> {
        &self.writes
    }

    fn transform(&self, batch: &ChangeBatch) -> Result<Transformed> {
        if batch.schema().columns() != self.writes.columns() {
            return Err(Error::new(Kind::Config, "the table of decisions has other columns"));
        }
        let texts = Texts::of(batch);
        let is_ours = |row: &usize| texts.get("entity", *row) == self.entity;
        let ours = (0..batch.len()).filter(is_ours);
        let origins: Vec<u32> = ours.filter_map(|row| u32::try_from(row).ok()).collect();
        let refused = |error| {
            Error::new(Kind::Internal, "decisions could not be told apart").caused_by(error)
        };
        let taken = batch.take(&origins).map_err(refused)?;
        let rows = ChangeBatch::try_new(
            self.writes.clone(),
            taken.columns().columns().to_vec(),
            taken.ops().clone(),
            taken.ordinals().clone(),
            taken.transactions().to_vec(),
            taken.presence().clone(),
        );
        Ok(Transformed { rows: rows.map_err(refused)?, origins, rejected: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decisions::{DecisionRow, Deed, rows};
    use syncline_core::{Op, Transaction};

    fn row(number: u64, entity: &str, deed: Deed) -> DecisionRow {
        DecisionRow {
            deed,
            transaction: Transaction { epoch: 1, commit: number, committed_at: 5, ours: false },
            id: format!("{number}-x"),
            entity: entity.to_owned(),
            key: "[\"7\"]".to_owned(),
            subject: "name".to_owned(),
            evidence: "00".to_owned(),
            value: "{\"values\":[null]}".to_owned(),
            by: "maria".to_owned(),
            note: None,
            at: 5,
        }
    }

    #[test]
    fn an_entity_hears_what_is_on_it_alone() {
        let all = [
            row(1, "person", Deed::Decided),
            row(2, "course", Deed::Decided),
            row(3, "person", Deed::Undone),
        ];
        let of_person = DecisionsOf::new(&TableName::entity("person"));
        let Transformed { rows, origins, .. } = of_person.transform(&rows(&all).unwrap()).unwrap();
        assert_eq!((rows.op(0), rows.op(1), rows.len()), (Op::Insert, Op::Delete, 2));
        assert_eq!(rows.schema().name(), &TableName::entity("person"));
        assert_eq!(origins, [0, 2]);
        assert_eq!(Texts::of(&rows).get("id", 1), "3-x");
        assert_eq!(Texts::of(&rows).get("note", 1), "");
    }
}
