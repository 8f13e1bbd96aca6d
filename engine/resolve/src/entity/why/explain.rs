//! Puts together why an entity is as it is.

use super::said::{records, text};
use super::told::{DecidedBy, DecisionStanding, MadeDecision, Why, WhyColumn, WhyExists, WhyUnit};
use crate::claims::{Claims, decode};
use crate::entity::Entity;
use crate::entity::compare::Judged;
use crate::entity::conflict::{key_texts, unit_text};
use crate::entity::parse::parse_key;
use crate::policy::{
    By, Compiled, CompiledUnit, Decided, Registry, UnitValue, Verdict, Word, decision_id, evidence,
    on_unit, words,
};
use crate::rows::RowBuffer;
use syncline_core::{Error, Kind, Result};

impl Entity {
    /// Why the entity with this key, given as texts in the key's order, is as it is; of one field or
    /// group, or of all. None where nobody ever spoke of it. Told by the rules that decided what was
    /// told so far, of all that was heard so far, also where that is not committed yet.
    ///
    /// # Errors
    /// `Config` where the texts are no key or there is no such field, `Unavailable` or `Corrupt` when
    /// the claims can't be read.
    pub fn why(&mut self, key: &[&str], field: Option<&str>) -> Result<Option<Why>> {
        let key = parse_key(self.rules_in_force(), key)?;
        let units = self.units_of(field)?;
        let mut buffer = RowBuffer::default();
        self.rows.read(&[&key], &mut buffer)?;
        let Some(row) = buffer.get(0) else { return Ok(None) };
        let claims = decode(row).ok_or_else(|| self.damaged())?;
        let rules = self.rules_in_force();
        let mut judged = Judged::new(rules, &claims);
        let mut told = Vec::with_capacity(units.len());
        for unit in units {
            let verdict = judged.unit(unit).clone();
            let exists = judged.exists.exists;
            let unit = &rules.units[unit];
            told.push(Asked::new(self, unit, &claims, verdict).unit(exists)?);
        }
        Ok(Some(Why {
            entity: rules.rules.schema.name().to_string(),
            key: key_texts(rules, &key)?.into_iter().flatten().collect(),
            rules: rules.rules.revision().to_string(),
            is_outdated: self.former_rules().is_some(),
            existence: WhyExists {
                exists: judged.exists.exists,
                policy: rules.rules.existence.clone(),
                records: records(rules, &self.registry, &claims.origins),
                decision: judged.exists.decision.map(decision_id),
                conflict: judged.exists.conflict.map(|(kind, _)| kind),
            },
            units: told,
        }))
    }

    /// The units that are asked for, by the name of a field or a group.
    fn units_of(&self, field: Option<&str>) -> Result<Vec<usize>> {
        let rules = self.rules_in_force();
        let Some(name) = field else { return Ok((0..rules.units.len()).collect()) };
        let schema = &rules.rules.schema;
        let column = schema.index_of(name).and_then(|at| rules.fields.get(at));
        let has = |unit: &CompiledUnit| {
            unit.name == name || column.is_some_and(|id| unit.fields.contains(id))
        };
        if let Some(unit) = rules.units.iter().position(has) {
            return Ok(vec![unit]);
        }
        let names: Vec<&str> = rules.units.iter().map(|unit| unit.name.as_str()).collect();
        let wrong = match column {
            Some(_) => {
                format!("{name} is part of the key of {}, which nothing decides", schema.name())
            }
            None => format!("{} has no field {name:?}", schema.name()),
        };
        Err(Error::new(Kind::Config, wrong).detail(format!("decided are {}", names.join(", "))))
    }
}

/// A unit of a key that is asked about.
pub(super) struct Asked<'r, 'c, 'a> {
    pub(super) rules: &'r Compiled,
    pub(super) registry: &'r Registry,
    pub(super) unit: &'r CompiledUnit,
    pub(super) claims: &'c Claims<'a>,
    pub(super) words: Vec<Word<'a, 'r>>,
    pub(super) decisions: Vec<Decided<'a>>,
    pub(super) verdict: Verdict<'a>,
}

