//! From what an entity's file and the mappings say to the rules it is decided by.

use super::Project;
use super::entity::Entity;
use std::collections::BTreeMap;
use std::time::Duration;
use syncline_core::{SystemName, TableName};
use syncline_mappings::Mapping;
use syncline_resolve::{ClaimingMapping, EntityRules};

impl Project {
    /// How every entity is decided, as far as these mappings speak of it.
    pub(crate) fn entity_rules(&self, mappings: &[Mapping]) -> Vec<EntityRules> {
        let clocks = &self.settings.clock_uncertainty;
        self.entities.iter().map(|entity| entity.rules(mappings, clocks)).collect()
    }
}

impl Entity {
    /// How it is decided, as far as these mappings speak of it.
    pub(super) fn rules(
        &self,
        mappings: &[Mapping],
        clocks: &BTreeMap<SystemName, Duration>,
    ) -> EntityRules {
        let mappings = self.claiming(mappings);
        // Other systems' clocks decide nothing here.
        let speaks = |system: &SystemName| mappings.iter().any(|it| it.system == *system);
        let uncertainty = clocks
            .iter()
            .filter(|(system, _)| speaks(system))
            .map(|(system, by)| (system.clone(), i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
            .collect();
        EntityRules {
            schema: self.schema.clone(),
            units: self.units.iter().map(|declared| declared.unit.clone()).collect(),
            existence: self.existence.clone(),
            mappings,
            uncertainty,
        }
    }

    /// The mappings that speak of it, in their order.
    pub(super) fn claiming(&self, mappings: &[Mapping]) -> Vec<ClaimingMapping> {
        let into_this = mappings.iter().filter(|mapping| mapping.writes == *self.schema.name());
        into_this.map(|mapping| self.claiming_mapping(mapping, mappings)).collect()
    }

    fn claiming_mapping(&self, mapping: &Mapping, all: &[Mapping]) -> ClaimingMapping {
        let targets = mapping.columns.iter().map(|column| column.target.as_str());
        let mut columns: Vec<usize> =
            targets.filter_map(|target| self.schema.index_of(target)).collect();
        columns.sort_unstable();
        let back: Vec<&Mapping> = all.iter().filter(|other| is_way_back(mapping, other)).collect();
        let returned =
            || columns.iter().copied().filter(|&it| self.is_returned(it, mapping, &back));
        ClaimingMapping {
            name: mapping.name.clone(),
            system: source_of(&mapping.reads),
            returned: (!back.is_empty()).then(|| returned().collect()),
            columns,
        }
    }

    /// Whether a column of the entity is written to where a mapping reads it from.
    fn is_returned(&self, column: usize, mapping: &Mapping, back: &[&Mapping]) -> bool {
        let name = &self.schema.columns()[column].name;
        let Some(read) = mapping.columns.iter().find(|it| it.target == *name) else { return false };
        let mut written = back.iter().flat_map(|other| &other.columns);
        written.any(|it| it.inputs.contains(name) && read.inputs.contains(&it.target))
    }
}

/// Whether another mapping leads from what this one writes to what it reads.
fn is_way_back(mapping: &Mapping, other: &Mapping) -> bool {
    other.reads == mapping.writes && other.writes == mapping.reads
}

/// Whose word a mapping brings: that of the system it reads, or of the entity, by its name.
fn source_of(reads: &TableName) -> SystemName {
    match reads {
        TableName::Table { system, .. } => system.clone(),
        TableName::Entity(name) => SystemName::new(name),
    }
}
