//! Rules, made ready for claims that name fields and mappings by number.

use super::formula::{Formula, Lost};
use super::typed::ValueKind;
use crate::claims::LIFE;
use crate::{ClaimingMapping, EntityRules, Policy, Unit};
use serde::{Deserialize, Serialize};
use syncline_core::{Error, Expressions, Kind, Result, SystemName};

/// The field number that says whether the entity exists.
pub(crate) const EXISTENCE: u16 = u16::MAX;

/// What the existence of an entity is called among its fields.
pub(crate) const EXISTENCE_NAME: &str = "existence";

/// How many runs before the one that holds are kept where a person may be asked: what was agreed on
/// stays known through so many changes of mind.
const OLDER_RUNS_MAX: u8 = 15;

/// How many are kept where the system is written too: those that show a field to go to and fro.
const OLDER_RETURNED_RUNS_MAX: u8 = 8;

/// What the numbers in claims mean. Only ever added to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub(crate) struct Registry {
    /// Name and type of each field.
    pub(crate) fields: Vec<(String, String)>,
    /// The mappings by name. The first is that of decisions.
    pub(crate) mappings: Vec<String>,
}

impl Registry {
    /// The mapping that decisions come by. No file has this name.
    pub(crate) const DECISIONS: u16 = 0;

    /// Adds what rules name and is not yet there.
    pub(crate) fn take_in(&mut self, rules: &EntityRules) -> Result<()> {
        if self.mappings.is_empty() {
            self.mappings.push("decisions".to_owned());
        }
        for mapping in &rules.mappings {
            if !self.mappings.contains(&mapping.name) {
                self.mappings.push(mapping.name.clone());
            }
        }
        for column in rules.schema.columns() {
            let field = (column.name.clone(), column.native_type.clone());
            if !self.fields.contains(&field) {
                self.fields.push(field);
            }
        }
        // Both numbers that no field may have are behind it.
        let most = usize::from(LIFE);
        if self.fields.len() >= most || self.mappings.len() >= most {
            let name = rules.schema.name();
            return Err(Error::new(
                Kind::Config,
                format!("{name} had too many fields or mappings"),
            ));
        }
        Ok(())
    }

    fn field(&self, name: &str, native_type: &str) -> u16 {
        let is_it = |(other, of_type): &(String, String)| other == name && of_type == native_type;
        number(self.fields.iter().position(is_it))
    }

    /// The number of a mapping that was taken in.
    pub(crate) fn mapping(&self, name: &str) -> u16 {
        number(self.mappings.iter().position(|other| other == name))
    }
}

impl Registry {
    /// The name of a mapping.
    pub(crate) fn mapping_name(&self, number: u16) -> &str {
        self.mappings.get(usize::from(number)).map_or("", String::as_str)
    }
}

fn older_max(rules: &EntityRules, unit: &Unit) -> u8 {
    let is_returned = |mapping: &ClaimingMapping| {
        let returned = mapping.returned.as_deref().unwrap_or_default();
        unit.columns.iter().any(|column| returned.contains(column))
    };
    match unit.policy.may_ask() {
        true => OLDER_RUNS_MAX,
        false if rules.mappings.iter().any(is_returned) => OLDER_RETURNED_RUNS_MAX,
        false => 0,
    }
}

fn number(place: Option<usize>) -> u16 {
    place.and_then(|place| u16::try_from(place).ok()).expect("it was taken in")
}

/// Rules with the numbers of a registry.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    pub(crate) rules: EntityRules,
    /// As in the rules.
    pub(crate) units: Vec<CompiledUnit>,
    /// The field number of each column.
    pub(crate) fields: Vec<u16>,
    /// By mapping number; none for those that are no longer there, whose word does not count.
    pub(crate) mappings: Vec<Option<CompiledMapping>>,
    /// Whether what they came to may be something else than is known.
    pub(crate) is_unknown: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct CompiledUnit {
    pub(crate) name: String,
    pub(crate) fields: Vec<u16>,
    pub(crate) kinds: Vec<ValueKind>,
    pub(crate) policy: Policy,
    /// What computes it, where that is an expression.
    pub(crate) formula: Option<Formula>,
    pub(crate) null_is_value: bool,
    /// How many runs before the one that holds are kept.
    pub(crate) older_max: u8,
}

