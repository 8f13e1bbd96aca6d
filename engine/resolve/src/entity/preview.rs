//! What other rules would make of all claims, without changing anything.
//!
//! All claims are decided twice, by the rules in force and by the others, piece by piece, as it is when
//! the others come into force; what differs is counted.

use super::compare::{Again, Judged, operation};
use super::conflict::{cell_text, key_texts, unit_text};
use super::keep::Entity;
use crate::EntityRules;
use crate::policy::{By, Compiled, EXISTENCE_NAME, Registry, decision_id};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use syncline_core::{Cursor, Op, Result};

/// Most samples that are kept of anything.
const SAMPLES_MAX: usize = 5;

/// What other rules would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Preview {
    /// The entity's name.
    pub entity: String,
    /// The revision of the rules in force.
    pub from: String,
    /// The revision of the others.
    pub to: String,
    /// How many keys were looked at.
    pub keys: u64,
    /// Entities that would be there, and are not.
    pub appear: u64,
    /// Entities that would no longer be there.
    pub vanish: u64,
    /// By field, how many entities that stay would have another value.
    pub fields: BTreeMap<String, u64>,
    /// A few of these.
    pub samples: Vec<Sample>,
    /// Questions that would come up.
    pub conflicts_open: u64,
    /// Questions that would be gone.
    pub conflicts_close: u64,
    /// Decisions of people that decide now, and would no longer.
    pub contradicted: u64,
    /// A few of these.
    pub contradictions: Vec<Contradiction>,
}

/// A value that would be another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The entity's key, as texts.
    pub key: Vec<String>,
    /// The field.
    pub field: String,
    /// Its value now; none for NULL.
    pub from: Option<String>,
    /// What it would be.
    pub to: Option<String>,
}

/// A decision that would no longer decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contradiction {
    /// The entity's key, as texts.
    pub key: Vec<String>,
    /// The field or group.
    pub subject: String,
    /// The decision's id.
    pub decision: String,
    /// What was decided; none for NULL.
    pub decided: Option<String>,
    /// What would be in force instead; none for NULL, or where the rules no longer have the subject.
    pub becomes: Option<String>,
}

/// A preview in the making.
#[derive(Debug)]
pub struct Previewing {
    rules: Compiled,
    preview: Preview,
}

impl Previewing {
    /// What was found.
    #[must_use]
    pub fn finish(self) -> Preview {
        self.preview
    }

    /// Takes in what became of a key.
    fn take(
        &mut self,
        key: &[u8],
        in_force: &Compiled,
        (old, new): (&mut Judged<'_, '_, '_>, &mut Judged<'_, '_, '_>),
    ) -> Result<()> {
        self.preview.keys += 1;
        let units: Vec<usize> = (0..self.rules.units.len()).collect();
        match operation(old, new, &units, Again::default()) {
            Some(Op::Insert) => self.preview.appear += 1,
            Some(Op::Delete) => self.preview.vanish += 1,
            _ if new.exists.exists => self.fields(key, in_force, (old, new))?,
            _ => {}
        }
        self.conflicts(old, new);
        self.existence_decision(key, in_force, (old, new))?;
        self.decisions(key, in_force, (old, new))
    }

    /// By the names of the columns: a field whose type is another has another number.
    fn fields(
        &mut self,
        key: &[u8],
        in_force: &Compiled,
        (old, new): (&mut Judged<'_, '_, '_>, &mut Judged<'_, '_, '_>),
    ) -> Result<()> {
        let (former, schema) = (&in_force.rules.schema, &self.rules.rules.schema);
        for (place, column) in schema.columns().iter().enumerate() {
            if schema.key().contains(&place) {
                continue;
            }
            let id = self.rules.fields[place];
            let before = former.index_of(&column.name).map(|at| (at, in_force.fields[at]));
            if before.is_some_and(|(_, before)| before == id) && old.field(id) == new.field(id) {
                continue;
            }
            let from = match before {
                Some((at, before)) => cell_text(&former.columns()[at], old.field(before))?,
                None => None,
            };
            let to = cell_text(column, new.field(id))?;
            if from == to {
                continue;
            }
            *self.preview.fields.entry(column.name.clone()).or_default() += 1;
            if self.preview.samples.len() < SAMPLES_MAX {
                let (key, field) = (texts(in_force, key)?, column.name.clone());
                self.preview.samples.push(Sample { key, field, from, to });
            }
        }
        Ok(())
    }

