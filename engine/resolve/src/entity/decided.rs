//! What people decided, as claims of the source `decisions`.
//!
//! ```text
//!  a row of the table ──▶ key, unit, evidence, a text a field
//!                          └─▶ a claim: for each field `evidence, value` under the decision's id
//!  taken back         ──▶ the claim is gone
//! ```
//!
//! A decision that can't be read is no claim, and does not stop the others. Whoever made it takes it
//! for an answer, so the question is put to them again.

use super::compare::{Judged, Turn};
use super::incoming::Incoming;
use super::keep::Entity;
use super::key::key_columns;
use super::record::RecordKeys;
use crate::cells::{Cells, array};
use crate::claims::decode;
use crate::decisions::{Answer, Texts};
use crate::policy::{EXISTENCE, EXISTENCE_NAME, Registry, decision_cell};
use crate::text;
use arrow_array::ArrayRef;
use arrow_schema::DataType;
use std::sync::Arc;
use syncline_core::{
    ChangeBatch, Closed, Column, ColumnMask, ConflictChange, ConflictKind, ConflictState, Digest,
    Error, Kind, Op, Presence, Resolved, Result, TableSchema,
};

/// A decision as a claim.
struct Claim {
    /// Its row.
    row: u32,
    /// The entity's key.
    key: Vec<u8>,
    /// By field number.
    cells: Vec<(u16, Vec<u8>)>,
}

/// Why a decision is none.
enum Unread {
    /// The entity has no such key or subject.
    Subject,
    /// There is no value for each of its fields.
    Value { key: Vec<u8>, unit: Option<usize> },
}

impl Entity {
    /// Hears decisions on this entity.
    pub(super) fn hear_decisions(
        &mut self,
        rows: &ChangeBatch,
        records: &RecordKeys,
        in_doubt: bool,
    ) -> Result<Resolved> {
        let texts = Texts::of(rows);
        let (mut claims, mut told, mut unread) = (Vec::new(), RecordKeys::default(), Vec::new());
        for row in 0..rows.len() {
            match self.read_decision(&texts, row, rows.op(row)) {
                Ok(claim) => {
                    claims.push(claim);
                    told.push(records.get(row));
                }
                Err(why) => unread.push((row, why)),
            }
        }
        let mut resolved = self.hear_claims(rows, &claims, &told, in_doubt)?;
        for (row, why) in unread.into_iter().filter(|(row, _)| rows.op(*row) != Op::Delete) {
            let (key, subject) = (texts.get("key", row), texts.get("subject", row));
            let name = self.rules.rules.schema.name();
            tracing::warn!("decision {} on {name} can't be read", texts.get("id", row));
            resolved.conflicts.extend(self.not_decided((key, subject), why)?);
        }
        Ok(resolved)
    }

    fn read_decision(
        &self,
        texts: &Texts<'_>,
        row: usize,
        op: Op,
    ) -> std::result::Result<Claim, Unread> {
        let key = self.read_key(texts.get("key", row)).ok_or(Unread::Subject)?;
        let place = u32::try_from(row).expect("a batch has fewer rows");
        if op == Op::Delete {
            return Ok(Claim { row: place, key, cells: Vec::new() });
        }
        let subject = texts.get("subject", row);
        let unit = self.rules.units.iter().position(|unit| unit.name == subject);
        if unit.is_none() && subject != EXISTENCE_NAME {
            return Err(Unread::Subject);
        }
        let cells = self.read_cells(unit, texts.get("evidence", row), texts.get("value", row));
        match cells {
            Some(cells) => Ok(Claim { row: place, key, cells }),
            None => Err(Unread::Value { key, unit }),
        }
    }

    /// The bytes of a key from its JSON array of texts.
    fn read_key(&self, key: &str) -> Option<Vec<u8>> {
        let schema = &self.rules.rules.schema;
        let texts: Vec<String> = serde_json::from_str(key).ok()?;
        let columns: Vec<&Column> = schema.key().iter().map(|&at| &schema.columns()[at]).collect();
        if texts.len() != columns.len() {
            return None;
        }
        let mut bytes = Vec::new();
        for (column, text) in columns.into_iter().zip(&texts) {
            let cell = text::read(column, text)?;
            bytes.extend(u32::try_from(cell.len()).ok()?.to_le_bytes());
            bytes.extend(cell);
        }
        Some(bytes)
    }

    /// The cells of a unit, or of existence.
    fn read_cells(
        &self,
        unit: Option<usize>,
        evidence: &str,
        answer: &str,
    ) -> Option<Vec<(u16, Vec<u8>)>> {
        let evidence = u128::from_str_radix(evidence, 16).ok()?;
        let evidence = Digest::from_bytes(&evidence.to_be_bytes())?;
        let Answer { values, .. } = serde_json::from_str(answer).ok()?;
        let Some(unit) = unit else {
            let exists = match values.as_slice() {
                [Some(text)] => text.parse::<bool>().ok()?,
                _ => return None,
            };
            return Some(vec![(EXISTENCE, decision_cell(evidence, Some(&[u8::from(exists)])))]);
        };
        let columns = &self.rules.rules.units[unit].columns;
        if values.len() != columns.len() {
            return None;
        }
        let cell = |(value, &column): (&Option<String>, &usize)| {
            let cell = match value {
                Some(value) => Some(text::read(&self.rules.rules.schema.columns()[column], value)?),
                None => None,
            };
            Some((self.rules.fields[column], decision_cell(evidence, cell.as_deref())))
        };
        values.iter().zip(columns).map(cell).collect()
    }

