//! Requests to copy tables again.
//!
//! A request is durable when it is made. The capture of its system ends the run of its source, and
//! gives the request to the next one; once the source's own note holds it, it is deleted. A crash
//! between the two copies twice, which is harmless.

use crate::Registry;
use fail::fail_point;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use syncline_core::{Checkpoints, Error, Kind, Result, SystemName, TableName};
use tokio::sync::watch;

/// What is asked of one system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The tables to copy again.
    pub(crate) tables: BTreeSet<TableName>,
    /// Whether what can't be read any more was given up.
    pub(crate) anew: bool,
}

/// Takes requests to copy tables again. Made with a pipeline; shared by reference.
pub struct Backfills {
    checkpoints: Arc<dyn Checkpoints>,
    registry: Arc<Registry>,
    saving: Mutex<()>,
    asked: watch::Sender<()>,
}

impl Backfills {
    pub(crate) fn new(checkpoints: Arc<dyn Checkpoints>, registry: Arc<Registry>) -> Self {
        Self { checkpoints, registry, saving: Mutex::new(()), asked: watch::Sender::new(()) }
    }

    /// Asks for tables of one system to be copied again. `anew` gives up what was missed: where the
    /// system no longer has what was not read yet, all tables are copied and reading begins anew.
    ///
    /// # Errors
    /// `Config` where the system is not read; as [`Checkpoints`] where the request can't be kept.
    pub fn ask(
        &self,
        system: &SystemName,
        tables: impl IntoIterator<Item = TableName>,
        anew: bool,
    ) -> Result<()> {
        let Some(capture) = self.registry.find_capture(system) else {
            return Err(Error::new(Kind::Config, format!("nothing of {system} is read")));
        };
        let saving = self.lock();
        let mut request = self.load(system)?;
        request.tables.extend(tables);
        request.anew |= anew;
        self.save(system, &request)?;
        fail_point!("backfill.asked");
        drop(saving);
        capture.ask();
        self.asked.send_replace(());
        Ok(())
    }

    /// What is asked of a system and not held by its source's note yet.
    pub(crate) fn asked_of(&self, system: &SystemName) -> Result<Request> {
        let _saving = self.lock();
        self.load(system)
    }

    /// A request is held by the source's note.
    pub(crate) fn taken(&self, system: &SystemName, taken: &Request) -> Result<()> {
        let _saving = self.lock();
        let mut request = self.load(system)?;
        if request.anew && !taken.anew {
            // It asks for more than what was taken.
            return Ok(());
        }
        fail_point!("backfill.taken");
        request.tables.retain(|table| !taken.tables.contains(table));
        request.anew = false;
        self.save(system, &request)
    }

    /// Changes with every request.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.asked.subscribe()
    }

    fn load(&self, system: &SystemName) -> Result<Request> {
        let Some(bytes) = self.checkpoints.load(&note_name(system))? else {
            return Ok(Request::default());
        };
        serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!("what is to be copied again of {system} can't be understood");
            Error::new(Kind::Corrupt, message).caused_by(error)
        })
    }

    fn save(&self, system: &SystemName, request: &Request) -> Result<()> {
        let bytes = serde_json::to_vec(request).map_err(|error| {
            Error::new(Kind::Internal, "a request to copy again is no JSON").caused_by(error)
        })?;
        self.checkpoints.save(&note_name(system), &bytes)
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.saving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name under which a request is kept.
pub(crate) fn note_name(system: &SystemName) -> String {
    format!("backfill/{system}")
}

impl Request {
    pub(crate) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }
}
