//! What each record says of a unit, said before, and whether it counts.

use super::explain::Asked;
use super::told::{Before, Record, RecordState, Said, Since, Standing};
use crate::claims::{Field, Origin, Run};
use crate::policy::{Compiled, CompiledMapping, Registry, UnitValue};
use crate::{Mark, Policy};
use std::collections::BTreeMap;
use syncline_core::Result;

impl From<Mark> for Since {
    fn from(mark: Mark) -> Self {
        Self { micros: mark.stamp.micros, copied: mark.stamp.copied }
    }
}

/// The records that spoke of the entity.
pub(super) fn records(
    rules: &Compiled,
    registry: &Registry,
    origins: &[Origin<'_>],
) -> Vec<Record> {
    let of_sources = origins.iter().filter(|origin| origin.mapping != Registry::DECISIONS);
    let record = |origin: &Origin<'_>| {
        let mapping = rules.mapping(origin.mapping);
        let (seen, gone) = (origin.seen.map(Since::from), origin.gone.map(Since::from));
        let (state, heard) = match (mapping.is_some(), origin.is_had(), origin.was) {
            (false, ..) => (RecordState::Unmapped, seen.or(gone)),
            (true, true, _) => (RecordState::There, seen),
            (true, false, true) => (RecordState::Deleted, gone),
            // A filter keeps it out: it never was there.
            (true, false, false) if origin.fields.is_empty() => return None,
            (true, false, false) => (RecordState::Ours, seen),
        };
        Some(Record {
            source: mapping.map(|mapping| mapping.system.to_string()),
            mapping: registry.mapping_name(origin.mapping).to_owned(),
            record: text(origin.record),
            state,
            heard,
        })
    };
    of_sources.filter_map(record).collect()
}

/// A record's key as text.
pub(super) fn text(record: &[u8]) -> String {
    String::from_utf8_lossy(record).into_owned()
}

impl Asked<'_, '_, '_> {
    /// What every record says, said, or no longer may say.
    pub(super) fn said(&self) -> Result<Vec<Said>> {
        let of_sources = self.claims.origins.iter();
        let of_sources = of_sources.filter(|origin| origin.mapping != Registry::DECISIONS);
        let mut said = Vec::new();
        for origin in of_sources {
            said.extend(self.said_by(origin)?);
        }
        said.sort_by(|a, b| (&a.mapping, &a.record).cmp(&(&b.mapping, &b.record)));
        Ok(said)
    }

    fn said_by(&self, origin: &Origin<'_>) -> Result<Option<Said>> {
        let mapping = self.rules.mapping(origin.mapping);
        let speaks_of = |id: &u16| mapping.is_some_and(|it| it.fields.binary_search(id).is_ok());
        let is_mapped = self.unit.fields.iter().any(speaks_of);
        let fields: Vec<Option<&Field<'_>>> = self
            .unit
            .fields
            .iter()
            .map(|id| origin.field(*id).filter(|_| speaks_of(id) || !is_mapped))
            .collect();
        let is_known = fields.iter().any(Option::is_some);
        if (!is_mapped && !is_known) || (!origin.is_here() && !origin.was && !is_known) {
            return Ok(None);
        }
        let words: Vec<Option<&Run<'_>>> =
            fields.iter().map(|field| field.and_then(Field::word)).collect();
        let since = words.iter().flatten().map(|run| run.first).max();
        let value = words.iter().map(|run| run.and_then(|run| run.value)).collect();
        let value = UnitValue::from_columns(value);
        let standing = match (is_mapped, origin.is_here(), since) {
            (false, ..) => Standing::Unmapped,
            (true, false, _) if origin.was => Standing::Gone,
            (true, false, _) | (true, true, None) => Standing::Silent,
            _ if !value.says_something(self.unit.null_is_value) => Standing::Withdrawn,
            _ if self.is_unlisted(mapping) => Standing::Unlisted,
            _ => Standing::Speaks,
        };
        let is_ours = |field: &&Field<'_>| {
            field.run.echo && field.word().is_none_or(|word| word.value != field.run.value)
        };
        Ok(Some(Said {
            source: mapping.map(|mapping| mapping.system.to_string()),
            mapping: self.registry.mapping_name(origin.mapping).to_owned(),
            record: text(origin.record),
            value: self.text(|column| value.columns().get(column).copied().flatten())?,
            since: since.map(Since::from),
            uncertainty: mapping.map(|mapping| mapping.uncertainty),
            standing,
            holds_ours: fields.iter().flatten().any(is_ours),
            before: self.before(&fields, since)?,
        }))
    }

    fn is_unlisted(&self, mapping: Option<&CompiledMapping>) -> bool {
        match &self.unit.policy {
            Policy::Prefer(list) => mapping.is_some_and(|it| !list.contains(&it.system)),
            _ => false,
        }
    }

    /// What a record said before its word began, moment by moment, the newest first.
    fn before(&self, fields: &[Option<&Field<'_>>], since: Option<Mark>) -> Result<Vec<Before>> {
        let mut moments: BTreeMap<Mark, Vec<(usize, &Run<'_>)>> = BTreeMap::new();
        for (column, field) in fields.iter().enumerate() {
            for run in field.iter().flat_map(|field| field.runs()) {
                moments.entry(run.first).or_default().push((column, run));
            }
        }
        let mut values = vec![None; fields.len()];
        let mut before = Vec::new();
        for (mark, runs) in moments.into_iter().take_while(|(mark, _)| Some(*mark) < since) {
            for (column, run) in &runs {
                if let Some(value) = values.get_mut(*column) {
                    *value = run.value;
                }
            }
            before.push(Before {
                value: self.text(|column| values.get(column).copied().flatten())?,
                since: mark.into(),
                ours: runs.iter().all(|(_, run)| run.echo),
            });
        }
        before.reverse();
        Ok(before)
    }
}