    /// A decision on whether it exists that would no longer decide.
    fn existence_decision(
        &mut self,
        key: &[u8],
        in_force: &Compiled,
        (old, new): (&Judged<'_, '_, '_>, &Judged<'_, '_, '_>),
    ) -> Result<()> {
        let Some(id) = old.exists.decision else { return Ok(()) };
        if new.exists.decision == Some(id) {
            return Ok(());
        }
        let word = |exists| if exists { "exists" } else { "deleted" }.to_owned();
        self.contradict(Contradiction {
            key: texts(in_force, key)?,
            subject: EXISTENCE_NAME.to_owned(),
            decision: decision_id(id),
            decided: Some(word(old.exists.exists)),
            becomes: Some(word(new.exists.exists)),
        });
        Ok(())
    }

    fn contradict(&mut self, contradiction: Contradiction) {
        self.preview.contradicted += 1;
        if self.preview.contradictions.len() < SAMPLES_MAX {
            self.preview.contradictions.push(contradiction);
        }
    }

    fn conflicts(&mut self, old: &mut Judged<'_, '_, '_>, new: &mut Judged<'_, '_, '_>) {
        let (before, now) = (old.open_units(), new.open_units());
        let existence = (old.exists.conflict.is_some(), new.exists.conflict.is_some());
        let opened = now.iter().filter(|name| !before.contains(name)).count();
        let closed = before.iter().filter(|name| !now.contains(name)).count();
        self.preview.conflicts_open += opened as u64 + u64::from(existence == (false, true));
        self.preview.conflicts_close += closed as u64 + u64::from(existence == (true, false));
    }

    fn decisions(
        &mut self,
        key: &[u8],
        in_force: &Compiled,
        (old, new): (&mut Judged<'_, '_, '_>, &mut Judged<'_, '_, '_>),
    ) -> Result<()> {
        let is_made = |origin: &crate::claims::Origin<'_>| origin.mapping == Registry::DECISIONS;
        if !old.exists.exists || !old.claims().origins.iter().any(is_made) {
            return Ok(());
        }
        for (place, unit) in in_force.units.iter().enumerate() {
            let By::Decision(id) = old.unit(place).by else { continue };
            let now = new.unit_named(&unit.name);
            if now.is_some_and(|now| matches!(new.unit(now).by, By::Decision(other) if other == id))
            {
                continue;
            }
            let decided = old.unit(place);
            let decided = unit_text(in_force, unit, |column| decided.value.column(column))?;
            let becomes = match now {
                Some(now) => {
                    let verdict = new.unit(now);
                    let unit = &self.rules.units[now];
                    unit_text(&self.rules, unit, |column| verdict.value.column(column))?
                }
                None => None,
            };
            self.contradict(Contradiction {
                key: texts(in_force, key)?,
                subject: unit.name.clone(),
                decision: decision_id(id),
                decided,
                becomes,
            });
        }
        Ok(())
    }
}

fn texts(rules: &Compiled, key: &[u8]) -> Result<Vec<String>> {
    Ok(key_texts(rules, key)?.into_iter().flatten().collect())
}

impl Entity {
    /// Begins to look at what these rules would change; none where they are those in force.
    ///
    /// # Errors
    /// `Config` where the entity had too many fields or mappings, or an expression can't be understood.
    pub fn previewing(&self, rules: EntityRules) -> Result<Option<Previewing>> {
        let in_force = &self.rules_in_force().rules;
        if *in_force == rules {
            return Ok(None);
        }
        let mut registry = self.registry.clone();
        registry.take_in(&rules)?;
        let preview = Preview {
            entity: rules.schema.name().to_string(),
            from: in_force.revision().to_string(),
            to: rules.revision().to_string(),
            ..Preview::default()
        };
        let rules = Compiled::new(rules, &registry, &*self.expressions)?;
        Ok(Some(Previewing { rules, preview }))
    }

    /// Looks at the next piece of all claims, and says where to go on; none at the end. A key that is
    /// written meanwhile may be counted twice, or not.
    ///
    /// # Errors
    /// `Unavailable` or `Corrupt` when the claims can't be read.
    pub fn preview(&mut self, previewing: &mut Previewing, from: Cursor) -> Result<Option<Cursor>> {
        let (scanned, next) = self.scan(from)?;
        let in_force = self.rules_in_force();
        let others = previewing.rules.clone();
        let claims = self.decoded(&scanned)?;
        for rules in [in_force, &others] {
            rules.compute(claims.iter().map(|(_, claims)| claims));
        }
        for (key, claims) in &claims {
            let mut old = Judged::new(in_force, claims);
            let mut new = Judged::new(&others, claims);
            previewing.take(key, in_force, (&mut old, &mut new))?;
        }
        Ok(next)
    }
}
