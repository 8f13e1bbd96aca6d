//! What the columns of a described relation are. Pure.
//!
//! The stream names columns but does not identify them: a column that was dropped and added again
//! under its name is another column. Identity is the attribute number, which only the catalog has,
//! and the catalog may already be further than the stream. [`describe`] finds the numbers that fit
//! both.

use super::message::{RelationMessage, SentColumn};
use super::relations::next_revision;
use crate::catalog::Relation;
use arrow_schema::DataType;
use syncline_core::{Column, TableSchema};

/// The type of a sent column.
#[derive(Debug, Clone)]
pub(super) struct SentType {
    pub(super) data_type: DataType,
    pub(super) native: String,
}

/// The columns of a message, with what catalog and previous columns know of them.
pub(super) fn describe(
    message: &RelationMessage,
    types: &[SentType],
    now: Option<&Relation>,
    previous: &TableSchema,
) -> TableSchema {
    let ids = attribute_numbers(&message.columns, now, previous);
    let in_catalog = |id: i32| {
        now.into_iter().flat_map(|now| now.table.schema.columns()).find(|column| column.id == id)
    };
    let columns: Vec<Column> = message
        .columns
        .iter()
        .zip(types)
        .zip(&ids)
        .map(|((sent, of), &id)| {
            let before = || previous.columns().iter().find(|column| column.id == id);
            let known = if id == 0 { None } else { in_catalog(id).or_else(before) };
            Column {
                name: sent.name.clone(),
                id,
                data_type: of.data_type.clone(),
                native_type: of.native.clone(),
                nullable: known.is_none_or(|known| known.nullable),
                has_default: known.is_some_and(|known| known.has_default),
                generated: false,
            }
        })
        .collect();
    let key = key(message, &columns, now, previous);
    let name = previous.name().clone();
    next_revision(previous, TableSchema::new(name, previous.revision(), columns, key))
}

/// What identifies a row: what the stream says, in the order in which the catalog has it; the
/// catalog's key where images before are whole rows, since then the stream says all columns.
fn key(
    message: &RelationMessage,
    columns: &[Column],
    now: Option<&Relation>,
    previous: &TableSchema,
) -> Vec<usize> {
    let ids = |schema: &TableSchema| -> Vec<i32> {
        schema.key().iter().filter_map(|&at| schema.columns().get(at)).map(|c| c.id).collect()
    };
    let catalog = now.map_or_else(|| ids(previous), |now| ids(&now.table.schema));
    let ordered: Vec<usize> = catalog
        .iter()
        .filter_map(|id| columns.iter().position(|column| column.id == *id))
        .collect();
    let sent: Vec<usize> = (0..columns.len())
        .filter(|&at| message.columns.get(at).is_some_and(|column| column.identity))
        .collect();
    let same = ordered.len() == sent.len() && sent.iter().all(|at| ordered.contains(at));
    if message.identity_full || same { ordered } else { sent }
}

/// The attribute number of each column; 0 where it can't be known any more.
///
/// Columns are sent in the order of their numbers. Numbers from the catalog of now, by name and
/// type, are right if they are in that order; else the catalog is further than the stream, and each
/// column takes the first number in order that it has now or had before.
fn attribute_numbers(
    sent: &[SentColumn],
    now: Option<&Relation>,
    previous: &TableSchema,
) -> Vec<i32> {
    let in_catalog = |column: &SentColumn| {
        let now = now?;
        let named = now.table.schema.columns().iter().zip(&now.columns);
        let mut same =
            named.filter(|(c, r)| c.name == column.name && r.type_oid == column.type_oid);
        same.next().map(|(column, _)| column.id)
    };
    let of_now: Option<Vec<i32>> = sent.iter().map(in_catalog).collect();
    if let Some(ids) = of_now.filter(|ids| ids.is_sorted_by(|a, b| a < b)) {
        return ids;
    }
    let only_renamed = sent.len() == previous.columns().len();
    let mut last = 0;
    let number = |(at, column): (usize, &SentColumn)| {
        let before = previous.columns().iter().find(|before| before.name == column.name);
        let in_place = previous
            .columns()
            .get(at)
            .filter(|before| only_renamed && !sent.iter().any(|column| column.name == before.name));
        let candidates = [in_catalog(column), before.map(|c| c.id), in_place.map(|c| c.id)];
        let id = candidates.into_iter().flatten().filter(|&id| id > last).min().unwrap_or(0);
        last = last.max(id);
        id
    };
    sent.iter().enumerate().map(number).collect()
}

