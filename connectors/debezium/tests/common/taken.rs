//! What a source hands over, kept for whoever compares it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use syncline_core::{Captured, Entry, Outlet, Position, Report, Stopped};

/// Takes all that a source hands over.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) entries: Mutex<Vec<Entry>>,
    pub(crate) released: Mutex<Option<Position>>,
    pub(crate) stopping: AtomicBool,
}

impl Outlet for Taken {
    fn emit(&self, captured: Captured) -> std::result::Result<(), Stopped> {
        let last = captured.entries.iter().rev().find_map(|entry| entry.boundary);
        self.entries.lock().unwrap().extend(captured.entries);
        if let Some(last) = last {
            *self.released.lock().unwrap() = Some(last.position);
        }
        Ok(())
    }

    fn released(&self) -> Option<Position> {
        *self.released.lock().unwrap()
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn report(&self, _: Report) {}
}
