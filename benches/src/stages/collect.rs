//! A source run into memory.

use anyhow::{Context, Result, ensure};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use syncline_core::{Captured, Entry, Outlet, Position, Report, Resume, Source, Stopped};

/// Longest time a source may take for its rows.
const DEADLINE: Duration = Duration::from_secs(300);

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    position: Option<Position>,
    checkpoint: Option<Vec<u8>>,
    streaming: bool,
    stopping: bool,
}

/// Takes what sources hand over, run after run.
#[derive(Default)]
pub(crate) struct Collector {
    state: Mutex<State>,
    changed: Condvar,
}

impl Collector {
    /// Runs a source from where the last one ended until it streams and all that was committed up to
    /// `end` is here; gives what it handed over.
    pub(crate) fn run(
        self: &Arc<Self>,
        mut source: Box<dyn Source>,
        end: Option<u64>,
    ) -> Result<Vec<Entry>> {
        let resume = {
            let mut state = self.lock();
            (state.streaming, state.stopping) = (false, false);
            Resume {
                position: state.position,
                checkpoint: state.checkpoint.clone(),
                ..Resume::default()
            }
        };
        let outlet = self.clone();
        let running = std::thread::spawn(move || source.run(resume, outlet.as_ref()));
        let passed = |state: &State| {
            let past = |end| state.position.is_some_and(|position| position.commit >= end);
            state.streaming && end.is_none_or(past)
        };
        let waiting =
            self.changed.wait_timeout_while(self.lock(), DEADLINE, |state| !passed(state));
        let (mut state, waited) = waiting.unwrap_or_else(PoisonError::into_inner);
        state.stopping = true;
        let entries = std::mem::take(&mut state.entries);
        drop(state);
        ensure!(!waited.timed_out(), "the source did not bring its rows in time");
        running.join().ok().context("the source panicked")??;
        Ok(entries)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outlet for Collector {
    fn emit(&self, captured: Captured) -> std::result::Result<(), Stopped> {
        let mut state = self.lock();
        if state.stopping {
            return Err(Stopped);
        }
        let boundary = captured.entries.iter().rev().find_map(|entry| entry.boundary);
        state.position = boundary.map(|boundary| boundary.position).or(state.position);
        state.checkpoint = captured.checkpoint.or(state.checkpoint.take());
        state.entries.extend(captured.entries);
        self.changed.notify_all();
        Ok(())
    }

    fn released(&self) -> Option<Position> {
        self.lock().position
    }

    fn stopping(&self) -> bool {
        self.lock().stopping
    }

    fn report(&self, report: Report) {
        if matches!(report, Report::Streaming) {
            self.lock().streaming = true;
            self.changed.notify_all();
        }
    }
}
