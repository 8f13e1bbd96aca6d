//! Notes beside the log, in memory.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use syncline_core::{Checkpoints, Error, Kind, Result};

/// Notes in memory.
#[derive(Default)]
pub(crate) struct Notes {
    held: Mutex<HashMap<String, Vec<u8>>>,
    /// How many times rows that are set aside can't be noted.
    pub(crate) refuses: AtomicUsize,
    /// How many times they are before that.
    pub(crate) takes_first: AtomicUsize,
    /// Whether the notes of sources wait.
    pub(crate) are_held_up: AtomicBool,
}

impl Checkpoints for Notes {
    fn load(&self, name: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.held.lock().unwrap().get(name).cloned())
    }

    fn save(&self, name: &str, note: &[u8]) -> Result<()> {
        let one_less = |left: usize| left.checked_sub(1);
        let counts = |left: &AtomicUsize| {
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
        };
        if name.starts_with("parked/") && !counts(&self.takes_first) && counts(&self.refuses) {
            return Err(Error::new(Kind::Unavailable, "notes can't be kept"));
        }
        while name.starts_with("capture/") && self.are_held_up.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        self.held.lock().unwrap().insert(name.into(), note.to_vec());
        Ok(())
    }
}