impl<'r, 'c, 'a> Asked<'r, 'c, 'a> {
    fn new(
        entity: &'r Entity,
        unit: &'r CompiledUnit,
        claims: &'c Claims<'a>,
        verdict: Verdict<'a>,
    ) -> Self {
        let rules = entity.rules_in_force();
        Self {
            rules,
            registry: &entity.registry,
            unit,
            claims,
            words: words(rules, unit, claims),
            decisions: on_unit(unit, claims),
            verdict,
        }
    }

    fn unit(&self, exists: bool) -> Result<WhyUnit> {
        // Of an entity that is not there no value is in force that could be another.
        let (flip, tried) = if exists { self.flip()? } else { (None, 0) };
        Ok(WhyUnit {
            name: self.unit.name.clone(),
            fields: self.field_names(),
            value: self.text(|column| self.verdict.value.column(column))?,
            policy: self.unit.policy.clone(),
            null_is_value: self.unit.null_is_value,
            by: self.by(),
            reason: self.verdict.reason.clone().filter(|_| exists),
            columns: self.columns()?,
            said: self.said()?,
            decisions: self.made_decisions()?,
            conflict: self.verdict.conflict.filter(|_| exists).map(|(kind, _)| kind),
            margin: self.margin()?,
            flip,
            tried,
        })
    }

    /// What the expression is computed from, where one decides.
    fn columns(&self) -> Result<Vec<WhyColumn>> {
        let Some(formula) = &self.unit.formula else { return Ok(Vec::new()) };
        let row = formula.row(&self.words);
        let columns = formula.sources.iter().zip(row).map(|(source, value)| {
            Ok(WhyColumn { source: source.to_string(), value: self.text(|_| value)? })
        });
        columns.collect()
    }

    fn field_names(&self) -> Vec<String> {
        let columns = self.rules.rules.schema.columns();
        let name = |id: &u16| {
            let column = self.rules.fields.iter().position(|field| field == id)?;
            columns.get(column).map(|column| column.name.clone())
        };
        self.unit.fields.iter().filter_map(name).collect()
    }

    fn by(&self) -> DecidedBy {
        let of = |mapping: u16, record: &[u8]| {
            let system = self.rules.mapping(mapping).map(|it| it.system.to_string());
            let name = self.registry.mapping_name(mapping).to_owned();
            (system.unwrap_or_default(), name, text(record))
        };
        match self.verdict.by {
            By::Nobody => DecidedBy::Nobody,
            By::Agreement => DecidedBy::Agreement,
            By::Several => DecidedBy::Several,
            By::Expression => DecidedBy::Expression,
            By::LastAgreed => DecidedBy::LastAgreed,
            By::Decision(id) => DecidedBy::Decision { id: decision_id(id) },
            By::Winner { mapping, record } => {
                let (source, mapping, record) = of(mapping, record);
                DecidedBy::Winner { source, mapping, record }
            }
            By::Provisional { mapping, record } => {
                let (source, mapping, record) = of(mapping, record);
                DecidedBy::Provisional { source, mapping, record }
            }
        }
    }

    fn made_decisions(&self) -> Result<Vec<MadeDecision>> {
        let evidence = evidence(&self.words);
        let made = self.decisions.iter().enumerate().map(|(place, decided)| {
            Ok(MadeDecision {
                id: decision_id(decided.id),
                at: decided.at.into(),
                value: self.value_text(&decided.value)?,
                standing: match place {
                    0 if decided.evidence == evidence => DecisionStanding::Stands,
                    0 => DecisionStanding::Outdated,
                    _ => DecisionStanding::Superseded,
                },
            })
        });
        made.collect()
    }

    /// A value of the unit as text.
    pub(super) fn text<'v>(
        &self,
        column: impl Fn(usize) -> Option<&'v [u8]>,
    ) -> Result<Option<String>> {
        unit_text(self.rules, self.unit, column)
    }

    pub(super) fn value_text(&self, value: &UnitValue<'_>) -> Result<Option<String>> {
        self.text(|column| value.columns().get(column).copied().flatten())
    }
}
