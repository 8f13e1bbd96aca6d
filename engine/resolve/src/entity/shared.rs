//! An entity that one weighs and others ask.

use super::keep::Entity;
use std::sync::{Arc, Mutex, PoisonError};
use syncline_core::{
    Claims, Cursor, Heard, LogId, Offset, Resolved, Result, Stable, Sweep, Topic, Transaction,
};

/// The claims of one entity, for who weighs them and for who asks why. Clones are the same claims.
///
/// Who asks waits for the batch that is being heard, and whoever hears for the question: both are
/// short.
#[derive(Debug, Clone)]
pub struct SharedEntity(Arc<Mutex<Entity>>);

impl SharedEntity {
    /// Shares an entity.
    #[must_use]
    pub fn new(entity: Entity) -> Self {
        Self(Arc::new(Mutex::new(entity)))
    }

    /// Whether there is no clone of it.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// Does something with the entity, alone.
    pub fn with<T>(&self, work: impl FnOnce(&mut Entity) -> T) -> T {
        // A panic may have left it half-heard; whoever hears begins with a rollback then.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Claims for SharedEntity {
    fn id(&self) -> u64 {
        self.with(|entity| entity.id())
    }

    fn progress(&self, log: LogId, topic: &Topic) -> Option<Offset> {
        self.with(|entity| entity.progress(log, topic))
    }

    fn hear(&mut self, heard: Heard<'_>) -> Result<Resolved> {
        self.with(|entity| entity.hear(heard))
    }

    fn is_outdated(&self) -> bool {
        self.with(|entity| entity.is_outdated())
    }

    fn sweep(
        &mut self,
        sweep: &Sweep,
        from: Cursor,
        at: Transaction,
    ) -> Result<(Resolved, Option<Cursor>)> {
        self.with(|entity| entity.sweep(sweep, from, at))
    }

    fn collect(&mut self, stable: &Stable, from: Cursor) -> Result<(u64, Option<Cursor>)> {
        self.with(|entity| entity.collect(stable, from))
    }

    fn commit(&mut self, log: LogId, topic: &Topic, next: Offset) -> Result<()> {
        self.with(|entity| entity.commit(log, topic, next))
    }

    fn rollback(&mut self) -> Result<()> {
        self.with(Entity::rollback)
    }
}