/// What changed, in words.
pub(super) fn difference(before: &TableSchema, now: &TableSchema) -> String {
    let mut parts = Vec::new();
    for column in now.columns() {
        let same = |other: &&Column| match column.id {
            0 => other.name == column.name,
            id => other.id == id,
        };
        match before.columns().iter().find(same) {
            None => parts.push(format!("added {} {}", column.name, column.native_type)),
            Some(other) => {
                if other.name != column.name {
                    parts.push(format!("renamed {} to {}", other.name, column.name));
                }
                if other.native_type != column.native_type {
                    let (from, to) = (&other.native_type, &column.native_type);
                    parts.push(format!("type of {} from {from} to {to}", column.name));
                }
            }
        }
    }
    for column in before.columns() {
        let same = |other: &Column| match column.id {
            0 => other.name == column.name,
            id => other.id == id,
        };
        if !now.columns().iter().any(same) {
            parts.push(format!("dropped {}", column.name));
        }
    }
    if parts.is_empty() { "its key or constraints".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::RelationColumn;
    use syncline_core::{CatalogTable, Identity, SystemName, TableName};

    const INT: u32 = 23;
    const TEXT: u32 = 25;

    fn schema(columns: &[(&str, i32)]) -> TableSchema {
        let columns = columns.iter().map(|&(name, id)| Column {
            name: name.into(),
            id,
            data_type: DataType::Utf8,
            native_type: "text".into(),
            nullable: true,
            has_default: false,
            generated: false,
        });
        let name = TableName::table(&SystemName::new("sis"), "public", "t");
        TableSchema::new(name, 1, columns.collect(), vec![0])
    }

    fn catalog(columns: &[(&str, i32)]) -> Relation {
        let table = CatalogTable {
            schema: schema(columns),
            identity: Identity::Key,
            foreign_keys: Vec::new(),
            unique: Vec::new(),
            enums: Vec::new(),
            domains: Vec::new(),
            rows_estimated: 0,
        };
        let column = RelationColumn { type_oid: TEXT, modifier: -1 };
        Relation {
            oid: 1,
            partitioned: false,
            partitions: Vec::new(),
            table,
            columns: vec![column; columns.len()],
        }
    }

    fn sent(names: &[&str]) -> Vec<SentColumn> {
        let column = |name: &&str| SentColumn {
            name: (*name).into(),
            type_oid: TEXT,
            modifier: -1,
            identity: false,
        };
        names.iter().map(column).collect()
    }

    fn numbers(names: &[&str], now: &[(&str, i32)], before: &[(&str, i32)]) -> Vec<i32> {
        attribute_numbers(&sent(names), Some(&catalog(now)), &schema(before))
    }

    #[test]
    fn a_column_dropped_and_added_again_is_another() {
        let (before, now) = ([("a", 1), ("x", 2)], [("a", 1), ("x", 3)]);
        assert_eq!(numbers(&["a", "x"], &now, &before), [1, 3]);
    }

    #[test]
    fn a_catalog_that_is_further_than_the_stream_is_not_taken_at_its_word() {
        let before = [("a", 1), ("x", 2), ("b", 3)];
        let now = [("a", 1), ("b", 3), ("x", 4)];
        assert_eq!(numbers(&["a", "x", "b"], &now, &before), [1, 2, 3], "before the drop");
        assert_eq!(numbers(&["a", "b", "x"], &now, &before), [1, 3, 4], "after it");
        let gone = [("a", 1)];
        assert_eq!(numbers(&["a", "x", "b"], &gone, &before), [1, 2, 3]);
    }

    #[test]
    fn a_name_of_a_while_ago_is_found_by_its_place() {
        let (before, now) = ([("a", 1), ("x", 2), ("b", 3)], [("a", 1), ("z", 2), ("b", 3)]);
        assert_eq!(numbers(&["a", "y", "b"], &now, &before), [1, 2, 3], "x, then y, then z");
        assert_eq!(numbers(&["a", "y", "b", "c"], &now, &before), [1, 0, 3, 0]);
    }

    #[test]
    fn another_type_under_the_same_name_is_found_by_what_it_was() {
        let mut columns = sent(&["a", "x"]);
        columns[1].type_oid = INT;
        let (before, now) = (schema(&[("a", 1), ("x", 2)]), catalog(&[("a", 1), ("x", 2)]));
        assert_eq!(attribute_numbers(&columns, Some(&now), &before), [1, 2]);
    }

    #[test]
    fn differences_are_told_by_identity() {
        let before = schema(&[("a", 1), ("x", 2), ("y", 3)]);
        let now = schema(&[("b", 1), ("x", 4), ("y", 3)]);
        assert_eq!(difference(&before, &now), "renamed a to b, added x text, dropped x");
        assert_eq!(difference(&before, &before), "its key or constraints");
    }
}
