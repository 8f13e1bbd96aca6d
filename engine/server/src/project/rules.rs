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
        into_this.map(|mapping| self.claiming_mapping(mapping)).collect()
    }

    fn claiming_mapping(&self, mapping: &Mapping) -> ClaimingMapping {
        let targets = mapping.columns.iter().map(|column| column.target.as_str());
        let mut columns: Vec<usize> =
            targets.filter_map(|target| self.schema.index_of(target)).collect();
        columns.sort_unstable();
        ClaimingMapping { name: mapping.name.clone(), system: source_of(&mapping.reads), columns }
    }
}

/// Whose word a mapping brings: that of the system it reads, or of the entity, by its name.
fn source_of(reads: &TableName) -> SystemName {
    match reads {
        TableName::Table { system, .. } => system.clone(),
        TableName::Entity(name) => SystemName::new(name),
    }
}