    /// Merges decisions as any other claims. In the batch, the columns behind the key are what they
    /// claim for a field each.
    fn hear_claims(
        &mut self,
        rows: &ChangeBatch,
        claims: &[Claim],
        records: &RecordKeys,
        in_doubt: bool,
    ) -> Result<Resolved> {
        let mut fields: Vec<u16> =
            claims.iter().flat_map(|claim| &claim.cells).map(|(field, _)| *field).collect();
        fields.sort_unstable();
        fields.dedup();
        let batch = self.batch(rows, claims, &fields)?;
        let behind_key = self.rules.rules.schema.key().len()..;
        let columns = fields.iter().zip(behind_key).map(|(&field, place)| {
            let cells = Cells::of(batch.columns().column(place))?;
            Ok((field, cells, place, 0))
        });
        let columns = columns.collect::<Result<_>>()?;
        let incoming = Incoming::of_columns(Registry::DECISIONS, &batch, records, columns);
        self.merge(&batch, &incoming, in_doubt)
    }

    fn batch(&self, rows: &ChangeBatch, claims: &[Claim], fields: &[u16]) -> Result<ChangeBatch> {
        let refused = |error| {
            Error::new(Kind::Internal, "decisions could not be put together").caused_by(error)
        };
        let schema = &self.rules.rules.schema;
        let of_claim = |claim: &Claim| claim.row;
        let taken = rows.take(&claims.iter().map(of_claim).collect::<Vec<_>>()).map_err(refused)?;
        let keys: Vec<&[u8]> = claims.iter().map(|claim| claim.key.as_slice()).collect();
        let mut arrays: Vec<ArrayRef> = key_columns(schema, &keys)?;
        let mut columns: Vec<Column> =
            schema.key().iter().map(|&column| schema.columns()[column].clone()).collect();
        let key = (0..columns.len()).collect();
        for &field in fields {
            let cells: Vec<Option<&[u8]>> = claims.iter().map(|claim| claim.cell(field)).collect();
            arrays.push(array(&DataType::Binary, cells.into_iter())?);
            columns.push(claimed_column(field));
        }
        let width = columns.len();
        let mask = |claim: &Claim| {
            let mut mask = ColumnMask::all(width);
            for (place, &field) in fields.iter().enumerate() {
                if claim.cell(field).is_none() {
                    mask.clear(width - fields.len() + place);
                }
            }
            mask
        };
        let presence = Presence::from_rows(width, claims.iter().map(mask));
        let of_batch = Arc::new(TableSchema::new(schema.name().clone(), 0, columns, key));
        let (ops, ordinals) = (taken.ops().clone(), taken.ordinals().clone());
        let transactions = taken.transactions().to_vec();
        ChangeBatch::try_new(of_batch, arrays, ops, ordinals, transactions, presence)
            .map_err(refused)
    }

    /// What is told of a conflict on which there is a decision that is none.
    fn not_decided(
        &mut self,
        (key_text, subject): (&str, &str),
        why: Unread,
    ) -> Result<Option<ConflictChange>> {
        let Unread::Value { key, unit } = why else {
            let state = ConflictState::Closed(Closed::RulesChanged);
            let (key, subject) = (key_text.to_owned(), subject.to_owned());
            return Ok(Some(ConflictChange { key, subject, state }));
        };
        self.rows.read(&[&key], &mut self.buffer)?;
        let Some(row) = self.buffer.get(0) else { return Ok(None) };
        let claims = decode(row).ok_or_else(|| self.damaged())?;
        let mut judged = Judged::new(&self.rules, &claims);
        let open = match unit {
            Some(unit) => judged.conflict(unit),
            None => judged.exists.conflict,
        };
        let Some((_, evidence)) = open else { return Ok(None) };
        let turn = Turn::Raised { unit, kind: ConflictKind::SchemaMismatch, evidence };
        self.told(&key, turn, &mut judged).map(Some)
    }
}

impl Claim {
    fn cell(&self, field: u16) -> Option<&[u8]> {
        let found = self.cells.iter().find(|(of_field, _)| *of_field == field);
        found.map(|(_, cell)| cell.as_slice())
    }
}

/// No field has its name, which is a number.
fn claimed_column(field: u16) -> Column {
    Column {
        name: field.to_string(),
        id: 0,
        data_type: DataType::Binary,
        native_type: "bytea".to_owned(),
        nullable: true,
        has_default: false,
        generated: false,
    }
}
