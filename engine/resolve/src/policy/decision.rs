//! What a person decided.
//!
//! A decision is a claim of the origin `decisions`. Its cells say what it rested on before they say the
//! value: `evidence (16 bytes), 0` for NULL, `evidence, 1, value` else.

use super::compiled::{CompiledUnit, Registry};
use super::word::UnitValue;
use crate::Mark;
use crate::claims::{Claims, Origin};
use syncline_core::Digest;

/// A decision on a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decided<'a> {
    pub(crate) at: Mark,
    /// The decision's id.
    pub(crate) id: &'a [u8],
    /// What it rested on.
    pub(crate) evidence: Digest,
    pub(crate) value: UnitValue<'a>,
}

/// The bytes that a decision claims for a field.
pub(crate) fn decision_cell(evidence: Digest, value: Option<&[u8]>) -> Vec<u8> {
    let mut cell = evidence.to_bytes().to_vec();
    cell.push(value.is_some().into());
    cell.extend_from_slice(value.unwrap_or_default());
    cell
}

/// The decisions on fields, the last one first.
pub(crate) fn decisions<'a>(fields: &[u16], claims: &Claims<'a>) -> Vec<Decided<'a>> {
    let of_decisions =
        |origin: &&Origin<'a>| origin.mapping == Registry::DECISIONS && origin.is_here();
    let decided = |origin: &Origin<'a>| decided(fields, origin);
    let mut all: Vec<_> = claims.origins.iter().filter(of_decisions).filter_map(decided).collect();
    all.sort_by_key(|it| std::cmp::Reverse((it.at, it.id)));
    all
}

fn decided<'a>(fields: &[u16], origin: &Origin<'a>) -> Option<Decided<'a>> {
    let mut evidence = None;
    let mut columns = Vec::with_capacity(fields.len());
    for &field in fields {
        let (digest, rest) = origin.field(field)?.run.value?.split_at_checked(Digest::BYTES)?;
        evidence = Digest::from_bytes(digest);
        let (tag, value) = rest.split_first()?;
        columns.push((*tag == 1).then_some(value));
    }
    let value = UnitValue::from_columns(columns);
    Some(Decided { at: origin.seen?, id: origin.record, evidence: evidence?, value })
}

/// The decisions on a unit, the last one first.
pub(crate) fn on_unit<'a>(unit: &CompiledUnit, claims: &Claims<'a>) -> Vec<Decided<'a>> {
    decisions(&unit.fields, claims)
}
