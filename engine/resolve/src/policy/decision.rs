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

/// The id of a decision, whose record is the JSON array of it.
pub(crate) fn decision_id(record: &[u8]) -> String {
    match serde_json::from_slice::<[String; 1]>(record) {
        Ok([id]) => id,
        Err(_) => String::from_utf8_lossy(record).into_owned(),
    }
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
        let (digest, rest) = origin.field(field)?.word()?.value?.split_at_checked(Digest::BYTES)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::{Observation, Said, Touched};
    use crate::policy::{By, Compiled, decide, words};
    use crate::{ClaimingMapping, EntityRules, Existence, Fallback, Policy, Stamp, Unit};
    use std::sync::Arc;
    use syncline_core::{Column, NoExpressions, Position, SystemName, TableName, TableSchema};

    /// A person whose name sis and hr speak of, and policy asks about.
    fn rules() -> (Compiled, u16, [u16; 2]) {
        let column = |name: &str| Column {
            name: name.into(),
            id: 0,
            data_type: arrow_schema::DataType::Utf8,
            native_type: "text".into(),
            nullable: true,
            has_default: false,
            generated: false,
        };
        let columns = vec![column("id"), column("name")];
        let mapping = |name: &str| ClaimingMapping {
            name: name.into(),
            system: SystemName::new(name),
            columns: vec![0, 1],
            returned: None,
        };
        let rules = EntityRules {
            schema: Arc::new(TableSchema::new(TableName::entity("person"), 0, columns, vec![0])),
            units: vec![Unit {
                name: "name".into(),
                columns: vec![1],
                policy: Policy::Ask(Fallback::Ask),
                null_is_value: false,
            }],
            existence: Existence::Any,
            mappings: vec![mapping("sis"), mapping("hr")],
            uncertainty: std::collections::BTreeMap::new(),
        };
        let mut registry = Registry::default();
        registry.take_in(&rules).unwrap();
        let mappings = ["sis", "hr"].map(|name| registry.mapping(name));
        let compiled = Compiled::new(rules, &registry, &NoExpressions).unwrap();
        let field = compiled.units[0].fields[0];
        (compiled, field, mappings)
    }

    fn say<'a>(claims: &mut Claims<'a>, mapping: u16, at: u64, field: u16, value: &'a [u8]) {
        let position = Position { epoch: 1, commit: at, ordinal: 0 };
        let stamp = Stamp { micros: i64::try_from(at).unwrap(), copied: false };
        let said = Said::Here(vec![(field, Some(value), 15)]);
        let mark = Mark { position, stamp };
        let observation = Observation { mapping, record: b"r", mark, said, echo: false };
        claims.merge(&observation, &mut Touched::default());
    }

    #[test]
    fn a_decision_stands_as_long_as_its_evidence_does() {
        let (rules, field, [sis, hr]) = rules();
        let mut claims = Claims::default();
        say(&mut claims, sis, 1, field, b"Ana");
        say(&mut claims, hr, 2, field, b"Anna");
        let unit = &rules.units[0];
        assert!(decide(&rules, unit, &claims).conflict.is_some());
        let cell = decision_cell(evidence_of(&rules, &claims), Some(b"Anne"));
        say(&mut claims, Registry::DECISIONS, 3, field, &cell);
        let verdict = decide(&rules, unit, &claims);
        assert_eq!((verdict.value.column(0), verdict.conflict), (Some(&b"Anne"[..]), None));
        assert_eq!(verdict.by, By::Decision(b"r"));
        // Something new: the question is open again, and what was decided is in force meanwhile.
        say(&mut claims, hr, 4, field, b"Annie");
        let verdict = decide(&rules, unit, &claims);
        assert_eq!(verdict.value.column(0), Some(&b"Anne"[..]));
        assert!(verdict.conflict.is_some());
        // Back to what was said then: the answer was to that.
        say(&mut claims, hr, 5, field, b"Anna");
        assert_eq!(decide(&rules, unit, &claims).by, By::Decision(b"r"));
        // All agree: nothing is left to decide.
        say(&mut claims, hr, 6, field, b"Ana");
        let verdict = decide(&rules, unit, &claims);
        assert_eq!((verdict.value.column(0), verdict.conflict), (Some(&b"Ana"[..]), None));
    }

    fn evidence_of(rules: &Compiled, claims: &Claims<'_>) -> Digest {
        crate::policy::evidence(&words(rules, &rules.units[0], claims))
    }
}
