//! What a source handed over, and what of it has settled: what a source says of itself counts from there on.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts hand-overs of one run, and knows when a source that streams has no first copy any more that a crash
/// could make it read again.
///
/// A source says that it streams right behind its copy, which may not be in the log by then, nor noted. Were this told
/// at once, a crash would take it back: rows are copied again by a process that finds no note of them, and these
/// are newer than where the stream goes on.
#[derive(Debug, Default)]
pub(crate) struct Handovers(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    handed_over: u64,
    settled: u64,
    /// The source streams behind so many.
    streams_behind: Option<u64>,
}

impl Handovers {
    /// Something is about to be handed over.
    pub(crate) fn begin(&self) {
        self.state().handed_over += 1;
    }

    /// The oldest that had not settled is durable, and so is the note that came with it. Tells whether the source
    /// streams from here on.
    pub(crate) fn settle(&self) -> bool {
        let mut state = self.state();
        state.settled += 1;
        state.streams_now()
    }

    /// All that comes from here on is of the stream. Tells whether everything before has settled.
    pub(crate) fn stream(&self) -> bool {
        let mut state = self.state();
        state.streams_behind = Some(state.handed_over);
        state.streams_now()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// True once.
    fn streams_now(&mut self) -> bool {
        self.streams_behind.take_if(|behind| self.settled >= *behind).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_streams_once_all_it_copied_has_settled() {
        let handovers = Handovers::default();
        handovers.begin();
        handovers.begin();
        assert!(!handovers.settle());
        assert!(!handovers.stream());
        handovers.begin();
        assert!(handovers.settle());
        assert!(!handovers.settle(), "told once");
    }

    #[test]
    fn a_source_that_copies_nothing_streams_at_once() {
        let handovers = Handovers::default();
        assert!(handovers.stream());
        handovers.begin();
        assert!(!handovers.settle());
    }
}