#[derive(Debug, Clone)]
pub(crate) struct CompiledMapping {
    pub(crate) name: String,
    pub(crate) system: SystemName,
    pub(crate) uncertainty: i64,
    /// What it speaks of, sorted.
    pub(crate) fields: Vec<u16>,
    /// Where its table is written too: what of that is written back, sorted.
    pub(crate) returned: Option<Vec<u16>>,
}

impl CompiledMapping {
    /// Whether a field is written back to where this mapping reads it.
    pub(crate) fn returns(&self, field: u16) -> bool {
        self.returned.as_ref().is_some_and(|returned| returned.binary_search(&field).is_ok())
    }
}

impl Compiled {
    /// Makes rules ready; the registry has taken them in.
    ///
    /// # Errors
    /// `Config` when an expression can't be understood.
    pub(crate) fn new(
        rules: EntityRules,
        registry: &Registry,
        expressions: &dyn Expressions,
    ) -> Result<Self> {
        Self::compile(rules, registry, |text, rules, unit| {
            Formula::new(text, rules, unit, expressions)
        })
    }

    /// Makes rules ready that decided before. An expression that can't be understood any more may have
    /// come to anything.
    pub(crate) fn former(
        rules: EntityRules,
        registry: &Registry,
        expressions: &dyn Expressions,
    ) -> Result<Self> {
        let mut is_unknown = false;
        let compiled = Self::compile(rules, registry, |text, rules, unit| {
            Formula::new(text, rules, unit, expressions).or_else(|error| {
                is_unknown = true;
                Formula::new(text, rules, unit, &Lost(error.to_string()))
            })
        })?;
        Ok(Self { is_unknown, ..compiled })
    }

    fn compile(
        rules: EntityRules,
        registry: &Registry,
        mut formula: impl FnMut(&str, &EntityRules, &Unit) -> Result<Formula>,
    ) -> Result<Self> {
        let columns = rules.schema.columns();
        let fields: Vec<u16> =
            columns.iter().map(|it| registry.field(&it.name, &it.native_type)).collect();
        let units = rules.units.iter().map(|unit| {
            let formula = match &unit.policy {
                Policy::Sql(text) => Some(formula(text, &rules, unit)?),
                _ => None,
            };
            Ok(CompiledUnit {
                name: unit.name.clone(),
                fields: unit.columns.iter().map(|&column| fields[column]).collect(),
                kinds: unit.columns.iter().map(|&it| ValueKind::of(&columns[it])).collect(),
                older_max: older_max(&rules, unit),
                policy: unit.policy.clone(),
                formula,
                null_is_value: unit.null_is_value,
            })
        });
        let units = units.collect::<Result<_>>()?;
        let compiled = |name: &String| {
            let mapping = rules.mappings.iter().find(|mapping| mapping.name == *name)?;
            let numbers = |columns: &[usize]| {
                let mut numbers: Vec<u16> = columns.iter().map(|&it| fields[it]).collect();
                numbers.sort_unstable();
                numbers
            };
            Some(CompiledMapping {
                name: name.clone(),
                system: mapping.system.clone(),
                uncertainty: rules.uncertainty_of(&mapping.system),
                fields: numbers(&mapping.columns),
                returned: mapping.returned.as_deref().map(numbers),
            })
        };
        let mappings = registry.mappings.iter().map(compiled).collect();
        Ok(Self { units, fields, mappings, rules, is_unknown: false })
    }

    pub(crate) fn mapping(&self, number: u16) -> Option<&CompiledMapping> {
        self.mappings.get(usize::from(number))?.as_ref()
    }

    /// The unit that a field is in.
    pub(crate) fn unit_of(&self, field: u16) -> Option<usize> {
        self.units.iter().position(|unit| unit.fields.contains(&field))
    }

    /// How many runs of a field are kept before the one that holds.
    pub(crate) fn older_max(&self, field: u16) -> u8 {
        self.unit_of(field).map_or(0, |unit| self.units[unit].older_max)
    }
}
