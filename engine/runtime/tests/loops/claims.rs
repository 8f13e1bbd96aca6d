//! The claims of the entities in these tests: in memory, kept from one process to the next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use syncline_core::{
    ConflictBook, ConflictChange, Result, SystemName, TableName, TableSchema, Transform,
};
use syncline_resolve::{
    ClaimingMapping, Entity, EntityRules, Existence, Fallback, MemoryRows, Policy, Unit,
};
use syncline_runtime::EntityPlan;

/// Where claims rest while no process runs.
pub(crate) type Rested = Arc<Mutex<MemoryRows>>;

/// An entity whose fields are decided by a policy.
pub(crate) fn entity(
    schema: &Arc<TableSchema>,
    transforms: &[Arc<dyn Transform>],
    rested: &Rested,
    policy: &Policy,
) -> EntityPlan {
    let columns: Vec<usize> =
        (0..schema.columns().len()).filter(|it| !schema.key().contains(it)).collect();
    let units = columns.iter().map(|&column| Unit {
        name: schema.columns()[column].name.clone(),
        columns: vec![column],
        policy: policy.clone(),
        null_is_value: false,
    });
    let speaks = transforms.iter().filter(|it| it.writes().name() == schema.name());
    let system = |table: &TableName| table.system().cloned();
    let mappings = speaks.map(|it| ClaimingMapping {
        name: it.name().to_owned(),
        system: system(it.reads()).unwrap_or_else(|| SystemName::new("sis")),
        columns: columns.clone(),
        returned: None,
    });
    let rules = EntityRules {
        schema: schema.clone(),
        units: units.collect(),
        existence: Existence::Any,
        mappings: mappings.collect(),
        uncertainty: BTreeMap::new(),
    };
    let claims = Entity::open(Box::new(rested.clone()), rules, 7).unwrap();
    EntityPlan { schema: schema.clone(), claims: Box::new(claims) }
}

/// An entity with one source, begun anew.
pub(crate) fn fresh(schema: &Arc<TableSchema>, transforms: &[Arc<dyn Transform>]) -> EntityPlan {
    entity(schema, transforms, &Rested::default(), &Policy::Ask(Fallback::Ask))
}

/// What became of conflicts, one after the other.
#[derive(Default)]
pub(crate) struct Noted(pub(crate) Mutex<Vec<ConflictChange>>);

#[async_trait::async_trait]
impl ConflictBook for Noted {
    async fn note(&self, _entity: &str, changes: Vec<ConflictChange>) -> Result<()> {
        self.0.lock().unwrap().extend(changes);
        Ok(())
    }
}
