//! Ends the process at a named point, at once and without a word, where a test asks for it.
//!
//! Points are `fail_point!("room.place")` between two effects; without the feature `crash-points` nothing
//! of them is compiled. With it, two variables say what is to happen:
//!
//! ```text
//!  SYNCLINE_CRASH=log.synced:3             ends the process when that is reached for the third time
//!  SYNCLINE_CRASH_COUNT=FILE:a.b,c.d …     counts how often each is reached; a line each, at the end
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes what was counted when it is dropped.
pub(crate) struct Counting {
    file: PathBuf,
    reached: BTreeMap<String, Arc<AtomicU64>>,
}

/// Does what the variables say, from now on.
pub(crate) fn arm() -> Option<Counting> {
    if let Some((name, number)) = variable("SYNCLINE_CRASH") {
        let left = AtomicU64::new(number.parse().unwrap_or(1));
        watch(&name, move || {
            if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                std::process::abort();
            }
        });
    }
    let (file, names) = variable("SYNCLINE_CRASH_COUNT")?;
    let mut reached = BTreeMap::new();
    for name in names.split(',') {
        let counter = Arc::new(AtomicU64::new(0));
        reached.insert(name.to_owned(), counter.clone());
        watch(name, move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
    }
    Some(Counting { file: file.into(), reached })
}

fn variable(name: &str) -> Option<(String, String)> {
    let value = std::env::var(name).ok()?;
    let (first, second) = value.split_once(':')?;
    Some((first.to_owned(), second.to_owned()))
}

fn watch(name: &str, reached: impl Fn() + Send + Sync + 'static) {
    if let Err(error) = fail::cfg_callback(name, reached) {
        tracing::error!("{name} can't be watched: {error}");
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        let mut text = String::new();
        for (name, reached) in &self.reached {
            let _ = writeln!(text, "{name} {}", reached.load(Ordering::Relaxed));
        }
        if let Err(error) = std::fs::write(&self.file, text) {
            tracing::error!("{} can't be written: {error}", self.file.display());
        }
    }
}
